package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model/param"
	"jamba/model/state"
	"jamba/tensor"
)

// TestPlanMemory: what plan says of a file is what run takes at its peak, within 5 %, for three schedules. Their weights are
// more than a gigabyte, beside which the program itself is small.
func TestPlanMemory(t *testing.T) {
	if free, known := state.Available(); runtime.GOOS != "linux" || testing.Short() || testutil.Race || known && free < 4<<30 {
		t.Skip("writes and runs models of a gigabyte, and reads their memory from Linux")
	}
	t.Setenv("GOMAXPROCS", "2") // scratch memory of each further thread is not planned for
	for name, words := range map[string]string{
		"hybrid": `{"model_type": "jamba", "hidden_size": 1024, "intermediate_size": 5120, "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 8,
			"num_experts": 16, "num_experts_per_tok": 2, "expert_layer_period": 2, "expert_layer_offset": 1, "attn_layer_period": 8, "attn_layer_offset": 4, "vocab_size": 4096, "tie_word_embeddings": true}`,
		"attention": `{"model_type": "mixtral", "hidden_size": 1024, "intermediate_size": 5120, "num_hidden_layers": 11, "num_attention_heads": 8, "num_key_value_heads": 8,
			"num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 4096, "tie_word_embeddings": true}`,
		"mamba": `{"model_type": "mamba", "hidden_size": 4096, "num_hidden_layers": 11, "state_size": 16, "vocab_size": 4096}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			emptyModel(t, filepath.Join(dir, "m"), words)
			if _, stderr, exit := runIn(t, dir, []string{"jamba", "quantize", "m", "-o", "m.gguf", "--type", "q8_0"}); exit != 0 {
				t.Fatal(stderr)
			}
			prompt := strings.Repeat("The red fox sees a boat by the river. ", 40)
			stdout, stderr, cost := measured(t, dir, []string{"jamba", "run", "-m", "m.gguf", "--raw", "--json", "--max-tokens", "4", prompt})
			var answer struct{ Usage usage }
			if err := json.Unmarshal([]byte(stdout), &answer); err != nil || cost.exit != 0 {
				t.Fatal(err, stderr)
			}
			context := answer.Usage.PromptTokens + answer.Usage.CompletionTokens
			stdout, stderr, exit := runIn(t, dir, []string{"jamba", "plan", "m.gguf", "--json", "--context", fmt.Sprint(context)})
			var plans []struct {
				Total int64 `json:"total_bytes"`
			}
			if err := json.Unmarshal([]byte(stdout), &plans); err != nil || exit != 0 || len(plans) != 1 {
				t.Fatal(err, stderr)
			}
			ratio := float64(cost.peak) / float64(plans[0].Total)
			t.Logf("%d tokens: planned %d MB, taken %d MB, %+.1f %%", context, plans[0].Total/1e6, cost.peak/1e6, 100*(ratio-1))
			if context < 512 || plans[0].Total < 1e9 || ratio < 0.95 || ratio > 1.05 {
				t.Errorf("%d tokens: planned %d bytes, taken %d", context, plans[0].Total, cost.peak)
			}
		})
	}
}

// emptyModel writes a folder with a model of these settings and the tokenizer of the one that tests have. Its weights are zeros,
// which take no room on the disk, but for those that decide what is computed: embeddings and routers, which are random, and norms.
func emptyModel(t *testing.T, dir, words string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(dir, 0o700))
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
		b, err := os.ReadFile(testutil.Golden("e2e", "model", name))
		check(err)
		check(os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	check(os.WriteFile(filepath.Join(dir, "config.json"), []byte(words), 0o600))
	c, err := checkpoint.ParseConfig([]byte(words))
	check(err)
	names := map[string]*param.Names{"jamba": &param.JambaNames, "mixtral": &param.MixtralNames, "mamba": &param.MambaNames}[c.Architecture]

	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, values, end := map[string]entry{}, map[int][]byte{}, 0
	random := rand.New(rand.NewPCG(1, 2))
	_, err = c.Survey(func(id param.ID, which param.Tensor, shape []int) (int64, error) {
		n, err := tensor.Numel(shape)
		if err != nil {
			return 0, err
		}
		experts := 1
		if id.Expert == 0 { // counted for all of them
			experts = c.Layers[id.Layer].MoE.NumExperts
		}
		for e := range experts {
			if id.Expert >= 0 {
				id.Expert = e
			}
			header[names.Tensor(id, which)] = entry{"BF16", shape, [2]int{end, end + 2*n}}
			switch {
			case id.Part == param.Embed || id.Part == param.Router:
				b := make([]byte, 0, 2*n)
				for range n {
					b = binary.LittleEndian.AppendUint16(b, uint16(random.Uint32())&0x807f|0x3f00) // of magnitudes between a half and two
				}
				values[end] = b
			case strings.Contains(names.Tensor(id, which), "norm"):
				values[end] = []byte(strings.Repeat("\x80\x3f", n))
			}
			end += 2 * n
		}
		return 0, nil
	})
	check(err)
	head, err := json.Marshal(header)
	check(err)
	f, err := os.Create(filepath.Join(dir, "model.safetensors"))
	check(err)
	defer f.Close()
	check(binary.Write(f, binary.LittleEndian, uint64(len(head))))
	_, err = f.Write(head)
	check(err)
	for at, b := range values {
		_, err := f.WriteAt(b, int64(8+len(head)+at))
		check(err)
	}
	check(f.Truncate(int64(8 + len(head) + end)))
}
