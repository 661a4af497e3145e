package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"jamba/format/gguf"
	"jamba/internal/kernel/quant"
	"jamba/internal/printable"
	"jamba/model"
	"jamba/model/param"
	"jamba/tensor"
)

// ggufSource is a GGUF file as a source of tensors.
type ggufSource struct {
	*gguf.File
	infos  map[string]gguf.Info
	native *native // nil: a standard file
}

func (s ggufSource) Has(name string) bool {
	_, ok := s.infos[name]
	return ok
}

func (s ggufSource) Names() []string {
	var names []string
	for _, t := range s.Tensors() {
		if name, _, ok := inPanels(t); ok && s.native != nil {
			t.Name = name
		}
		names = append(names, t.Name)
	}
	return names
}

func openGGUF(path string) (*Checkpoint, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	src := ggufSource{File: f, infos: map[string]gguf.Info{}}
	for _, t := range f.Tensors() {
		src.infos[t.Name] = t
	}
	c := &Checkpoint{Path: path, names: &param.GGUFNames, file: f}
	if src.native, err = readNative(f, src.infos); err == nil {
		c.Config, c.warnings, err = settingsFromGGUF(src)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if c.tensors, c.native = src, src.native; src.native != nil {
		c.Native = &src.native.Native
	}
	for i := range c.warnings {
		c.warnings[i] = path + ": " + c.warnings[i]
	}
	return c, nil
}

// ggufReader fetches metadata of one architecture and keeps the first error.
type ggufReader struct {
	ggufSource
	arch  string
	err   error
	asked map[string]bool // keys that were
}

func newGGUFReader(src ggufSource, arch string) *ggufReader {
	return &ggufReader{src, arch, nil, map[string]bool{}}
}

// read returns the value of the architecture's key, def if it is absent.
func read[T gguf.Value](r *ggufReader, key string, def T) T {
	return readKey(r, r.arch+"."+key, def)
}

func readKey[T gguf.Value](r *ggufReader, key string, def T) T {
	r.asked[key] = true
	v, err := gguf.GetOr(r.Metadata, key, def)
	if err != nil && r.err == nil {
		r.err = err
	}
	return v
}

// need returns the value of the architecture's key, which has to be there.
func need[T gguf.Value](r *ggufReader, key string) T {
	r.asked[r.arch+"."+key] = true
	v, err := gguf.Get[T](r.Metadata, r.arch+"."+key)
	if err != nil && r.err == nil {
		r.err = err
	}
	return v
}

// perLayer returns a key that is one number for all layers, or a list of one for each.
func (r *ggufReader) perLayer(key string, layers, def int) []int {
	full := r.arch + "." + key
	r.asked[full] = true
	list, err := gguf.Get[[]int](r.Metadata, full)
	if err == nil {
		if len(list) != layers && r.err == nil {
			r.err = fmt.Errorf("%s has %d values for %d layers", full, len(list), layers)
		}
		return list
	}
	if errors.Is(err, gguf.ErrNotFound) {
		list = []int{def}
	} else {
		list = []int{need[int](r, key)}
	}
	for len(list) < layers {
		list = append(list, list[0])
	}
	return list
}

// settingsFromGGUF reads the configuration from a file's metadata, and where it says nothing from which tensors there are. It
// returns what a user should know of the metadata, too.
func settingsFromGGUF(src ggufSource) (_ model.Config, warnings []string, _ error) {
	names := &param.GGUFNames
	arch, err := gguf.Get[string](src.Metadata, "general.architecture")
	if err != nil {
		return model.Config{}, nil, err
	}
	if src.native != nil {
		arch = src.native.arch
	}
	switch arch {
	case "jamba", "mamba", "llama":
	default:
		return model.Config{}, nil, fmt.Errorf("architecture \"%s\" is not supported; jamba, llama (also Mistral's and Mixtral's) and mamba are", printable.Cut(arch, 60))
	}
	if err := notAModel(src.Metadata); err != nil {
		return model.Config{}, nil, err
	}
	r := newGGUFReader(src, arch)
	c := model.Config{
		Architecture: arch, HiddenSize: need[int](r, "embedding_length"),
		RMSNormEps: need[float32](r, "attention.layer_norm_rms_epsilon"), MaxPositionEmbeddings: read(r, "context_length", 0),
		TieWordEmbeddings: !r.Has(names.Head),
		BOSTokenID:        readKey(r, "tokenizer.ggml.bos_token_id", -1), PADTokenID: readKey(r, "tokenizer.ggml.padding_token_id", -1),
	}
	for _, key := range []string{"eos_token_id", "eot_token_id", "eom_token_id"} {
		if id := readKey(r, "tokenizer.ggml."+key, -1); id >= 0 {
			c.EOSTokenIDs = append(c.EOSTokenIDs, int32(id))
		}
	}
	layers := need[int](r, "block_count")
	if more := read(r, "nextn_predict_layers", 0); more > 0 && more < layers {
		layers -= more // they come last, and guess further tokens
		warnings = append(warnings, fmt.Sprintf("%s.nextn_predict_layers %d: layers that guess further tokens are not used", arch, more))
	}
	if r.err == nil && (layers < 1 || layers > maxLayers) {
		r.err = fmt.Errorf("block_count is %d, want 1 to %d", layers, maxLayers)
	}
	switch embed, ok := r.infos[names.Embed]; {
	case r.err != nil:
	case !ok:
		r.err = fmt.Errorf("tensor %s is missing", names.Embed)
	case src.native != nil && src.native.panels[names.Embed].name != "":
		c.VocabSize = src.native.vocab
	case len(embed.Shape) != 2:
		r.err = fmt.Errorf("%s: shape %v, want [vocabulary, %d]", names.Embed, embed.Shape, c.HiddenSize)
	default:
		c.VocabSize = embed.Shape[0]
	}
	switch {
	case r.err != nil:
	case arch == "llama":
		r.transformer(&c, layers)
	default:
		r.hybrid(&c, layers)
	}
	if r.err != nil {
		return model.Config{}, nil, r.err
	}
	if err := c.Validate(); err != nil {
		return model.Config{}, nil, err
	}
	more, err := r.unread(&c)
	return c, append(warnings, more...), err
}

// tensorIn reports whether layer i has a tensor of that name in GGUF.
func (r *ggufReader) tensorIn(i int, name string) bool {
	return r.Has(fmt.Sprintf("blk.%d.%s", i, name))
}

// hybrid is Jamba, whose attention layers are those with key/value heads, and Mamba, which has none.
func (r *ggufReader) hybrid(c *model.Config, layers int) {
	if read(r, "ssm.dt_b_c_rms", false) {
		r.err = fmt.Errorf("%s.ssm.dt_b_c_rms (Falcon-Mamba) is not supported", r.arch)
		return
	}
	heads := r.perLayer("attention.head_count", layers, 0)
	kv := r.perLayer("attention.head_count_kv", layers, 0)
	var mamba *model.Mamba
	mlp, moe := r.feedForwards(layers, false)
	for i := 0; i < layers && r.err == nil; i++ {
		var l model.Layer
		switch {
		case kv[i] != 0:
			if l.Attention = r.attention(c, heads[i], kv[i]); r.err != nil {
				return
			}
			l.Attention.Bias = r.attentionBias(i)
		case mamba == nil:
			mamba = &model.Mamba{
				DInner: need[int](r, "ssm.inner_size"), DState: need[int](r, "ssm.state_size"), DConv: need[int](r, "ssm.conv_kernel"),
				DtRank: need[int](r, "ssm.time_step_rank"), InnerNorms: r.arch == "jamba", NormEps: c.RMSNormEps,
				ConvBias: r.inAny(layers, "ssm_conv1d.bias"), ProjBias: r.inAny(layers, "ssm_in.bias", "ssm_out.bias"),
			}
			fallthrough
		default:
			l.Mamba = mamba
		}
		switch {
		case r.arch == "mamba":
		case r.tensorIn(i, "ffn_gate_inp.weight"):
			if l.MoE = moe(i); l.MoE == nil {
				r.err = fmt.Errorf("%s.expert_count is missing or 1, but layer %d has a router", r.arch, i)
			}
		default:
			l.MLP = mlp(i)
		}
		c.Layers = append(c.Layers, l)
	}
}

// transformer is Llama, Mistral and Mixtral.
func (r *ggufReader) transformer(c *model.Config, layers int) {
	heads := r.perLayer("attention.head_count", layers, 0)
	if r.err != nil {
		return
	}
	kv := r.perLayer("attention.head_count_kv", layers, heads[0])
	mlp, moe := r.feedForwards(layers, true)
	if r.err == nil && moe(0) != nil {
		c.Architecture = "mixtral"
	}
	var rope *model.RoPE
	for i := 0; i < layers && r.err == nil; i++ {
		a := r.attention(c, heads[i], kv[i])
		if r.err != nil {
			return
		}
		if rope == nil {
			rope = r.rope(a.HeadDim)
		}
		a.RoPE = rope
		a.SlidingWindow = read(r, "attention.sliding_window", 0) // llama.cpp lets every token see all before it
		a.Bias = r.attentionBias(i)
		l := model.Layer{Attention: a, MoE: moe(i)}
		if l.MoE == nil {
			l.MLP = mlp(i)
		}
		c.Layers = append(c.Layers, l)
	}
}

// feedForwards returns the MLP and the MoE that a layer has, if it has one; layers that are alike share them.
func (r *ggufReader) feedForwards(layers int, normTopK bool) (mlp func(i int) *model.MLP, moe func(i int) *model.MoE) {
	width, experts := r.perLayer("feed_forward_length", layers, 0), read(r, "expert_count", 0)
	used := 0
	if experts > 1 {
		used = need[int](r, "expert_used_count")
	}
	mlps, moes := map[model.MLP]*model.MLP{}, map[model.MoE]*model.MoE{}
	mlp = func(i int) *model.MLP {
		m := model.MLP{IntermediateSize: width[i], Bias: r.anyIn(i, "ffn_gate.bias", "ffn_up.bias", "ffn_down.bias")}
		if mlps[m] == nil {
			mlps[m] = &m
		}
		return mlps[m]
	}
	moe = func(i int) *model.MoE {
		m := model.MoE{IntermediateSize: width[i], NumExperts: experts, NumExpertsPerTok: used, NormTopKProb: normTopK}
		if experts > 1 && moes[m] == nil {
			moes[m] = &m
		}
		return moes[m]
	}
	return mlp, moe
}

func (r *ggufReader) attentionBias(i int) bool {
	return r.anyIn(i, "attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias")
}

// inAny reports whether a layer has one of the tensors.
func (r *ggufReader) inAny(layers int, names ...string) bool {
	for i := range layers {
		if r.anyIn(i, names...) {
			return true
		}
	}
	return false
}

// anyIn reports whether layer i has one of the tensors.
func (r *ggufReader) anyIn(i int, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return r.tensorIn(i, name) })
}

func (r *ggufReader) attention(c *model.Config, heads, kv int) *model.Attention {
	if err := model.CheckSizes(r.arch+".attention.head_count", heads); err != nil {
		r.err = err
		return nil
	}
	return &model.Attention{NumAttentionHeads: heads, NumKeyValueHeads: kv, HeadDim: read(r, "attention.key_length", c.HiddenSize/heads)}
}

// rope reads rotary embedding. Files of architecture llama have the rows of q and k reordered so that pairs lie side by
// side, and hold Llama 3's scaling as a tensor of divisors.
func (r *ggufReader) rope(headDim int) *model.RoPE {
	if n := read(r, "rope.dimension_count", headDim); n != headDim && r.err == nil {
		r.err = fmt.Errorf("%s.rope.dimension_count %d is not the head's dimension %d", r.arch, n, headDim)
	}
	rope := &model.RoPE{Theta: float64(read(r, "rope.freq_base", float32(10000))), Interleaved: true}
	// The key's older form, and llama.cpp's default where there is a factor.
	rope.Factor = float64(read(r, "rope.scaling.factor", read(r, "rope.scale_linear", float32(0))))
	scaling := "none"
	if rope.Factor != 0 {
		scaling = "linear"
	}
	if scaling = read(r, "rope.scaling.type", scaling); scaling != "none" {
		if rope.Factor == 0 {
			rope.Factor = 1
		}
		rope.Scaling = strings.ToLower(scaling)
		rope.OriginalMax = read(r, "rope.scaling.original_context_length", read(r, "context_length", 0))
		rope.BetaFast = float64(read(r, "rope.scaling.yarn_beta_fast", float32(32)))
		rope.BetaSlow = float64(read(r, "rope.scaling.yarn_beta_slow", float32(1)))
		if rope.Scaling == "yarn" {
			// llama.cpp multiplies this by the factor that the reference takes when the settings give none.
			if f := float64(read(r, "rope.scaling.attn_factor", float32(1))); f != 1 {
				rope.AttnFactor = f * model.YarnScale(rope.Factor, 1)
			}
		}
	}
	if r.Has(param.RopeFactors) && r.err == nil {
		var t tensor.Tensor
		if t, r.err = fetch(r.ggufSource, param.RopeFactors, headDim/2); r.err == nil {
			rope.FreqFactors = make([]float32, t.Numel())
			quant.Values(rope.FreqFactors, t, 0)
		}
	}
	return rope
}
