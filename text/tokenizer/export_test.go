package tokenizer

import (
	"cmp"
	"slices"
	"testing"
)

// TestGGUFOfSentencePiece expects the pieces and their kinds as the file has them, and scores in the same order.
func TestGGUFOfSentencePiece(t *testing.T) {
	for _, style := range styles[:2] {
		want := llamaGGUF(t, style)
		got, lost, err := loadModel(t, style).GGUF()
		if err != nil || lost != nil {
			t.Fatal(lost, err)
		}
		if got.Model != "llama" || !slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.TokenTypes, want.TokenTypes) {
			t.Errorf("%s: tokens or types differ", style)
		}
		for i := 1; i < len(got.Tokens); i++ {
			if want.TokenTypes[i] != want.TokenTypes[i-1] {
				continue
			}
			if cmp.Compare(got.Scores[i], got.Scores[i-1]) != cmp.Compare(want.Scores[i], want.Scores[i-1]) {
				t.Errorf("%s: scores of tokens %d and %d: %v and %v, in the file %v and %v", style, i-1, i,
					got.Scores[i-1], got.Scores[i], want.Scores[i-1], want.Scores[i])
				break
			}
		}
	}
}

// TestGGUFOfUserPieces has a piece of spaces, which is looked for in the text.
func TestGGUFOfUserPieces(t *testing.T) {
	v := spmVocab{userDefinedInside: true, escape: true, pieces: []spmPiece{
		{"<unk>", 0, pieceUnknown},
		{"<s>", 0, pieceControl},
		{"▁▁▁", 0, pieceUserDefined},
		{"▁", -1, pieceNormal},
		{"a", -2, pieceNormal},
		{"b", -3, pieceNormal},
		{"▁b", -4, pieceNormal},
		{"▁▁", -5, pieceUnused},
	}}
	tk, err := v.tokenizer(Config{})
	if err != nil {
		t.Fatal(err)
	}
	g, _, err := tk.GGUF() // single letters have no piece, which the probes tell
	if err != nil {
		t.Fatal(err)
	}
	if want := []int32{2, 3, 4, 1, 1, 1, 1, 5}; !slices.Equal(g.TokenTypes, want) {
		t.Errorf("types %v, want %v", g.TokenTypes, want)
	}
	if g.Tokens[2] != "   " || g.Tokens[3] != "▁" {
		t.Errorf("tokens %q: llama.cpp looks for those of users before it writes spaces as ▁", g.Tokens)
	}
	other, err := FromGGUF(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a b", "a   b", "a    b", "a  b", "   a", "      "} {
		if got, want := encode(t, other, text, false), encode(t, tk, text, false); !slices.Equal(got, want) {
			t.Errorf("%q becomes %v, want %v", text, got, want)
		}
	}
}
