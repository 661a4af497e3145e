package serve

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"jamba"
	"jamba/internal/testutil"
)

// TestPrompts looks at what the model is given: as the clients of each protocol send conversations.
func TestPrompts(t *testing.T) {
	const call = `<tool_calls>[` + "\n" + `    {"name": "weather", "arguments": {"z": 1, "a": {"y": 2, "b": 3}}}` + "\n" + `]</tool_calls>`
	for _, test := range []struct {
		name, path, body string
		want             []string // in this order
		not              []string
	}{
		{
			name: "the order of keys", path: "/v1/chat/completions",
			body: `{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"weather","arguments":"{\"z\":1,\"a\":{\"y\":2,\"b\":3}}"}}]},{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"sunny"}]}],
				"tools":[{"type":"function","function":{"parameters":{"zz":1,"aa":{"d":1,"c":2}},"name":"weather"}}]}`,
			want: []string{`"parameters"`, `"zz"`, `"aa"`, `"d"`, `"c"`, `"name": "weather"`, "<|user|> Hi", call, "<|tool|> sunny"},
		},
		{
			name: "a system message in the middle", path: "/v1/chat/completions",
			body: `{"messages":[{"role":"user","content":"Hi"},{"role":"developer","content":"MIDDLE"},{"role":"user","content":"Ho"}]}`,
			want: []string{"<|user|> Hi", "<|system|> MIDDLE", "<|user|> Ho", "<|assistant|>"},
		},
		{
			name: "documents", path: "/v1/chat/completions",
			body: `{"messages":[{"role":"user","content":"Hi"}],"documents":[{"title":"T","text":"X","z":1,"b":2}]}`,
			want: []string{"Title: T", "Z: 1", "B: 2", "Text: X", "<|user|> Hi"},
		},
		{
			name: "Codex", path: "/v1/responses",
			body: `{"instructions":"You code","store":false,"include":["reasoning.encrypted_content"],"prompt_cache_key":"k","client_metadata":{},
				"input":[{"type":"message","role":"developer","id":"i","content":[{"type":"input_text","text":"DEV"}]},{"role":"user","content":"Hi"},
				{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":null},
				{"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}]},
				{"type":"function_call","call_id":"c","namespace":"files","name":"read","arguments":"{\"p\":1}"},
				{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"DATA"}]},{"type":"web_search_call","id":"w"}],
				"tools":[{"type":"function","name":"sh","parameters":{"zz":1,"aa":2}},{"type":"web_search"},{"type":"namespace","name":"files","tools":[{"type":"function","name":"read","parameters":{}}]}]}`,
			want: []string{"<|system|> You code", `"name": "sh"`, `"zz"`, `"aa"`, `"name": "files__read"`, "<|system|> DEV", "<|user|> Hi", `I look.<tool_calls>`, `"name": "files__read"`, "<|tool|> DATA"},
			not:  []string{"web_search"},
		},
		{
			name: "Claude Code", path: "/v1/messages?beta=true",
			body: `{"max_tokens":32000,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"},"context_management":{"edits":[]},"metadata":{},
				"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.197.1c0; cc_entrypoint=sdk-cli;"},{"type":"text","text":"You code","cache_control":{"type":"ephemeral"}}],
				"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"system","content":"MIDDLE"},
				{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"I look."},{"type":"tool_use","id":"toolu_1","name":"weather","input":{"z":1,"a":{"y":2,"b":3}}}]},
				{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"sunny"}]},{"type":"text","text":"And now?","cache_control":{"type":"ephemeral"}}]}],
				"tools":[{"name":"weather","description":"D","input_schema":{"$schema":"s","zz":1,"aa":2}}]}`,
			want: []string{"<|system|> You code", `"$schema"`, `"zz"`, `"aa"`, "<|user|> Hi", "<|system|> MIDDLE", "I look." + call, "<|tool|> sunny", "<|user|> And now?", "<|assistant|>"},
			not:  []string{"billing", "cc_version"},
		},
		{
			name: "Ollama", path: "/api/chat",
			body: `{"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"weather","arguments":{"z":1,"a":{"y":2,"b":3}}}}]},{"role":"tool","tool_name":"weather","content":"sunny"}]}`,
			want: []string{"<|user|> Hi", call, "<|tool|> (weather)sunny"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := say(t, "Hello", 9)
			url, _ := start(t, d, Options{})
			if status, body := post(t, url+test.path, test.body); status != http.StatusOK {
				t.Fatal(status, body)
			}
			rest := d.seen[0]
			for _, w := range test.want {
				_, after, ok := strings.Cut(rest, w)
				if !ok {
					t.Fatalf("no %q in the rest of\n%s\nwhich is\n%s", w, d.seen[0], rest)
				}
				rest = after
			}
			for _, w := range test.not {
				if strings.Contains(d.seen[0], w) {
					t.Errorf("%q in\n%s", w, d.seen[0])
				}
			}
		})
	}
}

// TestNoTurnIsForged has messages, results of tools and prompts spell control tokens out: they are text, unless that is asked for.
func TestNoTurnIsForged(t *testing.T) {
	m := open(t)
	bom, ok := m.Text().Tokenizer.ID("<|endoftext|>")
	if !ok || !m.Text().Tokenizer.IsSpecial(bom) {
		t.Fatal("the test's token is none")
	}
	for _, special := range []bool{false, true} {
		url, _ := start(t, m, Options{SpecialInContent: special})
		count := func(text string) int {
			_, body := post(t, url+"/v1/messages/count_tokens", `{"messages":[{"role":"user","content":"a`+text+`"}]}`)
			return decode[map[string]int](t, body)["input_tokens"]
		}
		if n := count("<|endoftext|>") - count(""); (n == 1) != special {
			t.Errorf("special %v: the token came to %d", special, n)
		}
	}
}

// TestOptions looks at what answers are asked for.
func TestOptions(t *testing.T) {
	d := say(t, "Hello", 9)
	url, _ := start(t, d, Options{Calls: format(t, "hermes")})
	ask := func(path, body string) jamba.Options {
		t.Helper()
		if status, answer := post(t, url+path, body); status != http.StatusOK {
			t.Fatal(status, answer)
		}
		return d.asked[len(d.asked)-1]
	}
	const hi = `"messages":[{"role":"user","content":"Hi"}]`
	o := ask("/v1/chat/completions", `{`+hi+`,"temperature":0.5,"top_p":0.9,"top_k":7,"min_p":0.1,"repetition_penalty":1.1,"presence_penalty":1,"frequency_penalty":-1,
		"seed":-1,"stop":"x","stop_token_ids":[5],"ignore_eos":true,"max_completion_tokens":6,"max_tokens":5,"logit_bias":{"3":2},"cache_salt":"s","priority":2}`)
	if o.Temperature != 0.5 || o.TopP != 0.9 || o.TopK != 7 || o.MinP != 0.1 || o.RepetitionPenalty != 1.1 || o.PresencePenalty != 1 || o.FrequencyPenalty != -1 || *o.Seed != 1<<64-1 ||
		o.Stop[len(o.Stop)-1] != "x" || o.StopIDs[0] != 5 || !o.IgnoreEnds || o.MaxTokens != 6 || o.LogitBias[3] != 2 || o.Salt != "s" || o.Priority != 2 {
		t.Errorf("%+v", o)
	}
	if o = ask("/v1/completions", `{"prompt":"a"}`); o.MaxTokens != 16 {
		t.Errorf("%+v", o)
	}
	o = ask("/v1/messages", `{"max_tokens":9,`+hi+`,"thinking":{"type":"enabled","budget_tokens":12}}`)
	think, _ := m(t).Text().Tokenizer.Encode("<think>a b c d e f g h i j k l m", false)
	for n := range think {
		forced, _, _ := o.Constraint.Next(think[:n], nil)
		if text := m(t).Text().Tokenizer.Decode(forced, false); (n == 12) != strings.Contains(text, "</think>") {
			t.Errorf("after %d tokens of thought: %q", n, text)
		}
	}
	o = ask("/v1/chat/completions", `{`+hi+`,"min_tokens":2}`)
	logits := make([]float32, m(t).Info().VocabSize)
	_, _, _ = o.Constraint.Next([]int32{1}, logits)
	end := m(t).Ends()[0]
	if logits[end] == 0 {
		t.Error("the answer may end before min_tokens")
	}
	logits[end] = 0
	if _, _, _ = o.Constraint.Next([]int32{1, 2}, logits); logits[end] != 0 {
		t.Error("the answer may not end after min_tokens")
	}
}

func m(t testing.TB) *jamba.Model { return open(t) }

// TestGoesOn answers a second request from a stored response, and none from an unknown one.
func TestGoesOn(t *testing.T) {
	d := say(t, "Hello", 9)
	url, _ := start(t, d, Options{})
	type response struct{ ID string }
	_, body := post(t, url+"/v1/responses", `{"instructions":"ONE","input":"Hi"}`)
	post(t, url+"/v1/responses", `{"instructions":"TWO","input":"And?","stream":false,"previous_response_id":"`+decode[response](t, body).ID+`"}`)
	want := "<|system|> TWO"
	if p := d.seen[1]; !strings.Contains(p, want) || strings.Contains(p, "ONE") || !strings.Contains(p, "<|user|> Hi") || !strings.Contains(p, "Hello") || !strings.Contains(p, "<|user|> And?") {
		t.Error(p)
	}
	_, body = post(t, url+"/v1/responses", `{"input":"Hi","store":false}`)
	for _, id := range []string{decode[response](t, body).ID, "resp_x"} {
		if status, body := post(t, url+"/v1/responses", `{"input":"Hi","previous_response_id":"`+id+`"}`); status != http.StatusBadRequest || !strings.Contains(body, "previous_response_not_found") {
			t.Errorf("%d %s", status, body)
		}
	}
}

// TestKept has clients mark what is to be kept: a conversation that goes another way behind the mark goes on from there.
func TestKept(t *testing.T) {
	long := strings.Repeat("small tree light house ", 8)
	cached := func(url, path, format string, end string) int {
		_, body := post(t, url+path, strings.Replace(format, "END", end, 1))
		u := decode[struct {
			Usage struct {
				Read    int `json:"cache_read_input_tokens"`
				Details struct {
					Cached int `json:"cached_tokens"`
				} `json:"prompt_tokens_details"`
				Input struct {
					Cached int `json:"cached_tokens"`
				} `json:"input_tokens_details"`
			}
		}](t, body).Usage
		return u.Read + u.Details.Cached + u.Input.Cached
	}
	// The mark stands in the middle, where nothing is kept otherwise: the last user message and the end are elsewhere.
	for i, test := range []struct{ path, body string }{
		{"/v1/messages", `{"max_tokens":1,"messages":[{"role":"user","content":"SALT"},{"role":"assistant","content":"` + long + `"},{"role":"user","content":[{"type":"text","text":"` + long + `"MARK}]},{"role":"assistant","content":"END"},{"role":"user","content":"END"}]}`},
		{"/v1/chat/completions", `{"max_tokens":1,"messages":[{"role":"user","content":"SALT"},{"role":"assistant","content":"` + long + `"},{"role":"user","content":[{"type":"text","text":"` + long + `"MARK}]},{"role":"assistant","content":"END"},{"role":"user","content":"END"}]}`},
		{"/v1/responses", `{"max_output_tokens":1,"input":[{"role":"user","content":"SALT"},{"role":"assistant","content":"` + long + `"},{"role":"user","content":[{"type":"input_text","text":"` + long + `"MARK}]},{"role":"assistant","content":"END"},{"role":"user","content":"END"}]}`},
	} {
		url, _ := start(t, m(t), Options{})
		for _, mark := range []string{"", `,"cache_control":{"type":"ephemeral"},"prompt_cache_breakpoint":true`} {
			body := strings.NewReplacer("MARK", mark, "SALT", fmt.Sprint(test.path, mark != "")).Replace(test.body)
			cached(url, test.path, body, "first way")
			if n := cached(url, test.path, body, "another way"); (n > 100) != (mark != "") {
				t.Errorf("%d: mark %q: %d tokens were found", i, mark, n)
			}
		}
	}
}

// TestAnyCut has a model write calls and thoughts, cut at every character: streamed or not, the client gets the same.
func TestAnyCut(t *testing.T) {
	testutil.SkipRace(t, testutil.SameSharing)
	const text = "<think>\nä\n</think>\n\nSo.<tool_calls>[\n    {\"name\": \"weather\", \"arguments\": {\"c\": \"}é\"}},\n    {\"name\": \"weather\", \"arguments\": {}}\n]</tool_calls>"
	type choice struct {
		Message, Delta struct {
			Content          string
			ReasoningContent string `json:"reasoning_content"`
			ToolCalls        []struct {
				Index    int
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
	}
	for cut := range text { // a model's pieces are whole characters
		d := say(t, "", 1)
		d.says = []string{text[:cut], text[cut:]}
		url, _ := start(t, d, Options{})
		body := `{"messages":[{"role":"user","content":"Hi"}],` + tools
		_, whole := post(t, url+"/v1/chat/completions", body+"}")
		got := decode[struct{ Choices []choice }](t, whole).Choices[0].Message
		if got.Content != "So." || got.ReasoningContent != "ä" || len(got.ToolCalls) != 2 || got.ToolCalls[0].Function.Arguments != `{"c": "}é"}` || got.ToolCalls[1].Function.Name != "weather" {
			t.Fatalf("cut at %d: %+v", cut, got)
		}
		_, stream := post(t, url+"/v1/chat/completions", body+`,"stream":true}`)
		content, thought, calls := "", "", [2]string{}
		for line := range strings.SplitSeq(stream, "\n") {
			if data, ok := strings.CutPrefix(line, "data: {"); ok {
				delta := decode[struct{ Choices []choice }](t, "{"+data).Choices[0].Delta
				content, thought = content+delta.Content, thought+delta.ReasoningContent
				for _, c := range delta.ToolCalls {
					calls[c.Index] += c.Function.Name + c.Function.Arguments
				}
			}
		}
		if content != "So." || thought != "ä" || calls != [2]string{`weather{"c": "}é"}`, "weather{}"} {
			t.Fatalf("cut at %d: %q %q %q", cut, content, thought, calls)
		}
	}
}
