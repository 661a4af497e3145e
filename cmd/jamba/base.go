package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/internal/printable"
)

// base is the model that a fine-tuning begins with.
type base struct {
	path    string
	isGGUF  bool
	vocab   int
	width   int             // hidden size
	coef    json.RawMessage // router_aux_loss_coef; nil: there is none
	tokens  gguf.Metadata   // of a GGUF file: its tokenizer and chat templates
	setting string          // the file that coef is from
}

// openBase looks at the model at path, of which all weights are trained or an adapter is.
func openBase(path string, adapter bool) (*base, error) {
	info, err := os.Stat(path)
	b := &base{path: path, isGGUF: gguf.Embedded(path) || err == nil && !info.IsDir()}
	if b.isGGUF && !adapter {
		return nil, errors.New(path + ": all weights can be trained of models in folders with config.json, model.safetensors and tokenizer.json, " +
			"which is what is written; a GGUF file's weights are rounded and it has none of these files: --lora trains an adapter beside it")
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.Model(checkpoint.Options{}); err != nil {
		return nil, err
	}
	b.vocab, b.width = c.Config.VocabSize, c.Config.HiddenSize
	for _, kv := range c.Metadata() {
		if strings.HasPrefix(kv.Key, "tokenizer.") {
			b.tokens = append(b.tokens, kv)
		}
	}
	if b.isGGUF {
		return b, nil
	}
	b.setting = filepath.Join(path, "config.json")
	if coef := c.Setting("router_aux_loss_coef"); string(coef) != "null" {
		b.coef = coef
	}
	return b, nil
}

// rate returns the learning rate to begin with, given the usual one of models with billions of parameters: Adam's is best in
// inverse proportion to the width (Yang et al. 2022, tensor programs V), and with the usual one narrow models hardly change.
func (b *base) rate(usual float64) float64 {
	const usualWidth = 2048
	return usual * max(1, usualWidth/float64(max(b.width, 1)))
}

// auxCoef returns the weight of the load-balancing loss that the model's settings say, or the default.
func (b *base) auxCoef(otherwise float64) (float64, error) {
	if b.coef == nil {
		return otherwise, nil
	}
	var x float64
	if err := json.Unmarshal(b.coef, &x); err != nil || !(x >= 0) {
		return 0, fmt.Errorf("%s: router_aux_loss_coef is %s, want a number of 0 or more; --aux-coef sets another", b.setting, printable.Cut(string(b.coef), 50))
	}
	return x, nil
}

// keepAuxCoef writes the model's setting into a folder that was made of it.
func (b *base) keepAuxCoef(dir string) error {
	if b.coef == nil {
		return nil
	}
	return checkpoint.SetConfig(filepath.Join(dir, "config.json"), "router_aux_loss_coef", b.coef)
}

// ggufTokenizer is the file in which a run beside a GGUF file has that file's tokenizer.
const ggufTokenizer = "tokenizer.gguf"

// files returns the files that a fine-tuned model has from the one it is made of: its tokenizer's, if it has one.
func (b *base) files() (smallFiles, error) {
	if b.isGGUF {
		if b.tokens == nil {
			return smallFiles{}, nil
		}
		var file bytes.Buffer
		err := gguf.Write(&file, b.tokens, nil)
		return smallFiles{ggufTokenizer: file.Bytes()}, err
	}
	files, err := tokenizerFiles(b.path)
	if errors.Is(err, errNoTokenizer) {
		files, err = smallFiles{}, nil
	}
	if err != nil {
		return nil, err
	}
	const generation = "generation_config.json"
	if err := files.read(generation, filepath.Join(b.path, generation)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return files, nil
}
