package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"jamba/model/state"
	"jamba/train/loop"
)

// display shows a training: on a terminal in a line that changes, elsewhere in a line from time to time.
type display struct {
	w        io.Writer
	terminal bool
	o        *loop.Options
	first    bool
	shown    time.Time
	tokens   float64 // of a second, smoothed
	pace     float64 // seconds of a step, smoothed
	last     time.Time
}

// quiet is the time between lines that stay.
const quiet = 30 * time.Second

// newDisplay returns a display on w and sets it into o.
func newDisplay(w io.Writer, o *loop.Options) *display {
	d := &display{w: w, terminal: isTerminal(w), o: o, first: true, last: time.Now()}
	o.OnStep, o.OnVal, o.OnSave = d.step, d.val, d.save
	return d
}

// plan says what will be done.
func (d *display) plan(r *loop.Run, sequences int) {
	d.last = time.Now()
	s, m := r.Settings, d.o.Model
	total, trained := m.Sizes().Total(), r.Trained()
	w := tabwriter.NewWriter(d.w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "model\t%s, %d layers, %s parameters, active %s", m.Config.Architecture, len(m.Config.Layers), count(total.Params), count(total.ActiveParams))
	if trained != total.Params {
		fmt.Fprintf(w, ", trained %s", count(trained))
	}
	fmt.Fprintf(w, "\ndata\t%s tokens in %d documents, a vocabulary of %d", count(d.o.Data.Tokens()), d.o.Data.Documents(), d.o.Data.VocabSize())
	if n := d.o.Data.Skipped(); n > 0 {
		fmt.Fprintf(w, "; %d corrupt ones are left out", n)
	}
	step := s.Batch * s.GradAccum
	fmt.Fprintf(w, "\ntraining\t%d steps of %d sequences of %d: %s tokens, %.3g epochs", s.Steps, step, s.Seq, count(int64(s.Steps)*int64(step)*int64(s.Seq)), float64(s.Steps)*float64(step)/float64(sequences))
	if r.Done() > 0 {
		fmt.Fprintf(w, "; %d steps are done", r.Done())
	}
	memory := r.Memory()
	need := memory.Total()
	fmt.Fprintf(w, "\nmemory\tabout %s (weights %s, gradients and moments %s, activations %s)", bytesize(need), bytesize(memory.Weights),
		bytesize(memory.Gradients+memory.Moments), bytesize(memory.Activations+memory.Backward+memory.Scratch))
	if free, known := state.Available(); known {
		// What is there already is not free any more.
		fmt.Fprintf(w, ", %s are free", bytesize(free))
		if need-memory.Weights-memory.Gradients-memory.Moments > free {
			fmt.Fprint(w, ": that will not do; a smaller --batch with --grad-accum takes less")
		}
	}
	fmt.Fprintf(w, "\nto\t%s", d.o.Dir)
	if d.o.Save > 0 {
		fmt.Fprintf(w, ", every %d steps %s, of which the last %d are kept", d.o.Save, bytesize(12*trained), d.o.Keep)
	}
	fmt.Fprintln(w)
	w.Flush()
}

func (d *display) step(l loop.StepLine) {
	now := time.Now()
	seconds := now.Sub(d.last).Seconds()
	d.last = now
	if d.pace == 0 {
		d.pace, d.tokens = seconds, l.TokensPerS
	}
	d.pace += 0.05 * (seconds - d.pace)
	d.tokens += 0.05 * (l.TokensPerS - d.tokens)
	left := time.Duration(d.pace * float64(d.o.Settings.Steps-l.Step-1) * float64(time.Second)).Round(time.Second)
	line := fmt.Sprintf("step %d/%d  loss %.4f  %.0f tokens/s  %v left", l.Step+1, d.o.Settings.Steps, l.Loss, d.tokens, left)
	switch {
	case l.Step+1 == d.o.Settings.Steps:
		d.lasting(line) // what has been reached
	case d.terminal:
		fmt.Fprintf(d.w, "\r%s\x1b[K", line)
	case d.first || now.Sub(d.shown) > quiet:
		fmt.Fprintln(d.w, line)
		d.shown = now
	}
	d.first = false
}

func (d *display) val(l loop.ValLine) {
	line := fmt.Sprintf("step %d: validation loss %.4f", l.Step, l.ValLoss)
	if l.BitsPerByte != nil {
		line += fmt.Sprintf(", %.4f bits per byte", *l.BitsPerByte)
	}
	d.lasting(line)
}

func (d *display) save(s loop.State, path string) {
	d.lasting(fmt.Sprintf("step %d: saved in %s", s.Step, path))
}

// lasting prints a line that stays.
func (d *display) lasting(line string) {
	d.end()
	fmt.Fprintln(d.w, strings.TrimSpace(line))
}

// end removes the line that changes.
func (d *display) end() {
	if d.terminal {
		fmt.Fprint(d.w, "\r\x1b[K")
	}
}
