package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jamba"
	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model"
)

// templated returns the goldens' e2e model with another chat template.
func templated(t testing.TB, template string) *jamba.Model {
	t.Helper()
	dir := t.TempDir()
	for to, from := range map[string]string{
		"config.json": "e2e/model/config.json", "generation_config.json": "e2e/model/generation_config.json", "model.safetensors": "e2e/model/model.safetensors",
		"tokenizer.json": "e2e/model/tokenizer.json", "tokenizer_config.json": "e2e/model/tokenizer_config.json", "chat_template.jinja": "chat/templates/" + template,
	} {
		data, err := os.ReadFile(testutil.Golden(from))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m, err := jamba.OpenWith(dir, jamba.OpenOptions{Options: checkpoint.Options{Precision: model.Exact}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// said is what a client makes of an answer, whatever the protocol.
type said struct {
	Thought, Text string
	Calls         []saidCall
	Finish        string
}

type saidCall struct{ Name, Arguments string }

func (s *said) call(name, arguments string) {
	s.Calls = append(s.Calls, saidCall{name, arguments})
}

func (s *said) add(arguments string) { s.Calls[len(s.Calls)-1].Arguments += arguments }

// hear reads an answer of a protocol, a stream or not.
var hear = map[string]func(t testing.TB, body string, stream bool) said{
	"/v1/chat/completions": hearChat, "/v1/responses": hearResponse, "/v1/messages": hearMessage, "/api/chat": hearOllama,
}

// events returns the data of a stream's events.
func events(stream string) (list []string) {
	for line := range strings.SplitSeq(stream, "\n") {
		if data, ok := strings.CutPrefix(line, "data: {"); ok {
			list = append(list, "{"+data)
		}
	}
	return list
}

func hearChat(t testing.TB, body string, stream bool) (s said) {
	bodies := []string{body}
	if stream {
		bodies = events(body)
	}
	type part struct {
		Content   string
		Reasoning string `json:"reasoning_content"`
		ToolCalls []struct {
			Index    int
			ID       string
			Function struct{ Name, Arguments string }
		} `json:"tool_calls"`
	}
	for _, body := range bodies {
		for _, c := range decode[struct {
			Choices []struct {
				Message, Delta part
				FinishReason   string `json:"finish_reason"`
			}
		}](t, body).Choices {
			for _, p := range []part{c.Message, c.Delta} {
				s.Text, s.Thought = s.Text+p.Content, s.Thought+p.Reasoning
				for _, call := range p.ToolCalls {
					if call.ID != "" {
						s.call(call.Function.Name, "")
					}
					if stream && call.Index != len(s.Calls)-1 {
						t.Fatalf("call %d is told as %d", len(s.Calls)-1, call.Index)
					}
					s.add(call.Function.Arguments)
				}
			}
			s.Finish += c.FinishReason
		}
	}
	return s
}

func hearResponse(t testing.TB, body string, stream bool) (s said) {
	type item struct {
		Type, Name, Arguments, Status string
		Content                       []struct{ Text string }
	}
	type response struct {
		Output []item
		Status string
	}
	whole := func(r response) (s said) {
		for _, it := range r.Output {
			switch it.Type {
			case "function_call":
				s.call(it.Name, it.Arguments)
				if (it.Status == "completed") != json.Valid([]byte(it.Arguments)) {
					t.Fatalf("%+v", it)
				}
			case "reasoning":
				s.Thought += it.Content[0].Text
			default:
				s.Text += it.Content[0].Text
			}
		}
		s.Finish = r.Status
		return s
	}
	if !stream {
		return whole(decode[response](t, body))
	}
	var last said
	for _, data := range events(body) {
		e := decode[struct {
			Type, Delta, Arguments string
			Item                   item
			Response               response
		}](t, data)
		switch e.Type {
		case "response.output_item.added":
			if e.Item.Type == "function_call" {
				s.call(e.Item.Name, "")
			}
		case "response.function_call_arguments.delta":
			s.add(e.Delta)
		case "response.function_call_arguments.done":
			if e.Arguments != s.Calls[len(s.Calls)-1].Arguments {
				t.Fatalf("%q is done as %q", s.Calls, e.Arguments)
			}
		case "response.reasoning_text.delta":
			s.Thought += e.Delta
		case "response.output_text.delta":
			s.Text += e.Delta
		case "response.completed", "response.incomplete":
			last, s.Finish = whole(e.Response), e.Response.Status
		}
	}
	if d := cmp.Diff(last, s); d != "" {
		t.Fatalf("the response is not what its events were: %s", d)
	}
	return s
}

func hearMessage(t testing.TB, body string, stream bool) (s said) {
	type block struct {
		Type, Text, Thinking, Name string
		Input                      json.RawMessage
	}
	if !stream {
		m := decode[struct {
			Content    []block
			StopReason string `json:"stop_reason"`
		}](t, body)
		for _, b := range m.Content {
			if s.Text, s.Thought = s.Text+b.Text, s.Thought+b.Thinking; b.Type == "tool_use" {
				s.call(b.Name, string(b.Input))
			}
		}
		s.Finish = m.StopReason
		return s
	}
	open := -1
	for _, data := range events(body) {
		e := decode[struct {
			Type         string
			Index        int
			ContentBlock block `json:"content_block"`
			Delta        struct {
				Text, Thinking string
				PartialJSON    string `json:"partial_json"`
				StopReason     string `json:"stop_reason"`
			}
		}](t, data)
		switch e.Type {
		case "content_block_start":
			if open++; open != e.Index {
				t.Fatalf("block %d is told as %d", open, e.Index)
			}
			if e.ContentBlock.Type == "tool_use" {
				s.call(e.ContentBlock.Name, "")
			}
		case "content_block_delta":
			if s.Text, s.Thought = s.Text+e.Delta.Text, s.Thought+e.Delta.Thinking; e.Delta.PartialJSON != "" {
				s.add(e.Delta.PartialJSON)
			}
		}
		s.Finish += e.Delta.StopReason
	}
	return s
}

func hearOllama(t testing.TB, body string, _ bool) (s said) {
	for line := range strings.Lines(body) {
		l := decode[struct {
			Message struct {
				Content, Thinking string
				ToolCalls         []struct {
					Function struct {
						Name      string
						Arguments json.RawMessage
					}
				} `json:"tool_calls"`
			}
			DoneReason string `json:"done_reason"`
		}](t, line)
		s.Text, s.Thought, s.Finish = s.Text+l.Message.Content, s.Thought+l.Message.Thinking, s.Finish+l.DoneReason
		for _, c := range l.Message.ToolCalls {
			s.call(c.Function.Name, string(c.Function.Arguments))
		}
	}
	return s
}

// goldenCase is a conversation of the goldens.
type goldenCase struct {
	Name     string
	Messages []goldenMessage
	Tools    []json.RawMessage
}

type goldenMessage struct {
	Role      string          `json:"role"`
	Content   *string         `json:"content"`
	ToolCalls json.RawMessage `json:"tool_calls,omitempty"`
	ID        string          `json:"tool_call_id,omitempty"`
}

// calls returns the calls of a message.
func (m *goldenMessage) calls(t testing.TB) (calls []saidCall) {
	if m.ToolCalls == nil {
		return nil
	}
	for _, c := range decode[[]struct {
		Function struct {
			Name      string
			Arguments json.RawMessage
		}
	}](t, string(m.ToolCalls)) {
		arguments := string(c.Function.Arguments)
		_ = json.Unmarshal(c.Function.Arguments, &arguments) // if it is a string
		calls = append(calls, saidCall{c.Function.Name, plain(t, arguments)})
	}
	return calls
}

// plain returns JSON without white space.
func plain(t testing.TB, text string) string {
	b, err := json.Marshal(decode[any](t, text))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// turns are what is around an assistant's turn, by template, and what a model may write before it.
var turns = map[string]struct{ open, close, thought string }{
	"jamba15-protocol.jinja": {"<|bom|><|assistant|> ", "<|eom|>", ""},
	"chatml-hermes.jinja":    {"<|im_start|>assistant\n", "<|im_end|>", "Ask for it.\n</think>\n\n"},
	"headers.jinja":          {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>", ""},
}

// ask returns the body that asks for an answer to messages in a protocol.
func (c *goldenCase) ask(t testing.TB, path string, messages []goldenMessage) string {
	body := map[string]any{"tools": c.Tools}
	var list []any
	for _, m := range messages {
		switch {
		case path == "/v1/chat/completions" || path == "/api/chat":
			list = append(list, m)
		case m.Role == "tool" && path == "/v1/messages":
			list = append(list, map[string]any{"role": "user", "content": []any{map[string]any{"type": "tool_result", "tool_use_id": m.ID, "content": m.Content}}})
		case m.Role == "tool":
			list = append(list, map[string]any{"type": "function_call_output", "call_id": m.ID, "output": m.Content})
		case path == "/v1/messages":
			var blocks []any
			if m.Content != nil {
				blocks = append(blocks, map[string]any{"type": "text", "text": m.Content})
			}
			for _, call := range m.calls(t) {
				blocks = append(blocks, map[string]any{"type": "tool_use", "id": "x", "name": call.Name, "input": json.RawMessage(call.Arguments)})
			}
			list = append(list, map[string]any{"role": m.Role, "content": blocks})
		default:
			if m.Content != nil {
				list = append(list, map[string]any{"role": m.Role, "content": m.Content})
			}
			for _, call := range m.calls(t) {
				list = append(list, map[string]any{"type": "function_call", "call_id": "x", "name": call.Name, "arguments": call.Arguments})
			}
		}
	}
	body["messages"] = list
	if path == "/v1/chat/completions" || path == "/api/chat" {
		return encoded(t, body)
	}
	var tools []any
	for _, raw := range c.Tools {
		own := decode[struct {
			Function struct {
				Type        string          `json:"type"`
				Name        string          `json:"name"`
				Description string          `json:"description"`
				Parameters  json.RawMessage `json:"parameters,omitempty"`
				InputSchema json.RawMessage `json:"input_schema,omitempty"`
			}
		}](t, string(raw)).Function
		if own.Type = "function"; path == "/v1/messages" {
			own.Type, own.Parameters, own.InputSchema = "custom", nil, own.Parameters
		}
		tools = append(tools, own)
	}
	if body["tools"] = tools; path == "/v1/messages" {
		body["max_tokens"] = 100
	} else {
		delete(body, "messages")
		body["input"] = list
	}
	return encoded(t, body)
}

func encoded(t testing.TB, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestGoldenCalls sends the goldens' conversations with calls as requests of each protocol. A double answers with what the reference
// made of the assistant's turn, cut at every byte: what comes out are the calls, streamed or not. The whole conversation makes the
// prompt of the reference.
func TestGoldenCalls(t *testing.T) {
	cases := map[string]goldenCase{}
	for _, c := range testutil.JSON[[]json.RawMessage](t, testutil.Golden("chat", "cases.json")) {
		if strings.Contains(string(c), `"tool_calls"`) {
			own := decode[goldenCase](t, string(c))
			cases[own.Name] = own
		}
	}
	tried := 0
	for _, g := range testutil.JSONLines[struct{ Template, Case, Text string }](t, testutil.Golden("chat", "goldens.jsonl")) {
		c, ok := cases[g.Case]
		turn, known := turns[g.Template]
		if !ok || !known {
			continue
		}
		tried++
		t.Run(g.Template+" "+g.Case, func(t *testing.T) {
			d := &double{Model: templated(t, g.Template)}
			url, _ := start(t, d, Options{})
			before, answer, _ := strings.Cut(g.Text, turn.open)
			answer, _, _ = strings.Cut(answer, turn.close)
			answer = turn.thought + answer
			at := 0
			for c.Messages[at].Role != "assistant" {
				at++
			}
			want := said{Thought: strings.TrimSuffix(turn.thought, "\n</think>\n\n"), Calls: c.Messages[at].calls(t)}
			if text := c.Messages[at].Content; text != nil {
				want.Text = *text
			}
			for path, hear := range hear {
				body := c.ask(t, path, c.Messages[:at])
				step := 1
				if testing.Short() {
					step = 11
				}
				for cut := 0; cut <= len(answer); cut += step {
					d.says, d.seen = []string{answer[:cut], answer[cut:]}, nil
					_, whole := post(t, url+path, strings.TrimSuffix(body, "}")+`,"stream":false}`)
					got := hear(t, whole, false)
					_, events := post(t, url+path, strings.TrimSuffix(body, "}")+`,"stream":true}`)
					streamed := hear(t, events, true)
					if d := cmp.Diff(compacted(t, path, got), compacted(t, path, streamed)); d != "" {
						t.Fatalf("%s cut at %d: unstreamed and streamed: %s", path, cut, d)
					}
					for i := range got.Calls {
						got.Calls[i].Arguments = plain(t, got.Calls[i].Arguments)
					}
					want.Finish = map[string]string{"/v1/chat/completions": "tool_calls", "/v1/responses": "completed", "/v1/messages": "tool_use", "/api/chat": "stop"}[path]
					if d := cmp.Diff(want, got); d != "" {
						t.Fatalf("%s cut at %d: %s", path, cut, d)
					}
				}
				if path != "/v1/messages" && path != "/v1/responses" && !strings.HasPrefix(d.seen[0], before) {
					t.Errorf("%s: the prompt is %q, want %q first", path, d.seen[0], before)
				}
				d.says, d.seen = []string{"Fine."}, nil
				if g.Template == "headers.jinja" && g.Case == "tool-args-string" {
					continue // arguments are objects to templates, whatever they are in a request; here they were a string
				}
				if post(t, url+path, c.ask(t, path, c.Messages)); d.seen[0] != g.Text {
					t.Errorf("%s: the prompt: %s", path, cmp.Diff(g.Text, d.seen[0]))
				}
			}
		})
	}
	if tried != 6 {
		t.Errorf("%d goldens", tried)
	}
}

// compacted leaves the arguments of calls as they are, but where a protocol has them as an object in one of two ways.
func compacted(t testing.TB, path string, s said) said {
	s.Calls = append([]saidCall(nil), s.Calls...)
	for i := range s.Calls {
		if path == "/v1/messages" {
			s.Calls[i].Arguments = plain(t, s.Calls[i].Arguments)
		}
	}
	return s
}

// TestBrokenCalls has calls break off, behind the beginning of their arguments: they stay calls where arguments are a string, and
// what is streamed comes to what is not.
func TestBrokenCalls(t *testing.T) {
	const begin = "<tool_call>\n{\"name\": \"weather\", \"arguments\": "
	for _, test := range []struct{ says, arguments, members, text string }{
		{begin + `{"a": 1, "city": "Par`, `{"a": 1, "city": "Par`, `{"a": 1}`, ""},
		{begin + `{"a": 12`, `{"a": 12`, `{}`, ""},
		{begin + `{"a": [1, {"b": 2, "c`, `{"a": [1, {"b": 2, "c`, `{"a": [1, {"b": 2}]}`, ""},
		{begin + `{"a": True}}` + "\n</tool_call>", `{"a": `, `{}`, "True}}\n</tool_call>"},
		{begin, "", "", begin},
		{begin + `{"a": "\`, `{"a": "\`, `{}`, ""},
	} {
		d := say(t, test.says, 3)
		d.finish = jamba.FinishLength
		url, _ := start(t, d, Options{Calls: format(t, "hermes")})
		for path, hear := range hear {
			body := (&goldenCase{Tools: []json.RawMessage{json.RawMessage(`{"type":"function","function":{"name":"weather"}}`)}}).ask(t, path, []goldenMessage{{Role: "user", Content: new("Hi")}})
			_, whole := post(t, url+path, strings.TrimSuffix(body, "}")+`,"stream":false}`)
			_, stream := post(t, url+path, strings.TrimSuffix(body, "}")+`,"stream":true}`)
			got, streamed := hear(t, whole, false), hear(t, stream, true)
			arguments, text := []string{test.arguments, test.arguments}, test.text
			switch path {
			case "/v1/messages":
				arguments[0] = strings.ReplaceAll(test.members, " ", "")
			case "/api/chat":
				text, arguments = test.says, []string{"", ""}
			}
			for i, s := range []said{got, streamed} {
				if s.Text != text || len(s.Calls) > 0 != (arguments[i] != "") || arguments[i] != "" && s.Calls[0] != (saidCall{"weather", arguments[i]}) {
					t.Errorf("%s of %q: %d: %+v, want %q and %q", path, test.says, i, s, arguments[i], text)
				}
			}
			if got.Finish != streamed.Finish || strings.Contains(got.Finish, "tool") {
				t.Errorf("%s of %q: %s and %s", path, test.says, got.Finish, streamed.Finish)
			}
		}
	}
}

// TestAnyAnswer has a model write whatever means something, in any pieces: streamed or not, each protocol says the same, and no answer
// is an error.
func TestAnyAnswer(t *testing.T) {
	d := &double{Model: m(t)}
	request := &goldenCase{Tools: []json.RawMessage{json.RawMessage(`{"type":"function","function":{"name":"f"}}`)}}
	for name := range formats {
		url, _ := start(t, d, Options{Calls: format(t, name)})
		words := []string{
			"<think>", "</think>", formats[name], formats[name][:len(formats[name])/2], formats[name][len(formats[name])/2:], strings.Replace(formats[name], "{}", `{"a": [{"é": "x\"`, 1),
			`"}], "b": 1.5`, "}", "}}", "]", "Hi", " ", "\n", `"`, "\\", ",", "[ARGS]",
		}
		rapid.Check(t, func(rt *rapid.T) {
			d.says = append(rapid.SliceOfN(rapid.SampledFrom(words), 0, 9).Draw(rt, "says"), "")
			for path, hear := range hear {
				body := strings.TrimSuffix(request.ask(t, path, []goldenMessage{{Role: "user", Content: new("Hi")}}), "}")
				status, whole := post(t, url+path, body+`,"stream":false}`)
				_, stream := post(t, url+path, body+`,"stream":true}`)
				if status != http.StatusOK || strings.Contains(stream, `"error":{`) {
					rt.Fatalf("%s: %d %s", path, status, whole)
				}
				got, streamed := hear(t, whole, false), hear(t, stream, true)
				for i := range min(len(got.Calls), len(streamed.Calls)) {
					own, other := &got.Calls[i].Arguments, &streamed.Calls[i].Arguments
					switch {
					case path == "/v1/messages" && !json.Valid([]byte(*other)): // it broke off
						*own, *other = plain(t, *own), plain(t, *own)
					case path == "/v1/messages":
						*own, *other = plain(t, *own), plain(t, *other)
					}
				}
				if d := cmp.Diff(got, streamed); d != "" {
					rt.Fatalf("%s: unstreamed and streamed: %s", path, d)
				}
			}
		})
	}
}

// TestLongCall has a call take its time: a protocol that sends it whole shows signs of life meanwhile.
func TestLongCall(t *testing.T) {
	d := say(t, strings.Repeat("x", 30)+"\"}}\n</tool_call>", 1)
	d.says[0] = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \""
	d.pace = 20 * time.Millisecond
	url, _ := start(t, d, Options{Calls: format(t, "hermes"), Heartbeat: 50 * time.Millisecond})
	_, body := post(t, url+"/api/chat", `{"messages":[{"role":"user","content":"Hi"}],`+tools+`}`)
	before, _, ok := strings.Cut(body, `"tool_calls"`)
	if signs := strings.Count(before, `"content":""`) - 1; !ok || signs < 2 {
		t.Errorf("%d signs of life: %s", signs, body)
	}
}

// TestCallWithoutTools has a model call tools that the request has none of: it is text.
func TestCallWithoutTools(t *testing.T) {
	const says = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {}}\n</tool_call>"
	for path, hear := range hear {
		for _, choice := range []string{"", `,"tool_choice":"none",` + tools} {
			if choice != "" && path != "/v1/chat/completions" {
				continue
			}
			url, _ := start(t, say(t, says, 5), Options{Calls: format(t, "hermes")})
			body := strings.TrimSuffix((&goldenCase{}).ask(t, path, []goldenMessage{{Role: "user", Content: new("Hi")}}), "}")
			body = strings.Replace(body, `"tools":null`, `"x":0`, 1) + choice
			for _, stream := range []bool{false, true} {
				_, answer := post(t, url+path, fmt.Sprintf(`%s,"stream":%v}`, body, stream))
				if s := hear(t, answer, stream); s.Text != says || len(s.Calls) > 0 || strings.Contains(s.Finish, "tool") {
					t.Errorf("%s: %+v", path, s)
				}
			}
		}
	}
}
