package lora_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/printable"
	"jamba/internal/testutil"
	"jamba/model/lora"
	"jamba/tensor"
)

// TestHostile opens adapters that ask for much. Whatever comes of it, it takes at most 6 s and 256 MiB, and what is said
// of it is short.
func TestHostile(t *testing.T) {
	testutil.SkipRace(t, testutil.Bounds)
	all := modules(t, "jamba-v01-mini")
	many := func(n int, pattern string) map[string]any {
		m := map[string]any{}
		for i := range n {
			m[fmt.Sprintf(pattern, i)] = 3
		}
		return m
	}
	list := func(n int, pattern string) (l []string) {
		for i := range n {
			l = append(l, fmt.Sprintf(pattern, i))
		}
		return l
	}
	const q = "base_model.model.model.layers.4.self_attn.q_proj"
	sparse := func(t *testing.T, path string) {
		header, err := json.Marshal(map[string]any{q + lora.SuffixA: map[string]any{"dtype": "F32", "shape": []int{1 << 24, 32}, "data_offsets": []int{0, 1 << 31}}})
		if err != nil {
			t.Fatal(err)
		}
		b := append([]byte{byte(len(header)), byte(len(header) >> 8), 0, 0, 0, 0, 0, 0}, header...)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, int64(len(b))+1<<31); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name    string
		change  map[string]any
		tensors func(t *testing.T, path string) // nil: those of rank 2
	}{
		{"a rank of a million", map[string]any{"r": 1000000}, nil},
		{"a rank that the tensors have not", map[string]any{"r": 65536}, nil},
		{"a rank of a million by pattern", map[string]any{"rank_pattern": map[string]int{"q_proj": 1000000}}, nil},
		{"a tensor of 2 GB without bytes", nil, sparse},
		{"a tensor of 2 GB without bytes and its rank", map[string]any{"r": 1 << 24}, sparse},
		{"targets", map[string]any{"target_modules": append(list(100000, "x%d"), "q_proj")}, nil},
		{"names of excluded modules", map[string]any{"exclude_modules": list(100000, "x%d")}, nil},
		{"saved modules", map[string]any{"modules_to_save": list(100000, "x%d")}, nil},
		{"names with ranks", map[string]any{"rank_pattern": many(100000, "x%d")}, nil},
		{"expressions with ranks", map[string]any{"rank_pattern": many(1024, "a{1000}%d.*")}, nil},
		{"too many expressions with ranks", map[string]any{"alpha_pattern": many(20000, "(x%d)")}, nil},
		{"long keys", map[string]any{"alpha_pattern": map[string]int{strings.Repeat("(", 1<<20): 1}}, nil},
		{"layers", map[string]any{"layers_to_transform": make([]int, 500000)}, nil},
		{"names of layers", map[string]any{"layers_to_transform": []int{4}, "layers_pattern": list(100000, "x%d")}, nil},
		{"an expression with many repetitions", map[string]any{"target_modules": strings.Repeat("a{1000}", 500) + "|.*q_proj"}, nil},
		{"a nested expression", map[string]any{"target_modules": strings.Repeat("(", 1500) + "q" + strings.Repeat(")", 1500)}, nil},
		{"an expression that goes back", map[string]any{"target_modules": "(?=m)(.*)*(.*)*(.*)*(.*)*(.*)*x"}, nil},
		{"unknown settings", many(100000, "x%d"), nil},
		{"control characters", map[string]any{strings.Repeat("\x1b[31m", 1000): strings.Repeat("\x1b[2J", 1000)}, nil},
		{"control characters in a method", map[string]any{"peft_type": strings.Repeat("\x1b[2J", 100000)}, nil},
		{"a long method", map[string]any{"bias": strings.Repeat("x", 3<<20)}, nil},
		{"a large file of settings", map[string]any{"bias": strings.Repeat("x", 5<<20)}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			c := map[string]any{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": []string{"q_proj"}}
			for k, v := range test.change {
				c[k] = v
			}
			b, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "adapter_config.json"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "adapter_model.safetensors")
			if test.tensors != nil {
				test.tensors(t, path)
			} else if err := safetensors.WriteFile(path, []safetensors.Entry{
				safetensors.Of(tensor.FromFloat32s(q+lora.SuffixA, make([]float32, 64), 2, 32)), safetensors.Of(tensor.FromFloat32s(q+lora.SuffixB, make([]float32, 64), 32, 2)),
			}, nil); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			a, err := checkpoint.OpenAdapter(dir, all)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if bytes := after.TotalAlloc - before.TotalAlloc; took > 6*time.Second || bytes > 256<<20 {
				t.Errorf("took %v and %d MiB", took, bytes>>20)
			}
			said := []string{}
			if err != nil {
				said = append(said, err.Error())
			} else {
				said = a.Warnings
			}
			for _, s := range said {
				if len(s) > len(dir)+printable.MaxLine || strings.ContainsRune(s, '\x1b') {
					t.Errorf("said %d bytes: %.200q", len(s), s)
				}
			}
			if len(said) > 15 {
				t.Errorf("%d warnings", len(said))
			}
		})
	}
}
