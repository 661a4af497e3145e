package text

import (
	"slices"

	"jamba/jinja"
	"jamba/text/chat"
)

// Marks are the positions of a conversation's ids at which later ones, of the same conversation or of others that begin alike,
// may part from it.
type Marks struct {
	Borders []int // the end of what stands before the first user message, and the beginning of the last; ascending
	Turn    int   // where what begins an answer begins; 0: unknown
}

// ChatMarks returns the marks of a conversation, whose ids are known, as encode renders its beginnings: where the ids of a
// beginning part from those of the whole. A template that refuses a beginning leaves it without a mark.
func ChatMarks(r chat.Request, ids []int32, encode func(chat.Request) Parts) Marks {
	common := func(messages int) int {
		part := r
		part.ContinueField, part.AddGenerationPrompt = "", false
		part.Messages = r.Messages.Slice(0, messages)
		n := 0
		for own, err := range encode(part) {
			if err != nil {
				return 0
			}
			for _, id := range own {
				if n == len(ids) || ids[n] != id {
					return n
				}
				n++
			}
		}
		return n
	}
	var m Marks
	if r.Messages == nil {
		return m
	}
	if r.AddGenerationPrompt && r.ContinueField == "" {
		m.Turn = common(r.Messages.Len())
	}
	first, last := users(r.Messages)
	for _, n := range slices.Compact([]int{first, last}) {
		if n > 0 {
			m.Borders = append(m.Borders, common(n))
		}
	}
	m.Borders = slices.DeleteFunc(m.Borders, func(n int) bool { return n == 0 })
	slices.Sort(m.Borders)
	return m
}

// users returns the numbers of the first and the last message of a user, -1 if there is none.
func users(messages *jinja.List) (first, last int) {
	first, last = -1, -1
	for i := range messages.Len() {
		m, ok := messages.At(i).(*jinja.Dict)
		if !ok {
			continue
		}
		if role, _ := m.Get("role"); role == "user" {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	return first, last
}
