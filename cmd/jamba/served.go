package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"jamba"
	"jamba/embedded"
	"jamba/model"
	"jamba/model/state"
	"jamba/serve"
	"jamba/serve/models"
)

// servedFlags say what is served.
type servedFlags struct {
	Models  []string `name:"model" short:"m" env:"JAMBA_MODEL" sep:"none" placeholder:"MODEL" help:"A model folder or .gguf file, or NAME=MODEL. May be repeated: of several, each is loaded when it is first asked for."`
	Name    string   `placeholder:"NAME" help:"Name of the one model in answers. Default: that of its file or folder."`
	Adapter []string `sep:"none" placeholder:"NAME[@MODEL]=DIR" help:"A low-rank adapter (LoRA), a folder as PEFT lays it out, served as a model NAME beside the one that it is for. May be repeated. DIR alone: the one model is computed with it."`
	weightFlags

	Precision  model.Precision `default:"fast" placeholder:"P" help:"fast: quantized weights times activations rounded to 16 bits or little less. exact: float32."`
	MaxLoaded  int             `group:"Memory" placeholder:"N" help:"Models that are loaded at a time; one that nobody uses makes room for another. Default: all."`
	Memory     int64           `group:"Memory" placeholder:"BYTES" help:"Bound of the weights of models that are loaded at a time, likewise. Default: three quarters of what is free at the start."`
	IdleUnload time.Duration   `group:"Memory" placeholder:"TIME" help:"Unload a model that nobody has asked for that long, such as 10m. Default: it stays."`
	StateDir   string          `group:"Memory" placeholder:"DIR" help:"Keep what was computed for prompts in DIR, for the next start, up to 16 GiB a model."`
	Cache      int64           `group:"Memory" placeholder:"BYTES" help:"Memory for what is kept of prompts; -1: none. Default: half of what a model's sequences may take."`
	Queue      int             `group:"Limits" default:"1024" placeholder:"N" help:"Requests that may wait for a model's answers; more are refused with status 429."`
	Running    int             `group:"Limits" default:"256" placeholder:"N" help:"Answers of a model that are computed at a time."`
}

// sources returns the models that the flags name, which are looked at, but not loaded.
func (c *servedFlags) sources(s *streams, o *serve.Options) ([]models.Source, error) {
	paths := c.Models
	if len(paths) == 0 {
		paths = []string{embedded.Model}
	}
	alone := len(paths) == 1
	if !alone && c.Name != "" {
		return nil, usageError("--name is for one model; of several, each has its own: --model NAME=MODEL")
	}
	taken := taken{}
	var sources []models.Source
	for _, given := range paths {
		name, path := splitModel(given)
		name = cmp.Or(name, c.Name, modelName(path))
		if err := taken.take(name); err != nil && !alone { // one is found by any name, whatever its own
			return nil, err
		}
		m := models.Source{Name: name, AtStart: alone}
		m.Open = func(ctx context.Context, report func(done, total int64)) (models.Model, error) {
			if draw := loading(s.err); draw != nil && alone {
				return c.open(ctx, s, name, path, func(done, total int64) {
					report(done, total)
					draw(done, total)
				})
			}
			return c.open(ctx, s, name, path, report)
		}
		if err := c.look(&m, path, o); err != nil {
			return nil, err
		}
		sources = append(sources, m)
	}
	return sources, c.addAdapters(sources, taken)
}

// look sets what can be told of a model without loading it.
func (c *servedFlags) look(to *models.Source, path string, o *serve.Options) error {
	m, err := jamba.OpenWith(path, jamba.OpenOptions{}) // the exact pass reads no weights
	if err != nil {
		return err
	}
	to.About = o.About(m)
	to.Bytes = to.About.WeightBytes
	return m.Close()
}

// open loads a model, unless ctx ends before.
func (c *servedFlags) open(ctx context.Context, s *streams, name, path string, report func(done, total int64)) (models.Model, error) {
	o := jamba.OpenOptions{
		Options: c.options(s.err, c.Precision), StateDir: c.StateDir, Warn: func(err error) { warn(s.err, err.Error()) },
		Engine: jamba.EngineOptions{Waiting: c.Queue, Running: c.Running, Cache: c.Cache, Share: c.together()},
	}
	if len(c.Models) > 1 && c.StateDir != "" {
		o.StateDir = filepath.Join(c.StateDir, url.QueryEscape(name))
	}
	o.Adapter, o.Progress, o.Context = c.attached(), report, ctx
	m, err := jamba.OpenWith(path, o)
	if err != nil {
		return nil, err
	}
	c.tell(s.err, opened{m.Network(), m.Checkpoint()})
	warn(s.err, m.Warnings()...)
	if !m.CanChat() {
		fmt.Fprintln(s.err, "jamba: the model has no chat template: of chats, it goes on with the messages' texts")
	}
	return m, nil
}

// limits returns which models may be loaded at a time.
func (c *servedFlags) limits() models.Limits {
	l := models.Limits{Loaded: c.MaxLoaded, Bytes: c.Memory, Idle: c.IdleUnload}
	if free, known := state.Available(); l.Bytes == 0 && known && len(c.Models) > 1 {
		l.Bytes = free / 4 * 3 // the rest is for sequences
	}
	return l
}

// together returns how many models may be loaded at a time.
func (c *servedFlags) together() int {
	n := max(1, len(c.Models))
	if c.MaxLoaded > 0 {
		n = min(n, c.MaxLoaded)
	}
	return n
}

// attached returns the adapter that the one model is computed with, "" if there is none.
func (c *servedFlags) attached() string {
	if len(c.Adapter) == 1 && !strings.Contains(c.Adapter[0], "=") {
		return c.Adapter[0]
	}
	return ""
}

// addAdapters adds the adapters to the models that they are for.
func (c *servedFlags) addAdapters(sources []models.Source, taken taken) error {
	if c.attached() != "" && len(sources) == 1 {
		return nil
	}
	for _, given := range c.Adapter {
		name, dir, named := strings.Cut(given, "=")
		if !named {
			return usageError(fmt.Sprintf("--adapter %.60q has no name: want NAME=DIR, of several models NAME@MODEL=DIR", given))
		}
		name, base, _ := strings.Cut(name, "@")
		if base == "" && len(sources) == 1 {
			base = sources[0].Name
		}
		at := slices.IndexFunc(sources, func(m models.Source) bool { return m.Name == base })
		if at < 0 {
			return usageError(fmt.Sprintf("--adapter %.60q is for the model %.60q, which there is not: want NAME@MODEL=DIR", given, base))
		}
		if err := taken.take(name); err != nil {
			return err
		}
		if _, err := os.Stat(adapterConfig(dir)); err != nil {
			return fmt.Errorf("--adapter %s: %w", name, err)
		}
		sources[at].Adapters = append(sources[at].Adapters, models.Adapter{Name: name, Dir: dir})
	}
	return nil
}

// taken are the names that models have.
type taken map[string]bool

// take gives a name to a model.
func (n taken) take(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if name == "" || len(name) > 200 || !strings.Contains(letters, name[:1]) || strings.Trim(name, letters+"._-:/+") != "" {
		return usageError(fmt.Sprintf("%.60q is no name for a model: want letters, digits and ._-:/+, a letter or digit first, at most 200", name))
	}
	if n[name] {
		return usageError(fmt.Sprintf("two models are called %s: --model NAME=MODEL and --adapter NAME=DIR name them", name))
	}
	n[name] = true
	return nil
}

// splitModel returns the name and the path of NAME=MODEL; a path may have the character, too.
func splitModel(given string) (name, path string) {
	name, path, named := strings.Cut(given, "=")
	if _, err := os.Stat(given); !named || err == nil {
		return "", given
	}
	return name, path
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
