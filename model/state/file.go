package state

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"jamba/internal/kernel"
	"jamba/tensor"
)

// fileMagic begins a saved State, with the version of what follows.
const fileMagic = "jamba state 1\n"

// fileHeader follows the magic, little-endian. After it come the states of Mamba, unless the sequence is empty, then for
// each group of layers the pages that are kept, the first being number First: of each layer the keys, then the values, of
// each head the positions that the sequence has. A CRC-32 of all that ends the file.
type fileHeader struct {
	Model [32]byte // of the model that the state belongs to
	Specs [32]byte // SHA-256 of what the layers remember
	Pos   uint64
}

// Save writes s to w, for the model of that hash. The bytes are the same for the same state.
func (s *State) Save(w io.Writer, model [32]byte) error {
	sum := crc32.NewIEEE()
	b := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	_, err := b.WriteString(fileMagic)
	err = errors.Join(err, binary.Write(b, binary.LittleEndian, fileHeader{model, s.arena.hash(), uint64(s.pos)}))
	if s.slot != nil {
		_, e := b.Write(tensor.Bytes(s.slot.data))
		err = errors.Join(err, e)
	}
	for g := range s.tables {
		if s.pos == 0 {
			break
		}
		first := s.first(g)
		err = errors.Join(err, binary.Write(b, binary.LittleEndian, uint64(first)))
		for i := first; i < len(s.tables[g].pages) && err == nil; i++ {
			err = s.rows(g, i, func(part []byte) error { _, err := b.Write(part); return err })
		}
	}
	if err = errors.Join(err, b.Flush()); err != nil {
		return err
	}
	return binary.Write(w, binary.LittleEndian, sum.Sum32())
}

// first returns the first page that a group still has.
func (s *State) first(g int) int {
	for i, p := range s.tables[g].pages {
		if p != nil {
			return i
		}
	}
	return len(s.tables[g].pages)
}

// rows visits the bytes of a page that belong to positions before Pos.
func (s *State) rows(g, i int, visit func([]byte) error) error {
	n := min(kernel.PageLen, s.pos-i*kernel.PageLen)
	for l, layer := range s.arena.groups[g].layers {
		spec, page := &s.arena.specs[layer], &s.tables[g].pages[i].layers[l]
		for _, all := range [][]byte{tensor.Bytes(page.K), page.RawK, tensor.Bytes(page.V), page.RawV} {
			if len(all) == 0 {
				continue
			}
			head := len(all) / spec.KVHeads
			for h := range spec.KVHeads {
				if err := visit(all[h*head : h*head+head/kernel.PageLen*n]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// hash returns the SHA-256 of what the layers remember.
func (a *Arena) hash() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %+v", kernel.PageLen, a.specs))
}

// Load reads a State that Save wrote, for the model of that hash, of at most limit tokens. It is an error if it is of another version or model, if it
// is damaged, or, wrapping ErrFull, if the arena has no room for it. It reads from r no more than the State.
func (a *Arena) Load(r io.Reader, model [32]byte, limit int) (s *State, err error) {
	sum := crc32.NewIEEE()
	in := io.TeeReader(r, sum)
	magic := make([]byte, len(fileMagic))
	var h fileHeader
	if _, err := io.ReadFull(in, magic); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if string(magic) != fileMagic {
		return nil, errors.New("state: not a saved state, or one of another version")
	}
	if err := binary.Read(in, binary.LittleEndian, &h); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	switch {
	case h.Model != model:
		return nil, errors.New("state: of another model")
	case h.Specs != a.hash():
		return nil, errors.New("state: of the same model with other settings, such as the type of keys and values")
	case h.Pos > uint64(limit):
		return nil, fmt.Errorf("state: of %d tokens, at most %d are wanted", h.Pos, limit)
	}
	s = a.New()
	defer func() {
		if err != nil {
			s.Free()
			s, err = nil, fmt.Errorf("state: %w", err)
		}
	}()
	if h.Pos > 0 {
		if err := s.read(in, int(h.Pos)); err != nil {
			return s, err
		}
	}
	want := sum.Sum32()
	var got uint32
	if err := binary.Read(r, binary.LittleEndian, &got); err != nil {
		return s, err
	}
	if got != want {
		return s, errors.New("the checksum is wrong: the file is damaged")
	}
	return s, nil
}

// read fills the empty s with the state of n tokens, page by page as they come, so that a false n takes no memory.
func (s *State) read(in io.Reader, n int) error {
	full := func(b []byte) error {
		_, err := io.ReadFull(in, b)
		return err
	}
	if s.arena.slotSize > 0 {
		slots := make([]*slot, 1)
		if err := s.arena.take(nil, nil, slots); err != nil {
			return err
		}
		s.slot = slots[0]
		if err := full(tensor.Bytes(s.slot.data)); err != nil {
			return err
		}
	}
	s.pos = n
	end := (n + kernel.PageLen - 1) / kernel.PageLen
	page := make([]*page, 1)
	for g := range s.tables {
		t := &s.tables[g]
		var first uint64
		if err := binary.Read(in, binary.LittleEndian, &first); err != nil {
			return err
		}
		seen := 0 // the first page that the next token sees
		if w := s.arena.groups[g].window; w > 0 {
			seen = max(0, n-w+1) / kernel.PageLen
		}
		if first > uint64(seen) {
			return fmt.Errorf("the first of %d pages is number %d", end, first)
		}
		for i := range end {
			if i < int(first) {
				t.pages = append(t.pages, nil)
				for layer := range t.views {
					t.views[layer] = append(t.views[layer], kernel.Page{})
				}
				continue
			}
			if err := s.arena.take(page, []int{g}, nil); err != nil {
				return err
			}
			t.set(i, page[0])
			if err := s.rows(g, i, full); err != nil {
				return err
			}
		}
	}
	return nil
}
