package model

import (
	"testing"

	"jamba/model/param"
)

// TestNames asserts names that the reference's checkpoints and llama.cpp's files have, and that layers are found in them.
func TestNames(t *testing.T) {
	up := param.ID{Layer: 3, Part: param.UpProj, Expert: 12}
	for _, c := range []struct {
		names  *naming
		id     param.ID
		tensor param.Tensor
		want   string
	}{
		{architectures["jamba"].names, up, param.Weight, "model.layers.3.feed_forward.experts.12.up_proj.weight"},
		{architectures["mixtral"].names, up, param.Weight, "model.layers.3.block_sparse_moe.experts.12.w3.weight"},
		{&ggufNames, up, param.Weight, "blk.3.ffn_up.12.weight"},
		{architectures["mistral"].names, param.In(0, param.FeedForwardNorm), param.Weight, "model.layers.0.post_attention_layernorm.weight"},
		{architectures["mamba"].names, param.In(31, param.ALog), param.Itself, "backbone.layers.31.mixer.A_log"},
		{&ggufNames, param.In(7, param.ALog), param.Itself, "blk.7.ssm_a"},
		{&ggufNames, param.In(7, param.QProj), param.Bias, "blk.7.attn_q.bias"},
		{architectures["jamba"].names, param.Outside(param.FinalNorm), param.Weight, "model.final_layernorm.weight"},
		{&ggufNames, param.Outside(param.Head), param.Weight, "output.weight"},
	} {
		name := c.names.tensor(c.id, c.tensor)
		if name != c.want || c.names.layerOf(name) != c.id.Layer {
			t.Errorf("%+v%s is %s of layer %d, want %s", c.id, c.tensor, name, c.names.layerOf(name), c.want)
		}
		if c.id.Layer >= 0 && name != c.names.module(c.id)+string(c.tensor) {
			t.Errorf("%s is not of module %s", name, c.names.module(c.id))
		}
	}
	if got := ggufNames.matrix(up); got != "blk.3.ffn_up_exps.weight" {
		t.Errorf("the matrix of %+v is in %s", up, got)
	}
	if got := up.Kind(); got != "feed_forward.experts.up_proj" {
		t.Errorf("%+v is a %s", up, got)
	}
	for _, name := range []string{"blk.x.attn_q.weight", "blk.-2.attn_q.weight", "blk.99999999999999999999.attn_q.weight", "blk.3", "output.weight", ""} {
		if i := ggufNames.layerOf(name); i != -1 {
			t.Errorf("%q is of layer %d", name, i)
		}
	}
}

// TestPairs asserts that rows half a head apart and in pairs are permutations of each other, head by head.
func TestPairs(t *testing.T) {
	got := []int{}
	for i := range 12 {
		got = append(got, halvesRow(i, 6))
	}
	for i, want := range []int{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11} {
		if got[i] != want {
			t.Fatalf("rows %v", got)
		}
	}
}
