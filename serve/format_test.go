package serve

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"jamba/internal/testutil"
)

const look = `{"type":"object","properties":{"at":{"enum":["sky","sea"]},"n":{"type":"integer","minimum":1,"maximum":9}},"required":["at"],"additionalProperties":false}`

// TestFormats asks in each protocol for JSON of a schema, and for calls, of a model that says anything, and validates what comes.
func TestFormats(t *testing.T) {
	check := testutil.Schema(t, look)
	url, _ := start(t, open(t), Options{Calls: format(t, "hermes")})
	answers := 3
	if testutil.Race {
		answers = 1
	}
	const hi, common = `"messages":[{"role":"user","content":"Hi"}]`, `"model":"m","max_tokens":300,"temperature":1.5,`
	function := func(strict bool) string {
		return fmt.Sprintf(`"tools":[{"type":"function","function":{"name":"look","parameters":%s,"strict":%v}}]`, look, strict)
	}
	for _, c := range []struct{ path, body string }{
		{"/v1/chat/completions", common + hi + `,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":` + look + `}}`},
		{"/v1/responses", `"temperature":1.5,"max_output_tokens":300,"input":"Hi","text":{"format":{"type":"json_schema","name":"a","schema":` + look + `}}`},
		{"/v1/messages", common + hi + `,"output_config":{"format":{"type":"json_schema","schema":` + look + `}}`},
		{"/api/chat", `"options":{"temperature":1.5,"num_predict":300},` + hi + `,"format":` + look},
		{"/v1/chat/completions", common + hi + `,"tool_choice":"required","parallel_tool_calls":false,` + function(false)},
		{"/v1/chat/completions", common + hi + `,"tool_choice":{"type":"function","function":{"name":"look"}},"parallel_tool_calls":false,` + function(true)},
		{"/v1/responses", `"temperature":1.5,"max_output_tokens":300,"input":"Hi","tool_choice":"required","parallel_tool_calls":false,"tools":[{"type":"function","name":"look","strict":true,"parameters":` + look + `}]`},
		{"/v1/messages", common + hi + `,"tool_choice":{"type":"any","disable_parallel_tool_use":true},"tools":[{"name":"look","input_schema":` + look + `}]`},
	} {
		for _, stream := range []bool{false, true} {
			for range answers {
				status, body := post(t, url+c.path, fmt.Sprintf(`{%s,"stream":%v}`, c.body, stream))
				if status != http.StatusOK {
					t.Fatalf("%s: status %d: %s", c.body, status, body)
				}
				s := hear[c.path](t, body, stream)
				if strings.Contains(c.body, "tools") == (len(s.Calls) == 0) || s.Finish == "length" {
					t.Fatalf("%s: %+v", c.body, s)
				}
				texts := []string{s.Text}
				if len(s.Calls) > 0 {
					texts = nil
				}
				for _, call := range s.Calls {
					texts = append(texts, call.Arguments)
				}
				for _, text := range texts {
					if err := check(text); err != nil {
						t.Errorf("%s: %v", c.body, err)
					}
				}
			}
		}
	}
}

// TestFormatOf looks at what answers are held to.
func TestFormatOf(t *testing.T) {
	d := say(t, "Hello", 9)
	url, _ := start(t, d, Options{Calls: format(t, "hermes")})
	const hi = `"messages":[{"role":"user","content":"Hi"}]`
	tool := func(strict, parameters string) string {
		return `"tools":[{"type":"function","function":{"name":"f","strict":` + strict + `,"parameters":` + parameters + `}}]`
	}
	for _, c := range []struct {
		body string
		held bool
		err  string
	}{
		{hi, false, ""},
		{hi + `,"response_format":{"type":"text"}`, false, ""},
		{hi + `,"response_format":{"type":"json_object"}`, true, ""},
		{hi + `,` + tool("false", look), false, ""},
		{hi + `,` + tool("true", look), true, ""},
		{hi + `,"tool_choice":"none",` + tool("true", look), false, ""},
		{hi + `,"tool_choice":"required",` + tool("false", `{"not":{}}`), true, ""},
		{hi + `,` + tool("true", `{"not":{}}`), false, "tools[0].function.parameters: the JSON schema: /not is not supported"},
		{hi + `,"response_format":{"type":"json_object"},` + tool("false", look), true, ""},
		{`"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"{"}],"continue_final_message":true,"response_format":{"type":"json_object"}`, false, "goes on"},
	} {
		n := len(d.asked)
		status, body := post(t, url+"/v1/chat/completions", "{"+c.body+"}")
		switch {
		case c.err != "":
			if status != http.StatusBadRequest || !strings.Contains(body, c.err) {
				t.Errorf("%s: status %d, %s", c.body, status, body)
			}
		case status != http.StatusOK || len(d.asked) == n:
			t.Errorf("%s: status %d, %s", c.body, status, body)
		case (d.asked[n].Format.String() != "") != c.held:
			t.Errorf("%s: the format is %v", c.body, d.asked[n].Format)
		}
	}
}
