package model_test

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/state"
	"jamba/tensor"
)

// TestCoded opens a network whose matrices are BF16 for the fast pass, which keeps them in 12 bits where the kernels can: it has the
// logits of the exact pass bit for bit, nothing is used in place, and ReadSizes says what is read.
func TestCoded(t *testing.T) {
	c := model.Config{
		Architecture: "jamba", VocabSize: 40, HiddenSize: 128, RMSNormEps: 1e-6, BOSTokenID: -1, PADTokenID: -1,
		Layers: []model.Layer{
			{
				Mamba: &model.Mamba{DInner: 256, DState: 4, DConv: 3, DtRank: 2, ConvBias: true, InnerNorms: true, NormEps: 1e-6},
				MoE:   &model.MoE{IntermediateSize: 128, NumExperts: 3, NumExpertsPerTok: 2},
			},
			{
				Attention: &model.Attention{NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 64},
				MLP:       &model.MLP{IntermediateSize: 384},
			},
		},
	}
	owner, err := model.New(c, 7, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([]int32, 70)
	for i := range tokens {
		tokens[i] = int32(i * i % 40)
	}
	open := func(p model.Precision) (*model.Model, *memory, []float32) {
		source := newMemory(owner)
		for name, x := range source.tensors {
			if values, ok := x.Float32s(); ok && len(x.Shape) == 2 && x.Shape[1]%128 == 0 {
				data := make([]byte, 2*len(values))
				for i, v := range values {
					binary.LittleEndian.PutUint16(data[2*i:], uint16(math.Float32bits(v)>>16))
				}
				source.tensors[name] = tensor.Tensor{Name: x.Name, DType: tensor.BF16, Shape: x.Shape, Data: data}
			}
		}
		m, err := model.Load(c, model.Stage{}, source)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Prepare(context.Background(), p, tensor.F32, nil); err != nil {
			t.Fatal(err)
		}
		pass, s := m.NewPass(), m.NewState()
		var all []float32
		for _, n := range []int{1, 2, 7, 60} { // few rows and many
			logits, err := pass.Logits(context.Background(), model.Span{State: s, Tokens: tokens[:n], Want: model.AllLogits})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, slices.Clone(logits)...)
		}
		return m, source, all
	}
	exact, _, want := open(model.Exact)
	fast, source, got := open(model.Fast)
	if !slices.Equal(got, want) {
		t.Error("other logits than of the exact pass")
	}
	if free, known := state.Available(); !known || free < 1<<24 || !strings.HasPrefix(kernel.Tier(), "avx") {
		t.Skip("these kernels, or a system that does not say how much memory is free, leave them in 16 bits")
	}
	// What is left in place are the projections to dt's rank and from it, which are float32 here.
	if exact.InPlace() == 0 || kernel.LargePages() && fast.InPlace() != 0 || source.released == 0 {
		t.Errorf("%d bytes are used in place, %d by the exact pass, %d were released", fast.InPlace(), exact.InPlace(), source.released)
	}
	if fast.Sizes().Total().Bytes != exact.Sizes().Total().Bytes {
		t.Errorf("the file has %+v, by the exact pass %+v", fast.Sizes().Total(), exact.Sizes().Total())
	}
	for i := range c.Layers {
		of, read := exact.ReadSizes().Layers[i], fast.ReadSizes().Layers[i]
		if read.Bytes >= of.Bytes*9/10 || of.ExpertBytes > 0 && read.ExpertBytes >= of.ExpertBytes*9/10 {
			t.Errorf("layer %d: products read %+v, by the exact pass %+v", i, read, of)
		}
	}
}
