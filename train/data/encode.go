package data

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"jamba/text"
	"jamba/text/chat"
)

// encoder makes ids of documents. Several goroutines may use it at once.
type encoder struct {
	text  *text.Text // nil: there is no tokenizer, and documents are input_ids
	vocab int        // without a tokenizer: the number of tokens

	spellings []atomic.Pointer[[]byte] // of tokens, as they are asked for
}

func newEncoder(t *text.Text, vocab int) *encoder {
	e := &encoder{text: t, vocab: vocab}
	e.spellings = make([]atomic.Pointer[[]byte], e.size())
	return e
}

func (e *encoder) size() int {
	if e.text == nil {
		return e.vocab
	}
	return e.text.Tokenizer.VocabSize()
}

// spelling returns the bytes of a token.
func (e *encoder) spelling(id int32) []byte {
	known := &e.spellings[id]
	if b := known.Load(); b != nil {
		return *b
	}
	b := e.text.Tokenizer.TokenBytes(id)
	known.Store(&b)
	return b
}

// recorder takes the ids of documents as they are made: those of a long one are not held in memory.
type recorder interface {
	// begin begins a document.
	begin() error
	// add takes ids of it, and which of them are to be predicted; nil: all. Both are the caller's.
	add(ids []int32, trained []bool) error
	// end ends it.
	end()
	// mark returns what goes back to where it was called.
	mark() (undo func() error)
}

// encoded is a document as it is trained.
type encoded struct {
	ids     []int32
	trained []bool // which ids are to be predicted; nil: all
}

// memory records documents in memory.
type memory []encoded

func (m *memory) begin() error {
	*m = append(*m, encoded{})
	return nil
}

func (m *memory) add(ids []int32, trained []bool) error {
	e := &(*m)[len(*m)-1]
	if trained != nil || e.trained != nil {
		for len(e.trained) < len(e.ids) {
			e.trained = append(e.trained, true)
		}
		for i := range ids {
			e.trained = append(e.trained, trained == nil || trained[i])
		}
	}
	e.ids = append(e.ids, ids...)
	return tooMany(int64(len(e.ids)))
}

func (m *memory) end() {}

func (m *memory) mark() func() error {
	n := len(*m)
	return func() error {
		*m = (*m)[:n]
		return nil
	}
}

func tooMany(tokens int64) error {
	if tokens > maxTokens {
		return fmt.Errorf("document of more than %d tokens, which are the most that are supported", maxTokens)
	}
	return nil
}

var errNoTemplate = errors.New("messages: the model has no chat template; to make a tokenizer with one: jamba tokenizer train --chat; to give a model one, put a chat_template.jinja into its folder")

// encode returns the ids of a document; several, if a conversation has to be shown in several ways.
func (e *encoder) encode(d Document) ([]encoded, error) {
	var m memory
	err := e.record(&m, d)
	return m, err
}

// record makes ids of a document; several, if a conversation has to be shown in several ways. After an error nothing of them
// is recorded.
func (e *encoder) record(r recorder, d Document) error {
	undo := r.mark()
	err := e.write(r, d)
	if err != nil {
		return errors.Join(err, undo())
	}
	return nil
}

func (e *encoder) write(r recorder, d Document) error {
	collect(d.bytes)
	switch {
	case d.IDs != nil:
		return e.recordIDs(r, d)
	case e.text == nil:
		return errors.New("the model has no tokenizer: documents have to be input_ids")
	case d.Chat != nil:
		if e.text.Templates == nil {
			return errNoTemplate
		}
		template, err := e.text.Templates.For(*d.Chat)
		if err != nil {
			return err
		}
		conversations, err := renderTurns(template, *d.Chat, d.Given)
		if err != nil {
			return err
		}
		if d.bytes > windowBytes {
			*d.Chat = chat.Request{} // its messages are in the text now
		}
		collect(d.bytes)
		for _, c := range conversations {
			if err := e.conversation(r, c); err != nil {
				return err
			}
		}
		return nil
	case d.Given > 0:
		return e.completion(r, d)
	}
	if err := r.begin(); err != nil {
		return err
	}
	last := int32(-1)
	for ids, err := range e.text.Parts(d.Text) {
		if err == nil {
			last = ids[len(ids)-1]
			err = r.add(ids, nil)
		}
		if err != nil {
			return err
		}
	}
	return e.finish(r, last)
}

// collect frees what making something of a long document left behind, which is several times as large: the collector would let
// as much again be taken before it looks.
func collect(bytes int) {
	if bytes > windowBytes {
		runtime.GC()
	}
}

// finish ends a text with the token that ends one, unless that is there.
func (e *encoder) finish(r recorder, last int32) error {
	if eos, ok := e.text.Tokenizer.EOS(); ok && last != eos {
		if err := r.add([]int32{eos}, nil); err != nil {
			return err
		}
	}
	r.end()
	return nil
}

func (e *encoder) recordIDs(r recorder, d Document) error {
	size := e.size()
	for i, id := range d.IDs {
		if id < 0 || int(id) >= size {
			return fmt.Errorf("input_ids[%d] is %d, the vocabulary has %d", i, id, size)
		}
	}
	var trained []bool
	if d.Labels != nil {
		trained = make([]bool, len(d.Labels))
		for i, label := range d.Labels {
			trained[i] = label != Ignore
		}
	}
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.add(d.IDs, trained); err != nil {
		return err
	}
	r.end()
	return nil
}
