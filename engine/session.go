package engine

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"jamba/engine/sample"
	"jamba/model"
	"jamba/model/state"
)

// chunk is how many tokens of a prompt are computed at once: enough to read weights seldom, few enough for the pass's
// memory. A pass stops, and tells of progress, after each layer.
const chunk = 512

// Session is one sequence that grows: a prompt, its answer, the next prompt that begins with both, and so on. What was
// computed for the common beginning is kept. It is not safe for concurrent use.
type Session struct {
	model  *model.Model
	pass   *model.Pass
	state  *state.State
	tokens []int32   // that state has seen
	logits []float32 // after the last of them, if they were asked for; the pass's memory
}

// NewSession returns an empty session.
func NewSession(m *model.Model) *Session {
	return &Session{model: m, pass: m.NewPass(), state: m.NewState()}
}

// Request is a prompt and how to continue it.
type Request struct {
	Prompt     []int32
	MaxTokens  int      // of the answer; 0: until it ends or the context is full
	StopTokens []int32  // tokens that end the answer
	Stop       []string // strings that end the answer, and are left out of it
	Padded     []int32  // ids that are never picked, ascending
	Sample     sample.Params
	Logprobs   bool // give log-probabilities
	TopTokens  int  // with those of the n most likely tokens
	// EndRepetition ends an answer that only repeats itself; see repetition.
	EndRepetition bool
	Text          Detokenizer
	Progress      func(done, total int) // called while the prompt is computed; may be nil
}

// Detokenizer turns the answer's tokens into text, piece by piece and never within a character.
type Detokenizer interface {
	Push(id int32) string
	Flush() string
}

// Piece is a token of the answer, with the text that became certain by it. The last Piece has no token, the text that
// was still held back, Finish and Stats; so has one that comes with the error of a context that ended.
type Piece struct {
	ID      int32
	Text    string
	Logprob *sample.Logprob
	Top     []sample.Logprob
	Finish  Finish
	Stats   *Stats
}

// Finish says why an answer ended.
type Finish string

// The reasons, as the OpenAI API names them.
const (
	FinishStop   Finish = "stop"   // the model ended it, or a stop string came
	FinishLength Finish = "length" // MaxTokens or the end of the context
)

// The reasons that the API has no name for.
const (
	FinishRepetition  Finish = "repetition"  // the answer only repeated itself
	FinishInterrupted Finish = "interrupted" // the context ended
)

// Stats are the counts and times of one answer.
type Stats struct {
	PromptTokens int           `json:"prompt_tokens"`
	ReusedTokens int           `json:"reused_tokens"` // of the prompt, computed before
	AnswerTokens int           `json:"answer_tokens"`
	Prefill      time.Duration `json:"prefill_ns"`
	Decode       time.Duration `json:"decode_ns"`
}

// PrefillRate returns the prompt's tokens per second, those reused left out.
func (s *Stats) PrefillRate() float64 { return rate(s.PromptTokens-s.ReusedTokens, s.Prefill) }

// DecodeRate returns the answer's tokens per second. The first token comes with the prompt.
func (s *Stats) DecodeRate() float64 { return rate(s.AnswerTokens-1, s.Decode) }

func rate(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Generate computes the prompt and yields the answer piece by piece. An error ends it; after one the session is still
// usable. If ctx ends, the error is ctx.Err().
func (s *Session) Generate(ctx context.Context, r Request) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		if last, err := s.generate(ctx, &r, func(p Piece) bool { return yield(p, nil) }); err != nil {
			yield(last, err)
		}
	}
}

// generate returns, with an error, what ends an answer that was interrupted.
func (s *Session) generate(ctx context.Context, r *Request, yield func(Piece) bool) (last Piece, err error) {
	room, err := s.room(r)
	if err != nil {
		return last, err
	}
	stats := &Stats{PromptTokens: len(r.Prompt)}
	start := time.Now()
	logits, err := s.prefill(ctx, r, stats)
	stats.Prefill = time.Since(start)
	if err != nil && ctx.Err() != nil {
		return Piece{ID: -1, Finish: FinishInterrupted, Stats: stats}, err
	} else if err != nil {
		return last, err
	}

	start = time.Now()
	sampler, stop, finish, found := sample.New(r.Sample, r.Prompt, r.Padded), &stopper{stops: r.Stop}, FinishLength, false
	var again repetition
	for stats.AnswerTokens < room {
		if err := ctx.Err(); err != nil {
			stats.Decode = time.Since(start)
			text, _ := stop.push(r.Text.Flush())
			return Piece{ID: -1, Text: text + stop.flush(), Finish: FinishInterrupted, Stats: stats}, err
		}
		id := sampler.Next(logits)
		stats.AnswerTokens++
		if slices.Contains(r.StopTokens, id) {
			finish = FinishStop
			break
		}
		p := Piece{ID: id}
		if r.Logprobs {
			chosen, top := sample.Logprobs(logits, id, r.TopTokens, r.Padded)
			p.Logprob, p.Top = &chosen, top
		}
		p.Text, found = stop.push(r.Text.Push(id))
		if !yield(p) {
			return last, nil
		}
		if found {
			finish = FinishStop
			break
		}
		if r.EndRepetition && again.push(id, p.Text) {
			finish = FinishRepetition
			break
		}
		if stats.AnswerTokens < room {
			// Not to be interrupted: the session goes on after this token.
			if logits, err = s.feed(context.WithoutCancel(ctx), []int32{id}, model.LastLogits); err != nil {
				return last, err
			}
		}
	}
	stats.Decode = time.Since(start)
	text := ""
	if !found {
		if text, found = stop.push(r.Text.Flush()); found {
			finish = FinishStop
		} else {
			text += stop.flush()
		}
	}
	yield(Piece{ID: -1, Text: text, Finish: finish, Stats: stats})
	return last, nil
}

// room returns how many tokens the answer may have.
func (s *Session) room(r *Request) (int, error) {
	if len(r.Prompt) == 0 {
		return 0, fmt.Errorf("the prompt is empty, and the model has no token that begins a text")
	}
	room := r.MaxTokens
	if limit := s.model.Config.MaxPositionEmbeddings; limit > 0 {
		if len(r.Prompt) >= limit {
			return 0, fmt.Errorf("the prompt has %d tokens, the model's context %d", len(r.Prompt), limit)
		}
		if room <= 0 || room > limit-len(r.Prompt) {
			room = limit - len(r.Prompt)
		}
	}
	if room <= 0 {
		room = int(^uint(0) >> 1)
	}
	// An answer without a limit is not refused for what it might become.
	need := len(r.Prompt)
	if r.MaxTokens > 0 {
		need += min(room, 1<<32)
	}
	return room, state.Fits(s.model.StateSpecs(), 0, need)
}

// prefill brings the state to the end of the prompt and returns the logits of its last token.
func (s *Session) prefill(ctx context.Context, r *Request, stats *Stats) (logits []float32, err error) {
	n := len(s.tokens)
	if n > len(r.Prompt) || !slices.Equal(s.tokens, r.Prompt[:n]) || n == len(r.Prompt) && len(s.logits) == 0 {
		// A state cannot be cut back to a common beginning.
		s.state.Free()
		s.tokens, n = s.tokens[:0], 0
	}
	stats.ReusedTokens, logits = n, s.logits
	defer func() { s.pass.Progress = nil }()
	total := len(r.Prompt) - n
	for done := 0; done < total; {
		now, want := r.Prompt[n+done:][:min(chunk, total-done)], model.NoLogits
		if done+len(now) == total {
			want = model.LastLogits
		}
		if r.Progress != nil {
			s.pass.Progress = func(layer, layers int) { r.Progress(done+len(now)*layer/layers, total) }
		}
		if logits, err = s.feed(ctx, now, want); err != nil {
			return nil, err
		}
		done += len(now)
	}
	return logits, nil
}

// feed appends tokens to the sequence.
func (s *Session) feed(ctx context.Context, tokens []int32, want model.Want) ([]float32, error) {
	if err := state.Fits(s.model.StateSpecs(), s.state.Pos(), s.state.Pos()+len(tokens)); err != nil {
		return nil, err
	}
	logits, err := s.pass.Logits(ctx, model.Span{State: s.state, Tokens: tokens, Want: want})
	s.logits = logits // none after an error: they were the pass's
	if err == nil {
		s.tokens = append(s.tokens, tokens...)
	}
	return logits, err
}
