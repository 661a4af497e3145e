package data

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"jamba/internal/durable"
	"jamba/text"
)

// Options say what a token cache is made of.
type Options struct {
	Sources
	Tokenizer string // a model folder or .gguf file, for its tokenizer and chat template; empty: documents are input_ids
	VocabSize int    // without a tokenizer: the number of tokens
}

// Load returns the documents of the sources as token ids, from a cache file in dir, which is made if it is not there. The
// file is named after a hash of what it was made from: the contents of the sources, the tokenizer's files and the options,
// so it is never out of date; finding that out costs reading the sources once. Files that are not used any more are left for
// the caller to remove. The caller closes the Dataset.
//
// A document that cannot be used is an error with its place, or is skipped if SkipCorrupt is set. No documents at all are
// an error.
func Load(ctx context.Context, dir string, o Options) (*Dataset, error) {
	key, err := o.key(ctx)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, hex.EncodeToString(key[:12])+".tokens")
	d, err := openDataset(path, key)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	var t *text.Text
	if o.Tokenizer != "" {
		if t, err = text.Open(o.Tokenizer); err != nil {
			return nil, err
		}
	}
	e := newEncoder(t, o.VocabSize)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	err = durable.WriteFile(path, func(f *os.File) error {
		w := newWriter(f, key, e.size())
		if err := o.fill(ctx, w, e); err != nil {
			return err
		}
		return w.finish()
	})
	if err != nil {
		return nil, err
	}
	return openDataset(path, key)
}

// key hashes all that the ids depend on.
func (o *Options) key(ctx context.Context) (key [32]byte, err error) {
	h := sha256.New()
	fmt.Fprintf(h, "token cache %d, split %s, skip %v, replace %v, plain %v\n", version, orFile(o.Split), o.SkipCorrupt, o.ReplaceUTF8, o.PlainText)
	files := []string{o.Tokenizer}
	if o.Tokenizer == "" {
		fmt.Fprintf(h, "%d tokens\n", o.VocabSize)
		files = nil
	} else if info, err := os.Stat(o.Tokenizer); err != nil {
		return key, err
	} else if info.IsDir() {
		if files, err = text.Files(o.Tokenizer); err != nil {
			return key, err
		}
		for i, name := range files {
			files[i] = filepath.Join(o.Tokenizer, name)
		}
	}
	for _, file := range append(files, o.Paths...) {
		if err := ctx.Err(); err != nil {
			return key, err
		}
		if err := hashFile(h, file); err != nil {
			return key, err
		}
	}
	return [32]byte(h.Sum(nil)), nil
}

func orFile(s Split) Split {
	if s == "" {
		return SplitFile
	}
	return s
}

// hashFile adds a file's contents and what its name says of them; where it lies does not count.
func hashFile(h io.Writer, path string) error {
	// Looked at before it is opened: opening a named pipe would wait for a writer.
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: is no file; name the files in a folder one by one", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	one := sha256.New()
	n, err := io.Copy(one, f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintf(h, "%v %d %x\n", formatOf(path), n, one.Sum(nil))
	return nil
}

// window is how many documents, and about how many bytes of them, are encoded at a time.
const (
	windowDocuments = 512
	windowBytes     = 4 << 20
)

// fill encodes all documents, on all cores, and writes them in order.
func (o *Options) fill(ctx context.Context, w *writer, e *encoder) error {
	s := o.Sources
	s.Corrupt = func(err error) {
		w.skipped++
		if o.Corrupt != nil {
			o.Corrupt(err)
		}
	}
	var window []Document
	size, longest := 0, 0
	failed := func(d Document, err error) error {
		err = fmt.Errorf("%s: %w", d.Place, err)
		if !o.SkipCorrupt {
			return err
		}
		s.Corrupt(err)
		return nil
	}
	flush := func() error {
		err := encodeAll(e, window, func(d Document, all []encoded, err error) error {
			if err != nil {
				return failed(d, err)
			}
			for _, one := range all {
				if err := w.document(one); err != nil {
					return err
				}
			}
			return nil
		})
		clear(window) // a long document is not kept while the next is read
		window, size = window[:0], 0
		return err
	}
	for d, err := range s.Documents {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		longest = max(longest, d.bytes)
		if d.bytes > windowBytes { // its ids go to the file as they are made
			if err := flush(); err != nil {
				return err
			}
			if err := e.record(w, d); err != nil {
				if err := failed(d, err); err != nil {
					return err
				}
			}
			continue
		}
		window = append(window, d)
		if size += d.bytes; len(window) == windowDocuments || size > windowBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	collect(longest)
	if len(w.starts) == 0 {
		return fmt.Errorf("%s: no documents in %d files", strings.Join(o.Paths[:min(len(o.Paths), 3)], ", "), len(o.Paths))
	}
	return nil
}

// encodeAll encodes documents on all cores and yields them in order, until yield fails.
func encodeAll(e *encoder, window []Document, yield func(d Document, all []encoded, err error) error) error {
	type result struct {
		all []encoded
		err error
	}
	results := make([]result, len(window))
	next := make(chan int, len(window))
	for i := range window {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range min(len(window), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				results[i].all, results[i].err = e.encode(window[i])
			}
		})
	}
	wg.Wait()
	for i, r := range results {
		if err := yield(window[i], r.all, r.err); err != nil {
			return err
		}
	}
	return nil
}
