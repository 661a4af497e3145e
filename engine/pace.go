package engine

import (
	"math"
	"math/bits"
	"time"
)

// pace learns how long passes take.
type pace struct {
	alone [16]average // seconds of a pass over answers alone, by the number of their rows rounded up to a power of two
	row   average     // seconds that a row of a prompt adds to answers
	noise average     // how far passes are from what these say, as a part of it
}

// average is the mean of the latest values, about 20 of them.
type average struct {
	n     int // 0: unknown
	value float64
}

func (a *average) add(v float64) {
	a.n = min(a.n+1, 20)
	a.value += (v - a.value) / float64(a.n)
}

// The rows of prompts beside answers: at least enough for prompts to come on, and at first what costs little on any machine.
const (
	minBeside   = 8
	firstBeside = 32
)

func bucket(rows int) int { return min(bits.Len(uint(rows-1)), len(pace{}.alone)-1) }

// learn takes the time of a pass with so many rows of answers and of prompts.
func (p *pace) learn(answers, prompts int, t time.Duration) {
	switch {
	case answers == 0:
	case prompts == 0:
		p.alone[bucket(answers)].add(t.Seconds())
	default:
		alone, t := p.time(answers), t.Seconds()
		if expected := alone + p.row.value*float64(prompts); p.row.n > 0 {
			p.noise.add(math.Abs(t-expected) / expected)
		}
		if alone > 0 && t > alone {
			p.row.add((t - alone) / float64(prompts))
		}
	}
}

// time returns the seconds of a pass over so many rows of answers alone, 0 if nothing like it was measured.
func (p *pace) time(answers int) float64 {
	for b := bucket(answers); b >= 0; b-- {
		if p.alone[b].n > 0 {
			return p.alone[b].value
		}
	}
	return 0
}

// deviations is how many of its mean deviations a pass may be late: with this many hardly one in a hundred is, where times of passes
// are as on a machine with busy neighbours.
const deviations = 6

// beside returns how many rows of prompts there may be beside answers, so that hardly a pass takes more than stretch times as long as
// without them.
func (p *pace) beside(answers int, stretch float64) int {
	alone := p.time(answers)
	if alone == 0 || p.row.n == 0 {
		return firstBeside
	}
	return max(minBeside, int(min(1e6, (stretch/(1+deviations*p.noise.value)-1)*alone/p.row.value)))
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
