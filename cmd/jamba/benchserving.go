package main

import (
	"context"
	"fmt"
	"slices"

	"jamba/internal/measure/serve"
	"jamba/model"
)

// serving measures the engine with many sequences.
func (c *benchCmd) serving(ctx context.Context, s *streams, m *model.Model) error {
	plan := serve.Plan{Steps: c.Decode[0], Reps: c.Reps}
	for _, kind := range c.Serving {
		switch kind {
		case "streams":
			plan.Streams = c.Batch
		case "turns":
			plan.First, plan.Turn = orElse(c.Depth[0], 16384), 128
		case "together":
			plan.Sharers, plan.Shared = 32, 4096
		case "mixed":
			plan.Loaded, plan.Long = 8, 4096
		case "long":
			plan.Context = slices.Max(c.Prefill)
		default:
			return usageError(fmt.Sprintf("--serving %.20q: want streams, turns, together, mixed or long", kind))
		}
	}
	if plan.Context > 0 && plan.Context < 32 {
		return usageError("--serving long: --prefill is under 32")
	}
	results := []serve.Result{}
	err := serve.Run(ctx, m, plan, func(r serve.Result) {
		if results = append(results, r); !c.JSON {
			fmt.Fprintf(s.out, "%-28s %-56s %10.4g %10.4g %-6s %6.3f\n", r.Work, r.What, r.Value, r.Base, r.Unit, r.Ratio)
		}
	})
	if err == nil && c.JSON {
		err = writeJSON(s.out, results)
	}
	return err
}

func orElse(n, other int) int {
	if n == 0 {
		return other
	}
	return n
}
