//go:build !amd64

package par

import "runtime"

// pause lets others run.
func pause() { runtime.Gosched() }
