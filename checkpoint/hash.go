package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"jamba/format/gguf"
)

// The parts of a file that Hash reads.
const (
	hashedBlock  = 4 << 10
	hashedBlocks = 256
)

// Hash returns a hash of the settings and the weights, by which what was computed with them is known again: of each file the
// size and up to 256 blocks of 4 KiB, evenly spaced. Files that differ elsewhere alone have the same.
func (c *Checkpoint) Hash() ([32]byte, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", len(c.settings))
	h.Write(c.settings)
	for _, path := range c.tensors.Paths() {
		if err := hashFile(h, path); err != nil {
			return [32]byte{}, err
		}
	}
	return [32]byte(h.Sum(nil)), nil
}

func hashFile(h io.Writer, path string) error {
	if data, ok := gguf.EmbeddedBytes(path); ok {
		return hashBlocks(h, bytes.NewReader(data), int64(len(data)))
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return hashBlocks(h, f, info.Size())
}

func hashBlocks(h io.Writer, f io.ReaderAt, size int64) error {
	if err := binary.Write(h, binary.LittleEndian, size); err != nil {
		return err
	}
	block := make([]byte, hashedBlock)
	for i := range int64(hashedBlocks) {
		at := max(0, size-hashedBlock) / (hashedBlocks - 1) * i
		n, err := f.ReadAt(block[:min(hashedBlock, size-at)], at)
		if err != nil {
			return err
		}
		if _, err := h.Write(block[:n]); err != nil {
			return err
		}
	}
	return nil
}
