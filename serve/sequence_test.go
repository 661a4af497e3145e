package serve

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"jamba"
	"jamba/serve/api/apitest"
	"jamba/serve/models"
)

const (
	tools     = `"tools":[{"type":"function","function":{"name":"weather","description":"The weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]`
	hermes    = "look it up\n</think>\n\nLet me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {}}\n</tool_call>"
	thought   = "<think>\nIt is\nnoon.\n</think>\n\nGood day."
	malformed = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\""
)

// sequences are requests whose answers are recorded in testdata, whole.
var sequences = []struct {
	name, path, body string
	says             string
	stop             string
	finish           jamba.Finish
	err              error
	encode, slow     time.Duration
}{
	{name: "chat", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}]}`, says: "Hello there."},
	{name: "chat-stream", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"stream":true}`, says: "Hello there."},
	{name: "chat-stream-usage", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true},"n":1,"max_tokens":3}`, says: "Hello", finish: jamba.FinishLength},
	{name: "chat-logprobs", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"logprobs":true,"top_logprobs":2}`, says: "Hello there."},
	{name: "chat-stream-logprobs", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"stream":true,"logprobs":true,"top_logprobs":1}`, says: "Hello there."},
	{name: "chat-thought", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}]}`, says: thought},
	{name: "chat-stream-thought", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"stream":true}`, says: thought},
	{name: "chat-tools", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],` + tools + `}`, says: "<think>" + hermes},
	{name: "chat-stream-tools", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"stream":true,` + tools + `}`, says: "<think>" + hermes},
	{name: "chat-one-call", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"parallel_tool_calls":false,` + tools + `}`, says: "<think>" + hermes},
	{name: "chat-malformed-call", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],` + tools + `}`, says: malformed},
	{name: "chat-stream-malformed-call", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"stream":true,` + tools + `}`, says: malformed + `: "New York`, finish: jamba.FinishLength},
	{name: "chat-stream-slow", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"stream":true}`, says: "Hello", slow: 12 * time.Second},
	{name: "chat-stream-failed", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"stream":true}`, err: jamba.ErrBusy},
	{name: "chat-too-large", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}]}`, err: fmt.Errorf("a context of 9 tokens: %w", jamba.ErrTooLarge)},
	{name: "completions", path: "/v1/completions", body: `{"prompt":"Once","max_tokens":4}`, says: " upon a time"},
	{name: "completions-echo", path: "/v1/completions", body: `{"prompt":["Once","Two"],"max_tokens":1,"echo":true,"logprobs":1,"n":2}`, says: " upon"},
	{name: "completions-stream", path: "/v1/completions", body: `{"prompt":[[700,701]],"stream":true,"echo":true,"logprobs":1,"stream_options":{"include_usage":true}}`, says: " upon a time"},
	{name: "responses", path: "/v1/responses", body: `{"input":"Hi","text":{}}`, says: "Hello there."},
	{name: "responses-tools", path: "/v1/responses", body: `{"input":"Hi","store":false,` + flatTools + `}`, says: "<think>" + hermes},
	{name: "responses-incomplete", path: "/v1/responses", body: `{"input":"Hi","max_output_tokens":2}`, says: "Hello there", finish: jamba.FinishLength},
	{name: "responses-stream", path: "/v1/responses", body: `{"instructions":"Be brief","input":[{"role":"developer","content":"Now"},{"role":"user","content":[{"type":"input_text","text":"Hi"}]}],"stream":true}`, says: "Hello there."},
	{name: "responses-prewarm", path: "/v1/responses", body: `{"input":"Hi","prompt_cache_options":{"prewarm":true}}`, finish: jamba.FinishLength},
	{name: "responses-stream-tools", path: "/v1/responses", body: `{"input":"Hi","stream":true,` + flatTools + `}`, says: "<think>" + hermes},
	{name: "responses-malformed-call", path: "/v1/responses", body: `{"input":"Hi","stream":true,` + flatTools + `}`, says: malformed + `: New York}}`},
	{name: "responses-stream-slow", path: "/v1/responses", body: `{"input":"Hi","stream":true}`, says: "Hello", slow: 12 * time.Second, finish: jamba.FinishLength},
	{name: "responses-stream-logprobs", path: "/v1/responses", body: `{"input":"Hi","stream":true,"top_logprobs":1}`, says: "Hello there."},
	{name: "responses-failed", path: "/v1/responses", body: `{"input":"Hi","stream":true}`, err: errBroken},
	{name: "responses-stream-failed", path: "/v1/responses", body: `{"input":"Hi","stream":true}`, err: errBroken, slow: time.Second},
	{name: "messages", path: "/v1/messages?beta=true", body: `{"max_tokens":9,"system":"Be brief","messages":[{"role":"user","content":"Hi"}]}`, says: "Hello there."},
	{name: "messages-tools", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}],` + claudeTools + `}`, says: "<think>" + hermes},
	{name: "messages-stream", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}`, says: "Hello there."},
	{name: "messages-stream-tools", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true,` + claudeTools + `}`, says: "<think>" + hermes},
	{name: "messages-malformed-call", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],` + claudeTools + `}`, says: malformed + `: "New York`, finish: jamba.FinishLength},
	{name: "messages-stream-malformed-call", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true,` + claudeTools + `}`, says: malformed + `: "New York`, finish: jamba.FinishLength},
	{name: "messages-stream-slow", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}`, says: "Hello", slow: 12 * time.Second, finish: jamba.FinishLength},
	{name: "messages-stop", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stop_sequences":["there"]}`, says: "Hello ", stop: "there"},
	{name: "messages-failed", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}`, err: errBroken},
	{name: "messages-busy", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}`, err: jamba.ErrBusy},
	{name: "messages-stream-failed", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}`, err: errBroken, slow: time.Second},
	{name: "messages-invalid", path: "/v1/messages", body: `{"messages":[{"role":"user","content":"Hi"}]}`},
	{name: "messages-count", path: "/v1/messages/count_tokens", body: `{"messages":[{"role":"user","content":"Hi"}]}`},
	{name: "ollama-chat", path: "/api/chat", body: `{"model":"m","messages":[{"role":"user","content":"Hi"}],"options":{},"tools":[]}`, says: "Hello there."},
	{name: "ollama-chat-tools", path: "/api/chat", body: `{"model":"m","messages":[{"role":"user","content":"Hi"}],"think":true,` + tools + `}`, says: "<think>" + hermes},
	{name: "ollama-malformed-call", path: "/api/chat", body: `{"model":"m","messages":[{"role":"user","content":"Hi"}],` + tools + `}`, says: malformed + `: "New York`, finish: jamba.FinishLength},
	{name: "ollama-chat-whole", path: "/api/chat", body: `{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":false,` + tools + `}`, says: "<think>" + hermes, finish: jamba.FinishLength},
	{name: "ollama-chat-load", path: "/api/chat", body: `{"model":"m","keep_alive":0}`},
	{name: "ollama-chat-slow", path: "/api/chat", body: `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`, says: "Hello", slow: 12 * time.Second},
	{name: "ollama-chat-failed", path: "/api/chat", body: `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`, err: errBroken, slow: time.Second},
	{name: "ollama-generate", path: "/api/generate", body: `{"model":"m","prompt":"Hi","system":"Be brief"}`, says: "Hello there."},
	{name: "ollama-generate-raw", path: "/api/generate", body: `{"model":"m","prompt":"Hi","raw":true,"stream":false}`, says: "Hello there."},
	{name: "chat-stream-encoded", path: "/v1/chat/completions", body: `{"messages":[{"role":"user","content":"Hi"}],"stream":true}`, says: "Hello", encode: 6 * time.Second},
	{name: "responses-stream-encoded", path: "/v1/responses", body: `{"input":"Hi","stream":true}`, says: "Hello", encode: 6 * time.Second},
	{name: "messages-stream-encoded", path: "/v1/messages", body: `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}`, says: "Hello", encode: 6 * time.Second},
	{name: "ollama-chat-encoded", path: "/api/chat", body: `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`, says: "Hello", encode: 6 * time.Second},
	{name: "ollama-format", path: "/api/chat", body: `{"model":"m","messages":[{"role":"user","content":"Hi"}],"format":"json"}`, says: `{"a": 1}`},
	{name: "ollama-show", path: "/api/show", body: `{"name":"m"}`},
}

const claudeTools = `"tools":[{"name":"weather","description":"The weather","input_schema":{"$schema":"x","type":"object","properties":{"z":{},"a":{}}}},{"type":"web_search_20250305","name":"web_search"}]`

var errBroken = errors.New("the network is broken")

const flatTools = `"tools":[{"type":"function","name":"weather","description":"The weather","strict":true,"parameters":{"type":"object","properties":{"z":{},"a":{}}}},{"type":"web_search"},{"type":"namespace","name":"files","tools":[{"type":"function","name":"read","parameters":{}}]}]`

// volatile is what differs from answer to answer.
var volatile = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`"(created|created_at|completed_at)":[0-9.]+`), `"$1":1`},
	{regexp.MustCompile(`"created_at":"[^"]*"`), `"created_at":"T"`},
	{regexp.MustCompile(`"modified_at":"[^"]*"`), `"modified_at":"T"`},
	{regexp.MustCompile(`"((?:total|load|prompt_eval|eval)_duration)":[0-9]+`), `"$1":1`},
	{regexp.MustCompile(`(chatcmpl-|cmpl-|call_|resp_|msg_|fc_|rs_|toolu_)[A-Z0-9]+`), `${1}ID`},
	{regexp.MustCompile(`"sequence_number":[0-9]+`), `"sequence_number":0`},
}

// TestSequences compares what is sent, byte by byte, with what was recorded and looked over. UPDATE=1 records it anew. Where signs of life
// are sent the time is not this machine's, so that they come when they should, however busy it is.
func TestSequences(t *testing.T) {
	open(t)
	for _, test := range sequences {
		answer := func(t *testing.T) {
			d := say(t, "", 1)
			d.says = words(test.says)
			d.stop, d.finish, d.err, d.encode, d.slow = test.stop, test.finish, test.err, test.encode, test.slow
			s := New(Options{Calls: format(t, "hermes")}, models.Opened("test", d))
			if test.encode+test.slow == 0 {
				s.options.Heartbeat, s.patience.first = time.Hour, time.Hour
			}
			r := httptest.NewRequest(http.MethodPost, "http://localhost"+test.path, strings.NewReader(test.body))
			w := httptest.NewRecorder()
			apitest.Handler(t, s).ServeHTTP(w, r)
			got := w.Result().Status + " " + w.Header().Get("Content-Type") + "\n\n" + w.Body.String()
			for i, n := range regexp.MustCompile(`"sequence_number":([0-9]+)`).FindAllStringSubmatch(got, -1) {
				if n[1] != strconv.Itoa(i) {
					t.Errorf("event %d has number %s", i, n[1])
				}
			}
			for _, v := range volatile {
				got = v.re.ReplaceAllString(got, v.by)
			}
			file := filepath.Join("testdata", test.name+".txt")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(bytes.ReplaceAll(want, []byte("\r"), nil)), got); d != "" {
				t.Error(d)
			}
		}
		t.Run(test.name, func(t *testing.T) {
			if test.encode+test.slow > 0 {
				synctest.Test(t, answer)
				return
			}
			answer(t)
		})
	}
}
