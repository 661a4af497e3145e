package checkpoint_test

import (
	"context"
	"fmt"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
)

// TestGGUF writes each reference checkpoint that the format can express as GGUF, and expects the reference's logits.
func TestGGUF(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		switch g.Name {
		case "jamba-odd-tied", "mistral-window", "jamba-v01-mini-bf16":
			t.Skip("GGUF has no projection biases and no sliding window for these; in bfloat16 nothing is new")
		}
		dir := testutil.Golden("models", g.Name)
		if g.Name == "model" {
			dir = testutil.Golden("e2e", "model")
		}
		m, err := golden.OpenModel(golden.Convert(t, g, dir), checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if len(golden.From(m).Unused()) > 0 {
			t.Errorf("tensors that the network does not use: %v", golden.From(m).Unused())
		}
		if got, want := fmt.Sprint(m.Config.EOSTokenIDs, m.Config.BOSTokenID, m.Config.VocabSize), fmt.Sprint(g.Model.Config.EOSTokenIDs, g.Model.Config.BOSTokenID, g.Vocab); got != want {
			t.Errorf("eos, bos, vocabulary %s, want %s", got, want)
		}
		if got, want := m.Sizes().Total(), g.Model.Sizes().Total(); got.Params != want.Params || got.ActiveParams != want.ActiveParams {
			t.Errorf("sizes %+v, want %+v", got, want)
		}
		want, _ := g.Tensors.Floats("logits")
		got, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: g.IDs, Want: model.AllLogits})
		if err != nil {
			t.Fatal(err)
		}
		g.Near(t, "logits", got, want)
	})
}
