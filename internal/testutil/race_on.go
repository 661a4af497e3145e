//go:build race

package testutil

// Race reports whether the race detector is on, which makes everything several times slower.
const Race = true
