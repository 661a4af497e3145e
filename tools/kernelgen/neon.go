package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"jamba/tools/kernelgen/arm64"
)

// generateNEON writes the kernels of arm64, for which avo has no instructions: those of floats have the sums of AVX2's, in
// two registers of four lanes where that has one of eight, and its bits.
func generateNEON() {
	flags := flag.NewFlagSet("neon", flag.ExitOnError) // avo has these in the common one
	pkg := flags.String("pkg", "kernel", "package of the kernels")
	out := flags.String("out", "", "file for the assembly")
	stubs := flags.String("stubs", "", "file for the declarations")
	flags.Parse(os.Args[1:]) //nolint:errcheck // it exits
	f := arm64.NewFile("go run main.go "+strings.Join(os.Args[1:], " "), *pkg)
	neonDots(f)
	neonGemms(f)
	neonElementwise(f)
	neonNorm(f)
	neonScan(f)
	neonConv(f)
	neonConversions(f)
	neonRounding(f)
	neonScalesK(f)
	neonProducts(f)
	neonMatrices(f)
	neonLimits(f)
	if err := f.Write(*out, *stubs); err != nil {
		fmt.Fprintln(os.Stderr, "kernelgen:", err)
		os.Exit(1)
	}
}

// neonPair is a vector of eight floats.
type neonPair = [2]arm64.V

func pairOf(a *arm64.Func) neonPair { return neonPair{a.V(), a.V()} }

// neonLoad loads floats from base + off.
func neonLoad(a *arm64.Func, to neonPair, base arm64.R, off int) {
	for i, v := range to {
		a.Op("ldr q?, [x?, #]", v, base, off+16*i)
	}
}

// neonStore stores floats to base + off.
func neonStore(a *arm64.Func, from neonPair, base arm64.R, off int) {
	for i, v := range from {
		a.Op("str q?, [x?, #]", v, base, off+16*i)
	}
}

// neonRows returns pointers to n rows, stride floats or, with shift 1, halves apart; base becomes the first.
func neonRows(a *arm64.Func, base, stride arm64.R, shift, n int) []arm64.R {
	rows := []arm64.R{base}
	for range n - 1 {
		row := a.R()
		a.Go("ADD %v<<%d, %v, %v", stride, shift, rows[len(rows)-1], row)
		rows = append(rows, row)
	}
	return rows
}

// neonAdvance adds n bytes to each.
func neonAdvance(a *arm64.Func, n int, rows ...arm64.R) {
	for _, r := range rows {
		a.Go("ADD $%d, %v", n, r)
	}
}

// neonLanesSum leaves the sum of the lanes of x in the first lane of its first half, in the order of lanesSum.
func neonLanesSum(a *arm64.Func, x neonPair) arm64.V {
	sum, other := x[0], x[1]
	a.Op("fadd v?.4s, v?.4s, v?.4s", sum, sum, other)
	a.Op("ext v?.16b, v?.16b, v?.16b, #", other, sum, sum, 8)
	a.Op("fadd v?.4s, v?.4s, v?.4s", sum, sum, other)
	a.Op("faddp s?, v?.2s", sum, sum)
	return sum
}
