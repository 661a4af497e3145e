package main

import (
	"context"
	"fmt"

	"jamba/internal/measure/serve"
	"jamba/model"
)

// serving measures the engine with many sequences.
func (c *benchCmd) serving(ctx context.Context, s *streams, m *model.Model) error {
	plan := serve.Plan{Streams: c.Batch, Steps: c.Decode[0], First: 16384, Turn: 128, Shared: 4096, Sharers: 32, Loaded: 8, Long: 4096, Reps: c.Reps}
	results := []serve.Result{}
	err := serve.Run(ctx, m, plan, func(r serve.Result) {
		if results = append(results, r); !c.JSON {
			fmt.Fprintf(s.out, "%-26s %-52s %10.4g %10.4g %-6s %6.3f\n", r.Work, r.What, r.Value, r.Base, r.Unit, r.Ratio)
		}
	})
	if err == nil && c.JSON {
		err = writeJSON(s.out, results)
	}
	return err
}
