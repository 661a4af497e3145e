package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"jamba/checkpoint"
	"jamba/model/lora"
)

// loraFlags say what an adapter to be trained is like.
type loraFlags struct {
	LoRA        bool     `name:"lora" group:"Adapter" help:"Train a low-rank adapter (LoRA) alone. Its checkpoints are folders as PEFT lays them out."`
	LoRAR       *int     `name:"lora-r" group:"Adapter" placeholder:"N" help:"Its rank. Default: 16."`
	LoRAAlpha   *float64 `name:"lora-alpha" group:"Adapter" placeholder:"X" help:"What it adds is scaled by alpha/r. Default: 32."`
	LoRATargets []string `name:"lora-targets" group:"Adapter" placeholder:"NAME,…" help:"What it adapts: attention, mamba, mlp, experts, or all of these; embed, the embedding of tokens, and head, the output; or modules by the ends of their names, such as q_proj or router. Default: all."`
	RSLoRA      bool     `name:"rslora" group:"Adapter" help:"Scale by alpha/sqrt(r) instead (rank-stabilized LoRA)."`
}

// config returns the settings of a new adapter for the model at path.
func (f *loraFlags) config(path string) (lora.Config, error) {
	c := lora.Config{R: 16, Alpha: 32, RSLoRA: f.RSLoRA, Targets: []string{"all"}, Base: path}
	if !f.LoRA && (f.LoRAR != nil || f.LoRAAlpha != nil || f.LoRATargets != nil || f.RSLoRA) {
		return c, usageError("--lora-r, --lora-alpha, --lora-targets and --rslora are for --lora")
	}
	override(&c.R, f.LoRAR)
	override(&c.Alpha, f.LoRAAlpha)
	if f.LoRATargets != nil {
		c.Targets = f.LoRATargets
	}
	const limit = 1 << 16
	if c.R < 1 || c.R > limit {
		return c, usageError(fmt.Sprintf("--lora-r is %d, want 1 to %d", c.R, limit))
	}
	if !(c.Alpha > 0) || math.IsInf(c.Alpha, 0) {
		return c, usageError(fmt.Sprintf("--lora-alpha is %v, want more than 0", c.Alpha))
	}
	return c, nil
}

// openAdapter returns the model that c is for with an adapter to train, new or resumed from a checkpoint, and shows on s what it
// adapts.
func openAdapter(s *streams, c lora.Config, resumed string, seed uint64) (trainee, error) {
	base, err := checkpoint.Open(c.Base)
	if err != nil {
		return trainee{}, err
	}
	m, err := base.Frozen()
	if err != nil {
		base.Close()
		return trainee{}, err
	}
	warnModel(s.err, base)
	a, err := lora.New(c, m.Modules(), seed)
	if err != nil {
		return trainee{}, fmt.Errorf("--lora: %w", err)
	}
	if resumed != "" {
		saved, err := checkpoint.OpenAdapter(resumed, m.Modules())
		if err != nil {
			return trainee{}, fmt.Errorf("cannot resume: %w", err)
		}
		saved.Config.Base = c.Base // it may have been moved; what is in it is compared later
		is, err := saved.Config.JSON()
		want, errWant := a.Config.JSON()
		if err := errors.Join(err, errWant); err != nil {
			return trainee{}, err
		}
		if !bytes.Equal(is, want) {
			return trainee{}, fmt.Errorf("cannot resume %s: --lora-r, --lora-alpha, --lora-targets or --rslora is another than the run began with; see %s",
				resumed, adapterConfig(resumed))
		}
		a = saved
	}
	if err := m.Attach(a); err != nil {
		return trainee{}, err
	}
	warn(s.err, m.AdapterWarnings()...)
	return trainee{model: m, write: func(dir string) error { return checkpoint.WriteAdapter(dir, a) }}, a.Coverage(m.Modules()).Write(s.err)
}

// isAdapter reports whether a checkpoint, if there is one, is an adapter.
func isAdapter(dir string) (bool, error) {
	if dir == "" {
		return false, nil
	}
	_, err := os.Stat(adapterConfig(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func adapterConfig(dir string) string { return filepath.Join(dir, "adapter_config.json") }
