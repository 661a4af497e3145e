package jinja

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"jamba/internal/testutil"
)

// hostile templates try to take all time or memory, or to overflow the stack.
var hostile = []string{
	"{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
	"{{ 'a' * 10**12 }}",
	"{{ 'a' * 9223372036854775807 }}",
	"{{ 'abc' * 6148914691236517206 }}",
	"{{ [0] * 10**12 }}",
	"{{ [[1, 2, 3]] * 9223372036854775807 }}",
	"{{ (1, 2) * 10**12 }}",
	"{{ [] * 10**12 }}{{ 1 // 0 }}",
	"{{ 'a' | center(10**12) }}",
	"{{ 'a'.ljust(10**12) }}",
	"{{ 'a'.rjust(9223372036854775807, 'é') }}",
	"{{ 'a'.zfill(10**12) }}",
	"{{ 'a\tb'.expandtabs(10**12) }}",
	"{{ '%999999999d' % 5 }}",
	"{{ '%*d' % (10**12, 5) }}",
	"{{ '%.999999999f' % 5 }}",
	"{{ '{:999999999}'.format(5) }}",
	"{{ '{:.999999999f}'.format(5) }}",
	"{{ '%9999999999999d' % 5 }}",
	"{{ {'a': 1} | tojson(indent=10**12) }}",
	"{{ 'a\nb' | indent(10**12) }}",
	"{{ 10 ** 100 }}",
	"{{ 9 ** 9 ** 9 ** 9 }}",
	"{{ range(10**9) }}",
	"{{ range(9223372036854775807) }}",
	"{{ range(-9223372036854775807, 9223372036854775807, 9223372036854775807) | list }}",
	"{{ xs | batch(10**12, 1) | list }}",
	"{{ xs | slice(10**12) | list }}",
	"{{ xs | slice(-5) | list }}",
	"{{ 'a' | wordwrap(1, wrapstring='a' * 1000000) }}",
	"{{ ('a' * 100000) | wordwrap(1, wrapstring='a' * 10000) }}",
	"{% set ns = namespace(s='a' * 1000) %}{% for i in range(100) %}{% set ns.s = ns.s.replace('a', ns.s) %}{% endfor %}",
	"{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
	"{% set ns = namespace(s=['a']) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	"{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = (ns.s * 1000).join([ns.s * 1000, ns.s]) %}{% endfor %}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(50) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(50) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
	"{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(50) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}",
	"{% set ns = namespace(s=(1,)) %}{% for i in range(50) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ {ns.s: 1} }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(50000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
	"{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(50000) %}{% set ns.s = [ns.s] %}{% set ns.t = [ns.t] %}{% endfor %}{{ ns.s < ns.t }}",
	"{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns }}",
	"{% set ns = namespace() %}{% set ns.l = [ns] %}{{ ns.l }}",
	"{% set ns = namespace(g=[1]) %}{% for i in range(50000) %}{% set ns.g = ns.g | map('string') %}{% endfor %}{{ ns.g | list }}",
	"{% set ns = namespace(g=[1]) %}{% for i in range(50000) %}{% set ns.g = ns.g | reverse %}{% endfor %}{{ ns.g | list }}",
	"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
	"{% macro f(x) %}{% call f(x) %}{{ caller() }}{% endcall %}{% endmacro %}{{ f(1) }}",
	"{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}",
	"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
	"{% macro f(n) %}{% for i in range(10) %}{{ f(n) }}{% endfor %}{% endmacro %}{{ f(1) }}",
	"{{ strftime_now('%c' * 10000000) }}",
	"{{ ('a' * 1000000).split('a') | length }}{{ ('a ' * 10000000).split() | length }}",
	"{% for i in range(100000) %}{{ 'b' in 'a' * 1000000 }}{% endfor %}",
	"{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{% if s.find('b') > 0 or s == s %}{% endif %}{{ s[5] }}{% endfor %}",
	"{% set s = 'é' * 1000000 %}{% for i in range(100000) %}{{ s[900000] }}{% endfor %}",
	"{{ 'Σ' * 1000000 | title | length }}{{ ('Σ' * 1000000).title() | length }}",
	"{% set x = ['a' * 1000] * 1000 %}{% for i in range(100000) %}{{ x | join }}{% endfor %}",
	"{{ '{0}' * 100000 }}{{ ('{0:>1000}' * 100000).format('a') }}",
	"{{ dict([(range(3), 1)] * 10000000) }}",
	"{{ [1, 2, 3] * 100000 | sort | length }}{{ (xs * 1000000) | sort }}",
	"{{ xs | sort(attribute=',' * 10000000) }}",
	"{{ xs | map(attribute='.' * 10000000) | list }}",
	"{{ xs | sum(start=[]) }}",
	"{{ cycler(*range(100000)).items | string * 100000 }}",
	"{{ -9223372036854775808 // -1 }}{{ (-9223372036854775807 - 1) // -1 }}",
	"{{ (-9223372036854775807 - 1) % -1 }}{{ (-9223372036854775807 - 1) | abs }}{{ -(-9223372036854775807 - 1) }}",
	"{{ xs[::9223372036854775807] }}{{ xs[::-9223372036854775807] }}{{ 'abc'[-9223372036854775807:9223372036854775807:-1] }}",
	"{{ range(5)[::9223372036854775807] | list }}{{ 'abc'.find('b', -9223372036854775807, 9223372036854775807) }}",
	"{{ 5 | round(999999999999) }}{{ 5.5 | round(-999999999999) }}{{ 5.5 | round(9999, 'ceil') }}{{ 5.5 | round(-9999, 'floor') }}",
	"{{ 1e308 * 10 | int }}{{ '1e999999999' | float }}{{ ('9' * 100000) | int }}{{ ('1_' * 3000 ~ '1') | int }}",
	"{{ loop() }}", "{% for x in xs %}{{ loop(loop) }}{{ loop == loop }}{{ loop | list }}{% endfor %}",
	"{% for x in xs | map('string') %}{{ loop.length }}{% for y in loop %}{% endfor %}{% endfor %}",
	strings.Repeat("(", 100000), strings.Repeat("{{ ", 100000), "{{ " + strings.Repeat("(", 100000),
	"{{ " + strings.Repeat("-", 100000) + "1 }}", "{{ " + strings.Repeat("not ", 100000) + "1 }}", "{{ " + strings.Repeat("[", 100000),
	"{{ 1" + strings.Repeat(" + 1", 100000) + " }}", "{{ x" + strings.Repeat(".x", 100000) + " }}", "{{ x" + strings.Repeat("|abs", 100000) + " }}",
	"{{ x" + strings.Repeat("()", 100000) + " }}", "{{ x" + strings.Repeat("[0]", 100000) + " }}", "{{ 1" + strings.Repeat(" ~ 1", 100000) + " }}",
	"{{ 1" + strings.Repeat(" if 1", 100000) + " }}", "{{ 1" + strings.Repeat(" if 1 else 1", 50000) + " }}", "{{ 1" + strings.Repeat(" < 1", 100000) + " }}",
	"{{ 1" + strings.Repeat(" ** 1", 100000) + " }}", "{{ x" + strings.Repeat(" is x", 100000) + " }}", "{{ {" + strings.Repeat("1:{", 100000),
	strings.Repeat("{% if 1 %}", 50000), strings.Repeat("{% for x in x %}", 50000), strings.Repeat("{% set x %}", 50000), strings.Repeat("{% macro f() %}", 50000),
	"{% set " + strings.Repeat("(", 100000), "{% if 1 %}" + strings.Repeat("{% elif 1 %}", 80000) + "{% endif %}",
	"{% set x" + strings.Repeat("|upper", 100000) + " %}a{% endset %}", "{% filter upper" + strings.Repeat("|upper", 100000) + " %}a{% endfilter %}",
	strings.Repeat("{% if aa %}{% set bb = cc %}{% endif %}", 26000), strings.Repeat("{{aaaa}}", 60000) + strings.Repeat("{% if a %}{% endif %}", 20000),
	strings.Repeat("{#", 500000), strings.Repeat("{% raw %}", 100000), "{% raw %}" + strings.Repeat("{% ", 300000), strings.Repeat("{", 1000000), strings.Repeat("{{ 'a", 200000),
}

// TestHostile renders templates that must end soon, whatever they come to.
func TestHostile(t *testing.T) {
	testutil.SkipRace(t, testutil.Bounds)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	vars, _ := goldens(t)
	for _, src := range hostile {
		start := cpuTime()
		tmpl, err := Parse("t", src)
		if err == nil {
			_, err = tmpl.Render(vars, Options{Now: atGoldenTime})
		}
		if d := cpuTime() - start; d > 5*time.Second && d.Seconds() > 5*testutil.Slowness() {
			t.Errorf("%.80q took %v", src, d)
		}
		if kind, _, line := failure(err); err != nil && (kind == "" || line == 0) {
			t.Errorf("%.80q: error without place: %v", src, err)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("%.80q: an error of %d bytes", src, len(err.Error()))
		}
	}
}

// TestLimits checks that each bound stops what exceeds it and nothing that does not.
func TestLimits(t *testing.T) {
	loop := func(n string) string { return "{% for i in range(" + n + ") %}{% endfor %}" }
	for _, c := range []struct {
		name, within, beyond string
		o                    Options
		want                 string
	}{
		{"steps", loop("50"), loop("1000"), Options{Steps: 200}, "200 steps"},
		{"memory", "{{ ('a' * 1000) | length }}", "{{ ('a' * 2000) | length }}", Options{Memory: 1500}, "1500 bytes of memory"},
		{"memory in a loop", "{% for i in 'abcde' %}{% set x = 'a' * 100 %}{% endfor %}", "{% for i in range(50) %}{% set x = 'a' * 100 %}{% endfor %}", Options{Memory: 1500}, "1500 bytes of memory"},
		{"list memory", "{{ ([1] * 50) | length }}", "{{ ([1] * 100) | length }}", Options{Memory: 1500}, "1500 bytes of memory"},
		{"output", "{{ 'a' * 10 }}", "{{ 'a' * 11 }}", Options{Output: 10}, "output is larger than 10 bytes"},
		{"output of text", "0123456789", "01234567890", Options{Output: 10}, "output is larger than 10 bytes"},
		{"calls", "{% macro f(n) %}{{ f(n - 1) if n }}{% endmacro %}{{ f(150) }}", "{% macro f(n) %}{{ f(n - 1) if n }}{% endmacro %}{{ f(250) }}", Options{}, "calls nested more than 200"},
		{"parentheses", "{{ " + strings.Repeat("(", 90) + "1" + strings.Repeat(")", 90) + " }}", "{{ " + strings.Repeat("(", 250) + "1" + strings.Repeat(")", 250) + " }}", Options{}, "nested more than 200"},
		{"blocks", strings.Repeat("{% if 1 %}", 150) + strings.Repeat("{% endif %}", 150), strings.Repeat("{% if 1 %}", 250) + strings.Repeat("{% endif %}", 250), Options{}, "nested more than 200"},
		{"chain", "{{ 1" + strings.Repeat(" + 1", 900) + " }}", "{{ 1" + strings.Repeat(" + 1", 1100) + " }}", Options{}, "nested more than 1000"},
		{"source", strings.Repeat("a", MaxSource), strings.Repeat("a", MaxSource+1), Options{}, "larger than 1 MiB"},
	} {
		render := func(src string) error {
			tmpl, err := Parse("t", src)
			if err == nil {
				_, err = tmpl.Render(nil, c.o)
			}
			return err
		}
		if err := render(c.within); err != nil {
			t.Errorf("%s: %.80q: %v", c.name, c.within, err)
		}
		if err := render(c.beyond); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.80q: got %v, want %q", c.name, c.beyond, err, c.want)
		}
	}
}
