//go:build !amd64

package kernel

func platformTiers() []*table { return nil }
