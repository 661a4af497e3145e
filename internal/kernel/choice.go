package kernel

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"jamba/tensor"
)

// Choice is from how many rows of activations on products with packed weights go by the way of many rows, by the types
// that are measured: "q8_0": 48. A type stands for all of its arithmetic. All ways give the same bits, so a choice that is
// not the best costs nothing but time.
type Choice map[string]int

// never is from how many rows on a way is taken that never is.
const never = math.MaxInt32

// chosenTypes are the types that are measured, one for each arithmetic.
var chosenTypes = [arithmetics]tensor.DType{
	i8: tensor.Q8_0, i8m: tensor.Q5_1, i4m: tensor.Q4_0, k4: tensor.Q4_K, k5: tensor.Q5_K, k6: tensor.Q6_K, c8: tensor.INT8,
}

// name is what a Choice calls an arithmetic.
func (a arithmetic) name() string { return strings.ToLower(chosenTypes[a].String()) }

// choices are the arithmetics that have two ways. There may be no kernels.
func (k *packKernels) choices() (all []arithmetic) {
	for a := range arithmetics {
		if k != nil && k.arithmetic[a].many != nil {
			all = append(all, a)
		}
	}
	return all
}

// installed is a choice for the kernels of one tier. It never changes.
type installed struct {
	kernels *packKernels
	from    [arithmetics]int
}

// chosen is what was installed last; nil: nothing. A matrix takes its row count from it when it is packed, and keeps that.
var chosen atomic.Pointer[installed]

// from is from how many rows on products of an arithmetic go by the way of many: as it was chosen, or else a constant.
func (k *packKernels) from(a arithmetic) int {
	many := k.arithmetic[a].many
	if many == nil {
		return never
	}
	if c := chosen.Load(); c != nil && c.kernels == k {
		return c.from[a]
	}
	return many.from()
}

// Chosen returns the choice for matrices that are packed from now on. It is empty if the tier in use has nothing to choose.
func Chosen() Choice {
	c := Choice{}
	for _, a := range active.pack.choices() {
		c[a.name()] = active.pack.from(a)
	}
	return c
}

// Install puts c in use for matrices that the tier in use packs from now on; others stay as they are. It is an error if c
// is no choice for these kernels: it may be from a file.
func (c Choice) Install() error {
	all := active.pack.choices()
	if len(c) != len(all) {
		return fmt.Errorf("a choice for %d types; %s kernels have %d", len(c), active.name, len(all))
	}
	next := &installed{kernels: active.pack}
	for _, a := range all {
		from, ok := c[a.name()]
		if !ok || from < 1 || from > never {
			return fmt.Errorf("no choice for %s from 1 to %d", a.name(), never)
		}
		next.from[a] = from
	}
	chosen.Store(next)
	return nil
}

// String names the ways of the tier in use, and from how many rows on c takes them: "wide tiles from 24 rows (q4_k), from 48
// rows (q8_0)".
func (c Choice) String() string {
	ways := map[string]map[int][]string{} // types by row counts by ways
	for _, a := range active.pack.choices() {
		way, from := active.pack.arithmetic[a].many.String(), c[a.name()]
		if ways[way] == nil {
			ways[way] = map[int][]string{}
		}
		ways[way][from] = append(ways[way][from], a.name())
	}
	var all []string
	for _, way := range slices.Backward(slices.Sorted(maps.Keys(ways))) { // what most types have stands first
		var parts []string
		for _, from := range slices.Sorted(maps.Keys(ways[way])) {
			part := fmt.Sprintf("from %d rows", from)
			if from == never {
				part = "never"
			}
			if len(ways[way]) > 1 {
				part += " (" + strings.Join(ways[way][from], ", ") + ")"
			}
			parts = append(parts, part)
		}
		all = append(all, way+" "+strings.Join(parts, ", "))
	}
	return strings.Join(all, "; ")
}

// timing is how long the same product takes by both ways.
type timing struct{ few, many time.Duration }

// gain is how many times as fast a way has to be for a choice to change.
const gain = 1.05

func (t timing) manyPays() bool { return float64(t.few) > gain*float64(t.many) }

func (t timing) fewPays() bool { return float64(t.many) > gain*float64(t.few) }

// choiceRows are the numbers of rows that are timed: most have one row more than fills tiles of four or six, which many rows may
// be slowest with, so that no number between them is a loss.
var choiceRows = [...]int{9, 13, 19, 25, 31, 37, 49, 67, 97, 193}

type timings [len(choiceRows)]timing

// decide returns from how many rows on the way of many is to be taken: constant, unless there is a clear gain. Where many
// rows lose it is what comes after the last of these, so that from there on they do not, if that gains in all that it
// changes. Else it is as few as they gain with, without a gap.
func (t *timings) decide(constant int) int {
	from := constant
	var changed, rise timing
	for i, m := range choiceRows {
		if m < constant {
			continue
		}
		changed.few += t[i].few
		changed.many += t[i].many
		if t[i].fewPays() {
			from, rise = never, changed
			if i+1 < len(choiceRows) {
				from = choiceRows[i+1]
			}
		}
	}
	if from > constant {
		if rise.fewPays() {
			return from
		}
		return constant
	}
	for i, m := range slices.Backward(choiceRows[:]) {
		if m >= constant {
			continue
		}
		if !t[i].manyPays() {
			break
		}
		from = m
	}
	return from
}

// choose measures until two of three decisions agree, or takes the one in the middle.
func choose(measure func() timings, constant int) int {
	decide := func() int {
		t := measure()
		return t.decide(constant)
	}
	first, second := decide(), decide()
	if first == second {
		return first
	}
	all := []int{first, second, decide()}
	slices.Sort(all)
	return all[1]
}

const (
	// trialN and trialK are the shape of the weights that are multiplied: they stay in a second cache of 256 KB.
	trialN, trialK = 128, 1024
	// trialShare is how many products of that size have their activations rounded once: matrices are larger.
	trialShare = 8
	// trialReps is how often a timing is repeated; the least counts.
	trialReps = 4
	// trialTime is how long the products of an arithmetic may take. What has not been measured by then stays as it is.
	trialTime = 80 * time.Millisecond
	// trialClock is how coarse the clock may be: the shortest product takes some ten times as long.
	trialClock = time.Microsecond
)

// MeasureChoice measures which ways are faster on this machine, on one thread. It takes some tens of milliseconds, and at
// most a tenth of a second for each arithmetic. ok is false if there is nothing to choose or the clock is too coarse.
func MeasureChoice() (c Choice, ok bool) {
	all := active.pack.choices()
	if len(all) == 0 || clockStep() > trialClock {
		return nil, false
	}
	c = Choice{}
	for _, a := range all {
		t := newTrial(active.pack, a)
		c[a.name()] = choose(t.measure, active.pack.arithmetic[a].many.from())
	}
	return c, true
}

// clockStep returns the least time that the clock showed.
func clockStep() time.Duration {
	least := time.Hour
	for range 3 {
		begin := time.Now()
		step := time.Duration(0)
		for step == 0 {
			step = time.Since(begin)
		}
		least = min(least, step)
	}
	return least
}

// trial is products by both ways.
type trial struct {
	p       *packed
	x, dst  []float32
	rounded rounded
	until   time.Time
}

func newTrial(k *packKernels, a arithmetic) *trial {
	p, err := newPanels(chosenTypes[a], k.rows, trialN, trialK)
	if err != nil {
		panic(err) // all types in the table have panels of that shape
	}
	p.place(make([]byte, p.size())) // the time does not depend on the numbers
	rows := choiceRows[len(choiceRows)-1]
	t := &trial{p: newPacked(p, k, &k.arithmetic[a], p), x: make([]float32, rows*trialK), dst: make([]float32, rows*trialN)}
	for i := range t.x {
		t.x[i] = float32(i%13 - 6)
	}
	t.until = time.Now().Add(trialTime)
	return t
}

// measure times the products of all numbers of rows by both ways in turn. Without the time for it it returns zeroes.
func (t *trial) measure() (least timings) {
	for rep := range trialReps {
		for i, m := range choiceRows {
			if time.Now().After(t.until) {
				return timings{}
			}
			few, many := t.time(few{}, m), t.time(t.p.kernels.many, m)
			if rep == 0 {
				least[i] = timing{few, many}
			}
			least[i].few, least[i].many = min(least[i].few, few), min(least[i].many, many)
		}
	}
	return least
}

// time returns how long a product of m rows takes, with a share of rounding.
func (t *trial) time(way way, m int) time.Duration {
	t.rounded.grow(way.roundedRows(m), t.p)
	round := roundLoop{&t.rounded, t.x, m, t.p, way}
	multiply := packedLoop{dst: t.dst, x: &t.rounded, p: t.p, way: way, m: m}
	begin := time.Now()
	round.Range(0, m)
	between := time.Now()
	multiply.Range(0, way.pieces(t.p, m))
	return between.Sub(begin)/trialShare + time.Since(between)
}
