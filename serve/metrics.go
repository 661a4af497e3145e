package serve

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"jamba"
	"jamba/engine/prefix"
	"jamba/serve/turn"
)

// metrics are what GET /metrics tells. What vLLM has too goes by its name, the rest begins with jamba:.
type metrics struct {
	handler http.Handler

	success                                                            *prometheus.CounterVec
	errors                                                             *prometheus.CounterVec
	first, between, whole, prefill, decode, prompts, answers, maximums *prometheus.HistogramVec

	mu      sync.Mutex
	timings map[*job]*timing
	inHTTP  prometheus.Gauge
}

// timing is what is measured of a request on its way.
type timing struct {
	start time.Time
	last  map[int]time.Time // of choices
}

var (
	seconds = []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560}
	tokens  = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000}
)

func newMetrics(g *registry) *metrics {
	own := prometheus.Labels{"engine": "0"}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "vllm:" + name, Help: help, Buckets: buckets, ConstLabels: own}, []string{modelName})
	}
	m := &metrics{
		timings:  map[*job]*timing{},
		success:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vllm:request_success_total", Help: "Answers that ended, by reason.", ConstLabels: own}, []string{modelName, "finished_reason"}),
		errors:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jamba:http_errors_total", Help: "Requests answered with an error, by HTTP status."}, []string{"status"}),
		inHTTP:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "jamba:http_requests", Help: "Requests for answers that are open."}),
		first:    histogram("time_to_first_token_seconds", "From a request to the first event of its answer.", seconds),
		between:  histogram("inter_token_latency_seconds", "Between the events of an answer that have text.", seconds),
		whole:    histogram("e2e_request_latency_seconds", "From a request to its end.", seconds),
		prefill:  histogram("request_prefill_time_seconds", "From a request to its first token, waiting included.", seconds),
		decode:   histogram("request_decode_time_seconds", "From the first token of an answer to its end.", seconds),
		prompts:  histogram("request_prompt_tokens", "Tokens of prompts.", tokens),
		answers:  histogram("request_generation_tokens", "Tokens of answers.", tokens),
		maximums: histogram("request_params_max_tokens", "max_tokens of requests.", tokens),
	}
	r := prometheus.NewRegistry()
	r.MustRegister(m.success, m.errors, m.inHTTP, m.first, m.between, m.whole, m.prefill, m.decode, m.prompts, m.answers, m.maximums, newCounters(g, own))
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	return m
}

// modelName is the label with the name of a model; requests for adapters count for their model.
const modelName = "model_name"

// begin notes a request that came at start; what it returns, its end.
func (m *metrics) begin(j *job, start time.Time) (end func()) {
	t := &timing{start, map[int]time.Time{}}
	m.inHTTP.Inc()
	for _, p := range j.prompts {
		m.prompts.WithLabelValues(j.model.base).Observe(float64(len(p.IDs)))
	}
	if n := j.request.MaxTokens; n != nil {
		m.maximums.WithLabelValues(j.model.base).Observe(float64(*n))
	}
	m.mu.Lock()
	m.timings[j] = t
	m.mu.Unlock()
	return func() {
		m.inHTTP.Dec()
		m.whole.WithLabelValues(j.model.base).Observe(time.Since(t.start).Seconds())
		m.mu.Lock()
		delete(m.timings, j)
		m.mu.Unlock()
	}
}

// event notes an event of a request.
func (m *metrics) event(j *job, e turn.Event) {
	if e.Kind == turn.Finished {
		m.finished(j, e)
	}
	if e.Kind != turn.Thought && e.Kind != turn.Text && e.Kind != turn.Called {
		return
	}
	m.mu.Lock()
	t := m.timings[j]
	m.mu.Unlock()
	now := time.Now()
	if last, ok := t.last[e.Choice]; ok {
		m.between.WithLabelValues(j.model.base).Observe(now.Sub(last).Seconds())
	} else {
		m.first.WithLabelValues(j.model.base).Observe(now.Sub(t.start).Seconds())
	}
	t.last[e.Choice] = now
}

// finished notes the end of a choice.
func (m *metrics) finished(j *job, e turn.Event) {
	reason := string(e.Finish)
	if e.Finish == turn.ToolCall {
		reason = string(turn.Stop)
	}
	m.success.WithLabelValues(j.model.base, reason).Inc()
	m.prefill.WithLabelValues(j.model.base).Observe(e.Usage.Prefill.Seconds())
	m.decode.WithLabelValues(j.model.base).Observe(e.Usage.Decode.Seconds())
	m.answers.WithLabelValues(j.model.base).Observe(float64(e.Usage.Answer))
}

// counters are those of the engines of models that are loaded.
type counters struct {
	models *registry
	all    []counter
	cache  *prometheus.Desc // information
	misses *prometheus.Desc
}

type counter struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*jamba.Counters) float64
}

func newCounters(g *registry, own prometheus.Labels) *counters {
	c := &counters{models: g}
	desc := func(name, help string, variable ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{modelName}, variable...), own)
	}
	add := func(kind prometheus.ValueType, name, help string, of func(*jamba.Counters) float64) {
		c.all = append(c.all, counter{desc(name, help), kind, of})
	}
	gauge, count := prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "vllm:num_requests_running", "Answers that are computed.", func(c *jamba.Counters) float64 { return float64(c.Running) })
	add(gauge, "vllm:num_requests_waiting", "Answers that wait to be computed.", func(c *jamba.Counters) float64 { return float64(c.Waiting) })
	add(gauge, "vllm:kv_cache_usage_perc", "Share of the memory for sequences that is in use and cannot be given up, 0 to 1.", func(c *jamba.Counters) float64 {
		if c.StateLimit == 0 {
			return 0
		}
		return float64(max(0, c.StateBytes-c.Cache.Bytes)) / float64(c.StateLimit)
	})
	add(count, "vllm:prompt_tokens_total", "Tokens of prompts.", func(c *jamba.Counters) float64 { return float64(c.PromptTokens) })
	add(count, "vllm:generation_tokens_total", "Tokens of answers.", func(c *jamba.Counters) float64 { return float64(c.AnswerTokens) })
	add(count, "vllm:num_preemptions_total", "Answers that others took the memory of.", func(c *jamba.Counters) float64 { return float64(c.Preempted) })
	add(count, "vllm:prefix_cache_queries_total", "Tokens of prompts that were looked for.", func(c *jamba.Counters) float64 { return float64(c.Cache.Saved + c.Cache.Computed) })
	add(count, "vllm:prefix_cache_hits_total", "Of these, tokens that were found.", func(c *jamba.Counters) float64 { return float64(c.Cache.Saved) })
	add(count, "vllm:corrupted_requests_total", "Answers that numbers ended which were infinite or NaN.", func(c *jamba.Counters) float64 { return float64(c.NotFinite) })
	add(count, "vllm:spec_decode_num_draft_tokens_total", "Tokens that were guessed.", func(c *jamba.Counters) float64 { return float64(c.DraftedTokens) })
	add(count, "vllm:spec_decode_num_accepted_tokens_total", "Of these, right ones.", func(c *jamba.Counters) float64 { return float64(c.AcceptedTokens) })
	add(count, "jamba:passes_total", "Passes of the network.", func(c *jamba.Counters) float64 { return float64(c.Passes) })
	add(count, "jamba:failed_requests_total", "Answers that an error ended.", func(c *jamba.Counters) float64 { return float64(c.Failed) })
	add(gauge, "jamba:state_bytes", "Memory of sequences, those kept for later requests included.", func(c *jamba.Counters) float64 { return float64(c.StateBytes) })
	add(gauge, "jamba:state_limit_bytes", "Memory that sequences may take; 0: no limit.", func(c *jamba.Counters) float64 { return float64(c.StateLimit) })
	add(gauge, "jamba:snapshots", "States that are kept for later requests.", func(c *jamba.Counters) float64 { return float64(c.Cache.Snapshots) })
	add(gauge, "jamba:snapshot_bytes", "Memory of these.", func(c *jamba.Counters) float64 { return float64(c.Cache.Bytes) })
	add(count, "jamba:snapshots_restored_total", "Requests that went on from a kept state.", func(c *jamba.Counters) float64 { return float64(c.Cache.Hits) })
	add(count, "jamba:snapshots_evicted_total", "Kept states that were given up.", func(c *jamba.Counters) float64 { return float64(c.Cache.Evictions) })
	c.misses = desc("jamba:prefix_cache_misses_total", "Requests that went on from no kept state, by reason.", "reason")
	c.cache = desc("vllm:cache_config_info", "The memory for sequences in blocks.", "block_size", "num_gpu_blocks", "cache_dtype")
	return c
}

// Describe implements prometheus.Collector.
func (c *counters) Describe(to chan<- *prometheus.Desc) {
	for _, one := range c.all {
		to <- one.desc
	}
	to <- c.misses
	to <- c.cache
}

// Collect implements prometheus.Collector.
func (c *counters) Collect(to chan<- prometheus.Metric) {
	c.models.each(func(m *served) {
		now := m.Counters()
		for _, one := range c.all {
			to <- prometheus.MustNewConstMetric(one.desc, one.kind, one.of(&now), m.name)
		}
		for reason, n := range now.Cache.Misses {
			to <- prometheus.MustNewConstMetric(c.misses, prometheus.CounterValue, float64(n), m.name, prefix.Reason(reason).String())
		}
		to <- prometheus.MustNewConstMetric(c.cache, prometheus.GaugeValue, 1, m.name, "1", "0", "auto")
	})
}
