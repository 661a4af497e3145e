package tokenizer

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Encode returns the ids of text. Added tokens written out in the text are always recognised; special
// asks for the ids which the file's template puts around a text, such as the beginning-of-sequence token.
//
// It is an error if the file's regular expressions or normalizers cost more than a bound in proportion to
// the text allows, if the text has a stretch of more than 8 MiB in which any two neighbours may merge, or if the
// file names an unknown token that it does not have and the text needs it. Memory beyond the ids is that of Parts.
func (t *Tokenizer) Encode(text string, special bool) ([]int32, error) {
	return Gather(t.Parts(text, special))
}

// Parts yields the ids of Encode a few thousand at a time; the next ones take their memory. An error is the last that it
// yields. Ending early saves the work for the rest of the text.
//
// The text is encoded in parts of some 64 KiB where it can be cut without changing an id, such as between a letter and a
// space: all that it becomes on its way takes memory for one of them. A file whose normalizers or regular expressions
// leave no such place, or a text without one, takes the memory of the normalized text and, for regular expressions that are
// none of the well known ones, 4 bytes for each of its characters.
func (t *Tokenizer) Parts(text string, special bool) iter.Seq2[[]int32, error] {
	return t.parts(text, nil, special, textPart)
}

func (t *Tokenizer) parts(text string, literal func(at int) bool, special bool, part int) iter.Seq2[[]int32, error] {
	return func(yield func([]int32, error) bool) {
		b := newBudget(len(text))
		out := &output{b: b, most: part, yield: func(ids []int32) bool { return yield(ids, nil) }}
		switch {
		case !special:
			t.encode(out, text, literal)
		case texts(t.single) > 1:
			ids, err := Gather(t.parts(text, literal, false, part))
			if err != nil {
				yield(nil, err)
				return
			}
			out.add(expand(t.single, ids, nil, b)...)
		default:
			for _, p := range t.single {
				if p.seq != 0 {
					t.encode(out, text, literal)
				} else {
					out.add(p.ids...)
				}
			}
		}
		out.flush()
		if b.err != nil && !errors.Is(b.err, errEnough) {
			yield(nil, fmt.Errorf("tokenizer: %w", b.err))
		}
	}
}

// EncodePair returns the ids of two texts, first before second, joined by the file's template for pairs when
// special is set. Errors are those of Encode.
func (t *Tokenizer) EncodePair(first, second string, special bool) ([]int32, error) {
	idsA, err := t.Encode(first, false)
	if err != nil {
		return nil, err
	}
	idsB, err := t.Encode(second, false)
	if err != nil {
		return nil, err
	}
	if !special {
		return append(idsA, idsB...), nil
	}
	b := newBudget(len(first) + len(second))
	ids := expand(t.pair, idsA, idsB, b)
	if b.err != nil {
		return nil, fmt.Errorf("tokenizer: %w", b.err)
	}
	return ids, nil
}

// Gather returns all that is yielded. It grows by what is there: a slice that grows by doubling leaves as much behind.
func Gather(parts iter.Seq2[[]int32, error]) ([]int32, error) {
	var all [][]int32
	for ids, err := range parts {
		if err != nil {
			return nil, err
		}
		all = append(all, slices.Clone(ids))
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return slices.Concat(all...), nil
}

// output takes ids and hands them on in parts.
type output struct {
	b     *budget
	ids   []int32
	total int // of ids handed on
	most  int // that are kept before they are handed on
	yield func(ids []int32) bool
}

// errEnough ends an encoding whose rest nobody wants.
var errEnough = errors.New("enough")

// add takes ids.
func (o *output) add(ids ...int32) {
	o.ids = append(o.ids, ids...)
	o.check()
}

// check hands on what there is if it is much.
func (o *output) check() {
	if o.b.fits(o.total+len(o.ids)) && len(o.ids) >= o.most {
		o.flush()
	}
}

func (o *output) flush() {
	if len(o.ids) == 0 || o.b.failed() {
		return
	}
	if !o.yield(o.ids) {
		o.b.fail(errEnough)
	}
	o.total += len(o.ids)
	o.ids = o.ids[:0]
}

// encode puts the ids of text out. Where literal, unless it is nil, is true, text has no control tokens; see EncodeLiteral.
func (t *Tokenizer) encode(out *output, text string, literal func(at int) bool) {
	b := out.b
	var g *Guard
	if literal != nil {
		g = t.Guard()
	}
	// What is literal in normalized text is found out of the whole.
	whole := literal != nil && len(t.prepared.entries) > 0
	var c *seams
	t.raw.splitUnless(text, b, t.guarded(literal), func(id int32, lo, hi int) {
		if id >= 0 {
			out.add(id)
			return
		}
		for begin := lo; lo < hi && !b.failed(); {
			end := hi
			if hi-lo > out.most && !whole {
				if c == nil {
					c = &seams{t: t}
				}
				end = lo + c.cut(text[lo:hi], out.most)
			}
			var at func(int) bool
			if literal != nil {
				from := lo
				at = func(i int) bool { return literal(from + i) }
			}
			t.stretch(out, text[lo:end], lo == begin, lo == 0, g, at)
			lo = end
		}
	})
}

// stretch puts the ids of a part of a text between added tokens out. begins tells that it is the first part, first that the
// text begins there.
func (t *Tokenizer) stretch(out *output, text string, begins, first bool, g *Guard, literal func(at int) bool) {
	b := out.b
	s := t.normalize(text, begins, b)
	var inside func(at int) bool
	if literal != nil {
		inside = t.literalInside(g, text, s, b, literal)
	}
	t.prepared.splitUnless(s, b, t.guarded(inside), func(id int32, lo, hi int) {
		if id >= 0 {
			out.add(id)
			return
		}
		preTokenize(t.preTokenizers, piece{s[lo:hi], first && lo == 0}, b, func(p piece) {
			out.ids = t.model.encode(out.ids, p.s, b)
			out.check()
		})
	})
}

// normalize prepares a stretch of text, or a part of one that begins with it or goes on.
func (t *Tokenizer) normalize(s string, begins bool, b *budget) string {
	for _, n := range t.normalizers {
		if r, ok := n.(interface{ rest() normalizer }); ok && !begins {
			n = r.rest()
		}
		if s = n.normalize(s, b); b.failed() || !b.fits(len(s)) {
			return ""
		}
	}
	return s
}

// preTokenize yields the pieces of p one after the other: there is no list of them, which would be larger than the text.
func preTokenize(pts []preTokenizer, p piece, b *budget, yield func(piece)) {
	for _, pt := range slices.Backward(pts) {
		next := yield
		yield = func(p piece) {
			if b.spend(splitWork+len(p.s)) && b.fits(len(p.s)) {
				pt.split(p, b, next)
			}
		}
	}
	yield(p)
}
