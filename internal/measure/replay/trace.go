// Package replay runs recorded or made-up traffic through a prefix cache, without a network: what share of the prompts'
// tokens need not be computed.
package replay

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
)

// Request is one prompt and the answer that it gets.
type Request struct {
	Prompt  []int32
	Answer  []int32
	Borders []int // of the prompt, ascending: the end of the system prompt, the beginnings of later user messages
	Turn    int   // before the generation prompt
}

// The kinds of conversations.
const (
	agent = iota // a long system prompt with tools, the same for all; many turns of tool results; what was thought stays
	chat         // short; what was thought is stripped when the conversation comes back; now and then the last turn is edited
	rag          // a document, some more popular than others, and a few questions about it
)

// generation is the generation prompt: few tokens that are the same for all.
var generation = []int32{1, 2, 3}

// Trace is a mix of conversations that go on by turns.
type Trace struct {
	Live      int // conversations at a time
	Requests  int
	Documents int
}

// Mix is the traffic that the cache is measured on: a quarter of the conversations are agents that share a prompt of 19,000
// tokens, half are chats, a quarter ask about one of 25 documents of about 12,000 tokens.
var Mix = Trace{Live: 12, Requests: 3000, Documents: 25}

// maker makes tokens that are not those of anything else.
type maker struct {
	*rand.Rand
	next int32
}

// tokens returns n new tokens. Two stretches differ from their first token on.
func (m *maker) tokens(n float64) []int32 {
	all := make([]int32, max(1, int(n)))
	for i := range all {
		all[i] = m.Int32()
	}
	m.next++
	all[0] = m.next<<8 | 255
	return all
}

// about returns a length that is distributed log-normally around a median.
func (m *maker) about(median, sigma float64) float64 {
	return median * math.Exp(sigma*m.NormFloat64())
}

// shared is what conversations have in common.
type shared struct {
	agent, chat, rag []int32
	documents        [][]int32
}

// conversation is a list of messages; borders are the places between them at which a request may part.
type conversation struct {
	kind, turns int
	history     []int32
	borders     []int // of history, ascending
	asked       bool  // a question
}

func (m *maker) begin(s *shared) *conversation {
	c := &conversation{}
	switch x := m.Float64(); {
	case x < 0.25:
		c.kind, c.turns = agent, 6+m.IntN(25)
		c.add(s.agent)
		c.history = append(c.history, m.tokens(300)...) // what is known of the user's machine
	case x < 0.75:
		c.kind, c.turns = chat, 2+m.IntN(11)
		if m.Float64() < 0.7 {
			c.add(s.chat)
		} else {
			c.add(m.tokens(m.about(400, 0.8)))
		}
	default:
		c.kind, c.turns = rag, 1+m.IntN(4)
		c.add(s.rag)
		// The first document is asked about most often.
		i := min(int(math.Pow(1-m.Float64(), -1/0.9))-1, len(s.documents)-1)
		c.add(s.documents[i])
	}
	return c
}

// add appends a part of the system prompt, with a border behind it.
func (c *conversation) add(tokens []int32) {
	c.history = append(c.history, tokens...)
	c.borders = append(c.borders, len(c.history))
}

// turn returns the next request.
func (m *maker) turn(c *conversation) Request {
	if c.kind == chat && c.asked && m.Float64() < 0.1 {
		// The last question and its answer are written anew.
		last := len(c.borders) - 1
		c.history, c.borders = c.history[:c.borders[last]], c.borders[:last]
	}
	if n := len(c.history); len(c.borders) == 0 || c.borders[len(c.borders)-1] < n {
		c.borders = append(c.borders, n)
	}
	c.asked = true
	question := [...]float64{agent: 900, chat: 60, rag: 40}[c.kind]
	said := [...]float64{agent: 120, chat: 300, rag: 150}[c.kind]
	c.history = append(c.history, m.tokens(m.about(question, 0.8))...)
	r := Request{Borders: slices.Clone(c.borders), Turn: len(c.history)}
	r.Prompt = slices.Concat(c.history, generation)
	thought, answer := m.tokens(m.about(250, 0.8)), m.tokens(m.about(said, 0.8))
	r.Answer = slices.Concat(thought, answer)
	c.history = append(c.history, generation...)
	if c.kind == agent {
		c.history = append(c.history, thought...)
	}
	c.history = append(c.history, answer...)
	c.turns--
	return r
}

// All yields the requests of a seed.
func (t Trace) All(seed uint64) iter.Seq[Request] {
	return func(yield func(Request) bool) {
		m := &maker{Rand: rand.New(rand.NewPCG(seed, 13))}
		s := &shared{agent: m.tokens(19_000), chat: m.tokens(800), rag: m.tokens(300)}
		for range t.Documents {
			s.documents = append(s.documents, m.tokens(m.about(12_000, 0.6)))
		}
		live := make([]*conversation, t.Live)
		for i := range live {
			live[i] = m.begin(s)
		}
		for range t.Requests {
			i := m.IntN(t.Live)
			if !yield(m.turn(live[i])) {
				return
			}
			if live[i].turns == 0 {
				live[i] = m.begin(s)
			}
		}
	}
}
