package lora

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Config is an adapter's settings, as far as PEFT's adapter_config.json has any that can be honoured here.
type Config struct {
	R      int     // the rank
	Alpha  float64 // the products B·A are scaled by Alpha/R
	RSLoRA bool    // by Alpha/sqrt(R) instead (Kalajdzievski 2023)

	// Targets are the modules to adapt, each by its name or by the end of it after a dot, as in PEFT: in_proj is that of
	// all Mamba layers, feed_forward.gate_proj leaves experts out. For New they may also be groups: attention, mamba,
	// mlp, experts, or all for these four.
	Targets []string

	Base string // the model that the adapter is made for, as a note; may be empty

	pattern string // target_modules as one regular expression, or all-linear; empty: Targets hold
	ranks   patterns
	alphas  patterns
}

// allLinear is the word for all linear layers but the head.
const allLinear = "all-linear"

// choose returns the modules that the targets match, and c with groups replaced by names that PEFT understands. It is an
// error if a target matches nothing.
func (c Config) choose(modules []Module) (Config, []Module, error) {
	if len(c.Targets) == 0 {
		return c, nil, errors.New("no target modules are given")
	}
	var names []string
	for _, target := range c.Targets {
		own := namesOf(target, modules)
		if own == nil {
			own = []string{target}
		}
		names = append(names, own...)
		if !slices.ContainsFunc(modules, func(m Module) bool {
			return slices.ContainsFunc(own, func(name string) bool { return ends(m.Name, name) })
		}) {
			return c, nil, fmt.Errorf("target %q matches no module; the model has %s, and the groups %s", target,
				strings.Join(kinds(modules), ", "), strings.Join(groups(modules), ", "))
		}
	}
	slices.Sort(names)
	c.Targets, c.pattern = slices.Compact(names), ""
	match, err := c.matcher()
	if err != nil {
		return c, nil, err
	}
	return c, slices.DeleteFunc(slices.Clone(modules), func(m Module) bool { return !match(m) }), nil
}

// namesOf returns the names of a group's modules, each as short as it can be without being that of a module in another
// group: those of an MLP also end the names of its sisters in experts. nil: no group has that name.
func namesOf(target string, modules []Module) (names []string) {
	depth := map[Group]int{Attention: 1, Mamba: 1, MLP: 2, Experts: 3}
	if target != "all" && depth[Group(target)] == 0 {
		return nil
	}
	for _, m := range modules {
		if n := depth[m.Group]; target == string(m.Group) || target == "all" && n > 0 {
			if target == "all" {
				n = 1
			}
			words := strings.Split(m.Name, ".")
			names = append(names, strings.Join(words[len(words)-n:], "."))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ends reports whether a module's name is target or ends in it after a dot.
func ends(name, target string) bool { return name == target || strings.HasSuffix(name, "."+target) }

// kinds returns the last words of the modules' names.
func kinds(modules []Module) (names []string) {
	for _, m := range modules {
		if name := m.Name[strings.LastIndexByte(m.Name, '.')+1:]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func groups(modules []Module) (names []string) {
	for _, m := range modules {
		if !slices.Contains(names, string(m.Group)) && m.Group != Router {
			names = append(names, string(m.Group))
		}
	}
	return append(names, "all")
}

// matcher returns the function that tells whether PEFT would adapt a module.
func (c *Config) matcher() (func(Module) bool, error) {
	switch c.pattern {
	case "":
		return func(m Module) bool {
			return slices.ContainsFunc(c.Targets, func(target string) bool { return ends(m.Name, target) })
		}, nil
	case allLinear:
		return func(Module) bool { return true }, nil
	}
	re, err := regexp.Compile(`^(?:` + c.pattern + `)$`)
	if err != nil {
		return nil, fmt.Errorf("target_modules: %w", err)
	}
	return func(m Module) bool { return re.MatchString(m.Name) }, nil
}

// patterns give numbers to modules whose names match regular expressions, in the order of the file: the first holds.
type patterns []pattern

type pattern struct {
	key   string
	re    *regexp.Regexp // of the end of a name, after a dot
	value float64
}

func (p patterns) of(name string) (float64, bool) {
	for _, one := range p {
		if one.re.MatchString(name) {
			return one.value, true
		}
	}
	return 0, false
}

// UnmarshalJSON reads an object of numbers.
func (p *patterns) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	*p = nil
	switch t, err := d.Token(); {
	case err != nil:
		return err
	case t == nil: // null
		return nil
	case t != json.Delim('{'):
		return errors.New("want an object of numbers")
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		one := pattern{key: t.(string)}
		if err := d.Decode(&one.value); err != nil {
			return fmt.Errorf("%s: want a number", one.key)
		}
		if one.re, err = regexp.Compile(`^(?:.*\.)?(?:` + one.key + `)$`); err != nil {
			return fmt.Errorf("%s: %w", one.key, err)
		}
		*p = append(*p, one)
	}
	return nil
}

// MarshalJSON writes an object of numbers, in order.
func (p patterns) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, one := range p {
		if i > 0 {
			b = append(b, ',')
		}
		key, _ := json.Marshal(one.key)
		value, err := json.Marshal(one.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	return append(b, '}'), nil
}
