package engine

import (
	"math/bits"
	"time"
)

// pace learns how long passes take.
type pace struct {
	alone [16]float64 // seconds of a pass over answers alone, by the number of their rows rounded up to a power of two; 0: unknown
	row   float64     // seconds that a row of a prompt adds to answers
}

// The rows of prompts beside answers: at least enough for prompts to come on, and at first what costs little on any machine.
const (
	minBeside   = 8
	firstBeside = 32
)

// learnt is the weight of the latest measurement.
const learnt = 0.2

func blend(old *float64, v float64) {
	if *old == 0 {
		*old = v
	} else {
		*old += learnt * (v - *old)
	}
}

func bucket(rows int) int { return min(bits.Len(uint(rows-1)), len(pace{}.alone)-1) }

// learn takes the time of a pass with so many rows of answers and of prompts.
func (p *pace) learn(answers, prompts int, t time.Duration) {
	switch {
	case answers == 0:
	case prompts == 0:
		blend(&p.alone[bucket(answers)], t.Seconds())
	default:
		if alone := p.time(answers); alone > 0 && t.Seconds() > alone {
			blend(&p.row, (t.Seconds()-alone)/float64(prompts))
		}
	}
}

// time returns the seconds of a pass over so many rows of answers alone, 0 if nothing like it was measured.
func (p *pace) time(answers int) float64 {
	for b := bucket(answers); b >= 0; b-- {
		if p.alone[b] > 0 {
			return p.alone[b]
		}
	}
	return 0
}

// beside returns how many rows of prompts there may be beside answers, so that the pass takes at most stretch times as long as
// without them.
func (p *pace) beside(answers int, stretch float64) int {
	alone := p.time(answers)
	if alone == 0 || p.row == 0 {
		return firstBeside
	}
	return max(minBeside, int(min(1e6, (stretch-1)*alone/p.row)))
}

// learn takes the time of the pass at hand.
func (e *Engine) learn(t time.Duration) {
	answers, prompts := 0, 0
	for i, s := range e.step {
		if n := len(e.spans[i].Tokens); s.answering {
			answers += n
		} else {
			prompts += n
		}
	}
	e.pace.learn(answers, prompts, t)
}
