package checkpoint

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
	"jamba/model"
	"jamba/model/param"
)

// maxConfig bounds the bytes of a file of settings.
const maxConfig = 4 << 20

const whatIsAModel = "a model is a folder with config.json and model.safetensors, or a .gguf file"

// readConfig reads the config.json of the model in dir, and returns its bytes and what a user should know of it, too.
func readConfig(dir string) (c model.Config, b []byte, warnings []string, err error) {
	file := filepath.Join(dir, "config.json")
	b, err = bounded.ReadText(file, maxConfig)
	if errors.Is(err, os.ErrNotExist) {
		return c, nil, nil, noModel(dir)
	}
	if err != nil {
		return c, nil, nil, err
	}
	if c, warnings, err = parseConfig(b); err != nil {
		if what := impostor.What(b); what != "" {
			err = errors.New(what)
		}
		return c, nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	for i := range warnings {
		warnings[i] = file + ": " + warnings[i]
	}
	return c, b, warnings, nil
}

func openDir(dir string) (*Checkpoint, error) {
	config, settings, warnings, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	set, err := safetensors.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Path: dir, Config: config, names: config.Names(), settings: settings}
	tensors := scaledSource{set, weightBlock(settings)}
	more, err := fit(dir, &c.Config, tensors, c.names)
	if err != nil {
		set.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	c.tensors, c.warnings = tensors, slices.Concat(warnings, set.Warnings, more)
	return c, nil
}

// fit looks at the tensors of a folder as a whole: whether they can be those of the network, and whether its head is the
// embedding.
func fit(dir string, c *model.Config, set scaledSource, names *param.Names) (warnings []string, err error) {
	all := set.Set.Names()
	if err := quantizedTensors(dir, all); err != nil {
		return nil, err
	}
	if len(c.Layers) > len(all) {
		return nil, fmt.Errorf("num_hidden_layers is %d, but the checkpoint has %d tensors", len(c.Layers), len(all))
	}
	if !c.TieWordEmbeddings || !set.Has(names.Head) {
		return nil, nil
	}
	if !set.Has(names.Embed) {
		set.Rename(names.Head, names.Embed)
		return nil, nil // one tensor under the other name
	}
	embed, err := set.Tensor(names.Embed)
	if err != nil {
		return nil, err
	}
	head, err := set.Tensor(names.Head)
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
	return []string{fmt.Sprintf("tie_word_embeddings is true, but the checkpoint has %s, which differs from %s: it is used", names.Head, names.Embed)}, nil
}
