package main

import (
	"fmt"
	"strings"

	"jamba/internal/testutil"
)

// hostileAdapters are low-rank adapters.
func hostileAdapters() []hostileCase {
	var cases []hostileCase
	add := func(name string, files map[string]filler, want verdict) {
		cases = append(cases, hostileCase{"adapter: " + name, files, "jamba logits -m base --adapter adapter --tokens 1,2 -o o.npy", want})
	}
	config := func(name, json string, want verdict) {
		add(name, map[string]filler{"adapter/adapter_config.json": content(json)}, want)
	}
	fields := func(more string) string {
		return `{"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]` + more + `}`
	}
	for _, n := range []string{"0", "-1", "1000000", "2147483647", "1e300", `"4"`, "null", "[4]", "4.5"} {
		config("r is "+n, fields(`, "r": `+n), refused)
		config("lora_alpha is "+n, fields(`, "lora_alpha": `+n), either)
	}
	for name, s := range map[string]string{"steers the terminal": escapesJSON, "is long": long(5 << 20)} {
		config("peft_type "+name, fields(`, "peft_type": "`+s+`"`), refused)
		config("a target "+name, fields(`, "target_modules": ["`+s+`"]`), either)
		config("targets as an expression that "+name, fields(`, "target_modules": "`+s+`"`), either)
		config("a key "+name, fields(`, "`+s+`": true`), either)
		config("bias "+name, fields(`, "bias": "`+s+`"`), refused)
		config("rank_pattern "+name, fields(`, "rank_pattern": {"`+s+`": 4}`), either)
	}
	config("an expression of nested repeats", fields(`, "target_modules": "(a+)+$|(.*.*.*.*)*x"`), either)
	config("a million targets", fields(`, "target_modules": [`+strings.Repeat(`"q_proj",`, 1000000)+`"v_proj"]`), either)
	config("a million patterns", fields(`, "rank_pattern": {`+many(200000, `"a%d": 4`)+`}`), either)
	config("a rank of a million by a pattern", fields(`, "rank_pattern": {"q_proj": 1000000}`), refused)
	config("targets as arrays", fields(`, "target_modules": [`+strings.Repeat(`[],`, 1<<20)+`[]]`), refused)
	config("layers of a million", fields(`, "layers_to_transform": [`+strings.Repeat(`0,`, 1<<20)+`0]`), either)
	config("no object", "[]", refused)

	good := testutil.Golden("adapters", "llama-tiny.attention", "adapter_model.safetensors")
	for seed := range uint64(10) {
		add(fmt.Sprint("tensors changed ", seed), map[string]filler{"adapter/adapter_model.safetensors": damaged(good, flip(seed, 2000))}, either)
	}
	tensors := func(name, header string, n int, want verdict) {
		add(name, map[string]filler{"adapter/adapter_model.safetensors": content(tensorFile(header, n))}, want)
	}
	tensors("a tensor's name steers the terminal", `{"`+escapesJSON+`": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}`, 4, refused)
	tensors("a long tensor's name", `{"`+long(2<<20)+`": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}`, 4, refused)
	tensors("A of a million rows of nothing", `{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": {"dtype": "F32", "shape": [1000000, 0], "data_offsets": [0, 0]}}`, 0, refused)
	tensors("A without B", `{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": {"dtype": "F32", "shape": [4, 48], "data_offsets": [0, 768]}}`, 768, refused)
	tensors("a layer of a billion", `{"base_model.model.model.layers.1000000000.self_attn.q_proj.lora_A.weight": {"dtype": "F32", "shape": [4, 48], "data_offsets": [0, 768]}}`, 768, refused)
	tensors("100,000 tensors", `{`+many(100000, `"base_model.model.x%d.lora_A.weight": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}`)+`}`, 0, refused)
	return cases
}

// many joins n texts with their number.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
