package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// work is what was rendered to find the turns of a conversation.
type work struct{ messages, bytes int64 }

// Bounds on it: some seconds.
const (
	mostMessages = 1 << 19
	mostBytes    = 1 << 32
)

var errWork = errors.New("the chat template shows turns in another way once others follow, so that the conversation is rendered up to each of them: it is too long for that; make several of it")

func (w *work) add(messages, bytes int) error {
	if w.messages, w.bytes = w.messages+int64(messages), w.bytes+int64(bytes); w.messages > mostMessages || w.bytes > mostBytes {
		return errWork
	}
	return nil
}

// find finds turns of the assistant in the text of a conversation that ends with the last of them; later are those that the
// text shows in another way than where the conversation ends with them.
//
// To render each beginning of a conversation takes time that grows with the square of its length. In a long one a turn is
// looked for with a window first: what the template adds for it to the conversation's first turns has to be what follows the
// turn before. That is held against the rendering of the whole beginning at the 1st, 2nd, 4th, 8th and so on of such turns.
func (c *turns) find(todo []int, text string) (spans [][2]int, later []int, err error) {
	return c.findWith(todo, text, len(todo) >= manyTurns)
}

// manyTurns is how many turns make a conversation long.
const manyTurns = 16

func (c *turns) findWith(todo []int, text string, windows bool) (spans [][2]int, later []int, err error) {
	last := todo[len(todo)-1]
	var w *window
	found, failed := 0, 0
	for _, i := range todo {
		if w != nil && failed < 3 && i != last {
			if span, ok := w.turn(i, text); ok {
				found, failed = found+1, 0
				if found&(found-1) == 0 {
					if exact, err := c.turn(i, false, text); err != nil || exact != span {
						return c.findWith(todo, text, false)
					}
				}
				spans = append(spans, span)
				continue
			}
			failed++
		}
		span, err := c.turn(i, i == last, text)
		switch {
		case errors.Is(err, errWork):
			return nil, nil, fmt.Errorf("messages: %w", err)
		case err == nil:
			if spans = append(spans, span); w == nil && windows {
				w = &window{turns: c, first: c.messages[:i+1], shown: text[:span[1]]}
			}
			if w != nil {
				w.after, w.at, failed = i, span[1], 0
			}
		case i == last:
			return nil, nil, fmt.Errorf("messages[%d]: %w", i, err)
		default:
			later = append(later, i)
		}
	}
	return spans, later, nil
}

// window shows a few turns of a conversation after its first ones.
type window struct {
	*turns
	first []any  // messages up to the first turn
	shown string // what the template makes of them
	after int    // the message of the last turn that was found
	at    int    // where it ends in the text
}

// turn finds message i after the last turn; ok is false if the text has something else there.
func (w *window) turn(i int, text string) (span [2]int, ok bool) {
	few := *w.turns
	few.messages, few.known = slices.Concat(w.first, w.messages[w.after+1:i+1]), nil
	n := len(few.messages)
	shown, _, err := few.render(n, false)
	if err != nil || !strings.HasPrefix(shown, w.shown) || !strings.HasPrefix(text[w.at:], shown[len(w.shown):]) {
		return span, false
	}
	span, err = few.turn(n-1, true, shown)
	if err != nil || span[0] < len(w.shown) {
		return span, false
	}
	by := w.at - len(w.shown)
	w.after, w.at = i, span[1]+by
	return [2]int{span[0] + by, span[1] + by}, true
}
