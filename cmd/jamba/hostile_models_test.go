package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jamba/internal/printable"
)

// maker writes the files of a model into a folder of its own.
type maker struct {
	dir string
	err error
}

func (m *maker) path(name string) string { return filepath.Join(m.dir, name) }

func (m *maker) do(err error) { m.err = errors.Join(m.err, err) }

func (m *maker) write(name string, b []byte) { m.do(os.WriteFile(m.path(name), b, 0o600)) }

// config writes a Llama's config.json with other values for some keys; text of raw stands as it is.
func (m *maker) config(keys map[string]any) {
	all := map[string]any{
		"model_type": "llama", "architectures": []string{"LlamaForCausalLM"}, "vocab_size": 4, "hidden_size": 4, "intermediate_size": 4,
		"num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "max_position_embeddings": 8,
	}
	for k, v := range keys {
		all[k] = v
	}
	b, err := json.Marshal(all)
	m.do(err)
	m.write("config.json", b)
}

// tensors writes model.safetensors with that header.
func (m *maker) tensors(name, header string) {
	m.write(name, append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...))
}

// sparse writes a file that is mostly a hole.
func (m *maker) sparse(name string, head []byte, size int64) {
	m.write(name, head)
	m.do(os.Truncate(m.path(name), size))
}

// gguf joins the parts of a GGUF file: numbers in little-endian, strings with their length before them.
func ggufBytes(parts ...any) []byte {
	b := []byte("GGUF\x03\x00\x00\x00")
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(binary.LittleEndian.AppendUint64(b, uint64(len(p))), p...)
		default:
			var err error
			if b, err = binary.Append(b, binary.LittleEndian, p); err != nil {
				panic(err)
			}
		}
	}
	return b
}

// types of GGUF's values.
const (
	ggufU8, ggufU32, ggufString, ggufArray = uint32(0), uint32(4), uint32(8), uint32(9)
)

// settings is a GGUF file without tensors that names an architecture and a number of layers.
func ggufSettings(arch string, layers uint32, more ...any) []byte {
	return ggufBytes(append([]any{
		uint64(0), uint64(4 + len(more)/3), "general.architecture", ggufString, arch, arch + ".embedding_length", ggufU32, uint32(8),
		arch + ".block_count", ggufU32, layers, arch + ".attention.layer_norm_rms_epsilon", uint32(6), float32(1e-5),
	}, more...)...)
}

const esc = "\x1b[31m\x1b]0;title\x07\u202e\r\n"

// hostileModels are models, folders and GGUF files, that were made to hang the program, to take its memory or to steer the terminal.
func hostileModels() []hostileCase {
	var cases []hostileCase
	add := func(name, model string, f func(m *maker)) {
		cases = append(cases, hostileCase{"models: " + name, map[string]filler{"x": func(path string) error {
			m := &maker{dir: path, err: os.Mkdir(path, 0o700)}
			f(m)
			return m.err
		}}, "jamba show -m " + model, refused})
	}
	folder := func(name string, f func(m *maker)) { add("folder/"+name, "x", f) }
	file := func(name string, f func(m *maker)) { add("gguf/"+name, "x/x.gguf", f) }
	for _, name := range []string{"config.json", "model.safetensors", "model.safetensors.index.json", "x.gguf"} {
		for what, place := range map[string]func(m *maker){
			"random":      func(m *maker) { m.do(os.Symlink("/dev/urandom", m.path(name))) },
			"sparse":      func(m *maker) { m.sparse(name, nil, 1<<40) },
			"page":        func(m *maker) { m.write(name, []byte("<!DOCTYPE html>"+strings.Repeat(esc, 1000))) },
			"noise":       func(m *maker) { m.write(name, bytes.Repeat([]byte(esc+"\xff"), 1<<16)) },
			"large array": func(m *maker) { m.write(name, []byte("["+strings.Repeat("1,", 4<<20)+"1]")) },
		} {
			if name == "x.gguf" {
				file(what, place)
				continue
			}
			folder(name+" "+what, func(m *maker) {
				if name != "config.json" {
					m.config(nil)
				}
				place(m)
			})
		}
	}
	long, many := strings.Repeat(esc+"long ", 1<<18), strings.Repeat("[", 1<<20)
	for key, value := range map[string]any{
		"hidden_act": long, "model_type": long, "architectures": []string{long}, "rope_scaling": map[string]any{"type": long, "factor": 2},
		"layer_types": []string{long}, "quantization_config": map[string]any{"quant_method": long}, "logit_scale": long, "auto_map": map[string]any{long: long},
		long: 1, "position_embedding_type": long, "num_hidden_layers": 1 << 20, "vocab_size": json.RawMessage(strings.Repeat("9", 1<<20)),
		"hidden_size": json.RawMessage("1" + strings.Repeat("0", 1<<19) + ".5"), "eos_token_id": []string{long}, "rope_parameters": map[string]any{long: map[string]any{}},
		"sliding_window": long, "d_model": long,
	} {
		folder("key "+printable.Cut(key, 30), func(m *maker) { m.config(map[string]any{key: value}); m.tensors("model.safetensors", "{}") })
	}
	for _, arch := range []string{"llama", "mistral", "mixtral", "jamba", "mamba"} {
		for _, layers := range []int{1 << 14, 1 << 20} {
			folder(fmt.Sprint(arch, " of layers ", layers), func(m *maker) {
				m.config(map[string]any{"num_hidden_layers": layers, "model_type": arch, "architectures": nil})
				m.tensors("model.safetensors", "{}")
			})
		}
	}
	folder("unknown keys", func(m *maker) {
		keys := map[string]any{}
		for i := range 1 << 18 {
			keys[fmt.Sprint("k", i)] = 0
		}
		m.config(keys)
		m.tensors("model.safetensors", "{}")
	})
	folder("nested settings", func(m *maker) { m.write("config.json", []byte(`{"model_type":"llama","x":`+many)) })
	folder("many layer types", func(m *maker) {
		m.config(map[string]any{"layer_types": slices.Repeat([]string{"full_attention"}, 1<<17)})
		m.tensors("model.safetensors", "{}")
	})
	for name, header := range map[string]string{
		"name":       fmt.Sprintf(`{%q:{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}`, strings.Repeat("n", 1<<20)),
		"dtype":      fmt.Sprintf(`{"a":{"dtype":%q,"shape":[1],"data_offsets":[0,0]}}`, strings.Repeat("F", 1<<20)),
		"dimensions": fmt.Sprintf(`{"a":{"dtype":"F32","shape":[%s1],"data_offsets":[0,0]}}`, strings.Repeat("1,", 1<<20)),
		"number":     fmt.Sprintf(`{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,0]}}`, strings.Repeat("9", 1<<20)),
		"metadata":   fmt.Sprintf(`{"__metadata__":{"a":%s}}`, strings.Repeat("9", 1<<20)),
		"nested":     `{"a":` + many,
		"escapes":    fmt.Sprintf(`{%q:{"dtype":%q,"shape":[1],"data_offsets":[0,0]}}`, esc, esc),
		"tensors": func() string {
			var b strings.Builder
			for i := range 1 << 18 {
				fmt.Fprintf(&b, `"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},`, i)
			}
			return "{" + strings.TrimSuffix(b.String(), ",") + "}"
		}(),
	} {
		folder("header "+name, func(m *maker) { m.config(nil); m.tensors("model.safetensors", header) })
	}
	for name, n := range map[string]uint64{"all": 1 << 62, "limit": 32 << 20, "beyond": 99_000_000} {
		folder("sparse header "+name, func(m *maker) {
			m.config(nil)
			m.sparse("model.safetensors", append(binary.LittleEndian.AppendUint64(nil, n), `{"a":`...), 250<<20)
		})
	}
	for name, shard := range map[string]string{"escapes": esc, "path": "../../etc/passwd", "long": long, "missing": "model-00001-of-00002.safetensors", "empty": "", "dots": ".."} {
		folder("shard "+name, func(m *maker) {
			m.config(nil)
			b, _ := json.Marshal(map[string]any{"weight_map": map[string]string{"a" + esc: shard}})
			m.write("model.safetensors.index.json", b)
		})
	}
	folder("shards", func(m *maker) {
		m.config(nil)
		shards := map[string]string{}
		for i := range 1 << 18 {
			shards[fmt.Sprint("t", i)] = "model.safetensors"
		}
		b, _ := json.Marshal(map[string]any{"weight_map": shards})
		m.write("model.safetensors.index.json", b)
		m.tensors("model.safetensors", "{}")
	})
	for name, head := range map[string][]byte{
		"strings":      ggufBytes(uint64(0), uint64(1), "a", ggufArray, ggufString, uint64(31<<20)),
		"some":         ggufBytes(uint64(0), uint64(1), "a", ggufArray, ggufString, uint64(1<<22)),
		"bytes":        ggufBytes(uint64(0), uint64(1), "a", ggufArray, ggufU8, uint64(240<<20)),
		"some bytes":   ggufBytes(uint64(0), uint64(1), "a", ggufArray, ggufU8, uint64(60<<20)),
		"bools":        ggufBytes(uint64(0), uint64(1), "a", ggufArray, uint32(7), uint64(60<<20)),
		"arrays":       ggufBytes(uint64(0), uint64(1), "a", ggufArray, ggufArray, uint64(20<<20)),
		"some arrays":  ggufBytes(uint64(0), uint64(1), "a", ggufArray, ggufArray, uint64(1<<16)),
		"one string":   ggufBytes(uint64(0), uint64(1), "a", ggufString, uint64(60<<20)),
		"key":          ggufBytes(uint64(0), uint64(1), uint64(60<<20)),
		"pairs":        ggufBytes(uint64(0), uint64(19<<20)),
		"tensors":      ggufBytes(uint64(10<<20), uint64(0)),
		"many of both": ggufBytes(uint64(1<<17), uint64(1<<16)),
	} {
		file("sparse "+name, func(m *maker) { m.sparse("x.gguf", head, 250<<20) })
	}
	file("pairs", func(m *maker) {
		parts := []any{uint64(0), uint64(1 << 20)}
		for i := range 1 << 20 {
			parts = append(parts, fmt.Sprint("k", i), ggufU8, uint8(0))
		}
		m.write("x.gguf", ggufBytes(parts...))
	})
	file("unknown keys", func(m *maker) {
		more := []any{}
		for i := range 1 << 15 {
			more = append(more, fmt.Sprint("llama.k", i), ggufU32, uint32(1))
		}
		m.write("x.gguf", ggufSettings("llama", 1, more...))
	})
	for _, arch := range []string{"llama", "jamba", "mamba"} {
		for _, layers := range []uint32{1 << 14, 1 << 20, 1<<32 - 1} {
			file(fmt.Sprint(arch, " of layers ", layers), func(m *maker) { m.write("x.gguf", ggufSettings(arch, layers)) })
		}
	}
	for name, arch := range map[string]string{"long": long, "escapes": esc, "adapter": "llama", "native": "jamba-native"} {
		file("architecture "+name, func(m *maker) { m.write("x.gguf", ggufSettings(arch, 1, "general.type", ggufString, long)) })
	}
	file("key of 64 KB", func(m *maker) {
		m.write("x.gguf", ggufBytes(uint64(0), uint64(1), strings.Repeat("k", 65535), uint32(77)))
	})
	file("native", func(m *maker) {
		m.write("x.gguf", ggufBytes(uint64(0), uint64(6), "general.architecture", ggufString, "jamba-native", "jamba.native.version", ggufU32, uint32(1),
			"jamba.native.architecture", ggufString, long, "jamba.native.rows", ggufU32, uint32(8), "jamba.native.source", ggufArray, ggufString, uint64(1), long,
			"jamba.native.sha256", ggufArray, ggufString, uint64(1), long))
	})
	return cases
}
