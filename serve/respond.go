package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"jamba/serve/anthropic"
	"jamba/serve/ollama"
	"jamba/serve/openai"
	"jamba/serve/turn"
)

// protocol is how a handler's answers are sent.
type protocol struct {
	stream turn.Stream
	whole  func(*turn.Answer) any
	final  func() any      // in place of whole: after stream has had all events
	done   func()          // called after the last event, before it is sent; may be nil
	fail   func(error) any // the body of an error
	lines  bool            // a stream is of lines, not of events
}

// respond answers a request.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, request *turn.Request, p protocol) {
	j, err := s.prepare(request)
	if err != nil {
		s.fail(w, r, err, p.fail)
		return
	}
	s.answer(w, r, j, p)
}

// answer answers a request whose prompts are made.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, j *job, p protocol) {
	ctx, cancel := context.WithCancel(r.Context())
	if s.options.Timeout > 0 {
		ctx, cancel = context.WithTimeout(r.Context(), s.options.Timeout)
	}
	note(r, j)
	j.came = recordOf(r).came
	done := s.metrics.begin(j)
	events := s.run(ctx, j)
	defer func() {
		cancel()
		for range events { // until nothing is computed any more
		}
		done()
	}()
	if j.request.Stream {
		s.stream(w, r, j, events, p)
		return
	}
	var a turn.Answer
	for e := range events {
		if e.Kind == turn.Failed {
			s.fail(w, r, e.Err, p.fail)
			return
		}
		if p.final != nil {
			p.stream.Frames(e)
		} else {
			a.Add(e)
		}
	}
	if p.done != nil {
		p.done()
	}
	if p.final != nil {
		write(w, http.StatusOK, p.final())
		return
	}
	write(w, http.StatusOK, p.whole(&a))
}

// headersAfter is how long a stream's headers wait for the first event, so that what goes wrong at once has a status.
const headersAfter = 200 * time.Millisecond

// writeTime is how long a client may take to read what it is sent.
const writeTime = time.Minute

// stream sends events as they come, and signs of life in between.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, j *job, events <-chan turn.Event, p protocol) {
	heart := time.NewTimer(min(headersAfter, s.options.Heartbeat))
	defer heart.Stop()
	control := http.NewResponseController(w)
	begun := false
	send := func(e turn.Event) bool {
		if !begun {
			begun = true
			h := w.Header()
			h.Set("Content-Type", "text/event-stream; charset=utf-8")
			if p.lines {
				h.Set("Content-Type", "application/x-ndjson")
			}
			h.Set("Cache-Control", "no-cache")
			h.Set("X-Accel-Buffering", "no") // proxies
			w.WriteHeader(http.StatusOK)
		}
		var b bytes.Buffer
		for _, f := range p.stream.Frames(e) {
			put(&b, f, p.lines)
		}
		if e.Kind == turn.Done && p.done != nil {
			p.done()
		}
		_ = control.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err := w.Write(b.Bytes()); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			if e.Kind == turn.Failed && !begun {
				s.fail(w, r, e.Err, p.fail)
				return
			}
			if !send(e) || e.Kind == turn.Failed {
				return
			}
		case <-heart.C:
			if !send(turn.Event{Kind: turn.Waiting, Computed: int(j.computed.Load()), Total: int(j.total.Load())}) {
				return
			}
		}
		heart.Reset(s.options.Heartbeat)
	}
}

// put writes a frame as a server-sent event, or as a line.
func put(b *bytes.Buffer, f turn.Frame, lines bool) {
	if f.Data == nil {
		if !lines {
			fmt.Fprintf(b, ": %s\n\n", f.Comment)
		}
		return
	}
	data := encode(f.Data)
	if lines {
		b.Write(data)
		b.WriteByte('\n')
		return
	}
	if f.Event != "" {
		fmt.Fprintf(b, "event: %s\n", f.Event)
	}
	fmt.Fprintf(b, "data: %s\n\n", data)
}

// encode returns v in JSON, of one line.
func encode(v any) []byte {
	if raw, ok := v.(turn.Raw); ok {
		return []byte(raw)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // our own types can be
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// write sends a body.
func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	w.WriteHeader(status)
	_, _ = w.Write(append(encode(v), '\n')) // who has gone need not be told
}

// fail sends an error in the shape of a protocol.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error, body func(error) any) {
	e := turn.AsError(err)
	if r.Context().Err() != nil {
		return // the client has gone
	}
	noteError(r, e)
	if e.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.Retry))
	}
	s.metrics.errors.WithLabelValues(strconv.Itoa(e.Status)).Inc()
	write(w, e.Status, body(e))
}

// shape returns the shape of errors for a path that says nothing else of its protocol.
func shape(r *http.Request) func(error) any {
	switch path := strings.TrimPrefix(r.URL.Path, "/v1"); {
	case strings.HasPrefix(path, "/messages"):
		return anthropic.Error
	case strings.HasPrefix(path, "/api/"):
		return ollama.Error
	}
	return openai.Error
}
