package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"jamba/internal/bounded"
	"jamba/internal/durable"
	"jamba/text"
	"jamba/text/tokenizer"
	"jamba/train/data"
)

// smallFiles are the contents of files by their paths within a folder.
type smallFiles map[string][]byte

// maxSmallFile bounds the bytes of one.
const maxSmallFile = 512 << 20

func (f smallFiles) read(name, path string) error {
	b, err := bounded.ReadFile(path, maxSmallFile)
	if err == nil {
		f[name] = b
	}
	return err
}

// tokenizerFiles reads the files of the tokenizer at path, a model folder or a file such as tokenizer.json, under the names
// that they have in a model folder.
func tokenizerFiles(path string) (smallFiles, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	dir, names := path, map[string]string{}
	if info.IsDir() {
		all, err := text.Files(dir)
		if err != nil {
			return nil, err
		}
		for _, name := range all {
			names[name] = name
		}
	} else {
		base, isJSON := strings.CutSuffix(filepath.Base(path), ".json")
		if !isJSON {
			return nil, fmt.Errorf("%s: want a folder with a tokenizer.json, or such a file", path)
		}
		dir = filepath.Dir(path)
		names = map[string]string{"tokenizer.json": base + ".json", "tokenizer_config.json": base + "_config.json", "chat_template.jinja": "chat_template.jinja"}
	}
	files := smallFiles{}
	for name, file := range names {
		if err := files.read(name, filepath.Join(dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if files["tokenizer.json"] == nil && files["tokenizer.model"] == nil {
		return nil, fmt.Errorf("%s: %w", path, errNoTokenizer)
	}
	return files, nil
}

var errNoTokenizer = errors.New("holds neither tokenizer.json nor tokenizer.model")

// makeTokenizer makes a tokenizer from texts.
func makeTokenizer(s *streams, sources data.Sources, vocab int) (smallFiles, error) {
	sources.Corrupt = func(error) {} // they are told of when the data are read
	trained, err := tokenizer.Train(sources.Texts, tokenizer.TrainOptions{VocabSize: vocab, Progress: bar(s.err, "making a tokenizer")})
	if err != nil {
		return nil, err
	}
	file, err := trained.JSON()
	if err != nil {
		return nil, err
	}
	config, err := trained.ConfigJSON()
	return smallFiles{"tokenizer.json": file, "tokenizer_config.json": config}, err
}

// place puts the files into a folder that has no others, and reports whether it had none; if they are there already nothing is
// changed.
func (f smallFiles) place(dir string) (empty bool, err error) {
	there, err := folder(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for name := range there {
		if f[name] == nil {
			return false, fmt.Errorf("%s is in the way: the run has no such file; name a new folder", filepath.Join(dir, name))
		}
	}
	for name, content := range f {
		if b, ok := there[name]; ok && !bytes.Equal(b, content) {
			return false, fmt.Errorf("%s is another file than the run is to have there; name a new folder", filepath.Join(dir, name))
		}
	}
	if len(there) == len(f) {
		return false, nil
	}
	return len(there) == 0, f.write(dir)
}

// write writes the files into a folder.
func (f smallFiles) write(dir string) error {
	for name, content := range f {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		err := durable.WriteFile(path, func(f *os.File) error {
			_, err := io.Copy(f, bytes.NewReader(content))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// folder reads all files of a folder of small files.
func folder(dir string) (smallFiles, error) {
	files := smallFiles{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return files.read(name, path)
	})
	return files, err
}
