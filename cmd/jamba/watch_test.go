package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"jamba/serve"
)

// TestTracesAreSent expects a span to reach a collector when the program ends, and the log to say so when there is none.
func TestTracesAreSent(t *testing.T) {
	var got []string
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+string(body))
	}))
	defer collector.Close()
	send := func(url string) (log string) {
		var b bytes.Buffer
		o := serve.Options{Version: "1.2.3", Log: slog.New(slog.NewTextHandler(&b, nil))}
		end, err := (&watchFlags{OTLPEndpoint: url}).tracing(&o)
		if err != nil {
			t.Fatal(err)
		}
		_, span := o.Traces.Tracer("test").Start(context.Background(), "a span")
		span.End()
		end()
		return b.String()
	}
	for path, want := range map[string]string{"": "/v1/traces", "/": "/v1/traces", "/own/path": "/own/path"} {
		got = nil
		log := send(collector.URL + path)
		if len(got) != 1 || !strings.HasPrefix(got[0], "POST "+want+" ") || !strings.Contains(got[0], "a span") || !strings.Contains(got[0], "1.2.3") || log != "" {
			t.Errorf("%q: sent %q, log %s", path, got, log)
		}
	}
	collector.Close()
	if log := send(collector.URL); !strings.Contains(log, "traces are lost") {
		t.Errorf("the log says %q", log)
	}
}

// TestWatchFlags expects what is wrong to be said before anything is opened.
func TestWatchFlags(t *testing.T) {
	for _, test := range []struct {
		flags watchFlags
		keys  bool
		want  string
	}{
		{watchFlags{}, false, ""},
		{watchFlags{OTLPEndpoint: "http://127.0.0.1:4318", Pprof: "127.0.0.1:6060"}, false, ""},
		{watchFlags{Pprof: "localhost:0"}, false, ""},
		{watchFlags{Pprof: ":6060"}, false, "--api-key-file"},
		{watchFlags{Pprof: "0.0.0.0:6060"}, false, "--api-key-file"},
		{watchFlags{Pprof: "0.0.0.0:6060"}, true, ""},
		{watchFlags{Pprof: "6060"}, false, "no address"},
		{watchFlags{OTLPEndpoint: "127.0.0.1:4318"}, false, "no URL"},
		{watchFlags{OTLPEndpoint: "ftp://x"}, false, "no URL"},
	} {
		if err := test.flags.check(test.keys); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.flags, err, test.want)
		}
	}
	var b bytes.Buffer
	(&watchFlags{LogLevel: "warn", LogFormat: "json"}).logger(&b).Info("not this")
	(&watchFlags{LogLevel: "warn", LogFormat: "json"}).logger(&b).Warn("this", "id", "a b")
	var line struct{ Msg, ID string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line.Msg != "this" || line.ID != "a b" {
		t.Errorf("%v: %s", err, b.String())
	}
}
