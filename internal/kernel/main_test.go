package kernel

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMain runs all tests of the package with each tier of kernels that this processor has, or with those of the name
// in JAMBA_CPU.
func TestMain(m *testing.M) {
	if err := Check(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	status := 0
	for _, t := range tiers {
		if !t.named(os.Getenv("JAMBA_CPU")) {
			continue
		}
		active = t
		fmt.Println("kernels:", t.name)
		status = max(status, m.Run())
	}
	os.Exit(status)
}

// TestTiers names the tiers that are not tested because this processor cannot run them.
func TestTiers(t *testing.T) {
	for _, tier := range platformTiers {
		t.Run(tier.name, func(t *testing.T) {
			if lacks := tier.lacks(); lacks != nil {
				t.Skipf("not tested: this processor lacks %s", strings.Join(lacks, ", "))
			}
		})
	}
}

func TestSetTier(t *testing.T) {
	best := active
	defer func() { active = best }()
	for i, tier := range tiers {
		if err := SetTier(tier.name); err != nil || tier.name != Tier() && !strings.HasPrefix(Tier(), tier.name+"+") {
			t.Errorf("tier %s: %s in use, error %v", tier.name, Tier(), err)
		}
		if plus := strings.LastIndex(tier.name, "+"); plus > 0 && tiers[i-1].name != tier.name[:plus] {
			t.Errorf("tier %s comes after %s", tier.name, tiers[i-1].name)
		}
	}
	if err := SetTier(""); err != nil || active != tiers[len(tiers)-1] {
		t.Errorf("the best tier: %s in use, error %v", Tier(), err)
	}
	if err := SetTier("avx"); err == nil || !strings.HasPrefix(err.Error(), `there are no kernels "avx" for this processor; it can run generic`) {
		t.Error(err)
	}
}
