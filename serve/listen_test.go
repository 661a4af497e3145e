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
)

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
			s := New(Options{Heartbeat: 20 * time.Millisecond}, Opened("test", d))
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
