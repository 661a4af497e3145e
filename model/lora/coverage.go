package lora

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Coverage says what of a network an adapter changes, kind by kind.
type Coverage []Covered

// Covered counts the modules of one kind.
type Covered struct {
	Group   Group
	Part    string // such as mamba.in_proj or, for all experts, feed_forward.experts.gate_proj
	Modules int    // of the network
	Adapted int    // of these
	Layers  []int  // that have adapted ones, ascending
	Params  int64  // of the adapter
	Weights int64  // of the modules that are adapted
}

// Coverage returns what a changes of a network with these modules. Kinds that it leaves alone are listed, too.
func (a *Adapter) Coverage(modules []Module) (all Coverage) {
	pairs := map[string]*Pair{}
	for _, p := range a.Pairs {
		pairs[p.Name] = p
	}
	at := map[string]int{}
	for _, group := range []Group{Attention, Mamba, MLP, Experts, Router, Embed, Head} {
		for _, m := range modules {
			if m.Group != group {
				continue
			}
			part := m.Kind()
			i, ok := at[part]
			if !ok {
				i = len(all)
				at[part], all = i, append(all, Covered{Group: m.Group, Part: part})
			}
			c := &all[i]
			c.Modules++
			if p := pairs[m.Name]; p != nil {
				c.Adapted++
				c.Params += int64(len(p.A)) + int64(len(p.B))
				c.Weights += int64(m.In) * int64(m.Out)
				if n := len(c.Layers); m.Layer >= 0 && (n == 0 || c.Layers[n-1] != m.Layer) {
					c.Layers = append(c.Layers, m.Layer)
				}
			}
		}
	}
	return all
}

// Total adds up all kinds.
func (c Coverage) Total() (t Covered) {
	for _, one := range c {
		t.Modules += one.Modules
		t.Adapted += one.Adapted
		t.Params += one.Params
		t.Weights += one.Weights
	}
	return t
}

// Groups names the groups of which anything is adapted, such as "attention, mamba".
func (c Coverage) Groups() string {
	var names []string
	for _, one := range c {
		if name := string(one.Group); one.Adapted > 0 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Write writes the coverage as a table.
func (c Coverage) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "group\tmodule\tadapted\tlayers\tparameters")
	for _, one := range c {
		fmt.Fprintf(t, "%s\t%s\t%d of %d\t%s\t%d\n", one.Group, one.Part, one.Adapted, one.Modules, ranges(one.Layers), one.Params)
	}
	total := c.Total()
	fmt.Fprintf(t, "all\t\t%d of %d\t\t%d\n", total.Adapted, total.Modules, total.Params)
	return t.Flush()
}

// ranges writes ascending numbers as 0-3,5.
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		s := strconv.Itoa(numbers[i])
		if j > i {
			s += "-" + strconv.Itoa(numbers[j])
		}
		parts = append(parts, s)
		i = j + 1
	}
	if parts == nil {
		return "-"
	}
	return strings.Join(parts, ",")
}
