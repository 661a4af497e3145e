package data

import "slices"

// conversation makes the ids of a conversation, the same that the model is given when it goes on with it, and finds those that
// belong to what is trained.
func (e *encoder) conversation(r recorder, c conversation) error {
	undo := r.mark()
	if err := r.begin(); err != nil {
		return err
	}
	ok, _, err := e.align(r, c)
	if err == nil && !ok {
		if err = undo(); err == nil {
			err = e.segments(r, c)
		}
	}
	if err == nil {
		r.end()
	}
	return err
}

// align makes the ids of a text and finds those that belong to what is trained: tokens that begin there. A token that begins
// before is part of the prompt. ok is false if the tokens do not spell the text.
func (e *encoder) align(r recorder, c conversation) (ok bool, last int32, err error) {
	at, last := 0, int32(-1)
	var trained []bool
	for ids, err := range e.text.Tokenizer.Parts(c.text, false) {
		if err != nil {
			return false, last, err
		}
		trained = trained[:0]
		for _, id := range ids {
			b := e.spelling(id)
			rest := c.text[at:]
			switch {
			case len(b) <= len(rest) && rest[:len(b)] == string(b):
			case len(b) > 0 && b[0] == ' ' && len(b)-1 <= len(rest) && rest[:len(b)-1] == string(b[1:]):
				b = b[1:] // the space that some tokenizers put before a text
			default:
				return false, last, nil
			}
			trained = append(trained, c.trains(at))
			at += len(b)
			last = id
		}
		if err := r.add(ids, trained); err != nil {
			return false, last, err
		}
	}
	return at == len(c.text), last, nil
}

// trains tells whether the byte at is trained.
func (c *conversation) trains(at int) bool {
	i, ok := slices.BinarySearchFunc(c.trained, at, func(s [2]int, at int) int { return s[0] - at })
	return ok && c.trained[i][1] > at || i > 0 && c.trained[i-1][1] > at
}

// segments makes the ids part by part, for tokenizers whose tokens do not spell the text, such as those that lack
// characters of it.
func (e *encoder) segments(r recorder, c conversation) error {
	if err := r.begin(); err != nil {
		return err
	}
	var flags []bool
	add := func(text string, trained bool) error {
		for ids, err := range e.text.Tokenizer.Parts(text, false) {
			if err != nil {
				return err
			}
			flags = flags[:0]
			for range ids {
				flags = append(flags, trained)
			}
			if err := r.add(ids, flags); err != nil {
				return err
			}
		}
		return nil
	}
	at := 0
	for _, s := range c.trained {
		if err := add(c.text[at:s[0]], false); err != nil {
			return err
		}
		if err := add(c.text[s[0]:s[1]], true); err != nil {
			return err
		}
		at = s[1]
	}
	return add(c.text[at:], false)
}
