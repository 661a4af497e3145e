package text

import (
	"slices"
	"testing"

	"jamba/text/tokenizer"
)

// TestEnds expects what llama.cpp (llama_vocab, special_eog_ids) takes for the end of an answer.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		tokens []string // all control tokens, from id 3
		named  []int32
		want   []string
	}{
		{"llama 3", []string{"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|start_header_id|>"}, nil, []string{"<|end_of_text|>", "<|eot_id|>", "<|eom_id|>"}},
		{"chatml", []string{"<|im_start|>", "<|im_end|>", "<|endoftext|>"}, nil, []string{"<|im_end|>", "<|endoftext|>"}},
		{"gemma", []string{"<start_of_turn>", "<end_of_turn>", "<eos>"}, nil, []string{"<end_of_turn>", "<eos>"}},
		{"phi 3", []string{"<|user|>", "<|end|>", "<|assistant|>"}, nil, []string{"<|end|>"}},
		{"harmony", []string{"<|end|>", "<|return|>", "<|call|>", "<|message|>"}, nil, []string{"<|return|>", "<|call|>"}},
		{"harmony's calls alone", []string{"<|end|>", "<|call|>"}, nil, []string{"<|end|>", "<|call|>"}},
		{"solar", []string{"<|end|>", "<|flush|>", "<|calls|>"}, nil, []string{"<|flush|>", "<|calls|>"}},
		{"harmony, named", []string{"<|end|>", "<|return|>", "<|call|>"}, []int32{3}, []string{"<|end|>", "<|return|>", "<|call|>"}},
		{"jamba", []string{"<|bom|>", "<|eom|>"}, []int32{4}, []string{"<|eom|>"}},
		{"jamba, not named", []string{"<|bom|>", "<|eom|>"}, nil, nil},
		{"code", []string{"<|fim_prefix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"}, nil, []string{"<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"}},
		{"s as text", []string{"<|tool_response>", "<turn|>"}, nil, []string{"<|tool_response>", "<turn|>"}},
		{"nearly", []string{"<|im_end|> ", "<|IM_END|>", "im_end", "<eot>"}, nil, nil},
	} {
		g := tokenizer.GGUF{
			Model: "llama", Tokens: append([]string{"<unk>", "<s>", "</s>"}, c.tokens...), TokenTypes: []int32{2, 3, 3}, Scores: make([]float32, 3+len(c.tokens)),
			BOS: 1, EOS: -1, UNK: 0, PAD: -1,
		}
		if c.name == "s as text" {
			g.EOS = 4
		}
		for range c.tokens {
			g.TokenTypes = append(g.TokenTypes, 3)
		}
		tok, err := tokenizer.FromGGUF(g)
		if err != nil {
			t.Fatal(c.name, err)
		}
		var got []string
		for _, id := range Ends(tok, c.named) {
			if s, _ := tok.Token(id); s != "</s>" || c.name == "s as text" {
				got = append(got, s)
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
