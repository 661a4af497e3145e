package serve

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestTrace expects the spans of a request within its client's, one after the other, with the counts that the answer tells, and the
// same trace in the log; and nothing of what was said in either.
func TestTrace(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	var log bytes.Buffer
	url, _ := start(t, open(t), Options{
		Traces: trace.NewTracerProvider(trace.WithSpanProcessor(spans)), Log: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	status, body := post(t, url+"/v1/completions", `{"prompt":"secret words of a small tree","max_tokens":4,"ignore_eos":true}`, "Traceparent", "00-"+id+"-"+parent+"-01", "X-Request-Id", "mine")
	if status != http.StatusOK {
		t.Fatal(body)
	}
	u := decode[completion](t, body).Usage
	post(t, url+"/v1/completions", `{"prompt":7}`)
	get(t, url+"/health")
	all := map[string]trace.ReadOnlySpan{}
	for begun := time.Now(); len(spans.Ended()) < 5 && time.Since(begun) < 5*time.Second; {
		time.Sleep(time.Millisecond)
	}
	for _, s := range spans.Ended() {
		if s.SpanContext().TraceID().String() == id {
			all[s.Name()] = s
		} else if s.Name() != "POST /v1/completions" {
			t.Errorf("a span %s of another trace", s.Name())
		}
	}
	request, queue, prefill, decode := all["POST /v1/completions"], all["queue"], all["prefill"], all["decode"]
	if len(spans.Ended()) != 5 || request == nil || queue == nil || prefill == nil || decode == nil {
		t.Fatalf("spans %v", all)
	}
	if request.Parent().SpanID().String() != parent {
		t.Errorf("the request is within %s", request.Parent().SpanID())
	}
	for _, s := range []trace.ReadOnlySpan{queue, prefill, decode} {
		if s.Parent().SpanID() != request.SpanContext().SpanID() || s.StartTime().Before(request.StartTime()) || s.EndTime().After(request.EndTime()) {
			t.Errorf("%s is not within the request", s.Name())
		}
	}
	if !queue.EndTime().Equal(prefill.StartTime()) || !prefill.EndTime().Equal(decode.StartTime()) || !decode.EndTime().After(decode.StartTime()) {
		t.Error("queue, prefill and decode do not follow one another")
	}
	number := func(s trace.ReadOnlySpan, name string) int {
		for _, a := range s.Attributes() {
			if a.Key == attribute.Key(name) {
				return int(a.Value.AsInt64())
			}
		}
		return -1
	}
	if number(prefill, "gen_ai.usage.input_tokens") != u.PromptTokens || number(decode, "gen_ai.usage.output_tokens") != u.CompletionTokens ||
		number(request, "gen_ai.usage.output_tokens") != u.CompletionTokens || number(request, "http.response.status_code") != 200 {
		t.Errorf("attributes %v %v %v, want %+v", request.Attributes(), prefill.Attributes(), decode.Attributes(), u)
	}
	var line struct {
		ID     string
		Trace  string
		Answer int `json:"answer_tokens"`
	}
	first, _, _ := strings.Cut(log.String(), "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.ID != "mine" || line.Trace != id || line.Answer != u.CompletionTokens {
		t.Errorf("%v: %s", err, first)
	}
	told, _ := json.Marshal(tracetest.SpanStubsFromReadOnlySpans(spans.Ended()))
	if s := log.String() + string(told); strings.Contains(s, "secret") || strings.Contains(s, "small tree") {
		t.Errorf("what was said is in %s", s)
	}
}

// TestProfiles expects profiles for those who have a key, by names that are this machine's.
func TestProfiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	_, s := start(t, open(t), Options{Keys: keys})
	h := s.Profiles()
	for _, test := range []struct {
		host, key string
		status    int
	}{{"localhost", "key", 200}, {"localhost", "", 401}, {"localhost", "other", 401}, {"evil.example", "key", 403}} {
		r, _ := http.NewRequest(http.MethodGet, "http://"+test.host+"/debug/pprof/goroutine?debug=1", nil)
		r.Header.Set("X-Api-Key", test.key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.status || (test.status == 200) != strings.Contains(w.Body.String(), "goroutine profile") {
			t.Errorf("%s, key %q: %d %.100s", test.host, test.key, w.Code, w.Body)
		}
	}
}
