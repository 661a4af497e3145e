package main

import (
	"context"
	"fmt"
	"slices"

	"jamba"
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
		case "restart":
			plan.Restart, plan.Turn = orElse(c.Depth[0], 16384), 128
		case "together":
			plan.Sharers, plan.Shared = 32, 4096
		case "mixed":
			plan.Loaded, plan.Long = 8, 4096
		case "long":
			plan.Context = slices.Max(c.Prefill)
		case "http":
			return usageError("--serving http is measured alone")
		default:
			return usageError(fmt.Sprintf("--serving %.20q: want streams, turns, restart, together, mixed, long or http", kind))
		}
	}
	if plan.Context > 0 && plan.Context < 32 {
		return usageError("--serving long: --prefill is under 32")
	}
	return c.results(s, func(result func(serve.Result)) error { return serve.Run(ctx, m, plan, result) })
}

// http measures the server.
func (c *benchCmd) http(ctx context.Context, s *streams) error {
	m, err := jamba.OpenWith(c.path(), jamba.OpenOptions{Options: c.options(s.err, c.Precision)})
	if err != nil {
		return err
	}
	defer m.Close()
	c.tell(s.err, opened{m.Network(), m.Checkpoint()})
	plan := serve.HTTPPlan{Clients: c.Batch, Prompt: c.Prefill[0], Steps: c.Decode[0], Reps: c.Reps}
	return c.results(s, func(result func(serve.Result)) error { return serve.HTTP(ctx, m, plan, result) })
}

// results prints what run measures.
func (c *benchCmd) results(s *streams, run func(result func(serve.Result)) error) error {
	results := []serve.Result{}
	err := run(func(r serve.Result) {
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
