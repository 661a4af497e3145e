package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"jamba/serve/anthropic"
	"jamba/serve/models"
	"jamba/serve/ollama"
	"jamba/serve/openai"
	"jamba/serve/turn"
)

// protocol is how a handler's answers are sent.
type protocol struct {
	stream turn.Stream
	whole  func(*turn.Answer) any
	final  func() any      // in place of whole: after stream has had all events
	begin  func(*job)      // called when the prompts are made; may be nil
	done   func()          // called after the last event, before it is sent; may be nil
	fail   func(error) any // the body of an error
	lines  bool            // a stream is of lines, not of events
}

// respond answers a request with the model that it names. p returns the protocol's ways for a model of that name.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, request *turn.Request, fail func(error) any, p func(name string) protocol) {
	e, err := s.registry.Find(request.Model)
	if err != nil {
		s.fail(w, r, failure(err), fail)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if s.options.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.options.Timeout)
		defer cancel()
	}
	out := &response{protocol: p(e.Name), server: s, w: w, r: r}
	out.fail = fail
	if request.Stream {
		out.heart = time.NewTimer(min(s.patience.first, s.options.Heartbeat))
		defer out.heart.Stop()
	}
	u := s.registry.Ask(e, request.Keep)
	defer u.Leave()
	m, err := out.model(ctx, u)
	if err != nil {
		out.failed(failure(err))
		return
	}
	account := recordOf(r).account
	request.Salt = account.salt(request.Salt)
	j, err := out.prompts(ctx, m, request)
	if err == nil {
		note(r, j)
		err = account.prompt(recordOf(r).prompt)
	}
	if err != nil {
		out.failed(failure(err))
		return
	}
	j.account = account
	if out.begin != nil {
		out.begin(j)
	}
	done := s.metrics.begin(j, recordOf(r).came)
	events := j.run(ctx)
	defer func() {
		cancel()
		for range events { // until nothing is computed any more
		}
		done()
	}()
	if request.Stream {
		out.streamed(j, events)
	} else {
		out.answered(j, events)
	}
}

// response is a response on its way.
type response struct {
	protocol
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	heart  *time.Timer // when a stream needs a sign of life; nil: it is none
	begun  bool        // the headers are sent
}

// writeTime is how long a client may take to read what it is sent.
const writeTime = time.Minute

// errGone is the error of a client that reads no more.
var errGone = errors.New("the client has gone")

// wait waits until done is closed, and sends signs of life meanwhile. An error says why that is no longer of use.
func (o *response) wait(ctx context.Context, done <-chan struct{}, sign func() turn.Event) error {
	var heart <-chan time.Time
	if o.heart != nil {
		heart = o.heart.C
	}
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-heart:
			if !o.send(sign()) {
				return errGone
			}
		}
	}
}

// model waits for a model.
func (o *response) model(ctx context.Context, u *models.Use) (*served, error) {
	err := o.wait(ctx, u.Ready, func() turn.Event {
		done, total := u.Progress()
		return turn.Event{Kind: turn.Waiting, Loading: true, Computed: int(done), Total: int(total)}
	})
	if err == nil {
		err = u.Err
	}
	if err != nil {
		return nil, err
	}
	return o.server.served(u), nil
}

// prompts makes the prompts of a request. Long ones take seconds to be encoded, and the first schema of a model to be compiled.
func (o *response) prompts(ctx context.Context, m *served, r *turn.Request) (*job, error) {
	var j *job
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = contained(func() (err error) {
			j, err = m.prepare(ctx, r)
			return err
		})
	}()
	gone := o.wait(ctx, done, func() turn.Event { return turn.Event{Kind: turn.Waiting} })
	<-done // the model is in use until then
	if gone != nil {
		return nil, gone
	}
	return j, err
}

// answered sends the answer when all events have come.
func (o *response) answered(j *job, events <-chan turn.Event) {
	var a turn.Answer
	for e := range events {
		noteEnd(o.r, e)
		if e.Kind == turn.Failed {
			o.failed(e.Err)
			return
		}
		if o.final != nil {
			o.stream.Frames(e)
		} else {
			a.Add(e)
		}
	}
	if o.done != nil {
		o.done()
	}
	if o.final != nil {
		write(o.w, http.StatusOK, o.final())
		return
	}
	write(o.w, http.StatusOK, o.whole(&a))
}

// streamed sends events as they come, and signs of life in between.
func (o *response) streamed(j *job, events <-chan turn.Event) {
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			noteEnd(o.r, e)
			if e.Kind == turn.Failed {
				o.failed(e.Err)
				return
			}
			if !o.send(e) {
				return
			}
		case <-o.heart.C:
			if !o.send(turn.Event{Kind: turn.Waiting, Computed: int(j.computed.Load()), Total: int(j.total.Load())}) {
				return
			}
		}
	}
}

// failed tells of an error, in the stream if that has begun.
func (o *response) failed(err error) {
	if c, ok := errors.AsType[*crash](err); ok {
		o.server.logCrash(o.r, c)
	}
	if o.begun {
		o.send(turn.Event{Kind: turn.Failed, Err: err})
		return
	}
	o.server.fail(o.w, o.r, err, o.fail)
}

// send sends the frames of an event, and reports whether the client reads on.
func (o *response) send(e turn.Event) bool {
	control := http.NewResponseController(o.w)
	if !o.begun {
		o.begun = true
		h := o.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		if o.lines {
			h.Set("Content-Type", "application/x-ndjson")
		}
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // proxies
		o.w.WriteHeader(http.StatusOK)
	}
	var b bytes.Buffer
	for _, f := range o.stream.Frames(e) {
		put(&b, f, o.lines)
	}
	if e.Kind == turn.Done && o.done != nil {
		o.done()
	}
	if b.Len() > 0 || e.Kind == turn.Waiting { // of a call that is sent whole nothing comes for long
		o.heart.Reset(o.server.options.Heartbeat)
	}
	_ = control.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := o.w.Write(b.Bytes()); err != nil {
		return false
	}
	return control.Flush() == nil
}

// with calls f with the model of a name, when it is loaded.
func (s *Server) with(r *http.Request, name string, keep *time.Duration, f func(*served) error) error {
	e, err := s.registry.Find(name)
	if err != nil {
		return failure(err)
	}
	u := s.registry.Ask(e, keep)
	defer u.Leave()
	m, err := (&response{server: s}).model(r.Context(), u)
	if err != nil {
		return failure(err)
	}
	return f(m)
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
	if errors.Is(err, context.Canceled) {
		if err = failure(context.Cause(r.Context())); err == nil || errors.Is(err, context.Canceled) {
			return // the client has gone
		}
	}
	e := turn.AsError(err)
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
