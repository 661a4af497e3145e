package ablation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"jamba/internal/bounded"
	"jamba/internal/durable"
)

// Results are the runs of an experiment.
type Results struct {
	Experiment string `json:"experiment"`     // its title
	File       string `json:"file_sha256"`    // of its file
	Command    string `json:"command"`        // that made them
	Axis       string `json:"axis,omitempty"` // what accuracy is told by
	Runs       []*Run `json:"runs"`
}

// Read reads the results of an experiment from a file; one that is not there has none. Those of another experiment, or of the
// same one before its file was changed, are an error.
func (e *Experiment) Read(path string) (*Results, error) {
	sum := sha256.Sum256(e.Source)
	r := &Results{Experiment: e.Title, File: hex.EncodeToString(sum[:]), Axis: e.Task.axis()}
	b, err := bounded.ReadFile(path, 64<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	var old Results
	if err := json.Unmarshal(b, &old); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if old.File != r.File {
		return nil, fmt.Errorf("%s: has results of another experiment, or of this one before its file was changed; name another file", path)
	}
	if old.Axis != r.Axis {
		return nil, fmt.Errorf("%s: was written by another version, which told accuracy in other words; name another file", path)
	}
	return &old, nil
}

func (r *Results) write(path string) error {
	return durable.WriteFile(path, func(f *os.File) error {
		e := json.NewEncoder(f)
		e.SetIndent("", " ")
		return e.Encode(r)
	})
}

// Progress is told of a run's steps, and when it is over.
type Progress struct {
	Step func(model string, seed uint64, step int, loss float64)
	Done func(run *Run)
}

// Fill makes the runs that the results lack, seed by seed, so that all models have the first one before any has the second, and
// writes the file at path after each: a run that was interrupted is made anew, those that were complete are not.
func (e *Experiment) Fill(ctx context.Context, r *Results, path string, p Progress) error {
	for _, seed := range e.Seeds {
		for _, m := range e.Models {
			if r.find(m.Name, seed) != nil {
				continue
			}
			run, err := e.train(ctx, m, seed, func(step int, loss float64) { p.Step(m.Name, seed, step, loss) })
			if err != nil {
				return fmt.Errorf("%s, seed %d: %w", m.Name, seed, err)
			}
			r.Runs = append(r.Runs, run)
			if err := r.write(path); err != nil {
				return err
			}
			p.Done(run)
		}
	}
	return nil
}

func (r *Results) find(model string, seed uint64) *Run {
	i := slices.IndexFunc(r.Runs, func(run *Run) bool { return run.Model == model && run.Seed == seed })
	if i < 0 {
		return nil
	}
	return r.Runs[i]
}

// accuracies returns them in the order of the axis.
func accuracies(places []int, all map[int]*Accuracy) (list []Accuracy) {
	slices.Sort(places)
	for _, at := range places {
		list = append(list, *all[at])
	}
	return list
}
