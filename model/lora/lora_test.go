package lora_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/testutil"
	"jamba/model/lora"
	"jamba/tensor"
)

func modules(t *testing.T, name string) []lora.Module {
	t.Helper()
	m, err := checkpoint.OpenModel(testutil.Golden("models", name), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m.Modules()
}

// TestTargets asserts which modules targets choose, and that the names which are written for groups choose the same in PEFT,
// whose rule is that a module's name is one of them or ends in one after a dot.
func TestTargets(t *testing.T) {
	for _, test := range []struct {
		model   string
		targets string
		want    string // of the modules
	}{
		{"jamba-v01-mini", "q_proj", "1 self_attn.q_proj"},
		{"jamba-v01-mini", "attention", "1 self_attn.q_proj 1 self_attn.k_proj 1 self_attn.v_proj 1 self_attn.o_proj"},
		{"jamba-v01-mini", "mamba", "7 mamba.in_proj 7 mamba.x_proj 7 mamba.dt_proj 7 mamba.out_proj"},
		{"jamba-v01-mini", "mlp", "4 feed_forward.gate_proj 4 feed_forward.up_proj 4 feed_forward.down_proj"},
		{"jamba-v01-mini", "experts", "16 feed_forward.experts.gate_proj 16 feed_forward.experts.up_proj 16 feed_forward.experts.down_proj"},
		{"jamba-v01-mini", "gate_proj", "4 feed_forward.gate_proj 16 feed_forward.experts.gate_proj"},
		{"jamba-v01-mini", "feed_forward.gate_proj,router", "4 feed_forward.gate_proj 4 feed_forward.router"},
		{"jamba-v01-mini", "model.layers.0.mamba.dt_proj,experts.3.up_proj", "1 mamba.dt_proj 4 feed_forward.experts.up_proj"},
		{"jamba-v01-mini", "all", "1 self_attn.q_proj 1 self_attn.k_proj 1 self_attn.v_proj 1 self_attn.o_proj " +
			"7 mamba.in_proj 7 mamba.x_proj 7 mamba.dt_proj 7 mamba.out_proj " +
			"4 feed_forward.gate_proj 4 feed_forward.up_proj 4 feed_forward.down_proj " +
			"16 feed_forward.experts.gate_proj 16 feed_forward.experts.up_proj 16 feed_forward.experts.down_proj"},
		{"llama-tiny", "mlp", "4 feed_forward.gate_proj 4 feed_forward.up_proj 4 feed_forward.down_proj"},
		{"mixtral-tiny", "experts", "16 feed_forward.experts.gate_proj 16 feed_forward.experts.up_proj 16 feed_forward.experts.down_proj"},
		{"mixtral-tiny", "w2", "16 feed_forward.experts.down_proj"},
		{"mixtral-tiny", "all", "4 self_attn.q_proj 4 self_attn.k_proj 4 self_attn.v_proj 4 self_attn.o_proj " +
			"16 feed_forward.experts.gate_proj 16 feed_forward.experts.up_proj 16 feed_forward.experts.down_proj"},
		{"mamba-tiny", "embed,head", "1 embed_tokens 1 lm_head"},
		{"mamba-tiny", "embeddings", "1 embed_tokens"},
		{"llama-tiny", "head,q_proj", "4 self_attn.q_proj 1 lm_head"},
		{"mamba-tiny", "all", "4 mamba.in_proj 4 mamba.x_proj 4 mamba.dt_proj 4 mamba.out_proj"},
	} {
		all := modules(t, test.model)
		a, err := lora.New(lora.Config{R: 1, Alpha: 1, Targets: strings.Split(test.targets, ",")}, all, 1)
		if err != nil {
			t.Error(err)
			continue
		}
		var got []string
		for _, c := range a.Coverage(all) {
			if c.Adapted > 0 {
				got = append(got, fmt.Sprint(c.Adapted, " ", c.Part))
			}
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s, %s: adapts %s, want %s", test.model, test.targets, got, test.want)
		}
		adapted := map[string]bool{}
		for _, p := range a.Pairs {
			adapted[p.Name] = true
		}
		for _, m := range all {
			peft := slices.ContainsFunc(a.Config.Targets, func(target string) bool {
				return m.Name == target || strings.HasSuffix(m.Name, "."+target)
			})
			if peft != adapted[m.Name] {
				t.Errorf("%s, %s: PEFT adapts %s: %v, here: %v", test.model, test.targets, m.Name, peft, adapted[m.Name])
			}
		}
	}
}

func TestNewBad(t *testing.T) {
	all := modules(t, "jamba-attn-moe-sharded")
	for _, test := range []struct {
		config lora.Config
		want   string
	}{
		{lora.Config{R: 1, Alpha: 1, Targets: []string{"q_proj", "in_proj"}}, `target "in_proj" matches no module; the model has embed_tokens, q_proj, k_proj, v_proj, o_proj, router, gate_proj, up_proj, down_proj, lm_head, and the groups embed, attention, experts, head, all`},
		{lora.Config{R: 1, Alpha: 1, Targets: []string{"mamba"}}, `target "mamba" matches no module`},
		{lora.Config{R: 1, Alpha: 1, Targets: []string{"proj"}}, `target "proj" matches no module`},
		{lora.Config{R: 1, Alpha: 1}, "no target modules"},
		{lora.Config{R: 0, Alpha: 1, Targets: []string{"all"}}, "r is 0, want an integer from 1 to 65536"},
		{lora.Config{R: 1 << 40, Alpha: 1, Targets: []string{"all"}}, "r is 1.099511627776e+12, want"},
		{lora.Config{R: 1025, Alpha: 1, Targets: []string{"q_proj"}}, "q_proj: r is 1025, more than 1024 are of no use there"},
		{lora.Config{R: 1, Alpha: math.NaN(), Targets: []string{"all"}}, "lora_alpha NaN over r 1 is no scale"},
		{lora.Config{R: 1, Alpha: 1e300, Targets: []string{"all"}}, "is no scale"},
	} {
		if _, err := lora.New(test.config, all, 1); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want one with %q", test.config, err, test.want)
		}
	}
}

// TestNew asserts how a new adapter begins: A as PEFT's, B zero, the same for the same seed.
func TestNew(t *testing.T) {
	all := modules(t, "jamba-v01-mini")
	c := lora.Config{R: 16, Alpha: 32, Targets: []string{"all"}}
	a, err := lora.New(c, all, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := lora.New(c, all, 1)
	other, _ := lora.New(c, all, 2)
	for i, p := range a.Pairs {
		if p.Scale != 2 || slices.ContainsFunc(p.B, func(v float32) bool { return v != 0 }) {
			t.Errorf("%s: scale %v, or B is not 0", p.Name, p.Scale)
		}
		bound := 1 / math.Sqrt(float64(p.In))
		squares := 0.0
		for _, v := range p.A {
			if math.Abs(float64(v)) > bound {
				t.Fatalf("%s: A has %v, beyond %v", p.Name, v, bound)
			}
			squares += float64(v) * float64(v)
		}
		// The variance of a uniform distribution.
		if got, want := squares/float64(len(p.A)), bound*bound/3; math.Abs(got/want-1) > 6/math.Sqrt(float64(len(p.A))) {
			t.Errorf("%s: variance %v, want %v", p.Name, got, want)
		}
		if !slices.Equal(p.A, again.Pairs[i].A) || slices.Equal(p.A, other.Pairs[i].A) {
			t.Errorf("%s: seeds do not hold", p.Name)
		}
	}
	c.RSLoRA = true
	if a, err = lora.New(c, all, 1); err != nil || a.Pairs[0].Scale != 8 {
		t.Errorf("rsLoRA of alpha 32 and r 16 scales by %v (%v)", a.Pairs[0].Scale, err)
	}
}

// TestFile asserts that an adapter that is written and read is the same, and one of PEFT's with its patterns, too.
func TestFile(t *testing.T) {
	all := modules(t, "jamba-v01-mini")
	fresh, err := lora.New(lora.Config{R: 3, Alpha: 4.5, RSLoRA: true, Targets: []string{"experts", "mamba"}, Base: "base"}, all, 1)
	if err != nil {
		t.Fatal(err)
	}
	fresh.Pairs[0].B[1] = 5
	peft, err := checkpoint.OpenAdapter(testutil.Golden("adapters", "jamba-v01-mini.patterns"), all)
	if err != nil {
		t.Fatal(err)
	}
	// Ranks and scales by pattern: alpha 6, r 4, over the root of r.
	for _, want := range []struct {
		name  string
		r     int
		scale float64
	}{
		{"model.layers.0.mamba.in_proj", 5, 6 / math.Sqrt(5)},
		{"model.layers.1.mamba.in_proj", 4, 3},
		{"model.layers.2.mamba.dt_proj", 2, 6 / math.Sqrt(2)},
		{"model.layers.4.self_attn.q_proj", 4, 1.5},
		{"model.layers.4.self_attn.v_proj", 4, 3},
		{"model.layers.1.feed_forward.experts.2.up_proj", 4, 6},
	} {
		i := slices.IndexFunc(peft.Pairs, func(p *lora.Pair) bool { return p.Name == want.name })
		if i < 0 || peft.Pairs[i].R != want.r || math.Abs(float64(peft.Pairs[i].Scale)-want.scale) > 1e-6 {
			t.Errorf("%s: %+v, want r %d and scale %v", want.name, peft.Pairs[i], want.r, want.scale)
		}
	}
	for _, a := range []*lora.Adapter{fresh, peft} {
		dir := filepath.Join(t.TempDir(), "adapter")
		for range 2 { // the second time over the first
			if err := checkpoint.WriteAdapter(dir, a); err != nil {
				t.Fatal(err)
			}
		}
		got, err := checkpoint.OpenAdapter(dir, all)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Pairs) != len(a.Pairs) || got.Params() != a.Params() {
			t.Fatal("other pairs")
		}
		for i, p := range got.Pairs {
			want := a.Pairs[i]
			if p.Module != want.Module || p.Scale != want.Scale || p.R != want.R || !slices.Equal(p.A, want.A) || !slices.Equal(p.B, want.B) {
				t.Errorf("%s is another", p.Name)
			}
		}
		first, _ := a.Config.JSON()
		second, _ := got.Config.JSON()
		if string(first) != string(second) {
			t.Errorf("settings %s become %s", first, second)
		}
	}
}

func TestCoverage(t *testing.T) {
	all := modules(t, "jamba-v01-mini")
	a, err := lora.New(lora.Config{R: 2, Alpha: 1, Targets: []string{"in_proj", "attention", "model.layers.3.feed_forward.experts.1.down_proj", "experts.2.down_proj"}}, all, 1)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := a.Coverage(all).Write(&b); err != nil {
		t.Fatal(err)
	}
	// Parameters by hand: r·(in + out) each, hidden size 32, inner 64, intermediate 56, keys and values 16.
	want := `group      module                          adapted   layers   parameters
attention  self_attn.q_proj                1 of 1    4        128
attention  self_attn.k_proj                1 of 1    4        96
attention  self_attn.v_proj                1 of 1    4        96
attention  self_attn.o_proj                1 of 1    4        128
mamba      mamba.in_proj                   7 of 7    0-3,5-7  2240
mamba      mamba.x_proj                    0 of 7    -        0
mamba      mamba.dt_proj                   0 of 7    -        0
mamba      mamba.out_proj                  0 of 7    -        0
mlp        feed_forward.gate_proj          0 of 4    -        0
mlp        feed_forward.up_proj            0 of 4    -        0
mlp        feed_forward.down_proj          0 of 4    -        0
experts    feed_forward.experts.gate_proj  0 of 16   -        0
experts    feed_forward.experts.up_proj    0 of 16   -        0
experts    feed_forward.experts.down_proj  5 of 16   1,3,5,7  880
router     feed_forward.router             0 of 4    -        0
embed      embed_tokens                    0 of 1    -        0
head       lm_head                         0 of 1    -        0
all                                        16 of 98           3568
`
	if b.String() != want {
		t.Errorf("coverage\n%swant\n%s", b.String(), want)
	}
	if got := a.Coverage(all).Groups(); got != "attention, mamba, experts" {
		t.Errorf("groups %q", got)
	}
}

// TestOpenBad changes an adapter's settings or tensors.
func TestOpenBad(t *testing.T) {
	all := modules(t, "jamba-v01-mini")
	const q = "base_model.model.model.layers.4.self_attn.q_proj"
	plain := map[string][]int{q + lora.SuffixA: {2, 32}, q + lora.SuffixB: {32, 2}}
	with := func(name string, shape ...int) map[string][]int {
		return map[string][]int{q + lora.SuffixA: {2, 32}, q + lora.SuffixB: {32, 2}, name: shape}
	}
	for _, test := range []struct {
		name    string
		key     string
		value   any
		tensors map[string][]int
		want    string // "": no error
	}{
		{"as it is", "", nil, plain, ""},
		{"target_modules all-linear", "target_modules", "all-linear", plain, ""},
		{"a regular expression", "target_modules", ".*q_proj", plain, ""},
		{"settings of training", "lora_dropout", 0.1, plain, ""},
		{"an unknown setting that is off", "use_something", false, plain, ""},
		{"peft_type", "peft_type", "LOHA", plain, `adapter_config.json: peft_type is "LOHA"; LORA is supported`},
		{"bias", "bias", "all", plain, `bias is "all"; none is supported`},
		{"lora_bias", "lora_bias", true, plain, "lora_bias is true, which means biases beside lora_B"},
		{"rows of the embedding", "trainable_token_indices", []int{1, 2}, plain, "trainable_token_indices is [1,2], which means rows of the embedding"},
		{"replicated layers", "layer_replication", [][]int{{0, 4}}, plain, "layer_replication is [[0,4]]"},
		{"megatron", "megatron_config", map[string]any{"x": 1}, plain, "megatron_config is"},
		{"qalora", "use_qalora", true, plain, "use_qalora is true"},
		{"kasa", "kasa_config", map[string]any{"x": 1}, plain, "kasa_config is"},
		{"corda", "init_lora_weights", "corda", plain, "init_lora_weights is corda"},
		{"olora", "init_lora_weights", "olora", plain, "init_lora_weights is olora"},
		{"eva", "init_lora_weights", "eva", plain, ""},
		{"another module saved", "modules_to_save", []string{"final_layernorm"}, with("base_model.model.model.final_layernorm.weight", 32), "final_layernorm.weight: a whole weight (modules_to_save); those of the embedding and the head are supported"},
		{"the module itself saved", "modules_to_save", []string{"q_proj"}, plain, "modules_to_save leaves out the module"},
		{"a resized head", "modules_to_save", []string{"lm_head"}, with("base_model.model.lm_head.weight", 300, 32), "lm_head.weight: shape [300 32], want [256 32]; was the vocabulary resized"},
		{"exclude_modules", "exclude_modules", []string{"q_proj"}, plain, "exclude_modules leaves out the module"},
		{"exclude_modules by expression", "exclude_modules", ".*layers.4.*", plain, "exclude_modules leaves out the module"},
		{"exclude_modules no list", "exclude_modules", 5, plain, "exclude_modules is neither"},
		{"layers_to_transform", "layers_to_transform", []int{3}, plain, "layers_to_transform leaves out the module"},
		{"layers_to_transform a word", "layers_to_transform", "4", plain, "layers_to_transform: want an integer"},
		{"layers_pattern", "layers_pattern", "layers", plain, "layers_pattern is there without layers_to_transform"},
		{"q_proj as an embedding", "", nil, map[string][]int{q + ".lora_embedding_A": {2, 32}, q + ".lora_embedding_B": {32, 2}}, "the module model.layers.4.self_attn.q_proj has other names"},
		{"the embedding as a layer", "target_modules", []string{"embed_tokens", "q_proj"}, with("base_model.model.model.embed_tokens"+lora.SuffixA, 2, 32), "the module model.embed_tokens has other names"},
		{"a slow expression", "target_modules", "(?=m)(.*)*(.*)*(.*)*(.*)*(.*)*(.*)*x", plain, "target_modules: the regular expression takes more than 1s"},
		{"a long expression", "target_modules", strings.Repeat("a", 5000), plain, "at most 4096"},
		{"use_dora", "use_dora", true, plain, "use_dora is true"},
		{"pissa", "init_lora_weights", "pissa_niter_4", plain, "init_lora_weights is pissa"},
		{"target_parameters", "target_parameters", []string{"x"}, plain, `target_parameters is ["x"], which means parameters that are no module's weight`},
		{"an unknown setting", "use_something", true, plain, ""},
		{"no targets", "target_modules", nil, plain, "target_modules is neither"},
		{"targets of another type", "target_modules", 5, plain, "target_modules is neither"},
		{"a broken expression", "target_modules", "(", plain, "target_modules: error parsing regexp"},
		{"look-ahead", "target_modules", "(?!x).*", plain, ""},
		{"other targets", "target_modules", []string{"k_proj"}, plain, q + lora.SuffixA + ": target_modules do not match"},
		{"a target without tensors", "target_modules", []string{"q_proj", "in_proj"}, plain, ""},
		{"r of another type", "r", "2", plain, "r is a JSON string"},
		{"r 0", "r", 0, plain, "r is 0, want"},
		{"rank 3", "r", 3, plain, q + lora.SuffixA + ": shape [2 32], want [3 32]"},
		{"rank_pattern", "rank_pattern", map[string]any{"q_proj": 3}, plain, q + lora.SuffixA + ": shape [2 32], want [3 32]"},
		{"rank_pattern of other names", "rank_pattern", map[string]any{"proj": 3, "layers.5": 3, "q_proj.x": 3}, plain, ""},
		{"half a rank", "rank_pattern", map[string]any{"q_proj": 1.5}, plain, "r is 1.5, want an integer"},
		{"rank_pattern no number", "rank_pattern", map[string]any{"q_proj": "x"}, plain, "rank_pattern has for q_proj no number"},
		{"rank_pattern no object", "rank_pattern", []int{1}, plain, "rank_pattern is no object of numbers"},
		{"alpha_pattern broken", "alpha_pattern", map[string]any{"(": 1}, plain, "error parsing regexp"},
		{"alpha", "lora_alpha", 1e300, plain, "is no scale"},
		{"A transposed", "", nil, map[string][]int{q + lora.SuffixA: {32, 2}, q + lora.SuffixB: {32, 2}}, q + lora.SuffixA + ": shape [32 2], want [2 32]"},
		{"B too long", "", nil, map[string][]int{q + lora.SuffixA: {2, 32}, q + lora.SuffixB: {33, 2}}, q + lora.SuffixB + ": shape [33 2], want [32 2]"},
		{"no A", "", nil, map[string][]int{q + lora.SuffixB: {32, 2}}, q + lora.SuffixA + " is missing"},
		{"no B", "", nil, map[string][]int{q + lora.SuffixA: {2, 32}}, q + lora.SuffixB + " is missing"},
		{"nothing", "", nil, map[string][]int{}, "there is no tensor in it"},
		{"another layer", "", nil, with("base_model.model.model.layers.3.self_attn.q_proj"+lora.SuffixA, 2, 32), "the model has no module model.layers.3.self_attn.q_proj that can be adapted"},
		{"the head", "", nil, with("base_model.model.lm_head"+lora.SuffixA, 2, 32), "target_modules do not match the module lm_head"},
		{"another prefix", "", nil, with("model.layers.4.self_attn.k_proj"+lora.SuffixA, 2, 32), "model.layers.4.self_attn.k_proj.lora_A.weight: want names such as base_model.model.model.layers.0"},
		{"a magnitude", "", nil, with(q+".lora_magnitude_vector", 32), q + ".lora_magnitude_vector: want names such as"},
		{"a bias", "", nil, with(q+".lora_B.bias", 32), q + ".lora_B.bias: want names such as"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			c := map[string]any{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": []string{"q_proj"}, "bias": "none", "loftq_config": map[string]any{}, "megatron_core": "megatron.core"}
			if test.key != "" {
				c[test.key] = test.value
			}
			b, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "adapter_config.json"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			var entries []safetensors.Entry
			for name, shape := range test.tensors {
				n, _ := tensor.Numel(shape)
				entries = append(entries, safetensors.Of(tensor.FromFloat32s(name, make([]float32, n), shape...)))
			}
			if err := safetensors.WriteFile(filepath.Join(dir, "adapter_model.safetensors"), entries, nil); err != nil {
				t.Fatal(err)
			}
			_, err = checkpoint.OpenAdapter(dir, all)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir)) {
				t.Errorf("error %v, want one with %q and the file's name", err, test.want)
			}
		})
	}
	dir := t.TempDir()
	if _, err := checkpoint.OpenAdapter(dir, all); err == nil || !strings.Contains(err.Error(), "an adapter is a folder with adapter_config.json") {
		t.Error("an empty folder:", err)
	}
	file := filepath.Join(dir, "adapter_config.json")
	if err := os.WriteFile(file, []byte(`{"peft_type":"LORA","target_modules":["q_proj"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.OpenAdapter(file, all); err == nil || !strings.Contains(err.Error(), "an adapter is a folder") {
		t.Error("a file:", err)
	}
	if _, err := checkpoint.OpenAdapter(dir, all); err == nil || !strings.Contains(err.Error(), "adapter_model.safetensors") {
		t.Error("no tensors:", err)
	}
	for _, config := range []string{"", "[]", "null", "{", `{"peft_type":"LORA"}`} {
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := checkpoint.OpenAdapter(dir, all); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("settings %q: %v", config, err)
		}
	}
}

// TestOpenWarns asserts what is told of settings that are passed over.
func TestOpenWarns(t *testing.T) {
	all := modules(t, "jamba-v01-mini")
	const q = "base_model.model.model.layers.4.self_attn.q_proj"
	for _, test := range []struct {
		name   string
		change map[string]any
		want   []string // of the warnings, each
	}{
		{"nothing", nil, nil},
		{"targets that the model lacks", map[string]any{"target_modules": []string{"q_proj", "c_attn", "query_key_value"}}, []string{"target_modules has c_attn, query_key_value; the model has no such module"}},
		{"targets without tensors", map[string]any{"target_modules": []string{"q_proj", "in_proj"}}, []string{"target_modules match 7 modules that the adapter has no tensors for, such as model.layers.0.mamba.in_proj"}},
		{"but those are excluded", map[string]any{"target_modules": []string{"q_proj", "in_proj"}, "exclude_modules": []string{"mamba.in_proj"}}, nil},
		{"but those are of other layers", map[string]any{"target_modules": []string{"q_proj", "in_proj"}, "layers_to_transform": []int{4}}, nil},
		{"saved modules that are not there", map[string]any{"modules_to_save": []string{"classifier"}}, []string{"modules_to_save has classifier; the adapter has no such tensor"}},
		{"fan_in_fan_out", map[string]any{"fan_in_fan_out": true}, []string{"fan_in_fan_out is true"}},
		{"a setting that is not known", map[string]any{"new\x1b": true}, []string{`setting new\x1b is true, which is not known and passed over`}},
		{"settings of training", map[string]any{"lora_dropout": 0.1, "init_lora_weights": "gaussian", "revision": "x", "task_type": nil, "inference_mode": false, "rank_pattern": map[string]int{"c_attn": 3}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := map[string]any{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": []string{"q_proj"}}
			for k, v := range test.change {
				c[k] = v
			}
			b, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "adapter_config.json"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			entries := []safetensors.Entry{safetensors.Of(tensor.FromFloat32s(q+lora.SuffixA, make([]float32, 64), 2, 32)), safetensors.Of(tensor.FromFloat32s(q+lora.SuffixB, make([]float32, 64), 32, 2))}
			if err := safetensors.WriteFile(filepath.Join(dir, "adapter_model.safetensors"), entries, nil); err != nil {
				t.Fatal(err)
			}
			a, err := checkpoint.OpenAdapter(dir, all)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Warnings) != len(test.want) {
				t.Fatalf("warnings %q, want %q", a.Warnings, test.want)
			}
			for i, w := range a.Warnings {
				if !strings.Contains(w, test.want[i]) || !strings.HasPrefix(w, dir) {
					t.Errorf("warning %q, want one with %q", w, test.want[i])
				}
			}
		})
	}
}
