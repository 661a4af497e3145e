package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"

	"jamba"
	"jamba/checkpoint"
	"jamba/internal/bounded"
	"jamba/internal/kernel"
	"jamba/internal/measure/eval"
	"jamba/model"
)

// evalCmd holds the evaluations.
type evalCmd struct {
	Perplexity evalPerplexityCmd `cmd:"" help:"Measure how well a model predicts a text, alone or beside a reference."`
	Choice     evalChoiceCmd     `cmd:"" help:"Measure how often a model finds the right one of several answers most likely."`
	Generate   evalGenerateCmd   `cmd:"" help:"Measure how often a model writes the right answer."`
	Needle     evalNeedleCmd     `cmd:"" help:"Measure what a model finds again in long contexts."`
}

// evalFlags are those that all evaluations have.
type evalFlags struct {
	modelFlag
	threadsFlag
	openFlags
	Precision model.Precision `default:"fast" placeholder:"P" help:"fast, as run computes, or exact. Default: fast."`
	Out       string          `short:"o" placeholder:"FILE" help:"Write the result and its records to a JSON file while they are made. The same command goes on where it was interrupted."`
	JSON      bool            `name:"json" help:"Print the result as JSON, without its records."`
}

const evalHelp = `With -o the result is kept in a JSON file from time to time, and the same command goes on with it: what is there is not computed again. The file says which model (by a hash), data, settings and versions it is of; with others the command refuses to go on.`

// open opens the model, which is to be closed, says what there is to know of it, and describes it.
func (f *evalFlags) open(s *streams) (*jamba.Model, eval.Model, error) {
	path := f.orEmbedded()
	m, err := jamba.OpenWith(path, jamba.OpenOptions{Options: f.options(s.err, f.Precision)})
	if err != nil {
		return nil, eval.Model{}, err
	}
	f.tell(s.err, opened{m.Network(), m.Checkpoint()})
	d, err := describe(path, m.Checkpoint(), m.Network(), f.openFlags)
	if err != nil {
		m.Close()
	}
	return m, d, err
}

// describe says what a model is, with the flags that it was opened with.
func describe(path string, from *checkpoint.Checkpoint, m *model.Model, flags openFlags) (eval.Model, error) {
	hash, err := from.Hash()
	if err != nil {
		return eval.Model{}, err
	}
	s := newSide(path, m, flags)
	d := eval.Model{Name: s.Model, Hash: hex.EncodeToString(hash[:]), Precision: s.Precision, Weights: s.Weights, KV: s.KV, Adapter: s.Adapter}
	if a := m.Adapter(); a != nil {
		hash := a.Hash()
		d.AdapterHash = hex.EncodeToString(hash[:])
	}
	return d, nil
}

// dataFiles returns the names and hashes of files.
func dataFiles(paths ...string) (all []eval.DataFile, err error) {
	for _, path := range paths {
		f, err := bounded.Open(path)
		if err != nil {
			return nil, err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, eval.DataFile{Name: filepath.Base(path), SHA256: hex.EncodeToString(h.Sum(nil))})
	}
	return all, nil
}

func evalVersions() eval.Versions {
	return eval.Versions{Jamba: version(), Kernels: kernel.Tier()}
}

// begin opens the journal of an evaluation, and says if it goes on.
func begin[R any](s *streams, f *evalFlags, head eval.Head, items int, summary func([]R) any) (*eval.Journal[R], error) {
	head.Versions = evalVersions()
	j, err := eval.OpenJournal(f.Out, head, summary)
	switch {
	case err != nil || j.Done() == 0:
	case j.Done() == items:
		fmt.Fprintf(s.err, "jamba: %s is complete; nothing is computed\n", f.Out)
	default:
		fmt.Fprintf(s.err, "jamba: %s has %d of %d records; going on with the others\n", f.Out, j.Done(), items)
	}
	return j, err
}

// finish prints what an evaluation has come to, in whole or, if err has ended it, so far.
func finish[R any](s *streams, f *evalFlags, j *eval.Journal[R], err error, print func(w io.Writer, r eval.Result)) error {
	if err != nil {
		if f.Out != "" && j.Done() > 0 {
			fmt.Fprintf(s.err, "jamba: %s has %d records; the same command goes on with the others\n", f.Out, j.Done())
		}
		return err
	}
	r := j.Result()
	if f.JSON {
		return writeJSON(s.out, r)
	}
	fmt.Fprintf(s.out, "model             %s, %s\n", r.Model.Name, r.Model.Precision)
	print(s.out, r)
	return nil
}
