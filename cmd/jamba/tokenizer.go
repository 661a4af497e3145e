package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"

	"jamba/text/tokenizer"
	"jamba/train/data"
)

// tokenizerCmd holds what is done with tokenizers themselves.
type tokenizerCmd struct {
	Train tokenizerTrainCmd `cmd:"" help:"Make a tokenizer from text."`
}

type tokenizerTrainCmd struct {
	Files        []string       `arg:"" name:"files" help:"The text: plain, .jsonl, .json or .parquet; all but .parquet may be .gz or .zst."`
	Out          string         `short:"o" required:"" placeholder:"tokenizer.json" help:"The file to write; tokenizer_config.json is written beside it."`
	VocabSize    int            `required:"" placeholder:"N" help:"Tokens in all, with special ones, bytes and characters."`
	Kind         tokenizer.Kind `enum:"jamba,llama3,gpt2" default:"jamba" help:"jamba: SentencePiece's manner with byte fallback; llama3, gpt2: byte level, with that model's split pattern. Default: ${default}."`
	MinFrequency int            `default:"2" placeholder:"N" help:"Make no token of pairs and characters that are seen less often. Default: ${default}."`
	Special      []string       `sep:"none" placeholder:"TOKEN" help:"A further special token, after <|pad|>, <|startoftext|>, <|endoftext|> and <|unk|>; may be repeated."`
	Alphabet     int            `name:"limit-alphabet" placeholder:"N" help:"Characters that are tokens of their own, at most; others become bytes. Default: a quarter of the vocabulary."`
	Chat         bool           `help:"Add the tokens that Jamba writes messages with, and a chat_template.jinja that does."`
	PlainText    bool           `help:"Take all files for plain text, whatever they are named and hold."`
	SkipCorrupt  bool           `help:"Tell of lines that cannot be read and go on."`
}

func (c *tokenizerTrainCmd) Help() string {
	return `Makes a BPE tokenizer in the format of Hugging Face's tokenizers library. The same text gives the same tokenizer, in whatever order the files come.

Kind jamba has Jamba's own settings: digits stay single, merges stay within words, a space is written ▁ (and a ▁ in a text comes back as a space), characters that the vocabulary lacks become their bytes. The other kinds keep every text exactly.

Examples:
  jamba tokenizer train book.txt -o my-model/tokenizer.json --vocab-size 8192
  jamba tokenizer train *.jsonl.zst -o tokenizer.json --vocab-size 32000 --kind llama3 --chat`
}

func (c *tokenizerTrainCmd) Run(s *streams) error {
	if filepath.Ext(c.Out) != ".json" {
		return usageError(fmt.Sprintf("-o is %s, want a file named .json, such as tokenizer.json", c.Out))
	}
	sources := data.Sources{
		Paths: c.Files, PlainText: c.PlainText, SkipCorrupt: c.SkipCorrupt, ReplaceUTF8: c.SkipCorrupt, Progress: bar(s.err, "reading", progressbar.OptionShowBytes(true)),
		Corrupt: func(err error) { fmt.Fprintln(s.err, "jamba: skipped:", err) },
	}
	o := tokenizer.TrainOptions{
		Kind: c.Kind, VocabSize: c.VocabSize, MinFrequency: c.MinFrequency, LimitAlphabet: c.Alphabet, Special: c.Special,
		Progress: bar(s.err, "merging"),
	}
	if c.Chat {
		o.Markers = tokenizer.ChatMarkers
	}
	trained, err := tokenizer.Train(sources.Texts, o)
	if err != nil {
		return err
	}
	if err := c.write(trained); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "jamba: %s: %d tokens, %d merges\n", c.Out, len(trained.Tokens), len(trained.Merges))
	if n := len(trained.Tokens); n < c.VocabSize {
		fmt.Fprintf(s.err, "jamba: the text has no more pairs that are seen %d times: the vocabulary has %d tokens and not %d\n", c.MinFrequency, n, c.VocabSize)
	}
	return nil
}

// write writes the tokenizer's files; tokenizer.json is the last.
func (c *tokenizerTrainCmd) write(t *tokenizer.Trained) error {
	file, err := t.JSON()
	if err != nil {
		return err
	}
	config, err := t.ConfigJSON()
	if err != nil {
		return err
	}
	if _, err := t.Tokenizer(); err != nil {
		return err
	}
	dir := filepath.Dir(c.Out)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	put := func(path string, content []byte) error {
		return writeFile(path, 0o666, func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
	}
	if c.Chat {
		if err := put(filepath.Join(dir, "chat_template.jinja"), []byte(tokenizer.ChatTemplate)); err != nil {
			return err
		}
	}
	beside := strings.TrimSuffix(filepath.Base(c.Out), ".json") + "_config.json"
	if err := put(filepath.Join(dir, beside), config); err != nil {
		return err
	}
	return put(c.Out, file)
}
