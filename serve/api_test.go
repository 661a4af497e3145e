package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"jamba"
	"jamba/internal/testutil"
)

// post sends a body and returns what comes.
func post(t testing.TB, url, body string, header ...string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if h := r.Header.Get("Host"); h != "" {
		r.Host = h
	}
	return do(t, r)
}

func do(t testing.TB, r *http.Request) (status int, answer string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

// decode reads an answer.
func decode[T any](t testing.TB, body string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	return v
}

type completion struct {
	Choices []struct {
		Index    int
		Text     string
		Message  struct{ Content string }
		Logprobs struct {
			TokenLogprobs []*float64           `json:"token_logprobs"`
			TopLogprobs   []map[string]float64 `json:"top_logprobs"`
		}
		FinishReason string `json:"finish_reason"`
	}
	Usage struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
		Details          struct {
			CachedTokens int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
}

// TestRecordedRequests sends what lm-evaluation-harness sent, and compares with what the reference answered.
func TestRecordedRequests(t *testing.T) {
	url, _ := start(t, open(t), Options{})
	for i, r := range testutil.JSON[[]struct {
		Path     string
		Body     json.RawMessage
		Response completion
	}](t, testutil.Golden("e2e", "lm_eval_requests.json")) {
		// The server that answered then put no token before strings.
		status, body := post(t, url+r.Path, strings.Replace(string(r.Body), `{`, `{"add_special_tokens":false,`, 1))
		got := decode[completion](t, body)
		if status != http.StatusOK || len(got.Choices) != len(r.Response.Choices) {
			t.Fatalf("request %d: status %d, %s", i, status, body)
		}
		for j, want := range r.Response.Choices {
			have := got.Choices[j]
			if len(want.Logprobs.TokenLogprobs) == 0 && (have.Text != want.Text || have.Message.Content != want.Message.Content) {
				t.Errorf("request %d: %q, want %q", i, have.Text+have.Message.Content, want.Text+want.Message.Content)
			}
			if len(have.Logprobs.TokenLogprobs) != len(want.Logprobs.TokenLogprobs) {
				t.Fatalf("request %d: %d log-probabilities, want %d", i, len(have.Logprobs.TokenLogprobs), len(want.Logprobs.TokenLogprobs))
			}
			for k, p := range want.Logprobs.TokenLogprobs {
				own := have.Logprobs.TokenLogprobs[k]
				if (p == nil) != (own == nil) || p != nil && math.Abs(*p-*own) > 1e-3 {
					t.Errorf("request %d, token %d: %v, want %v", i, k, own, p)
				}
				if p == nil {
					continue
				}
				best := math.Inf(-1)
				for _, v := range have.Logprobs.TopLogprobs[k] {
					best = max(best, v)
				}
				wantBest := math.Inf(-1)
				for _, v := range want.Logprobs.TopLogprobs[k] {
					wantBest = max(wantBest, v)
				}
				if (best == *own) != (wantBest == *p) {
					t.Errorf("request %d, token %d: greedy %v, want %v", i, k, best == *own, wantBest == *p)
				}
			}
		}
	}
}

// TestMultipleChoice computes what lm-evaluation-harness does for its tasks with log-likelihoods, many prompts in a request.
func TestMultipleChoice(t *testing.T) {
	m := open(t)
	url, _ := start(t, m, Options{})
	want := testutil.JSON[struct {
		Tasks struct {
			MC []struct {
				Loglikelihoods []float64
				IsGreedy       []bool `json:"is_greedy"`
			} `json:"jm_mc"`
		}
	}](t, testutil.Golden("e2e", "expected.json")).Tasks.MC
	type key struct{ doc, choice int }
	var (
		prompts [][]int32
		from    []int
		keys    []key
	)
	ids := func(s string) []int32 {
		ids, err := m.Text().Tokenizer.Encode(s, false)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	for i, doc := range testutil.JSONLines[struct {
		Question string
		Choices  []string
	}](t, testutil.Golden("e2e", "tasks", "mc.jsonl")) {
		question := "Question: " + doc.Question + "\nAnswer:"
		for j, choice := range doc.Choices {
			prompts = append(prompts, ids(question+" "+choice))
			from, keys = append(from, len(ids(question))), append(keys, key{i, j})
		}
	}
	body, _ := json.Marshal(map[string]any{"prompt": prompts, "temperature": 0, "max_tokens": 1, "logprobs": 1, "echo": true})
	status, answer := post(t, url+"/v1/completions", string(body))
	got := decode[completion](t, answer)
	if status != http.StatusOK || len(got.Choices) != len(prompts) {
		t.Fatalf("status %d, %d choices", status, len(got.Choices))
	}
	for i, c := range got.Choices {
		sum, greedy := 0.0, true
		for k, p := range c.Logprobs.TokenLogprobs[from[i] : len(c.Logprobs.TokenLogprobs)-1] {
			best := math.Inf(-1)
			for _, v := range c.Logprobs.TopLogprobs[from[i]+k] {
				best = max(best, v)
			}
			sum, greedy = sum+*p, greedy && best == *p
		}
		if w := want[keys[i].doc]; math.Abs(sum-w.Loglikelihoods[keys[i].choice]) > 1e-3 || greedy != w.IsGreedy[keys[i].choice] {
			t.Errorf("%v: %v %v, want %v %v", keys[i], sum, greedy, w.Loglikelihoods[keys[i].choice], w.IsGreedy[keys[i].choice])
		}
	}
}

// TestGenerateTask computes what lm-evaluation-harness does for its task with answers.
func TestGenerateTask(t *testing.T) {
	testutil.SkipRace(t, testutil.SameSharing)
	url, _ := start(t, open(t), Options{})
	want := testutil.JSON[struct {
		Tasks struct {
			Gen []struct{ Text string } `json:"jm_gen"`
		}
	}](t, testutil.Golden("e2e", "expected.json")).Tasks.Gen
	for i, doc := range testutil.JSONLines[struct{ Prompt string }](t, testutil.Golden("e2e", "tasks", "gen.jsonl")) {
		body, _ := json.Marshal(map[string]any{"prompt": doc.Prompt, "add_special_tokens": false, "temperature": 0, "max_tokens": 24, "stop": []string{"\n\n", "Question:"}})
		if _, answer := post(t, url+"/v1/completions", string(body)); decode[completion](t, answer).Choices[0].Text != want[i].Text {
			t.Errorf("prompt %d: %s, want %q", i, answer, want[i].Text)
		}
	}
}

// TestStreamIsAnswer compares the pieces of streams with the whole answer, with real answers of several choices.
func TestStreamIsAnswer(t *testing.T) {
	url, _ := start(t, open(t), Options{})
	for _, request := range []struct{ path, body string }{
		{"/v1/chat/completions", `{"messages":[{"role":"system","content":"Be brief"},{"role":"user","content":[{"type":"text","text":"Small "},{"type":"text","text":"code"}]}],"max_tokens":20,"n":3,"seed":7,"temperature":1%s}`},
		{"/completions", `{"prompt":["Small code",["a"]],"max_tokens":20,"seed":7%s}`},
		{"/completions", `{"prompt":["Small code","Once"],"n":2,"max_tokens":20,"seed":7,"temperature":0.9,"top_k":40,"min_p":0.01,"presence_penalty":0.5,"logit_bias":{"70":-100},"min_tokens":20,"ignore_eos":true%s}`},
	} {
		status, body := post(t, url+request.path, fmt.Sprintf(request.body, ""))
		if strings.Contains(request.body, `["a"]`) {
			if status != http.StatusBadRequest || !strings.Contains(body, `"param":"prompt"`) {
				t.Errorf("%d %s", status, body)
			}
			continue
		}
		whole := decode[completion](t, body)
		_, stream := post(t, url+request.path, fmt.Sprintf(request.body, `,"stream":true`))
		texts, finish := map[int]string{}, map[int]string{}
		for line := range strings.SplitSeq(stream, "\n") {
			data, ok := strings.CutPrefix(line, "data: ")
			if !ok || data == "[DONE]" {
				continue
			}
			for _, c := range decode[struct {
				Choices []struct {
					Index        int
					Text         string
					Delta        struct{ Content string }
					FinishReason string `json:"finish_reason"`
				}
			}](t, data).Choices {
				texts[c.Index] += c.Text + c.Delta.Content
				finish[c.Index] += c.FinishReason
			}
		}
		for i, c := range whole.Choices {
			if text := c.Text + c.Message.Content; texts[i] != text || text == "" || finish[i] != c.FinishReason {
				t.Errorf("choice %d of %s: %q %s, streamed %q %s", i, request.path, text, c.FinishReason, texts[i], finish[i])
			}
		}
		if len(texts) != len(whole.Choices) || len(whole.Choices) < 3 {
			t.Errorf("%d choices, %d streamed", len(whole.Choices), len(texts))
		}
	}
	// The second time, the conversation is found.
	chat := `{"messages":[{"role":"user","content":"` + strings.Repeat("a small tree runs over the house ", 10) + `"}],"max_tokens":1}`
	post(t, url+"/v1/chat/completions", chat)
	if _, body := post(t, url+"/v1/chat/completions", chat); decode[completion](t, body).Usage.Details.CachedTokens < 50 {
		t.Errorf("nothing was kept: %s", body)
	}
	c := open(t).Counters()
	for begun := time.Now(); c.Running+c.Waiting != 0 && time.Since(begun) < 10*time.Second; c = open(t).Counters() {
		time.Sleep(10 * time.Millisecond)
	}
	if c.Running+c.Waiting != 0 {
		t.Errorf("%d running, %d waiting", c.Running, c.Waiting)
	}
}

// TestPrewarm computes a prompt without an answer, from which the next request goes on.
func TestPrewarm(t *testing.T) {
	url, _ := start(t, open(t), Options{})
	text := strings.Repeat("light green house ", 12)
	_, body := post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"`+text+`"}],"max_tokens":0}`)
	if c := decode[completion](t, body); c.Choices[0].FinishReason != "length" || c.Choices[0].Message.Content != "" || c.Usage.CompletionTokens != 0 {
		t.Fatal(body)
	}
	_, body = post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"`+text+`"}],"max_tokens":2}`)
	if c := decode[completion](t, body); c.Usage.Details.CachedTokens < c.Usage.PromptTokens-4 {
		t.Error(body)
	}
	if _, body = post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"`+text+`"}],"max_tokens":2,"cache_salt":"mine"}`); decode[completion](t, body).Usage.Details.CachedTokens != 0 {
		t.Errorf("another's prompt was used: %s", body)
	}
}

func TestEmbeddings(t *testing.T) {
	m := open(t)
	url, _ := start(t, m, Options{})
	type list struct {
		Data []struct {
			Index     int
			Embedding json.RawMessage
		}
		Usage struct {
			PromptTokens int `json:"prompt_tokens"`
		}
	}
	want, err := m.Embed(context.Background(), []string{"small tree", "green"}, jamba.EmbedOptions{Pooling: "last", Normalize: true})
	if err != nil {
		t.Fatal(err)
	}
	first, _ := m.Text().Encode("small tree")
	second, _ := m.Text().Encode("green")
	ids, _ := json.Marshal([][]int32{first, second})
	for _, input := range []string{`["small tree","green"]`, string(ids)} {
		_, body := post(t, url+"/v1/embeddings", `{"model":"x","pooling":"last","input":`+input+`}`)
		floats := decode[list](t, body)
		_, body = post(t, url+"/v1/embeddings", `{"model":"x","pooling":"last","encoding_format":"base64","input":`+input+`}`)
		coded := decode[list](t, body)
		if floats.Usage.PromptTokens != len(first)+len(second) {
			t.Errorf("usage %+v", floats.Usage)
		}
		for i, w := range want {
			raw, err := base64.StdEncoding.DecodeString(decode[string](t, string(coded.Data[i].Embedding)))
			if err != nil || len(raw) != 4*len(w) {
				t.Fatal(err, len(raw))
			}
			v := decode[[]float32](t, string(floats.Data[i].Embedding))
			for k := range w {
				if own := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*k:])); own != w[k] || v[k] != w[k] {
					t.Fatalf("number %d: %v and %v, want %v", k, own, v[k], w[k])
				}
			}
		}
	}
}

func TestTokens(t *testing.T) {
	m := open(t)
	url, _ := start(t, m, Options{})
	type tokens struct {
		Tokens []int32
		Count  int
		Prompt string
	}
	plain, _ := m.Text().Tokenizer.Encode("test é", false)
	_, body := post(t, url+"/tokenize", `{"prompt":"test é","add_special_tokens":false}`)
	if got := decode[tokens](t, body); !slices.Equal(got.Tokens, plain) || got.Count != len(plain) {
		t.Errorf("%s, want %v", body, plain)
	}
	ids, _ := json.Marshal(plain)
	if _, body = post(t, url+"/detokenize", `{"tokens":`+string(ids)+`}`); decode[tokens](t, body).Prompt != "test é" {
		t.Error(body)
	}
	chat, err := m.ChatPrompt([]byte(`{"messages":[{"role":"user","content":"Hi"}]}`), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, body = post(t, url+"/v1/tokenize", `{"messages":[{"role":"user","content":"Hi"}]}`); !slices.Equal(decode[tokens](t, body).Tokens, chat.IDs) {
		t.Errorf("%s, want %v", body, chat.IDs)
	}
	if _, body = get(t, url+"/tokenizer_info"); decode[map[string]string](t, body)["eos_token"] == "" {
		t.Error(body)
	}
}

// TestBadRequests asks for what cannot be: the error names the field.
func TestBadRequests(t *testing.T) {
	testutil.SkipRace(t, testutil.SameSharing)
	url, _ := start(t, open(t), Options{MaxBody: 1 << 16})
	const hi = `"messages":[{"role":"user","content":"Hi"}]`
	for _, test := range []struct {
		path, body string
		status     int
		param      string
	}{
		{"chat/completions", `{` + hi + `,"temperature":"hot"}`, 400, "temperature"},
		{"chat/completions", `{` + hi + `,"temperature":3}`, 400, "temperature"},
		{"chat/completions", `{` + hi + `,"top_p":0}`, 400, "top_p"},
		{"chat/completions", `{` + hi + `,"n":0}`, 400, "n"},
		{"chat/completions", `{` + hi + `,"max_tokens":-1}`, 400, "max_tokens"},
		{"chat/completions", `{` + hi + `,"max_tokens":1.5}`, 400, "max_tokens"},
		{"chat/completions", `{` + hi + `,"max_completion_tokens":-3}`, 400, "max_completion_tokens"},
		{"chat/completions", `{` + hi + `,"logit_bias":{"99999":1}}`, 400, "logit_bias"},
		{"chat/completions", `{` + hi + `,"logit_bias":{"1":101}}`, 400, "logit_bias.1"},
		{"chat/completions", `{` + hi + `,"logit_bias":{"x":1}}`, 400, "logit_bias"},
		{"chat/completions", `{` + hi + `,"stop":[""]}`, 400, "stop[0]"},
		{"chat/completions", `{` + hi + `,"stop":5}`, 400, "stop"},
		{"chat/completions", `{` + hi + `,"stop":[` + strings.Repeat(`"a",`, 9999) + `"a"]}`, 400, "stop"},
		{"chat/completions", `{` + hi + `,"top_logprobs":2}`, 400, "top_logprobs"},
		{"chat/completions", `{` + hi + `,"logprobs":true,"top_logprobs":21}`, 400, "top_logprobs"},
		{"chat/completions", `{` + hi + `,"response_format":{"type":"xml"}}`, 400, "response_format.type"},
		{"chat/completions", `{` + hi + `,"response_format":{"type":"json_schema"}}`, 400, "response_format.json_schema.schema"},
		{"chat/completions", `{` + hi + `,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"properties":{"a":{"not":{}}}}}}}`, 400, "response_format.json_schema.schema"},
		{"chat/completions", `{` + hi + `,"response_format":{"type":"json_object"},"ignore_eos":true}`, 400, "ignore_eos"},
		{"chat/completions", `{` + hi + `,"response_format":{"type":"json_object"},"min_tokens":3}`, 400, "min_tokens"},
		{"completions", `{"prompt":"a","response_format":{"type":"json_schema","json_schema":{"schema":{"type":"strin"}}}}`, 400, "response_format.json_schema.schema"},
		{"responses", `{"input":"a","text":{"format":{"type":"json_schema","schema":{"uniqueItems":true}}}}`, 400, "text.format.schema"},
		{"chat/completions", `{` + hi + `,"tools":[{"type":"web_search"}]}`, 400, "tools[0].type"},
		{"chat/completions", `{` + hi + `,"tools":[{"type":"function","function":{}}]}`, 400, "tools[0].function.name"},
		{"chat/completions", `{` + hi + `,"tool_choice":"required"}`, 400, "tool_choice"},
		{"chat/completions", `{` + hi + `,` + tools + `,"tool_choice":{"type":"function","function":{"name":"x"}}}`, 400, "tool_choice"},
		{"chat/completions", `{` + hi + `,` + tools + `,"tool_choice":{"type":"function"}}`, 400, "tool_choice"},
		{"chat/completions", `{` + hi + `,` + tools + `,"tool_choice":{}}`, 400, "tool_choice"},
		{"chat/completions", `{` + hi + `,"chat_template_kwargs":[]}`, 400, "chat_template_kwargs"},
		{"chat/completions", `{` + hi + `,"chat_template_kwargs":{"messages":[]}}`, 400, "chat_template_kwargs"},
		{"chat/completions", `{"messages":[]}`, 400, "messages"},
		{"chat/completions", `{}`, 400, "messages"},
		{"chat/completions", `{"messages":[{"content":"Hi"}]}`, 400, "messages[0].role"},
		{"chat/completions", `{"messages":[{"role":"user"}]}`, 400, "messages[0].content"},
		{"chat/completions", `{"messages":[{"role":"user","content":7}]}`, 400, "messages[0].content"},
		{"chat/completions", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}`, 400, "messages[0].content[0].type"},
		{"chat/completions", `{"messages":"Hi"}`, 400, "messages"},
		{"chat/completions", `{`, 400, ""},
		{"chat/completions", ``, 400, ""},
		{"chat/completions", `[]`, 400, ""},
		{"chat/completions", strings.Repeat("[", 20000), 400, ""},
		{"chat/completions", `{"messages":[{"role":"user","content":"` + strings.Repeat("a ", 1<<16) + `"}]}`, 413, ""},
		{"chat/completions", `{"messages":[{"role":"user","content":"` + strings.Repeat("tree ", 5000) + `"}]}`, 400, "messages"},
		{"completions", `{"prompt":"a","suffix":"b"}`, 400, "suffix"},
		{"completions", `{"prompt":"a","best_of":5}`, 400, "best_of"},
		{"completions", `{"prompt":[[4096]]}`, 400, "prompt[0]"},
		{"completions", `{"prompt":[-1]}`, 400, "prompt[0]"},
		{"completions", `{"prompt":[[]]}`, 400, "prompt[0]"},
		{"completions", `{"prompt":["a",null]}`, 400, "prompt[1]"},
		{"completions", `{"prompt":[1,null]}`, 400, "prompt"},
		{"completions", `{"prompt":[[1],null]}`, 400, "prompt"},
		{"completions", `{"prompt":[[1,null]]}`, 400, "prompt"},
		{"completions", `{}`, 400, "prompt"},
		{"completions", `{"prompt":["a","b"],"n":128,"logprobs":99}`, 400, "logprobs"},
		{"embeddings", `{"input":"a","dimensions":3}`, 400, "dimensions"},
		{"embeddings", `{"input":"a","encoding_format":"hex"}`, 400, "encoding_format"},
		{"embeddings", `{"input":[[9999999]]}`, 400, "input"},
		{"nothing", `{}`, 404, ""},
	} {
		status, body := post(t, url+"/v1/"+test.path, test.body)
		e := decode[struct {
			Error *struct {
				Message, Type string
				Param         *string
				Code          *string
			}
		}](t, body).Error
		param := ""
		if e != nil && e.Param != nil {
			param = *e.Param
		}
		if status != test.status || e == nil || e.Message == "" || param != test.param || len(body) > 1000 {
			t.Errorf("%s %.100s: %d %.300s; want %d %s", test.path, test.body, status, body, test.status, test.param)
		}
	}
	// What is not known is not looked at.
	if status, body := post(t, url+"/v1/chat/completions", `{`+hi+`,"max_tokens":1,"text":{},"frobnicate":[1]}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

func TestCompressedBodies(t *testing.T) {
	url, _ := start(t, open(t), Options{MaxBody: 1 << 16})
	pack := func(s, how string) string {
		var b bytes.Buffer
		if how == "gzip" {
			w := gzip.NewWriter(&b)
			_, _ = w.Write([]byte(s))
			_ = w.Close()
		} else {
			w, _ := zstd.NewWriter(&b)
			_, _ = w.Write([]byte(s))
			_ = w.Close()
		}
		return b.String()
	}
	const request = `{"prompt":"a","max_tokens":1}`
	spaces := 100 << 20
	if testutil.Race {
		spaces = 1 << 20
	}
	for _, how := range []string{"gzip", "zstd"} {
		for body, want := range map[string]int{pack(request, how): 200, pack(request+strings.Repeat(" ", spaces), how): 413, request: 400} {
			if status, answer := post(t, url+"/v1/completions", body, "Content-Encoding", how); status != want {
				t.Errorf("%s: %d %s, want %d", how, status, answer, want)
			}
		}
	}
	if status, _ := post(t, url+"/v1/completions", request, "Content-Encoding", "br"); status != http.StatusUnsupportedMediaType {
		t.Errorf("br: %d", status)
	}
}

// TestWhoMayAsk tries names of hosts, pages and keys.
func TestWhoMayAsk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	write := func(s string, at time.Time) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Chtimes(file, at, at)
	}
	write("# keys\n\nsecret one\nsha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8\n", time.Unix(1, 0)) // of password
	keys, err := OpenKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	url, s := start(t, open(t), Options{Hosts: []string{"llm.example"}, Origins: []string{"https://chat.example"}, Keys: keys})
	ask := func(want int, header ...string) {
		t.Helper()
		if status, body := post(t, url+"/v1/completions", `{"prompt":"a","max_tokens":1}`, header...); status != want {
			t.Errorf("%q: %d %s, want %d", header, status, body, want)
		}
	}
	const good = "Bearer secret one"
	ask(200, "Authorization", good)
	ask(200, "Authorization", "bearer password")
	ask(200, "X-Api-Key", "password")
	ask(401)
	for _, wrong := range []string{"", "Bearer", "Bearer ", "Basic password", "password", "Bearer Password", "Bearer password x", "Bearer # keys", "Bearer sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8", "Bearer " + strings.Repeat("a", 10000)} {
		ask(401, "Authorization", wrong)
	}
	ask(200, "Authorization", good, "Host", "llm.example:80")
	ask(200, "Authorization", good, "Host", "192.168.1.7")
	ask(200, "Authorization", good, "Host", "[::1]:8080")
	ask(403, "Authorization", good, "Host", "evil.example")
	ask(403, "Authorization", good, "Host", "127.0.0.1.evil.example")
	ask(403, "Authorization", good, "Origin", "https://evil.example")
	ask(403, "Authorization", good, "Origin", "null")
	ask(200, "Authorization", good, "Origin", "https://chat.example")
	ask(200, "Authorization", good, "Origin", url)
	for path, want := range map[string]int{"/health": 200, "/ready": 200, "/": 200, "/v1/models": 401, "/metrics": 401, "//health/../metrics": 401, "/v1/messages": 401} {
		if status, body := get(t, url+path); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	write("another\n", time.Unix(2, 0))
	keys.mu.Lock()
	keys.watch.looked = time.Time{}
	keys.mu.Unlock()
	ask(401, "Authorization", good)
	ask(200, "Authorization", "Bearer another")
	s.Drain()
	ask(503, "Authorization", "Bearer another")
	if status, _ := get(t, url+"/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("ready while draining: %d", status)
	}
	if status, _ := get(t, url+"/health"); status != http.StatusOK {
		t.Errorf("not live while draining: %d", status)
	}
}

// TestVanish has clients leave in the middle: nothing is computed for them any more.
func TestVanish(t *testing.T) {
	url, _ := start(t, open(t), Options{})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/completions", strings.NewReader(`{"prompt":"Once","max_tokens":1500,"ignore_eos":true,"stream":true}`))
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.ReadFull(response.Body, make([]byte, 300*(i%3+1)))
			cancel()
			response.Body.Close()
		})
	}
	all.Wait()
	for wait := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		c := open(t).Counters()
		if c.Running+c.Waiting == 0 {
			break
		}
		if time.Since(wait) > 5*time.Second {
			t.Fatalf("%d running, %d waiting", c.Running, c.Waiting)
		}
	}
	if status, body := post(t, url+"/v1/completions", `{"prompt":"Once","max_tokens":2}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

func TestMetrics(t *testing.T) {
	url, _ := start(t, say(t, "Hello there.", 4), Options{})
	post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":9}`)
	post(t, url+"/v1/chat/completions", `{}`)
	_, body := get(t, url+"/metrics")
	for _, line := range []string{
		`vllm:request_success_total{engine="0",finished_reason="stop",model_name="test"} 1`,
		`vllm:num_requests_running{engine="0",model_name="test"} 0`,
		`vllm:num_requests_waiting{engine="0",model_name="test"} 0`,
		`vllm:time_to_first_token_seconds_count{engine="0",model_name="test"} 1`,
		`vllm:inter_token_latency_seconds_count{engine="0",model_name="test"} 2`,
		`vllm:e2e_request_latency_seconds_count{engine="0",model_name="test"} 1`,
		`jamba:http_errors_total{status="400"} 1`,
		`jamba:http_requests 0`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
