package serve

import (
	"context"
	"iter"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"jamba"
	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/serve/api/apitest"
	"jamba/serve/models"
	"jamba/text/reply"
)

// opened returns the goldens' e2e model, in float32.
var opened = sync.OnceValues(func() (*jamba.Model, error) {
	return jamba.OpenWith(testutil.Golden("e2e", "model"), jamba.OpenOptions{Options: checkpoint.Options{Precision: model.Exact}})
})

func open(t testing.TB) *jamba.Model {
	t.Helper()
	m, err := opened()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// start serves a model. All that is asked and answered is compared with the OpenAPI document.
func start(t testing.TB, m models.Model, o Options) (url string, s *Server) {
	t.Helper()
	s = New(o, models.Opened("test", m))
	h := httptest.NewServer(apitest.Handler(t, s))
	t.Cleanup(h.Close)
	return h.URL, s
}

// double is a model that says what it is told to, piece by piece.
type double struct {
	*jamba.Model
	says   []string      // pieces
	encode time.Duration // that the prompt takes to be encoded
	slow   time.Duration // for the prompt, with progress on its way
	held   chan struct{} // the prompt takes until it is closed; may be nil
	pace   time.Duration // between pieces
	err    error
	stop   string // the stop string that ends the answer
	finish jamba.Finish

	mu    sync.Mutex
	asked []jamba.Options
	seen  []string // prompts
}

func (d *double) ChatPrompt(conversation []byte, literal bool, kept ...int) (jamba.Prompt, error) {
	time.Sleep(d.encode)
	return d.Model.ChatPrompt(conversation, literal, kept...)
}

func (d *double) Answer(ctx context.Context, p jamba.Prompt, o jamba.Options) iter.Seq2[jamba.Piece, error] {
	d.mu.Lock()
	d.asked = append(d.asked, o)
	d.seen = append(d.seen, d.Text().Tokenizer.Decode(p.IDs, false))
	d.mu.Unlock()
	return func(yield func(jamba.Piece, error) bool) {
		for begun := time.Now(); time.Since(begun) < d.slow; {
			if o.Progress != nil {
				o.Progress(len(p.IDs)/2, len(p.IDs))
			}
			select {
			case <-ctx.Done():
				yield(jamba.Piece{}, ctx.Err())
				return
			case <-time.After(d.slow / 20):
			}
		}
		if d.held != nil {
			select {
			case <-ctx.Done():
				yield(jamba.Piece{}, ctx.Err())
				return
			case <-d.held:
			}
		}
		if d.err != nil {
			yield(jamba.Piece{}, d.err)
			return
		}
		for i, s := range d.says {
			time.Sleep(d.pace)
			piece := jamba.Piece{ID: int32(100 + i), Text: s}
			if o.Logprobs {
				piece.Logprob = &jamba.Logprob{ID: piece.ID, Logprob: -0.5}
				for n := range o.TopTokens {
					piece.Top = append(piece.Top, jamba.Logprob{ID: piece.ID + int32(n), Logprob: -0.5 - float64(n)})
				}
			}
			if i == 0 && o.ScorePrompt {
				for _, id := range p.IDs[1:] {
					piece.Prompt = append(piece.Prompt, jamba.Score{Logprob: jamba.Logprob{ID: id, Logprob: -2}})
				}
			}
			if !yield(piece, nil) {
				return
			}
		}
		finish := d.finish
		if finish == "" {
			finish = jamba.FinishStop
		}
		yield(jamba.Piece{ID: -1, Finish: finish, Stop: d.stop, Stats: &jamba.Stats{PromptTokens: len(p.IDs), ReusedTokens: 3, AnswerTokens: len(d.says)}}, nil)
	}
}

// say returns a double that says a text in pieces of n bytes.
func say(t testing.TB, text string, n int) *double {
	d := &double{Model: open(t)}
	for ; len(text) > n; text = text[n:] {
		d.says = append(d.says, text[:n])
	}
	d.says = append(d.says, text)
	return d
}

func format(t testing.TB, name string) *reply.Format {
	f, err := reply.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func words(s string) []string { return strings.SplitAfter(s, " ") }
