package loop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"jamba/internal/durable"
	"jamba/model"
	"jamba/train"
	"jamba/train/data"
)

// Options are what a run is made of.
type Options struct {
	Dir      string
	Settings Settings
	Model    *model.Model           // of model.New or checkpoint.OpenForTraining; if it has an adapter, that alone is trained
	Write    func(dir string) error // writes the files of what is trained into a folder: WriteModel, or checkpoint.WriteAdapter
	Data     *data.Dataset          // what Settings.Val leaves of it is trained on, the rest validates
	Val      *data.Set              // more to validate with; may be nil
	Bytes    func(id int32) int     // of the text that a token stands for; nil: not known
	Save     int                    // save every so many steps; 0: at the end alone
	Eval     int                    // validate every so many steps; 0: never
	Keep     int                    // checkpoints
	Inspect  bool                   // put figures of each layer into the log
	OnStep   func(StepLine)         // may be nil, as those below
	OnVal    func(ValLine)
	OnSave   func(s State, path string)
}

// Run is a training that goes on until it is done or stopped.
type Run struct {
	Options
	trainer *train.Trainer
	batches *data.Iterator
	val     []*data.Set
	state   State
	saved   int    // the last step that is saved; -1: none
	from    string // the checkpoint that the run goes on from; empty: none
	log     *runLog
}

// New returns a run at its beginning, or where it was saved: from is nil, or the state and the path of the checkpoint that
// Options.Model was opened from. It is an error if the run cannot go on so, because the settings or the data are others.
func New(o Options, from *State, path string) (*Run, error) {
	s := &o.Settings
	if s.Warmup < 0 {
		s.Warmup = DefaultWarmup(s.Steps)
		if from != nil {
			s.Warmup = from.Settings.Warmup
		}
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	r := &Run{Options: o, saved: -1, state: State{Version: stateVersion, Data: o.Data.Key(), Settings: *s}}
	if from != nil {
		if err := s.Same(&from.Settings); err != nil {
			return nil, fmt.Errorf("cannot resume %s: %w", path, err)
		}
		if from.Data != r.state.Data {
			return nil, fmt.Errorf("cannot resume %s: the run began with other data, or read it with another tokenizer or other flags; give it the same files in the same order", path)
		}
		r.state = *from
		r.state.Settings, r.saved, r.from = *s, from.Step, path
	}
	training, rest, err := s.Split(o.Data)
	if err != nil {
		return nil, err
	}
	if limit := o.Model.Config.MaxPositionEmbeddings; limit > 0 && s.Seq > limit && training.Longest() > int64(limit) {
		return nil, fmt.Errorf("seq is %d and a document has %d tokens, but the model is for %d (max_position_embeddings): make seq smaller", s.Seq, training.Longest()+1, limit)
	}
	for _, set := range []*data.Set{rest, o.Val} {
		if set != nil && set.Examples() > 0 {
			r.val = append(r.val, set)
		}
	}
	if r.batches, err = training.Iterator(data.Packing{Length: s.Seq, Seed: s.Seed, NoShuffle: s.NoShuffle}); err != nil {
		return nil, err
	}
	if err := r.batches.Seek(r.state.Position); err != nil {
		return nil, err
	}
	t := s.trainer()
	t.Inspect = o.Inspect
	if r.trainer, err = train.New(o.Model, t); err != nil {
		return nil, err
	}
	if r.state.Frozen = frozen(r.trainer); from != nil {
		if r.state.Frozen != from.Frozen {
			return nil, fmt.Errorf("cannot resume %s: the weights that are not trained are others than the run began with; give it the same model", path)
		}
		if err := readMoments(filepath.Join(path, optimizerFile), r.trainer); err != nil {
			return nil, err
		}
		r.trainer.Moments.Step = from.Step
	}
	return r, nil
}

// Trained returns the number of parameters that are trained.
func (r *Run) Trained() (n int64) {
	for _, p := range r.trainer.Params {
		n += int64(len(p.Grad))
	}
	return n
}

// Memory predicts what the run takes, for documents as many as a sequence has on average.
func (r *Run) Memory() train.Memory {
	documents := float64(r.batches.Pieces()) / float64(r.batches.Len())
	length := math.Ceil(float64(r.Settings.Seq)/documents) + 1 // the last token of a document is a row, too
	return r.trainer.Memory(int(math.Ceil(float64(r.Settings.Batch)*documents)), int(length))
}

// Done returns the number of steps that have been done.
func (r *Run) Done() int { return r.state.Step }

// Run trains to the end. If ctx ends before, it saves and returns the context's error. After any other error, such as one of
// that saving, the last checkpoint is what it was.
func (r *Run) Run(ctx context.Context) error {
	var err error
	if r.log, err = openLog(r.Dir, r.state.Step); err != nil {
		return err
	}
	defer r.log.f.Close()
	if dir, name := filepath.Split(r.from); name != "" && filepath.Clean(dir) == filepath.Clean(r.Dir) {
		// Who was killed after the checkpoint had its name may not have shown it.
		durable.LinkLatest(r.Dir, name)
		if err := showLatest(r.Dir, r.from); err != nil {
			return err
		}
	}
	for {
		err := r.pause(ctx)
		if err == nil && r.state.Step >= r.Settings.Steps {
			return r.save()
		}
		if err == nil {
			err = r.step(ctx)
		}
		if err == nil {
			continue
		}
		if stop := ctx.Err(); stop != nil && errors.Is(err, stop) {
			if err = r.save(); err == nil {
				err = stop
			}
		}
		return err
	}
}

// pause does what there is to do between two steps.
func (r *Run) pause(ctx context.Context) error {
	at := r.state.Step
	if r.Eval > 0 && at > 0 && (at%r.Eval == 0 || at == r.Settings.Steps) && !r.log.validated(at) {
		if err := r.validate(ctx); err != nil {
			return err
		}
	}
	if r.Save > 0 && at > 0 && at%r.Save == 0 {
		return r.save()
	}
	return nil
}

// step does one step, or none if it returns an error.
func (r *Run) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	start := time.Now()
	batches, err := r.next()
	if err != nil {
		return err
	}
	stats, err := r.trainer.Step(ctx, batches...)
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	r.state.Step++
	r.state.Position = r.batches.Position()
	r.state.Tokens += int64(stats.Tokens)
	r.state.Seconds += seconds
	line := stepLine(&stats, seconds)
	if err := r.log.step(line); err != nil {
		return err
	}
	if r.OnStep != nil {
		r.OnStep(line)
	}
	return nil
}

// next returns the batches of a step. Those in which nothing is to be predicted, such as the beginnings of conversations
// that are longer than a sequence, are left out.
func (r *Run) next() ([]*train.Batch, error) {
	all := make([]*train.Batch, r.Settings.GradAccum)
	targets, begin := 0, r.batches.Position().Epoch
	for targets == 0 {
		if r.batches.Position().Epoch > begin+1 { // a whole epoch has been seen
			return nil, errors.New("nothing in the data is to be predicted")
		}
		for i := range all {
			sequences, err := r.batches.Next(r.Settings.Batch)
			if err != nil {
				return nil, err
			}
			b, n := toBatch(sequences)
			all[i] = b
			targets += n
		}
	}
	return all, nil
}

// validate computes the loss of all that validates.
func (r *Run) validate(ctx context.Context) error {
	if len(r.val) == 0 {
		return nil
	}
	var sum float64
	var targets, bytes int64
	for _, set := range r.val {
		it, err := set.Iterator(data.Packing{Length: r.Settings.Seq, NoShuffle: true})
		if err != nil {
			return err
		}
		for sequences, err := range it.Rest(r.Settings.Batch) {
			if err != nil {
				return err
			}
			batch, n := toBatch(sequences)
			if n == 0 {
				continue
			}
			stats, err := r.trainer.Evaluate(ctx, batch)
			if err != nil {
				return fmt.Errorf("validation after step %d: %w", r.state.Step, err)
			}
			sum += stats.CE * float64(n)
			targets += int64(n)
			if r.Bytes != nil {
				bytes += bytesOf(sequences, r.Bytes)
			}
		}
	}
	if targets == 0 {
		return errors.New("nothing in the documents that validate is to be predicted")
	}
	line := ValLine{Step: r.state.Step, ValLoss: sum / float64(targets)}
	if bytes > 0 {
		line.BitsPerByte = new(sum / math.Ln2 / float64(bytes))
	}
	if err := r.log.validation(line); err != nil {
		return err
	}
	if r.OnVal != nil {
		r.OnVal(line)
	}
	return nil
}
