package tokenizer

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

func TestMalformedJSON(t *testing.T) {
	model := func(fields string) string { return `{"model": {"type": "BPE", ` + fields + `}}` }
	normalizer := func(s string) string { return tiny(`"normalizer": ` + s) }
	pre := func(s string) string { return tiny(`"pre_tokenizer": ` + s) }
	post := func(s string) string { return tiny(`"post_processor": ` + s) }
	dec := func(s string) string { return tiny(`"decoder": ` + s) }
	template := func(single, special string) string {
		return post(`{"type": "TemplateProcessing", "single": ` + single + `, "pair": [], "special_tokens": ` + special + `}`)
	}
	long := strings.Repeat("x", 2000)
	nested := strings.Repeat(`{"type": "Sequence", "normalizers": [`, 20) + strings.Repeat(`]}`, 20)
	for _, c := range []struct{ name, file, want string }{
		{"empty", ``, "unexpected end of JSON input"},
		{"truncated", tiny(`"normalizer": null`)[:100], "unexpected end of JSON input"},
		{"not UTF-8", "{\"\xff\"}", "not valid UTF-8"},
		{"no model", `{}`, "model: missing"},
		{"model type", `{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.5]]}}`, `model: type "Unigram" is not supported (supported: BPE)`},
		{"no type", `{"model": {"vocab": {"a": 0}}}`, `model: type "" is not supported`},
		{"model field", model(`"vocab": {}, "merges": [], "new_option": 1`), `model: unknown field "new_option"`},
		{"dropout", model(`"dropout": 0.1, "vocab": {}, "merges": []`), "model.dropout: 0.1: random merges are not supported"},
		{"negative id", model(`"vocab": {"a": -1}, "merges": []`), `token "a": id -1 is out of range`},
		{"huge id", model(`"vocab": {"a": 100000}, "merges": []`), `token "a": id 100000 is out of range: with 1 tokens ids below 65540 are accepted`},
		{"id beyond 32 bits", model(`"vocab": {"a": 4294967296}, "merges": []`), "cannot unmarshal number 4294967296"},
		{"fractional id", model(`"vocab": {"a": 1.5}, "merges": []`), "cannot unmarshal number 1.5"},
		{"duplicate id", model(`"vocab": {"a": 1, "b": 1}, "merges": []`), `tokens "a" and "b" both have id 1`},
		{"merge of unknown", model(`"vocab": {"a": 0, "b": 1}, "merges": ["a c"]`), `model.merges[0]: merge of "a" and "c": "c" is not in the vocabulary`},
		{"merge to unknown", model(`"vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]`), `"ab" is not in the vocabulary`},
		{"merge of three", model(`"vocab": {"a": 0}, "merges": ["a a a"]`), `merges[0]: "a a a", want two tokens`},
		{"merge of one", model(`"vocab": {"a": 0}, "merges": [["a"]]`), "merges[0]: 1 strings, want 2"},
		{"merges mixed", model(`"vocab": {"a": 0}, "merges": ["a a", ["a", "a"]]`), "merges: "},
		{"merge without prefix", model(`"continuing_subword_prefix": "##", "vocab": {"a": 0}, "merges": [["a", "a"]]`), `"a" is shorter than continuing_subword_prefix "##"`},
		{"long prefix", model(`"end_of_word_suffix": "` + long + `", "vocab": {"a": 0}, "merges": []`), "have 2000 bytes, at most 1024"},

		{"added id", tiny(`"added_tokens": [{"id": -5, "content": "x"}]`), `added_tokens[0]: "x": id -5 is out of range`},
		{"added huge id", tiny(`"added_tokens": [{"id": 99999999, "content": "x"}]`), `added_tokens: token "x": id 99999999 is out of range`},
		{"added id taken", tiny(`"added_tokens": [{"id": 1, "content": "x"}]`), `"x" has id 1, which is that of "a"`},
		{"added twice", tiny(`"added_tokens": [{"id": 4, "content": "x"}, {"id": 5, "content": "x"}]`), `"x" has ids 4 and 5`},
		{"added other id", tiny(`"added_tokens": [{"id": 4, "content": "a"}]`), `"a" has id 4, but 1 in the vocabulary`},
		{"added long", tiny(`"added_tokens": [{"id": 4, "content": "` + long + `"}]`), "token of 2000 bytes, at most 1024"},

		{"normalizer", normalizer(`{"type": "BertNormalizer"}`), `normalizer: type "BertNormalizer" is not supported (supported: Sequence, Replace`},
		{"no map", normalizer(`{"type": "Precompiled"}`), `normalizer.precompiled_charsmap: 0 bytes, want 4 or more`},
		{"map in base64", normalizer(`{"type": "Precompiled", "precompiled_charsmap": "?"}`), `normalizer: illegal base64`},
		{"map cut", normalizer(`{"type": "Precompiled", "precompiled_charsmap": "/////wE="}`), `normalizer.precompiled_charsmap: a trie of 4294967295 bytes in 1`},
		{"normalizer in sequence", normalizer(`{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "X"}]}`), `normalizer.normalizers[1]: type "X" is not supported`},
		{"normalizer field", normalizer(`{"type": "NFC", "version": 15}`), `normalizer: unknown field "version"`},
		{"normalizer nested", normalizer(nested), "more than 128 components or 8 levels"},
		{"normalizer null in sequence", normalizer(`{"type": "Sequence", "normalizers": [null]}`), "normalizer.normalizers[0]: missing"},
		{"normalizer without type", normalizer(`{}`), "normalizer: has no type"},
		{"normalizer no list", normalizer(`{"type": "Sequence"}`), "normalizer.normalizers: want an array"},
		{"pattern", normalizer(`{"type": "Replace", "pattern": {"String": ""}, "content": ""}`), "normalizer.pattern.String: 0 bytes, want 1 to 1024"},
		{"two patterns", normalizer(`{"type": "Replace", "pattern": {"String": "a", "Regex": "a"}, "content": ""}`), "normalizer.pattern: want either String or Regex"},
		{"regex", normalizer(`{"type": "Replace", "pattern": {"Regex": "("}, "content": ""}`), `normalizer.pattern.Regex: regular expression "("`},

		{"pre-tokenizer", pre(`{"type": "UnicodeScripts"}`), `pre_tokenizer: type "UnicodeScripts" is not supported (supported: Sequence, ByteLevel`},
		{"behavior", pre(`{"type": "Split", "pattern": {"String": "a"}, "behavior": "Glued"}`), `pre_tokenizer.behavior: "Glued", want one of`},
		{"punctuation behavior", pre(`{"type": "Punctuation", "behavior": ""}`), `pre_tokenizer.behavior: "", want one of`},
		{"regex class", pre(`{"type": "Split", "pattern": {"Regex": "a\\Kb"}, "behavior": "Isolated"}`), `pre_tokenizer.pattern.Regex: regular expression "a\\Kb": at character 3: \K is not supported`},
		{"scheme", pre(`{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "last"}`), `pre_tokenizer.prepend_scheme: "last", want always, first or never`},
		{"replacement", pre(`{"type": "Metaspace", "replacement": "__"}`), `pre_tokenizer.replacement: "__", want one character`},
		{"contradiction", pre(`{"type": "Metaspace", "replacement": "_", "add_prefix_space": false, "prepend_scheme": "first"}`), `add_prefix_space false contradicts prepend_scheme "first"`},

		{"decoder", dec(`{"type": "WordPiece", "prefix": "##"}`), `decoder: type "WordPiece" is not supported (supported: Sequence, Replace`},
		{"strip", dec(`{"type": "Strip", "content": "", "start": 1, "stop": 0}`), `decoder.content: "", want one character`},
		{"decoder growth", dec(`{"type": "Replace", "pattern": {"Regex": "a"}, "content": "` + long + long + `"}`), "decoder: can make a token 8e+03 times longer"},

		{"post-processor", post(`{"type": "BertProcessing"}`), `post_processor: type "BertProcessing" is not supported (supported: Sequence, TemplateProcessing, ByteLevel)`},
		{"two templates", post(`{"type": "Sequence", "processors": [{"type": "TemplateProcessing"}, {"type": "TemplateProcessing"}]}`), "post_processor.processors[1]: more than one TemplateProcessing"},
		{"template token", template(`[{"SpecialToken": {"id": "x"}}]`, `{}`), `post_processor.single[0]: "x" is not among the template's special_tokens`},
		{"template id", template(`[{"SpecialToken": {"id": "x"}}]`, `{"x": {"ids": [7]}}`), "post_processor: id 7 is not in the vocabulary"},
		{"template negative id", template(`[{"SpecialToken": {"id": "x"}}]`, `{"x": {"ids": [-7]}}`), `post_processor.single[0]: "x" has id -7`},
		{"template sequence", template(`[{"Sequence": {"id": "B"}}]`, `{}`), `post_processor.single[0]: sequence "B", want one of "A"`},
		{"template part", template(`[{}]`, `{}`), "post_processor.single[0]: want either SpecialToken or Sequence"},
		{"template long", template(`[`+strings.Repeat(`{},`, 70)+`{}]`, `{}`), "post_processor.single: 71 parts, at most 64"},
	} {
		_, err := FromJSON([]byte(c.file), Config{})
		if err == nil || !strings.HasPrefix(err.Error(), "tokenizer.json: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := FromJSON([]byte(tiny(`"normalizer": null`)), Config{}); err != nil {
		t.Errorf("the unchanged file: %v", err)
	}
}

// message appends a length-delimited protobuf field.
func message(b []byte, field int, data []byte) []byte {
	b = binary.AppendUvarint(b, uint64(field)<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// varint appends a protobuf varint field.
func varint(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<3|wireVarint), v)
}

// spmModel is a tokenizer.model with the pieces <unk>, a and those given, as "text type score".
func spmModel(trainer, normalizer []byte, pieces ...spmPiece) []byte {
	var b []byte
	for _, p := range append([]spmPiece{{"<unk>", 0, pieceUnknown}, {"a", -1, pieceNormal}}, pieces...) {
		m := message(nil, 1, []byte(p.text))
		m = binary.AppendUvarint(m, 2<<3|wireFixed32)
		m = binary.LittleEndian.AppendUint32(m, math.Float32bits(p.score))
		b = message(b, 1, varint(m, 3, uint64(p.kind)))
	}
	b = message(b, 2, append(varint(nil, 3, 2), trainer...))
	return message(b, 3, normalizer)
}

func TestMalformedSentencePiece(t *testing.T) {
	good := spmModel(nil, nil)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "no pieces: not a SentencePiece model"},
		{"text", []byte("hello"), "protobuf"},
		{"truncated", good[:len(good)-3], "truncated protobuf message"},
		{"truncated piece", message(nil, 1, []byte{0x0a, 5, 'a'}), "pieces[0]: truncated protobuf message: field 1 of 5 bytes, 1 are left"},
		{"truncated score", message(nil, 1, []byte{2<<3 | 5, 0}), "pieces[0]: truncated protobuf message"},
		{"truncated fixed64", []byte{9<<3 | 1, 0}, "truncated protobuf message"},
		{"long varint", append(message(nil, 1, message(nil, 1, []byte("a"))), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), "protobuf varint of more than 64 bits"},
		{"wire type", []byte{1<<3 | 3}, "protobuf field 1 has wire type 3"},
		{"piece is a number", varint(nil, 1, 5), "pieces[0]: protobuf wire type 0, want 2"},
		{"score is a number", message(nil, 1, varint(nil, 2, 5)), "pieces[0]: score: protobuf wire type 0, want 5"},
		{"empty piece", message(nil, 1, nil), "pieces[0]: empty piece"},
		{"unigram", spmModel(varint(nil, 3, 1), nil), "trainer_spec.model_type: 1 (unigram) is not supported, only 2 (bpe)"},
		{"charsmap", spmModel(nil, message(message(nil, 1, []byte("nmt_nfkc")), 2, []byte{1, 2})), `normalizer_spec.precompiled_charsmap: 2 bytes, want 4 or more`},
		{"denormalizer", message(good, 5, message(nil, 2, []byte{1})), "denormalizer_spec.precompiled_charsmap: not supported"},
		{"suffix", spmModel(varint(nil, 24, 1), nil), "trainer_spec.treat_whitespace_as_suffix: not supported"},
		{"bytes missing", spmModel(varint(nil, 35, 1), nil), "byte fallback without a piece for <0x00>"},
		{"bytes without fallback", spmModel(nil, nil, spmPiece{"<0x00>", 0, pieceByte}), "pieces[2]: byte piece, but trainer_spec.byte_fallback is off"},
		{"duplicate", spmModel(nil, nil, spmPiece{"a", 0, pieceNormal}), `pieces 1 and 2 are both "a"`},
		{"type", spmModel(nil, nil, spmPiece{"b", 0, 1 << 30}), "piece 2: type 1073741824 is not supported"},
		{"dangling config", good, `added_tokens: token "x": id 9999999 is out of range`},
	} {
		cfg := Config{}
		if c.name == "dangling config" {
			cfg.Added = []AddedToken{{ID: 9999999, Content: "x"}}
		}
		_, err := FromSentencePiece(c.file, cfg)
		if err == nil || !strings.HasPrefix(err.Error(), "tokenizer.model: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	for n := range good {
		if _, err := FromSentencePiece(good[:n], Config{}); err == nil && n < len(good)-20 {
			t.Errorf("the first %d bytes of %d load", n, len(good))
		}
	}
}

// Details of SentencePiece that the goldens' models do not show.
func TestSentencePieceDetails(t *testing.T) {
	off := varint(varint(nil, 3, 0), 4, 0) // no prefix, spaces kept
	for _, c := range []struct {
		name, text, want string
		file             []byte
	}{
		{"prefix and single spaces by default", "  b  a ", "<unk> a", spmModel(nil, nil)},
		{
			"extra spaces removed", " b   b ", "▁ b ▁ b",
			spmModel(nil, nil, spmPiece{"b", -2, 1}, spmPiece{"▁", -3, 1}),
		},
		{"unknown characters fuse", "axyza", "a <unk> a", spmModel(nil, off)},
		{"equal scores go from the left", "aaa", "aa a", spmModel(nil, off, spmPiece{"aa", -1, 1})},
		{
			"unused pieces are taken apart again", "abab", "ab ab",
			spmModel(nil, off, spmPiece{"b", 0, 1}, spmPiece{"ab", 5, 1}, spmPiece{"abab", 4, pieceUnused}),
		},
		{ // what SentencePiece 0.2.3 says
			"unused characters are unknown and merge", "abccbc", "a bc <unk> bc",
			spmModel(nil, off, spmPiece{"b", 0, 1}, spmPiece{"c", 0, pieceUnused}, spmPiece{"ab", 0, 1}, spmPiece{"bc", 1, 1}),
		},
		{
			"and fuse, cut out of unused pieces too", "abbba", "a <unk> a",
			spmModel(nil, off, spmPiece{"b", 0, pieceUnused}, spmPiece{"bb", 0, pieceUnused}),
		},
		{
			"merges go through unused pieces", "abc", "abc",
			spmModel(nil, off, spmPiece{"b", 0, 1}, spmPiece{"c", 0, 1}, spmPiece{"ab", 5, pieceUnused}, spmPiece{"abc", 4, 1}),
		},
		{
			"user-defined pieces come first and never merge", "aab", "a ab",
			spmModel(nil, off, spmPiece{"b", 0, 1}, spmPiece{"aa", 9, 1}, spmPiece{"ab", 0, pieceUserDefined}),
		},
		{
			"nor with what follows", "aba", "ab a",
			spmModel(nil, off, spmPiece{"aba", 9, 1}, spmPiece{"ab", 0, pieceUserDefined}),
		},
		{
			"the longest user-defined piece", "abc", "abc",
			spmModel(nil, off, spmPiece{"ab", 0, pieceUserDefined}, spmPiece{"abc", 0, pieceUserDefined}),
		},
		{"control pieces are found in text", "a<s>a", "a <s> a", spmModel(nil, off, spmPiece{"<s>", 0, pieceControl})},
		{"spaces unescaped", "a a", "a   a", spmModel(nil, varint(off, 5, 0), spmPiece{" ", -2, 1})},
	} {
		tk, err := FromSentencePiece(c.file, Config{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.Join(spell(tk, encode(t, tk, c.text, false)), " "); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.text, got, c.want)
		}
	}
}
