package jinja

import (
	"fmt"
	"runtime"
	"testing"

	"jamba/internal/testutil"
)

// endless are bodies of loops that never end by themselves: each does over and over what could take longer, or more memory,
// than it pays. s and t are texts of a million letters.
var endless = map[string]string{
	"nothing": "", "in": "{% if 'b' in s %}{% endif %}", "equal": "{% if s == t %}{% endif %}", "less": "{% if s < t %}{% endif %}",
	"split": "{% set x = s.split('a') %}", "split blanks": "{% set x = s.split() %}", "int": "{% set x = s | int %}", "float": "{% set x = s | float %}",
	"digits": "{% set x = ('9' * 4300) | int %}", "round": "{% set x = 1.5 | round(-300) %}", "format": "{% set x = '%.900f' % 1.5 %}", "dict": "{% set x = {s: 1} %}",
	"get": "{% set x = {'a': 1}[s] %}", "unique": "{% set x = [s, t] | unique | list %}", "sort": "{% set x = [s, t, s] | sort %}", "groupby": "{% set x = [[s]] | groupby(0) %}",
	"upper": "{% set x = s | upper %}", "title": "{% set x = s | title %}", "strip": "{% set x = s.strip(t) %}", "replace": "{% set x = s.replace('b', '') %}",
	"count": "{% set x = s.count('ab') %}", "length": "{% set x = s | length %}", "index": "{% set x = s[5] %}", "slice": "{% set x = s[::2] %}", "reverse": "{% set x = s | reverse %}",
	"concatenate": "{% set x = s ~ t %}", "add": "{% set x = s + t %}", "multiply": "{% set x = s * 10 %}", "tojson": "{% set x = s | tojson %}", "repr": "{% set x = [s] | string %}",
	"escape": "{% set x = s | e %}", "striptags": "{% set x = s | striptags %}", "urlencode": "{% set x = s | urlencode %}", "wordcount": "{% set x = s | wordcount %}",
	"wordwrap": "{% set x = s | wordwrap(1) %}", "indent": "{% set x = s | indent %}", "center": "{% set x = 'a' | center(1000000) %}", "truncate": "{% set x = s | truncate(5) %}",
	"join": "{% set x = s | join('x') %}", "list": "{% set x = s | list %}", "map": "{% set x = s | map('upper') | list %}", "batch": "{% set x = s | batch(3) | list %}",
	"percent": "{% set x = '%1000000d' % 5 %}", "braces": "{% set x = '{:1000000}'.format(5) %}", "isdigit": "{% set x = s.isdigit() %}", "startswith": "{% set x = s.startswith(t) %}",
	"find": "{% set x = s.find('ab') %}", "splitlines": "{% set x = s.splitlines() %}", "partition": "{% set x = s.partition('b') %}", "strftime": "{% set x = strftime_now('%c' * 10000) %}",
	"undefined": "{% set x = nope[s] %}", "attribute": "{% set x = messages | map(attribute=s) | list %}", "keywords": "{% set x = dict(**{s: 1}) %}", "set block": "{% set x %}{{ s }}{% endset %}",
	"raise nothing": "{% set x = raise_exception is defined %}", "test": "{% set x = s is upper %}", "zfill": "{% set x = '1'.zfill(1000000) %}", "expandtabs": "{% set x = '\\t'.expandtabs(1000000) %}",
	"casefold": "{% set x = s.casefold() %}", "power": "{% set x = 3 ** 39 %}", "sum": "{% set x = [[s] * 1000] | sum(start=[]) %}", "nested": "{% set x = [[s] * 1000] * 1000 %}",
}

// TestEndless renders them until the steps are spent, and compares the time and memory that they took with what they paid.
func TestEndless(t *testing.T) {
	testutil.SkipRace(t, testutil.Bounds)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for name, body := range endless {
		for _, letter := range []string{"a", "Σ"} {
			tmpl, err := Parse("t", fmt.Sprintf("{%% set s = '%s' * 1000000 %%}{%% set t = '%[1]s' * 1000000 %%}", letter)+
				"{% for i in range(100000) %}{% for j in range(100000) %}"+body+"{% endfor %}{% endfor %}")
			if err != nil {
				t.Fatal(name, err)
			}
			b := bill{stepLimit: baseSteps / 10, memoryLimit: baseMemory, scratch: 256}
			b.f = func(c *state) (any, error) {
				c.tmpl, c.vars = tmpl, map[string]any{"messages": fromGo([]any{"Hello"}, 0)}
				scope, err := c.open(tmpl.syms, nil)
				if err == nil {
					_, err = c.exec(tmpl.body, scope, &buffer{top: true})
				}
				if err == nil {
					t.Errorf("%s: it ended", name)
				}
				return nil, err
			}
			b.check(t, name+" of "+letter)
		}
	}
}
