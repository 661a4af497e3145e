package data

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
)

// Span is a run of examples of one document: IDs[i] is an input and Targets[i] the token that follows it, or Ignore. It
// begins without a past.
type Span struct {
	IDs, Targets []int32
}

// Sequence is spans of together at most Length examples.
type Sequence []Span

// Tokens returns the number of examples.
func (s Sequence) Tokens() int {
	n := 0
	for _, span := range s {
		n += len(span.IDs)
	}
	return n
}

// Batch is the sequences of one step.
type Batch []Sequence

// Position is a place in the endless row of sequences that an Iterator gives.
type Position struct {
	Epoch int `json:"epoch"` // from 0
	Index int `json:"index"` // of the next sequence in that epoch
}

// Set is some of the documents of a dataset.
type Set struct {
	data      *Dataset
	documents []uint32
}

// All returns the set of all documents.
func (d *Dataset) All() *Set {
	train, _ := d.Split(0)
	return train
}

// Split divides the documents into those to train on and about that fraction of them to validate with, by a hash of their
// ids: the same document always falls on the same side, however many others there are.
func (d *Dataset) Split(fraction float64) (train, validation *Set) {
	train, validation = &Set{data: d}, &Set{data: d}
	for i := range d.documents {
		set := train
		if float64(d.hash(i)) < fraction*math.MaxUint64 {
			set = validation
		}
		set.documents = append(set.documents, uint32(i))
	}
	return train, validation
}

// Documents returns the number of documents.
func (s *Set) Documents() int { return len(s.documents) }

// Examples returns the number of examples, whether they are trained or not.
func (s *Set) Examples() int64 {
	n := int64(0)
	for _, i := range s.documents {
		n += s.data.examples(int(i))
	}
	return n
}

// Longest returns the most examples that a document has.
func (s *Set) Longest() int64 {
	n := int64(0)
	for _, i := range s.documents {
		n = max(n, s.data.examples(int(i)))
	}
	return n
}

// Packing says how documents become sequences.
type Packing struct {
	Length    int    // examples in a sequence at most
	Seed      uint64 // of the shuffling
	NoShuffle bool   // keep the order of the sources
}

// maxLength bounds Packing.Length.
const maxLength = 1 << 24

// Iterator gives the sequences of a set, epoch after epoch. In each epoch every example comes once. The order, and which
// pieces of documents share a sequence, follow from the seed and the epoch alone.
type Iterator struct {
	set     *Set
	packing Packing
	epoch   int
	next    int // sequence
	plan    plan
}

// piece is a part of a document: the examples from part·Length on, Length of them or what is left.
type piece struct{ document, part uint32 }

// plan is the sequences of one epoch: sequence i is pieces[ends[i-1]:ends[i]].
type plan struct {
	pieces []piece
	ends   []uint32
}

// Iterator returns an iterator at the beginning. It is an error if the set has no examples.
func (s *Set) Iterator(p Packing) (*Iterator, error) {
	if p.Length < 1 || p.Length > maxLength {
		return nil, fmt.Errorf("sequence length is %d, want 1 to %d", p.Length, maxLength)
	}
	if s.Examples() == 0 {
		return nil, errors.New("no document has two tokens, so there is nothing to train")
	}
	it := &Iterator{set: s, packing: p}
	if err := it.begin(0); err != nil {
		return nil, err
	}
	return it, nil
}

// begin makes the plan of an epoch.
func (it *Iterator) begin(epoch int) error {
	var pieces []piece
	length := int64(it.packing.Length)
	for _, i := range it.set.documents {
		n := (it.set.data.examples(int(i)) + length - 1) / length
		if int64(len(pieces))+n > math.MaxUint32 {
			return errors.New("more pieces of documents than can be packed")
		}
		for part := range n {
			pieces = append(pieces, piece{i, uint32(part)})
		}
	}
	open := 1 // in order, a sequence is complete when the next piece does not fit
	if !it.packing.NoShuffle {
		r := rand.New(rand.NewPCG(it.packing.Seed, uint64(epoch)))
		r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		open = maxOpen
	}
	it.epoch, it.next, it.plan = epoch, 0, it.pack(pieces, open)
	return nil
}

// maxOpen is how many sequences are filled at a time.
const maxOpen = 64

// bin is a sequence that is being filled.
type bin struct {
	pieces []piece
	room   int
}

// pack puts each piece into the fullest of the open sequences that has room for it (best fit), and closes the fullest of
// them when a piece needs a new one.
func (it *Iterator) pack(pieces []piece, maxOpen int) plan {
	p := plan{pieces: make([]piece, 0, len(pieces))}
	var open []bin
	closeBin := func(i int) {
		p.pieces = append(p.pieces, open[i].pieces...)
		p.ends = append(p.ends, uint32(len(p.pieces)))
		open = append(open[:i], open[i+1:]...)
	}
	fullest := func(atLeast int) int {
		best := -1
		for i, b := range open {
			if b.room >= atLeast && (best < 0 || b.room < open[best].room) {
				best = i
			}
		}
		return best
	}
	for _, x := range pieces {
		n := it.size(x)
		i := fullest(n)
		if i < 0 {
			if len(open) == maxOpen {
				closeBin(fullest(0))
			}
			i = len(open)
			open = append(open, bin{room: it.packing.Length})
		}
		open[i].pieces = append(open[i].pieces, x)
		if open[i].room -= n; open[i].room == 0 {
			closeBin(i)
		}
	}
	for len(open) > 0 {
		closeBin(0)
	}
	return p
}

func (it *Iterator) size(x piece) int {
	length := int64(it.packing.Length)
	return int(min(length, it.set.data.examples(int(x.document))-int64(x.part)*length))
}

// Len returns the number of sequences in the epoch at hand. It may differ a little from epoch to epoch.
func (it *Iterator) Len() int { return len(it.plan.ends) }

// Pieces returns the number of documents, and pieces of those that were cut, in the sequences of the epoch at hand.
func (it *Iterator) Pieces() int { return len(it.plan.pieces) }

// Position returns where the next sequence stands.
func (it *Iterator) Position() Position {
	if it.next == it.Len() {
		return Position{Epoch: it.epoch + 1}
	}
	return Position{it.epoch, it.next}
}

// Seek goes to a position: the sequences from there on are those that come after it in an iterator with the same set and
// packing.
func (it *Iterator) Seek(p Position) error {
	if p.Epoch < 0 || p.Index < 0 {
		return fmt.Errorf("position %+v is negative", p)
	}
	if p.Epoch != it.epoch {
		if err := it.begin(p.Epoch); err != nil {
			return err
		}
	}
	if p.Index > it.Len() {
		return fmt.Errorf("position %+v: the epoch has %d sequences; are the data or the sequence length others?", p, it.Len())
	}
	it.next = p.Index
	return nil
}

// Next returns the next n sequences, on into the next epoch if need be. Their memory is the caller's.
func (it *Iterator) Next(n int) (Batch, error) {
	batch := make(Batch, 0, n)
	for len(batch) < n {
		if it.next == it.Len() {
			if err := it.begin(it.epoch + 1); err != nil {
				return nil, err
			}
		}
		s, err := it.sequence(it.next)
		if err != nil {
			return nil, err
		}
		batch = append(batch, s)
		it.next++
	}
	return batch, nil
}

// Rest yields the sequences from the position to the end of the epoch in batches of n; the last may have fewer.
func (it *Iterator) Rest(n int) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for it.next < it.Len() {
			batch, err := it.Next(min(n, it.Len()-it.next))
			if !yield(batch, err) || err != nil {
				return
			}
		}
	}
}

// sequence reads sequence i of the epoch.
func (it *Iterator) sequence(i int) (Sequence, error) {
	lo := uint32(0)
	if i > 0 {
		lo = it.plan.ends[i-1]
	}
	var s Sequence
	for _, x := range it.plan.pieces[lo:it.plan.ends[i]] {
		span, err := it.set.data.span(int(x.document), int64(x.part)*int64(it.packing.Length), it.size(x))
		if err != nil {
			return nil, err
		}
		s = append(s, span)
	}
	return s, nil
}
