package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"jamba"
	"jamba/embedded"
	"jamba/model"
	"jamba/serve"
	"jamba/text/reply"
)

type serveCmd struct {
	modelFlag
	threadsFlag
	openFlags

	Host       string          `default:"127.0.0.1" placeholder:"HOST" help:"Address to listen on. Others than this machine's own need --api-key-file."`
	Port       int             `default:"8080" placeholder:"PORT" help:"Port to listen on; 0: any that is free."`
	Name       string          `placeholder:"NAME" help:"Name of the model in answers. Default: that of its file or folder."`
	Precision  model.Precision `default:"fast" placeholder:"P" help:"fast: quantized weights times activations rounded to 16 bits or little less. exact: float32."`
	APIKeyFile string          `name:"api-key-file" placeholder:"FILE" help:"Answer those alone who have a key of FILE: one in each line, or sha256: and its hash. Read again when it changes."`

	AllowHost   []string `placeholder:"NAME" help:"Answer requests for this host name, too; localhost and addresses always. May be repeated."`
	AllowOrigin []string `placeholder:"ORIGIN" help:"Let pages of ORIGIN ask from browsers (CORS), such as https://chat.example; * lets all. May be repeated."`

	StateDir  string `group:"Memory" placeholder:"DIR" help:"Keep what was computed for prompts in DIR, for the next start, up to 16 GiB."`
	Cache     int64  `group:"Memory" placeholder:"BYTES" help:"Memory for what is kept of prompts; -1: none. Default: all that is free."`
	Queue     int    `group:"Limits" default:"1024" placeholder:"N" help:"Requests that may wait; more are refused with status 429."`
	Running   int    `group:"Limits" default:"256" placeholder:"N" help:"Answers that are computed at a time."`
	MaxTokens int    `group:"Limits" placeholder:"N" help:"Longest answer where neither the request nor the model says. Default: what the context has room for."`
	MaxBody   int64  `group:"Limits" default:"67108864" placeholder:"BYTES" help:"Largest request."`

	Heartbeat    time.Duration `group:"Limits" default:"5s" placeholder:"TIME" help:"How long a stream is silent at most, while a prompt is computed."`
	Timeout      time.Duration `group:"Limits" placeholder:"TIME" help:"Longest time for a request, such as 10m. Default: none."`
	DrainTimeout time.Duration `group:"Limits" default:"30s" placeholder:"TIME" help:"How long answers may go on after Ctrl-C or SIGTERM."`

	ToolFormat       string `default:"auto" placeholder:"FORMAT" help:"How the model writes calls of tools: jamba, hermes, llama3_json, mistral, none; auto: as its chat template does."`
	RawThoughts      bool   `help:"Leave <think> in the text. By default thoughts go where each protocol has them."`
	SpecialInContent bool   `help:"Take control tokens that messages spell out, such as <|im_end|>, for such. By default they are text, and no message can begin another's turn."`
	LogLevel         string `default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"debug, info, warn or error. What is said is never logged."`
}

func (c *serveCmd) Help() string {
	return `What is served, with and without /v1 before it:
  OpenAI     /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses, /v1/models
  Anthropic  /v1/messages, /v1/messages/count_tokens
  Ollama     /api/chat, /api/generate, /api/embed, /api/embeddings, /api/tags, /api/show, /api/ps, /api/version
  others     /tokenize, /detokenize, /tokenizer_info, /health, /ready, /metrics

Any model that a request names is the one that is served. docs/serving.md has the settings of clients.

Examples:
  jamba serve -m MODEL
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
	l, err := net.Listen("tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return err
	}
	defer l.Close()
	m, err := jamba.OpenWith(c.orEmbedded(), jamba.OpenOptions{
		Options: c.options(s.err, c.Precision), StateDir: c.StateDir, Warn: func(err error) { warn(s.err, err.Error()) },
		Engine: jamba.EngineOptions{Waiting: c.Queue, Running: c.Running, Cache: c.Cache},
	})
	if err != nil {
		return err
	}
	defer m.Close()
	c.introduce(s.err)
	c.tell(s.err, opened{m.Network(), m.Checkpoint()})
	warn(s.err, m.Warnings()...)
	if !m.CanChat() {
		fmt.Fprintln(s.err, "jamba: the model has no chat template: of chats, it goes on with the messages' texts")
	}
	ctx, stop := untilInterrupted()
	defer stop()
	fmt.Fprintf(s.err, "jamba: %s at http://%s/v1\n", o.Name, l.Addr())
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // the command line has seen to it
	o.Log = slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
	return serve.New(m, o).Run(ctx, l, c.DrainTimeout)
}

// serving returns how to serve, or what is wrong with the flags.
func (c *serveCmd) serving() (o serve.Options, err error) {
	o = serve.Options{
		Name: cmp.Or(c.Name, modelName(c.orEmbedded())), Version: version(), Origins: c.AllowOrigin, SpecialInContent: c.SpecialInContent,
		RawThoughts: c.RawThoughts, MaxBody: c.MaxBody, MaxTokens: c.MaxTokens, Timeout: c.Timeout, Heartbeat: c.Heartbeat, NoCalls: c.ToolFormat == "none",
	}
	for _, name := range append(c.AllowHost, c.Host) {
		o.Hosts = append(o.Hosts, strings.ToLower(name))
	}
	switch {
	case c.Port < 0 || c.Port > 65535:
		return o, usageError(fmt.Sprintf("--port is %d, want 0 to 65535", c.Port))
	case c.Queue < 1 || c.Running < 1 || c.MaxBody < 1 || c.MaxTokens < 0 || c.Timeout < 0 || c.Heartbeat <= 0 || c.DrainTimeout < 0:
		return o, usageError("--queue, --running, --max-body, --heartbeat, --timeout and --drain-timeout are positive")
	case c.APIKeyFile == "" && !loopback(c.Host):
		return o, usageError(fmt.Sprintf("--host %.60q can be reached from other machines: --api-key-file FILE says who may ask", c.Host))
	}
	if c.ToolFormat != "auto" {
		if o.Calls, err = reply.Find(c.ToolFormat); err != nil {
			return o, usageError("--tool-format: " + err.Error())
		}
	}
	if c.APIKeyFile != "" {
		o.Keys, err = serve.OpenKeys(c.APIKeyFile)
	}
	return o, err
}

// loopback reports whether a host is this machine's own alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// modelName returns what a model is called by its path.
func modelName(path string) string {
	if path == embedded.Model {
		return "jamba-embedded"
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return strings.TrimSuffix(filepath.Base(path), ".gguf")
}
