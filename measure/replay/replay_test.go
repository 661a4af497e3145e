package replay

import (
	"fmt"
	"testing"

	"jamba/engine/prefix"
)

func TestScratch(t *testing.T) {
	for _, m := range []Model{Jamba3B, Jamba52B} {
		for _, gib := range []float64{0.25, 1, 4, 0} {
			for _, p := range []Placement{PromptEnd, Ours} {
				line := fmt.Sprintf("%s %4.2f %-50s", m.Name, gib, p.Name)
				for i, pol := range []prefix.Policy{prefix.ByAge, prefix.ByReplay} {
					if gib == 0 && i > 0 {
						continue
					}
					r, err := Run(Config{m, int64(gib * (1 << 30)), p, pol, Mix, 7})
					if err != nil {
						t.Fatal(err)
					}
					line += fmt.Sprintf(" %.2f (%d snaps, peak %.2f GiB)", 100*r.Share(), r.Stats.Snapshots, float64(r.Peak)/(1<<30))
				}
				t.Log(line)
			}
		}
	}
}
