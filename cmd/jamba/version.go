package main

import (
	"cmp"
	"fmt"

	"jamba/internal/choice"
	"jamba/internal/kernel"
)

type versionCmd struct {
	Verbose bool `short:"v" help:"Show what is chosen between kernels, too."`
	Measure bool `help:"Measure that now, also for the kernels that JAMBA_CPU names, keep it, and show it."`
}

func (c *versionCmd) Help() string {
	return `Products of few rows of activations go by other kernels than those of many, with the same bits; from how many rows on these are faster depends on the processor. The first command on a machine that opens a model for the fast pass measures it, in a tenth of a second or so, and keeps it where JAMBA_CACHE says, for the processor and its best kernels. With JAMBA_CACHE=off, and with lesser kernels by JAMBA_CPU, nothing is measured unless --measure asks for it. A type stands for those that are computed alike: q8_0 for Q5_0, q4_0 for Q4_1.`
}

func (c *versionCmd) Run(s *streams) error {
	fmt.Fprintln(s.out, versionLine())
	switch {
	case c.Measure:
		choice.Measure()
	case c.Verbose:
		choice.Load()
	default:
		return nil
	}
	fmt.Fprintln(s.out, cmp.Or(choice.InUse(), kernel.Tier()+" kernels have nothing to choose between"))
	return nil
}

func versionLine() string { return version() + ", kernels " + kernel.Tier() }
