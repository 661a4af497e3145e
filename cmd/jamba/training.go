package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/schollz/progressbar/v3"

	"jamba/internal/durable"
	"jamba/model"
	"jamba/text"
	"jamba/train/data"
	"jamba/train/loop"
)

// trainee is what a run trains.
type trainee struct {
	model *model.Model
	write func(dir string) error // writes all files of what is trained but the tokenizer's
}

// training is a run as a verb sets it up.
type training struct {
	*trainingFlags
	data     []string
	settings loop.Settings // before the flags
	epochs   float64       // instead of settings.Steps; 0: none
	little   bool          // fewer sequences in a batch and more epochs, if the data are little
	use      string        // a command's arguments that use what is trained
	vocab    int           // tokens of a model without a tokenizer
	placed   bool          // the tokenizer was put into a folder that had none

	// files returns the tokenizer's files, and others that belong to each checkpoint; nil: they are those that a run has
	// which is resumed.
	files func(resumed bool) (smallFiles, error)
	// open returns what is trained, at its beginning, or from a checkpoint. Its text is nil if there is no tokenizer.
	open func(t *text.Text, resumed string) (trainee, error)
}

// run trains.
func (t *training) run(s *streams) (err error) {
	if err := t.apply(); err != nil {
		return err
	}
	fraction, held, err := t.validation()
	if err != nil {
		return err
	}
	if t.Keep < 1 || t.SaveEvery < 0 || t.EvalEvery < 0 {
		return usageError(fmt.Sprintf("--keep is %d, want 1 or more, and --save-every %d and --eval-every %d, want 0 or more", t.Keep, t.SaveEvery, t.EvalEvery))
	}
	if err := t.override(); err != nil {
		return err
	}
	if t.Val != nil {
		t.settings.Val = fraction
	}
	lock, err := durable.Lock(t.Out)
	if err != nil {
		return err
	}
	defer lock.Close()
	from, checkpoint, err := t.begin()
	defer func() {
		if _, _, none := loop.Latest(t.Out); err != nil && t.placed && errors.Is(none, durable.ErrNoStep) {
			_ = os.RemoveAll(t.tokenizer()) // it would be in the way of the next try with another model
		}
	}()
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program

	var words *text.Text
	if path := t.words(); path != "" {
		if words, err = text.Open(path); err != nil {
			return err
		}
	}
	files, err := folder(t.tokenizer())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	delete(files, ggufTokenizer) // what is trained beside a GGUF file is run beside it
	set, err := t.load(ctx, s, t.data)
	if err != nil {
		return err
	}
	defer set.Close()
	o := loop.Options{Dir: t.Out, Data: set, Save: t.SaveEvery, Eval: t.EvalEvery, Keep: t.Keep, Inspect: t.Inspect}
	if len(held) > 0 {
		val, err := t.load(ctx, s, held)
		if err != nil {
			return err
		}
		defer val.Close()
		o.Val = val.All()
	}
	x, err := t.open(words, checkpoint)
	if err != nil {
		return err
	}
	sequences, chosen, err := t.fit(set, x.model.Config.MaxPositionEmbeddings)
	if err != nil {
		return err
	}
	if n := x.model.Config.VocabSize; set.VocabSize() > n {
		return fmt.Errorf("the tokenizer has %d tokens, the model has weights for %d", set.VocabSize(), n)
	}
	o.Model, o.Settings = x.model, t.settings
	o.Write = func(dir string) error { return errors.Join(x.write(dir), files.write(dir)) }
	if words != nil {
		o.Bytes = func(id int32) int {
			if words.Tokenizer.IsSpecial(id) {
				return 0
			}
			return len(words.Tokenizer.TokenBytes(id))
		}
	}
	collectEarly()
	d := newDisplay(s.err, &o)
	r, err := loop.New(o, from, checkpoint)
	if err != nil {
		return err
	}
	d.plan(r, sequences)
	if chosen != "" {
		fmt.Fprintln(s.err, "jamba:", chosen)
	}
	if n := r.Settings.Steps; n < fewSteps {
		fmt.Fprintf(s.err, "jamba: warning: %d steps are few to learn from; more data, more --epochs or --steps, or a smaller --batch make more of them\n", n)
	}
	err = r.Run(ctx)
	d.end()
	return t.outcome(s, r, err)
}

// outcome says on s how a run has ended.
func (t *training) outcome(s *streams, r *loop.Run, err error) error {
	last, path, errLatest := loop.Latest(t.Out)
	switch {
	case err == nil:
		fmt.Fprintf(s.err, "jamba: done; jamba run %s runs the model\n", t.use)
		return nil
	case errLatest != nil:
		return fmt.Errorf("%w; nothing is saved", err)
	case errors.Is(err, context.Canceled) && last.Step == r.Done():
		fmt.Fprintf(s.err, "jamba: stopped and saved after step %d in %s; the same command with --resume goes on\n", last.Step, path)
		return err
	}
	return fmt.Errorf("%w; the last checkpoint, after step %d, is %s", err, last.Step, path)
}

// begin makes the folder of the run with the tokenizer, or finds where it stands.
func (t *training) begin() (from *loop.State, checkpoint string, err error) {
	state, checkpoint, err := loop.Latest(t.Out)
	switch {
	case err == nil && !t.Resume:
		return nil, "", usageError(fmt.Sprintf("%s holds a run that has done %d steps: go on with --resume, or name another folder", t.Out, state.Step))
	case err == nil:
		from = &state
	case !errors.Is(err, durable.ErrNoStep):
		return nil, "", err
	}
	for what, file := range map[string]string{"a model": "config.json", "an adapter": "adapter_config.json"} {
		// A run's own are links; so are those of others' models sometimes.
		path := filepath.Join(t.Out, file)
		link, err := os.Readlink(path)
		if own := err == nil && link == filepath.Join("latest", file); own {
			continue
		}
		if _, err := os.Lstat(path); err == nil {
			return nil, "", usageError(fmt.Sprintf("%s holds %s; name a new folder", t.Out, what))
		}
	}
	files, err := t.files(from != nil)
	if err == nil && files != nil {
		t.placed, err = files.place(t.tokenizer())
	}
	return from, checkpoint, err
}

// tokenizer is where the run has its tokenizer.
func (t *training) tokenizer() string { return filepath.Join(t.Out, "tokenizer") }

// words is what the run's tokenizer is opened from; empty: it has none.
func (t *training) words() string {
	for file, path := range map[string]string{
		ggufTokenizer: filepath.Join(t.tokenizer(), ggufTokenizer), "tokenizer.json": t.tokenizer(), "tokenizer.model": t.tokenizer(),
	} {
		if _, err := os.Stat(filepath.Join(t.tokenizer(), file)); err == nil {
			return path
		}
	}
	return ""
}

// load returns the documents of files.
func (t *training) load(ctx context.Context, s *streams, files []string) (*data.Dataset, error) {
	cache := t.TokenCache
	if cache == "" {
		cache = filepath.Join(t.Out, "tokens")
	}
	if cache == filepath.Join(t.Out, "tokens") { // others may be at work in another
		if err := durable.Clean(cache, ""); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	set, err := data.Load(ctx, cache, data.Options{Tokenizer: t.words(), VocabSize: t.vocab, Sources: t.sources(s, files)})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("data: %w", err)
	}
	return set, err
}

func (t *training) sources(s *streams, files []string) data.Sources {
	return data.Sources{
		Paths: files, Split: t.Split, PlainText: t.PlainText, SkipCorrupt: t.SkipCorrupt, ReplaceUTF8: t.SkipCorrupt,
		Corrupt:  func(err error) { fmt.Fprintln(s.err, "jamba: skipped:", err) },
		Progress: bar(s.err, "reading", progressbar.OptionShowBytes(true)),
	}
}

// sequences returns the number of sequences of one epoch.
func (t *training) sequences(set *data.Dataset) (int, error) {
	part, _, err := t.settings.Split(set)
	if err != nil {
		return 0, err
	}
	it, err := part.Iterator(data.Packing{Length: t.settings.Seq, Seed: t.settings.Seed, NoShuffle: t.settings.NoShuffle})
	if err != nil {
		return 0, err
	}
	return it.Len(), nil
}
