package serve

import (
	"net/http"
	"slices"
	"sync"

	"jamba/serve/openai"
	"jamba/serve/turn"
)

// conversations are those that responses ended, for requests that go on from one. The oldest are given up.
type conversations struct {
	mu    sync.Mutex
	byID  map[string][]turn.Message
	order []string
	bytes int
}

// Bounds of what is kept.
const (
	maxConversations = 1024
	maxConversation  = 64 << 20 // bytes of all
)

func size(messages []turn.Message) (n int) {
	for _, m := range messages {
		n += 128 + len(m.Thought)
		if m.Content != nil {
			n += len(*m.Content)
		}
		for _, c := range m.Calls {
			n += 128 + len(c.Arguments)
		}
	}
	return n
}

func (c *conversations) put(id string, messages []turn.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = map[string][]turn.Message{}
	}
	c.byID[id] = messages
	c.order = append(c.order, id)
	c.bytes += size(messages)
	for len(c.order) > maxConversations || c.bytes > maxConversation && len(c.order) > 1 {
		c.bytes -= size(c.byID[c.order[0]])
		delete(c.byID, c.order[0])
		c.order = c.order[1:]
	}
}

func (c *conversations) get(id string) ([]turn.Message, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, ok := c.byID[id]
	kept = slices.Clone(kept)
	for i := range kept {
		kept[i].Calls = slices.Clip(kept[i].Calls) // several may go on from here
	}
	return kept, ok
}

func (s *Server) responses(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	account := recordOf(r).account // others do not learn of its conversations
	q, request, err := openai.ReadResponses(body, func(id string) ([]turn.Message, bool) { return s.kept.get(account.salt(id)) })
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	s.respond(w, r, request, openai.Error, func(name string) protocol {
		stream := &openai.ResponseStream{Head: head(name), Request: q}
		said := &saying{Stream: stream}
		return protocol{stream: said, final: func() any { return stream.Response() }, begin: func(j *job) { s.prints.compare(stream.StoredID(), j) }, done: func() {
			if q.Stores() && len(said.answer.Choices) > 0 {
				messages := request.Chat.Messages
				if q.Instructions != nil && *q.Instructions != "" {
					messages = messages[1:] // they are those of one request
				}
				a := said.answer.Choices[0]
				answer := turn.Message{Role: "assistant", Thought: a.Thought, Calls: a.Calls}
				if a.Text != "" {
					answer.Content = &a.Text
				}
				if a.Text+a.Thought != "" || len(a.Calls) > 0 { // else only the prompt was to be computed
					messages = append(messages[:len(messages):len(messages)], answer)
				}
				s.kept.put(account.salt(stream.StoredID()), messages)
			}
		}}
	})
}

// saying notes what a stream tells.
type saying struct {
	turn.Stream
	answer turn.Answer
}

// Frames implements turn.Stream.
func (s *saying) Frames(e turn.Event) []turn.Frame {
	s.answer.Add(e)
	return s.Stream.Frames(e)
}
