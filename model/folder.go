package model

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"jamba/format/safetensors"
	"jamba/internal/bounded"
	"jamba/internal/impostor"
)

// maxConfig bounds the bytes of a file of settings.
const maxConfig = 4 << 20

const whatIsAModel = "a model is a folder with config.json and model.safetensors, or a .gguf file"

// ReadConfig reads the config.json of the model in dir.
func ReadConfig(dir string) (Config, error) {
	c, _, err := readConfig(dir)
	return c, err
}

// readConfig is ReadConfig, and returns what a user should know of the file.
func readConfig(dir string) (c Config, warnings []string, err error) {
	file := filepath.Join(dir, "config.json")
	b, err := bounded.ReadText(file, maxConfig)
	if errors.Is(err, os.ErrNotExist) {
		return Config{}, nil, noModel(dir)
	}
	if err != nil {
		return Config{}, nil, err
	}
	if c, warnings, err = parseConfig(b); err != nil {
		if what := impostor.What(b); what != "" {
			err = errors.New(what)
		}
		return Config{}, nil, fmt.Errorf("%s: %w", file, err)
	}
	for i := range warnings {
		warnings[i] = file + ": " + warnings[i]
	}
	return c, warnings, nil
}

func openDir(dir string, s Stage) (*Model, error) {
	config, warnings, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	set, err := safetensors.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	names := config.traits().names
	src := scaledSource{set, weightBlock(dir)}
	more, err := fit(dir, &config, src, names)
	if err != nil {
		set.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	m, err := load(dir, config, s, src, names)
	if err != nil {
		return nil, err
	}
	m.Warnings = slices.Concat(warnings, set.Warnings, more, m.Warnings)
	return m, nil
}

// fit looks at the tensors of a folder as a whole: whether they can be those of the network, and whether its head is the
// embedding.
func fit(dir string, c *Config, set scaledSource, names *naming) (warnings []string, err error) {
	all := set.Set.Names()
	if err := quantizedTensors(dir, all); err != nil {
		return nil, err
	}
	if len(c.Layers) > len(all) {
		return nil, fmt.Errorf("num_hidden_layers is %d, but the checkpoint has %d tensors", len(c.Layers), len(all))
	}
	if !c.TieWordEmbeddings || !set.Has(names.lmHead) {
		return nil, nil
	}
	if !set.Has(names.embed) {
		set.Rename(names.lmHead, names.embed)
		return nil, nil // one tensor under the other name
	}
	embed, err := set.Tensor(names.embed)
	if err != nil {
		return nil, err
	}
	head, err := set.Tensor(names.lmHead)
	if err != nil {
		return nil, err
	}
	c.TieWordEmbeddings = embed.DType == head.DType && slices.Equal(embed.Shape, head.Shape) && bytes.Equal(embed.Data, head.Data) &&
		reflect.DeepEqual(embed.Scales, head.Scales)
	set.ReleaseBytes(embed.Data)
	set.ReleaseBytes(head.Data)
	if c.TieWordEmbeddings {
		return nil, nil
	}
	return []string{fmt.Sprintf("tie_word_embeddings is true, but the checkpoint has %s, which differs from %s: it is used", names.lmHead, names.embed)}, nil
}
