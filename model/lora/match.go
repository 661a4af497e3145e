package lora

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"jamba/internal/printable"
)

// matcher tells which modules PEFT would adapt.
type matcher struct {
	linear   bool // all linear layers but the head
	targets  named
	exclude  named
	saved    map[string]bool // modules_to_save: the ends of their names
	layers   map[int]bool    // layers_to_transform; nil: all
	layer    []*regexp.Regexp
	tied     bool // the head goes with the embedding
	deadline time.Time
}

// named is a set of modules: by their names or the ends of them after a dot, or by a regular expression.
type named struct {
	ends map[string]bool
	expr *expression
}

// setting is target_modules or exclude_modules: a list of names, or a string.
type setting struct {
	list []string
	text string
}

// UnmarshalJSON reads a list of strings, a string or null.
func (s *setting) UnmarshalJSON(b []byte) error {
	*s = setting{}
	if json.Unmarshal(b, &s.text) == nil || json.Unmarshal(b, &s.list) == nil {
		return nil
	}
	return errors.New(neither)
}

const neither = "is neither a list of names nor a string"

// MarshalJSON is the inverse of UnmarshalJSON.
func (s setting) MarshalJSON() ([]byte, error) {
	switch {
	case s.text != "":
		return json.Marshal(s.text)
	case s.list == nil:
		return []byte("null"), nil
	}
	return json.Marshal(s.list)
}

func (s setting) empty() bool { return len(s.list) == 0 && s.text == "" }

func (s setting) named() (n named, err error) {
	if s.text != "" {
		n.expr, err = compile(s.text)
		return n, err
	}
	n.ends = set(s.list)
	return n, nil
}

func set(names []string) map[string]bool {
	all := map[string]bool{}
	for _, name := range names {
		all[name] = true
	}
	return all
}

// ending returns which of some ends a name has: the name itself, or what follows one of its dots.
func ending(ends map[string]bool, name string) (string, bool) {
	for rest, more := name, true; more; _, rest, more = strings.Cut(rest, ".") {
		if ends[rest] {
			return rest, true
		}
	}
	return "", false
}

func (n *named) match(name string, deadline time.Time) (bool, error) {
	if n.expr != nil {
		return n.expr.match(name, deadline)
	}
	_, ok := ending(n.ends, name)
	return ok, nil
}

// matcher returns c's matcher.
func (c *Config) matcher() (*matcher, error) {
	m := &matcher{saved: set(c.saved), deadline: time.Now().Add(patience)}
	var err error
	if c.pattern == allLinear {
		m.linear = true
	} else if m.targets, err = (setting{c.Targets, c.pattern}).named(); err != nil {
		return nil, fmt.Errorf("target_modules: %w", err)
	}
	if m.exclude, err = c.exclude.named(); err != nil {
		return nil, fmt.Errorf("exclude_modules: %w", err)
	}
	if m.layers = c.layers; m.layers == nil {
		return m, nil
	}
	const maxNames = 32
	if len(c.layerNames) > maxNames {
		return nil, fmt.Errorf("layers_pattern has %d regular expressions, at most %d are supported", len(c.layerNames), maxNames)
	}
	within := []string{`[^.]*`}
	if len(c.layerNames) > 0 {
		within = c.layerNames
	}
	for _, name := range within {
		if len(name) > maxExpression {
			return nil, fmt.Errorf("layers_pattern: a regular expression of %d bytes, at most %d are supported", len(name), maxExpression)
		}
		start := `^(?:.*?\.)?`
		if len(c.layerNames) == 0 {
			start = `^.*?\.`
		}
		re, err := regexp.Compile(start + `(?:` + name + `)\.(?P<index>\d+)\.`)
		if err != nil {
			return nil, fmt.Errorf("layers_pattern: %s", printable.Cut(err.Error(), 200))
		}
		m.layer = append(m.layer, re)
	}
	return m, nil
}

// leaves returns the setting by which a module is not adapted; empty: it is adapted.
func (m *matcher) leaves(module Module) (why string, err error) {
	if out, err := m.exclude.match(module.Name, m.deadline); err != nil || out {
		return "exclude_modules", err
	}
	if _, ok := ending(m.saved, module.Name); ok {
		return "modules_to_save", nil
	}
	const targets = "target_modules"
	switch {
	case m.linear && (module.Group == Embed || module.Group == Head):
		return targets, nil
	case m.linear:
		return "", nil
	}
	in, err := m.targets.match(module.Name, m.deadline)
	switch {
	case err != nil || !in:
		return targets, err
	case m.layers == nil || m.targets.ends[module.Name]:
		return "", nil
	}
	const layers = "layers_to_transform"
	for _, re := range m.layer {
		if found := re.FindStringSubmatch(module.Name); found != nil {
			if i, err := strconv.Atoi(found[re.SubexpIndex("index")]); err == nil && m.layers[i] {
				return "", nil
			}
			return layers, nil
		}
	}
	return layers, nil
}

// matched returns the modules that are adapted.
func (m *matcher) matched(modules []Module) (all []Module, err error) {
	for _, one := range modules {
		why, err := m.leaves(one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", why, err)
		}
		if why == "" {
			all = append(all, one)
		}
	}
	return all, nil
}

// withoutModule returns the targets that are the name of no module, sorted.
func (m *matcher) withoutModule(modules []Module) (names []string) {
	left := map[string]bool{}
	for name := range m.targets.ends {
		left[name] = true
	}
	for _, one := range modules {
		for rest, more := one.Name, true; more; _, rest, more = strings.Cut(rest, ".") {
			delete(left, rest)
		}
	}
	for name := range left {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
