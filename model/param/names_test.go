package param

import (
	"testing"
)

// TestNames asserts names that the reference's checkpoints and llama.cpp's files have, and that layers are found in them.
func TestNames(t *testing.T) {
	up := ID{Layer: 3, Part: UpProj, Expert: 12}
	for _, c := range []struct {
		names  *Names
		id     ID
		tensor Tensor
		want   string
	}{
		{&JambaNames, up, Weight, "model.layers.3.feed_forward.experts.12.up_proj.weight"},
		{&MixtralNames, up, Weight, "model.layers.3.block_sparse_moe.experts.12.w3.weight"},
		{&GGUFNames, up, Weight, "blk.3.ffn_up.12.weight"},
		{&LlamaNames, In(0, FeedForwardNorm), Weight, "model.layers.0.post_attention_layernorm.weight"},
		{&MambaNames, In(31, ALog), Itself, "backbone.layers.31.mixer.A_log"},
		{&GGUFNames, In(7, ALog), Itself, "blk.7.ssm_a"},
		{&GGUFNames, In(7, QProj), Bias, "blk.7.attn_q.bias"},
		{&JambaNames, Outside(FinalNorm), Weight, "model.final_layernorm.weight"},
		{&GGUFNames, Outside(Head), Weight, "output.weight"},
	} {
		name := c.names.Tensor(c.id, c.tensor)
		if name != c.want || c.names.LayerOf(name) != c.id.Layer {
			t.Errorf("%+v%s is %s of layer %d, want %s", c.id, c.tensor, name, c.names.LayerOf(name), c.want)
		}
		if c.id.Layer >= 0 && name != c.names.Module(c.id)+string(c.tensor) {
			t.Errorf("%s is not of module %s", name, c.names.Module(c.id))
		}
	}
	if got := GGUFNames.Matrix(up); got != "blk.3.ffn_up_exps.weight" {
		t.Errorf("the matrix of %+v is in %s", up, got)
	}
	if got := up.Kind(); got != "feed_forward.experts.up_proj" {
		t.Errorf("%+v is a %s", up, got)
	}
	for _, name := range []string{"blk.x.attn_q.weight", "blk.-2.attn_q.weight", "blk.99999999999999999999.attn_q.weight", "blk.3", "output.weight", ""} {
		if i := GGUFNames.LayerOf(name); i != -1 {
			t.Errorf("%q is of layer %d", name, i)
		}
	}
}
