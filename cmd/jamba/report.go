package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"text/tabwriter"

	"jamba/model"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// printEach writes what became of each tensor.
func printEach(out io.Writer, r recipe.Report) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "tensor\tshape\tfrom\tto\tbytes\t\n")
	for _, c := range r {
		fmt.Fprintf(w, "%s\t%v\t%v\t%v\t%d\t%s\n", c.Name, c.Shape, c.From, c.To, c.After, note(&c))
	}
	w.Flush()
}

// note says why a tensor is not what was asked for.
func note(c *model.Conversion) string {
	if !c.Kept {
		return c.Note
	}
	if c.From == c.To {
		return "kept: " + c.Note
	}
	return "kept exact: " + c.Note
}

// digits are the numbers of layers and experts in names.
var digits = regexp.MustCompile(`\b[0-9]+\b`)

// printSummary writes how much of the model is of which type, and all that is not as asked, tensors that differ in no
// more than their layer or expert in one line.
func printSummary(out io.Writer, title string, r recipe.Report) {
	before, after := r.Bytes()
	values := int64(0)
	types := map[tensor.DType]*group{}
	groups := map[string]*group{}
	for _, c := range r {
		values += c.Values()
		if types[c.To] == nil {
			types[c.To] = &group{Conversion: c}
		}
		types[c.To].add(&c)
		if n := note(&c); n != "" {
			name := digits.ReplaceAllString(c.Name, "N")
			key := fmt.Sprint(name, c.Shape, c.From, c.To, n)
			if groups[key] == nil {
				groups[key] = &group{Conversion: c, order: len(groups)}
				groups[key].Name, groups[key].Note = name, n
			}
			groups[key].add(&c)
		}
	}
	fmt.Fprintf(out, "%s: %s became %s, %.2f bits a weight\n", title, bytesize(before), bytesize(after), 8*float64(after)/float64(max(1, values)))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "  type\ttensors\tweights\tbytes\n")
	for _, d := range slices.SortedFunc(maps.Keys(types), func(a, b tensor.DType) int { return cmp.Compare(types[b].After, types[a].After) }) {
		g := types[d]
		fmt.Fprintf(w, "  %v\t%d\t%s\t%s\n", d, g.tensors, count(g.values), bytesize(g.After))
	}
	w.Flush()
	if len(groups) == 0 {
		return
	}
	fmt.Fprint(w, "  not simply rounded:\n")
	for _, k := range slices.SortedFunc(maps.Keys(groups), func(a, b string) int { return cmp.Compare(groups[a].order, groups[b].order) }) {
		g := groups[k]
		fmt.Fprintf(w, "  %s\t%d\t%v\t%v → %v\t%s\n", g.Name, g.tensors, g.Shape, g.From, g.To, g.Note)
	}
	w.Flush()
}

// warnLarger says so if the result takes more than what it was made from.
func warnLarger(w io.Writer, r recipe.Report) {
	if before, after := r.Bytes(); after > before {
		warn(w, fmt.Sprintf("the weights became larger: %s, where they were %s", bytesize(after), bytesize(before)))
	}
}

// group is several tensors of which one is the example.
type group struct {
	model.Conversion
	order, tensors int
	values         int64
}

func (g *group) add(c *model.Conversion) {
	if g.tensors == 0 {
		g.After = 0
	}
	g.tensors++
	g.values += c.Values()
	g.After += c.After
}
