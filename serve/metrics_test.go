package serve

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"jamba"
	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/serve/models"
)

// scrape reads /metrics as Prometheus does: names with their labels, but for those that all have, and values. Of histograms there are
// _count and _sum.
func scrape(t testing.TB, url string) map[string]float64 {
	t.Helper()
	r, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				if l.GetName() != "model_name" && l.GetName() != "engine" {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
			}
			slices.Sort(labels)
			key := func(suffix string) string { return strings.Join(append([]string{name + suffix}, labels...), " ") }
			if h := m.Histogram; h != nil {
				values[key("_count")], values[key("_sum")] = float64(h.GetSampleCount()), h.GetSampleSum()
				values[key("_bucket")] = float64(len(h.Bucket))
				continue
			}
			values[key("")] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

// TestMetricsOfRequests compares metrics with what the answers said of themselves.
func TestMetricsOfRequests(t *testing.T) {
	m, err := jamba.OpenWith(testutil.Golden("e2e", "model"), jamba.OpenOptions{Options: checkpoint.Options{Precision: jamba.Exact}, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	url, _ := start(t, m, Options{})
	var prompt, answer, cached, tokens float64
	for _, q := range []string{"a small tree runs over the house", "a small tree runs over the house", "light"} {
		_, body := post(t, url+"/v1/completions", `{"prompt":"`+strings.Repeat(q+" ", 20)+`","max_tokens":7,"ignore_eos":true,"temperature":0}`)
		u := decode[completion](t, body).Usage
		prompt, answer, cached = prompt+float64(u.PromptTokens), answer+float64(u.CompletionTokens), cached+float64(u.Details.CachedTokens)
		tokens += float64(u.PromptTokens-u.Details.CachedTokens) + float64(u.CompletionTokens) - 1 // the last needs no pass
	}
	// Each token went to two experts of every layer with experts; in the last, those alone whose logits were wanted.
	got := scrape(t, url)
	for _, layer := range []string{"1", "3", "5"} {
		sum := 0.0
		for _, e := range []string{"0", "1", "2", "3"} {
			sum += got["jamba:expert_tokens_total expert="+e+" layer="+layer]
		}
		if got["jamba:pass_tokens_total"] != tokens || sum != 2*tokens {
			t.Errorf("layer %s: %v choices of experts for %v tokens, want %v", layer, sum, got["jamba:pass_tokens_total"], tokens)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/completions", strings.NewReader(`{"prompt":"x","max_tokens":4000,"ignore_eos":true}`))
	if response, err := http.DefaultClient.Do(r); err == nil {
		t.Fatalf("an answer of 4000 tokens came in 50 ms: %s", response.Status)
	}
	got = scrape(t, url)
	ended := func() bool {
		return got["vllm:request_success_total finished_reason=abort"] == 1 && got["vllm:num_requests_running"] == 0 && got["jamba:http_requests"] == 0
	}
	for begun := time.Now(); !ended() && time.Since(begun) < 5*time.Second; got = scrape(t, url) {
		time.Sleep(time.Millisecond)
	}
	// The aborted answer had a prompt of aborted tokens, and some of its own.
	c := m.Counters()
	aborted := float64(c.PromptTokens) - prompt
	answered := float64(c.AnswerTokens) - answer
	want := map[string]float64{
		"vllm:num_requests_running": 0, "vllm:num_requests_waiting": 0, "jamba:http_requests": 0, "jamba:failed_requests_total": 0,
		"vllm:prompt_tokens_total": prompt + aborted, "vllm:generation_tokens_total": answer + answered,
		"vllm:prefix_cache_queries_total": prompt + aborted, "vllm:prefix_cache_hits_total": cached,
		"jamba:snapshots_restored_total": 1, "jamba:prefix_cache_misses_total reason=empty": 1,
		"vllm:request_success_total finished_reason=length": 3, "vllm:request_success_total finished_reason=abort": 1,
		"vllm:request_generation_tokens_sum": answer, "vllm:request_generation_tokens_count": 3, "vllm:request_prompt_tokens_sum": prompt + aborted,
		"vllm:request_params_max_tokens_sum": 3*7 + 4000, "vllm:e2e_request_latency_seconds_count": 4, "vllm:request_queue_time_seconds_count": 3,
		"vllm:request_time_per_output_token_seconds_count": 3, "vllm:inter_token_latency_seconds_bucket": 20, "vllm:time_to_first_token_seconds_bucket": 23,
		"jamba:snapshots": got["jamba:snapshots_taken_total"] - got["jamba:snapshots_evicted_total"],
	}
	for name, v := range want {
		if own, ok := got[name]; !ok || own != v {
			t.Errorf("%s is %v, want %v", name, own, v)
		}
	}
	if aborted < 1 || cached < 50 || got["jamba:snapshots"] < 3 || got["jamba:snapshot_bytes"] < 1 {
		t.Errorf("a prompt of %v tokens, %v cached, %v snapshots of %v bytes", aborted, cached, got["jamba:snapshots"], got["jamba:snapshot_bytes"])
	}
	if n := got["jamba:pass_tokens_total"]; n < tokens+aborted || n > tokens+aborted+answered+8 {
		t.Errorf("passes of %v tokens, want %v and those of the aborted answer, %v and %v", n, tokens, aborted, answered)
	}
	if busy := got["jamba:pass_seconds_total"]; busy <= 0 || busy > got["vllm:e2e_request_latency_seconds_sum"] {
		t.Errorf("%v seconds in passes, %v in requests", busy, got["vllm:e2e_request_latency_seconds_sum"])
	}
	if sum := got["vllm:request_prefill_time_seconds_sum"] + got["vllm:request_decode_time_seconds_sum"]; sum <= 0 || sum-got["vllm:request_inference_time_seconds_sum"] > 1e-9 {
		t.Errorf("prefill and decode take %v s, together %v", sum, got["vllm:request_inference_time_seconds_sum"])
	}
	if _, ok := got["vllm:cache_config_info block_size=256 cache_dtype=F32 num_gpu_blocks="+blocks(m)]; !ok {
		t.Error("no vllm:cache_config_info with the blocks that there is memory for")
	}
}

// blocks returns how many pages of 256 positions the memory for sequences has room for.
func blocks(m *jamba.Model) string {
	const bytes = 256 * 2 * 2 * 8 * 4 // positions, keys and values, heads, their width, float32; in one layer
	b, _ := json.Marshal(m.Counters().StateLimit / bytes)
	return string(b)
}

// TestDashboard expects each metric that the dashboard asks for to be there.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile("../docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Query any }
		}
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	url, _ := start(t, open(t), Options{})
	post(t, url+"/v1/completions", `{"prompt":"light","max_tokens":2}`)
	post(t, url+"/v1/completions", `{}`)
	there := map[string]bool{}
	for name := range scrape(t, url) {
		name, _, _ = strings.Cut(name, " ")
		there[name] = true
	}
	name := regexp.MustCompile(`\b(?:vllm|jamba):[a-z0-9_]+|\b(?:go|process)_[a-z0-9_]+`)
	asked := map[string]bool{}
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			found := name.FindAllString(target.Expr, -1)
			if len(found) == 0 {
				t.Errorf("panel %q: no metric in %s", p.Title, target.Expr)
			}
			for _, n := range found {
				if asked[n] = true; !there[n] {
					t.Errorf("panel %q: there is no %s", p.Title, n)
				}
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(there)) {
		base := regexp.MustCompile(`_(count|sum|bucket)$`).ReplaceAllString(n, "")
		if strings.Contains(n, ":") && !asked[n] && !asked[base+"_count"] && !asked[base+"_sum"] && !asked[base+"_bucket"] {
			t.Logf("no panel shows %s", n)
		}
	}
}

// adaptable is a double that takes any adapter.
type adaptable struct{ *double }

func (adaptable) OpenAdapter(string) (*jamba.Adapter, error) { return &jamba.Adapter{}, nil }
func (adaptable) Close() error                               { return nil }

// TestAdapterMetrics expects vllm:lora_requests_info to name the adapters that requests are computed with, while they are.
func TestAdapterMetrics(t *testing.T) {
	d := say(t, "Hello", 5)
	d.slow = 300 * time.Millisecond
	s := New(Options{}, models.Source{
		Name: "base", Open: func(context.Context, func(done, total int64)) (models.Model, error) { return adaptable{d}, nil },
		Adapters: []models.Adapter{{Name: "poet", Dir: "x"}, {Name: "cook", Dir: "y"}},
	})
	h := httptest.NewServer(s)
	defer h.Close()
	running := func() string {
		for name := range scrape(t, h.URL) {
			if labels, ok := strings.CutPrefix(name, "vllm:lora_requests_info "); ok {
				return labels
			}
		}
		return ""
	}
	var all sync.WaitGroup
	for _, name := range []string{"poet", "base", "cook", "poet"} {
		all.Go(func() { post(t, h.URL+"/v1/completions", `{"model":"`+name+`","prompt":"light"}`) })
	}
	const want = "max_lora=2 running_lora_adapters=cook,poet waiting_lora_adapters="
	seen := ""
	for begun := time.Now(); seen != want && time.Since(begun) < 5*time.Second; seen = running() {
		time.Sleep(time.Millisecond)
	}
	all.Wait()
	if after := running(); seen != want || after != "max_lora=2 running_lora_adapters= waiting_lora_adapters=" {
		t.Errorf("%q, then %q", seen, after)
	}
}
