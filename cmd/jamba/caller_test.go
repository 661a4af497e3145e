package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"jamba/internal/testutil"
)

// callerTemplate is a chat template of Jamba's format of calls. An answer begins with <|ask|>, or with <|told|> behind results.
const callerTemplate = `{{ bos_token }}{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}<|bom|><|{{ m.role }}|> {{ m.content }}` +
	`{% if m.tool_calls %}<tool_calls>{{ m.tool_calls | tojson }}</tool_calls>{% endif %}<|eom|>{% endfor %}{% if messages[-1].role == 'tool' %}<|told|>{% else %}<|ask|>{% endif %}`

// callerSays is what the model says behind each, in tokens that come once each.
var callerSays = [][]string{
	{"<|ask|>", "Let me", " see.", "<tool_calls>[\n    {\"name\": \"", "get_weather", "\", \"arguments\": ", "{\"city\": \"", "Rome", "\"}", "},\n    {\"name\": \"", "get_time", "\", \"arguments\": {", "}}\n]</tool_calls>", "<|eom|>"},
	{"<|told|>", "It is", " sunny", " at noon.", "<|eom|>"},
}

// writeCaller writes a model that calls tools: a Llama whose layer does nothing, so that the next token depends on the last alone. It has
// the goldens' tokenizer, to which the tokens that it says are added.
func writeCaller(dir string) error {
	const width = 64
	tokenizer := map[string]json.RawMessage{}
	raw, err := os.ReadFile(testutil.Golden("e2e", "model", "tokenizer.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &tokenizer); err != nil {
		return err
	}
	var added []map[string]any
	if err := json.Unmarshal(tokenizer["added_tokens"], &added); err != nil {
		return err
	}
	ids := map[string]int{}
	for _, t := range added {
		ids[t["content"].(string)] = int(t["id"].(float64))
	}
	vocab := 4096
	for _, says := range callerSays {
		for _, s := range says {
			if _, ok := ids[s]; !ok {
				ids[s] = vocab
				added = append(added, map[string]any{
					"id": vocab, "content": s, "special": s[0] == '<' && s[1] == '|', "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
				})
				vocab++
			}
		}
	}
	if tokenizer["added_tokens"], err = json.Marshal(added); err != nil {
		return err
	}
	if raw, err = json.Marshal(tokenizer); err != nil {
		return err
	}
	// The row of what comes next in the head is the last token's embedding.
	embedding, head := make([]float32, vocab*width), make([]float32, vocab*width)
	random := rand.New(rand.NewPCG(1, 2))
	for _, says := range callerSays {
		for i, s := range says[:len(says)-1] {
			for k := range width {
				x := float32(random.NormFloat64())
				embedding[ids[s]*width+k] = x
				head[ids[says[i+1]]*width+k] += x
			}
		}
	}
	ones := make([]float32, width)
	for i := range ones {
		ones[i] = 1
	}
	type entry struct {
		Type    string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, data := map[string]entry{}, []byte{}
	add := func(name string, values []float32, shape ...int) {
		from := len(data)
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[name] = entry{"F32", shape, [2]int{from, len(data)}}
	}
	add("model.embed_tokens.weight", embedding, vocab, width)
	add("lm_head.weight", head, vocab, width)
	add("model.norm.weight", ones, width)
	const layer = "model.layers.0."
	add(layer+"input_layernorm.weight", ones, width)
	add(layer+"post_attention_layernorm.weight", ones, width)
	for _, name := range []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"} {
		add(layer+name+".weight", make([]float32, width*width), width, width)
	}
	names, err := json.Marshal(header)
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": %d, "hidden_size": %d, "intermediate_size": %d,
		"num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6}`, vocab, width, width)
	settings, err := os.ReadFile(testutil.Golden("e2e", "model", "tokenizer_config.json"))
	if err != nil {
		return err
	}
	for name, b := range map[string][]byte{
		"config.json": []byte(config), "tokenizer.json": raw, "tokenizer_config.json": settings, "chat_template.jinja": []byte(callerTemplate),
		"generation_config.json": fmt.Appendf(nil, `{"do_sample": false, "eos_token_id": %d}`, ids["<|eom|>"]),
		"model.safetensors":      append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(names))), names...), data...),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}
