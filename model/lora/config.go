package lora

import (
	"errors"
	"fmt"
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
	// mlp, experts, or all for these four; embed or head.
	Targets []string

	Base string // the model that the adapter is made for, as a note; may be empty

	pattern    string       // target_modules as one regular expression, or all-linear; empty: Targets hold
	exclude    setting      // exclude_modules
	layers     map[int]bool // layers_to_transform; nil: all
	layerNames []string     // layers_pattern
	saved      []string     // modules_to_save
	tying      bool         // ensure_weight_tying
	ranks      patterns
	alphas     patterns
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
		any := set(own)
		if !slices.ContainsFunc(modules, func(m Module) bool {
			_, ok := ending(any, m.Name)
			return ok
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
	chosen, err := match.matched(modules)
	return c, chosen, err
}

// namesOf returns the names of a group's modules, each as short as it can be without being that of a module in another
// group: those of an MLP also end the names of its sisters in experts. nil: no group has that name.
func namesOf(target string, modules []Module) (names []string) {
	depth := map[Group]int{Attention: 1, Mamba: 1, MLP: 2, Experts: 3, Embed: 1, Head: 1}
	if target != "all" && depth[Group(target)] == 0 {
		return nil
	}
	for _, m := range modules {
		if n := depth[m.Group]; target == string(m.Group) || target == "all" && n > 0 && m.Layer >= 0 {
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
