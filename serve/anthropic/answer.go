package anthropic

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"jamba/serve/turn"
)

// Stream makes the events of a message, and the message itself. Blocks follow one another; each is closed before the next begins.
type Stream struct {
	ID      string // without prefix
	Model   string
	Prompt  int // tokens; 0: not known yet
	Context int // tokens of the longest sequence; 0: no bound
	Caches  bool
	Compare *turn.Comparison // nil: nobody asks

	message *messageObject
	kind    string          // of the open block
	text    strings.Builder // of it; of a call, its arguments
	call    toolBlock       // the open one
}

type messageObject struct {
	ID           string `json:"id"`
	Type         string `json:"type"`
	Role         string `json:"role"`
	Model        string `json:"model"`
	Content      []any  `json:"content"`
	StopReason   any    `json:"stop_reason"`
	StopSequence any    `json:"stop_sequence"`
	Usage        usage  `json:"usage"`

	Diagnostics *diagnostics `json:"diagnostics,omitempty"`
}

// diagnostics tell why what was computed for an earlier message was not used.
type diagnostics struct {
	CacheMissReason missReason `json:"cache_miss_reason"`
}

type missReason struct {
	Type                   string `json:"type"`
	CacheMissedInputTokens *int   `json:"cache_missed_input_tokens,omitempty"`
}

// diagnosticsOf returns nil if nobody asks, or nothing has changed.
func diagnosticsOf(c *turn.Comparison) *diagnostics {
	switch {
	case c == nil || c.Found && c.Change == turn.None:
		return nil
	case !c.Found:
		return &diagnostics{missReason{Type: "previous_message_not_found"}}
	case c.Change == turn.NewSettings:
		return &diagnostics{missReason{Type: "unavailable"}}
	}
	return &diagnostics{missReason{string(c.Change) + "_changed", &c.Missed}}
}

type usage struct {
	InputTokens              int `json:"input_tokens"`
	CacheCreationInputTokens int `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     int `json:"cache_read_input_tokens"`
	OutputTokens             int `json:"output_tokens"`

	CacheMissReason string `json:"cache_miss_reason,omitempty"` // ours
}

type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type thinkingBlock struct {
	Type      string `json:"type"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
}

type toolBlock struct {
	Type  string          `json:"type"`
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

type data map[string]any

func frame(kind string, d data) turn.Frame {
	d["type"] = kind
	return turn.Frame{Event: kind, Data: d}
}

// Frames returns the events for an event.
func (s *Stream) Frames(e turn.Event) []turn.Frame {
	var frames []turn.Frame
	if s.message == nil && e.Kind == turn.Waiting && s.Prompt == 0 {
		return []turn.Frame{frame("ping", data{})} // the message begins with the count of tokens
	}
	if s.message == nil && e.Kind != turn.Failed {
		s.message = &messageObject{ID: "msg_" + s.ID, Type: "message", Role: "assistant", Model: s.Model, Content: []any{}, Usage: usage{InputTokens: s.Prompt}, Diagnostics: diagnosticsOf(s.Compare)}
		frames = append(frames, frame("message_start", data{"message": *s.message}))
	}
	switch e.Kind {
	case turn.Waiting:
		frames = append(frames, frame("ping", data{}))
	case turn.Thought:
		frames = append(frames, s.piece("thinking", e.Text)...)
	case turn.Text:
		frames = append(frames, s.piece("text", e.Text)...)
	case turn.Called:
		frames = append(append(frames, s.close()...), s.begin(e.Call))
	case turn.Arguments:
		s.text.WriteString(e.Text)
		frames = append(frames, s.delta(data{"type": "input_json_delta", "partial_json": e.Text}))
		if e.Complete {
			frames = append(frames, s.close()...)
		}
	case turn.Finished:
		frames = append(frames, s.close()...)
		s.end(e)
	case turn.Done:
		frames = append(frames, frame("message_delta", data{
			"delta": data{"stop_reason": s.message.StopReason, "stop_sequence": s.message.StopSequence}, "usage": s.message.Usage,
		}), frame("message_stop", data{}))
	case turn.Failed:
		frames = append(frames, turn.Frame{Event: "error", Data: Error(e.Err)})
	}
	return frames
}

// Message returns the message when all is done.
func (s *Stream) Message() any { return s.message }

// piece adds text to the open block, or opens one.
func (s *Stream) piece(kind, text string) []turn.Frame {
	var frames []turn.Frame
	if s.kind != kind {
		frames = s.close()
		s.kind = kind
		frames = append(frames, s.start())
	}
	s.text.WriteString(text)
	return append(frames, s.delta(data{"type": kind + "_delta", kind: text}))
}

// start tells of the open block, which is empty.
func (s *Stream) start() turn.Frame {
	return frame("content_block_start", data{"index": len(s.message.Content), "content_block": s.block("")})
}

func (s *Stream) delta(d data) turn.Frame {
	return frame("content_block_delta", data{"index": len(s.message.Content), "delta": d})
}

// block returns the open block with a text.
func (s *Stream) block(text string) any {
	switch s.kind {
	case "thinking":
		return thinkingBlock{"thinking", text, ""}
	case "tool_use":
		s.call.Input = members(text)
		return s.call
	}
	return textBlock{"text", text}
}

// close ends the open block, if there is one.
func (s *Stream) close() []turn.Frame {
	if s.kind == "" {
		return nil
	}
	frames := []turn.Frame{frame("content_block_stop", data{"index": len(s.message.Content)})}
	s.message.Content = append(s.message.Content, s.block(s.text.String()))
	s.kind = ""
	s.text.Reset()
	return frames
}

// begin opens the block of a call.
func (s *Stream) begin(c turn.Call) turn.Frame {
	s.kind, s.call = "tool_use", toolBlock{Type: "tool_use", ID: strings.Replace(c.ID, "call_", "toolu_", 1), Name: c.Name}
	return s.start()
}

// members returns a call's arguments. Of some that broke off, they are those that are complete, as clients make them of a stream.
func members(arguments string) json.RawMessage {
	if json.Valid([]byte(arguments)) {
		return json.RawMessage(arguments)
	}
	var (
		d       = json.NewDecoder(strings.NewReader(arguments))
		open    []byte // what closes the brackets that are open, the innermost last
		key     bool   // a key comes, or the end of an object
		end     int64  // of the last value that is complete
		closing []byte // what closes the brackets around it
	)
	d.UseNumber()
	for {
		t, err := d.Token()
		_, number := t.(json.Number)
		if err != nil || number && d.InputOffset() == int64(len(arguments)) { // it may have had more digits
			break
		}
		bracket, _ := t.(json.Delim)
		switch {
		case bracket == '{' || bracket == '[':
			open = append(open, byte(bracket)+2) // } and ] stand two behind { and [
			key = bracket == '{'
		case bracket != 0:
			open = open[:len(open)-1]
			key = len(open) > 0 && open[len(open)-1] == '}'
		case key:
			key = false
			continue
		default:
			key = len(open) > 0 && open[len(open)-1] == '}'
		}
		end, closing = d.InputOffset(), append(closing[:0], open...)
	}
	if end == 0 {
		return json.RawMessage("{}")
	}
	slices.Reverse(closing)
	return append([]byte(arguments[:end]), closing...)
}

// end notes why the message ended, and its tokens.
func (s *Stream) end(e turn.Event) {
	u, m := e.Usage, s.message
	m.Usage = usage{InputTokens: u.Prompt - u.Cached, CacheReadInputTokens: u.Cached, OutputTokens: u.Answer, CacheMissReason: u.Miss}
	if s.Caches {
		m.Usage.CacheCreationInputTokens = u.Written
		m.Usage.InputTokens -= u.Written
	}
	switch {
	case e.Finish == turn.ToolCall:
		m.StopReason = "tool_use"
	case e.Finish == turn.Length && s.Context > 0 && u.Prompt+u.Answer >= s.Context:
		m.StopReason = "model_context_window_exceeded"
	case e.Finish == turn.Length:
		m.StopReason = "max_tokens"
	case e.Stop != "":
		m.StopReason, m.StopSequence = "stop_sequence", e.Stop
	default:
		m.StopReason = "end_turn"
	}
}

// Error returns the body that tells of an error.
func Error(err error) any {
	e := turn.AsError(err)
	kind := "invalid_request_error"
	switch e.Status {
	case http.StatusUnauthorized:
		kind = "authentication_error"
	case http.StatusForbidden:
		kind = "permission_error"
	case http.StatusNotFound:
		kind = "not_found_error"
	case http.StatusRequestEntityTooLarge:
		kind = "request_too_large"
	case http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case http.StatusServiceUnavailable:
		kind = "overloaded_error"
	case http.StatusGatewayTimeout:
		kind = "timeout_error"
	default:
		if e.Status >= 500 {
			kind = "api_error"
		}
	}
	message := e.Message
	if e.Code == "context_length_exceeded" {
		message = "prompt is too long: " + message // clients shorten their conversations by it
	}
	return map[string]any{"type": "error", "error": map[string]string{"type": kind, "message": message}}
}
