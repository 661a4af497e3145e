package text

import (
	"fmt"
	"slices"
	"strings"

	"jamba/jinja"
	"jamba/text/chat"
)

// Marks are the positions of a conversation's ids at which later ones, of the same conversation or of others that begin alike,
// may part from it.
type Marks struct {
	Borders []int // the end of what stands before the first user message, and the beginning of the last; ascending
	Turn    int   // where what begins an answer begins; 0: unknown
	Asked   []int // the ends of as many messages as were asked for
}

// ChatMarks returns the marks of a conversation, whose ids are known, as encode renders its beginnings: where the ids of a
// beginning part from those of the whole. A beginning before a user's message is rendered with another in its place, since some templates
// refuse one without, or put what stands before it otherwise. One that is refused leaves no mark. asked are numbers of
// messages whose end is marked, too.
func ChatMarks(r chat.Request, ids []int32, encode func(chat.Request) Parts, asked ...int) Marks {
	common := func(messages *jinja.List) int {
		part := r
		part.ContinueField, part.AddGenerationPrompt = "", false
		part.Messages = messages
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
		m.Turn = common(r.Messages)
	}
	first, last := users(r.Messages)
	for _, n := range slices.Compact([]int{first, last}) {
		if n < 0 {
			continue
		}
		at := common(otherwise(r.Messages, n))
		if at == 0 {
			at = common(r.Messages.Slice(0, n))
		}
		m.Borders = append(m.Borders, at)
	}
	for _, n := range asked {
		if n > 0 && n <= r.Messages.Len() {
			if at := common(r.Messages.Slice(0, n)); at > 0 {
				m.Asked = append(m.Asked, at)
			}
		}
	}
	m.Borders = slices.DeleteFunc(m.Borders, func(n int) bool { return n == 0 })
	slices.Sort(m.Borders)
	return m
}

// otherwise returns the beginning of a conversation up to message n, a user's, which says something else.
func otherwise(messages *jinja.List, n int) *jinja.List {
	content := "0"
	if said, _ := messages.At(n).(*jinja.Dict).Get("content"); strings.HasPrefix(fmt.Sprint(said), content) {
		content = "1"
	}
	other := jinja.NewDict()
	other.Set("role", "user")
	other.Set("content", content)
	var items []any
	for i := range n {
		items = append(items, messages.At(i))
	}
	return jinja.NewList(append(items, other)...)
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
