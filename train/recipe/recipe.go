// Package recipe reads what a model to be trained is made of: settings of the network in config.json's words, and of the
// training in a section train. Presets are such files that come with the program.
package recipe

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"jamba/checkpoint"
	"jamba/internal/bounded"
	"jamba/model"
	"jamba/tensor"
)

// Recipe is a model to be made.
type Recipe struct {
	Config           model.Config
	InitializerRange float64         // the standard deviation of new matrices
	Context          bool            // it says max_position_embeddings
	Train            json.RawMessage // the section train, an object; nil: there is none
}

//go:embed presets/*.yaml
var presets embed.FS

// Presets returns the names of the presets.
func Presets() []string {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		panic(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Preset returns the file of a preset.
func Preset(name string) ([]byte, error) {
	if !slices.Contains(Presets(), name) {
		return nil, fmt.Errorf("%q is neither a file nor a preset; presets are %s", name, strings.Join(Presets(), ", "))
	}
	return presets.ReadFile(path.Join("presets", name+".yaml"))
}

// maxFile bounds the bytes of a recipe.
const maxFile = 1 << 20

// Open reads the recipe in a file, or the preset of that name.
func Open(name string) (Recipe, error) {
	b, err := bounded.ReadFile(name, maxFile)
	if errors.Is(err, os.ErrNotExist) && filepath.Base(name) == name && filepath.Ext(name) == "" {
		if b, err = Preset(name); err != nil {
			return Recipe{}, err
		}
	}
	if err != nil {
		return Recipe{}, err
	}
	r, err := Parse(b, filepath.Ext(name) == ".json")
	if err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// Parse reads a recipe in YAML. Words of the network that are left out have the value that Hugging Face's class gives them.
// Words that are not known are an error, unless foreign is set, for config.json files of others, which are YAML too.
//
// In place of a Jamba's periods and offsets the word layers may list its layers, such as "mamba + moe".
//
// initializer_range is of new weights alone. That of others' files is passed over: what it means differs by class, as Mamba's 0.1 is
// none of the standard deviation of all matrices.
func Parse(b []byte, foreign bool) (Recipe, error) {
	r := Recipe{InitializerRange: model.InitializerRange}
	words := map[string]any{}
	if err := yaml.Unmarshal(b, &words); err != nil {
		return r, fmt.Errorf("is no YAML of words and values: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	// What is scaled to a length needs to know it.
	for _, word := range []string{"max_position_embeddings", "rope_scaling", "rope_parameters"} {
		r.Context = r.Context || words[word] != nil
	}
	if train, ok := words["train"]; ok {
		section, ok := train.(map[string]any)
		if !ok {
			return r, errors.New("train: want words and values below it")
		}
		var err error
		if r.Train, err = json.Marshal(section); err != nil {
			return r, fmt.Errorf("train: %w", err)
		}
		delete(words, "train")
	}
	if word := words["initializer_range"]; word != nil && !foreign {
		var ok bool
		if r.InitializerRange, ok = number(word); !ok {
			return r, fmt.Errorf("initializer_range is %v, want a number above 0, 1 at most", word)
		}
	}
	delete(words, "initializer_range")
	var layers []string
	if list, ok := words["layers"]; ok {
		var err error
		if layers, err = setLayers(words, list); err != nil {
			return r, fmt.Errorf("layers: %w", err)
		}
		delete(words, "layers")
	}
	file, err := json.Marshal(words)
	if err != nil {
		return r, err
	}
	if r.Config, err = checkpoint.ParseConfig(file); err != nil {
		return r, err
	}
	for i, want := range layers {
		if got := r.Config.Layers[i].String(); got != want {
			return r, fmt.Errorf("layers: layer %d would be %s and not %s; a model of type %s has no such list", i, got, want, r.Config.Architecture)
		}
	}
	// The file has to be written in the end.
	known, err := checkpoint.WriteConfig(&r.Config, tensor.F32)
	if err != nil || foreign {
		return r, err
	}
	return r, check(words, known)
}

// number returns what YAML gives for a number, if it is above 0 and 1 at most.
func number(v any) (float64, bool) {
	x, ok := v.(float64)
	if n, integer := v.(int); integer {
		x, ok = float64(n), true
	}
	return x, ok && x > 0 && x <= 1
}

// alsoKnown are words that the reader takes beside those that are written.
var alsoKnown = []string{"num_local_experts", "rope_parameters", "expert_layer_period", "expert_layer_offset", "attn_layer_period", "attn_layer_offset"}

// check returns an error if a word is not among the known ones.
func check(words map[string]any, written []byte) error {
	var known map[string]any
	if err := json.Unmarshal(written, &known); err != nil {
		return err
	}
	for word := range words {
		if _, ok := known[word]; !ok && !slices.Contains(alsoKnown, word) {
			return fmt.Errorf("%s is no word for a model of type %v", word, known["model_type"])
		}
	}
	return nil
}

// setLayers puts the periods and offsets of listed layers into the words, and returns the layers as model.Layer names them.
func setLayers(words map[string]any, list any) ([]string, error) {
	entries, ok := list.([]any)
	if !ok || len(entries) == 0 {
		return nil, errors.New(`want a list such as [mamba + mlp, attention + moe]`)
	}
	var layers []string
	var attention, experts []int
	for i, e := range entries {
		mixer, ff, _ := strings.Cut(fmt.Sprint(e), "+")
		mixer, ff = strings.TrimSpace(mixer), strings.TrimSpace(ff)
		if mixer != "attention" && mixer != "mamba" || ff != "mlp" && ff != "moe" {
			return nil, fmt.Errorf("layer %d is %q, want attention or mamba + mlp or moe", i, e)
		}
		if mixer == "attention" {
			attention = append(attention, i)
		}
		if ff == "moe" {
			experts = append(experts, i)
		}
		layers = append(layers, mixer+" + "+ff)
	}
	n := len(layers)
	for _, kind := range []struct {
		name, word string
		of         []int
	}{{"attention", "attn_layer", attention}, {"moe", "expert_layer", experts}} {
		period, offset := period(kind.of, n), offset(kind.of, n)
		for i := range n {
			if offset >= period || (i%period == offset) != slices.Contains(kind.of, i) {
				return nil, fmt.Errorf("%s comes in layers %v: config.json can only say regular distances, with less than one of them before the first", kind.name, kind.of)
			}
		}
		for word, v := range map[string]int{kind.word + "_period": period, kind.word + "_offset": offset} {
			if _, ok := words[word]; ok {
				return nil, fmt.Errorf("say it either so or with %s", word)
			}
			words[word] = v
		}
	}
	if _, ok := words["num_hidden_layers"]; ok {
		return nil, errors.New("say it either so or with num_hidden_layers")
	}
	words["num_hidden_layers"] = n
	return layers, nil
}

// period and offset describe the layers of a kind, out of n.
func period(of []int, n int) int {
	switch len(of) {
	case 0:
		return n + 1
	case 1:
		return n
	}
	return of[1] - of[0]
}

func offset(of []int, n int) int {
	if len(of) == 0 {
		return n
	}
	return of[0]
}
