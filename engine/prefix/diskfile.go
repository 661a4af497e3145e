package prefix

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"jamba/internal/bounded"
	"jamba/internal/printable"
	"jamba/model/state"
)

// fileMagic begins a snapshot's file, with the version of what follows: a fileHeader, little-endian, the name of the
// adapter, the tokens, the CRC-32 of all that, and a zstd stream of what State.Save writes, which has a checksum of its own.
const fileMagic = "jamba prefix 1\n"

// fileHeader tells what a snapshot is of. Whoever has the file does not learn the salt.
type fileHeader struct {
	Model, Salt [32]byte // SHA-256
	Kind        uint8
	Adapter     uint16 // bytes of its name
	Tokens      uint32
}

const (
	fixedBytes  = int64(len(fileMagic)) + 32 + 32 + 1 + 2 + 4
	longestName = 1 << 10 // of an adapter
	mostTokens  = 1 << 24
	window      = 8 << 20 // the most that a zstd stream may look back
)

// shelf is what a Root is on the disk.
type shelf struct {
	salt    [32]byte
	adapter string
}

// shelf returns where the snapshots of a root are on the disk, and whether there is such a place.
func (r Root) shelf() (shelf, bool) {
	return shelf{sha256.Sum256([]byte("jamba salt\n" + r.Salt)), r.Disk}, (r.Adapter == nil || r.Disk != "") && len(r.Disk) <= longestName
}

// book is what is in a file's header.
type book struct {
	shelf  shelf
	kind   Kind
	tokens []int32
}

// header returns the bytes of a file up to the state.
func (b *book) header(model [32]byte) []byte {
	var w bytes.Buffer
	w.WriteString(fileMagic)
	// A bytes.Buffer takes everything.
	_ = binary.Write(&w, binary.LittleEndian, fileHeader{model, b.shelf.salt, uint8(b.kind), uint16(len(b.shelf.adapter)), uint32(len(b.tokens))})
	w.WriteString(b.shelf.adapter)
	_ = binary.Write(&w, binary.LittleEndian, b.tokens)
	_ = binary.Write(&w, binary.LittleEndian, crc32.ChecksumIEEE(w.Bytes()))
	return w.Bytes()
}

// name returns the name of the file of a snapshot: the same for the same snapshot, whatever its kind.
func (b *book) name(model [32]byte) string {
	h := sha256.New()
	h.Write(model[:])
	h.Write(b.shelf.salt[:])
	_ = binary.Write(h, binary.LittleEndian, uint32(len(b.shelf.adapter)))
	h.Write([]byte(b.shelf.adapter))
	_ = binary.Write(h, binary.LittleEndian, b.tokens)
	return fmt.Sprintf("%s%x%s", filePrefix, h.Sum(nil), fileSuffix)
}

// errOtherModel is of files that are another model's, which may share the folder.
var errOtherModel = errors.New("of another model")

// readBook reads a file's header from r, which has size bytes. Nothing is taken for what it says before that is known to be
// there.
func readBook(r io.Reader, size int64, model [32]byte) (*book, error) {
	sum := crc32.NewIEEE()
	in := io.TeeReader(r, sum)
	magic := make([]byte, len(fileMagic))
	if _, err := io.ReadFull(in, magic); err != nil {
		return nil, fmt.Errorf("cut off: %w", err)
	}
	if string(magic) != fileMagic {
		return nil, errors.New("not a snapshot, or one of another version")
	}
	var h fileHeader
	if err := binary.Read(in, binary.LittleEndian, &h); err != nil {
		return nil, fmt.Errorf("cut off: %w", err)
	}
	switch {
	case h.Tokens == 0 || h.Tokens > mostTokens || h.Kind > uint8(End) || h.Adapter > longestName:
		return nil, errors.New("damaged")
	case int64(h.Tokens)*4+int64(h.Adapter)+4 > size-fixedBytes:
		return nil, fmt.Errorf("damaged or cut off: %d tokens in %d bytes", h.Tokens, size)
	}
	adapter, tokens := make([]byte, h.Adapter), make([]int32, h.Tokens)
	if _, err := io.ReadFull(in, adapter); err != nil {
		return nil, fmt.Errorf("cut off: %w", err)
	}
	if err := binary.Read(in, binary.LittleEndian, tokens); err != nil {
		return nil, fmt.Errorf("cut off: %w", err)
	}
	want := sum.Sum32()
	var got uint32
	if err := binary.Read(r, binary.LittleEndian, &got); err != nil {
		return nil, fmt.Errorf("cut off: %w", err)
	}
	switch {
	case got != want:
		return nil, errors.New("the checksum is wrong: the file is damaged")
	case h.Model != model:
		return nil, errOtherModel
	}
	return &book{shelf{h.Salt, string(adapter)}, Kind(h.Kind), tokens}, nil
}

// openBook opens a file and reads its header, which has to be that which the file's name says.
func openBook(path, name string, model [32]byte) (b *book, rest io.Reader, f *os.File, err error) {
	if f, err = bounded.Open(path); err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, nil, err
	}
	in := bufio.NewReaderSize(f, 1<<16)
	if b, err = readBook(in, info.Size(), model); err != nil {
		return nil, nil, nil, err
	}
	if b.name(model) != name {
		return nil, nil, nil, errors.New("the file has another's name")
	}
	return b, in, f, nil
}

// writeBook writes a snapshot's file.
func writeBook(w io.Writer, b *book, s *state.State, model [32]byte) error {
	if _, err := w.Write(b.header(model)); err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return err
	}
	return errors.Join(s.Save(z, model), z.Close())
}

// load reads the snapshot of a file.
func load(path, name string, model [32]byte, arena *state.Arena) (*state.State, error) {
	b, rest, f, err := openBook(path, name, model)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(rest, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	s, err := arena.Load(z, model, len(b.tokens))
	if err != nil {
		return nil, err
	}
	if s.Pos() != len(b.tokens) {
		defer s.Free()
		return nil, fmt.Errorf("a state of %d tokens for %d", s.Pos(), len(b.tokens))
	}
	return s, nil
}

// fileError is err with the file that it is of, fit for a warning.
func fileError(name string, err error) error {
	return fmt.Errorf("%s: %w; it is not used", printable.Cut(name, 100), err)
}
