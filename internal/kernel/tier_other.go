//go:build !amd64

package kernel

var platformTiers []*table
