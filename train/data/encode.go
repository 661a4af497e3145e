package data

import (
	"cmp"
	"errors"
	"fmt"

	"jamba/text"
	"jamba/text/tokenizer"
)

// encoder makes ids of documents. Several goroutines may use it at once.
type encoder struct {
	text  *text.Text // nil: there is no tokenizer, and documents are input_ids
	vocab int        // without a tokenizer: the number of tokens
}

func (e *encoder) size() int {
	if e.text == nil {
		return e.vocab
	}
	return e.text.Tokenizer.VocabSize()
}

// encoded is a document as it is trained.
type encoded struct {
	ids     []int32
	trained []bool // which ids are to be predicted; nil: all
}

var errNoTemplate = errors.New("messages: the model has no chat template; to make a tokenizer with one: jamba tokenizer train --chat; to give a model one, put a chat_template.jinja into its folder")

// encode makes ids of a document; several, if a conversation has to be shown in several ways.
func (e *encoder) encode(d Document) ([]encoded, error) {
	var all []encoded
	switch {
	case d.IDs != nil:
		size := e.size()
		for i, id := range d.IDs {
			if id < 0 || int(id) >= size {
				return nil, fmt.Errorf("input_ids[%d] is %d, the vocabulary has %d", i, id, size)
			}
		}
		one := encoded{ids: d.IDs}
		if d.Labels != nil {
			one.trained = make([]bool, len(d.Labels))
			for i, label := range d.Labels {
				one.trained[i] = label != Ignore
			}
		}
		all = []encoded{one}
	case e.text == nil:
		return nil, errors.New("the model has no tokenizer: documents have to be input_ids")
	case d.Chat != nil:
		if e.text.Templates == nil {
			return nil, errNoTemplate
		}
		template, err := e.text.Templates.For(*d.Chat)
		if err != nil {
			return nil, err
		}
		conversations, err := renderTurns(template, *d.Chat, d.Given)
		if err != nil {
			return nil, err
		}
		for _, c := range conversations {
			one, err := align(e.text.Tokenizer, c)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
	default:
		ids, err := e.text.Encode(d.Text)
		if err != nil {
			return nil, err
		}
		if eos, ok := e.text.Tokenizer.EOS(); ok && (len(ids) == 0 || ids[len(ids)-1] != eos) {
			ids = append(ids, eos)
		}
		one, err := e.completion(d, ids)
		if err != nil {
			return nil, err
		}
		all = []encoded{one}
	}
	for _, one := range all {
		if len(one.ids) > maxTokens {
			return nil, fmt.Errorf("document of %d tokens, at most %d are supported", len(one.ids), maxTokens)
		}
	}
	return all, nil
}

// align makes the ids of a conversation, the same that the model is given when it goes on with it, and finds those that
// belong to what is trained: tokens that begin there. A token that begins before is part of the prompt.
func align(t *tokenizer.Tokenizer, c conversation) (e encoded, err error) {
	if e.ids, err = t.Encode(c.text, false); err != nil {
		return e, err
	}
	e.trained = make([]bool, len(e.ids))
	at := 0
	for i, id := range e.ids {
		b := t.TokenBytes(id)
		rest := c.text[at:]
		switch {
		case len(b) <= len(rest) && rest[:len(b)] == string(b):
		case len(b) > 0 && b[0] == ' ' && len(b)-1 <= len(rest) && rest[:len(b)-1] == string(b[1:]):
			b = b[1:] // the space that some tokenizers put before a text
		default:
			return segments(t, c)
		}
		e.trained[i] = c.trains(at)
		at += len(b)
	}
	if at != len(c.text) {
		return segments(t, c)
	}
	return e, nil
}

// trains tells whether the byte at is trained.
func (c *conversation) trains(at int) bool {
	for _, s := range c.trained {
		if s[0] <= at && at < s[1] {
			return true
		}
	}
	return false
}

// segments makes the ids part by part, for tokenizers whose tokens do not spell the text, such as those that lack
// characters of it.
func segments(t *tokenizer.Tokenizer, c conversation) (e encoded, err error) {
	add := func(text string, trained bool) {
		ids, failed := t.Encode(text, false)
		err = cmp.Or(err, failed)
		for _, id := range ids {
			e.ids, e.trained = append(e.ids, id), append(e.trained, trained)
		}
	}
	at := 0
	for _, s := range c.trained {
		add(c.text[at:s[0]], false)
		add(c.text[s[0]:s[1]], true)
		at = s[1]
	}
	add(c.text[at:], false)
	return e, err
}
