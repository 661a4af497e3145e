package serve

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"jamba/text/reply"
)

// Options say how to serve. The zero value serves with the default limits and without keys.
type Options struct {
	Version string   // of the program
	Keys    *Keys    // who may ask; nil: everybody
	Hosts   []string // names in the Host header that are answered, beside localhost and addresses
	Origins []string // pages that may ask from a browser, such as https://chat.example; "*": all

	SpecialInContent bool          // control tokens that messages spell out are such
	Calls            *reply.Format // of calls of tools; nil: as the chat template writes them
	NoCalls          bool          // calls are text
	RawThoughts      bool          // thoughts are text

	Limits Limits // of what is loaded

	MaxTokens int           // of an answer, if neither the request nor the model says; 0: until the context is full
	MaxBody   int64         // bytes of a request; 0: 64 MiB
	Heartbeat time.Duration // how long a stream is silent at most; 0: 5 seconds
	Timeout   time.Duration // of a request; 0: none
	Log       *slog.Logger  // nil: nowhere
}

// Server answers requests for models. It is an http.Handler.
type Server struct {
	options  Options
	registry *registry
	handler  http.Handler
	draining atomic.Bool
	metrics  *metrics
	kept     conversations
}

// New returns a Server of models, whose names differ.
func New(o Options, models ...Source) *Server {
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o}
	s.registry = newRegistry(&s.options, models)
	s.metrics = newMetrics(s.registry)
	s.handler = s.guard(s.routes())
	return s
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Drain makes the server refuse what comes from now on.
func (s *Server) Drain() { s.draining.Store(true) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	both := func(pattern string, h http.HandlerFunc) { // with and without the version, as clients' base URLs have it or not
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /v1"+path, h)
		mux.HandleFunc(method+" "+path, h)
	}
	both("POST /chat/completions", s.chat)
	both("POST /completions", s.completions)
	both("POST /responses", s.responses)
	both("POST /messages", s.messages)
	both("POST /messages/count_tokens", s.countTokens)
	both("POST /embeddings", s.embeddings)
	both("GET /models", s.models)
	both("GET /models/{id...}", s.oneModel)
	both("POST /tokenize", s.tokenize)
	both("POST /detokenize", s.detokenize)
	s.ollamaRoutes(mux)
	mux.HandleFunc("GET /tokenizer_info", s.tokenizerInfo)
	mux.HandleFunc("GET /health", s.health)
	mux.HandleFunc("GET /ready", s.ready)
	mux.Handle("GET /metrics", s.metrics.handler)
	mux.HandleFunc("GET /{$}", s.root)
	mux.HandleFunc("/", s.unknown)
	return mux
}
