package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"jamba/serve"
)

// watchFlags say how a server is watched, beside its metrics.
type watchFlags struct {
	LogLevel     string `group:"Watching" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"debug, info, warn or error. What is said is never logged."`
	LogFormat    string `group:"Watching" default:"text" enum:"text,json" placeholder:"FORMAT" help:"text, or json: an object in each line."`
	OTLPEndpoint string `group:"Watching" name:"otlp-endpoint" placeholder:"URL" help:"Send traces of requests to an OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318. Nothing of what is said is in them."`
	Pprof        string `group:"Watching" placeholder:"ADDRESS" help:"Answer with Go's profiles at ADDRESS, such as 127.0.0.1:6060. Others than this machine's own need --api-key-file."`
}

// check returns what is wrong with the flags. keys is whether clients need one.
func (w *watchFlags) check(keys bool) error {
	if w.OTLPEndpoint != "" {
		if u, err := url.Parse(w.OTLPEndpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return usageError(fmt.Sprintf("--otlp-endpoint %.80q is no URL, such as http://127.0.0.1:4318", w.OTLPEndpoint))
		}
	}
	if w.Pprof != "" {
		switch host, _, err := net.SplitHostPort(w.Pprof); {
		case err != nil:
			return usageError(fmt.Sprintf("--pprof %.60q is no address, such as 127.0.0.1:6060", w.Pprof))
		case !loopback(host) && !keys:
			return usageError(fmt.Sprintf("--pprof %.60q can be reached from other machines: --api-key-file FILE says who may ask", w.Pprof))
		}
	}
	return nil
}

// logger returns who writes the log.
func (w *watchFlags) logger(to io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(w.LogLevel)) // the command line has seen to it
	if o := (&slog.HandlerOptions{Level: level}); w.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, o))
	} else {
		return slog.New(slog.NewTextHandler(to, o))
	}
}

// tracing has traces sent to the endpoint, if there is one, until end.
func (w *watchFlags) tracing(o *serve.Options) (end func(), err error) {
	if w.OTLPEndpoint == "" {
		return func() {}, nil
	}
	to, err := url.Parse(w.OTLPEndpoint)
	if err != nil {
		return nil, err
	}
	if to.Path == "" || to.Path == "/" {
		to.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(to.String()))
	if err != nil {
		return nil, fmt.Errorf("--otlp-endpoint: %w", err)
	}
	log := o.Log
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are lost", "error", err.Error()) }))
	about := resource.NewSchemaless(attribute.String("service.name", "jamba"), attribute.String("service.version", o.Version))
	p := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
	o.Traces = p
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			log.Warn("traces are lost", "error", err.Error())
		}
	}, nil
}

// profiling answers at the address for profiles, if there is one, until end.
func (w *watchFlags) profiling(s *serve.Server, tell io.Writer) (end func(), err error) {
	if w.Pprof == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", w.Pprof)
	if err != nil {
		return nil, fmt.Errorf("--pprof: %w", err)
	}
	fmt.Fprintf(tell, "jamba: profiles at http://%s/debug/pprof/\n", l.Addr())
	h := &http.Server{Handler: s.Profiles(), ReadHeaderTimeout: 10 * time.Second}
	go h.Serve(l) //nolint:errcheck // it ends with the server
	return func() { h.Close() }, nil
}
