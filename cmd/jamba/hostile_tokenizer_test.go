package main

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// hostileTokenizers are tokenizer.json, tokenizer_config.json and tokenizer.model.
func hostileTokenizers() []hostileCase {
	const vocab = `"a": 0, "b": 1, "ab": 2, "<unk>": 3`
	bpe := func(vocab, merges string) string {
		return `"model": {"type": "BPE", "unk_token": "<unk>", "vocab": {` + vocab + `}, "merges": [` + merges + `]}`
	}
	model := bpe(vocab, `["a", "b"]`)
	file := func(parts ...string) string { return `{"version": "1.0", ` + strings.Join(parts, ", ") + `}` }
	long60 := strings.Repeat("a", 60<<10)
	var cases []hostileCase
	add := func(name, json, input string, want verdict) {
		cases = append(cases, hostileCase{
			"tokenizer.json: " + name,
			map[string]filler{"t/tokenizer.json": content(json), "in.txt": content(input)},
			"jamba tokenize -m t --json < in.txt", want,
		})
	}
	normalizer := func(n string) string { return `"normalizer": ` + n }
	replace := func(from, to string) string {
		return fmt.Sprintf(`{"type": "Replace", "pattern": {"String": %q}, "content": %q}`, from, to)
	}
	sequence := func(parts ...string) string {
		return `{"type": "Sequence", "normalizers": [` + strings.Join(parts, ", ") + `]}`
	}
	times := func(n int, part string) []string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = part
		}
		return parts
	}
	add("normalizers that double, 40 times", file(normalizer(sequence(times(40, replace("a", "aa"))...)), model), "aaaa", refused)
	add("normalizers that grow a thousandfold, 5 times", file(normalizer(sequence(times(5, replace("a", strings.Repeat("a", 1000)))...)), model), "a", refused)
	add("a normalizer that puts a megabyte before each letter", file(normalizer(replace("a", strings.Repeat("b", 1<<20))), model), strings.Repeat("a", 10000), refused)
	add("a thousand normalizers", file(normalizer(sequence(times(1000, replace("b", "c"))...)), model), long60, either)
	add("a thousand NFKC", file(normalizer(sequence(times(1000, `{"type": "NFKC"}`)...)), model), strings.Repeat("ﷺ", 10<<10), either)
	add("prepend a megabyte, a thousand times", file(normalizer(sequence(times(1000, `{"type": "Prepend", "prepend": "`+strings.Repeat("b", 1000)+`"}`)...)), model), "a", either)
	add("nested normalizers", file(normalizer(strings.Repeat(`{"type": "Sequence", "normalizers": [`, 5000)+strings.Repeat(`]}`, 5000)), model), "a", refused)
	regex := func(r string) string {
		return fmt.Sprintf(`{"type": "Split", "pattern": {"Regex": %q}, "behavior": "Isolated", "invert": false}`, r)
	}
	for name, r := range map[string]string{
		"nested repeats": `(a+)+$b`, "alternatives": `(a|a)*b`, "overlapping": `(a|aa)+$b`, "backreference": `(a*)*\1b`, "lookahead": `(?=(a+))a*b`,
		"quadratic": `a*b`, "counted": `(a{1,1000}){1,1000}b`, "huge count": `a{1,1000000000}`, "deep groups": strings.Repeat("(", 5000) + "a" + strings.Repeat(")", 5000),
		"long class": "[" + strings.Repeat("a-z", 100000) + "]", "many alternatives": "(" + strings.Repeat("aaaa|", 50000) + "b)", "unicode classes": strings.Repeat(`[\p{L}\p{N}]*`, 50) + "$b",
		"lookbehind": `(?<=a*)b`, "empty matches": `(|a)*`, "steers the terminal": "(" + escapes,
	} {
		add("a regular expression: "+name, file(`"pre_tokenizer": `+regex(r), model), long60, either)
		add("a normalizer's regular expression: "+name, file(normalizer(fmt.Sprintf(`{"type": "Replace", "pattern": {"Regex": %q}, "content": "c"}`, r)), model), long60, either)
	}
	add("rows of regular expressions", file(`"pre_tokenizer": {"type": "Sequence", "pretokenizers": [`+strings.Join(times(500, regex(`(a|aa)+$b`)), ", ")+`]}`, model), long60, either)
	add("rows of plain regular expressions", file(`"pre_tokenizer": {"type": "Sequence", "pretokenizers": [`+strings.Join(times(2000, regex(`b|c`)), ", ")+`]}`, model), long60, either)
	added := func(n int, content func(int) string, more string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, `{"id": %d, "content": %q, "special": true%s}`, 4+i, content(i), more)
		}
		return `"added_tokens": [` + b.String() + `]`
	}
	add("100,000 added tokens", file(added(100000, func(i int) string { return fmt.Sprintf("<%d>", i) }, ""), model), long60, either)
	add("added tokens that are prefixes", file(added(3000, func(i int) string { return strings.Repeat("a", i) + "c" }, ""), model), long60, either)
	add("added tokens that strip", file(added(2000, func(i int) string { return fmt.Sprintf("b%d", i) }, `, "lstrip": true, "rstrip": true`), model), strings.Repeat(" ", 60<<10), either)
	add("an added token of nothing", file(added(1, func(int) string { return "" }, ""), model), "aaa", either)
	add("an added token at 2^31", file(`"added_tokens": [{"id": 2147483647, "content": "x"}]`, model), "x", either)
	add("an added token at -1", file(`"added_tokens": [{"id": -1, "content": "x"}]`, model), "x", refused)
	add("an id of 4 billion", file(bpe(`"a": 4000000000, "<unk>": 0`, "")), "a", refused)
	add("an id of 2 billion", file(bpe(`"a": 2000000000, "<unk>": 0`, "")), "a", either)
	add("twice the same id", file(bpe(`"a": 0, "b": 0, "<unk>": 1`, "")), "ab", either)
	add("a merge of what is not there", file(bpe(vocab, `["x", "y"]`)), "ab", refused)
	add("a merge that steers the terminal", file(bpe(vocab, `"`+escapesJSON+` `+escapesJSON+`"`)), "ab", refused)
	add("a long merge", file(bpe(vocab, `"`+strings.Repeat("x", 1<<20)+` y"`)), "ab", refused)
	add("merges are arrays of nothing", file(bpe(vocab, strings.Repeat(`[],`, 1<<20)+`[]`)), "ab", refused)
	add("a long token", file(bpe(vocab+`, "`+strings.Repeat("a", 10<<20)+`": 4`, "")), "ab", either)
	add("a type that steers the terminal", file(`"model": {"type": "`+escapesJSON+`"}`), "ab", refused)
	add("a long type", file(`"model": {"type": "`+long(1<<20)+`"}`), "ab", refused)
	add("a normalizer that steers the terminal", file(normalizer(`{"type": "`+escapesJSON+`"}`), model), "ab", refused)
	add("a pre-tokenizer of a long name", file(`"pre_tokenizer": {"type": "`+long(1<<20)+`"}`, model), "ab", refused)
	add("a decoder that steers the terminal", file(`"decoder": {"type": "`+escapesJSON+`"}`, model), "ab", either)
	add("a processor that steers the terminal", file(`"post_processor": {"type": "`+escapesJSON+`"}`, model), "ab", refused)
	add("an unk that steers the terminal", file(strings.ReplaceAll(model, `"unk_token": "<unk>"`, `"unk_token": "`+escapesJSON+`"`)), "ab", either)
	add("a processor of a million pieces", file(`"post_processor": {"type": "TemplateProcessing", "single": [`+strings.Repeat(`{"SpecialToken": {"id": "a", "type_id": 0}},`, 300000)+
		`{"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"a": {"id": "a", "ids": [0], "tokens": ["a"]}}}`, model), "ab", either)
	add("a character map of nothing", file(normalizer(`{"type": "Precompiled", "precompiled_charsmap": ""}`), model), "ab", either)
	add("a character map of noise", file(normalizer(`{"type": "Precompiled", "precompiled_charsmap": "`+strings.Repeat("/////w==", 1)+`"}`), model), "ab", refused)
	add("a long line without a space", file(bpe(`"a": 0, "aa": 1, "aaaa": 2, "<unk>": 3`, `["a", "a"], ["aa", "aa"]`)), strings.Repeat("a", 2<<20), either)
	add("a unigram", file(`"model": {"type": "Unigram", "vocab": [["a", 0]]}`), "a", either)

	for name, json := range map[string]string{
		"an array": "[]", "many values": `{"x": [` + strings.Repeat("[],", 3<<20) + `[]]}`, "a bos that steers the terminal": `{"bos_token": "` + escapesJSON + `"}`,
		"a million tokens": "{" + strings.Repeat(`"a_token": "x", `, 1<<20) + `"b": 0}`, "a long class": `{"tokenizer_class": "` + long(1<<20) + `"}`,
		"add_bos_token of nothing": `{"add_bos_token": "yes"}`, "a template of numbers": `{"chat_template": 5}`, "a template of arrays": `{"chat_template": [` + strings.Repeat("[],", 1<<20) + `[]]}`,
		"many templates":                     `{"chat_template": [` + strings.Repeat(`{"name": "a", "template": "b"},`, 100000) + `{"name": "x", "template": "y"}]}`,
		"a template's name steers":           `{"chat_template": [{"name": "` + escapesJSON + `", "template": "x"}]}`,
		"a template's name is long":          `{"chat_template": [{"name": "` + long(1<<20) + `", "template": "{{"}]}`,
		"added_tokens_decoder of a million":  `{"added_tokens_decoder": {` + strings.Repeat(`"5": {"content": "x"},`, 300000) + `"6": {"content": "y"}}}`,
		"added_tokens_decoder with a bad id": `{"added_tokens_decoder": {"` + escapesJSON + `": {"content": "x"}}}`,
	} {
		cases = append(
			cases,
			hostileCase{"tokenizer_config.json: " + name, map[string]filler{"m/tokenizer_config.json": content(json)}, "jamba tokenize -m m hi", either},
			hostileCase{"tokenizer_config.json, for a template: " + name, map[string]filler{"m/tokenizer_config.json": content(json)}, "jamba template -m m request.json", refused},
		)
	}

	// tokenizer.model is a message in protocol buffers: pieces are field 1, each with a text (1), a score (2) and a type (3).
	field := func(n int, b []byte) []byte {
		return append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(n<<3|2)), uint64(len(b))), b...)
	}
	piece := func(s string) []byte { return field(1, field(1, []byte(s))) }
	for name, b := range map[string][]byte{
		"a length beyond the end": {0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f}, "an endless number": {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a million empty pieces": []byte(strings.Repeat("\x0a\x00", 1<<20)), "a piece that steers the terminal": piece(escapes), "no model": piece("a"),
		"groups": []byte(strings.Repeat("\x0b", 100000)), "a long piece": piece(strings.Repeat("x", 4<<20)), "field 0": {0x02, 0x00},
	} {
		cases = append(cases, hostileCase{
			"tokenizer.model: " + name,
			map[string]filler{"t/tokenizer.model": raw(b), "t/tokenizer_config.json": content("{}")},
			"jamba tokenize -m t hi", either,
		})
	}
	return cases
}
