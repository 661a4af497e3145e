package main

import (
	"maps"
)

// hostileSpecial puts what is no file of the kind in the place of each kind of file.
func hostileSpecial() []hostileCase {
	var cases []hostileCase
	for _, place := range []struct {
		file, run string
		// fine names what is as good as a file that is not there, or says nothing wrong.
		fine []string
	}{
		{"m/config.json", "jamba show -m m", nil},
		{"m/generation_config.json", "jamba run -m m --raw --max-tokens 1 hi", nil},
		{"m/tokenizer.json", "jamba tokenize -m m hi", nil},
		{"m/tokenizer_config.json", "jamba tokenize -m m hi", nil},
		{"m/chat_template.jinja", "jamba template -m m request.json", nil},
		{"m/model.safetensors", "jamba show -m m", nil},
		{"m/model.safetensors.index.json", "jamba show -m m", nil},
		{"x.gguf", "jamba show -m x.gguf", nil},
		{"m.native", "jamba show -m m.native", nil},
		{"adapter/adapter_config.json", "jamba logits -m base --adapter adapter --tokens 1,2 -o o.npy", nil},
		{"adapter/adapter_model.safetensors", "jamba logits -m base --adapter adapter --tokens 1,2 -o o.npy", nil},
		{"other.npy", "jamba compare -m base --with-logits other.npy --tokens 1,2,3", nil},
		{"request.json", "jamba template -m m request.json", nil},
		{"x.jinja", "jamba template -m m --chat-template x.jinja request.json", nil},
		{"x.yaml", "jamba train x.yaml docs.txt -o out", nil},
		{"x.txt", "jamba train model.yaml x.txt -o out --tokenizer m", nil},
		{"x.jsonl", "jamba train model.yaml x.jsonl -o out --tokenizer m", nil},
		{"x.jsonl.gz", "jamba train model.yaml x.jsonl.gz -o out --tokenizer m", nil},
		{"x.txt.zst", "jamba train model.yaml x.txt.zst -o out --tokenizer m", nil},
		{"x.parquet", "jamba train model.yaml x.parquet -o out --tokenizer m", nil},
		{"x.txt", "jamba tokenizer train x.txt -o t.json --vocab-size 300", nil},
	} {
		for what, make := range strange(uint64(len(cases))) {
			cases = append(cases, hostileCase{place.run + ", " + place.file + " is " + what, map[string]filler{place.file: make}, place.run, either})
		}
	}
	// A tokenizer of the older kind is read where there is no other.
	for what, make := range strange(7) {
		cases = append(cases, hostileCase{
			"tokenizer.model is " + what,
			map[string]filler{"t/tokenizer.model": make, "t/tokenizer_config.json": content("{}")},
			"jamba tokenize -m t hi", refused,
		})
	}
	return cases
}

// with returns files and one more.
func with(files map[string]filler, name string, m filler) map[string]filler {
	files = maps.Clone(files)
	files[name] = m
	return files
}
