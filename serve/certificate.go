package serve

import (
	"crypto/tls"
	"log/slog"
	"sync"
)

// Certificate is one of two files for TLS, read again when they change.
type Certificate struct {
	cert, key string

	mu    sync.Mutex
	watch watch
	own   *tls.Certificate
}

// OpenCertificate reads a certificate, with those that lead to a root behind it, and its private key, both PEM files.
func OpenCertificate(cert, key string) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, watch: watch{paths: []string{cert, key}}}
	c.watch.changed()
	return c, c.read()
}

func (c *Certificate) read() error {
	own, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err == nil {
		c.own = &own
	}
	return err
}

// config returns how to listen with the certificate.
func (c *Certificate) config(log *slog.Logger) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.watch.changed() {
			if err := c.read(); err != nil {
				log.Warn("the certificate has changed and cannot be read; the one from before is used", "error", err)
			} else {
				log.Info("certificate read again")
			}
		}
		return c.own, nil
	}}
}
