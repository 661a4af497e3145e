package serve

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jamba/serve/models"
	"jamba/text/reply"
)

// Options say how to serve. The zero value serves with the default limits and without keys.
type Options struct {
	Version string   // of the program
	Keys    *Keys    // who may ask; nil: everybody
	Hosts   []string // names in the Host header that are answered, beside localhost and addresses
	Origins []string // pages that may ask from a browser, such as https://chat.example; "*": all

	Certificate *Certificate // Run speaks TLS with it; nil: it does not

	SpecialInContent bool          // control tokens that messages spell out are such
	Calls            *reply.Format // of calls of tools; nil: as the chat template writes them
	NoCalls          bool          // calls are text
	RawThoughts      bool          // thoughts are text

	Limits models.Limits // of what is loaded

	MaxTokens int           // of an answer, if neither the request nor the model says; 0: until the context is full
	MaxBody   int64         // bytes of a request; 0: 64 MiB
	Heartbeat time.Duration // how long a stream is silent at most; 0: 5 seconds
	Timeout   time.Duration // of a request; 0: none
	Log       *slog.Logger  // nil: nowhere

	Traces trace.TracerProvider // who is told of requests; nil: nobody
}

// Server answers requests for models. It is an http.Handler.
type Server struct {
	options  Options
	registry *models.Registry
	handler  http.Handler
	draining atomic.Bool
	metrics  *metrics
	tracer   trace.Tracer
	kept     conversations
	patience patience
	prints   prints
}

// New returns a Server of models, whose names differ.
func New(o Options, sources ...models.Source) *Server {
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, tracer: tracer(o.Traces), patience: patience{header: 10 * time.Second, body: time.Minute, first: 200 * time.Millisecond}}
	s.registry = models.New(s.options.Limits, s.options.Log, s.options.About, sources...)
	s.metrics = newMetrics(s.registry)
	s.handler = s.guard(s.mux())
	return s
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Drain makes the server refuse what comes from now on.
func (s *Server) Drain() { s.draining.Store(true) }
