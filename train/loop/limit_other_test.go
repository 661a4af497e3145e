//go:build !unix

package loop

func limitFiles() {}
