package data

import "slices"

// completion returns a text as it is trained, given its ids: without the tokens that begin in what is given of it.
func (e *encoder) completion(d Document, ids []int32) (encoded, error) {
	one := encoded{ids: ids}
	if d.Given == 0 {
		return one, nil
	}
	inner, err := align(e.text.Tokenizer, conversation{d.Text, [][2]int{{d.Given, len(d.Text)}}})
	if err != nil {
		return inner, err
	}
	// Special tokens may stand before the text, which are given, and after it, which the model is to say.
	for before := 0; before+len(inner.ids) <= len(ids); before++ {
		if slices.Equal(ids[before:before+len(inner.ids)], inner.ids) {
			one.trained = make([]bool, len(ids))
			copy(one.trained[before:], inner.trained)
			for i := before + len(inner.ids); i < len(ids); i++ {
				one.trained[i] = true
			}
			return one, nil
		}
	}
	return inner, nil
}
