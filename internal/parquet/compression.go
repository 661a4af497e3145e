package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

var codecNames = []string{"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW"}

// decompressor unpacks pages into a buffer of its own.
type decompressor struct {
	buffer []byte
	zstd   *zstd.Decoder
}

var errSize = errors.New("broken page: it does not unpack to the size that it says")

// unpack returns what packed unpacks to, of that size; the next call overwrites it.
func (d *decompressor) unpack(codec int64, packed []byte, size int64) ([]byte, error) {
	if codec == 0 {
		if int64(len(packed)) != size {
			return nil, errSize
		}
		return packed, nil
	}
	if int64(cap(d.buffer)) < size {
		d.buffer = make([]byte, size)
	}
	to := d.buffer[:size]
	if size == 0 {
		return to, nil
	}
	switch codec {
	case 1:
		if n, err := snappy.DecodedLen(packed); err != nil || int64(n) != size {
			return nil, errSize
		}
		_, err := snappy.Decode(to, packed)
		return to, err
	case 2:
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return to, fill(to, z)
	case 4:
		return to, fill(to, brotli.NewReader(bytes.NewReader(packed)))
	case 6:
		if d.zstd == nil {
			var err error
			if d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20)); err != nil {
				return nil, err
			}
		}
		if err := d.zstd.Reset(bytes.NewReader(packed)); err != nil {
			return nil, err
		}
		return to, fill(to, d.zstd)
	case 7:
		n, err := lz4.UncompressBlock(packed, to)
		if err == nil && int64(n) != size {
			err = errSize
		}
		return to, err
	}
	return nil, fmt.Errorf("compression %s is not supported", name(codecNames, int(codec)))
}

// fill reads all of r, which has to be as much as there is room for.
func fill(to []byte, r io.Reader) error {
	if _, err := io.ReadFull(r, to); err != nil {
		return fmt.Errorf("%w: %w", errSize, err)
	}
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n > 0:
		return errSize
	case err != io.EOF:
		return err
	}
	return nil
}

func (d *decompressor) close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
}
