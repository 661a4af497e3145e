package serve

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
)

// templates are those of the goldens, with the format of calls that each tells.
var templates = map[string]string{"jamba15-protocol.jinja": "jamba", "chatml-hermes.jinja": "hermes", "headers.jinja": "llama3_json", "inst.jinja": ""}

// formats are a call in each format.
var formats = map[string]string{
	"jamba": `<tool_calls>[{"name": "f", "arguments": {}}]</tool_calls>`, "hermes": `<tool_call>{"name": "f", "arguments": {}}</tool_call>`,
	"llama3_json": `{"name": "f", "parameters": {}}`, "mistral": `[TOOL_CALLS][{"name": "f", "arguments": {}}]`,
}

// TestToolFormats reads calls in the format that each of the goldens' templates tells, and in that which an option names.
func TestToolFormats(t *testing.T) {
	for template, own := range templates {
		m := templated(t, template)
		for name, o := range map[string]Options{own: {}, "jamba": {Calls: format(t, "jamba")}, "mistral": {Calls: format(t, "mistral")}, "none": {NoCalls: true}} {
			for written, text := range formats {
				d := &double{Model: m, says: []string{"</think>" + text}}
				if template != "chatml-hermes.jinja" {
					d.says[0] = text
				}
				url, _ := start(t, d, o)
				_, body := post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]}`)
				got := hearChat(t, body, false)
				if (len(got.Calls) == 1) != (written == name) || got.Text == "" != (written == name) {
					t.Errorf("%s with %s: %q is %+v", template, name, text, got)
				}
			}
		}
	}
}

// TestThinkingBudget has a model think that would not end by itself, with each of the goldens' templates: begun by the template, or by
// the message that goes on.
func TestThinkingBudget(t *testing.T) {
	for template := range templates {
		url, _ := start(t, templated(t, template), Options{})
		for _, request := range []struct{ path, body, budget string }{
			{"/v1/chat/completions", `{"max_tokens":48,"ignore_eos":true,"temperature":0,"messages":[{"role":"user","content":"Hi"}MORE]%s}`, `,"thinking_budget":%d`},
			{"/v1/messages", `{"max_tokens":48,"temperature":0,"messages":[{"role":"user","content":"Hi"}MORE]%s}`, `,"thinking":{"type":"enabled","budget_tokens":%d}`},
		} {
			more := ""
			if template != "chatml-hermes.jinja" {
				if more = `,{"role":"assistant","content":"<think>"}`; request.path == "/v1/chat/completions" {
					more += `],"continue_final_message":true,"x":[`
				}
			}
			body := strings.Replace(request.body, "MORE", more, 1)
			for _, budget := range []int{-1, 0, 1, 5, 20} {
				if budget <= 0 && request.path == "/v1/messages" {
					continue // Anthropic's has at least 1
				}
				_, answer := post(t, url+request.path, fmt.Sprintf(body, fmt.Sprintf(request.budget, budget)))
				got := hear[request.path](t, answer, false)
				ids, err := m(t).Text().Tokenizer.Encode(got.Thought, false)
				if err != nil || got.Text == "" || len(ids) > max(budget, 0)+2 || budget > 4 && len(ids) < budget-2 {
					t.Errorf("%s, %s, a budget of %d: %d tokens of thought, %s", template, request.path, budget, len(ids), answer)
				}
			}
			_, answer := post(t, url+request.path, fmt.Sprintf(body, ""))
			if got := hear[request.path](t, answer, false); got.Text != "" || got.Thought == "" {
				t.Errorf("%s, %s, without a budget: %s", template, request.path, answer)
			}
		}
	}
}

// TestThoughtOfItsOwn ends a thought that the model has begun itself, in tokens of which the budget may cut the mark.
func TestThoughtOfItsOwn(t *testing.T) {
	tokenizer := m(t).Text().Tokenizer
	mark, _ := tokenizer.Encode("<think>", false)
	text, _ := tokenizer.Encode("<think>a b c d e f g h i j", false)
	plain, _ := tokenizer.Encode("The <think>a b c d e f g h i j", false)
	for budget := range 8 {
		d := &double{Model: m(t), says: []string{"x"}}
		url, _ := start(t, d, Options{})
		for _, answer := range [][]int32{text, plain} {
			post(t, url+"/v1/chat/completions", fmt.Sprintf(`{"messages":[{"role":"user","content":"Hi"}],"thinking_budget":%d}`, budget))
			c := d.asked[len(d.asked)-1].Constraint
			var ended []int
			for n := range answer {
				if forced, _, _ := c.Next(answer[:n], nil); strings.Contains(tokenizer.Decode(forced, false), "</think>") {
					ended = append(ended, n)
				}
			}
			want := []int{max(budget, len(mark))}
			if &answer[0] == &plain[0] {
				want = nil
			}
			if !slices.Equal(ended, want) {
				t.Errorf("a budget of %d: ended after %d tokens, want %d", budget, ended, want)
			}
		}
	}
}

// TestThoughtsGoBack sends back what an answer said, as clients do: the prompt has its thought and its call as the model wrote them.
func TestThoughtsGoBack(t *testing.T) {
	const says = "Look it\nup.\n</think>\n\nSo.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>"
	d := &double{Model: templated(t, "chatml-hermes.jinja"), says: words(says)}
	url, _ := start(t, d, Options{})
	ask := func(path, body string) string {
		t.Helper()
		status, answer := post(t, url+path, body)
		if status != 200 {
			t.Fatal(answer)
		}
		return answer
	}
	for path, talk := range map[string]func(){
		"/v1/chat/completions": func() {
			answer := decode[struct {
				Choices []struct{ Message json.RawMessage }
			}](t, ask("/v1/chat/completions", `{"messages":[{"role":"user","content":"Hi"}],`+tools+`}`))
			ask("/v1/chat/completions", `{"messages":[{"role":"user","content":"Hi"},`+string(answer.Choices[0].Message)+`,{"role":"tool","tool_call_id":"x","content":"sunny"}],`+tools+`}`)
		},
		"/v1/responses": func() {
			answer := decode[struct{ Output []json.RawMessage }](t, ask("/v1/responses", `{"input":[{"role":"user","content":"Hi"}],`+flatTools+`}`))
			items, _ := json.Marshal(answer.Output)
			ask("/v1/responses", `{"input":[{"role":"user","content":"Hi"},`+strings.Trim(string(items), "[]")+`,{"type":"function_call_output","call_id":"x","output":"sunny"}],`+flatTools+`}`)
		},
		"/v1/responses, stored": func() {
			answer := decode[struct{ ID string }](t, ask("/v1/responses", `{"input":"Hi",`+flatTools+`}`))
			ask("/v1/responses", `{"previous_response_id":"`+answer.ID+`","input":[{"type":"function_call_output","call_id":"x","output":"sunny"}],`+flatTools+`}`)
		},
		"/v1/messages": func() {
			answer := decode[struct{ Content json.RawMessage }](t, ask("/v1/messages", `{"max_tokens":99,"messages":[{"role":"user","content":"Hi"}],`+claudeTools+`}`))
			ask("/v1/messages", `{"max_tokens":99,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":`+string(answer.Content)+`},{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":"sunny"}]}],`+claudeTools+`}`)
		},
		"/api/chat": func() {
			answer := decode[struct{ Message json.RawMessage }](t, ask("/api/chat", `{"stream":false,"messages":[{"role":"user","content":"Hi"}],`+tools+`}`))
			ask("/api/chat", `{"stream":false,"messages":[{"role":"user","content":"Hi"},`+string(answer.Message)+`,{"role":"tool","content":"sunny"}],`+tools+`}`)
		},
	} {
		talk()
		const want = "<|im_start|>assistant\n<think>\n" + says + "<|im_end|>\n<|im_start|>user\n<tool_response>\nsunny"
		if p := d.seen[len(d.seen)-1]; !strings.Contains(p, want) {
			t.Errorf("%s: the prompt is %q, want %q in it", path, p, want)
		}
	}
}

// TestGoldenChats sends the conversations of the goldens, as API requests, to models with each of their templates: the prompts are what
// the reference makes of them.
func TestGoldenChats(t *testing.T) {
	cases := map[string]map[string]json.RawMessage{}
	for _, c := range testutil.JSON[[]map[string]json.RawMessage](t, testutil.Golden("chat", "cases.json")) {
		c["chat_template_kwargs"] = c["extra"]
		cases[decode[string](t, string(c["name"]))] = c
	}
	urls, tried := map[string]string{}, map[string]int{}
	for template := range templates {
		urls[template], _ = start(t, templated(t, template), Options{SpecialInContent: true})
	}
	for _, g := range testutil.JSONLines[struct {
		Template, Case string
		IDs            []int32
	}](t, testutil.Golden("chat", "goldens.jsonl")) {
		c := cases[g.Case]
		switch {
		case g.IDs == nil: // the template refuses it
			continue
		case c["add_generation_prompt"] == nil && c["continue_final_message"] == nil: // no request for an answer
			continue
		case g.Case == "parts": // has images
			continue
		case g.Template == "headers.jinja" && g.Case == "tool-args-string": // arguments are objects to templates, whatever they are in a request
			continue
		}
		body := `{"x":0`
		for _, key := range []string{"messages", "tools", "documents", "chat_template_kwargs", "continue_final_message"} {
			if c[key] != nil {
				body += `,"` + key + `":` + string(c[key])
			}
		}
		_, answer := post(t, urls[g.Template]+"/tokenize", body+"}")
		if got := decode[struct{ Tokens []int32 }](t, answer).Tokens; !slices.Equal(got, g.IDs) {
			t.Errorf("%s of %s: %s, want %v", g.Case, g.Template, answer, g.IDs)
		}
		tried[g.Template]++
	}
	if len(tried) != 4 || tried["jamba15-protocol.jinja"] < 15 {
		t.Errorf("cases by template: %v", tried)
	}
}
