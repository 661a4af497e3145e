// Package schedule makes networks that have no weights anywhere, to measure what a schedule of layers costs: those of published
// models and variants of them, with fewer layers or narrower, and with random weights.
package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"jamba/internal/measure/plan"
	"jamba/internal/printable"
	"jamba/model"
)

// Schedule is a network to be made.
type Schedule struct {
	Name   string // as Parse reads it
	Config model.Config
	Note   string // what it has of its preset, in a few words
}

// Syntax is what Parse reads.
const Syntax = "PRESET[@MIX…][/K]"

// Parse reads PRESET[@MIX…][/K]: a preset of package plan, of which each MIX changes a part of all layers, with K times fewer
// layers. MIX is attention, mamba or A:M, so many layers with attention to so many with Mamba (1:7 is Jamba's), or dense, an MLP
// of an expert's size in place of the experts. A mixer that the preset lacks gets Jamba's shape for the preset's width.
func Parse(text string) (Schedule, error) {
	s := Schedule{Name: text}
	name, divisor, shorter := strings.Cut(text, "/")
	parts := strings.Split(name, "@")
	preset, ok := plan.FindPreset(parts[0])
	if !ok {
		return s, fmt.Errorf("\"%s\" is no preset: want %s, with one of %s", printable.Cut(parts[0], 60), Syntax, plan.PresetNames())
	}
	var err error
	if s.Config, err = preset.Settings(); err != nil {
		return s, err
	}
	for _, mix := range parts[1:] {
		if err := s.mix(mix); err != nil {
			return s, fmt.Errorf("%s: %w", printable.Cut(text, 60), err)
		}
	}
	if shorter {
		k, err := strconv.Atoi(divisor)
		if err == nil {
			err = s.shorten(k)
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", printable.Cut(text, 60), err)
		}
	}
	s.Note = fmt.Sprintf("%d layers", len(s.Config.Layers))
	if shorter {
		s.Note += fmt.Sprintf(" of %s's %s", preset.Name, times(divisor, len(s.Config.Layers)))
	}
	return s, nil
}

func times(divisor string, n int) string {
	k, _ := strconv.Atoi(divisor)
	return strconv.Itoa(k * n)
}

// mix changes a part of all layers.
func (s *Schedule) mix(mix string) error {
	attention, mamba := 0, 0
	switch mix {
	case "dense":
		return s.dense()
	case "attention":
		attention = 1
	case "mamba":
		mamba = 1
	default:
		a, m, _ := strings.Cut(mix, ":")
		var errA, errM error
		attention, errA = strconv.Atoi(a)
		mamba, errM = strconv.Atoi(m)
		if errA != nil || errM != nil || attention < 1 || mamba < 1 || attention+mamba > len(s.Config.Layers) {
			return fmt.Errorf("@%s: want attention, mamba, dense or A:M, such as 1:7, of %d layers", printable.Cut(mix, 20), len(s.Config.Layers))
		}
	}
	a, m := s.mixers()
	// Attention stands in the middle of its period, as in Jamba's fifth of eight layers.
	period := attention + mamba
	for i := range s.Config.Layers {
		l := &s.Config.Layers[i]
		l.Attention, l.Mamba = nil, nil
		if at := i % period; at >= period/2 && at < period/2+attention || mamba == 0 {
			l.Attention = a
		} else {
			l.Mamba = m
		}
	}
	return nil
}

// mixers returns the network's own mixers, or those that Jamba v0.1 would have at its width.
func (s *Schedule) mixers() (a *model.Attention, m *model.Mamba) {
	for _, l := range s.Config.Layers {
		if l.Attention != nil {
			a = l.Attention
		} else {
			m = l.Mamba
		}
	}
	h := s.Config.HiddenSize
	if a == nil {
		const headDim = 128
		heads := max(1, h/headDim)
		a = &model.Attention{NumAttentionHeads: heads, NumKeyValueHeads: heads, HeadDim: headDim}
		if heads%4 == 0 {
			a.NumKeyValueHeads = heads / 4
		}
	}
	if m == nil {
		m = &model.Mamba{DInner: 2 * h, DState: 16, DConv: 4, DtRank: max(1, h/16), ConvBias: true, InnerNorms: true, NormEps: s.Config.RMSNormEps}
	}
	return a, m
}

// dense has an MLP in place of the experts.
func (s *Schedule) dense() error {
	any := false
	for i := range s.Config.Layers {
		if l := &s.Config.Layers[i]; l.MoE != nil {
			l.MLP, l.MoE, any = &model.MLP{IntermediateSize: l.MoE.IntermediateSize}, nil, true
		}
	}
	if !any {
		return errors.New("@dense: there are no experts to leave out")
	}
	return nil
}

// shorten leaves the first of k equal parts of the layers.
func (s *Schedule) shorten(k int) error {
	n := len(s.Config.Layers)
	if !equalParts(s.Config.Layers, k) {
		most := 1
		for i := 2; i <= n; i++ {
			if equalParts(s.Config.Layers, i) {
				most = i
			}
		}
		return fmt.Errorf("/%d: its %d layers are not %d times the same; the most is /%d", k, n, k, most)
	}
	s.Config.Layers = s.Config.Layers[:n/k]
	return nil
}

// equalParts reports whether the layers are k times the same.
func equalParts(layers []model.Layer, k int) bool {
	if k < 1 || len(layers)%k != 0 {
		return false
	}
	part := len(layers) / k
	for i := range layers {
		if layers[i].String() != layers[i%part].String() {
			return false
		}
	}
	return true
}

// Narrow divides all widths by n: of the residual, the inner widths, the numbers of heads and the vocabulary, so that all keep
// their shares. Heads keep their size, states their length, layers and experts their number. Widths are rounded up to multiples
// of 64, a block of the weights' types.
func (s *Schedule) Narrow(n int) {
	if n <= 1 {
		return
	}
	const block = 64
	width := func(x int) int { return (x/n + block - 1) / block * block }
	c := &s.Config
	c.HiddenSize, c.VocabSize = width(c.HiddenSize), width(c.VocabSize)
	layers := make([]model.Layer, len(c.Layers))
	for i, l := range c.Layers {
		if l.Attention != nil {
			a := *l.Attention
			a.NumKeyValueHeads = max(1, a.NumKeyValueHeads/n)
			a.NumAttentionHeads = max(1, a.NumAttentionHeads/n/a.NumKeyValueHeads) * a.NumKeyValueHeads
			l.Attention = &a
		} else {
			m := *l.Mamba
			m.DInner, m.DtRank = width(m.DInner), max(1, m.DtRank/n)
			l.Mamba = &m
		}
		if l.MLP != nil {
			l.MLP = &model.MLP{IntermediateSize: width(l.MLP.IntermediateSize), Bias: l.MLP.Bias}
		}
		if l.MoE != nil {
			e := *l.MoE
			e.IntermediateSize = width(e.IntermediateSize)
			l.MoE = &e
		}
		layers[i] = l
	}
	c.Layers = layers
	// Tokens that the smaller vocabulary has not.
	c.BOSTokenID, c.PADTokenID, c.EOSTokenIDs = -1, -1, nil
	s.Note += fmt.Sprintf(", %d times narrower", n)
}
