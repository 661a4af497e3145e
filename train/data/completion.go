package data

import "slices"

// completion makes the ids of a text without training the tokens that begin in what is given of it. Special tokens may stand
// before the text, which are given, and after it, which the model is to say.
func (e *encoder) completion(r recorder, d Document) error {
	c := conversation{d.Text, [][2]int{{d.Given, len(d.Text)}}}
	before, after, ok := e.text.Around(d.Text)
	if !ok {
		return e.spelt(r, d, c)
	}
	undo := r.mark()
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.add(before, make([]bool, len(before))); err != nil {
		return err
	}
	ok, last, err := e.align(r, c)
	switch {
	case err != nil:
		return err
	case !ok:
		if err := undo(); err != nil {
			return err
		}
		return e.spelt(r, d, c)
	}
	if err := r.add(after, nil); err != nil {
		return err
	}
	if all := slices.Concat(before, after); last < 0 && len(all) > 0 || len(after) > 0 {
		last = all[len(all)-1]
	}
	return e.finish(r, last)
}

// spelt is completion for tokenizers whose tokens do not spell the text: that of its two parts, within that of the whole if
// it is there.
func (e *encoder) spelt(r recorder, d Document, c conversation) error {
	ids, err := e.text.Encode(d.Text)
	if err != nil {
		return err
	}
	if eos, ok := e.text.Tokenizer.EOS(); ok && (len(ids) == 0 || ids[len(ids)-1] != eos) {
		ids = append(ids, eos)
	}
	var m memory
	if err := e.conversation(&m, c); err != nil {
		return err
	}
	inner := m[0]
	trained := make([]bool, len(inner.ids), len(ids)+len(inner.ids))
	copy(trained, inner.trained)
	for before := 0; before+len(inner.ids) <= len(ids); before++ {
		if slices.Equal(ids[before:before+len(inner.ids)], inner.ids) {
			trained = slices.Insert(trained, 0, make([]bool, before)...)
			for len(trained) < len(ids) {
				trained = append(trained, true)
			}
			inner.ids = ids
			break
		}
	}
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.add(inner.ids, trained); err != nil {
		return err
	}
	r.end()
	return nil
}
