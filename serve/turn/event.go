package turn

import (
	"cmp"
	"fmt"
	"time"
)

// Event is one thing that happens in an answer.
type Event struct {
	Kind   Kind
	Choice int    // of which answer; prompts' choices stand one after the other
	Text   string // of Text, Thought and Arguments
	Call   Call   // of Called, without arguments
	// Complete is, of Arguments, whether the call has all of them now. A call that never has broke off.
	Complete bool
	// Tokens are those that have come since the last event of the choice, if log-probabilities are asked for; of Scored, the prompt's.
	Tokens []Token
	Finish Finish // of Finished
	Stop   string // of Finished: the stop string
	Usage  Usage  // of Finished: of the choice; of Done: of all
	Err    error  // of Failed
	// Of Waiting: the tokens of the prompt that are computed, or, if Loading, the bytes of the model that are loaded; Total is 0 before
	// that begins.
	Computed, Total int
	Loading         bool
}

// Kind says what happens.
type Kind int

// The kinds. A choice has Scored, then Thought, Text and Called, which Arguments follow, in any order, then Finished. Waiting may come
// at any time, before Done or Failed, which is the last.
const (
	Waiting   Kind = iota // nothing has come for a while
	Scored                // the prompt's log-probabilities
	Thought               // a piece of what the model thinks
	Text                  // a piece of what it says
	Called                // a call of a tool begins
	Arguments             // a piece of the arguments of the call that began last
	Finished              // the end of a choice
	Done                  // the end of all
	Failed                // an error ended all
)

// Finish says why a choice ended.
type Finish string

// The reasons.
const (
	Stop     Finish = "stop"       // the model ended it, or a stop string came
	Length   Finish = "length"     // the limit or the context's end
	ToolCall Finish = "tool_calls" // it calls tools
)

// Token is a token with its log-probability.
type Token struct {
	ID      int32
	Text    string // as it is written alone
	Bytes   []byte
	Logprob *float64 // nil: it was not picked but given, or is a prompt's first
	Top     []Token  // the most likely ones in its place
}

// Usage are counts of tokens.
type Usage struct {
	Prompt, Cached, Answer, Thought int
	Written                         int    // of the prompt, computed and left to the cache
	Miss                            string // why none are Cached; "": some are, or none were looked for
	// Queue is of Prefill. Of several choices each is the longest.
	Queue, Prefill, Decode time.Duration
}

// Add adds those of another choice. Prompts of choices count once: prompt says whether it is one's first.
func (u *Usage) Add(o Usage, prompt bool) {
	if prompt {
		u.Prompt += o.Prompt
		u.Cached += o.Cached
		u.Written += o.Written
		u.Miss = cmp.Or(u.Miss, o.Miss)
		u.Queue, u.Prefill = max(u.Queue, o.Queue), max(u.Prefill, o.Prefill)
	}
	u.Answer += o.Answer
	u.Thought += o.Thought
	u.Decode = max(u.Decode, o.Decode)
}

// Frame is what is sent of a stream: an event with data, or a comment.
type Frame struct {
	Event   string // the name; "": none
	Data    any    // what becomes JSON; a Raw is sent as it is
	Comment string // in place of data
}

// Raw is data that is no JSON.
type Raw string

// Stream makes a protocol's frames of events. It is called for each in their order.
type Stream interface {
	Frames(Event) []Frame
}

// Progress tells in words how far the prompt is.
func (e *Event) Progress() string {
	switch {
	case e.Total == 0:
		return "waiting"
	case e.Loading:
		return fmt.Sprintf("loading the model: %d %%", int(100*float64(e.Computed)/float64(e.Total)))
	}
	return fmt.Sprintf("prompt: %d of %d tokens", e.Computed, e.Total)
}
