package serve

import (
	"fmt"
	"net/http"
	"runtime/debug"
)

// crash is the error of a panic, which ends a request and not the server. Clients are told of it, the log knows more.
type crash struct {
	value any
	stack []byte
}

func (*crash) Error() string { return "internal error" }

// contained calls f, and returns a crash where that panics.
func contained(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &crash{p, debug.Stack()}
		}
	}()
	return f()
}

func (s *Server) logCrash(r *http.Request, c *crash) {
	s.options.Log.Error("a handler failed", "id", recordOf(r).id, "error", fmt.Sprint(c.value), "stack", string(c.stack))
}
