package serve

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"jamba/internal/printable"
	"jamba/serve/models"
	"jamba/serve/turn"
)

// record is what is logged of a request. It has nothing of what was said.
type record struct {
	id     string
	came   time.Time
	status int
	model  string
	prompt int // tokens
	usage  turn.Usage
	failed bool // after the status was sent
	err    string

	account *account // of the key; nil: none was asked for
}

type recordKey struct{}

func recordOf(r *http.Request) *record {
	rec, _ := r.Context().Value(recordKey{}).(*record)
	if rec == nil {
		return &record{}
	}
	return rec
}

// note notes a request's model and prompts for the log.
func note(r *http.Request, j *job) {
	rec := recordOf(r)
	rec.model = j.model.name
	for _, p := range j.prompts {
		rec.prompt += len(p.IDs)
	}
}

// noteEnd notes how an answer ended.
func noteEnd(r *http.Request, e turn.Event) {
	rec := recordOf(r)
	switch e.Kind {
	case turn.Done:
		rec.usage = e.Usage
	case turn.Failed:
		rec.failed = true
	}
}

func noteError(r *http.Request, e *turn.Error) { recordOf(r).err = e.Code + " " + e.Param }

// guard lets in who may ask, and logs.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &record{id: r.Header.Get("X-Request-Id"), came: time.Now(), status: http.StatusOK}
		if rec.id == "" || len(rec.id) > 128 {
			rec.id = "req_" + rand.Text()[:20]
		}
		w.Header().Set("X-Request-Id", rec.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		quiet := r.URL.Path == "/health" || r.URL.Path == "/ready" || r.URL.Path == "/metrics"
		ctx, span := r.Context(), trace.Span(noop.Span{})
		if !quiet {
			ctx, span = s.traced(r, rec)
		}
		r = r.WithContext(context.WithValue(ctx, recordKey{}, rec))
		ww := &statusWriter{ResponseWriter: w, record: rec}
		defer func() {
			if p := recover(); p != nil {
				c := &crash{p, debug.Stack()}
				s.logCrash(r, c)
				if ww.begun {
					defer panic(http.ErrAbortHandler) // lest it be taken for whole
				} else {
					s.fail(ww, r, c, shape(r))
				}
			}
			endTrace(span, r, rec)
			s.log(r, rec, quiet)
		}()
		if err := s.admit(ww, r); err != nil {
			s.fail(ww, r, err, shape(r))
			return
		}
		if r.Method == http.MethodOptions {
			ww.WriteHeader(http.StatusNoContent)
			return
		}
		if r.Method == http.MethodPost {
			end, err := rec.account.begin()
			if err != nil {
				s.fail(ww, r, err, shape(r))
				return
			}
			defer end()
		}
		next.ServeHTTP(ww, r)
	})
}

// log writes a request's line.
func (s *Server) log(r *http.Request, rec *record, quiet bool) {
	level := slog.LevelInfo
	if quiet {
		level = slog.LevelDebug
	}
	fields := []any{
		"id", rec.id, "method", r.Method, "path", printable.Cut(r.URL.Path, 100), "status", rec.status, "duration", time.Since(rec.came).Round(time.Microsecond),
	}
	if rec.account != nil {
		fields = append(fields, "key", rec.account.who())
	}
	if rec.model != "" {
		fields = append(fields, "model", rec.model, "prompt_tokens", rec.prompt, "cached_tokens", rec.usage.Cached, "answer_tokens", rec.usage.Answer)
	}
	if rec.err != "" {
		fields = append(fields, "error", strings.TrimSpace(rec.err))
	}
	if c := trace.SpanContextFromContext(r.Context()); c.IsValid() {
		fields = append(fields, "trace", c.TraceID().String())
	}
	s.options.Log.Log(r.Context(), level, "request", fields...)
}

// admit returns why a request is not answered.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) error {
	forbidden := func(format string, a ...any) error {
		return &turn.Error{Status: http.StatusForbidden, Message: fmt.Sprintf(format, a...)}
	}
	// A page whose name was made to lead here (DNS rebinding) still asks for that name.
	if !s.knownHost(r.Host) {
		return forbidden("the Host %q is not this server's; --allow-host names further ones", printable.Cut(r.Host, 80))
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		switch allowed := slices.Contains(s.options.Origins, origin) || slices.Contains(s.options.Origins, "*"); {
		case allowed:
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", origin)
			h.Add("Vary", "Origin")
			h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "*, Authorization, Content-Type, X-Api-Key, Anthropic-Version")
			if r.Method == http.MethodOptions {
				return nil // browsers send no key with it
			}
		case !sameOrigin(origin, r.Host):
			return forbidden("pages of %q may not ask here; --allow-origin names those that may", printable.Cut(origin, 80))
		}
	}
	open := (r.Method == http.MethodGet || r.Method == http.MethodHead) && slices.Contains([]string{"/", "/health", "/ready"}, r.URL.Path)
	if s.options.Keys != nil && !open {
		a, err := s.options.Keys.find(key(r))
		if err != nil {
			s.options.Log.Warn("the file of keys has changed and cannot be read; the keys from before are used", "error", err)
		}
		if a == nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return &turn.Error{Status: http.StatusUnauthorized, Code: "invalid_api_key", Message: "no key, or a wrong one: send Authorization: Bearer KEY, or x-api-key: KEY"}
		}
		recordOf(r).account = a
	}
	if s.draining.Load() && r.Method == http.MethodPost {
		return failure(models.ErrStopping)
	}
	return nil
}

// key returns the key that a request has.
func key(r *http.Request) string {
	if k := r.Header.Get("X-Api-Key"); k != "" {
		return k
	}
	if scheme, k, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(k)
	}
	return ""
}

// knownHost reports whether a Host header names this server. Addresses do: only names can be made to lead elsewhere.
func (s *Server) knownHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host) != nil || slices.Contains(s.options.Hosts, host)
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}

// statusWriter notes the status of a response.
type statusWriter struct {
	http.ResponseWriter
	record *record
	begun  bool
}

func (w *statusWriter) WriteHeader(status int) {
	w.begun, w.record.status = true, status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
