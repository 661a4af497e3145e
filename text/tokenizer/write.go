package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Trained is a tokenizer that Train made, in the form that it is written in.
type Trained struct {
	Kind    Kind
	Tokens  []string    // by id; the added tokens come first
	Merges  [][2]string // in the order that they are made in
	Special int         // the first tokens, which are special
	Markers int         // the tokens after them, which are added ones, too
}

// Tokenizer returns the tokenizer that works.
func (t *Trained) Tokenizer() (*Tokenizer, error) {
	file, err := t.JSON()
	if err != nil {
		return nil, err
	}
	config, err := t.ConfigJSON()
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(config)
	if err != nil {
		return nil, err
	}
	return FromJSON(file, c)
}

// JSON returns the tokenizer as the tokenizer.json of the Hugging Face tokenizers library. <|startoftext|> is put in front
// of a text. FromJSON reads it.
func (t *Trained) JSON() ([]byte, error) {
	file := object{
		{"version", "1.0"},
		{"truncation", nil},
		{"padding", nil},
		{"added_tokens", t.addedTokens()},
		{"normalizer", nil},
		{"pre_tokenizer", nil},
		{"post_processor", t.postProcessor()},
		{"decoder", object{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
		{"model", t.model()},
	}
	byteLevel := object{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", t.Kind == KindGPT2}}
	switch t.Kind {
	case KindJamba:
		replace := func(from, to string) object {
			return object{{"type", "Replace"}, {"pattern", object{{"String", from}}}, {"content", to}}
		}
		file.set("normalizer", object{{"type", "Sequence"}, {"normalizers", []any{replace(" ", metaChar)}}})
		file.set("decoder", object{{"type", "Sequence"}, {"decoders", []any{
			replace(metaChar, " "), object{{"type", "ByteFallback"}}, object{{"type", "Fuse"}},
		}}})
	case KindLlama3:
		file.set("pre_tokenizer", object{{"type", "Sequence"}, {"pretokenizers", []any{
			object{{"type", "Split"}, {"pattern", object{{"Regex", llama3Pattern}}}, {"behavior", isolated}, {"invert", false}}, byteLevel,
		}}})
	case KindGPT2:
		file.set("pre_tokenizer", byteLevel)
	default:
		return nil, fmt.Errorf("tokenizer: kind %.100q is not known", t.Kind)
	}
	return indented(file)
}

func (t *Trained) addedTokens() []any {
	added := make([]any, t.Special+t.Markers)
	for id := range added {
		added[id] = object{
			{"id", id},
			{"content", t.Tokens[id]},
			{"single_word", false},
			{"lstrip", false},
			{"rstrip", false},
			{"normalized", false},
			{"special", id < t.Special},
		}
	}
	return added
}

func (t *Trained) postProcessor() object {
	bos := func(typeID int) object {
		return object{{"SpecialToken", object{{"id", bosToken}, {"type_id", typeID}}}}
	}
	sequence := func(name string, typeID int) object {
		return object{{"Sequence", object{{"id", name}, {"type_id", typeID}}}}
	}
	return object{
		{"type", "TemplateProcessing"},
		{"single", []any{bos(0), sequence("A", 0)}},
		{"pair", []any{bos(0), sequence("A", 0), bos(1), sequence("B", 1)}},
		{"special_tokens", object{
			{bosToken, object{{"id", bosToken}, {"ids", []int{1}}, {"tokens", []string{bosToken}}}},
		}},
	}
}

func (t *Trained) model() object {
	vocab := make(object, len(t.Tokens))
	for id, token := range t.Tokens {
		vocab[id] = field{token, id}
	}
	merges := t.Merges
	if merges == nil {
		merges = [][2]string{}
	}
	m := object{
		{"type", "BPE"},
		{"dropout", nil},
		{"unk_token", nil},
		{"continuing_subword_prefix", nil},
		{"end_of_word_suffix", nil},
		{"fuse_unk", false},
		{"byte_fallback", false},
		{"ignore_merges", false},
		{"vocab", vocab},
		{"merges", merges},
	}
	if t.Kind == KindJamba {
		m.set("unk_token", unkToken)
		m.set("fuse_unk", true)
		m.set("byte_fallback", true)
	}
	return m
}

// ConfigJSON returns the tokenizer_config.json that belongs beside it.
func (t *Trained) ConfigJSON() ([]byte, error) {
	c := object{
		{"tokenizer_class", "PreTrainedTokenizerFast"},
		{"add_bos_token", true},
		{"add_eos_token", false},
		{"clean_up_tokenization_spaces", false},
	}
	for _, s := range baseSpecial {
		c = append(c, field{s.name, s.content})
	}
	return indented(c)
}

// ChatTemplate is a template for the message protocol of Jamba 1.5 and later, for tokenizers with ChatMarkers. It takes
// plain messages of text, and marks what the assistant says as generated. It belongs into chat_template.jinja.
const ChatTemplate = `{{- bos_token -}}
{%- for message in messages -%}
    {{- '<|bom|><|' + message.role + '|>' -}}
    {%- if message.role == 'assistant' -%}
        {%- generation -%}{{- ' ' + message.content + '<|eom|>' -}}{%- endgeneration -%}
    {%- else -%}
        {{- ' ' + message.content + '<|eom|>' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|bom|><|assistant|>' -}}{%- endif -%}
`

// object is a JSON object whose fields keep their order.
type object []field

type field struct {
	key   string
	value any
}

func (o object) set(key string, v any) {
	for i := range o {
		if o[i].key == key {
			o[i].value = v
		}
	}
}

// MarshalJSON writes the fields one after the other.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{f.key, f.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			s, err := plainJSON(v)
			if err != nil {
				return nil, err
			}
			b.Write(s)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// plainJSON is v in JSON with < > & as they are.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func indented(v any) ([]byte, error) {
	b, err := plainJSON(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, b, "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}
