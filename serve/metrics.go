package serve

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"jamba/serve/models"
	"jamba/serve/turn"
)

// metrics are what GET /metrics tells. What vLLM has too goes by its name, with its buckets; the rest begins with jamba:.
type metrics struct {
	handler http.Handler

	success *prometheus.CounterVec // by model and reason
	errors  *prometheus.CounterVec // by status
	open    prometheus.Gauge

	// By model, in seconds and in tokens.
	first, between, perToken, whole, queue, prefill, decode, inference *prometheus.HistogramVec
	prompts, answers, maximums                                         *prometheus.HistogramVec

	mu   sync.Mutex
	jobs map[*job]bool // those that are open
}

// modelName is the label with the name of a model; requests for adapters count for their model.
const modelName = "model_name"

// ownLabels are those that all metrics of models have; vLLM's say which of several engines of a process they are of.
var ownLabels = prometheus.Labels{"engine": "0"}

// Buckets, in seconds and tokens, as vLLM has them.
var (
	firstBuckets  = []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560}
	tokenBuckets  = []float64{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
	wholeBuckets  = []float64{0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680}
	lengthBuckets = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000}
)

func newMetrics(g *models.Registry) *metrics {
	r := prometheus.NewRegistry()
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "vllm:" + name, Help: help, Buckets: buckets, ConstLabels: ownLabels}, []string{modelName})
		r.MustRegister(h)
		return h
	}
	m := &metrics{
		handler:   promhttp.HandlerFor(r, promhttp.HandlerOpts{}),
		success:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vllm:request_success_total", Help: "Answers that ended, by reason.", ConstLabels: ownLabels}, []string{modelName, "finished_reason"}),
		errors:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jamba:http_errors_total", Help: "Requests answered with an error, by HTTP status."}, []string{"status"}),
		open:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "jamba:http_requests", Help: "Requests for answers that are open."}),
		first:     histogram("time_to_first_token_seconds", "From a request to the first token of an answer.", firstBuckets),
		between:   histogram("inter_token_latency_seconds", "Between two tokens of an answer.", tokenBuckets),
		perToken:  histogram("request_time_per_output_token_seconds", "Mean time between two tokens of an answer.", tokenBuckets),
		whole:     histogram("e2e_request_latency_seconds", "From a request to its end.", wholeBuckets),
		queue:     histogram("request_queue_time_seconds", "From a request's prompt being ready to its beginning to be computed.", wholeBuckets),
		prefill:   histogram("request_prefill_time_seconds", "From there to the first token.", wholeBuckets),
		decode:    histogram("request_decode_time_seconds", "From the first token of an answer to its end.", wholeBuckets),
		inference: histogram("request_inference_time_seconds", "Prefill and decode together.", wholeBuckets),
		prompts:   histogram("request_prompt_tokens", "Tokens of prompts.", lengthBuckets),
		answers:   histogram("request_generation_tokens", "Tokens of answers.", lengthBuckets),
		maximums:  histogram("request_params_max_tokens", "max_tokens of requests.", lengthBuckets),
		jobs:      map[*job]bool{},
	}
	r.MustRegister(m.success, m.errors, m.open, newEngineMetrics(g, m), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// begin notes a request that came at a time; what it returns, its end.
func (m *metrics) begin(j *job, came time.Time) (end func()) {
	name := j.model.base
	j.came, j.metrics = came, &modelMetrics{m, name}
	m.open.Inc()
	for _, p := range j.prompts {
		m.prompts.WithLabelValues(name).Observe(float64(len(p.IDs)))
	}
	if n := j.request.MaxTokens; n != nil {
		m.maximums.WithLabelValues(name).Observe(float64(*n))
	}
	m.mu.Lock()
	m.jobs[j] = true
	m.mu.Unlock()
	return func() {
		m.open.Dec()
		m.whole.WithLabelValues(name).Observe(time.Since(came).Seconds())
		m.mu.Lock()
		delete(m.jobs, j)
		m.mu.Unlock()
	}
}

// adapters returns the adapters for a model that requests are computed with, or wait for.
func (m *metrics) adapters(base string) (running, waiting []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for j := range m.jobs {
		switch {
		case j.model.adapter == nil || j.model.base != base:
		case j.total.Load() > 0:
			running = append(running, j.model.name)
		default:
			waiting = append(waiting, j.model.name)
		}
	}
	slices.Sort(running)
	slices.Sort(waiting)
	return slices.Compact(running), slices.Compact(waiting)
}

// modelMetrics are those of requests for one model.
type modelMetrics struct {
	*metrics
	name string
}

// token notes a token of a choice.
func (m *modelMetrics) token(c *choice) {
	now := time.Now()
	if c.last.IsZero() {
		m.first.WithLabelValues(m.name).Observe(now.Sub(c.job.came).Seconds())
	} else {
		m.between.WithLabelValues(m.name).Observe(now.Sub(c.last).Seconds())
	}
	c.last = now
}

// finished notes the end of a choice.
func (m *modelMetrics) finished(e turn.Event) {
	reason := string(e.Finish)
	if e.Finish == turn.ToolCall {
		reason = string(turn.Stop)
	}
	m.success.WithLabelValues(m.name, reason).Inc()
	u := e.Usage
	m.queue.WithLabelValues(m.name).Observe(u.Queue.Seconds())
	m.prefill.WithLabelValues(m.name).Observe((u.Prefill - u.Queue).Seconds())
	m.decode.WithLabelValues(m.name).Observe(u.Decode.Seconds())
	m.inference.WithLabelValues(m.name).Observe((u.Prefill - u.Queue + u.Decode).Seconds())
	m.answers.WithLabelValues(m.name).Observe(float64(u.Answer))
	if u.Answer > 1 {
		m.perToken.WithLabelValues(m.name).Observe(u.Decode.Seconds() / float64(u.Answer-1))
	}
}

// failed notes a choice that an error ended.
func (m *modelMetrics) failed(err error) {
	reason := "error"
	if errors.Is(err, context.Canceled) {
		reason = "abort"
	}
	m.success.WithLabelValues(m.name, reason).Inc()
}
