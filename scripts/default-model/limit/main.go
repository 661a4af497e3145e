// Limit rewrites a GGUF file's settings, with its weights as they are: how many tokens its model was trained on, and how
// many an answer may have.
//
//	go run ./scripts/default-model/limit -context 512 -answer 512 embedded/model.gguf
//
// A model that scripts/default-model/make makes again has them already.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"jamba/format/gguf"
)

func main() {
	context := flag.Uint("context", 0, "tokens of a sequence")
	answer := flag.Uint("answer", 0, "tokens of an answer")
	flag.Parse()
	if err := rewrite(flag.Arg(0), uint32(*context), uint32(*answer)); err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}

func rewrite(path string, context, answer uint32) error {
	if context == 0 || answer == 0 {
		return errors.New("want -context and -answer")
	}
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	const maxTokens = "generation.max_new_tokens"
	at := 0
	meta := slices.DeleteFunc(slices.Clone(f.Metadata), func(kv gguf.KV) bool { return kv.Key == maxTokens })
	for i, kv := range meta {
		if strings.HasSuffix(kv.Key, ".context_length") {
			meta[i].Value = context
		}
		if strings.HasPrefix(kv.Key, "general.sampling.") {
			at = i + 1
		}
	}
	if at == 0 {
		at = len(meta)
	}
	meta = slices.Insert(meta, at, gguf.KV{Key: maxTokens, Value: answer})
	var tensors []gguf.Source
	for _, info := range f.Tensors() {
		t, err := f.Tensor(info.Name)
		if err != nil {
			return err
		}
		tensors = append(tensors, gguf.FromTensor(t))
	}
	return gguf.WriteFile(path, meta, tensors)
}
