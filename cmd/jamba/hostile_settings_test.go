package main

import (
	"fmt"
	"strings"
)

// hostileSettings are config.json, generation_config.json and recipes.
func hostileSettings() []hostileCase {
	llama := func(more string) string {
		return `{"model_type": "llama", "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 6,
"num_key_value_heads": 2, "head_dim": 8, "vocab_size": 256, "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "hidden_act": "silu",
"rope_theta": 10000.0, "tie_word_embeddings": false` + more + `}`
	}
	jamba := `{"model_type": "jamba", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": %s, "num_attention_heads": 4,
"num_key_value_heads": 2, "vocab_size": 1000, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": 4,
"attn_layer_offset": 1, "attn_layer_period": 2, "expert_layer_offset": 1, "expert_layer_period": 2, "num_experts": %s, "num_experts_per_tok": 2}`
	var cases []hostileCase
	config := func(name, json string, want verdict) {
		cases = append(cases, hostileCase{"config.json: " + name, map[string]filler{"base/config.json": content(json)}, "jamba logits -m base --tokens 1,2 -o o.npy", want})
	}
	for _, n := range []string{"0", "-1", "5", "1000000", "2147483647", "1e300", "9223372036854775807", "1e-3", "null", `"4"`, "[4]", "{}", "true"} {
		for _, field := range []string{"hidden_size", "num_hidden_layers", "vocab_size", "num_attention_heads", "intermediate_size"} {
			want := refused
			if n == "null" { // as good as a key that is not there
				want = either
			}
			config(field+" is "+n, llama(fmt.Sprintf(`, %q: %s`, field, n)), want)
		}
	}
	for _, n := range []string{"0", "1000000", "100000000", "1000000000000"} {
		config("jamba of "+n+" layers", fmt.Sprintf(jamba, n, "4"), refused)
		config("jamba of "+n+" experts", fmt.Sprintf(jamba, "4", n), refused)
	}
	for field, v := range map[string]string{
		"model_type": `"` + escapesJSON + `"`, "hidden_act": `"` + escapesJSON + `"`, "rope_scaling": `{"rope_type": "` + escapesJSON + `"}`,
		"quantization_config": `{"quant_method": "` + escapesJSON + `"}`,
	} {
		config(field+" steers the terminal", llama(fmt.Sprintf(`, %q: %s`, field, v)), refused)
		config(field+" is long", llama(fmt.Sprintf(`, %q: %s`, field, strings.ReplaceAll(v, escapesJSON, long(10<<20)))), refused)
	}
	for _, n := range []string{"nan", "-1", "0", "1e400", `"x"`} {
		for _, field := range []string{"rms_norm_eps", "rope_theta"} {
			config(field+" is "+n, llama(fmt.Sprintf(`, %q: %s`, field, n)), either)
		}
	}
	config("a key that steers the terminal", llama(`, "`+escapesJSON+`": 1`), either)
	config("a long key", llama(`, "`+long(1<<20)+`": 1`), either)
	config("many keys", llama(strings.Repeat(`, "k": 1`, 1<<20)), either)
	var many strings.Builder
	for i := range 200000 {
		fmt.Fprintf(&many, `, "k%d": %d`, i, i)
	}
	config("many different keys", llama(many.String()), either)
	config("a key is an array of arrays", llama(`, "layer_types": [`+strings.Repeat(`[],`, 1<<20)+`[]]`), refused)
	config("layer_types of a million", llama(`, "layer_types": [`+strings.Repeat(`"full_attention",`, 1000000)+`"full_attention"]`), refused)
	config("an eos of many ids", llama(`, "eos_token_id": [`+strings.Repeat(`2,`, 1<<20)+`2]`), either)
	config("rope factors of a million", llama(`, "rope_scaling": {"rope_type": "longrope", "short_factor": [`+strings.Repeat("1,", 1000000)+`1], "long_factor": [1]}`), refused)
	config("a number of a million digits", llama(`, "hidden_size": `+strings.Repeat("9", 1000000)), refused)
	config("two values", llama("")+llama(""), either)
	config("a mark at the beginning", "\ufeff"+llama(""), either)

	generation := func(name, json string) {
		cases = append(cases, hostileCase{
			"generation_config.json: " + name,
			map[string]filler{"m/generation_config.json": content(json)},
			"jamba run -m m --raw --max-tokens 1 --temperature 0 hi", either,
		})
	}
	for field, v := range map[string]string{
		"temperature": "-1", "top_p": "1e300", "top_k": "-9223372036854775808", "max_new_tokens": "9223372036854775807",
		"eos_token_id": "[" + strings.Repeat("1,", 1<<20) + "1]", "repetition_penalty": "0", "min_p": `"` + escapesJSON + `"`, "typical_p": "[]",
	} {
		generation(field, fmt.Sprintf(`{%q: %s}`, field, v))
	}
	generation("a key that steers the terminal", `{"`+escapesJSON+`": 1}`)
	generation("long", `{"eos_token_id": "`+long(5<<20)+`"}`)

	recipe := func(name, yaml string) {
		cases = append(cases, hostileCase{"recipe: " + name, map[string]filler{"x.yaml": content(yaml)}, "jamba train x.yaml docs.txt -o out", refused})
	}
	recipe("laughs", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"+
		"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n")
	recipe("itself", "a: &a [*a]\n")
	recipe("deep", strings.Repeat("- ", 100000)+"x\n")
	recipe("deep flow", strings.Repeat("{a: ", 50000))
	recipe("a word that steers the terminal", "\"\\e[31m\\u202e\": 1\n")
	recipe("a long word", long(1<<20)+": 1\n")
	recipe("an unknown tag", "!!python/object/apply:os.system [x]\n")
	for _, n := range []string{"1000000000", "1e300", "-1", "0", ".nan", "0x7fffffffffffffff", "[1]"} {
		recipe("hidden_size is "+n, "model_type: jamba\nhidden_size: "+n+"\nintermediate_size: 64\nlayers: [mamba + mlp]\n")
		recipe("num_experts is "+n, "model_type: jamba\nhidden_size: 32\nintermediate_size: 64\nlayers: [mamba + moe]\nnum_experts: "+n+"\n")
	}
	recipe("many layers", "model_type: jamba\nhidden_size: 32\nintermediate_size: 64\nlayers: ["+strings.Repeat("mamba + mlp, ", 300000)+"mamba + mlp]\n")
	return cases
}
