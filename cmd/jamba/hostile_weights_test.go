package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	"jamba/internal/testutil"
)

// damaged copies a file and changes it.
func damaged(from string, change func([]byte) []byte) filler {
	return func(path string) error {
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return os.WriteFile(path, change(b), 0o600)
	}
}

// cut keeps a part of a file.
func cut(part float64) func([]byte) []byte {
	return func(b []byte) []byte { return b[:int(part*float64(len(b)))] }
}

// flip changes some of the first bytes.
func flip(seed uint64, within int) func([]byte) []byte {
	return func(b []byte) []byte {
		r := rand.New(rand.NewPCG(seed, 2))
		for range 3 {
			b[r.IntN(min(within, len(b)))] = byte(r.Uint32())
		}
		return b
	}
}

// tensorFile is a safetensors file of a header and n bytes after it.
func tensorFile(header string, n int) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + strings.Repeat("\x00", n)
}

// hostileWeights are safetensors files and their indexes.
func hostileWeights() []hostileCase {
	var cases []hostileCase
	add := func(name string, m filler, want verdict) {
		cases = append(cases, hostileCase{"safetensors: " + name, map[string]filler{"base/model.safetensors": m}, "jamba logits -m base --tokens 1,2 -o o.npy", want})
	}
	good := testutil.Golden("models", "llama-tiny", "model.safetensors")
	for i, part := range []float64{0.0001, 0.01, 0.3, 0.5, 0.999} {
		add(fmt.Sprint("truncated ", i), damaged(good, cut(part)), refused)
	}
	for seed := range uint64(25) {
		add(fmt.Sprint("changed ", seed), damaged(good, flip(seed, 3000)), either)
	}
	add("longer than it says", damaged(good, func(b []byte) []byte { return append(b, make([]byte, 100)...) }), either)
	for _, n := range []uint64{0, 1, 1 << 20, 1 << 31, 1 << 40, 1 << 62, 1<<64 - 1} {
		add(fmt.Sprint("a header of ", n, " bytes"), raw(append(binary.LittleEndian.AppendUint64(nil, n), "{}  "...)), refused)
	}
	one := func(entry string) filler { return content(tensorFile(`{"model.embed_tokens.weight": `+entry+`}`, 64)) }
	for _, entry := range []string{
		`{"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 128]}`, `{"dtype": "F32", "shape": [4, 4], "data_offsets": [64, 0]}`,
		`{"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 64]}`, `{"dtype": "F32", "shape": [-4, -4], "data_offsets": [0, 64]}`,
		`{"dtype": "F32", "shape": [9223372036854775807, 2], "data_offsets": [0, 64]}`, `{"dtype": "F32", "shape": [0, 9223372036854775807], "data_offsets": [0, 0]}`,
		`{"dtype": "` + escapesJSON + `", "shape": [4, 4], "data_offsets": [0, 64]}`, `{"dtype": "` + long(1<<20) + `", "shape": [4, 4], "data_offsets": [0, 64]}`,
		`{"dtype": "F32", "shape": [` + strings.Repeat("1,", 1<<20) + `1], "data_offsets": [0, 4]}`, `{"dtype": "F32", "shape": 4, "data_offsets": [0, 64]}`,
		`{"dtype": "F32", "shape": [4.5], "data_offsets": [0, 18]}`, `{"dtype": "F32", "shape": [16], "data_offsets": [` + strings.Repeat("0,", 1<<20) + `0]}`, `[]`, `null`,
		`{"dtype": "F32", "shape": [16], "data_offsets": [0, 18446744073709551615]}`, `{"dtype": "F32", "shape": [16], "data_offsets": [1e300, 64]}`,
	} {
		add("an entry "+entry[:min(len(entry), 90)], one(entry), refused)
	}
	add("a name that steers the terminal", content(tensorFile(`{"`+escapesJSON+`": {"dtype": "F32", "shape": [17], "data_offsets": [0, 64]}}`, 64)), refused)
	add("a long name", content(tensorFile(`{"`+long(5<<20)+`": {"dtype": "F32", "shape": [17], "data_offsets": [0, 64]}}`, 64)), refused)
	add("a million tensors of nothing", fat(func() string {
		var b strings.Builder
		b.WriteString(`{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}`)
		for i := range 300000 {
			fmt.Fprintf(&b, `,"%x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}`, i)
		}
		return tensorFile(b.String()+"}", 0)
	}), refused)
	add("twice the same name", content(tensorFile(`{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}`, 4)), refused)
	add("overlapping tensors", content(tensorFile(`{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}`, 4)), refused)
	add("metadata of a megabyte", content(tensorFile(`{"__metadata__": {"x": "`+long(1<<20)+`"}}`, 0)), refused)
	add("metadata of arrays", content(tensorFile(`{"__metadata__": [`+strings.Repeat("[],", 1<<20)+`[]]}`, 0)), refused)
	add("a terabyte of holes", sparse(1<<40), refused)
	add("holes after a header", func(path string) error {
		if err := os.WriteFile(path, []byte(tensorFile(`{"a": {"dtype": "F32", "shape": [1099511627776], "data_offsets": [0, 4398046511104]}}`, 0)), 0o600); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()+1<<42)
	}, refused)

	index := func(name, json string, want verdict) {
		cases = append(cases, hostileCase{"index: " + name, map[string]filler{"base/model.safetensors.index.json": content(json)}, "jamba logits -m base --tokens 1,2 -o o.npy", want})
	}
	shard := func(name string) string { return `{"weight_map": {"model.embed_tokens.weight": "` + name + `"}}` }
	for _, name := range []string{
		escapesJSON, long(1 << 20), "../model.safetensors", "/etc/passwd", "/dev/zero", ".", "", "model.safetensors/", "a\\u0000b", "../../../../../../../../dev/zero", "config.json", "https://x/y",
	} {
		index("a shard "+name[:min(len(name), 40)], shard(name), refused)
	}
	index("no object", "[]", refused)
	index("a map of arrays", `{"weight_map": [`+strings.Repeat("[],", 1<<20)+`[]]}`, refused)
	index("metadata of arrays", `{"metadata": [`+strings.Repeat("[],", 1<<20)+`[]], "weight_map": {"a": "model.safetensors"}}`, refused)
	index("100,000 shards", func() string {
		var b strings.Builder
		for i := range 100000 {
			fmt.Fprintf(&b, `"t%d": "s%d.safetensors",`, i, i)
		}
		return `{"weight_map": {` + b.String() + `"x": "model.safetensors"}}`
	}(), refused)
	index("a tensor that is not there", shard("model.safetensors")[:16]+`{"`+escapesJSON+`": "model.safetensors"}}`, refused)
	index("a million tensors of a shard", func() string {
		var b strings.Builder
		for i := range 500000 {
			fmt.Fprintf(&b, `"t%d": "model.safetensors",`, i)
		}
		return `{"weight_map": {` + b.String() + `"x": "model.safetensors"}}`
	}(), refused)

	array := func(name, header, values string) {
		s := "\x93NUMPY\x01\x00" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(header)))) + header + values
		cases = append(cases, hostileCase{"npy: " + name, map[string]filler{"x.npy": content(s)}, "jamba compare -m base --with-logits x.npy --tokens 1,2,3", refused})
	}
	array("a shape of exabytes", "{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976, 4), }\n", "")
	array("a shape that wraps", "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n", "")
	array("a negative shape", "{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 256), }\n", "")
	array("a type that steers the terminal", "{'descr': '"+escapes+"', 'fortran_order': False, 'shape': (3, 256), }\n", "")
	array("no dictionary", "hello\n", "")
	array("a long header", "{'descr': '"+long(60000)+"', 'fortran_order': False, 'shape': (3, 256), }\n", "")
	array("deep", strings.Repeat("(", 60000), "")
	array("objects", "{'descr': '|O', 'fortran_order': False, 'shape': (3, 256), }\n", "")
	array("another model's", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1), }\n", strings.Repeat("\x00", 12))
	return cases
}
