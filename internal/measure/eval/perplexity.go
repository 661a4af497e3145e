package eval

import (
	"context"
	"errors"
	"fmt"
	"math"

	"jamba/engine/sample"
	"jamba/internal/measure/compare"
	"jamba/text"
	"jamba/train/data"
)

// Window is a run of tokens that is computed from an empty state, and predicted from the token with index From on.
type Window struct {
	IDs   []int32
	From  int // 1 or more
	Bytes int // of the text that the predicted tokens stand for
}

// Cut cuts a text of ids into windows of at most size tokens, 2 or more: each token but the first is predicted in one of them. stride,
// 1 to size-1, is how many tokens the second window and those after it predict; the others of their tokens are what those are
// predicted from.
func Cut(ids []int32, size, stride int) (all []Window) {
	for from, end := 1, min(size, len(ids)); from < len(ids); from, end = end, min(end+stride, len(ids)) {
		start := max(0, end-size)
		all = append(all, Window{IDs: ids[start:end], From: from - start})
	}
	return all
}

// CutHalves cuts a text of ids as llama.cpp's llama-perplexity does: into windows of size tokens one after the other, of which the
// second half is predicted, but for its first token. What is left at the end is left out. Where the first token of windows is given,
// it stands in the place of their own.
func CutHalves(ids []int32, size int, first *int32) (all []Window) {
	for start := 0; start+size <= len(ids); start += size {
		w := Window{IDs: append([]int32{}, ids[start:start+size]...), From: size/2 + 1}
		if first != nil {
			w.IDs[0] = *first
		}
		all = append(all, w)
	}
	return all
}

// TextSettings say how a text is predicted.
type TextSettings struct {
	Window int    `json:"window"`
	Stride int    `json:"stride,omitempty"`
	Score  string `json:"score"`            // all or second-half
	Prefix *int32 `json:"prefix,omitempty"` // the token before the first of a text
}

// The choices of TextSettings.Score.
const (
	ScoreAll        = "all"
	ScoreSecondHalf = "second-half"
)

// Texts reads the documents of sources, encodes them and cuts them into windows. With ScoreAll the prefix token stands before each,
// so that its first token is predicted, too; with ScoreSecondHalf they are one text. Documents of input_ids are taken as they are.
func Texts(sources *data.Sources, t *text.Text, s *TextSettings) (all []Window, err error) {
	var whole []int32
	for d, err := range sources.Documents {
		switch {
		case err != nil:
			return nil, err
		case d.Chat != nil:
			return nil, fmt.Errorf("%s: is a conversation; perplexity is of texts", d.Place)
		}
		ids, bytes := d.IDs, len(d.Text)
		switch {
		case ids != nil:
			for _, id := range ids[min(1, len(ids)):] {
				bytes += len(t.Tokenizer.TokenBytes(id))
			}
		case s.Score == ScoreSecondHalf:
			ids, err = t.Encode(d.Text)
		default:
			if s.Prefix != nil {
				ids = []int32{*s.Prefix}
			}
			var own []int32
			if own, err = text.All(t.Tokenizer.Parts(d.Text, false)); s.Prefix == nil && len(own) > 0 {
				bytes -= len(t.Tokenizer.TokenBytes(own[0])) // it is not predicted
			}
			ids = append(ids, own...)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Place, err)
		}
		if s.Score == ScoreSecondHalf {
			whole = append(whole, ids...)
			continue
		}
		windows := Cut(ids, s.Window, s.Stride)
		for i := range windows {
			windows[i].count(t)
			if bytes -= windows[i].Bytes; i == len(windows)-1 {
				windows[i].Bytes += bytes // tokens do not stand for all bytes where the tokenizer changes a text
			}
		}
		all = append(all, windows...)
	}
	if s.Score == ScoreSecondHalf {
		var first *int32
		if bos, ok := t.Tokenizer.BOS(); ok && t.Tokenizer.AddsBOS() {
			first = &bos
		}
		if all = CutHalves(whole, s.Window, first); len(all) == 0 {
			return nil, fmt.Errorf("the text has %d tokens, less than one window of %d", len(whole), s.Window)
		}
		for i := range all {
			all[i].count(t)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is no text to predict")
	}
	return all, nil
}

// count sets Bytes.
func (w *Window) count(t *text.Text) {
	for _, id := range w.IDs[w.From:] {
		w.Bytes += len(t.Tokenizer.TokenBytes(id))
	}
}

// WindowRecord is how well a window was predicted.
type WindowRecord struct {
	Bytes      int             `json:"bytes"`
	LogProb    compare.Moments `json:"log_prob"` // of the predicted tokens, in nats
	Divergence *Divergence     `json:"divergence,omitempty"`
}

// Divergence is how predictions differ from the reference's.
type Divergence struct {
	LogProb compare.Moments `json:"log_prob"` // that the reference gives
	Change  compare.Moments `json:"change"`   // of the log-probability, against the reference's
	KL      compare.Moments `json:"kl"`       // KL(reference‖model)
	MaxKL   float64         `json:"max_kl"`
	SameTop int             `json:"same_top"` // positions with the same most likely token
}

func (d *Divergence) add(r compare.Row) {
	d.LogProb.Add(r.LogProb)
	d.Change.Add(r.OtherLogProb - r.LogProb)
	d.KL.Add(r.KL)
	d.MaxKL = max(d.MaxKL, r.KL)
	if r.SameTop {
		d.SameTop++
	}
}

func (d *Divergence) merge(o *Divergence) {
	d.LogProb.Merge(o.LogProb)
	d.Change.Merge(o.Change)
	d.KL.Merge(o.KL)
	d.MaxKL = max(d.MaxKL, o.MaxKL)
	d.SameTop += o.SameTop
}

// Perplexity computes the windows that the journal lacks, with the model and, if it is not nil, a reference. progress, if not nil, is
// told of the tokens that are done.
func Perplexity(ctx context.Context, m, reference compare.Engine, windows []Window, j *Journal[WindowRecord], progress func(done, total int64)) error {
	engines := []compare.Engine{m}
	if reference != nil {
		if err := compare.SameVocab(reference, m); err != nil {
			return err
		}
		engines = []compare.Engine{reference, m}
	}
	var done, total int64
	for i, w := range windows {
		for _, id := range w.IDs {
			if id < 0 || int(id) >= m.Vocab() {
				return fmt.Errorf("token %d of the text is not in the model's vocabulary of %d", id, m.Vocab())
			}
		}
		total += int64(len(w.IDs))
		if j.Has(i) {
			done += int64(len(w.IDs))
		}
	}
	return j.Each(ctx, len(windows), 1, func(ctx context.Context, item int) (WindowRecord, error) {
		return predict(ctx, engines, windows[item], func(n int) {
			if done += int64(n); progress != nil {
				progress(done, total)
			}
		})
	}, nil)
}

// predict computes a window with a model, or a reference and a model.
func predict(ctx context.Context, engines []compare.Engine, w Window, progress func(tokens int)) (WindowRecord, error) {
	r := WindowRecord{Bytes: w.Bytes}
	rows := make([]compare.Row, len(w.IDs))
	// The last token is predicted, and predicts nothing.
	err := compare.Sequence(ctx, engines, w.IDs[:len(w.IDs)-1], w.From-1, func(pos int, logits [][]float32) {
		next := w.IDs[pos+1]
		if len(engines) == 1 {
			p, _ := sample.Logprobs(logits[0], next, 0, nil)
			rows[pos+1].OtherLogProb = p.Logprob
			return
		}
		rows[pos+1] = compare.NewRow(logits[0], logits[1], int(next))
	}, progress)
	if err != nil {
		return r, err
	}
	progress(1)
	if len(engines) > 1 {
		r.Divergence = &Divergence{}
	}
	for _, row := range rows[w.From:] {
		r.LogProb.Add(row.OtherLogProb)
		if r.Divergence != nil {
			r.Divergence.add(row)
		}
	}
	return r, nil
}

// TextSummary is how well a text is predicted. Standard errors take tokens as independent.
type TextSummary struct {
	Tokens        int         `json:"tokens"` // that were predicted
	Bytes         int         `json:"bytes"`  // that they stand for
	LogLikelihood float64     `json:"log_likelihood"`
	Perplexity    float64     `json:"perplexity"` // of a token
	StandardError float64     `json:"standard_error"`
	BitsPerByte   float64     `json:"bits_per_byte"`
	Reference     *Comparison `json:"reference,omitempty"`
}

// Comparison is how a model's predictions differ from a reference's.
type Comparison struct {
	Perplexity float64 `json:"perplexity"`
	// Ratio is the model's perplexity by the reference's. Its standard error is less than those of the two, which move together.
	Ratio              float64       `json:"ratio"`
	RatioStandardError float64       `json:"ratio_standard_error"`
	KL                 float64       `json:"kl"` // its mean, KL(reference‖model) in nats
	KLStandardError    float64       `json:"kl_standard_error"`
	MaxKL              float64       `json:"max_kl"`
	SameTop            compare.Share `json:"same_top"`
}

// SummariseText sums up the records of windows.
func SummariseText(records []WindowRecord) any {
	var s TextSummary
	var p compare.Moments
	var d Divergence
	for _, r := range records {
		s.Bytes += r.Bytes
		p.Merge(r.LogProb)
		if r.Divergence != nil {
			d.merge(r.Divergence)
		}
	}
	if s.Tokens = p.N; p.N == 0 {
		return s
	}
	s.LogLikelihood = p.Sum
	s.Perplexity, s.StandardError = perplexity(p)
	if s.Bytes > 0 {
		s.BitsPerByte = -p.Sum / math.Ln2 / float64(s.Bytes)
	}
	if d.KL.N > 0 {
		c := Comparison{KL: d.KL.Mean(), KLStandardError: d.KL.StandardError(), MaxKL: d.MaxKL, SameTop: compare.Wilson(d.SameTop, d.KL.N)}
		c.Perplexity, _ = perplexity(d.LogProb)
		c.Ratio, c.RatioStandardError = perplexity(d.Change)
		s.Reference = &c
	}
	return s
}

// perplexity returns the exponential of the mean loss and, to the first order, its standard error.
func perplexity(logProb compare.Moments) (value, standardError float64) {
	value = math.Exp(-logProb.Mean())
	return value, value * logProb.StandardError()
}
