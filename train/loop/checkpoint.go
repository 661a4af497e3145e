package loop

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/bounded"
	"jamba/internal/durable"
	"jamba/internal/kernel"
	"jamba/model"
	"jamba/tensor"
	"jamba/train"
	"jamba/train/data"
)

// Files of a checkpoint that are not the model's.
const (
	optimizerFile = "optimizer.safetensors"
	stateFile     = "trainer.json"
)

// State is where a run stands, beside weights and moments.
type State struct {
	Version  int           `json:"version"`
	Step     int           `json:"step"` // that have been done
	Position data.Position `json:"position"`
	Data     string        `json:"data"`             // data.Dataset.Key
	Frozen   string        `json:"frozen,omitempty"` // a hash of the weights that are not trained
	Tokens   int64         `json:"tokens"`
	Seconds  float64       `json:"seconds"` // of training
	Settings Settings      `json:"settings"`
}

const (
	stateVersion = 1
	maxState     = 1 << 20 // bytes of its file
)

// Latest returns the state of the last checkpoint in a run's folder and the checkpoint's path. The error is
// durable.ErrNoStep if there is none.
func Latest(dir string) (State, string, error) {
	var s State
	step, path, err := durable.LatestStep(dir)
	if err != nil {
		return s, "", err
	}
	file := filepath.Join(path, stateFile)
	b, err := bounded.ReadFile(file, maxState)
	if err != nil {
		return s, "", err
	}
	switch err := json.Unmarshal(b, &s); {
	case err != nil:
		return s, "", fmt.Errorf("%s: %w", file, err)
	case s.Version != stateVersion:
		return s, "", fmt.Errorf("%s: version %d, this program continues version %d", file, s.Version, stateVersion)
	case s.Step != step:
		return s, "", fmt.Errorf("%s: is of step %d", file, s.Step)
	}
	return s, path, nil
}

// save writes a checkpoint of the run, as it stands between two steps. It is an error if a weight is infinite or NaN, which
// the next step would stumble over, or none if no token needs it: the last good checkpoint stays.
func (r *Run) save() error {
	if r.saved == r.state.Step {
		return nil
	}
	for i := range r.trainer.Params {
		if p := &r.trainer.Params[i]; p.Grad != nil && !kernel.Finite(p.Value) {
			return fmt.Errorf("step %d is not saved: %s is infinite or NaN; a lower learning rate may help", r.state.Step, p.Name)
		}
	}
	path, err := durable.SaveStep(r.Dir, r.state.Step, r.Keep, func(dir string) error {
		if err := r.Write(dir); err != nil {
			return err
		}
		if err := writeMoments(filepath.Join(dir, optimizerFile), r.trainer); err != nil {
			return err
		}
		b, err := json.MarshalIndent(r.state, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, stateFile), append(b, '\n'), 0o666)
	})
	if path == "" {
		return fmt.Errorf("saving step %d: %w", r.state.Step, err)
	}
	r.saved = r.state.Step
	if err := errors.Join(err, showLatest(r.Dir, path), r.log.draw(filepath.Join(r.Dir, chartFile))); err != nil {
		return fmt.Errorf("step %d is saved in %s, but: %w", r.state.Step, path, err)
	}
	if r.OnSave != nil {
		r.OnSave(r.state, path)
	}
	return nil
}

// showLatest makes the folder of the run a model itself: it links the files of the model into it, through the link latest,
// which always points to a whole checkpoint. Systems without links do without. What is no link stays.
func showLatest(dir, path string) error {
	if info, err := os.Lstat(filepath.Join(dir, "latest")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == optimizerFile || e.Name() == stateFile {
			continue
		}
		err := os.Symlink(filepath.Join("latest", e.Name()), filepath.Join(dir, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// frozen returns a hash of the weights that are not trained, or nothing if all are.
func frozen(t *train.Trainer) string {
	h, any := sha256.New(), false
	for i := range t.Params {
		if p := &t.Params[i]; p.Grad == nil {
			fmt.Fprintln(h, p.Name, p.Shape)
			h.Write(tensor.Bytes(p.Value))
			if p.Weight != nil {
				if p.Weight.DType != tensor.F32 {
					fmt.Fprintln(h, p.Weight.DType)
				}
				h.Write(p.Weight.Raw())
			}
			any = true
		}
	}
	if !any {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

func momentNames(p *train.Param) [2]string {
	return [2]string{"exp_avg." + p.Name, "exp_avg_sq." + p.Name}
}

func writeMoments(path string, t *train.Trainer) error {
	var entries []safetensors.Entry
	for i := range t.Params {
		p := &t.Params[i]
		if p.Grad == nil {
			continue
		}
		names := momentNames(p)
		entries = append(entries, safetensors.Of(tensor.FromFloat32s(names[0], t.Moments.M[i], p.Shape...)),
			safetensors.Of(tensor.FromFloat32s(names[1], t.Moments.V[i], p.Shape...)))
	}
	return safetensors.WriteFile(path, entries, nil)
}

// readMoments is the reverse of writeMoments, for a trainer of the same parameters.
func readMoments(path string, t *train.Trainer) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	left := len(f.Names())
	for i := range t.Params {
		p := &t.Params[i]
		if p.Grad == nil {
			continue
		}
		for j, to := range [][]float32{t.Moments.M[i], t.Moments.V[i]} {
			x, err := f.Tensor(momentNames(p)[j])
			if err != nil {
				return err
			}
			if x.DType != tensor.F32 || !slices.Equal(x.Shape, p.Shape) {
				return fmt.Errorf("%s: %s is %v %v, want F32 %v", path, x.Name, x.DType, x.Shape, p.Shape)
			}
			copy(tensor.Bytes(to), x.Data)
			left--
		}
	}
	if left != 0 {
		return fmt.Errorf("%s: %d tensors belong to no parameter that is trained", path, left)
	}
	return nil
}

// WriteModel writes a model for training into a folder in Hugging Face layout, with float32 weights: config.json,
// model.safetensors and generation_config.json.
func WriteModel(dir string, m *model.Model) error { return writeModel(dir, m, map[string]any{}) }

// WriteNewModel is WriteModel for a model that was trained from nothing on sequences of seq tokens. Its generation_config.json
// asks for what suits small models: answers that are sampled, and no longer than what it has learned of.
func WriteNewModel(dir string, m *model.Model, seq int) error {
	return writeModel(dir, m, map[string]any{
		"do_sample": true, "temperature": 0.8, "top_k": 0, "top_p": 0.95, "min_p": 0.05, "max_new_tokens": seq,
	})
}

func writeModel(dir string, m *model.Model, generation map[string]any) error {
	config, err := checkpoint.WriteConfig(&m.Config, tensor.F32)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o666); err != nil {
		return err
	}
	if ids := m.Config.EOSTokenIDs; len(ids) == 1 {
		generation["eos_token_id"] = ids[0]
	} else if len(ids) > 1 {
		generation["eos_token_id"] = ids
	}
	for word, id := range map[string]int{"bos_token_id": m.Config.BOSTokenID, "pad_token_id": m.Config.PADTokenID} {
		if id >= 0 {
			generation[word] = id
		}
	}
	b, err := json.MarshalIndent(generation, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "generation_config.json"), append(b, '\n'), 0o666); err != nil {
		return err
	}
	var entries []safetensors.Entry
	for _, p := range m.Params() {
		entries = append(entries, safetensors.Of(tensor.FromFloat32s(p.Name, p.Value, p.Shape...)))
	}
	return safetensors.WriteDir(dir, entries, 0)
}
