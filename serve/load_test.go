package serve

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jamba/serve/models"
)

var load = flag.Duration("load", 2*time.Second, "how long TestLoad goes on")

// TestLoad has many clients stream at once, of which some vanish, while others send garbage: those who behave notice nothing, memory
// does not grow, and in the end nothing is left in use. go test ./serve -run TestLoad -load 5m goes on for longer.
func TestLoad(t *testing.T) {
	m := open(t)
	s := New(Options{Log: noErrors(t)}, models.Opened("test", m))
	h := httptest.NewServer(s)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(context.Background(), *load)
	defer cancel()
	var good, gone atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				vanishes := (i+n)%5 == 0
				own, stop := context.WithCancel(context.Background())
				body := fmt.Sprintf(`{"messages":[{"role":"user","content":"Number %d of %s"}],"max_tokens":%d,"stream":true,"ignore_eos":true}`, i%20, strings.Repeat("tree ", n%30), 4+rand.IntN(20))
				r, _ := http.NewRequestWithContext(own, http.MethodPost, h.URL+"/v1/chat/completions", strings.NewReader(body))
				if vanishes {
					time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, stop)
				}
				response, err := client.Do(r)
				var text []byte
				if err == nil {
					text, err = io.ReadAll(response.Body)
					_ = response.Body.Close()
				}
				switch {
				case vanishes:
					gone.Add(1)
				case err != nil || response.StatusCode != http.StatusOK || !strings.HasSuffix(string(text), "data: [DONE]\n\n"):
					t.Errorf("%v: %.300s", err, text)
				default:
					good.Add(1)
				}
				stop()
			}
		})
	}
	for range 5 {
		all.Go(func() {
			for ctx.Err() == nil {
				c, err := net.Dial("tcp", h.Listener.Addr().String())
				if err != nil {
					continue
				}
				junk := make([]byte, 1+rand.IntN(3000))
				for i := range junk {
					junk[i] = byte(rand.Uint32())
				}
				if rand.IntN(2) == 0 {
					junk = append([]byte("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"), junk...)
				}
				_, _ = c.Write(junk)
				time.Sleep(5 * time.Millisecond)
				_ = c.Close()
			}
		})
	}
	// What the program holds beside the states of sequences, of which those that are kept for later may grow. The first quarter of the
	// time is to get warm.
	held := func() int64 {
		runtime.GC()
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		return int64(mem.HeapAlloc) - m.Counters().StateBytes
	}
	time.Sleep(*load / 4)
	const slack = 48 << 20 // requests on their way: 200 of them, and the passes'
	warm := held()
	for ctx.Err() == nil {
		time.Sleep(*load / 20)
		if now := held(); now > warm+slack {
			t.Errorf("%d MiB are held, %d when it was warm", now>>20, warm>>20)
		}
	}
	all.Wait()
	client.CloseIdleConnections()
	h.Close()
	if good.Load() < 100 || gone.Load() == 0 {
		t.Errorf("%d answers, %d clients vanished", good.Load(), gone.Load())
	}
	rest := func() string {
		c := m.Counters()
		if n := runtime.NumGoroutine(); n > before || c.Running+c.Waiting > 0 || c.StateBytes > c.Cache.Bytes {
			return fmt.Sprintf("%d goroutines, %d before; %d running, %d waiting; %d bytes in use, %d of these kept", n, before, c.Running, c.Waiting, c.StateBytes, c.Cache.Bytes)
		}
		return ""
	}
	for begun := time.Now(); rest() != ""; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatal(rest())
		}
	}
	t.Logf("%d answers, %d vanished", good.Load(), gone.Load())
}
