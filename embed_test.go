package jamba_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"strings"
	"testing"

	"jamba"
	"jamba/model"
)

// TestEmbed compares with the final hidden states that a probe sees, which the model's goldens hold to the reference.
func TestEmbed(t *testing.T) {
	m, err := jamba.OpenWith(path, jamba.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	texts := []string{"Seven tree green,", "a", strings.Repeat("The blue house. ", 120)} // the last takes two passes
	for _, o := range []jamba.EmbedOptions{{}, {Pooling: jamba.MeanPooling, Normalize: true}, {Pooling: jamba.LastPooling}, {Pooling: jamba.LastPooling, Normalize: true}} {
		got, err := m.Embed(context.Background(), texts, o)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			ids, err := m.Tokenize(text)
			if err != nil {
				t.Fatal(err)
			}
			var hidden []float32
			p := m.Network().NewPass()
			p.Probe = func(_ int, what model.Probe, values []float32) {
				if what == model.FinalHidden {
					hidden = append(hidden, values...)
				}
			}
			if _, err := p.Logits(context.Background(), model.Span{State: m.Network().NewState(), Tokens: ids, Want: model.NoLogits}); err != nil {
				t.Fatal(err)
			}
			n := len(hidden) / len(ids)
			first := 0
			if o.Pooling == jamba.LastPooling {
				first = len(ids) - 1
			}
			want, length := make([]float64, n), 0.0
			for j := range want {
				for row := first; row < len(ids); row++ {
					want[j] += float64(hidden[row*n+j]) / float64(len(ids)-first)
				}
				length += want[j] * want[j]
			}
			for j, w := range want {
				if o.Normalize {
					w /= math.Sqrt(length)
				}
				if d := math.Abs(float64(got[i][j]) - w); d > 1e-5*(1+math.Abs(w)) {
					t.Fatalf("%+v: text %d: value %d is %v, want %v", o, i, j, got[i][j], w)
				}
			}
		}
	}
	if _, err := m.Embed(context.Background(), []string{"a", strings.Repeat("long ", 1<<20)}, jamba.EmbedOptions{}); err == nil || !strings.HasPrefix(err.Error(), "text 1: the prompt has ") {
		t.Errorf("error %v", err)
	}
	if _, err := m.Embed(context.Background(), texts, jamba.EmbedOptions{Pooling: "max"}); err == nil {
		t.Error("an unknown pooling is no error")
	}
}

func ExampleModel_Embed() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	vectors, err := m.Embed(context.Background(), []string{"a tree", "a house"}, jamba.EmbedOptions{Normalize: true})
	if err != nil {
		log.Fatal(err)
	}
	cosine := 0.0
	for i, x := range vectors[0] {
		cosine += float64(x * vectors[1][i])
	}
	fmt.Println(len(vectors), cosine > 0.1 && cosine < 1)
	// Output: 2 true
}
