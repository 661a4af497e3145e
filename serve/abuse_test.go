package serve

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"jamba/internal/testutil"
	"jamba/serve/models"
)

// noErrors returns a log for what must not happen, and fails the test if it did.
func noErrors(t *testing.T) *slog.Logger {
	var faults bytes.Buffer
	t.Cleanup(func() {
		if faults.Len() > 0 {
			t.Errorf("the server's log: %.2000s", faults.String())
		}
	})
	return slog.New(slog.NewTextHandler(&faults, &slog.HandlerOptions{Level: slog.LevelError}))
}

// apis are the paths that take a body, each with a request that is answered, and how its protocol tells errors.
var apis = []struct{ path, good, shape string }{
	{"/v1/chat/completions", `"messages":[{"role":"user","content":"Hi"}],"max_tokens":1`, "openai"},
	{"/v1/completions", `"prompt":"Hi","max_tokens":1`, "openai"},
	{"/v1/responses", `"input":"Hi","max_output_tokens":1`, "openai"},
	{"/v1/embeddings", `"input":"Hi"`, "openai"},
	{"/tokenize", `"prompt":"Hi"`, "openai"},
	{"/v1/messages", `"messages":[{"role":"user","content":"Hi"}],"max_tokens":1`, "anthropic"},
	{"/api/chat", `"messages":[{"role":"user","content":"Hi"}],"options":{"num_predict":1},"stream":false`, "ollama"},
	{"/api/generate", `"prompt":"Hi","options":{"num_predict":1},"stream":false`, "ollama"},
	{"/api/embed", `"input":"Hi"`, "ollama"},
}

// refused fails the test unless an answer is a client's error, told as a protocol tells it.
func refused(t *testing.T, what string, status int, body, shape string) {
	t.Helper()
	message := ""
	if strings.HasPrefix(body, "{") {
		switch shape {
		case "ollama":
			message = decode[struct{ Error string }](t, body).Error
		case "anthropic":
			if e := decode[struct {
				Type  string
				Error struct{ Type, Message string }
			}](t, body); e.Type == "error" && e.Error.Type != "" {
				message = e.Error.Message
			}
		default:
			if e := decode[struct {
				Error struct{ Type, Message string }
			}](t, body).Error; e.Type != "" {
				message = e.Message
			}
		}
	}
	if status < 400 || status > 499 || message == "" || len(body) > 1000 {
		t.Errorf("%s: %d %.300s", what, status, body)
	}
}

// TestAbuse sends every API what no client should: each is refused in the protocol's own shape, and nothing large is made of it.
func TestAbuse(t *testing.T) {
	const limit = 1 << 20
	m := open(t)
	url, _ := start(t, m, Options{MaxBody: limit, Log: noErrors(t)})
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2) }
	packed := map[string][]byte{"gzip": bomb(t, "gzip"), "zstd": bomb(t, "zstd")}
	protocols := map[string]bool{}
	for _, api := range apis {
		if testutil.Race && protocols[api.shape] {
			continue // one of each
		}
		protocols[api.shape] = true
		if status, body := post(t, url+api.path, "{"+api.good+"}"); status != http.StatusOK {
			t.Fatalf("%s: %d %s", api.path, status, body)
		}
		for what, body := range map[string]string{
			"nothing":               "",
			"no object":             `["a","a"]`,
			"half":                  "{" + api.good,
			"deep":                  `{` + api.good + `,"x":` + deep(100_000) + `}`,
			"deep, open":            strings.Repeat("[", 100_000),
			"NaN":                   `{` + api.good + `,"temperature":NaN}`,
			"Infinity":              `{` + api.good + `,"temperature":-Infinity}`,
			"a field twice":         `{` + api.good + `,"model":"a","model":"b"}`,
			"a field in two cases":  `{` + api.good + `,"model":"a","Model":"b"}`,
			"an escaped field":      `{` + api.good + `,"model":"a","mode\u006c":"b"}`,
			"not UTF-8":             `{` + api.good + ",\"model\":\"\xff\xfe\"}",
			"UTF-16":                "\xff\xfe{\x00}\x00",
			"a number for a string": `{` + api.good + `,"model":1}`,
			"more behind it":        `{` + api.good + `}{}`,
			"too large":             `{` + api.good + `,"x":"` + strings.Repeat("x", limit) + `"}`,
		} {
			if api.path == "/tokenize" && strings.HasPrefix(what, "a number") {
				continue // it has no such field
			}
			status, answer := post(t, url+api.path, body)
			refused(t, api.path+", "+what, status, answer, api.shape)
		}
		for kind, body := range packed {
			used := allocated()
			status, answer := post(t, url+api.path, string(body), "Content-Encoding", kind)
			refused(t, api.path+", bomb of "+kind, status, answer, api.shape)
			if used = allocated() - used; used > 24*limit {
				t.Errorf("%s, bomb of %s: %d bytes are allocated", api.path, kind, used)
			}
		}
		// 100 MB that come as they are made, and 100 MB that are promised.
		for _, length := range []int64{-1, 100 << 20} {
			r, err := http.NewRequest(http.MethodPost, url+api.path, io.LimitReader(spaces{}, 100<<20))
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = length
			used := allocated()
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				continue // the server has hung up on a client that still writes
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			refused(t, api.path+", 100 MB", response.StatusCode, string(body), api.shape)
			if used = allocated() - used; used > 24*limit {
				t.Errorf("%s, 100 MB: %d bytes are allocated", api.path, used)
			}
		}
	}
	if c := m.Counters(); c.Running+c.Waiting != 0 {
		t.Errorf("%d running, %d waiting", c.Running, c.Waiting)
	}
}

// TestNumbers sends numbers that no field takes.
func TestNumbers(t *testing.T) {
	url, _ := start(t, open(t), Options{Log: noErrors(t)})
	fields := map[string][]string{
		"openai":    {"max_tokens", "n", "seed", "temperature", "top_p", "presence_penalty", "frequency_penalty", "top_k", "min_p", "repetition_penalty", "min_tokens", "stop_token_ids", "logit_bias", "priority"},
		"responses": {"max_output_tokens", "temperature", "top_p", "top_logprobs"},
		"anthropic": {"temperature", "top_p", "top_k"},
		"ollama":    {"num_predict", "temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed"},
	}
	for _, api := range apis {
		names := fields[api.shape]
		wrap := "%s"
		switch api.path {
		case "/v1/chat/completions":
			names = append([]string{"max_completion_tokens", "top_logprobs", "thinking_budget"}, names...)
		case "/v1/completions":
			names = append([]string{"logprobs", "best_of"}, names...)
		case "/v1/responses":
			names = fields["responses"]
		case "/api/chat", "/api/generate":
			wrap = `"options":{%s}`
		case "/v1/embeddings", "/tokenize", "/api/embed":
			continue
		}
		good := strings.NewReplacer(`,"max_tokens":1`, "", `,"max_output_tokens":1`, "", `,"options":{"num_predict":1}`, "").Replace(api.good)
		if api.shape == "anthropic" {
			good = api.good
		}
		for _, name := range names {
			for _, value := range []string{`-1e99`, `1e400`, `99999999999999999999`, `"1"`, `true`, `[[]]`, `{"a":"b"}`, `[-5]`, `{"-1":1}`, `{"1":1e308}`} {
				body := "{" + good + "," + fmt.Sprintf(wrap, fmt.Sprintf("%q:%s", name, value)) + "}"
				status, answer := post(t, url+api.path, body)
				refused(t, api.path+" "+body, status, answer, api.shape)
				if !strings.Contains(answer, name) {
					t.Errorf("%s %s: the answer does not name the field: %s", api.path, body, answer)
				}
			}
		}
	}
	many := strings.TrimSuffix(strings.Repeat(`"a",`, 10_000), ",")
	for path, body := range map[string]string{
		"/v1/chat/completions": `"stop":[` + many + `]`,
		"/v1/completions":      `"stop":[` + many + `]`,
		"/v1/messages":         `"stop_sequences":[` + many + `]`,
		"/api/chat":            `"options":{"stop":[` + many + `]}`,
		"/v1/embeddings":       `"encoding_format":"` + strings.Repeat("x", 100_000) + `"`,
	} {
		for _, api := range apis {
			if api.path == path {
				good := strings.Replace(api.good, `,"options":{"num_predict":1}`, "", 1)
				status, answer := post(t, url+path, "{"+good+","+body+"}")
				refused(t, path+", 10,000 stop strings", status, answer, api.shape)
			}
		}
	}
	// 2 million answers
	status, answer := post(t, url+"/v1/completions", `{"prompt":[`+strings.TrimSuffix(strings.Repeat(`"a",`, 20_000), ",")+`],"n":100}`)
	refused(t, "2 million answers", status, answer, "openai")
}

// TestPaths asks for paths that other servers were led astray by, with no key: nothing is answered but what needs none.
func TestPaths(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("a-key-that-nobody-has\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	url, _ := start(t, open(t), Options{Keys: keys, Log: noErrors(t)})
	host := strings.TrimPrefix(url, "http://")
	for _, path := range []string{
		"/v1/models", "//v1/models", "/v1//models", "/./v1/models", "/health/../v1/models", "/health/..%2fv1/models", "/health%2f..%2fmetrics", "/%76%31/models",
		"/v1/models/", "/v1/models/..%2f..%2f..%2fetc%2fpasswd", "/v1/models/%00", "/metrics/", "/METRICS", "/metrics%00", "/metrics?health", "/health;/../metrics",
		"http://localhost/v1/models", "http://localhost/health/../metrics", `/\metrics`, "/ready/../api/tags", "/api/tags%20", "/debug/pprof/", "/" + strings.Repeat("a/", 10_000),
		"*", "/?/health",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PRI", "get"} {
			c, err := net.Dial("tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", method, path)
			r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%s %.80s: %v", method, path, err)
			}
			body, _ := io.ReadAll(r.Body)
			_ = c.Close()
			open := path == "/?/health" && (method == "GET" || method == "HEAD") || path == "*" && method == "OPTIONS" // the latter is net/http's
			if r.StatusCode < 300 && !open || r.StatusCode >= 500 || strings.Contains(string(body), "vllm:") {
				t.Errorf("%s %.80s: %d %.200s", method, path, r.StatusCode, body)
			}
		}
	}
	for _, headers := range []string{
		"Authorization: Bearer", "Authorization: Bearer \t", "Authorization: Bearer\tx", "Authorization: bearer:x", "Authorization: Bearer x, Bearer y", "Authorization: Basic eDp4",
		"Authorization: Bearer x\r\nAuthorization: Bearer y", "X-Api-Key: ", "X-Api-Key: x\r\nX-Api-Key: y", "X-Api-Key: \xff\x80", "Authorization: Bearer " + strings.Repeat("k", 60_000),
		"Cookie: key=x", "Proxy-Authorization: Bearer x", "Content-Length: 2\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked, chunked", "Host: evil.example",
		"X-Request-Id: " + strings.Repeat("i", 5000), strings.Repeat("X-A: b\r\n", 20_000) + "X-B: c",
	} {
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			fmt.Fprintf(c, "GET /v1/models?key=x&api_key=x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n\r\n", headers)
		}()
		if r, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && (r.StatusCode < 400 || r.StatusCode >= 500) && r.StatusCode != http.StatusNotImplemented {
			t.Errorf("%.80s: %d", headers, r.StatusCode)
		}
		_ = c.Close()
	}
}

// TestSlowClients has clients send too slowly, or stop in the middle: their connections end, and nothing goes on.
func TestSlowClients(t *testing.T) {
	m := open(t)
	s := New(Options{Log: noErrors(t)}, models.Opened("test", m))
	s.patience = patience{header: 300 * time.Millisecond, body: 300 * time.Millisecond}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l, time.Second) }()
	const head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	const endless = `{"prompt":"Once","max_tokens":100000,"ignore_eos":true,"stream":true}`
	for _, test := range []struct {
		name, sends string
		half        bool // the client sends no more, and still reads
		want        string
	}{
		{name: "no header", sends: "POST /v1/comp"},
		{name: "a header without end", sends: head + "X-A: b\r\n"},
		{name: "no body", sends: head + "Content-Length: 100\r\n\r\n", want: "408"},
		{name: "half a body", sends: head + "Content-Length: 100\r\n\r\n{\"prompt\":", want: "408"},
		{name: "half a chunk", sends: head + "Transfer-Encoding: chunked\r\n\r\n20\r\n{\"prom", want: "408"},
		{name: "no chunk", sends: head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", want: "400"},
		{name: "half a body, closed", sends: head + "Content-Length: 100\r\n\r\n{\"prompt\":", half: true},
		{name: "closed while it is answered", sends: fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(endless), endless), half: true},
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, test.sends)
		if test.half {
			_ = c.(*net.TCPConn).CloseWrite()
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		answer, err := io.ReadAll(c)
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			t.Errorf("%s: the connection stays", test.name)
		}
		if status, _, _ := strings.Cut(strings.TrimPrefix(string(answer), "HTTP/1.1 "), " "); test.want != "" && status != test.want {
			t.Errorf("%s: %.300s, want %s", test.name, answer, test.want)
		}
		_ = c.Close()
	}
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		c := m.Counters()
		if c.Running+c.Waiting == 0 {
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("%d running, %d waiting", c.Running, c.Waiting)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// allocated returns how many bytes the program has allocated since it began.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// spaces are white space without end.
type spaces struct{}

var page = strings.Repeat(" ", 1<<15)

func (spaces) Read(b []byte) (int, error) {
	return copy(b, page), nil
}

// bomb returns 256 MiB of white space, packed.
func bomb(t *testing.T, kind string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if kind == "zstd" {
		var err error
		if w, err = zstd.NewWriter(&b); err != nil {
			t.Fatal(err)
		}
	}
	size := int64(256 << 20)
	if testutil.Race {
		size /= 8
	}
	if _, err := io.Copy(w, io.LimitReader(spaces{}, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
