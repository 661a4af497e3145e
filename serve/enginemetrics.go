package serve

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jamba"
	"jamba/engine/prefix"
	"jamba/serve/models"
)

// engineMetrics are the counters of the engines of loaded models. They are read when somebody asks.
type engineMetrics struct {
	registry *models.Registry
	requests *metrics
	plain    []plainMetric
	misses   *prometheus.Desc
	expert   *prometheus.Desc
	cache    *prometheus.Desc // information, as the next
	adapters *prometheus.Desc
}

// plainMetric is one of a single number.
type plainMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*jamba.Counters) float64
}

func newEngineMetrics(g *models.Registry, requests *metrics) *engineMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{modelName}, labels...), ownLabels)
	}
	own := &engineMetrics{
		registry: g,
		requests: requests,
		misses:   desc("jamba:prefix_cache_misses_total", "Requests that went on from no snapshot, by reason.", "reason"),
		expert:   desc("jamba:expert_tokens_total", "Tokens that went to an expert of a layer.", "layer", "expert"),
		cache:    desc("vllm:cache_config_info", "The memory for keys and values in blocks; 0 blocks: there is no limit.", "block_size", "num_gpu_blocks", "cache_dtype"),
		adapters: desc("vllm:lora_requests_info", "Which adapters requests are computed with, or wait for; the value is the time.", "max_lora", "running_lora_adapters", "waiting_lora_adapters"),
	}
	add := func(kind prometheus.ValueType, name, help string, of func(*jamba.Counters) float64) {
		own.plain = append(own.plain, plainMetric{desc(name, help), kind, of})
	}
	gauge := func(name, help string, of func(*jamba.Counters) float64) { add(prometheus.GaugeValue, name, help, of) }
	count := func(name, help string, of func(*jamba.Counters) int64) {
		add(prometheus.CounterValue, name, help, func(c *jamba.Counters) float64 { return float64(of(c)) })
	}

	gauge("vllm:num_requests_running", "Answers that are computed.", func(c *jamba.Counters) float64 { return float64(c.Running) })
	gauge("vllm:num_requests_waiting", "Answers that wait to be computed.", func(c *jamba.Counters) float64 { return float64(c.Waiting) })
	gauge("vllm:kv_cache_usage_perc", "Share of the memory for sequences that is in use and not that of snapshots, 0 to 1.", func(c *jamba.Counters) float64 {
		if c.StateLimit == 0 {
			return 0
		}
		return float64(max(0, c.StateBytes-c.Cache.Bytes)) / float64(c.StateLimit)
	})
	count("vllm:prompt_tokens_total", "Tokens of prompts.", func(c *jamba.Counters) int64 { return c.PromptTokens })
	count("vllm:generation_tokens_total", "Tokens of answers.", func(c *jamba.Counters) int64 { return c.AnswerTokens })
	count("vllm:num_preemptions_total", "Answers that others took the memory of.", func(c *jamba.Counters) int64 { return c.Preempted })
	count("vllm:prefix_cache_queries_total", "Tokens of prompts that were looked for.", func(c *jamba.Counters) int64 { return c.Cache.Saved + c.Cache.Computed })
	count("vllm:prefix_cache_hits_total", "Of these, tokens that were found and not computed again.", func(c *jamba.Counters) int64 { return c.Cache.Saved })
	count("vllm:corrupted_requests_total", "Answers that infinite numbers or NaN ended.", func(c *jamba.Counters) int64 { return c.NotFinite })
	count("vllm:spec_decode_num_draft_tokens_total", "Tokens that were guessed.", func(c *jamba.Counters) int64 { return c.DraftedTokens })
	count("vllm:spec_decode_num_accepted_tokens_total", "Of these, right ones.", func(c *jamba.Counters) int64 { return c.AcceptedTokens })

	count("jamba:passes_total", "Passes of the network.", func(c *jamba.Counters) int64 { return c.Passes })
	count("jamba:pass_tokens_total", "Tokens that passes computed, of prompts and answers.", func(c *jamba.Counters) int64 { return c.PassTokens })
	add(prometheus.CounterValue, "jamba:pass_seconds_total", "Time that passes took.", func(c *jamba.Counters) float64 { return c.PassTime.Seconds() })
	count("jamba:failed_requests_total", "Answers that an error ended.", func(c *jamba.Counters) int64 { return c.Failed })
	gauge("jamba:state_bytes", "Memory of sequences, snapshots included.", func(c *jamba.Counters) float64 { return float64(c.StateBytes) })
	gauge("jamba:state_limit_bytes", "Memory that sequences may take; 0: no limit.", func(c *jamba.Counters) float64 { return float64(c.StateLimit) })

	gauge("jamba:snapshots", "Snapshots in memory.", func(c *jamba.Counters) float64 { return float64(c.Cache.Snapshots) })
	gauge("jamba:snapshot_bytes", "Memory of these.", func(c *jamba.Counters) float64 { return float64(c.Cache.Bytes) })
	count("jamba:snapshots_taken_total", "Snapshots taken.", func(c *jamba.Counters) int64 { return c.Cache.Taken })
	count("jamba:snapshots_restored_total", "Requests that went on from a snapshot.", func(c *jamba.Counters) int64 { return c.Cache.Hits })
	count("jamba:snapshots_evicted_total", "Snapshots given up for others.", func(c *jamba.Counters) int64 { return c.Cache.Evictions })
	gauge("jamba:disk_snapshots", "Snapshots on the disk.", func(c *jamba.Counters) float64 { return float64(c.Cache.Disk.Files) })
	gauge("jamba:disk_snapshot_bytes", "Bytes of these.", func(c *jamba.Counters) float64 { return float64(c.Cache.Disk.Bytes) })
	count("jamba:disk_snapshots_written_total", "Snapshots written to the disk.", func(c *jamba.Counters) int64 { return c.Cache.Disk.Writes })
	count("jamba:disk_snapshots_restored_total", "Snapshots read from the disk.", func(c *jamba.Counters) int64 { return c.Cache.Disk.Hits })
	count("jamba:disk_snapshots_dropped_total", "Snapshots not written, because too many waited.", func(c *jamba.Counters) int64 { return c.Cache.Disk.Drops })
	count("jamba:disk_errors_total", "Snapshots that could not be written or read.", func(c *jamba.Counters) int64 { return c.Cache.Disk.Errors })
	return own
}

// Describe implements prometheus.Collector.
func (m *engineMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, p := range m.plain {
		to <- p.desc
	}
	to <- m.misses
	to <- m.expert
	to <- m.cache
	to <- m.adapters
}

// Collect implements prometheus.Collector.
func (m *engineMetrics) Collect(to chan<- prometheus.Metric) {
	m.registry.Each(func(name string, model models.Model, adapters int) {
		m.collect(to, name, model)
		if adapters > 0 {
			running, waiting := m.requests.adapters(name)
			to <- prometheus.MustNewConstMetric(m.adapters, prometheus.GaugeValue, float64(time.Now().UnixMilli())/1000,
				name, strconv.Itoa(adapters), strings.Join(running, ","), strings.Join(waiting, ","))
		}
	})
}

func (m *engineMetrics) collect(to chan<- prometheus.Metric, name string, model models.Model) {
	c := model.Counters()
	for _, p := range m.plain {
		to <- prometheus.MustNewConstMetric(p.desc, p.kind, p.of(&c), name)
	}
	for reason, n := range c.Cache.Misses {
		if r := prefix.Reason(reason); r != prefix.Found {
			to <- prometheus.MustNewConstMetric(m.misses, prometheus.CounterValue, float64(n), name, r.String())
		}
	}
	for layer, experts := range c.Experts {
		for e, n := range experts {
			to <- prometheus.MustNewConstMetric(m.expert, prometheus.CounterValue, float64(n), name, strconv.Itoa(layer), strconv.Itoa(e))
		}
	}
	to <- prometheus.MustNewConstMetric(m.cache, prometheus.GaugeValue, 1, name, strconv.Itoa(c.PageTokens), strconv.FormatInt(c.Pages, 10), model.Info().KV)
}
