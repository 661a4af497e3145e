package checkpoint_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil/golden"
)

// TestNotAModel opens folders that hold something else than a model that is read here; each is refused by its name, with
// the way out.
func TestNotAModel(t *testing.T) {
	const config = `{"model_type":"llama","architectures":["LlamaForCausalLM"]}`
	header := func(names ...string) string {
		var all []string
		for _, n := range names {
			all = append(all, fmt.Sprintf(`%q:{"dtype":"I32","shape":[0],"data_offsets":[0,0]}`, n))
		}
		h := "{" + strings.Join(all, ",") + "}"
		return string(binary.LittleEndian.AppendUint64(nil, uint64(len(h)))) + h
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"adapter":          {map[string]string{"adapter_config.json": "{}", "adapter_model.safetensors": ""}, []string{"an adapter", "--adapter"}},
		"gguf":             {map[string]string{"model-q4.gguf": ""}, []string{"GGUF", "give ", "model-q4.gguf"}},
		"meta":             {map[string]string{"params.json": "{}", "consolidated.00.pth": ""}, []string{"consolidated.00.pth", "original layout"}},
		"copy":             {map[string]string{"config (1).json": "{}"}, []string{"config (1).json"}},
		"pickle":           {map[string]string{"config.json": config, "pytorch_model.bin": ""}, []string{"pytorch_model.bin", "pickle", "convert it to safetensors"}},
		"pickles":          {map[string]string{"config.json": config, "pytorch_model.bin.index.json": "{}", "pytorch_model-00001-of-00002.bin": ""}, []string{"pickle"}},
		"consolidated":     {map[string]string{"config.json": config, "consolidated.safetensors": ""}, []string{"consolidated.safetensors", "original layout"}},
		"no index":         {map[string]string{"config.json": config, "model-00001-of-00002.safetensors": ""}, []string{"without its index"}},
		"renamed":          {map[string]string{"config.json": config, "weights.safetensors": ""}, []string{"weights.safetensors", "rename"}},
		"tensorflow":       {map[string]string{"config.json": config, "tf_model.h5": ""}, []string{"tf_model.h5", "TensorFlow"}},
		"gguf with config": {map[string]string{"config.json": config, "m.gguf": ""}, []string{"m.gguf", "give the file"}},
		"missing shard": {
			map[string]string{"config.json": config, "model.safetensors.index.json": `{"weight_map":{"a":"model-00001-of-00002.safetensors"}}`},
			[]string{"model-00001-of-00002.safetensors is named, but not there", "download"},
		},
		"gptq":         {map[string]string{"config.json": config, "model.safetensors": header("model.layers.0.mlp.up_proj.qweight", "model.layers.0.mlp.up_proj.g_idx")}, []string{"GPTQ", "qweight"}},
		"gptq by file": {map[string]string{"config.json": config, "quantize_config.json": "{}", "model.safetensors": header("l.qweight")}, []string{"GPTQ"}},
		"awq":          {map[string]string{"config.json": config, "quant_config.json": "{}", "model.safetensors": header("l.qweight", "l.qzeros", "l.scales")}, []string{"AWQ"}},
		"nf4":          {map[string]string{"config.json": config, "model.safetensors": header("l.weight", "l.weight.absmax", "l.weight.quant_state.bitsandbytes__nf4")}, []string{"bitsandbytes"}},
		"int8":         {map[string]string{"config.json": config, "model.safetensors": header("l.weight", "l.SCB")}, []string{"bitsandbytes"}},
		"compressed":   {map[string]string{"config.json": config, "model.safetensors": header("l.weight_packed", "l.weight_scale")}, []string{"compressed-tensors"}},
		"mlx":          {map[string]string{"config.json": config, "model.safetensors": header("l.weight", "l.scales", "l.biases")}, []string{"MLX"}},
		"hqq":          {map[string]string{"config.json": config, "model.safetensors": header("l.W_q")}, []string{"HQQ"}},
		"lfs": {
			map[string]string{"config.json": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 700\n"}, []string{"config.json", "Git LFS pointer", "git lfs pull"},
		},
		"lfs index": {
			map[string]string{"config.json": config, "model.safetensors.index.json": "version https://git-lfs.github.com/spec/v1\n"}, []string{"index.json", "git lfs pull"},
		},
		"page":  {map[string]string{"config.json": config, "model.safetensors": "<!doctype html><title>Sign in</title>"}, []string{"model.safetensors", "web page"}},
		"login": {map[string]string{"config.json": `{"error":"Access to model x is restricted"}`}, []string{"config.json", "server's error message"}},
	} {
		dir := t.TempDir()
		for file, content := range test.files {
			golden.Put(t, dir, file, []byte(content))
		}
		_, err := golden.OpenModel(dir, checkpoint.Options{})
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", name, err, want)
			}
		}
	}
}

// TestStrayFile opens a checkpoint of shards beside a file that its index does not name.
func TestStrayFile(t *testing.T) {
	dir := golden.Damaged(t, "jamba-v01-mini", nil, nil)
	if err := os.Rename(filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "model-00001-of-00001.safetensors")); err != nil {
		t.Fatal(err)
	}
	var index strings.Builder
	trained, err := checkpoint.OpenForTraining(golden.Damaged(t, "jamba-v01-mini", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range trained.Params() {
		if i > 0 {
			index.WriteByte(',')
		}
		fmt.Fprintf(&index, "%q:%q", p.Name, "model-00001-of-00001.safetensors")
	}
	golden.Put(t, dir, "model.safetensors.index.json", []byte(`{"weight_map":{`+index.String()+`}}`))
	golden.Put(t, dir, "model.safetensors", []byte("stray"))
	m, err := golden.OpenModel(dir, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if said := strings.Join(golden.From(m).Warnings(), "\n"); !strings.Contains(said, "model.safetensors: not read, since model.safetensors.index.json names other files") {
		t.Errorf("warnings %q", said)
	}
}
