package serve

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"jamba"
	"jamba/text"
	"jamba/text/reply"
)

// Model is what is served; *jamba.Model is one.
type Model interface {
	TextPrompt(s string, literal bool) (jamba.Prompt, error)
	ChatPrompt(conversation []byte, literal bool, kept ...int) (jamba.Prompt, error)
	Answer(ctx context.Context, p jamba.Prompt, o jamba.Options) iter.Seq2[jamba.Piece, error]
	EmbedIDs(ctx context.Context, texts [][]int32, o jamba.EmbedOptions) ([][]float32, error)
	CanChat() bool
	Info() jamba.Info
	Defaults() jamba.Options
	ChatDefaults() jamba.Options
	Ends() []int32
	Text() *text.Text
	Detokenize(ids []int32) string
	Counters() jamba.Counters
}

// Options say how to serve. The zero value serves with the default limits and without keys.
type Options struct {
	Name    string   // of the model, in answers
	Version string   // of the program
	Keys    *Keys    // who may ask; nil: everybody
	Hosts   []string // names in the Host header that are answered, beside localhost and addresses
	Origins []string // pages that may ask from a browser, such as https://chat.example; "*": all

	SpecialInContent bool          // control tokens that messages spell out are such
	Calls            *reply.Format // of calls of tools; nil: as the chat template writes them
	NoCalls          bool          // calls are text
	RawThoughts      bool          // thoughts are text

	MaxTokens int           // of an answer, if neither the request nor the model says; 0: until the context is full
	MaxBody   int64         // bytes of a request; 0: 64 MiB
	Heartbeat time.Duration // how long a stream is silent at most; 0: 5 seconds
	Timeout   time.Duration // of a request; 0: none
	Log       *slog.Logger  // nil: nowhere
}

// Server answers requests for one model. It is an http.Handler.
type Server struct {
	model    Model
	options  Options
	handler  http.Handler
	started  time.Time
	draining atomic.Bool
	metrics  *metrics
	format   *reply.Format
	show     []int32 // control tokens that calls and thoughts are marked by
	showCall []int32
	kept     conversations
	patience patience
}

// New returns a Server of a model.
func New(m Model, o Options) *Server {
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{model: m, options: o, started: time.Now(), format: o.Calls, patience: patience{header: 10 * time.Second, body: time.Minute}}
	if s.format == nil && m.CanChat() {
		for _, name := range []string{"tool_use", "default"} {
			if t, err := m.Text().Templates.Get(name); err == nil && s.format == nil {
				s.format = reply.Detect(t.Source())
			}
		}
	}
	if o.NoCalls {
		s.format = nil
	}
	for _, token := range reply.Tokens() {
		id, ok := m.Text().Tokenizer.ID(token)
		switch {
		case !ok || !m.Text().Tokenizer.IsSpecial(id):
		case token == "<think>" || token == "</think>":
			s.show = append(s.show, id)
		default:
			s.showCall = append(s.showCall, id)
		}
	}
	s.metrics = newMetrics(s)
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
