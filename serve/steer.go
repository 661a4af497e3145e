package serve

import (
	"math"
	"slices"
	"strings"
)

// steer is the constraint of an answer that has to have so many tokens at least, or not to think for too long.
type steer struct {
	begin []int32 // of the answer
	ends  []int32 // not before min tokens
	min   int
	// A thought that has not ended after budget tokens is ended with these.
	budget int
	end    []int32
	thinks func(answer []int32) thinking // nil: it may go on
}

type thinking int

const (
	mayThink thinking = iota // the answer may still begin with a thought
	thinks
	hasThought // it thinks no more
)

// steering returns the constraint of a job's answers, nil if there is none.
func (j *job) steering() *steer {
	var st steer
	r := j.request
	if st.min = r.MinTokens; st.min > 0 {
		st.ends = slices.Concat(j.model.Ends(), r.StopIDs)
	}
	if c := r.Chat; c != nil {
		const end = "\n</think>\n\n"
		if c.ThoughtTokens < 0 && j.reply.Opened {
			st.begin = j.model.control(strings.TrimLeft(end, "\n"))
		} else if c.ThoughtTokens != 0 {
			st.budget, st.end = max(c.ThoughtTokens, 0), j.model.control(end)
			st.thinks = func(answer []int32) thinking {
				text := strings.TrimSpace(j.model.Text().Tokenizer.Decode(answer, false))
				switch begun := j.reply.Opened || strings.HasPrefix(text, "<think>"); {
				case strings.Contains(text, "</think>"):
					return hasThought
				case strings.HasSuffix(text, "\ufffd"):
					return mayThink // a character is not cut
				case begun:
					return thinks
				case strings.HasPrefix("<think>", text):
					return mayThink
				}
				return hasThought
			}
		}
	}
	if st.min == 0 && st.begin == nil && st.thinks == nil {
		return nil
	}
	return &st
}

// control returns the tokens of a text of ours, of which control tokens are such.
func (m *served) control(text string) []int32 {
	ids, err := m.Text().Tokenizer.Encode(text, false)
	if err != nil {
		return nil // it is short, and can be encoded
	}
	return ids
}

// Next implements jamba.Constraint.
func (st *steer) Next(answer []int32, logits []float32) (forced []int32, back int, err error) {
	switch n := len(answer); {
	case n == 0 && len(st.begin) > 0:
		return st.begin, 0, nil
	case n >= st.budget && st.thinks != nil:
		switch st.thinks(answer) {
		case thinks:
			st.thinks = nil
			return st.end, 0, nil
		case hasThought:
			st.thinks = nil
		}
	}
	if len(answer) < st.min {
		for _, id := range st.ends {
			if int(id) < len(logits) {
				logits[id] = float32(math.Inf(-1))
			}
		}
	}
	return nil, 0, nil
}
