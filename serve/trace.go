package serve

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"jamba"
	"jamba/serve/turn"
)

// Names of attributes are those of OpenTelemetry's conventions for HTTP and generative models. Nothing of what was said is among them.

// tracer returns who makes spans.
func tracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return p.Tracer("jamba/serve")
}

// traced begins the span of a request, within that of a client that sends a W3C traceparent. end ends it.
func (s *Server) traced(r *http.Request, rec *record) (context.Context, trace.Span) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	return s.tracer.Start(ctx, r.Method, trace.WithTimestamp(rec.came), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("jamba.request.id", rec.id)))
}

// endTrace ends the span of a request.
func endTrace(span trace.Span, r *http.Request, rec *record) {
	if r.Pattern != "" { // that of the route, which has no names in it
		span.SetName(r.Pattern)
	}
	span.SetAttributes(attribute.Int("http.response.status_code", rec.status))
	if rec.model != "" {
		span.SetAttributes(
			attribute.String("gen_ai.response.model", rec.model), attribute.Int("gen_ai.usage.input_tokens", rec.prompt),
			attribute.Int("gen_ai.usage.cache_read.input_tokens", rec.usage.Cached), attribute.Int("gen_ai.usage.output_tokens", rec.usage.Answer),
		)
	}
	if rec.status >= 500 || rec.failed {
		span.SetStatus(codes.Error, rec.err)
	}
	span.End()
}

// trace makes the spans of an answer that began at a time: when its parts were is known when it has ended.
func (c *choice) trace(ctx context.Context, began time.Time, finish turn.Finish, st *jamba.Stats) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() || st == nil {
		return
	}
	t := tracer(parent.TracerProvider())
	at := began
	span := func(name string, took time.Duration, attributes ...attribute.KeyValue) {
		_, s := t.Start(ctx, name, trace.WithTimestamp(at), trace.WithAttributes(append(attributes, attribute.Int("jamba.choice", c.index))...))
		at = at.Add(took)
		s.End(trace.WithTimestamp(at))
	}
	span("queue", st.Queue)
	span("prefill", st.Prefill-st.Queue, attribute.Int("gen_ai.usage.input_tokens", st.PromptTokens),
		attribute.Int("gen_ai.usage.cache_read.input_tokens", st.ReusedTokens))
	span("decode", st.Decode, attribute.Int("gen_ai.usage.output_tokens", st.AnswerTokens), attribute.String("gen_ai.response.finish_reason", string(finish)))
}
