package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jamba"
	"jamba/checkpoint"
	"jamba/embedded"
	"jamba/internal/testutil"
	"jamba/model/lora"
	"jamba/serve/models"
)

// serveAll serves several models.
func serveAll(t testing.TB, o Options, sources ...models.Source) (url string, s *Server) {
	t.Helper()
	s = New(o, sources...)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return h.URL, s
}

// lasting is a model that stays open.
type lasting struct{ models.Model }

func (lasting) Close() error { return nil }

// gated is a source whose loading ends when gate is closed.
func gated(name string, m models.Model, gate <-chan bool, opens *atomic.Int64) models.Source {
	return models.Source{Name: name, Open: func(_ context.Context, progress func(done, total int64)) (models.Model, error) {
		opens.Add(1)
		progress(42, 100)
		<-gate
		return lasting{m}, nil
	}}
}

var loadingRequests = []struct{ path, body, alive, want string }{
	{"/v1/chat/completions", `{"model":"slow","messages":[{"role":"user","content":"Hi"}],"stream":true}`, ": loading the model: 42 %\n", "[DONE]"},
	{"/v1/completions", `{"model":"slow","prompt":"Hi","stream":true}`, ": loading the model: 42 %\n", "[DONE]"},
	{"/v1/responses", `{"model":"slow","input":"Hi","stream":true}`, "event: response.in_progress\n", "response.completed"},
	{"/v1/messages", `{"model":"slow","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}`, "event: ping\n", "message_stop"},
	{"/api/chat", `{"model":"slow:latest","messages":[{"role":"user","content":"Hi"}]}`, `"content":""`, `"done":true`},
}

// TestLoading asks for a model that takes a while to be loaded: streams are kept alive, all who wait are answered after it is loaded once,
// one who leaves does not wait any longer, and meanwhile other models answer.
func TestLoading(t *testing.T) {
	gate := make(chan bool)
	var opens atomic.Int64
	url, s := serveAll(t, Options{Heartbeat: 10 * time.Millisecond}, gated("slow", say(t, "Hello there.", 4), gate, &opens), models.Opened("quick", say(t, "At once.", 4)))
	waiting := func(want int) {
		t.Helper()
		for begun := time.Now(); ; time.Sleep(time.Millisecond) {
			n := s.registry.List()[0].Waiting
			if n == want {
				return
			}
			if time.Since(begun) > 10*time.Second {
				t.Fatalf("%d wait for the model, want %d", n, want)
			}
		}
	}
	ctx, leave := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/completions", strings.NewReader(`{"model":"slow","prompt":"Hi"}`))
	left := make(chan error)
	go func() {
		_, err := http.DefaultClient.Do(r)
		left <- err
	}()
	waiting(1)
	leave()
	if err := <-left; err == nil {
		t.Error("it was answered")
	}
	waiting(0)
	var all sync.WaitGroup
	for _, q := range loadingRequests {
		all.Go(func() {
			response, err := http.Post(url+q.path, "application/json", strings.NewReader(q.body))
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			in := bufio.NewReader(response.Body)
			for n := 0; n < 3; {
				line, err := in.ReadString('\n')
				if err != nil {
					t.Errorf("%s: %v after %q", q.path, err, line)
					return
				}
				if strings.Contains(line, "message_start") {
					t.Errorf("%s: it begins before the prompt is known", q.path)
				}
				if strings.Contains(line, q.alive) {
					n++
				}
			}
			rest, err := io.ReadAll(in)
			if err != nil || !strings.Contains(string(rest), q.want) || !strings.Contains(string(rest), "Hell") {
				t.Errorf("%s: %v, %s", q.path, err, rest)
			}
		})
	}
	waiting(len(loadingRequests))
	if status, body := post(t, url+"/v1/completions", `{"model":"quick","prompt":"Hi"}`); status != 200 || !strings.Contains(body, "At once.") || !strings.Contains(body, `"model":"quick"`) {
		t.Errorf("%d %s", status, body)
	}
	time.Sleep(100 * time.Millisecond)
	close(gate)
	all.Wait()
	if n := opens.Load(); n != 1 {
		t.Errorf("loaded %d times", n)
	}
}

// TestReady serves a model that is loaded at the start: until then the server is live, but not ready, and tells how far it is. If the model
// cannot be loaded, the server ends with the reason.
func TestReady(t *testing.T) {
	for _, broken := range []bool{false, true} {
		gate := make(chan bool)
		var opens atomic.Int64
		source := gated("big", say(t, "Hello.", 9), gate, &opens)
		source.AtStart = true
		if whole := source.Open; broken {
			source.Open = func(ctx context.Context, progress func(done, total int64)) (models.Model, error) {
				_, _ = whole(ctx, progress)
				return nil, errBroken
			}
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- New(Options{}, source).Run(ctx, l, time.Second) }()
		url := "http://" + l.Addr().String()
		ready := func(want int, body string) {
			t.Helper()
			for begun := time.Now(); ; time.Sleep(time.Millisecond) {
				status, got := get(t, url+"/ready")
				if status == want && got == body+"\n" {
					return
				}
				if time.Since(begun) > 5*time.Second {
					t.Fatalf("%d %s, want %d %s", status, got, want, body)
				}
			}
		}
		ready(http.StatusServiceUnavailable, `{"model":"big","percent":42,"status":"loading"}`)
		if status, body := get(t, url+"/health"); status != 200 {
			t.Errorf("%d %s", status, body)
		}
		close(gate)
		if broken {
			if err := <-ended; !errors.Is(err, errBroken) {
				t.Errorf("it ends with %v", err)
			}
			continue
		}
		ready(http.StatusOK, `{"status":"ready"}`)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestNames asks for models that are there and others that are not.
func TestNames(t *testing.T) {
	gate := make(chan bool)
	close(gate)
	var opens atomic.Int64
	broken := models.Source{Name: "broken", Open: func(context.Context, func(done, total int64)) (models.Model, error) {
		return nil, fmt.Errorf("/secret/path: no weights")
	}}
	lazy := gated("lazy", say(t, "Lazy.", 9), gate, &opens)
	lazy.About = models.About{Info: jamba.Info{Context: 77, Architecture: "JambaForCausalLM"}, Template: "T", Calls: true}
	url, _ := serveAll(t, Options{}, models.Opened("quick", say(t, "Quick.", 9)), lazy, broken)
	chat := func(path, model string) string {
		return `{"model":"` + model + `","max_tokens":5,"stream":false,"input":"Hi","prompt":"Hi","messages":[{"role":"user","content":"Hi"}]}`
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/embeddings", "/api/chat", "/api/generate", "/api/embed", "/api/show", "/tokenize", "/v1/messages/count_tokens"} {
		for model, want := range map[string]int{"quick": 200, "nobody": 404, "": 400, "broken": 500} {
			if path == "/api/show" && model == "broken" {
				want = 200 // it need not be loaded for that
			}
			status, body := post(t, url+path, chat(path, model))
			if status != want || want == 404 && !strings.Contains(body, "quick, lazy, broken") || strings.Contains(body, "secret") {
				t.Errorf("%s of %q: %d %s, want %d", path, model, status, body, want)
			}
			if want == 404 && strings.HasPrefix(path, "/v1/messages") && !strings.Contains(body, `"type":"not_found_error"`) {
				t.Errorf("%s: %s", path, body)
			}
		}
	}
	if _, body := get(t, url+"/v1/models"); !strings.Contains(body, `"id":"quick"`) || !strings.Contains(body, `"id":"lazy","object":"model"`) || !strings.Contains(body, `"max_model_len":77`) {
		t.Error(body)
	}
	if status, body := get(t, url+"/v1/models/lazy"); status != 200 || !strings.Contains(body, `"id":"lazy"`) {
		t.Error(status, body)
	}
	if status, _ := get(t, url+"/v1/models/nobody"); status != 404 {
		t.Error(status)
	}
	if _, body := post(t, url+"/api/show", `{"model":"lazy"}`); !strings.Contains(body, `"template":"T"`) || !strings.Contains(body, `"tools"`) || !strings.Contains(body, `"jamba.context_length":77`) {
		t.Error(body)
	}
	names := func(path string) (names []string) {
		_, body := get(t, url+path)
		for _, m := range decode[struct{ Models []struct{ Name string } }](t, body).Models {
			names = append(names, m.Name)
		}
		return names
	}
	if all, loaded := names("/api/tags"), names("/api/ps"); fmt.Sprint(all, loaded) != "[quick lazy broken] [quick]" {
		t.Errorf("there are %v, %v is loaded", all, loaded)
	}
	if opens.Load() != 0 {
		t.Error("a model was loaded that nobody asked for")
	}
	for _, step := range []struct{ body, want, loaded string }{
		{`{"model":"lazy"}`, `"done_reason":"load"`, "[quick lazy]"},
		{`{"model":"lazy:latest","keep_alive":0}`, `"done_reason":"unload"`, "[quick]"},
		{`{"model":"lazy","messages":[{"role":"user","content":"Hi"}],"keep_alive":"-1m","stream":false}`, "Lazy.", "[quick lazy]"},
		{`{"model":"lazy","messages":[{"role":"user","content":"Hi"}],"keep_alive":"0s","stream":false}`, "Lazy.", "[quick]"},
		{`{"model":"lazy","messages":[{"role":"user","content":"Hi"}],"keep_alive":"soon","stream":false}`, "keep_alive: want", "[quick]"},
		{`{"model":"lazy","messages":[{"role":"user","content":"Hi"}],"keep_alive":0.02,"stream":false}`, "Lazy.", "[quick]"},
	} {
		if _, body := post(t, url+"/api/chat", step.body); !strings.Contains(body, step.want) {
			t.Errorf("%s: %s", step.body, body)
		}
		for begun := time.Now(); fmt.Sprint(names("/api/ps")) != step.loaded; time.Sleep(time.Millisecond) {
			if time.Since(begun) > 5*time.Second {
				t.Fatalf("%s: %v are loaded", step.body, names("/api/ps"))
			}
		}
	}
}

// TestTwoModels has many ask two real models, of which one at a time is loaded, and an adapter beside one: every answer is the one that the
// model gives by itself.
func TestTwoModels(t *testing.T) {
	exact := jamba.OpenOptions{Options: checkpoint.Options{Precision: jamba.Exact}}
	dir := t.TempDir()
	base := open(t)
	a, err := lora.New(lora.Config{R: 4, Alpha: 8, Targets: []string{"all"}}, base.Network().Modules(), 1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 5))
	for _, p := range a.Pairs {
		for i := range p.B {
			p.B[i] = float32(0.5 * random.NormFloat64())
		}
	}
	if err := checkpoint.WriteAdapter(dir, a); err != nil {
		t.Fatal(err)
	}
	adapted := exact
	adapted.Adapter = dir
	paths := map[string]string{"tiny": testutil.Golden("e2e", "model"), "poet": testutil.Golden("e2e", "model"), "story": embedded.Model}
	want := map[string]string{}
	for name, path := range paths {
		o := exact
		if name == "poet" {
			o = adapted
		}
		m, err := jamba.OpenWith(path, o)
		if err != nil {
			t.Fatal(err)
		}
		for p, err := range m.Generate(context.Background(), "Once upon a time", jamba.Options{MaxTokens: 8, IgnoreEnds: true, WholeText: true}) {
			if err != nil {
				t.Fatal(err)
			}
			want[name] += p.Text
		}
		vectors, err := m.Embed(context.Background(), []string{"Once"}, jamba.EmbedOptions{Normalize: true})
		if err != nil {
			t.Fatal(err)
		}
		want[name+" vector"] = fmt.Sprint(vectors[0])
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if want["tiny"] == want["poet"] {
		t.Fatal("the adapter changes nothing")
	}
	var opens atomic.Int64
	source := func(name string, adapters ...models.Adapter) models.Source {
		return models.Source{Name: name, Adapters: adapters, Open: func(context.Context, func(done, total int64)) (models.Model, error) {
			opens.Add(1)
			return jamba.OpenWith(paths[name], exact)
		}}
	}
	url, s := serveAll(t, Options{Limits: models.Limits{Loaded: 1}}, source("tiny", models.Adapter{Name: "poet", Dir: dir}), source("story"))
	var all sync.WaitGroup
	for i := range 24 {
		name := []string{"tiny", "poet", "story"}[i%3]
		all.Go(func() {
			_, body := post(t, url+"/v1/completions", `{"model":"`+name+`","prompt":"Once upon a time","max_tokens":8,"temperature":0,"ignore_eos":true}`)
			if c := decode[completion](t, body).Choices; len(c) != 1 || c[0].Text != want[name] {
				t.Errorf("%s: %s, want %q", name, body, want[name])
			}
			_, body = post(t, url+"/v1/embeddings", `{"model":"`+name+`","input":"Once"}`)
			e := decode[struct {
				Data []struct{ Embedding []float32 }
			}](t, body).Data
			if len(e) != 1 || fmt.Sprint(e[0].Embedding) != want[name+" vector"] {
				t.Errorf("%s: %.100s, want %.100s", name, body, want[name+" vector"])
			}
		})
	}
	all.Wait()
	if n := opens.Load(); n < 2 || n > 24 {
		t.Errorf("models were loaded %d times", n)
	}
	if _, body := get(t, url+"/v1/models"); !strings.Contains(body, `"id":"poet","object":"model"`) || !strings.Contains(body, `"parent":"tiny"`) {
		t.Error(body)
	}
	s.registry.Close()
	if _, body := get(t, url+"/api/ps"); body != `{"models":[]}`+"\n" {
		t.Error(body)
	}
	if status, body := post(t, url+"/v1/completions", `{"model":"tiny","prompt":"Once"}`); status != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d %s", status, body)
	}
}
