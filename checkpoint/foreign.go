package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jamba/internal/printable"
)

// quantMethods are the names that quantization_config.quant_method gives to quantizations.
var quantMethods = map[string]string{
	"gptq": "GPTQ", "gptqmodel": "GPTQ", "awq": "AWQ", "bitsandbytes": "bitsandbytes", "bitsandbytes_4bit": "bitsandbytes", "bitsandbytes_8bit": "bitsandbytes",
	"fp8": "FP8", "fbgemm_fp8": "FBGEMM FP8", "finegrained_fp8": "FP8", "compressed-tensors": "compressed-tensors", "modelopt": "NVIDIA ModelOpt",
	"aqlm": "AQLM", "hqq": "HQQ", "eetq": "EETQ", "quanto": "Quanto", "torchao": "torchao", "mxfp4": "MXFP4", "vptq": "VPTQ", "higgs": "HIGGS",
	"spqr": "SpQR", "bitnet": "BitNet", "auto-round": "AutoRound", "intel/auto-round": "AutoRound", "exl2": "EXL2", "exl3": "EXL3", "quark": "AMD Quark", "fp_quant": "FP-Quant",
}

// otherWeights is the way out.
const otherWeights = "take the model's original weights (F32, F16 or BF16), or a .gguf file made from them"

// quantizedConfig returns the error for a checkpoint whose config.json says that its weights are quantized.
func quantizedConfig(key string, value json.RawMessage) error {
	if neutral(value, nil, false) || readsFP8(value) {
		return nil
	}
	var q struct {
		Method string   `json:"quant_method"`
		In4    bool     `json:"load_in_4bit"`
		In8    bool     `json:"load_in_8bit"`
		Bits   *float64 `json:"bits"`
		Group  *float64 `json:"group_size"`
		Algo   string   `json:"quant_algo"`
		Mode   string   `json:"mode"`
	}
	_ = json.Unmarshal(value, &q) // what it cannot tell, it leaves empty
	name := quantMethods[strings.ToLower(q.Method)]
	switch {
	case name != "":
	case q.Method != "":
		name = printable.Cut(q.Method, 60)
	case q.In4 || q.In8:
		name = "bitsandbytes"
	case key == "compression_config":
		name = "compressed-tensors"
	case q.Algo != "":
		name = "NVIDIA ModelOpt " + printable.Cut(q.Algo, 60)
	case q.Bits != nil && q.Group != nil:
		name = "MLX"
	default:
		name = "in a way that it does not name"
	}
	return fmt.Errorf("%s: the weights are quantized: %s, which is not supported; %s", key, name, otherWeights)
}

// quantizedTensors returns the error for a checkpoint whose tensors are packed as a quantization packs them, whatever
// config.json says of it.
func quantizedTensors(dir string, names []string) error {
	ends := func(suffixes ...string) string {
		for _, s := range suffixes {
			if i := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, s) }); i >= 0 {
				return names[i]
			}
		}
		return ""
	}
	contains := func(part string) string {
		if i := slices.IndexFunc(names, func(n string) bool { return strings.Contains(n, part) }); i >= 0 {
			return names[i]
		}
		return ""
	}
	beside := func(file string) bool {
		_, err := os.Stat(filepath.Join(dir, file))
		return err == nil
	}
	method, tensor := "", ""
	switch {
	case ends(".qweight") != "":
		tensor = ends(".qweight")
		switch {
		case ends(".g_idx") != "" || beside("quantize_config.json"):
			method = "GPTQ"
		case beside("quant_config.json"):
			method = "AWQ"
		default:
			method = "AWQ or GPTQ"
		}
	case ends(".q_weight", ".trellis") != "":
		method, tensor = "EXL2 or EXL3", ends(".q_weight", ".trellis")
	case contains("quant_state.bitsandbytes") != "":
		method, tensor = "bitsandbytes", contains("quant_state.bitsandbytes")
	case ends(".SCB", ".weight_format", ".absmax", ".quant_map", ".nested_absmax") != "":
		method, tensor = "bitsandbytes", ends(".SCB", ".weight_format", ".absmax", ".quant_map", ".nested_absmax")
	case ends(".weight_packed") != "":
		method, tensor = "compressed-tensors", ends(".weight_packed")
	case ends(".W_q") != "":
		method, tensor = "HQQ", ends(".W_q")
	case ends(".codebooks", ".codes") != "":
		method, tensor = "AQLM", ends(".codebooks", ".codes")
	case ends(".weight._data", ".weight._scale") != "":
		method, tensor = "Quanto", ends(".weight._data", ".weight._scale")
	case ends("_blocks") != "" && ends("_scales") != "":
		method, tensor = "MXFP4", ends("_blocks")
	case ends(".scales") != "" && ends(".biases") != "":
		method, tensor = "MLX", ends(".scales")
	}
	if method == "" {
		return nil
	}
	return fmt.Errorf("tensor %s is one of a quantization, %s, which is not supported; %s", printable.Cut(tensor, 100), method, otherWeights)
}

// noModel says what a folder without config.json holds instead of a model.
func noModel(dir string) error {
	file := filepath.Join(dir, "config.json")
	found := func(patterns ...string) string {
		for _, p := range patterns {
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				if ok, _ := filepath.Match(p, e.Name()); ok {
					return e.Name()
				}
			}
		}
		return ""
	}
	shown := func(name string) string { return printable.Cut(filepath.Join(dir, name), 200) }
	switch {
	case found("adapter_config.json") != "":
		return fmt.Errorf("%s: this is an adapter (adapter_config.json), not a model: give the model that it was trained on with -m, and this folder with --adapter", dir)
	case found("*.gguf") != "":
		return fmt.Errorf("%s: no such file; there is a GGUF file, which is a model by itself: give %s", file, shown(found("*.gguf")))
	case found("params.json") != "" && found("consolidated*") != "":
		return fmt.Errorf("%s: no such file; params.json and %s are the original layout of Llama and Mistral: take the one for Hugging Face, or convert it", file, found("consolidated*"))
	case found("config.json.*", "config (*).json") != "":
		return fmt.Errorf("%s: no such file, but there is %s; %s", file, printable.Cut(found("config.json.*", "config (*).json"), 60), whatIsAModel)
	case found("snapshots") != "":
		return fmt.Errorf("%s: no such file; the folder is one of a download cache: give the folder below its snapshots", file)
	}
	return errors.New(file + ": no such file; " + whatIsAModel)
}
