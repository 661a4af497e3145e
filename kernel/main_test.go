package kernel

import (
	"fmt"
	"os"
	"testing"
)

// TestMain runs all tests of the package with each tier of kernels that this processor has, or with the one that
// JAMBA_CPU names.
func TestMain(m *testing.M) {
	if err := Check(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	run := tiers
	if os.Getenv("JAMBA_CPU") != "" {
		run = []*table{active}
	}
	status := 0
	for _, t := range run {
		active = t
		fmt.Println("kernels:", t.name)
		status = max(status, m.Run())
	}
	os.Exit(status)
}
