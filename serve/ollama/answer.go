package ollama

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"jamba/serve/turn"
)

// Stream makes the lines of an answer, and the answer as one.
type Stream struct {
	Model    string
	Created  time.Time
	Generate bool // for /api/generate, not /api/chat

	call  *turn.Call // that is not complete
	calls int
	usage turn.Usage
	all   turn.Answer
}

type line struct {
	Model     string         `json:"model"`
	CreatedAt string         `json:"created_at"`
	Message   *answerMessage `json:"message,omitempty"`
	Response  *string        `json:"response,omitempty"`
	Thinking  string         `json:"thinking,omitempty"`
	Done      bool           `json:"done"`

	DoneReason         string `json:"done_reason,omitempty"`
	TotalDuration      int64  `json:"total_duration,omitempty"` // nanoseconds, as the others
	LoadDuration       int64  `json:"load_duration,omitempty"`
	PromptEvalCount    int    `json:"prompt_eval_count,omitempty"`
	PromptEvalDuration int64  `json:"prompt_eval_duration,omitempty"`
	EvalCount          int    `json:"eval_count,omitempty"`
	EvalDuration       int64  `json:"eval_duration,omitempty"`

	// Ours, of the tokens of the prompt.
	CachedTokens     int    `json:"cached_tokens,omitempty"`
	CacheWriteTokens int    `json:"cache_write_tokens,omitempty"`
	CacheMissReason  string `json:"cache_miss_reason,omitempty"`
}

type answerMessage struct {
	Role      string     `json:"role"`
	Content   string     `json:"content"`
	Thinking  string     `json:"thinking,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

// line returns a line with what has come.
func (s *Stream) line(text, thought string, calls ...toolCall) line {
	l := line{Model: s.Model, CreatedAt: s.Created.UTC().Format(time.RFC3339Nano)}
	if s.Generate {
		l.Response, l.Thinking = &text, thought
	} else {
		l.Message = &answerMessage{"assistant", text, thought, calls}
	}
	return l
}

// counted returns a call, which is counted.
func (s *Stream) counted(c turn.Call) toolCall {
	s.calls++
	return toolCall{c.ID, function{s.calls - 1, c.Name, json.RawMessage(c.Arguments)}}
}

// last returns the line that ends an answer.
func (s *Stream) last(l line, finish turn.Finish) line {
	l.Done, l.DoneReason = true, "stop"
	if finish == turn.Length {
		l.DoneReason = "length"
	}
	u := s.usage
	l.PromptEvalCount, l.EvalCount = u.Prompt, u.Answer
	l.CachedTokens, l.CacheWriteTokens, l.CacheMissReason = u.Cached, u.Written, u.Miss
	l.PromptEvalDuration, l.EvalDuration = int64(u.Prefill), int64(u.Decode)
	l.TotalDuration, l.LoadDuration = int64(time.Since(s.Created)), 1
	return l
}

// whole holds calls back until they are complete. One that breaks off is text.
func (s *Stream) whole(e turn.Event) []turn.Event {
	c := s.call
	switch {
	case e.Kind == turn.Arguments:
		if c.Arguments += e.Text; !e.Complete {
			return nil
		}
		s.call = nil
		return []turn.Event{{Kind: turn.Called, Call: *c}}
	case c != nil && e.Kind != turn.Waiting:
		s.call = nil
		return append([]turn.Event{{Kind: turn.Text, Text: c.Head + c.Arguments}}, s.whole(e)...)
	case e.Kind == turn.Called:
		s.call = &e.Call
		return nil
	}
	return []turn.Event{e}
}

// Frames returns the lines for an event.
func (s *Stream) Frames(e turn.Event) (frames []turn.Frame) {
	for _, e := range s.whole(e) {
		if l := s.told(e); l != nil {
			frames = append(frames, turn.Frame{Data: l})
		}
	}
	return frames
}

// told returns the line for an event, nil if there is none.
func (s *Stream) told(e turn.Event) any {
	s.all.Add(e)
	switch e.Kind {
	case turn.Waiting:
		return s.line("", "")
	case turn.Thought:
		return s.line("", e.Text)
	case turn.Text:
		return s.line(e.Text, "")
	case turn.Called:
		return s.line("", "", s.counted(e.Call))
	case turn.Finished:
		s.usage = e.Usage
		return s.last(s.line("", ""), e.Finish)
	case turn.Failed:
		return Error(e.Err)
	}
	return nil
}

// Whole returns the answer when all is done.
func (s *Stream) Whole() any {
	r := s.all.Choices[0]
	s.calls = 0
	var calls []toolCall
	for _, c := range r.Calls {
		calls = append(calls, s.counted(c))
	}
	return s.last(s.line(r.Text, r.Thought, calls...), r.Finish)
}

// Nothing returns the answer to a request that asks for no answer but for the model to be there, or not: the reason says load or unload.
func (s *Stream) Nothing(reason string) any {
	l := s.line("", "")
	l.Done, l.DoneReason = true, reason
	return l
}

// Error returns the body that tells of an error.
func Error(err error) any { return map[string]string{"error": turn.AsError(err).Message} }

// Model is what is told of a model.
type Model struct {
	Name, Architecture string
	Parent             string // the model that an adapter is for; "": it is none
	Context, Width     int
	Params, Bytes      int64
	Since              time.Time
	Until              time.Time // when it is unloaded; zero: it stays
	Template           string
	Calls, Thinks      bool
}

type details struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
}

func (m *Model) family() string {
	f := strings.ToLower(m.Architecture)
	for _, suffix := range []string{"forcausallm", "lmheadmodel"} {
		f = strings.TrimSuffix(f, suffix)
	}
	return f
}

func (m *Model) details() details {
	return details{ParentModel: m.Parent, Format: "gguf", Family: m.family(), Families: []string{m.family()}, ParameterSize: billions(m.Params)}
}

func billions(n int64) string {
	if n < 1e9 {
		return strconv.FormatFloat(float64(n)/1e6, 'f', 2, 64) + "M"
	}
	return strconv.FormatFloat(float64(n)/1e9, 'f', 1, 64) + "B"
}

// entry is an entry of lists of models.
func (m *Model) entry() map[string]any {
	return map[string]any{
		"name": m.Name, "model": m.Name, "modified_at": m.Since.UTC().Format(time.RFC3339), "size": m.Bytes,
		"digest": fmt.Sprintf("%x", sha256.Sum256([]byte(m.Name))), "details": m.details(),
	}
}

// Tags returns the answer of GET /api/tags.
func Tags(models []*Model) any {
	list := []any{}
	for _, m := range models {
		list = append(list, m.entry())
	}
	return map[string]any{"models": list}
}

// Running returns the answer of GET /api/ps, for models that are loaded.
func Running(models []*Model) any {
	list := []any{}
	for _, m := range models {
		e := m.entry()
		e["expires_at"], e["size_vram"], e["context_length"] = "2318-01-01T00:00:00Z", 0, m.Context
		if !m.Until.IsZero() {
			e["expires_at"] = m.Until.UTC().Format(time.RFC3339)
		}
		list = append(list, e)
	}
	return map[string]any{"models": list}
}

// Show returns the answer of POST /api/show.
func (m *Model) Show() any {
	can := []string{"completion"}
	if m.Calls {
		can = append(can, "tools")
	}
	if m.Thinks {
		can = append(can, "thinking")
	}
	f := m.family()
	return map[string]any{
		"license": "", "modelfile": "", "parameters": "", "template": m.Template, "details": m.details(), "capabilities": can,
		"modified_at": m.Since.UTC().Format(time.RFC3339),
		"model_info": map[string]any{
			"general.architecture": f, "general.parameter_count": m.Params, f + ".context_length": m.Context, f + ".embedding_length": m.Width,
		},
	}
}
