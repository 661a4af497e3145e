package serve

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"jamba"
	"jamba/serve/models"
)

// patientEmbedder is a model whose vectors never come.
type patientEmbedder struct {
	*double
	asked chan bool
}

func (m patientEmbedder) EmbedIDs(ctx context.Context, _ [][]int32, _ jamba.EmbedOptions) ([][]float32, error) {
	close(m.asked)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestDrainWhole stops a server while an answer that is no stream is on its way: it is told, and does not end with nothing.
func TestDrainWhole(t *testing.T) {
	m := patientEmbedder{say(t, "", 1), make(chan bool)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- New(Options{}, models.Opened("test", m)).Run(ctx, l, time.Millisecond) }()
	go func() {
		<-m.asked
		stop()
	}()
	if status, body := post(t, "http://"+l.Addr().String()+"/v1/embeddings", `{"input":"Hi"}`); status != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"stopping"`) {
		t.Errorf("%d %s", status, body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestDrain stops a server while two answers are on their way: one ends in time, the other is told.
func TestDrain(t *testing.T) {
	for _, test := range []struct {
		name  string
		slow  time.Duration
		drain time.Duration
		want  string
	}{
		{"in time", 300 * time.Millisecond, 10 * time.Second, "[DONE]"},
		{"too slow", 20 * time.Second, 300 * time.Millisecond, `"code":"stopping"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := say(t, "Hello there.", 4)
			d.slow = test.slow
			s := New(Options{Heartbeat: 20 * time.Millisecond}, models.Opened("test", d))
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx, l, test.drain) }()
			url := "http://" + l.Addr().String()
			r, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(`{"messages":[{"role":"user","content":"Hi"}],"stream":true}`))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			in := bufio.NewReader(r.Body)
			if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, ": ") {
				t.Fatalf("%q %v", line, err)
			}
			stop()
			rest, err := io.ReadAll(in)
			if err != nil || !strings.Contains(string(rest), test.want) {
				t.Errorf("%v after %s", err, rest)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the server does not end")
			}
			if _, err := http.Get(url + "/health"); err == nil {
				t.Error("it still answers")
			}
		})
	}
}
