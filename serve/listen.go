package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"jamba/serve/models"
)

// Run answers on a listener until ctx ends, and loads what is to be there at the start; if that fails, it ends, too. When ctx ends, what
// comes is refused, and what is on its way has the time drain to end. In the end all models are unloaded.
func (s *Server) Run(ctx context.Context, l net.Listener, drain time.Duration) error {
	base, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	h := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Answers end with the server, with its reason.
			ctx, cancel := context.WithCancelCause(r.Context())
			defer cancel(nil)
			defer context.AfterFunc(base, func() { cancel(context.Cause(base)) })()
			s.ServeHTTP(w, r.WithContext(ctx))
		}),
		ReadHeaderTimeout: s.patience.header, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug), // of connections
	}
	defer s.registry.Close()
	listen := func() error { return h.Serve(l) }
	if c := s.options.Certificate; c != nil {
		h.TLSConfig = c.config(s.options.Log)
		listen = func() error { return h.ServeTLS(l, "", "") }
	}
	failed := make(chan error, 2)
	go func() { failed <- listen() }()
	go func() {
		if err := s.registry.Start(ctx); err != nil && ctx.Err() == nil {
			failed <- err
		}
	}()
	select {
	case err := <-failed:
		return errors.Join(err, h.Close())
	case <-ctx.Done():
	}
	s.Drain()
	soon, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := h.Shutdown(soon); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	stop(models.ErrStopping) // whoever still waits is told
	last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if h.Shutdown(last) != nil {
		return h.Close()
	}
	return nil
}
