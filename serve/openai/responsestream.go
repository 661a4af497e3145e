package openai

import (
	"encoding/json"
	"strconv"
	"strings"

	"jamba/serve/turn"
)

// ResponseStream makes the events of a response, and the response itself.
type ResponseStream struct {
	Head
	Request *ResponsesRequest

	response *responseObject
	sequence int
	text     strings.Builder // of the open item
	tokens   []chatLogprob
	open     *outputItem
	finish   turn.Finish
}

type responseObject struct {
	ID                 string            `json:"id"`
	Object             string            `json:"object"`
	CreatedAt          int64             `json:"created_at"`
	Status             string            `json:"status"`
	Background         bool              `json:"background"`
	Error              *responseError    `json:"error"`
	IncompleteDetails  *incomplete       `json:"incomplete_details"`
	Instructions       *string           `json:"instructions"`
	MaxOutputTokens    *int              `json:"max_output_tokens"`
	Metadata           json.RawMessage   `json:"metadata"`
	Model              string            `json:"model"`
	Output             []*outputItem     `json:"output"`
	ParallelToolCalls  bool              `json:"parallel_tool_calls"`
	PreviousResponseID *string           `json:"previous_response_id"`
	Reasoning          any               `json:"reasoning"`
	Store              bool              `json:"store"`
	Temperature        *float64          `json:"temperature"`
	Text               any               `json:"text"`
	ToolChoice         json.RawMessage   `json:"tool_choice"`
	Tools              []json.RawMessage `json:"tools"`
	TopP               *float64          `json:"top_p"`
	Truncation         string            `json:"truncation"`
	Usage              *responseUsage    `json:"usage"`
	// PromptCacheDiagnostics are there if the request asks for a comparison.
	PromptCacheDiagnostics *cacheDiagnostics `json:"prompt_cache_diagnostics,omitempty"`
}

// cacheDiagnostics tell why what was computed for an earlier response was not used.
type cacheDiagnostics struct {
	Type              string `json:"type"`
	Reason            string `json:"reason,omitempty"`
	CacheMissedTokens *int   `json:"cache_missed_tokens,omitempty"`
}

// changes are the API's words for what has changed.
var changes = map[turn.Change]string{
	turn.NewModel: "model_changed", turn.NewTools: "tools_changed", turn.NewSettings: "reasoning_effort_changed", turn.NewSystem: "input_changed",
	turn.NewMessages: "input_changed",
}

func diagnosticsOf(c *turn.Comparison, u turn.Usage) *cacheDiagnostics {
	switch {
	case c == nil:
		return nil
	case !c.Found:
		return &cacheDiagnostics{Type: "comparison_response_not_found"}
	case c.Change != turn.None:
		return &cacheDiagnostics{"cache_miss", changes[c.Change], &c.Missed}
	case u.Cached == 0:
		return &cacheDiagnostics{Type: "unavailable"} // it would have fitted; the usage says why it was not there
	}
	return &cacheDiagnostics{Type: "cache_hit"}
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incomplete struct {
	Reason string `json:"reason"`
}

type responseUsage struct {
	InputTokens        int            `json:"input_tokens"`
	InputTokensDetails inputDetails   `json:"input_tokens_details"`
	OutputTokens       int            `json:"output_tokens"`
	OutputDetails      map[string]int `json:"output_tokens_details"`
	TotalTokens        int            `json:"total_tokens"`
}

type inputDetails struct {
	CacheMissReason  string `json:"cache_miss_reason,omitempty"` // ours
	CacheWriteTokens int    `json:"cache_write_tokens"`
	CachedTokens     int    `json:"cached_tokens"`
}

// outputItem is an item of the output: a message, a thought, or a call.
type outputItem struct {
	ID        string  `json:"id"`
	Type      string  `json:"type"`
	Status    string  `json:"status"`
	Role      string  `json:"role,omitempty"`
	Content   *[]any  `json:"content,omitempty"`
	Summary   *[]any  `json:"summary,omitempty"`
	CallID    string  `json:"call_id,omitempty"`
	Name      string  `json:"name,omitempty"`
	Namespace string  `json:"namespace,omitempty"`
	Arguments *string `json:"arguments,omitempty"`
}

type textPart struct {
	Type        string        `json:"type"`
	Text        string        `json:"text"`
	Annotations []any         `json:"annotations"`
	Logprobs    []chatLogprob `json:"logprobs"`
}

type thoughtPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// event is the data of an event: what all have, and what it has.
type event map[string]any

// begin sets up the response.
func (s *ResponseStream) begin() []turn.Frame {
	q := s.Request
	form := json.RawMessage(`{"type":"text"}`)
	if q.Text != nil && !null(q.Text.Format) {
		form = q.Text.Format
	}
	r := &responseObject{
		ID: "resp_" + s.ID, Object: "response", CreatedAt: s.Created, Status: "in_progress", Instructions: q.Instructions, MaxOutputTokens: q.MaxOutputTokens,
		Metadata: q.Metadata, Model: s.Model, Output: []*outputItem{}, ParallelToolCalls: q.ParallelToolCalls == nil || *q.ParallelToolCalls,
		Store: q.Stores(), Temperature: q.Temperature, Text: map[string]any{"format": form}, ToolChoice: q.ToolChoice, Tools: q.Tools,
		TopP: q.TopP, Truncation: "disabled",
	}
	if null(r.Metadata) {
		r.Metadata = json.RawMessage("{}")
	}
	if null(r.ToolChoice) {
		r.ToolChoice = json.RawMessage(`"auto"`)
	}
	if r.Tools == nil {
		r.Tools = []json.RawMessage{}
	}
	if q.PreviousResponseID != "" {
		r.PreviousResponseID = &q.PreviousResponseID
	}
	reasoning := map[string]any{"effort": nil, "summary": nil}
	if q.Reasoning != nil {
		if q.Reasoning.Effort != "" {
			reasoning["effort"] = q.Reasoning.Effort
		}
		reasoning["summary"] = q.Reasoning.Summary
	}
	r.Reasoning = reasoning
	s.response = r
	return []turn.Frame{s.frame("response.created", event{"response": s.snapshot()}), s.frame("response.in_progress", event{"response": s.snapshot()})}
}

// snapshot returns the response as it is now.
func (s *ResponseStream) snapshot() responseObject { return *s.response }

func (s *ResponseStream) frame(kind string, e event) turn.Frame {
	e["type"], e["sequence_number"] = kind, s.sequence
	s.sequence++
	return turn.Frame{Event: kind, Data: e}
}

// Frames returns the events for an event.
func (s *ResponseStream) Frames(e turn.Event) []turn.Frame {
	var frames []turn.Frame
	if s.response == nil {
		frames = s.begin()
		if e.Kind == turn.Waiting {
			return frames
		}
	}
	switch e.Kind {
	case turn.Waiting: // comments do not count for Codex
		frames = append(frames, s.frame("response.in_progress", event{"response": s.snapshot()}))
	case turn.Thought:
		frames = append(frames, s.piece("reasoning", e)...)
	case turn.Text:
		frames = append(frames, s.piece("message", e)...)
	case turn.Called:
		frames = append(append(frames, s.close("completed")...), s.call(e.Call))
	case turn.Arguments:
		frames = append(frames, s.arguments(e)...)
	case turn.Finished:
		s.finish = e.Finish
		status := "completed"
		if e.Finish == turn.Length {
			status = "incomplete"
		}
		frames = append(frames, s.close(status)...)
	case turn.Done:
		u := e.Usage
		s.response.Usage = &responseUsage{
			u.Prompt,
			inputDetails{u.Miss, u.Written, u.Cached},
			u.Answer,
			map[string]int{"reasoning_tokens": u.Thought},
			u.Prompt + u.Answer,
		}
		s.response.PromptCacheDiagnostics = diagnosticsOf(s.Request.comparison, u)
		s.response.Status = "completed"
		if s.finish == turn.Length && !s.Request.prewarms() {
			s.response.Status, s.response.IncompleteDetails = "incomplete", &incomplete{"max_output_tokens"}
		}
		frames = append(frames, s.frame("response."+s.response.Status, event{"response": s.snapshot()}))
	case turn.Failed:
		frames = append(frames, s.close("incomplete")...)
		err := errorOf(e.Err)
		code := "server_error"
		if err.Code != nil {
			code = *err.Code
		}
		s.response.Status, s.response.Error = "failed", &responseError{code, err.Message}
		frames = append(frames, s.frame("response.failed", event{"response": s.snapshot()}))
	}
	return frames
}

// Response returns the response when all is done.
func (s *ResponseStream) Response() any { return s.response }

// StoredID returns the response's id.
func (s *ResponseStream) StoredID() string { return "resp_" + s.ID }

// index returns the place of the open item.
func (s *ResponseStream) index() int { return len(s.response.Output) }

func (s *ResponseStream) id(prefix string) string {
	return prefix + s.ID + strconv.Itoa(s.index())
}

// piece adds text to the open item, or opens one.
func (s *ResponseStream) piece(kind string, e turn.Event) []turn.Frame {
	var frames []turn.Frame
	if s.open == nil || s.open.Type != kind {
		frames = s.close("completed")
		s.open = &outputItem{ID: s.id("msg_"), Type: kind, Status: "in_progress", Role: "assistant", Content: &[]any{}}
		if kind == "reasoning" {
			s.open.ID, s.open.Role, s.open.Summary = s.id("rs_"), "", &[]any{}
		}
		frames = append(frames,
			s.frame("response.output_item.added", event{"output_index": s.index(), "item": *s.open}),
			s.frame("response.content_part.added", event{"item_id": s.open.ID, "output_index": s.index(), "content_index": 0, "part": s.part("", nil)}))
	}
	s.text.WriteString(e.Text)
	delta := event{"item_id": s.open.ID, "output_index": s.index(), "content_index": 0, "delta": e.Text}
	if kind == "reasoning" {
		return append(frames, s.frame("response.reasoning_text.delta", delta))
	}
	logprobs := []chatLogprob{}
	if l := logprobsOf(e.Tokens); l != nil {
		logprobs = l.Content
	}
	s.tokens = append(s.tokens, logprobs...)
	delta["logprobs"] = logprobs
	return append(frames, s.frame("response.output_text.delta", delta))
}

// part returns the one part of the open item.
func (s *ResponseStream) part(text string, logprobs []chatLogprob) any {
	if s.open.Type == "reasoning" {
		return thoughtPart{"reasoning_text", text}
	}
	if logprobs == nil {
		logprobs = []chatLogprob{}
	}
	return textPart{"output_text", text, []any{}, logprobs}
}

// close ends the open item, if there is one.
func (s *ResponseStream) close(status string) []turn.Frame {
	if s.open == nil {
		return nil
	}
	text := s.text.String()
	if s.open.Type == "function_call" {
		return s.closeCall(text, "incomplete")
	}
	part := s.part(text, s.tokens)
	at := func(e event) event {
		e["item_id"], e["output_index"], e["content_index"] = s.open.ID, s.index(), 0
		return e
	}
	var frames []turn.Frame
	if s.open.Type == "reasoning" {
		frames = append(frames, s.frame("response.reasoning_text.done", at(event{"text": text})))
	} else {
		frames = append(frames, s.frame("response.output_text.done", at(event{"text": text, "logprobs": part.(textPart).Logprobs})))
	}
	frames = append(frames, s.frame("response.content_part.done", at(event{"part": part})))
	s.open.Status, s.open.Content = status, &[]any{part}
	frames = append(frames, s.frame("response.output_item.done", event{"output_index": s.index(), "item": *s.open}))
	s.response.Output = append(s.response.Output, s.open)
	s.open, s.tokens = nil, nil
	s.text.Reset()
	return frames
}

// call opens a call.
func (s *ResponseStream) call(c turn.Call) turn.Frame {
	s.open = &outputItem{ID: s.id("fc_"), Type: "function_call", Status: "in_progress", CallID: c.ID, Name: c.Name, Arguments: new("")}
	if own, ok := s.Request.spaces[c.Name]; ok {
		s.open.Name, s.open.Namespace = own.name, own.space
	}
	return s.frame("response.output_item.added", event{"output_index": s.index(), "item": *s.open})
}

// arguments adds arguments to the open call, and ends it with the last.
func (s *ResponseStream) arguments(e turn.Event) []turn.Frame {
	s.text.WriteString(e.Text)
	frames := []turn.Frame{s.frame("response.function_call_arguments.delta", event{"item_id": s.open.ID, "output_index": s.index(), "delta": e.Text})}
	if e.Complete {
		frames = append(frames, s.closeCall(s.text.String(), "completed")...)
	}
	return frames
}

// closeCall ends the open call.
func (s *ResponseStream) closeCall(arguments, status string) []turn.Frame {
	it := s.open
	it.Status, it.Arguments = status, &arguments
	frames := []turn.Frame{
		s.frame("response.function_call_arguments.done", event{"item_id": it.ID, "output_index": s.index(), "name": it.Name, "arguments": arguments}),
		s.frame("response.output_item.done", event{"output_index": s.index(), "item": *it}),
	}
	s.response.Output = append(s.response.Output, it)
	s.open = nil
	s.text.Reset()
	return frames
}
