package engine

import (
	"time"

	"jamba/engine/prefix"
	"jamba/engine/sample"
	"jamba/model"
)

// Request is a prompt and how to continue it.
type Request struct {
	Prompt     []int32
	MaxTokens  int      // of the answer; 0: until it ends or the context is full; less: the prompt alone is computed
	StopTokens []int32  // tokens that end the answer
	Stop       []string // strings that end the answer, and are left out of it
	Padded     []int32  // ids that are never picked, ascending
	Sample     sample.Params
	Adapter    *model.Adapter // to compute with; nil: the model's own, if it has one
	Priority   int            // higher: sooner; a level counts as having come 10 seconds earlier
	Salt       string         // nothing is shared with requests of another salt
	Marks      prefix.Marks   // of Prompt, which later requests may begin like: states are kept there
	Lookup     bool           // guess from the text before what comes next, where that is faster; the answer is the same
	Constraint Constraint     // what may come next; nil: all
	Undo       int            // how many tokens Constraint may take back; so many are held back from the reader
	Logprobs   bool           // give log-probabilities, of the logits before Constraint
	TopTokens  int            // with those of the n most likely tokens
	// ScorePrompt gives the log-probabilities of the prompt's tokens from ScoreFrom on, with those of the TopTokens most likely ones,
	// with the first piece. The first token has none. What comes before ScoreFrom is shared with other requests as ever; from there on
	// all is computed, and nothing is kept for later requests.
	ScorePrompt bool
	ScoreFrom   int
	// EndRepetition ends an answer that only repeats itself; see repetition.
	EndRepetition bool
	Text          Detokenizer
	Progress      func(done, total int) // called while the prompt is computed; may be nil
	// Ahead is how many tokens are computed before the reader asks for them. With 0 none is
	// computed that the reader does not take.
	Ahead int

	embedding *embedding // to be filled
}

// Score is how likely a token of a prompt was, and what the most likely ones were in its place.
type Score struct {
	Logprob sample.Logprob
	Top     []sample.Logprob
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
	Prompt  []Score // of the first piece, if Request.ScorePrompt is set: of each token from ScoreFrom on
	Finish  Finish
	Stop    string // the stop string that ended the answer, if one did
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
	Miss         prefix.Reason `json:"miss"`          // why none was reused; Found if some was, or none was looked for
	AnswerTokens int           `json:"answer_tokens"`
	Queue        time.Duration `json:"queue_ns"`   // waiting for others, for memory, or for one who computes the same beginning
	Prefill      time.Duration `json:"prefill_ns"` // Queue included
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
