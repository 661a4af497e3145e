package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"jamba/serve/turn"
)

func hashed(key string) string {
	h := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(h[:])
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.String()
}

func TestParseKey(t *testing.T) {
	for _, test := range []struct {
		line, key string
		want      terms
		fails     string
	}{
		{line: "secret", key: "secret"},
		{line: "two words", key: "two words"},
		{line: "a=b c=d", key: "a=b c=d"}, // no terms of ours
		{line: "name=x", key: "name=x"},   // a key has to be before them
		{line: "secret  name=alice\trequests=60 tokens=100000 parallel=4", key: "secret", want: terms{"alice", 60, 100000, 4}},
		{line: hashed("secret") + " tokens=5", key: "secret", want: terms{tokens: 5}},
		{line: hashed("secret") + " token=5", fails: "name=, requests=, tokens= or parallel="},
		{line: hashed("secret")[:70], fails: "64 hexadecimal digits"},
		{line: "secret requests=0", fails: "requests=\"0\", want a whole number of 1 or more"},
		{line: "secret requests=many", fails: "whole number"},
		{line: "secret parallel=99999999999999999999", fails: "whole number"},
	} {
		hash, got, err := parseKey(test.line)
		switch {
		case test.fails != "":
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v", test.line, err)
			}
		case err != nil || hash != sha256.Sum256([]byte(test.key)) || got != test.want:
			t.Errorf("%s: %+v, %v", test.line, got, err)
		}
	}
}

// TestAccount spends what a key may in a minute, and waits as long as it is told: then there is as much again.
func TestAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount([32]byte{}, terms{requests: 6, tokens: 600, parallel: 2}, nil)
		wait := func(err error) time.Duration {
			t.Helper()
			e := turn.AsError(err)
			if err == nil || e.Status != http.StatusTooManyRequests || e.Retry < 1 {
				t.Fatalf("%+v", err)
			}
			return time.Duration(e.Retry) * time.Second
		}
		request := func() (func(), error) { return a.begin() }
		first, err := request()
		second, err2 := request()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if _, err := request(); wait(err) != time.Second { // two at a time
			t.Error(err)
		}
		first()
		second()
		for range 4 {
			end, err := request()
			if err != nil {
				t.Fatal(err)
			}
			end()
		}
		for range 3 { // those that are refused cost nothing
			if _, err := request(); wait(err) != 10*time.Second {
				t.Error(err)
			}
		}
		time.Sleep(10 * time.Second)
		if end, err := request(); err != nil {
			t.Error(err)
		} else {
			end()
		}
		if n := a.running.Load(); n != 0 {
			t.Errorf("%d are on their way", n)
		}

		// Tokens: 10 a second.
		if err := a.prompt(500); err != nil {
			t.Fatal(err)
		}
		if err := a.prompt(300); wait(err) != 20*time.Second {
			t.Error(err)
		}
		a.spend(150) // an answer goes on
		if err := a.prompt(100); wait(err) != 15*time.Second {
			t.Error(err)
		}
		time.Sleep(15 * time.Second)
		if err := a.prompt(100); err != nil {
			t.Error(err)
		}
		if err := a.prompt(5000); wait(err) != time.Minute { // more than a minute's: when all of these are there
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if err := a.prompt(5000); err != nil {
			t.Error(err)
		}
		if err := a.prompt(1); wait(err) != 441*time.Second { // it is in debt with 4400
			t.Error(err)
		}

		// The file is read again: what was spent is not forgotten, new terms hold.
		if same := newAccount(a.hash, a.terms, a); same.prompt(1) == nil {
			t.Error("what was spent is forgotten")
		}
		if free := newAccount(a.hash, terms{}, a); free.prompt(1<<20) != nil {
			t.Error("no limit, and it is refused")
		}
	})
}

// TestKeyLimits asks with keys that may do different things: who is refused is told in the protocol's shape when to come again, and nobody is
// served from what was computed for another.
func TestKeyLimits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(hashed("one")+" name=one requests=2\ntwo parallel=1\nthree tokens=40\nfree\nfriend name=pair\nagain name=pair\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	var log lines
	url, _ := start(t, open(t), Options{Keys: keys, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ask := func(key, path, body string) (status, retry int, answer string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		retry, _ = strconv.Atoi(response.Header.Get("Retry-After"))
		b, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, retry, string(b)
	}
	const hi = `{"max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}`
	for range 2 {
		if status, _, body := ask("one", "/v1/chat/completions", hi); status != 200 {
			t.Fatal(status, body)
		}
	}
	for path, want := range map[string]string{
		"/v1/chat/completions": `"type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"`, "/v1/messages": `"type":"rate_limit_error"`, "/api/chat": `{"error":"this key may make 2 requests a minute"}`,
	} {
		if status, retry, body := ask("one", path, hi); status != 429 || retry < 1 || retry > 30 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, again in %d s, %s", path, status, retry, body)
		}
	}
	// Prompts and answers count, the answer as it comes.
	if status, _, body := ask("three", "/v1/completions", `{"prompt":[5,6,7,8,9,10,11,12,13,14],"max_tokens":30,"ignore_eos":true}`); status != 200 {
		t.Fatal(status, body)
	}
	if status, retry, body := ask("three", "/v1/completions", `{"prompt":[5,6,7,8,9,10,11,12,13,14],"max_tokens":1}`); status != 429 || retry < 5 || retry > 15 || !strings.Contains(body, "40 tokens a minute") {
		t.Errorf("%d, again in %d s, %s", status, retry, body)
	}
	if status, _, body := ask("three", "/v1/embeddings", `{"input":[[5,6,7,8,9,10,11,12,13,14]]}`); status != 429 {
		t.Errorf("%d %s", status, body)
	}
	// Of answers at a time, one.
	held, err := http.NewRequest(http.MethodPost, url+"/v1/completions", strings.NewReader(`{"prompt":"Once","max_tokens":3000,"ignore_eos":true,"stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	held.Header.Set("X-Api-Key", "two")
	response, err := http.DefaultClient.Do(held)
	if err != nil {
		t.Fatal(err)
	}
	if status, retry, body := ask("two", "/v1/chat/completions", hi); status != 429 || retry != 1 {
		t.Errorf("%d, again in %d s, %s", status, retry, body)
	}
	response.Body.Close()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		if status, _, _ := ask("two", "/v1/chat/completions", hi); status == 200 {
			break
		}
		if time.Since(begun) > 5*time.Second {
			t.Fatal("the place of the one that left is not free again")
		}
	}
	// What was computed for a key is for those of its name alone.
	long := `{"max_tokens":1,"messages":[{"role":"user","content":"` + strings.Repeat("blue tree ", 40) + `"}]}`
	for _, step := range []struct {
		key    string
		cached bool
	}{{"free", false}, {"free", true}, {"friend", false}, {"again", true}} {
		_, _, body := ask(step.key, "/v1/chat/completions", long)
		if n := decode[completion](t, body).Usage.Details.CachedTokens; n > 0 != step.cached {
			t.Errorf("%s: %d tokens were there", step.key, n)
		}
	}
	// Nor does a conversation go on for another.
	_, _, first := ask("free", "/v1/responses", `{"input":"Hi","max_output_tokens":1}`)
	next := `{"input":"And?","max_output_tokens":1,"previous_response_id":"` + decode[struct{ ID string }](t, first).ID + `"}`
	for key, want := range map[string]int{"free": 200, "friend": 400} {
		if status, _, body := ask(key, "/v1/responses", next); status != want || want == 400 && !strings.Contains(body, "previous_response_not_found") {
			t.Errorf("%s goes on: %d %s", key, status, body)
		}
	}
	for line := range strings.Lines(log.String()) {
		if strings.Count(line, " key=") != 1 {
			t.Errorf("whose key is it? %s", line)
		}
	}
	if !strings.Contains(log.String(), "key=one") || strings.Contains(log.String(), "friend") || !strings.Contains(log.String(), "key="+hashed("free")[:15]) {
		t.Error(log.String())
	}
}
