package replay

import (
	"slices"
	"strings"
	"testing"

	"jamba/engine/prefix"
)

// TestShare expects that with 1 GiB and a 3B's sizes at least 94 % of the prompts' tokens are not computed, with every seed,
// and more than with the least recently used first or with vLLM's placement.
func TestShare(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4}
	if testing.Short() {
		seeds = seeds[:1]
	}
	cells := map[string]Cell{}
	for _, r := range Rows {
		cell, err := Mean(Config{Model: Jamba3B, Limit: 1 << 30, Placement: r.Placement, Policy: r.Policy, Trace: Mix}, seeds)
		if err != nil {
			t.Fatal(err)
		}
		cells[r.Placement.Name+r.Name] = cell
		t.Logf("%.2f %%, at least %.2f %%: %s, %s", 100*cell.Mean, 100*cell.Least, r.Placement.Name, r.Name)
	}
	ours := Rows[len(Rows)-1]
	best := cells[ours.Placement.Name+ours.Name]
	if best.Least < 0.94 {
		t.Errorf("ours finds %.2f %%", 100*best.Least)
	}
	for name, cell := range cells {
		if cell.Mean > best.Mean {
			t.Errorf("%s finds %.2f %%, ours %.2f %%", name, 100*cell.Mean, 100*best.Mean)
		}
	}
}

// TestTable prints the table of docs/design/cache.md: go test ./internal/measure/replay -run Table -v
func TestTable(t *testing.T) {
	if !testing.Verbose() || testing.Short() {
		t.Skip("prints a table, with -v")
	}
	var b strings.Builder
	if err := Table(&b, Mix, []uint64{1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + b.String())
}

// TestTrace expects of the trace what Mix says: the same for a seed, prompts that begin alike, conversations that go on.
func TestTrace(t *testing.T) {
	small := Trace{Live: 12, Requests: 600, Documents: 25}
	var all []Request
	for r := range small.All(3) {
		all = append(all, r)
	}
	i := 0
	for r := range small.All(3) {
		if !slices.Equal(r.Prompt, all[i].Prompt) || !slices.Equal(r.Answer, all[i].Answer) {
			t.Fatalf("request %d is another the second time", i)
		}
		i++
	}
	if i != small.Requests {
		t.Fatalf("%d requests", i)
	}
	agents, goOn, kept := 0, 0, 0
	for i, r := range all {
		n := len(r.Prompt)
		if r.Turn != n-len(generation) || !slices.IsSorted(r.Borders) || r.Borders[len(r.Borders)-1] >= r.Turn {
			t.Fatalf("request %d: borders %v, turn %d of %d", i, r.Borders, r.Turn, n)
		}
		if n > 19_000 && r.Borders[0] == 19_000 {
			agents++
		}
		for _, before := range all[:i] {
			if len(before.Prompt) < n && slices.Equal(before.Prompt, r.Prompt[:len(before.Prompt)]) {
				goOn++
				if rest := r.Prompt[len(before.Prompt):]; len(rest) > len(before.Answer) && slices.Equal(rest[:len(before.Answer)], before.Answer) {
					kept++
				}
				break
			}
		}
	}
	// Agents have 18 turns on average, chats 7.5, questions about documents 2.5: of the requests half are agents'.
	if share := float64(agents) / float64(len(all)); share < 0.35 || share > 0.65 {
		t.Errorf("%.2f of the requests are agents'", share)
	}
	if goOn < len(all)*6/10 || kept < agents*8/10 || kept > goOn*9/10 {
		t.Errorf("%d requests go on from another, %d of them with what was thought; %d are agents'", goOn, kept, agents)
	}
	// A limit is kept, and what is found is never the whole prompt.
	r, err := Run(Config{Model: Jamba3B, Limit: 1 << 26, Placement: Ours, Policy: prefix.ByReplay, Trace: small, Seed: 3})
	if err != nil || r.Found >= r.Prompt || r.Stats.Evictions == 0 {
		t.Errorf("%v, %+v", err, r)
	}
}
