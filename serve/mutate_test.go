package serve

import (
	"encoding/json"
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
)

var mutations = flag.Int("mutations", 3000, "how many requests TestMutations sends")

// TestMutations sends requests of which parts are left out, doubled or something else: no answer is a fault of the server's.
func TestMutations(t *testing.T) {
	deep := any(1.0)
	for range 200 {
		deep = map[string]any{"a": []any{deep}}
	}
	junk := []any{
		nil, true, false, 0, -1, 1, 1.5, 1e300, -1e300, "", "a", "\x00", "<|endoftext|>", "auto", "required", "<think>",
		[]any{},
		map[string]any{},
		[]any{[]any{}},
		[]any{nil},
		[]any{map[string]any{}},
		map[string]any{"a": 1},
		[]any{"a"},
		[]any{1},
		[]any{[]any{-1}},
		deep, strings.Repeat("x", 5000),
		map[string]any{"type": "text"},
		map[string]any{"type": "function", "name": "f"},
		map[string]any{"type": "function", "function": map[string]any{"name": "f"}},
	}
	random := rand.New(rand.NewPCG(1, 2))
	var mutate func(v any) any
	mutate = func(v any) any {
		if random.IntN(10) == 0 {
			return junk[random.IntN(len(junk))]
		}
		switch v := v.(type) {
		case map[string]any:
			out := map[string]any{}
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if random.IntN(12) > 0 {
					out[k] = mutate(v[k])
				}
			}
			return out
		case []any:
			var out []any
			for _, x := range v {
				for range []int{0, 1, 1, 1, 1, 1, 1, 2}[random.IntN(8)] {
					out = append(out, mutate(x))
				}
			}
			return out
		}
		return v
	}
	requests := map[string][]string{
		"/v1/chat/completions": {`{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"a","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":[{"type":"text","text":"q"}],"tool_call_id":"x"}],` + tools + `,"tool_choice":"auto","max_tokens":3,"stream":true,"stream_options":{"include_usage":true},"stop":["a"],"logprobs":true,"top_logprobs":2,"n":1,"logit_bias":{"3":1},"seed":1,"chat_template_kwargs":{"a":1},"documents":[{"title":"a","text":"b"}],"reasoning_effort":"low","thinking_budget":3,"min_tokens":1}`},
		"/v1/completions":      {`{"prompt":["a"],"max_tokens":3,"echo":true,"logprobs":2,"n":2,"suffix":null,"stop":null,"stream":true}`, `{"prompt":[[1,2],[3]],"max_tokens":0,"echo":true,"logprobs":2}`},
		"/v1/responses":        {`{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"x"},{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}]}],"stream":true,` + flatTools + `,"tool_choice":"auto","reasoning":{"effort":"low","summary":"auto"},"text":{"format":{"type":"text"}},"metadata":{"a":"b"},"instructions":"i","previous_response_id":null,"top_logprobs":1}`},
		"/v1/messages":         {`{"max_tokens":3,"system":[{"type":"text","text":"a","cache_control":{}}],"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t"},{"type":"tool_use","id":"i","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":"x"}]}],` + claudeTools + `,"tool_choice":{"type":"auto"},"stream":true,"stop_sequences":["a"],"thinking":{"type":"enabled","budget_tokens":2},"top_k":1}`, `{"max_tokens":1,"messages":[{"role":"user","content":"a"}]}`},
		"/api/chat":            {`{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{}}}]},{"role":"tool","content":"a","tool_name":"f"}],"options":{"num_predict":3,"stop":["a"],"temperature":1,"seed":4},` + tools + `,"think":true,"stream":true,"format":""}`},
		"/api/generate":        {`{"model":"m","prompt":"a","system":"b","options":{"num_predict":3},"raw":false,"stream":false}`},
		"/api/embed":           {`{"model":"m","input":["a"]}`},
		"/v1/embeddings":       {`{"input":["a"],"encoding_format":"base64","pooling":"mean"}`},
		"/tokenize":            {`{"prompt":"a","add_special_tokens":true,"return_token_strs":true}`},
		"/detokenize":          {`{"tokens":[1,2,70000,-1]}`},
	}
	d := say(t, hermes, 7)
	url, _ := start(t, d, Options{Calls: format(t, "hermes")})
	paths := slices.Sorted(maps.Keys(requests))
	seen := map[int]int{}
	n := *mutations
	if testutil.Race {
		n /= 5
	}
	for range n {
		path := paths[random.IntN(len(paths))]
		var v any
		if err := json.Unmarshal([]byte(requests[path][random.IntN(len(requests[path]))]), &v); err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(mutate(v))
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(30) == 0 {
			body = body[:random.IntN(len(body))]
		}
		status, answer := post(t, url+path, string(body))
		seen[status]++
		if status != 200 && status != 400 || strings.Contains(answer, "server_error") || strings.Contains(answer, "api_error") || len(answer) == 0 {
			t.Errorf("%s %.600s: %d %.300s", path, body, status, answer)
		}
	}
	if seen[200] < n/10 || seen[400] < n/10 {
		t.Errorf("answers by status: %v", seen)
	}
}
