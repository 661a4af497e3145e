package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// rawGGUF is a GGUF file as bytes, with counts that may be lies.
type rawGGUF struct {
	pairs, tensors   []string
	nPairs, nTensors uint64 // 0: as many as there are
	tail             int    // bytes of data
}

func u32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
func u64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }

// str is a string of GGUF.
func str(s string) string { return u64(uint64(len(s))) + s }

func (g rawGGUF) String() string {
	count := func(lie uint64, n int) string {
		if lie == 0 {
			lie = uint64(n)
		}
		return u64(lie)
	}
	s := "GGUF" + u32(3) + count(g.nTensors, len(g.tensors)) + count(g.nPairs, len(g.pairs)) + strings.Join(g.pairs, "") + strings.Join(g.tensors, "")
	return s + strings.Repeat("\x00", (32-len(s)%32)%32+g.tail)
}

// Types of GGUF values.
const (
	typeUint32 = 4
	typeString = 8
	typeArray  = 9
	typeUint64 = 10
)

func pair(key string, typ uint32, value string) string { return str(key) + u32(typ) + value }

func info(name string, dims []uint64, typ uint32, offset uint64) string {
	s := str(name) + u32(uint32(len(dims)))
	for _, d := range dims {
		s += u64(d)
	}
	return s + u32(typ) + u64(offset)
}

// hostileGGUF are GGUF files: made from nothing, or damaged ones, the native layout among them.
func hostileGGUF() []hostileCase {
	var cases []hostileCase
	add := func(name string, g rawGGUF, want verdict) {
		cases = append(cases, hostileCase{"gguf: " + name, map[string]filler{"x.gguf": fat(g.String)}, "jamba show -m x.gguf", want})
	}
	arch := pair("general.architecture", typeString, str("llama"))
	for _, n := range []uint64{1 << 20, 1 << 32, 1 << 60, 1<<64 - 1} {
		add(fmt.Sprint(n, " pairs"), rawGGUF{nPairs: n}, refused)
		add(fmt.Sprint(n, " tensors"), rawGGUF{nTensors: n, pairs: []string{arch}}, refused)
		add(fmt.Sprint("a string of ", n), rawGGUF{pairs: []string{str("general.architecture") + u32(typeString) + u64(n) + "llama"}}, refused)
		add(fmt.Sprint("a key of ", n), rawGGUF{pairs: []string{u64(n) + "general"}}, refused)
		for _, typ := range []uint32{0, typeUint32, typeString, typeArray, typeUint64} {
			add(fmt.Sprint("an array of ", n, " of type ", typ), rawGGUF{pairs: []string{arch, pair("tokenizer.ggml.tokens", typeArray, u32(typ)+u64(n)+"xxxxxxxx")}}, refused)
		}
		add(fmt.Sprint("a tensor of ", n), rawGGUF{pairs: []string{arch}, tensors: []string{info("token_embd.weight", []uint64{n, n}, 0, 0)}, tail: 64}, refused)
		add(fmt.Sprint("a tensor at ", n), rawGGUF{pairs: []string{arch}, tensors: []string{info("token_embd.weight", []uint64{4, 4}, 0, n)}, tail: 64}, refused)
		add(fmt.Sprint("an alignment of ", n), rawGGUF{pairs: []string{arch, pair("general.alignment", typeUint32, u32(uint32(n)))}, tensors: []string{info("a", []uint64{4}, 0, 0)}, tail: 64}, refused)
		for _, key := range []string{"block_count", "embedding_length", "feed_forward_length", "attention.head_count", "context_length", "vocab_size"} {
			add(fmt.Sprint(key, " is ", n), rawGGUF{pairs: []string{arch, pair("llama."+key, typeUint64, u64(n))}}, refused)
		}
	}
	add("an alignment of 0", rawGGUF{pairs: []string{arch, pair("general.alignment", typeUint32, u32(0))}}, refused)
	nested := ""
	for range 50000 {
		nested += u32(typeArray) + u64(1)
	}
	add("nested arrays", rawGGUF{pairs: []string{arch, pair("x", typeArray, nested+u32(0)+u64(0))}}, refused)
	add("an array of empty arrays", rawGGUF{pairs: []string{arch, pair("x", typeArray, u32(typeArray)+u64(1<<20)+strings.Repeat(u32(0)+u64(0), 1<<20))}}, refused)
	add("a million empty strings", rawGGUF{pairs: []string{arch, pair("tokenizer.ggml.tokens", typeArray, u32(typeString)+u64(1<<20)+strings.Repeat(u64(0), 1<<20))}}, refused)
	add("layers as a million numbers", rawGGUF{pairs: []string{arch, pair("llama.block_count", typeUint32, u32(1<<30)), pair("llama.attention.head_count_kv", typeArray, u32(typeUint32)+u64(1<<20)+strings.Repeat("\x00", 4<<20))}}, refused)
	add("dimensions of zero", rawGGUF{pairs: []string{arch}, tensors: []string{info("token_embd.weight", []uint64{0, 0}, 0, 0)}}, refused)
	add("a million dimensions", rawGGUF{pairs: []string{arch}, tensors: []string{str("a") + u32(1000000)}}, refused)
	add("an unknown type", rawGGUF{pairs: []string{arch}, tensors: []string{info("a", []uint64{4}, 4000000000, 0)}, tail: 64}, refused)
	add("an unknown type of value", rawGGUF{pairs: []string{arch, pair("x", 99, u64(0))}}, refused)
	add("100,000 tensors of nothing", rawGGUF{pairs: []string{arch}, tensors: manyInfos(100000), tail: 64}, refused)
	add("twice the same key", rawGGUF{pairs: []string{arch, arch}}, refused)
	for name, s := range map[string]string{"steers the terminal": escapes, "is long": long(5 << 20)} {
		add("an architecture that "+name, rawGGUF{pairs: []string{pair("general.architecture", typeString, str(s))}}, refused)
		add("a key that "+name, rawGGUF{pairs: []string{arch, pair(s, 99, "")}}, refused)
		add("a tensor that "+name, rawGGUF{pairs: []string{arch}, tensors: []string{info(s, []uint64{4}, 99, 0)}}, refused)
		add("a tokenizer that "+name, rawGGUF{pairs: []string{arch, pair("tokenizer.ggml.model", typeString, str(s)), pair("tokenizer.ggml.pre", typeString, str(s))}}, refused)
		add("a template that "+name, rawGGUF{pairs: []string{arch, pair("tokenizer.chat_template", typeString, str("{{ "+s))}}, refused)
		cases = append(cases, hostileCase{
			"gguf: tokenize with a tokenizer that " + name,
			map[string]filler{"x.gguf": fat(rawGGUF{pairs: []string{arch, pair("tokenizer.ggml.model", typeString, str(s)), pair("tokenizer.ggml.pre", typeString, str(s))}}.String)},
			"jamba tokenize -m x.gguf hi", refused,
		})
	}
	split := func(no, count uint32) string {
		return rawGGUF{pairs: []string{arch, pair("split.no", typeUint32, u32(no)), pair("split.count", typeUint32, u32(count)), pair("split.tensors.count", typeUint32, u32(1<<31))}}.String()
	}
	for name, s := range map[string]string{"of 4 billion": split(0, 1<<32-1), "that is not the first": split(5, 7), "of 0": split(0, 0), "beyond the last": split(9, 2), "whose others are not there": split(0, 3)} {
		cases = append(cases, hostileCase{"gguf: a split " + name, map[string]filler{"x-00001-of-00003.gguf": content(s)}, "jamba show -m x-00001-of-00003.gguf", refused})
	}
	cases = append(cases, hostileCase{"gguf: a split that is a pipe", with(map[string]filler{"x-00001-of-00002.gguf": content(split(0, 2))}, "x-00002-of-00002.gguf", strange(0)["a pipe"]), "jamba show -m x-00001-of-00002.gguf", refused})

	for _, file := range []string{"m.gguf", "m.native"} {
		change := func(name string, f func([]byte) []byte, command string) {
			cases = append(cases, hostileCase{
				file + ": " + name, map[string]filler{"damaged/" + file: copyOf(file, f)}, command + " -m damaged/" + file + map[bool]string{true: " --tokens 1,2 -o o.npy"}[command == "jamba logits"], either,
			})
		}
		for i, part := range []float64{0.00001, 0.001, 0.02, 0.3, 0.7, 0.9999} {
			change(fmt.Sprint("truncated ", i), cut(part), "jamba logits")
		}
		for seed := range uint64(20) {
			change(fmt.Sprint("changed ", seed), flip(seed, 4000), "jamba logits")
			change(fmt.Sprint("changed in its tokenizer ", seed), func(b []byte) []byte {
				r := rand.New(rand.NewPCG(seed, 3))
				for range 20 {
					b[r.IntN(60000)] = byte(r.Uint32())
				}
				return b
			}, "jamba show")
		}
	}
	return cases
}

// copyOf damages a file of the base that lies in the same folder as the case's own.
func copyOf(name string, change func([]byte) []byte) filler {
	return func(path string) error {
		f, err := os.Open(filepath.Join(filepath.Dir(filepath.Dir(path)), name))
		if err != nil {
			return err
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		return os.WriteFile(path, change(b), 0o600)
	}
}

func manyInfos(n int) []string {
	infos := make([]string, n)
	for i := range infos {
		infos[i] = info(fmt.Sprint("t", i), []uint64{0}, 0, 0)
	}
	return infos
}
