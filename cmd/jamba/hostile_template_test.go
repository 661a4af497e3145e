package main

import (
	"fmt"
	"strings"
)

// hostileTemplates are chat templates and conversations.
func hostileTemplates() []hostileCase {
	var cases []hostileCase
	add := func(name, template string, want verdict) {
		cases = append(cases, hostileCase{"template: " + name, map[string]filler{"m/chat_template.jinja": content(template)}, "jamba template -m m request.json", want})
	}
	// A body is what is done in the inner of two loops that would never end.
	forever := func(setup, body string) string {
		return setup + "{% for i in range(100000) %}{% for j in range(100000) %}" + body + "{% endfor %}{% endfor %}"
	}
	// jinja's own tests have many more bodies that would never end.
	for name, body := range map[string]string{"nothing": "", "a comparison": "{% if s == t %}{% endif %}", "a sum": "{% set x = s + t %}"} {
		add("for ever: "+name, forever("{% set s = 'a' * 1000000 %}{% set t = 'a' * 1000000 %}", body), refused)
	}
	for name, body := range map[string]string{
		"texts": "{% set ns.l = ns.l + ['a' * 1000000] %}", "lists": "{% set ns.l = [ns.l, [1] * 100000] %}", "doubling": "{% set ns.l = ns.l + ns.l %}",
		"dicts": "{% set ns.l = {'a': ns.l, 'b': 'a' * 1000 } %}", "output": "{{ 'a' * 1000000 }}", "pairs": "{% set ns.l = ns.l + (dict(a=1, b=2).items() | list) %}",
		"namespaces": "{% set ns.l = namespace(a=ns.l) %}", "macros": "{% macro f() %}{{ ns }}{% endmacro %}{% set ns.l = [ns.l, f] %}", "generators": "{% set ns.l = ns.l | map('string') %}",
		"splits": "{% set ns.l = ns.l + ['a ' * 100000 ] + ('a ' * 100000).split() %}", "json": "{% set ns.l = [ns.l | tojson] %}", "concatenated": "{% set ns.l = [ns.l | join ~ 'aaaaaaaa'] %}",
	} {
		add("growing: "+name, forever("{% set ns = namespace(l=['a']) %}", body), refused)
	}
	for name, template := range map[string]string{
		"steers the terminal": "{{ raise_exception('" + escapes + "') }}", "a long message": "{{ raise_exception('long ' * 2000000) }}",
		"of a name": "{{ messages[0]['" + long(500000) + "'].x }}", "of a filter's name": "{{ 1 | " + strings.Repeat("a", 900) + " }}", "of a long filter's name": "{{ 1 | " + strings.Repeat("a", 900000) + " }}",
		"of a tag": "{% " + strings.Repeat("a", 900000) + " %}", "of an attribute": "{{ messages." + strings.Repeat("a", 900) + ".b }}", "of a character": "{{ \x1b }}", "of a string": "{{ '" + long(900000) + "' + 1 }}",
		"of a key": "{{ '%(" + long(900000) + ")s' % {} }}", "of an index": "{{ [].index('" + long(900000) + "') }}", "of a number": "{{ " + strings.Repeat("9", 900000) + " }}", "of itself": "{{ raise_exception(messages | string * 100000) }}",
		"of a keyword": "{{ dict(**{'" + long(500000) + "': 1}) | nope }}", "of a map": "{{ [1] | map('" + long(500000) + "') | list }}",
	} {
		add("an error "+name, template, refused)
	}
	for name, template := range map[string]string{
		"parentheses": "{{ " + strings.Repeat("(", 500000), "blocks": strings.Repeat("{% if 1 %}", 100000), "operators": "{{ 1" + strings.Repeat(" + 1", 200000) + " }}", "tags": strings.Repeat("{{a}}", 200000),
		"names": "{% for i in range(100000) %}" + names(100000) + "{% endfor %}", "macros": strings.Repeat("{% macro f() %}", 100) + names(90000) + strings.Repeat("{% endmacro %}", 100),
		"scopes": strings.Repeat("{% for i in range(100) %}", 150) + "{{ x }}" + strings.Repeat("{% endfor %}", 150), "elifs": "{% if 1 %}" + strings.Repeat("{% elif 1 %}", 80000) + "{% endif %}",
		"arguments": "{% macro f() %}{{ f(" + strings.Repeat("1,", 100000) + "1) }}{{ varargs }}{% endmacro %}{{ f() }}", "parameters": "{% macro f(" + parameters(50000) + ") %}{{ f() }}{% endmacro %}{{ f() }}",
		"keywords": "{% macro f(" + parameters(20000) + ") %}{% endmacro %}{% for i in range(1000) %}{{ f(**dict(" + strings.ReplaceAll(parameters(20000), ",", "=1,") + "=1)) }}{% endfor %}",
		"branches": strings.Repeat("{% if aa %}{% set bb = cc %}{% endif %}", 26000), "comments": strings.Repeat("{#", 500000), "raw": "{% raw %}" + strings.Repeat("{% ", 300000), "strings": strings.Repeat("{{ 'a", 150000),
		"a long name in a loop": "{% for i in range(100000) %}{{ " + strings.Repeat("a", 1000) + " }}{% endfor %}",
	} {
		add("a source of "+name, template, either)
	}
	add("too large", strings.Repeat("a", 2<<20), refused)
	add("bytes that are no text", strings.Repeat("\xff", 1<<19)+"{{ '\xc3' }}", either)
	for name, files := range map[string]map[string]filler{
		"many":                       manyTemplates(200),
		"a name steers the terminal": {"m/additional_chat_templates/\x1b[31m.jinja": content("{{")},
	} {
		cases = append(cases, hostileCase{"additional templates: " + name, with(files, "m/chat_template.jinja", content("x")), "jamba template -m m request.json", either})
	}
	request := func(name, json string, want verdict) {
		cases = append(cases, hostileCase{
			"request: " + name,
			map[string]filler{"request.json": content(json), "x.jinja": content("{{ messages | length }}")},
			"jamba template -m m --chat-template x.jinja request.json", want,
		})
	}
	request("many values", `{"messages": [{"role": "user"}], "x": [`+strings.Repeat("[],", 3<<20)+`[]]}`, refused)
	request("many objects", `{"messages": [{"role": "user"}], "x": [`+strings.Repeat(`{"":0},`, 300000)+`[]]}`, refused)
	request("deep", `{"messages": `+strings.Repeat("[", 100000), refused)
	request("a role that steers the terminal", `{"messages": [{"role": 5, "`+escapesJSON+`": 1}], "`+escapesJSON+`": 1}`, refused)
	request("a long key", `{"messages": 5, "`+long(1<<20)+`": 1}`, refused)
	request("a long text", `{"messages": [{"role": "user", "content": "`+long(20<<20)+`"}]}`, works)
	request("a number of a million digits", `{"messages": [{"role": "user", "content": `+strings.Repeat("9", 1<<20)+`}]}`, either)
	return cases
}

// names prints n different names.
func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{{a%x}}", i)
	}
	return b.String()
}

// parameters are n different ones.
func parameters(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "p%x", i)
	}
	return b.String()
}

func manyTemplates(n int) map[string]filler {
	files := map[string]filler{}
	for i := range n {
		files[fmt.Sprintf("m/additional_chat_templates/t%d.jinja", i)] = content("{{ 1 }}")
	}
	return files
}
