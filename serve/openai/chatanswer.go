package openai

import (
	"jamba/serve/turn"
)

// Head is what all objects of one answer have in common.
type Head struct {
	ID      string // without prefix
	Created int64  // Unix time
	Model   string
}

type usage struct {
	PromptTokens        int `json:"prompt_tokens"`
	CompletionTokens    int `json:"completion_tokens"`
	TotalTokens         int `json:"total_tokens"`
	PromptTokensDetails struct {
		CachedTokens     int    `json:"cached_tokens"`
		CacheWriteTokens int    `json:"cache_write_tokens"`
		CacheMissReason  string `json:"cache_miss_reason,omitempty"` // ours
	} `json:"prompt_tokens_details"`
	CompletionTokensDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func usageOf(u turn.Usage) *usage {
	out := &usage{PromptTokens: u.Prompt, CompletionTokens: u.Answer, TotalTokens: u.Prompt + u.Answer}
	d := &out.PromptTokensDetails
	d.CachedTokens, d.CacheWriteTokens, d.CacheMissReason = u.Cached, u.Written, u.Miss
	out.CompletionTokensDetails.ReasoningTokens = u.Thought
	return out
}

type chatObject struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *usage       `json:"usage,omitempty"`
}

type chatChoice struct {
	Index        int           `json:"index"`
	Message      *chatMessage  `json:"message,omitempty"`
	Delta        *chatDelta    `json:"delta,omitempty"`
	Logprobs     *chatLogprobs `json:"logprobs"`
	FinishReason *turn.Finish  `json:"finish_reason"`
}

type chatMessage struct {
	Role             string     `json:"role"`
	Content          *string    `json:"content"`
	Refusal          *string    `json:"refusal"`
	ReasoningContent string     `json:"reasoning_content,omitempty"`
	ToolCalls        []toolCall `json:"tool_calls,omitempty"`
}

type chatDelta struct {
	Role             string     `json:"role,omitempty"`
	Content          *string    `json:"content,omitempty"`
	ReasoningContent string     `json:"reasoning_content,omitempty"`
	ToolCalls        []toolCall `json:"tool_calls,omitempty"`
}

type chatLogprobs struct {
	Content []chatLogprob `json:"content"`
}

type chatLogprob struct {
	Token       string        `json:"token"`
	Logprob     float64       `json:"logprob"`
	Bytes       []int         `json:"bytes"`
	TopLogprobs []chatLogprob `json:"top_logprobs,omitempty"`
}

// logprobsOf returns what chats tell of tokens, nil if nothing is to be told.
func logprobsOf(tokens []turn.Token) *chatLogprobs {
	if len(tokens) == 0 {
		return nil
	}
	l := &chatLogprobs{Content: []chatLogprob{}}
	for _, t := range tokens {
		if t.Logprob == nil {
			continue // given, not picked
		}
		own := logprobOf(t)
		own.TopLogprobs = []chatLogprob{}
		for _, top := range t.Top {
			own.TopLogprobs = append(own.TopLogprobs, logprobOf(top))
		}
		l.Content = append(l.Content, own)
	}
	return l
}

func logprobOf(t turn.Token) chatLogprob {
	bytes := make([]int, len(t.Bytes))
	for i, b := range t.Bytes {
		bytes[i] = int(b)
	}
	return chatLogprob{Token: t.Text, Logprob: *t.Logprob, Bytes: bytes}
}

func (h *Head) chat(object string, choices ...chatChoice) chatObject {
	if choices == nil {
		choices = []chatChoice{}
	}
	return chatObject{ID: "chatcmpl-" + h.ID, Object: object, Created: h.Created, Model: h.Model, Choices: choices}
}

// Chat returns the body that answers a chat request.
func (h *Head) Chat(a *turn.Answer) any {
	o := h.chat("chat.completion")
	for i, r := range a.Choices {
		m := &chatMessage{Role: "assistant", Content: &r.Text, ReasoningContent: r.Thought}
		if r.Text == "" && len(r.Calls) > 0 {
			m.Content = nil
		}
		for _, c := range r.Calls {
			m.ToolCalls = append(m.ToolCalls, toolCall{ID: c.ID, Type: "function", Function: function{c.Name, c.Arguments}})
		}
		o.Choices = append(o.Choices, chatChoice{Index: i, Message: m, Logprobs: logprobsOf(r.Tokens), FinishReason: &r.Finish})
	}
	o.Usage = usageOf(a.Usage)
	return o
}

// ChatStream makes the chunks of a chat's answer.
type ChatStream struct {
	Head
	IncludeUsage bool
	begun        map[int]bool // choices whose role was told
	calls        map[int]int
}

// Frames returns the chunks for an event.
func (s *ChatStream) Frames(e turn.Event) []turn.Frame {
	var frames []turn.Frame
	send := func(d chatDelta, tokens []turn.Token, f *turn.Finish) {
		frames = append(frames, turn.Frame{Data: s.chat("chat.completion.chunk", chatChoice{Index: e.Choice, Delta: &d, Logprobs: logprobsOf(tokens), FinishReason: f})})
	}
	switch e.Kind {
	case turn.Waiting:
		return waiting(e)
	case turn.Failed:
		return []turn.Frame{{Data: Error(e.Err)}}
	case turn.Scored:
		return nil
	case turn.Done:
		if s.IncludeUsage {
			last := s.chat("chat.completion.chunk")
			last.Usage = usageOf(e.Usage)
			frames = append(frames, turn.Frame{Data: last})
		}
		return append(frames, turn.Frame{Data: turn.Raw("[DONE]")})
	}
	if s.begun == nil {
		s.begun, s.calls = map[int]bool{}, map[int]int{}
	}
	if !s.begun[e.Choice] {
		s.begun[e.Choice] = true
		send(chatDelta{Role: "assistant", Content: new("")}, nil, nil)
	}
	switch e.Kind {
	case turn.Thought:
		send(chatDelta{ReasoningContent: e.Text}, e.Tokens, nil)
	case turn.Text:
		send(chatDelta{Content: &e.Text}, e.Tokens, nil)
	case turn.Called:
		i := s.calls[e.Choice]
		s.calls[e.Choice]++
		send(chatDelta{ToolCalls: []toolCall{{Index: &i, ID: e.Call.ID, Type: "function", Function: function{Name: e.Call.Name}}}}, e.Tokens, nil)
	case turn.Arguments:
		i := s.calls[e.Choice] - 1
		send(chatDelta{ToolCalls: []toolCall{{Index: &i, Function: function{Arguments: e.Text}}}}, e.Tokens, nil)
	case turn.Finished:
		send(chatDelta{}, e.Tokens, &e.Finish)
	}
	return frames
}

// waiting returns a comment that keeps a connection open.
func waiting(e turn.Event) []turn.Frame { return []turn.Frame{{Comment: e.Progress()}} }
