package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// quantity splits a number and the unit behind it, in lower case.
func quantity(text string) (n float64, unit string, ok bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	at := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if at < 0 {
		at = len(text)
	}
	n, err := strconv.ParseFloat(text[:at], 64)
	return n, strings.TrimSpace(text[at:]), err == nil
}

// prefixes are those of units, by a thousand each.
const prefixes = "kmgtp"

// scaled returns n times 1000 or base for each step of a prefix; "" is one.
func scaled(n float64, prefix string, base float64) (float64, bool) {
	if prefix == "" {
		return n, true
	}
	i := strings.Index(prefixes, prefix)
	return n * math.Pow(base, float64(i+1)), i >= 0 && len(prefix) == 1
}

// memoryFlag is a number of bytes: 80GB is 80·10⁹, 80GiB and 80g are 80·2³⁰.
type memoryFlag int64

// UnmarshalText reads a size of memory.
func (f *memoryFlag) UnmarshalText(b []byte) error {
	n, unit, ok := quantity(string(b))
	base := 1024.0
	prefix, binary := strings.CutSuffix(unit, "ib")
	if !binary {
		if rest, decimal := strings.CutSuffix(unit, "b"); decimal {
			prefix, base = rest, 1000
		}
	}
	known := false
	if ok {
		n, known = scaled(n, prefix, base)
	}
	if !known || n < 1 || n > 1<<60 {
		return fmt.Errorf("\"%s\" is no size of memory; 80GB (80·10⁹ bytes), 80GiB and 80g (80·2³⁰) are", b)
	}
	*f = memoryFlag(n)
	return nil
}

// tokensFlag is a number of tokens: 256K is 256·1024.
type tokensFlag int

// UnmarshalText reads a number of tokens.
func (f *tokensFlag) UnmarshalText(b []byte) error {
	n, unit, ok := quantity(string(b))
	known := false
	if ok {
		n, known = scaled(n, unit, 1024)
	}
	if !known || n != math.Trunc(n) || n < 1 || n > 1<<40 {
		return fmt.Errorf("\"%s\" is no number of tokens; 4096, 256K (256·1024) and 1M are", b)
	}
	*f = tokensFlag(n)
	return nil
}

// bandwidthFlag is bytes a second; a number without a unit is GB/s.
type bandwidthFlag float64

// UnmarshalText reads a bandwidth.
func (f *bandwidthFlag) UnmarshalText(b []byte) error {
	n, unit, ok := quantity(string(b))
	prefix, known := strings.TrimSuffix(strings.TrimSuffix(unit, "/s"), "b"), false
	if unit == "" {
		prefix = "g"
	}
	if ok {
		n, known = scaled(n, prefix, 1000)
	}
	if !known || n < 1 || n > 1e18 {
		return fmt.Errorf("\"%s\" is no bandwidth; 2039 (GB/s), 2039GB/s and 2TB/s are", b)
	}
	*f = bandwidthFlag(n)
	return nil
}

// flopsFlag is floating-point operations a second, a multiply-add counting two.
type flopsFlag float64

// UnmarshalText reads a rate of operations.
func (f *flopsFlag) UnmarshalText(b []byte) error {
	n, unit, ok := quantity(string(b))
	known := false
	if ok {
		n, known = scaled(n, strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(unit, "/s"), "flops"), "flop"), 1000)
	}
	if !known || n < 1 || n > 1e21 {
		return fmt.Errorf("\"%s\" is no rate of operations; 312T, 312TFLOPS and 3500G are", b)
	}
	*f = flopsFlag(n)
	return nil
}
