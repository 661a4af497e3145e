package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"jamba/serve"
	"jamba/text/reply"
)

type serveCmd struct {
	threadsFlag
	servedFlags

	Host       string `default:"127.0.0.1" placeholder:"HOST" help:"Address to listen on. Others than this machine's own need --api-key-file."`
	Port       int    `default:"8080" placeholder:"PORT" help:"Port to listen on; 0: any that is free."`
	APIKeyFile string `name:"api-key-file" placeholder:"FILE" help:"Answer those alone who have a key of FILE: one in each line, or sha256: and its hash, and behind it name=NAME, and requests=N and tokens=N a minute and parallel=N at most. Read again when it changes."`
	TLSCert    string `name:"tls-cert" placeholder:"FILE" help:"Speak TLS with the certificate in FILE (PEM), and those that lead to its root. Read again when it changes."`
	TLSKey     string `name:"tls-key" placeholder:"FILE" help:"The certificate's private key (PEM)."`

	AllowHost   []string `placeholder:"NAME" help:"Answer requests for this host name, too; localhost and addresses always. May be repeated."`
	AllowOrigin []string `placeholder:"ORIGIN" help:"Let pages of ORIGIN ask from browsers (CORS), such as https://chat.example; * lets all. May be repeated."`

	MaxTokens int   `group:"Limits" placeholder:"N" help:"Longest answer where neither the request nor the model says. Default: what the context has room for."`
	MaxBody   int64 `group:"Limits" default:"67108864" placeholder:"BYTES" help:"Largest request."`

	Heartbeat    time.Duration `group:"Limits" default:"5s" placeholder:"TIME" help:"How long a stream is silent at most, while a prompt is computed."`
	Timeout      time.Duration `group:"Limits" placeholder:"TIME" help:"Longest time for a request, such as 10m. Default: none."`
	DrainTimeout time.Duration `group:"Limits" default:"30s" placeholder:"TIME" help:"How long answers may go on after Ctrl-C or SIGTERM."`

	ToolFormat       string `default:"auto" placeholder:"FORMAT" help:"How the model writes calls of tools: jamba, hermes, llama3_json, mistral, none; auto: as its chat template does."`
	RawThoughts      bool   `help:"Leave <think> in the text. By default thoughts go where each protocol has them."`
	SpecialInContent bool   `help:"Take control tokens that messages spell out, such as <|im_end|>, for such. By default they are text, and no message can begin another's turn."`

	watchFlags
}

func (c *serveCmd) Help() string {
	return `What is served, with and without /v1 before it:
  OpenAI     /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses, /v1/models
  Anthropic  /v1/messages, /v1/messages/count_tokens
  Ollama     /api/chat, /api/generate, /api/embed, /api/embeddings, /api/tags, /api/show, /api/ps, /api/version
  others     /tokenize, /detokenize, /tokenizer_info, /health, /ready, /metrics, /openapi.json

With one model, any that a request names is that one. Of several, each is loaded when it is first asked for. docs/serving.md has the settings of clients.

Examples:
  jamba serve -m MODEL
  jamba serve --model small=a.gguf --model large=b.gguf --adapter poet@small=DIR --max-loaded 1
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=none python3 chat.py
  ANTHROPIC_BASE_URL=http://127.0.0.1:8080 ANTHROPIC_AUTH_TOKEN=none claude
  jamba serve -m MODEL --host 0.0.0.0 --api-key-file keys.txt --allow-host llm.example`
}

func (c *serveCmd) Run(s *streams) error {
	o, err := c.serving()
	if err != nil {
		return err
	}
	if err := c.apply(); err != nil {
		return err
	}
	o.Log = c.logger(s.err)
	end, err := c.tracing(&o)
	if err != nil {
		return err
	}
	defer end()
	l, err := net.Listen("tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return err
	}
	defer l.Close()
	models, err := c.sources(s, &o)
	if err != nil {
		return err
	}
	if len(c.Models) == 0 {
		(&modelFlag{}).introduce(s.err)
	}
	collectEarly()
	ctx, stop := untilInterrupted()
	defer stop()
	scheme := "http"
	if o.Certificate != nil {
		scheme = "https"
	}
	for _, m := range models {
		fmt.Fprintf(s.err, "jamba: %s at %s://%s/v1\n", m.Name, scheme, l.Addr())
	}
	server := serve.New(o, models...)
	end, err = c.profiling(server, s.err)
	if err != nil {
		return err
	}
	defer end()
	return server.Run(ctx, l, c.DrainTimeout)
}

// serving returns how to serve, or what is wrong with the flags.
func (c *serveCmd) serving() (o serve.Options, err error) {
	o = serve.Options{
		Version: version(), Origins: c.AllowOrigin, SpecialInContent: c.SpecialInContent,
		RawThoughts: c.RawThoughts, MaxBody: c.MaxBody, MaxTokens: c.MaxTokens, Timeout: c.Timeout, Heartbeat: c.Heartbeat, NoCalls: c.ToolFormat == "none",
		Limits: c.limits(),
	}
	for _, name := range append(c.AllowHost, c.Host) {
		o.Hosts = append(o.Hosts, strings.ToLower(name))
	}
	switch {
	case c.Port < 0 || c.Port > 65535:
		return o, usageError(fmt.Sprintf("--port is %d, want 0 to 65535", c.Port))
	case c.Queue < 1 || c.Running < 1 || c.MaxBody < 1 || c.MaxTokens < 0 || c.Timeout < 0 || c.Heartbeat <= 0 || c.DrainTimeout < 0 || c.MaxLoaded < 0 || c.Memory < 0 || c.IdleUnload < 0:
		return o, usageError("--queue, --running, --max-body, --max-tokens, --heartbeat, --timeout, --drain-timeout, --max-loaded, --memory and --idle-unload are positive")
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return o, usageError("--tls-cert and --tls-key belong together")
	case c.APIKeyFile == "" && !loopback(c.Host):
		return o, usageError(fmt.Sprintf("--host %.60q can be reached from other machines: --api-key-file FILE says who may ask", c.Host))
	}
	if err := c.check(c.APIKeyFile != ""); err != nil {
		return o, err
	}
	if c.ToolFormat != "auto" {
		if o.Calls, err = reply.Find(c.ToolFormat); err != nil {
			return o, usageError("--tool-format: " + err.Error())
		}
	}
	if c.APIKeyFile != "" {
		if o.Keys, err = serve.OpenKeys(c.APIKeyFile); err != nil {
			return o, err
		}
	}
	if c.TLSCert != "" {
		o.Certificate, err = serve.OpenCertificate(c.TLSCert, c.TLSKey)
	}
	return o, err
}

// loopback reports whether a host is this machine's own alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
