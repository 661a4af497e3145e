package main

import (
	"context"
	"slices"
	"strings"

	"jamba"
	"jamba/engine"
	"jamba/engine/sample"
	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/state"
	"jamba/text/chat"
)

// A story ends with the first paragraph that ends after enough tokens. After longest tokens it is cut after a sentence.
const enough, longest = 120, 320

// writer writes many stories at a time: each step computes one token of each, or the prompt of a new one.
type writer struct {
	model  *jamba.Model
	keep   *filter
	tokens int

	progress func(begun int)
}

// slot is a story that is being written.
type slot struct {
	number  int
	state   *state.State
	next    []int32 // to be computed
	sampler *sample.Sampler
	text    engine.Detokenizer
	story   strings.Builder
	tokens  int
	id      int32
}

// write asks for the stories first to n-1 and hands over those that are good, in the order in which they end.
func (w *writer) write(ctx context.Context, first, n, batch int, seed uint64, done func(story) error) error {
	network := w.model.Network()
	pass, vocab := network.NewPass(), network.Config.VocabSize
	var slots []*slot
	for next := first; ; {
		for len(slots) < batch && next < n {
			s, err := w.begin(next, seed)
			if err != nil {
				return err
			}
			slots = append(slots, s)
			next++
		}
		if len(slots) == 0 {
			return nil
		}
		spans := make([]model.Span, len(slots))
		for i, s := range slots {
			spans[i] = model.Span{State: s.state, Tokens: s.next}
		}
		logits, err := pass.Logits(ctx, spans...)
		if err != nil {
			return err
		}
		par.For(len(slots), 1, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				slots[i].id = slots[i].sampler.Next(logits[i*vocab : (i+1)*vocab])
			}
		})
		w.tokens += len(slots)
		w.progress(next)
		going := slots[:0]
		for _, s := range slots {
			if !slices.Contains(network.Config.EOSTokenIDs, s.id) && !s.push() {
				going = append(going, s)
				continue
			}
			s.story.WriteString(s.text.Flush())
			if text, ok := w.keep.take(s.story.String()); ok {
				if err := done(story{s.number, text}); err != nil {
					return err
				}
			}
		}
		clear(slots[len(going):])
		slots = going
	}
}

// push adds the token to the story and reports whether this ends it.
func (s *slot) push() bool {
	text := s.text.Push(s.id)
	s.story.WriteString(text)
	s.next, s.tokens = []int32{s.id}, s.tokens+1
	return s.tokens >= longest || s.tokens >= enough && strings.Contains(text, "\n")
}

func (w *writer) begin(number int, seed uint64) (*slot, error) {
	r := random(seed, number)
	prompt, beginning := request(r)
	text := w.model.Text()
	ids, err := text.EncodeChat(chat.NewRequest(chat.Message{Role: "user", Content: prompt}))
	if err != nil {
		return nil, err
	}
	s := &slot{number: number, state: w.model.Network().NewState(), text: text.Tokenizer.Stream(true)}
	begun, err := text.Tokenizer.Encode(beginning, false)
	if err != nil {
		return nil, err
	}
	s.next = append(ids, begun...)
	s.story.WriteString(beginning)
	// The request's words are not penalised: the story is to have them.
	s.sampler = sample.New(sample.Params{Temperature: 0.7, TopK: 40, TopP: 0.92, RepetitionPenalty: 1.08, Seed: new(r.Uint64())}, nil, nil)
	return s, nil
}
