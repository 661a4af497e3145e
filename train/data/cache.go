package data

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"math"
	"os"

	"jamba/internal/mmap"
)

// A token cache is one file, little-endian:
//
//	header      128 bytes, see the offsets below
//	ids         one after the other, 2 bytes each if the vocabulary has at most 65,536 tokens, else 4
//	trained     a bit for each id, lowest first: whether it is to be predicted; left out if all are
//	starts      8 bytes for each document and one more: the index of its first id
//	hashes      8 bytes for each document: a hash of its ids
//
// Each part begins at a multiple of 8.
const (
	magic      = "JAMBATOK"
	version    = 3
	headerSize = 128

	atVersion, atWidth, atVocab, atDocuments, atTokens, atTrained, atSkipped, atMasked, atKey = 8, 12, 16, 24, 32, 40, 48, 56, 64
)

func align8(n int64) int64 { return (n + 7) &^ 7 }

// layout is where the parts are.
type layout struct {
	ids, mask, starts, hashes, size int64
}

func layoutOf(width, tokens, documents int64, masked bool) layout {
	var l layout
	l.ids = headerSize
	l.mask = align8(l.ids + width*tokens)
	l.starts = l.mask
	if masked {
		l.starts = align8(l.mask + (tokens+7)/8)
	}
	l.hashes = l.starts + 8*(documents+1)
	l.size = l.hashes + 8*documents
	return l
}

func widthOf(vocab int) int64 {
	if vocab <= 1<<16 {
		return 2
	}
	return 4
}

// writer writes a token cache. It holds the index in memory, 16 bytes a document, and the mask.
type writer struct {
	f       *os.File
	w       *bufio.Writer
	key     [32]byte
	vocab   int
	tokens  int64
	trained int64
	skipped int64
	mask    []byte
	masked  bool
	starts  []int64
	hashes  []uint64
	hash    hash.Hash64 // of the document at hand
}

func newWriter(f *os.File, key [32]byte, vocab int) *writer {
	w := &writer{f: f, w: bufio.NewWriterSize(f, 1<<20), key: key, vocab: vocab}
	w.w.Write(make([]byte, headerSize))
	return w
}

func (w *writer) begin() error {
	if len(w.starts) == math.MaxUint32 {
		return errors.New("more documents than a token cache can have")
	}
	w.starts, w.hash = append(w.starts, w.tokens), fnv.New64a()
	return nil
}

func (w *writer) add(ids []int32, trained []bool) error {
	start := w.starts[len(w.starts)-1]
	var b [4]byte
	wide := widthOf(w.vocab)
	for i, id := range ids {
		if id < 0 || int(id) >= w.vocab {
			return fmt.Errorf("token id %d is not in the vocabulary of %d", id, w.vocab)
		}
		binary.LittleEndian.PutUint32(b[:], uint32(id))
		w.hash.Write(b[:])
		w.w.Write(b[:wide])
		if w.tokens%8 == 0 {
			w.mask = append(w.mask, 0)
		}
		if trained == nil || trained[i] {
			w.mask[len(w.mask)-1] |= 1 << (w.tokens % 8)
			if w.tokens > start {
				w.trained++
			}
		} else {
			w.masked = true
		}
		w.tokens++
	}
	return tooMany(w.tokens - start)
}

func (w *writer) end() { w.hashes = append(w.hashes, mix(w.hash.Sum64())) }

func (w *writer) mark() func() error {
	tokens, trained, masked, starts, hashes := w.tokens, w.trained, w.masked, len(w.starts), len(w.hashes)
	return func() error {
		w.tokens, w.trained, w.masked, w.starts, w.hashes = tokens, trained, masked, w.starts[:starts], w.hashes[:hashes]
		w.mask = w.mask[:(tokens+7)/8]
		if n := len(w.mask); tokens%8 != 0 {
			w.mask[n-1] &= 1<<(tokens%8) - 1
		}
		if err := w.w.Flush(); err != nil {
			return err
		}
		end := headerSize + widthOf(w.vocab)*tokens
		if err := w.f.Truncate(end); err != nil {
			return err
		}
		_, err := w.f.Seek(end, io.SeekStart)
		return err
	}
}

// document writes a document that is encoded.
func (w *writer) document(e encoded) error {
	err := w.begin()
	if err == nil {
		err = w.add(e.ids, e.trained)
	}
	if err == nil {
		w.end()
	}
	return err
}

// mix spreads a hash over all its bits (the finalizer of SplitMix64, Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// finish writes what follows the ids, and the header.
func (w *writer) finish() error {
	width := widthOf(w.vocab)
	l := layoutOf(width, w.tokens, int64(len(w.starts)), w.masked)
	w.w.Write(make([]byte, l.mask-(l.ids+width*w.tokens)))
	if w.masked {
		w.w.Write(w.mask)
		w.w.Write(make([]byte, l.starts-(l.mask+int64(len(w.mask)))))
	}
	var b [8]byte
	put := func(v uint64) {
		binary.LittleEndian.PutUint64(b[:], v)
		w.w.Write(b[:])
	}
	for _, start := range w.starts {
		put(uint64(start))
	}
	put(uint64(w.tokens))
	for _, h := range w.hashes {
		put(h)
	}
	if err := w.w.Flush(); err != nil {
		return err
	}
	header := make([]byte, headerSize)
	copy(header, magic)
	binary.LittleEndian.PutUint32(header[atVersion:], version)
	binary.LittleEndian.PutUint32(header[atWidth:], uint32(width))
	for at, v := range map[int]int64{
		atVocab: int64(w.vocab), atDocuments: int64(len(w.starts)), atTokens: w.tokens, atTrained: w.trained, atSkipped: w.skipped,
	} {
		binary.LittleEndian.PutUint64(header[at:], uint64(v))
	}
	if w.masked {
		header[atMasked] = 1
	}
	copy(header[atKey:], w.key[:])
	_, err := w.f.WriteAt(header, 0)
	return err
}

// Dataset is documents as token ids, in a token cache that is mapped into memory. It is safe for concurrent use.
type Dataset struct {
	path      string
	mem       *mmap.File
	data      []byte
	width     int64
	vocab     int
	documents int
	tokens    int64
	trained   int64
	skipped   int64
	masked    bool
	layout    layout
	key       [32]byte
}

// openDataset opens the token cache at path, which was made from what has that key.
func openDataset(path string, key [32]byte) (*Dataset, error) {
	mem, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	d := &Dataset{path: path, mem: mem, data: mem.Bytes(), key: key}
	if err := d.read(); err != nil {
		mem.Close()
		return nil, fmt.Errorf("%s: %w; remove the file to have it made again", path, err)
	}
	return d, nil
}

// read reads the header and checks the index.
func (d *Dataset) read() error {
	b := d.data
	if len(b) < headerSize || string(b[:8]) != magic || binary.LittleEndian.Uint32(b[atVersion:]) != version {
		return errors.New("is no token cache of this version")
	}
	if [32]byte(b[atKey:]) != d.key {
		return errors.New("was made from something else")
	}
	number := func(at int) int64 { return int64(binary.LittleEndian.Uint64(b[at:])) }
	vocab, documents := number(atVocab), number(atDocuments)
	d.width, d.tokens, d.trained, d.skipped, d.masked = int64(binary.LittleEndian.Uint32(b[atWidth:])), number(atTokens), number(atTrained), number(atSkipped), b[atMasked] != 0
	n := int64(len(b))
	if vocab < 1 || vocab > math.MaxInt32 || d.width != widthOf(int(vocab)) || documents < 1 || documents > n/16 || d.tokens < 0 || d.tokens > n/d.width {
		return errors.New("has a broken header")
	}
	d.vocab, d.documents = int(vocab), int(documents)
	if d.layout = layoutOf(d.width, d.tokens, documents, d.masked); d.layout.size != n {
		return fmt.Errorf("has %d bytes, want %d", n, d.layout.size)
	}
	last := int64(0)
	for i := range d.documents + 1 {
		start := d.start(i)
		if start < last || start > d.tokens {
			return fmt.Errorf("document %d begins at %d, after %d", i, start, last)
		}
		last = start
	}
	if d.start(0) != 0 || last != d.tokens {
		return errors.New("has a broken index")
	}
	return nil
}

// Close unmaps the file; the Dataset and what was made of it must not be in use any more.
func (d *Dataset) Close() error { return d.mem.Close() }

// Path returns the cache file's path.
func (d *Dataset) Path() string { return d.path }

// Key identifies what the dataset was made from: a run that goes on with a [Position] needs the same.
func (d *Dataset) Key() string { return fmt.Sprintf("%x", d.key[:12]) }

// VocabSize returns the size of the tokenizer's vocabulary; all ids are smaller.
func (d *Dataset) VocabSize() int { return d.vocab }

// Documents returns the number of documents.
func (d *Dataset) Documents() int { return d.documents }

// Tokens returns the number of token ids.
func (d *Dataset) Tokens() int64 { return d.tokens }

// Trained returns the number of tokens that are to be predicted.
func (d *Dataset) Trained() int64 { return d.trained }

// Skipped returns the number of corrupt documents that were left out.
func (d *Dataset) Skipped() int64 { return d.skipped }

func (d *Dataset) start(i int) int64 {
	return int64(binary.LittleEndian.Uint64(d.data[d.layout.starts+8*int64(i):]))
}

func (d *Dataset) hash(i int) uint64 {
	return binary.LittleEndian.Uint64(d.data[d.layout.hashes+8*int64(i):])
}

// examples returns the number of examples of document i: one less than it has tokens.
func (d *Dataset) examples(i int) int64 { return max(d.start(i+1)-d.start(i)-1, 0) }

// span returns n examples of document i from the given one on.
func (d *Dataset) span(i int, from int64, n int) (Span, error) {
	both := make([]int32, 2*n)
	s := Span{IDs: both[:n:n], Targets: both[n:]}
	at := d.start(i) + from
	id, err := d.id(at)
	for j := range n {
		s.IDs[j] = id
		at++
		next, err2 := d.id(at)
		if err = errors.Join(err, err2); err != nil {
			return Span{}, err
		}
		if id = next; d.predicted(at) {
			s.Targets[j] = next
		} else {
			s.Targets[j] = Ignore
		}
	}
	return s, nil
}

func (d *Dataset) id(at int64) (int32, error) {
	var id uint32
	if d.width == 2 {
		id = uint32(binary.LittleEndian.Uint16(d.data[d.layout.ids+2*at:]))
	} else {
		id = binary.LittleEndian.Uint32(d.data[d.layout.ids+4*at:])
	}
	if id >= uint32(d.vocab) {
		return 0, fmt.Errorf("%s: token id %d is not in the vocabulary of %d; remove the file to have it made again", d.path, id, d.vocab)
	}
	return int32(id), nil
}

func (d *Dataset) predicted(at int64) bool {
	return !d.masked || d.data[d.layout.mask+at/8]>>(at%8)&1 != 0
}
