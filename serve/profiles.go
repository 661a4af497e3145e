package serve

import (
	"net/http"
	"net/http/pprof"
)

// Profiles returns a handler of Go's profiles under /debug/pprof/, for who may ask the server.
func (s *Server) Profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index) // those that have names of their own, too
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return s.guard(mux)
}
