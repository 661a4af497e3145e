//go:build !unix

package cachedir

// private takes the user's folder of caches for one in which nobody else can write: there it is.
func private(string) error { return nil }
