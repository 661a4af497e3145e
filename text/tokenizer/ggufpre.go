package tokenizer

// A ggufPre is a kind of pre-tokenizer of GGUF files. The names and what they mean are llama.cpp's
// (src/llama-vocab.cpp); where its patterns approximate those of the model's own tokenizer.json the latter stand here.
type ggufPre struct {
	names        string   // of tokenizer.ggml.pre
	patterns     []string // split one after the other
	ignoreMerges bool     // a word that is a token is that token, whatever the merges
	addBOS       bool     // unless the file says otherwise
}

const (
	// OpenAI's o200k and Mistral's Tekken tell upper from lower case.
	wordUpper = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`
	wordLower = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`
	suffixes  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
	oWords    = wordUpper + suffixes + `?|` + wordLower + suffixes + `?|`
	oTail     = `| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

	// DeepSeek's later models, which tell punctuation and symbols from the rest.
	deepseekWords = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+" + `|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+`
	deepseekTail  = `[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	kanaHan       = `[一-龥぀-ゟ゠-ヿ]+`

	// Kimi's words are those of o200k without Han, which go by themselves.
	kimiUpper = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]`
	kimiLower = `[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]`

	// DeepSeek names its letters one by one: those of scripts with upper and lower case. Some are singletons
	// of Unicode normalization, hence the escapes.
	deepseekLetters = `\s?[` + "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376" +
		"\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f" +
		"\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77" +
		"\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d" +
		"\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4" +
		"\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139" +
		"\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d" +
		"\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a" +
		"\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2" +
		"\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943" + `]+`
	deepseekCJK = `[一-龥ࠀ-一가-퟿]+`
)

var ggufPres = []ggufPre{
	{
		names:    "gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 gigachat mellum modern-bert a.x-4.0 jina-es jina-de jina-v2-es jina-v2-de",
		patterns: []string{gpt2Pattern},
	},
	{
		names:    "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
		patterns: []string{llama3Pattern}, ignoreMerges: true, addBOS: true,
	},
	{
		names:    "dbrx smaug-bpe chatglm-bpe",
		patterns: []string{llama3Pattern},
	},
	{
		names:    "glm4 glm5",
		patterns: []string{llama3Pattern}, ignoreMerges: true,
	},
	{
		names:    "qwen2 stablelm2 deepseek-r1-qwen hunyuan megrez kormo grok-2 solar-open f2llmv2",
		patterns: []string{qwen2Pattern},
	},
	{
		names:    "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2",
		patterns: []string{digitPattern, gpt2Pattern},
	},
	{
		names:    "falcon",
		patterns: []string{"[\\p{P}\\$\\+<=>\\^~\\|`]+", gpt2Pattern, `[0-9][0-9][0-9]`},
	},
	{
		names:    "default",
		patterns: []string{`[\p{P}\$\+<=>\^~\|]+`, gpt2Pattern, `\p{N}+`, `[0-9][0-9][0-9]`},
	},
	{
		names:    "deepseek-llm",
		patterns: []string{`[\r\n]`, deepseekLetters, `\s?[!-/:-~！-／：-～‘-‟　-。]+`, `\s+$`, deepseekCJK, `\p{N}+`},
	},
	{
		names:    "deepseek-coder",
		patterns: []string{`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, deepseekCJK, digitPattern},
	},
	{
		names:    "deepseek-v3 hunyuan-dense joyai-llm hy_v4",
		patterns: []string{`\p{N}{1,3}`, kanaHan, deepseekWords + deepseekTail},
	},
	{
		names:    "spark2_5",
		patterns: []string{`\p{N}{1,3}`, kanaHan, deepseekWords + `|[\r\n]|\s+(?!\S)|\s+`, digitPattern},
	},
	{
		// Digits in threes from the right; scripts that write no spaces by themselves.
		names: "afmoe",
		patterns: []string{
			`\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))`,
			"[一-鿿㐀-䶿\uf900-\ufaff぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-\ud7afᄀ-ᇿ]+",
			deepseekWords + deepseekTail,
		},
	},
	{
		names:    "tekken",
		patterns: []string{wordUpper + `|` + wordLower + `|\p{N}` + oTail}, ignoreMerges: true, addBOS: true,
	},
	{
		names:    "gpt-4o llama4 kanana2 minimax-m2 talkie",
		patterns: []string{oWords + `\p{N}{1,3}` + oTail},
	},
	{
		names:    "granite-embed-multi-97m",
		patterns: []string{oWords + `\p{N}{1,3}` + oTail}, ignoreMerges: true,
	},
	{
		names:    "tiny_aya cohere2moe",
		patterns: []string{`\d{1,3}(?=(?:\d{3})*\b)`, oWords + `\p{N}{1,3}` + oTail},
	},
	{
		names: "youtu",
		patterns: []string{
			`[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+`,
			oWords + `\p{N}` + oTail,
		},
		ignoreMerges: true,
	},
	{
		names: "kimi-k2",
		patterns: []string{
			`[\p{Han}]+|[^\r\n\p{L}\p{N}]?` + kimiUpper + `*` + kimiLower + `+` + suffixes + `?|[^\r\n\p{L}\p{N}]?` + kimiUpper + `+` + kimiLower + `*` + suffixes + `?` +
				`|\p{N}{1,3}` + clTail,
		},
	},
	{
		names:    "qwen35",
		patterns: []string{suffixes + `|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	},
	{
		// Qwen's without the English suffixes, so that Turkish ones stay with their apostrophe.
		names:    "ufakzeka",
		patterns: []string{`[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}` + clTail},
	},
	{
		names:    "laguna",
		patterns: []string{`[^\n]+|[\n]+`, qwen2Pattern},
	},
	{
		names:    "minicpm5",
		patterns: []string{`\p{N}{1,3}`, clHead + `\p{N}+` + clTail}, ignoreMerges: true,
	},
	{
		// Runs of white space are cut to powers of two.
		names: "jais-2",
		patterns: []string{
			clHead + `\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+` +
				`|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}`,
		},
	},
	{
		// Words go together across spaces.
		names: "exaone-moe",
		patterns: []string{
			suffixes + `|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+`,
		},
	},
	{
		// Digits apart, in threes from the right; else whole texts are merged.
		names:    "superbpe",
		patterns: []string{`\p{N}+`, `(?=(\d{3})+(?!\d))`},
	},
	{
		names:    "bailingmoe bailingmoe2 llada-moe",
		patterns: []string{`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`},
	},
	{
		names:    "seed-coder",
		patterns: []string{clHead + `\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`},
	},
	{
		names:    "bloom poro-chat gpt3-finnish",
		patterns: []string{` ?[^(\s|.,!?…。，、।۔،)]+`},
	},
	{
		names:    "viking",
		patterns: []string{` ?[^(\s|.,!?…。，、।۔،)]+`, digitPattern},
	},
	{
		// Image tokens and sentinels are written in letters.
		names: "chameleon",
		patterns: []string{
			`<sentinel:[0-9]+>`, `(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z`, `([\t\n]|    |  )`, digitPattern, "[\\p{P}!-/:-@\\[-`{-~]", gpt2Pattern,
		},
		addBOS: true,
	},
}

// ggufOther are llama.cpp's names for tokenizers of another kind, those of architectures that are not supported.
var ggufOther = map[string]string{
	"gemma4":                   "Gemma 4's BPE on text that is not spelt in byte characters",
	"granite-embed-multi-311m": "Gemma's BPE, of an encoder",
	"sarvam-moe":               "Sarvam's BPE on text that is not spelt in byte characters",
	"whitespace":               "whole words of an encoder, jina-embeddings-v2-base-zh",
	"roberta-bpe":              "an encoder's, with separators around a text",
	"jina-v1-en":               "an encoder's, with separators around a text",
	"jina-v2-code":             "an encoder's, with separators around a text",
}
