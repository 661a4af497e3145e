package serve

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"
)

// idleLimits are clients that give up on a stream which is silent, and what they take for life.
var idleLimits = []struct {
	name       string
	path, body string
	limit      time.Duration
	alive      func(line string) bool
	end        string
}{
	// Codex counts events; comments are nothing to it.
	{"Codex", "/v1/responses", `{"input":"Hi","stream":true}`, 300 * time.Second, event, "response.completed"},
	// Node's fetch counts bytes, which are those of the AI SDK, LangChain, Ollama and Claude Code; its headers have the same limit.
	{"Node, responses", "/v1/responses", `{"input":"Hi","stream":true}`, 300 * time.Second, bytesOf, "response.completed"},
	{"Node, chat", "/v1/chat/completions", `{"messages":[{"role":"user","content":"Hi"}],"stream":true}`, 300 * time.Second, bytesOf, "[DONE]"},
	{"Node, completions", "/v1/completions", `{"prompt":"Hi","stream":true}`, 300 * time.Second, bytesOf, "[DONE]"},
	{"Node, messages", "/v1/messages", `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":9,"stream":true}`, 300 * time.Second, bytesOf, "message_stop"},
	// Anthropic's libraries wait for an event.
	{"Anthropic", "/v1/messages", `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":9,"stream":true}`, 600 * time.Second, event, "message_stop"},
	{"Ollama", "/api/chat", `{"messages":[{"role":"user","content":"Hi"}]}`, 300 * time.Second, bytesOf, `"done":true`},
	// Proxies in between: nginx has 60 seconds.
	{"nginx", "/v1/chat/completions", `{"messages":[{"role":"user","content":"Hi"}],"stream":true}`, 60 * time.Second, bytesOf, "[DONE]"},
}

func event(line string) bool   { return strings.HasPrefix(line, "data: {") }
func bytesOf(line string) bool { return line != "" }

// TestIdleLimits has a prompt take longer than each client waits: as many signs of life come as fill twice its limit, each of a kind
// that it counts, before the prompt is done. Time is not measured: the prompt lasts until they have come.
func TestIdleLimits(t *testing.T) {
	heartbeat := New(Options{}).options.Heartbeat
	for _, client := range idleLimits {
		t.Run(client.name, func(t *testing.T) {
			if heartbeat > client.limit/6 {
				t.Errorf("signs of life come every %v: too near to %v", heartbeat, client.limit)
			}
			d := say(t, "Hello there.", 4)
			d.held = make(chan struct{})
			url, _ := start(t, d, Options{Heartbeat: time.Millisecond})
			r, err := http.Post(url+client.path, "application/json", strings.NewReader(client.body)) // returns with the headers
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			timeout := time.AfterFunc(time.Minute, func() { r.Body.Close() })
			defer timeout.Stop()
			signs, last := 0, ""
			for lines := bufio.NewScanner(r.Body); lines.Scan(); {
				if last += lines.Text(); !client.alive(lines.Text()) {
					continue
				}
				if signs++; signs == int(2*client.limit/heartbeat) {
					close(d.held)
				}
			}
			if signs < int(2*client.limit/heartbeat) || !strings.Contains(last, client.end) {
				t.Errorf("%d signs of life, then %.300s", signs, last[max(0, len(last)-300):])
			}
		})
	}
}
