package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"jamba/format/safetensors"
	"jamba/internal/bounded"
	"jamba/internal/durable"
	"jamba/model/lora"
)

// Names of an adapter's files.
const (
	configFile = "adapter_config.json"
	tensorFile = "adapter_model.safetensors"
)

// OpenAdapter reads the adapter in a folder as PEFT lays it out, for a network with these modules. Its matrices are copied into
// memory, as float32. It is an error, which names the setting or tensor, if a tensor does not fit the network or a setting
// that makes other numbers cannot be honoured. What else is passed over the adapter's Warnings tell.
func OpenAdapter(dir string, modules []lora.Module) (*lora.Adapter, error) {
	path := filepath.Join(dir, configFile)
	b, err := bounded.ReadText(path, maxConfig)
	switch info, statErr := os.Stat(dir); {
	case statErr == nil && !info.IsDir():
		return nil, fmt.Errorf("%s: an adapter is a folder with %s and %s", dir, configFile, tensorFile)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such file; an adapter is a folder with %s and %s", path, configFile, tensorFile)
	case err != nil:
		return nil, err
	}
	c, warnings, err := lora.ParseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	path = filepath.Join(dir, tensorFile)
	file, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a, err := lora.Read(file, c, modules)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a.Warnings = append(warnings, a.Warnings...)
	for i, w := range a.Warnings {
		a.Warnings[i] = dir + ": " + w
	}
	return a, nil
}

// WriteAdapter writes an adapter into a folder, which it makes if need be, as PEFT lays it out, in float32. Each of its two files
// is replaced as a whole; the settings come last.
func WriteAdapter(dir string, a *lora.Adapter) error {
	config, err := a.Config.JSON()
	if err != nil {
		return fmt.Errorf("%s: %w", configFile, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var entries []safetensors.Entry
	for _, t := range a.Tensors() {
		entries = append(entries, safetensors.Of(t))
	}
	if err := safetensors.WriteFile(filepath.Join(dir, tensorFile), entries, nil); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, configFile), func(f *os.File) error {
		_, err := f.Write(config)
		return err
	})
}
