package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"jamba/internal/bounded"
)

// maxFile bounds the bytes of a tokenizer file. The largest published ones have about 35 MB.
const maxFile = 256 << 20

// Load reads the tokenizer of a checkpoint folder: tokenizer.json, or tokenizer.model where there is no
// such file, with tokenizer_config.json and special_tokens_map.json beside it if they exist.
func Load(dir string) (*Tokenizer, error) {
	t, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", dir, err)
	}
	return t, nil
}

func load(dir string) (*Tokenizer, error) {
	var cfg Config
	data, err := readFile(dir, "tokenizer_config.json")
	switch {
	case err == nil:
		if cfg, err = ParseConfig(data); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	data, err = readFile(dir, "special_tokens_map.json")
	switch {
	case err == nil:
		if err := cfg.ParseSpecialTokensMap(data); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	data, err = readFile(dir, "tokenizer.json")
	if err == nil {
		return FromJSON(data, cfg)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	data, err = readFile(dir, "tokenizer.model")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("neither tokenizer.json nor tokenizer.model: %w", fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	return FromSentencePiece(data, cfg)
}

func readFile(dir, name string) ([]byte, error) {
	return bounded.ReadText(filepath.Join(dir, name), maxFile)
}
