package checkpoint

import (
	"encoding/json"
	"testing"
)

// TestReadsFP8 tells configurations of eight-bit floats from others.
func TestReadsFP8(t *testing.T) {
	for want, configs := range map[bool][]string{
		true: {
			`{"quant_method":"fp8","activation_scheme":"dynamic","weight_block_size":[128,128],"fmt":"e4m3"}`,
			`{"quant_method":"fp8"}`,
			`{"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":8,"type":"float"},"input_activations":{"num_bits":8}}},"kv_cache_scheme":null,"sparsity_config":{}}`,
		},
		false: {
			`{"quant_method":"fbgemm_fp8"}`,
			`{"quant_method":"gptq"}`,
			`{"quant_method":7}`,
			`{}`,
			`null`,
			`{"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"group_0":{"weights":{"num_bits":4,"type":"float"}}}}`,
			`{"quant_method":"compressed-tensors","format":"int-quantized","config_groups":{"group_0":{"weights":{"num_bits":8,"type":"int"}}}}`,
			`{"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"group_0":{"weights":{"num_bits":8,"type":"float"}}},"kv_cache_scheme":{"num_bits":8}}`,
			`{"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"a":{"weights":{"num_bits":8,"type":"float"},"format":"pack-quantized"}}}`,
			`{"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"a":{"weights":{"num_bits":8,"type":"float"}}},"sparsity_config":{"format":"sparse-24-bitmask"}}`,
			`{"quant_method":"compressed-tensors","format":"float-quantized"}`,
		},
	} {
		for _, config := range configs {
			if got := readsFP8(json.RawMessage(config)); got != want {
				t.Errorf("%s: %v", config, got)
			}
		}
	}
}
