package serve

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"jamba/serve/turn"
)

// metrics are what GET /metrics tells. What vLLM has too goes by its name, with its buckets; the rest begins with jamba:.
type metrics struct {
	handler http.Handler

	success *prometheus.CounterVec // by reason
	errors  *prometheus.CounterVec // by status
	open    prometheus.Gauge

	first, between, perToken, whole, queue, prefill, decode, inference *prometheus.HistogramVec // seconds
	prompts, answers, maximums                                         *prometheus.HistogramVec // tokens
}

// Buckets, in seconds and tokens, as vLLM has them.
var (
	firstBuckets  = []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560}
	tokenBuckets  = []float64{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
	wholeBuckets  = []float64{0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680}
	lengthBuckets = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000}
)

// modelName is the label with a model's name; requests for its adapters count for the model.
const modelName = "model_name"

func newMetrics(models *registry) *metrics {
	labels := prometheus.Labels{"engine": "0"}
	r := prometheus.NewRegistry()
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "vllm:" + name, Help: help, Buckets: buckets, ConstLabels: labels}, []string{modelName})
		r.MustRegister(h)
		return h
	}
	m := &metrics{
		handler:   promhttp.HandlerFor(r, promhttp.HandlerOpts{}),
		success:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vllm:request_success_total", Help: "Answers that ended, by reason.", ConstLabels: labels}, []string{modelName, "finished_reason"}),
		errors:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jamba:http_errors_total", Help: "Requests answered with an error, by HTTP status."}, []string{"status"}),
		open:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "jamba:http_requests", Help: "Requests for answers that are open."}),
		first:     histogram("time_to_first_token_seconds", "From a request to the first token of an answer.", firstBuckets),
		between:   histogram("inter_token_latency_seconds", "Between two tokens of an answer.", tokenBuckets),
		perToken:  histogram("request_time_per_output_token_seconds", "Mean time between two tokens of an answer.", tokenBuckets),
		whole:     histogram("e2e_request_latency_seconds", "From a request to its end.", wholeBuckets),
		queue:     histogram("request_queue_time_seconds", "From a request to its beginning to be computed.", wholeBuckets),
		prefill:   histogram("request_prefill_time_seconds", "From there to the first token.", wholeBuckets),
		decode:    histogram("request_decode_time_seconds", "From the first token of an answer to its end.", wholeBuckets),
		inference: histogram("request_inference_time_seconds", "Prefill and decode together.", wholeBuckets),
		prompts:   histogram("request_prompt_tokens", "Tokens of prompts.", lengthBuckets),
		answers:   histogram("request_generation_tokens", "Tokens of answers.", lengthBuckets),
		maximums:  histogram("request_params_max_tokens", "max_tokens of requests.", lengthBuckets),
	}
	r.MustRegister(m.success, m.errors, m.open, newEngineMetrics(models, labels), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// begin notes the beginning of a request; what it returns, its end.
func (m *metrics) begin(j *job) (end func()) {
	m.open.Inc()
	for _, p := range j.prompts {
		m.prompts.WithLabelValues(j.model.base).Observe(float64(len(p.IDs)))
	}
	if n := j.request.MaxTokens; n != nil {
		m.maximums.WithLabelValues(j.model.base).Observe(float64(*n))
	}
	return func() {
		m.open.Dec()
		m.whole.WithLabelValues(j.model.base).Observe(time.Since(j.came).Seconds())
	}
}

// token notes a token of a choice.
func (m *metrics) token(c *choice) {
	now := time.Now()
	if c.last.IsZero() {
		m.first.WithLabelValues(c.job.model.base).Observe(now.Sub(c.job.came).Seconds())
	} else {
		m.between.WithLabelValues(c.job.model.base).Observe(now.Sub(c.last).Seconds())
	}
	c.last = now
}

// finished notes the end of a choice.
func (m *metrics) finished(c *choice, e turn.Event) {
	reason := string(e.Finish)
	if e.Finish == turn.ToolCall {
		reason = string(turn.Stop)
	}
	m.success.WithLabelValues(c.job.model.base, reason).Inc()
	u := e.Usage
	m.queue.WithLabelValues(c.job.model.base).Observe(u.Queue.Seconds())
	m.prefill.WithLabelValues(c.job.model.base).Observe((u.Prefill - u.Queue).Seconds())
	m.decode.WithLabelValues(c.job.model.base).Observe(u.Decode.Seconds())
	m.inference.WithLabelValues(c.job.model.base).Observe((u.Prefill - u.Queue + u.Decode).Seconds())
	m.answers.WithLabelValues(c.job.model.base).Observe(float64(u.Answer))
	if u.Answer > 1 {
		m.perToken.WithLabelValues(c.job.model.base).Observe(u.Decode.Seconds() / float64(u.Answer-1))
	}
}

// failed notes a choice that an error ended.
func (m *metrics) failed(c *choice, err error) {
	reason := "error"
	if errors.Is(err, context.Canceled) {
		reason = "abort"
	}
	m.success.WithLabelValues(c.job.model.base, reason).Inc()
}
