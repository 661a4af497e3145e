package serve

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const long = "a small tree runs over the house and a small dog runs under the tree "

// number returns what follows a key in JSON, 0 if there is none.
func number(body, keys string) (n int) {
	if m := regexp.MustCompile(`"(` + keys + `)":([0-9]+)`).FindStringSubmatch(body); m != nil {
		n, _ = strconv.Atoi(m[2])
	}
	return n
}

func written(body string) int { return number(body, "cache_write_tokens") }

func tokens(body string) int { return number(body, "prompt_tokens|input_tokens|prompt_eval_count") }

// TestMissReason expects each protocol to say why nothing of a prompt was found, and nothing where some was.
func TestMissReason(t *testing.T) {
	url, _ := start(t, open(t), Options{})
	post(t, url+"/v1/completions", `{"max_tokens":1,"prompt":"there is something"}`)
	user := fmt.Sprintf(`[{"role":"user","content":%q}]`, strings.Repeat(long, 4))
	for i, request := range []struct{ path, body string }{
		{"/v1/chat/completions", `{"cache_salt":"%s","max_tokens":1,"messages":` + user + `}`},
		{"/v1/completions", `{"cache_salt":"%s","max_tokens":1,"prompt":"` + strings.Repeat(long, 4) + `"}`},
		{"/v1/responses", `{"cache_salt":"%s","max_output_tokens":1,"input":` + user + `}`},
		// These have no salt; the text makes theirs another one's.
		{"/v1/messages", `{"max_tokens":1,"system":"%s","messages":` + user + `}`},
		{"/api/chat", `{"stream":false,"options":{"num_predict":1},"messages":` + strings.Replace(user, `[`, `[{"role":"system","content":"other %s"},`, 1) + `}`},
	} {
		body := fmt.Sprintf(request.body, fmt.Sprint("unknown", i))
		_, first := post(t, url+request.path, body)
		_, second := post(t, url+request.path, body)
		if i < 3 || i == 4 {
			if w := written(first); w < 20 || w != tokens(first) {
				t.Errorf("%s writes %d of %d tokens: %s", request.path, w, tokens(first), first)
			}
			if w := written(second); w > 20 {
				t.Errorf("%s writes %d of %d tokens again: %s", request.path, w, tokens(second), second)
			}
		}
		reason := `"cache_miss_reason":"`
		if i < 3 {
			reason += `other_salt_or_adapter"`
		}
		if !strings.Contains(first, reason) {
			t.Errorf("%s does not say why nothing was found: %s", request.path, first)
		}
		if strings.Contains(second, "cache_miss_reason") {
			t.Errorf("%s says that nothing was found the second time: %s", request.path, second)
		}
	}
}

// TestCompare changes one part of a conversation after the other, and expects to be told which, streamed or not.
func TestCompare(t *testing.T) {
	url, _ := start(t, open(t), Options{Calls: format(t, "hermes")})
	tool := func(name string) string { return fmt.Sprintf(`{"name":%q,"input_schema":{"type":"object"}}`, name) }
	message := func(before, system, tools, first, extra string) string {
		return fmt.Sprintf(`{"max_tokens":1,"diagnostics":{"previous_message_id":%q},"system":%q,"tools":[%s],"messages":[{"role":"user","content":%q}%s]}`, before, system, tools, first, extra)
	}
	more := `,{"role":"assistant","content":"yes"},{"role":"user","content":"and then"}`
	_, body := post(t, url+"/v1/messages", message("", "Be brief", tool("walk"), long, ""))
	type answer struct {
		ID          string
		Diagnostics *struct {
			Reason struct {
				Type   string
				Missed *int `json:"cache_missed_input_tokens"`
			} `json:"cache_miss_reason"`
		}
	}
	id := decode[answer](t, body).ID
	for _, test := range []struct{ body, want string }{
		{message(id, "Be brief", tool("walk"), long, more), ""},
		{message(id, "Be long", tool("walk"), long, more), "system_changed"},
		{message(id, "Be brief", tool("run"), long, more), "tools_changed"},
		{message(id, "Be brief", tool("walk")+","+tool("run"), long, more), "tools_changed"},
		{message(id, "Be brief", tool("walk"), "other "+long, more), "messages_changed"},
		{message("msg_none", "Be brief", tool("walk"), long, more), "previous_message_not_found"},
	} {
		status, body := post(t, url+"/v1/messages", test.body)
		got := decode[answer](t, body)
		switch {
		case status != http.StatusOK || (got.Diagnostics == nil) != (test.want == ""):
			t.Errorf("%d %s, want %q", status, body, test.want)
		case test.want != "" && got.Diagnostics.Reason.Type != test.want:
			t.Errorf("%s, want %q", got.Diagnostics.Reason.Type, test.want)
		case strings.HasSuffix(test.want, "changed") && *got.Diagnostics.Reason.Missed < 1:
			t.Errorf("%s: %d tokens", test.want, *got.Diagnostics.Reason.Missed)
		}
		if _, stream := post(t, url+"/v1/messages", strings.Replace(test.body, "{", `{"stream":true,`, 1)); !strings.Contains(stream, test.want) {
			t.Errorf("streamed without %s: %s", test.want, stream)
		}
	}

	response := func(before, tools, text, effort string) string {
		return fmt.Sprintf(`{"max_output_tokens":1,"prompt_cache_options":{"comparison_response_id":%q},"tools":[%s],"reasoning":{"effort":%q},"input":[{"role":"user","content":%q},{"role":"user","content":"and then"}]}`, before, tools, effort, text)
	}
	walk, run := `{"type":"function","name":"walk","parameters":{}}`, `{"type":"function","name":"run","parameters":{}}`
	_, body = post(t, url+"/v1/responses", response("resp_none", walk, long, "low"))
	if !strings.Contains(body, `"prompt_cache_diagnostics":{"type":"comparison_response_not_found"}`) {
		t.Error(body)
	}
	id = decode[answer](t, body).ID
	for _, test := range []struct{ body, want string }{
		{response(id, walk, long, "low"), `{"type":"cache_hit"}`},
		{response(id, run, long, "low"), `{"type":"cache_miss","reason":"tools_changed"`},
		{response(id, walk, long, "high"), `{"type":"cache_miss","reason":"reasoning_effort_changed"`},
		{response(id, walk, "other", "low"), `{"type":"cache_miss","reason":"input_changed"`},
	} {
		if _, body := post(t, url+"/v1/responses", test.body); !strings.Contains(body, `"prompt_cache_diagnostics":`+test.want) {
			t.Errorf("%s, want %s", body, test.want)
		}
	}
	if _, body := post(t, url+"/v1/responses", `{"max_output_tokens":1,"input":"Hi"}`); strings.Contains(body, "prompt_cache_diagnostics") {
		t.Errorf("nobody asked: %s", body)
	}
}
