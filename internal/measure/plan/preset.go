package plan

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"jamba/checkpoint"
	"jamba/internal/printable"
	"jamba/model"
)

// Preset is a published model: its settings and where they are from.
type Preset struct {
	Name   string          `json:"name"`
	Source string          `json:"source"`
	Note   string          `json:"note"`
	Like   string          `json:"like"`   // the preset that has the same settings
	Config json.RawMessage `json:"config"` // as in config.json, if not Like
}

//go:embed presets.json
var presetFile []byte

// Presets returns all presets.
var Presets = sync.OnceValue(func() []Preset {
	var all []Preset
	if err := json.Unmarshal(presetFile, &all); err != nil {
		panic(err) // a test reads them
	}
	return all
})

// PresetNames lists the names of all presets.
func PresetNames() string {
	var names []string
	for _, p := range Presets() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// FindPreset returns the preset of that name, in upper or lower case.
func FindPreset(name string) (Preset, bool) {
	i := slices.IndexFunc(Presets(), func(p Preset) bool { return strings.EqualFold(p.Name, name) })
	if i < 0 {
		return Preset{}, false
	}
	return Presets()[i], true
}

// Settings returns the preset's settings.
func (p Preset) Settings() (model.Config, error) {
	if p.Like != "" {
		other, ok := FindPreset(p.Like)
		if !ok || other.Like == p.Name {
			return model.Config{}, fmt.Errorf("preset %s is like %s, which has no settings", p.Name, p.Like)
		}
		return other.Settings()
	}
	c, err := checkpoint.ParseConfig(p.Config)
	if err != nil {
		return c, fmt.Errorf("preset %s: %w", p.Name, err)
	}
	return c, nil
}

// Unknown is the error for a name that is no preset.
func Unknown(name string) error {
	near, distance := "", 4 // more is another name
	for _, p := range Presets() {
		if d := edits(strings.ToLower(printable.Cut(name, 60)), p.Name); d < distance {
			near, distance = p.Name, d
		}
	}
	meant := ""
	if near != "" {
		meant = fmt.Sprintf(", did you mean %s?", near)
	}
	return fmt.Errorf("\"%s\" is neither a model folder, a .gguf file, a config.json nor a preset%s Presets: %s", printable.Cut(name, 60), cmp.Or(meant, "."), PresetNames())
}

// edits returns how many letters have to be added, removed or replaced to make b of a (Levenshtein).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			n := min(row[j], row[j+1]) + 1
			if same := diagonal; a[i] == b[j] {
				n = min(n, same)
			} else {
				n = min(n, same+1)
			}
			diagonal, row[j+1] = row[j+1], n
		}
	}
	return row[len(b)]
}
