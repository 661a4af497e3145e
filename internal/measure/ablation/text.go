package ablation

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"jamba/train"
	"jamba/train/data"
)

// Text is the texts of files, byte by byte: a token is a byte.
type Text struct {
	Files []string `yaml:"files"` // as jamba train reads them, beside the experiment's file
	Seq   int      `yaml:"seq"`   // bytes of a sequence
	Tests int      `yaml:"tests"` // sequences that models are judged by, from the end of the text, which is not trained on

	text []byte
}

func (t *Text) validate() error {
	if t.Seq < 2 || t.Seq > 1<<16 || t.Tests < 1 || t.Tests > 1<<12 || len(t.Files) == 0 {
		return fmt.Errorf("text: seq is %d, tests are %d, files are %d, want 2 to %d, 1 to %d and 1 or more", t.Seq, t.Tests, len(t.Files), 1<<16, 1<<12)
	}
	return nil
}

// read reads the files. An empty line ends each text.
func (t *Text) read(dir string) error {
	var sources data.Sources
	for _, path := range t.Files {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		sources.Paths = append(sources.Paths, path)
	}
	for text, err := range sources.Texts {
		if err != nil {
			return fmt.Errorf("text: %w", err)
		}
		const most = 256 << 20
		if t.text = append(append(t.text, text...), "\n\n"...); len(t.text) > most {
			return fmt.Errorf("text: more than %d MB", most>>20)
		}
	}
	if t.trained() < 2*t.Seq {
		return fmt.Errorf("text: %d bytes are too few for %d tests of %d", len(t.text), t.Tests, t.Seq)
	}
	return nil
}

// trained is how many bytes are trained on.
func (t *Text) trained() int { return len(t.text) - t.Tests*t.Seq }

func (t *Text) vocab() int { return 256 }

func (t *Text) batch(r *rand.Rand, sequences int) *train.Batch {
	b := &train.Batch{}
	for range sequences {
		b.Tokens = append(b.Tokens, t.sequence(r.IntN(t.trained()-t.Seq)))
	}
	return b
}

func (t *Text) test() *train.Batch {
	b := &train.Batch{}
	for i := range t.Tests {
		b.Tokens = append(b.Tokens, t.sequence(t.trained()+i*t.Seq))
	}
	return b
}

func (t *Text) sequence(begin int) []int32 {
	tokens := make([]int32, t.Seq)
	for i := range tokens {
		tokens[i] = int32(t.text[begin+i])
	}
	return tokens
}

func (t *Text) axis() string { return "" }

func (t *Text) at(int) int { return 0 }
