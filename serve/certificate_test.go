package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jamba/serve/models"
)

// newCertificate writes a certificate for localhost with a number, and its key.
func newCertificate(t *testing.T, cert, key string, number int64) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(number), DNSNames: []string{"localhost"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	c, err := x509.CreateCertificate(rand.Reader, template, template, own.Public(), own)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c}, key: {Type: "PRIVATE KEY", Bytes: k}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Chtimes(path, now, now.Add(time.Duration(number)*time.Second))
	}
}

// TestTLS serves with a certificate, which is replaced by another while the server runs, and by none.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	newCertificate(t, cert, key, 7)
	c, err := OpenCertificate(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- New(Options{Certificate: c}, models.Opened("test", say(t, "Hello there.", 4))).Run(ctx, l, time.Second)
	}()
	for _, number := range []int64{7, 8, 8} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: protocol == "HTTP/2.0"}
			client := &http.Client{Transport: transport}
			r, err := client.Post("https://"+l.Addr().String()+"/v1/chat/completions", "application/json", strings.NewReader(`{"messages":[{"role":"user","content":"Hi"}],"stream":true}`))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			transport.CloseIdleConnections()
			if err != nil || r.Proto != protocol || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
				t.Errorf("%s, %v, %s", r.Proto, err, body)
			}
			if got := r.TLS.PeerCertificates[0].SerialNumber.Int64(); got != number {
				t.Errorf("certificate %d, want %d", got, number)
			}
		}
		if number == 7 {
			newCertificate(t, cert, key, 8)
		} else if err := os.WriteFile(key, []byte("none"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		c.watch.looked = time.Time{}
		c.mu.Unlock()
	}
	if r, err := http.Get("http://" + l.Addr().String() + "/health"); err == nil && r.StatusCode == http.StatusOK {
		t.Error("it answers without TLS")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := OpenCertificate(cert, key); err == nil {
		t.Error("a broken key is taken")
	}
}
