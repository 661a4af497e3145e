package turn

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// Request asks for answers to a conversation, or for the continuations of prompts.
type Request struct {
	Model   string
	Chat    *Chat    // nil: Prompts are continued
	Prompts []Prompt // each has N choices
	N       int      // 0: 1
	Stream  bool

	MaxTokens  *int // nil: as the model says; 0: the prompt is computed and kept
	MinTokens  int
	Stop       []string
	StopIDs    []int32
	IgnoreEnds bool

	// As the model says, where nil.
	Temperature, TopP, MinP                              *float64
	TopK                                                 *int
	RepetitionPenalty, PresencePenalty, FrequencyPenalty *float64
	Seed                                                 *uint64
	LogitBias                                            map[int32]float64

	Logprobs bool
	Top      int    // the most likely tokens beside each
	Score    bool   // the prompts' log-probabilities, too
	Salt     string // nothing is shared with requests of another
	Priority int
	Compare  *Comparison // with an earlier request; nil: nobody asks
	Format   *Format     // what the answers have to be; nil: any text
	// Keep is how long the model is to stay loaded afterwards, less than 0: for as long as there is room; nil: as the server says.
	Keep *time.Duration
}

// Format is a JSON schema that answers are held to.
type Format struct {
	Param  string // the field of the request that has it
	Schema json.RawMessage
}

// AnyObject is the schema of any JSON object.
var AnyObject = json.RawMessage(`{"type":"object"}`)

// Prompt is a text or token ids.
type Prompt struct {
	Text string
	IDs  []int32 // nil: Text counts
	Bare bool    // Text gets no token that begins a text
}

// Chat is a conversation.
type Chat struct {
	Messages  []Message
	Tools     []json.RawMessage // as OpenAI's chat API has them, keys in the order in which they came
	Documents []json.RawMessage
	Choice    Choice
	Kept      []int    // what is computed up to the end of so many messages is kept for later requests, ascending
	Vars      []Var    // further variables of the chat template
	OneCall   bool     // not more
	Strict    []string // tools whose arguments are held to their schemas
	Continue  bool     // the last message goes on
	// NoThoughts asks the template not to let the model think, as far as it heeds that. ThoughtTokens, if it is not 0, ends a thought
	// that becomes longer; if it is less than 0, before it begins.
	NoThoughts    bool
	ThoughtTokens int
}

// Message is a message of a conversation.
type Message struct {
	Role    string
	Content *string
	Name    string
	Thought string // of an assistant, before the content
	Calls   []Call // of an assistant
	CallID  string // of a tool's result
}

// Call is a call of a tool.
type Call struct {
	ID, Name  string
	Arguments string // JSON, an object
	Complete  bool   // of an answer: the arguments did not break off
	Head      string // of an answer: what the model wrote up to the arguments
}

// Var is a variable of the chat template.
type Var struct {
	Name  string
	Value json.RawMessage
}

// Choice says which tools may be called.
type Choice struct {
	None     bool // none
	Required bool // one has to be
	Name     string
}

// JSON returns the conversation as jamba.Model.ChatPrompt takes it.
func (c *Chat) JSON() []byte {
	var b bytes.Buffer
	b.WriteString(`{"messages":[`)
	for i, m := range c.Messages {
		if i > 0 {
			b.WriteByte(',')
		}
		m.write(&b)
	}
	b.WriteByte(']')
	list(&b, "tools", c.Tools)
	list(&b, "documents", c.Documents)
	for _, v := range c.Vars {
		field(&b, v.Name, v.Value)
	}
	if c.NoThoughts {
		field(&b, "enable_thinking", json.RawMessage("false"))
	}
	if c.Continue {
		field(&b, "continue_final_message", json.RawMessage("true"))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// JSON returns the message as OpenAI's chat API has it.
func (m *Message) JSON() []byte {
	var b bytes.Buffer
	m.write(&b)
	return b.Bytes()
}

func (m *Message) write(b *bytes.Buffer) {
	b.WriteString(`{"role":`)
	b.Write(String(m.Role))
	if m.Content != nil {
		field(b, "content", String(*m.Content))
	}
	for _, f := range []struct{ name, value string }{{"name", m.Name}, {"reasoning_content", m.Thought}, {"tool_call_id", m.CallID}} {
		if f.value != "" {
			field(b, f.name, String(f.value))
		}
	}
	if len(m.Calls) > 0 {
		b.WriteString(`,"tool_calls":[`)
		for i, c := range m.Calls {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`{"id":`)
			b.Write(String(c.ID))
			b.WriteString(`,"type":"function","function":{"name":`)
			b.Write(String(c.Name))
			field(b, "arguments", arguments(c.Arguments))
			b.WriteString("}}")
		}
		b.WriteByte(']')
	}
	b.WriteByte('}')
}

// Given returns the arguments of a call that a client sends back: an object, or a string that holds one.
func Given(arguments json.RawMessage) string {
	var quoted string
	if json.Unmarshal(arguments, &quoted) == nil {
		return quoted
	}
	return string(arguments)
}

// arguments returns a call's arguments as an object, which is how templates take them, or as a string if they are none.
func arguments(s string) json.RawMessage {
	if trimmed := bytes.TrimSpace([]byte(s)); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		return trimmed
	}
	if s == "" {
		return json.RawMessage("{}")
	}
	return String(s)
}

func field(b *bytes.Buffer, name string, value json.RawMessage) {
	b.WriteByte(',')
	b.Write(String(name))
	b.WriteByte(':')
	b.Write(value)
}

func list(b *bytes.Buffer, name string, values []json.RawMessage) {
	if len(values) > 0 {
		field(b, name, append(append(json.RawMessage{'['}, bytes.Join(rawBytes(values), []byte{','})...), ']'))
	}
}

func rawBytes(values []json.RawMessage) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// String returns a string in JSON, characters as they are.
func String(s string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings can be
	return bytes.TrimSpace(b.Bytes())
}

// Check returns an error if the choice cannot be made among tools of these names.
func (c *Choice) Check(param string, names []string) error {
	switch {
	case c.Required && len(names) == 0:
		return Invalid(param, "a tool has to be called, and there are no tools")
	case c.Name != "" && !slices.Contains(names, c.Name):
		return Invalid(param, "there is no tool %.80q", c.Name)
	}
	return nil
}
