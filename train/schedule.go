package train

import (
	"fmt"
	"math"
)

// Schedule is the learning rate over the steps, as transformers' get_constant_schedule_with_warmup,
// get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup have it: up from 0 in a line over Warmup steps, then
// constant, or down to Min at step Steps.
type Schedule struct {
	Kind   Kind
	Peak   float64
	Min    float64 // where the curve ends; 0 in transformers
	Warmup int     // steps
	Steps  int     // of the whole training; of no matter for Constant
}

// Kind is the shape of a Schedule after its warm-up.
type Kind int

// The kinds of schedules.
const (
	Constant Kind = iota
	Cosine
	Linear
)

var kinds = []string{"constant", "cosine", "linear"}

// String returns the kind's name on the command line.
func (k Kind) String() string { return kinds[k] }

// MarshalText returns the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads constant, cosine or linear.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, name := range kinds {
		if name == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("schedule %q is not known; constant, cosine and linear are", b)
}

// LR returns the learning rate of a step, the first being 0.
func (s Schedule) LR(step int) float64 {
	if step < s.Warmup {
		return s.Peak * float64(step) / float64(s.Warmup)
	}
	left := 1.0
	done := min(1, float64(step-s.Warmup)/float64(max(1, s.Steps-s.Warmup)))
	switch s.Kind {
	case Cosine:
		left = (1 + math.Cos(math.Pi*done)) / 2
	case Linear:
		left = 1 - done
	}
	return s.Min + (s.Peak-s.Min)*left
}

func (s Schedule) validate() error {
	switch {
	case s.Kind < Constant || s.Kind > Linear:
		return fmt.Errorf("schedule %d is not known", s.Kind)
	case !(s.Peak > 0) || math.IsInf(s.Peak, 0):
		return fmt.Errorf("lr is %v, want a number above 0", s.Peak)
	case !(s.Min >= 0) || s.Min > s.Peak:
		return fmt.Errorf("min-lr is %v, want 0 to the learning rate, %v", s.Min, s.Peak)
	case s.Warmup < 0:
		return fmt.Errorf("warmup is %d, want 0 or more", s.Warmup)
	case s.Kind != Constant && s.Steps <= s.Warmup:
		return fmt.Errorf("warmup is %d, want less than the number of steps, %d, unless the schedule is constant", s.Warmup, s.Steps)
	}
	return nil
}
