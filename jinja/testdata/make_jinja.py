#!/usr/bin/env python3
"""usage: make_jinja.py OUT.jsonl   (needs jinja2 3.1.6)

Renders small templates with jinja2 in the environment of transformers' apply_chat_template. The first line of the output
holds the variables. Each further one has name, template, and either text, or error (the exception's type), message and
line."""
import json, sys, traceback
from datetime import datetime
import jinja2, jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime(2026, 2, 3, 4, 5, 6, 7008)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


class Dict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)


class Namespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attrs = dict(*args, **kwargs)
        for name in attrs:
            Namespace.check(name)
        jinja2.utils.Namespace.__init__(self, attrs)

    def __setitem__(self, name, value):
        Namespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(
                f"Chat templates cannot store underscore-prefixed attributes on a namespace, but got {name!r}. "
                "Please rename the attribute.")


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
env.filters["tojson"] = tojson
env.globals.update(raise_exception=raise_exception, strftime_now=lambda format: NOW.strftime(format), dict=Dict(), namespace=Namespace)

VARS = {
    "name": "World", "n": 3, "f": 2.5, "big": 12345678901234567890, "t": True, "no": None, "empty": "", "s": "Hello World", "u": "naïve 中文 😀 ß",
    "xs": [3, 1, 2], "words": ["b", "A", "c", "a"], "html": "<b>&'\"</b>", "ml": "one\ntwo\n\n three\n",
    "d": {"b": 1, "a": 2, "items": "x", "nested": {"k": [1, {"z": None}]}, "_p": 5},
    "users": [{"name": "bob", "age": 30, "tags": ["x", "y"]}, {"name": "Ann", "age": 25, "tags": []}, {"name": "bob", "age": 20}, {"name": "cy"}],
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}],
    "tree": [{"n": "a", "c": [{"n": "b", "c": [{"n": "c", "c": []}]}, {"n": "d", "c": []}]}],
}

CASES = {}


def exprs(name, text):
    """A case for each line, an expression."""
    CASES[name] = ["{{ " + c.strip() + " }}" for c in text.strip().split("\n") if c.strip()]


def statements(name, text):
    """A case for each line, a template."""
    CASES[name] = [c for c in text.strip("\n").split("\n") if c.strip()]


exprs("literal", r"""
1
1_000
0x1F
0b101
0o17
00
1.5
1e3
1.5e-7
1_0.2_5
1e16
1e15
123456789012345678
-5
+5
--5
'a' "b" 'c'
'\n\t\\\'\x41\u00e9\101\q'
"it's"
'a' 'b'
true, True, false, False, none, None
[]
()
(1,)
(1)
[1, 'a', 2.0, none, true,]
{}
{'a': 1, "b": [1, 2], 3: 'c', 1.0: 'd', true: 'e', (1, 2): 'f',}
1, 2
[1, "it's", 'q"q', 'both\'"', 'é中\n\t\x00\u200b']
12345678901234567890
{'a': {'b': {'c': 1}}}
[[1, [2, [3]]]]
0.1 + 0.2
1e400
-1e400
100000000000000000000.0
0.00001
0.0001
""")

exprs("arith", r"""
1 + 2 * 3
(1 + 2) * 3
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7 / 2
6 / 2
2 ** 3
2 ** 3 ** 2
-2 ** 2
2 ** -1
2 ** 0.5
1 - 2 - 3
2.5 // 1
-2.5 % 2
5.5 % 2
-5.5 // 2
1 + 1.0
true + 1
true * 3
n + f
1 / 0
1 // 0
1 % 0
1.0 / 0
1.0 // 0
1.0 % 0
0 ** -1
0.0 ** -1
'a' + 'b'
'a' + 1
1 + 'a'
'a' * 3
3 * 'ab'
'a' * -1
'a' * 1.5
'a' * 'b'
[1] + [2]
[1] * 3
2 * [1, 2]
(1,) + (2,)
(1, 2) * 2
[1] + (2,)
[1] + 'a'
none + 1
1 + none
{} + {}
-'a'
-none
-true
+true
-f
x + 1
1 + x
'a' + x
-x
x * 2
d.zz + 'a'
1 ~ 2
'a' ~ none ~ true ~ 1.0 ~ [1] ~ x
1 ~ 2 + 3
1 + 2 ~ 3
1 ~ 2 * 3
'%s and %d' % ('a', 5)
'%s' % 5
'%5.2f|%-5s|%05d|%+d|%x|%X|%o|%e|%g|%%' % (3.14159, 'ab', 42, 7, 255, 255, 8, 12345.678, 0.0001)
'%s' % [1, 2]
'%(a)s-%(b)d' % {'a': 1, 'b': 2}
'%d' % 'x'
'%s %s' % ('a',)
'%s' % ('a', 'b')
'%r %s' % ('a', 'a')
'%c%c' % ('x', 65)
'%.3s|%10.3s|' % ('abcdef', 'abcdef')
'%*d' % (5, 42)
'%d' % 3.9
'%i' % true
'%#x %#o' % (255, 8)
'%s' % x
'%s' % none
'%g %g %g %g' % (1e10, 1.5, 100000.0, 1000000.0)
9223372036854775807
-9223372036854775808
big
big == 12345678901234567890
big > 5, big < 1e30, 5 < big
""")

exprs("compare", r"""
1 == 1.0
1 == true
'a' == 'a'
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{'a': 1} == {'a': 1.0}
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
none == none
none == false
x == y
x == none
x != 1
1 < 2 < 3
1 < 3 < 2
1 < 2 > 1 == 1
3 > 2 >= 2
'a' < 'b'
'Z' < 'a'
'é' > 'z'
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 2) >= (1, 2)
1 < 'a'
'a' < 1
none < 1
[1] < [none]
{} < {}
x < 1
1 > x
true < 2
1.5 < 2
1 in [1, 2]
1.0 in [1, 2]
'a' in 'abc'
'' in ''
'd' not in 'abc'
1 in 'abc'
'a' in d
'zz' not in d
[1] in d
1 in x
x in [1]
x in 'abc'
1 in none
1 in 5
2 in range(3)
9 in range(3)
2.0 in range(3)
'b' in d.keys()
2 in d.values()
('a', 2) in d.items()
(1, 2) in [(1, 2)]
not 1
not not 1
not 1 == 2
not x
1 and 2
0 and 2
0 or 'x'
'' or none
1 or x.y
x and x.y
1 if true else 2
1 if false else 2
1 if false
(1 if false) is defined
'a' if 0 else 'b' if 0 else 'c'
1 if x else 2
not 'a' in 'abc'
1 == 1 and 2 == 2
true or false and false
range(3) == range(0, 3)
range(0) == range(5, 5)
""")

exprs("access", r"""
d.a
d['a']
d.b
d.items is callable
d['items']
d.items()
d.keys()
d.values()
d.items() | list
d.nested.k[1].z
d.nested.k.1.z
d.nope
d.nope.x
d['nope']['x']
nope
nope.x
nope['x']
nope[0]
nope[1:]
nope()
d.get('a')
d.get('q')
d.get('q', 5)
d.get('q', default=5)
d.get([])
d.pop('a')
d.update({})
d.setdefault('a')
d.clear
d._p
d.__class__
d.__class__.x
d.copy()
xs.append(1)
xs.pop()
xs.sort()
xs.append
xs.count(1)
xs.index(2)
xs.index(9)
xs.copy()
(1, 2, 1).count(1)
(1, 2).index(2)
(1, 2).index(3)
xs[0]
xs[-1]
xs[9]
xs[9].x
xs['0']
xs[1.0]
xs[true]
xs.0
xs.length
xs.foo
xs.foo.bar
s[0]
s[-1]
s[99]
u[0], u[2], u[-1], u[6], u[8]
s.foo
s.foo.bar
no.foo
no.foo.bar
no['foo']
no['foo']['bar']
no[0]
n.foo
n.foo.bar
n[0].x
5[0]
xs[1:]
xs[:-1]
xs[::-1]
xs[::2]
xs[5:1]
xs[-2:]
xs[1:2:3]
xs[2:0:-1]
xs[:]
xs[::0]
xs['a':]
xs[none:2]
xs[100:], xs[-100:2], xs[:100], xs[:-100], xs[100::-1]
s[1:4], s[::-1], s[-3:], s[:0], s[::3]
u[2:8], u[::-1], u[-5:-1]
(1, 2, 3)[1:]
range(10)[2:8:2]
range(10)[3], range(10)[-1], range(10)[99]
d[1:2]
no[1:]
n[1:]
d['a', 'b']
d[(1,)]
{(1, 2): 'x'}[1, 2]
{1: 'a'}[1.0], {1: 'a'}[true]
{'a': 1}['a']
n.real, f.imag, f.is_integer(), n.numerator
messages[0].role, messages[-1]['content']
messages[0]['role'] == 'system'
[1, 2, 3][1]
'abc'[1]
{'a': 1}.a
loop
range.foo
""")

exprs("strmethod", r"""
'  a b  '.strip() ~ '|'
'xxaxx'.strip('x'), 'xyaxy'.lstrip('xy'), 'xyaxy'.rstrip('yx')
'a'.strip(none)
'a'.strip(1)
'a,b,c'.split(',')
'a,b,c'.split(',', 1)
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.split(sep=',', maxsplit=0)
'a,b,c'.rsplit(',', 1)
'a,b,c'.rsplit(',')
' a  b c '.split()
' a  b c '.split(none, 1)
' a  b c '.rsplit(none, 1)
'a  b'.split(' ')
''.split(), ''.split(',')
'a'.split('')
'a'.split(1)
'aXbXc'.split('X')[-1]
'a\nb\r\nc\rd\x0be'.splitlines()
'a\nb\n'.splitlines(true)
','.join(['a', 'b'])
','.join('abc')
','.join([1])
','.join(d)
','.join(x)
','.join(none)
'aaa'.replace('a', 'b')
'aaa'.replace('a', 'b', 2)
'abc'.replace('', '-')
'abc'.replace('', '-', 2)
'é中'.replace('', '-')
'aaa'.replace('a', 'b', -1)
'a'.replace('a')
'a'.replace(1, 2)
'abc'.startswith('a'), 'abc'.startswith(('x', 'a')), 'abc'.startswith('b', 1), 'abc'.startswith('')
'abc'.endswith('c'), 'abc'.endswith(('x', 'bc')), 'abc'.endswith('b', 0, 2)
'abc'.startswith(1)
'abc'.startswith(['a'])
'abc'.startswith((1,))
'Abc'.upper(), 'Abc'.lower(), 'hello world'.title(), "they're bill's".title(), 'hELLO wORLD'.capitalize(), 'aBc'.swapcase()
'straße ﬁ'.upper(), 'ΑΣ ΑΣΑ Σ'.lower(), 'ß'.capitalize(), 'ßx éa ǆ'.title(), 'ΟΔΟΣ'.title(), 'ΟΔΟΣ'.capitalize(), 'İ'.lower(), 'ŉ'.upper()
'Straße'.casefold()
'abcabc'.find('c'), 'abcabc'.rfind('c'), 'abc'.find('x'), 'abcabc'.find('c', 3), 'abcabc'.find('c', 3, 5), 'abc'.find('', 3), 'abc'.find('', 4), 'abc'.find('')
'é中é'.find('é', 1), 'é中é'.rfind('é'), 'é中é'.index('中'), 'é中é'.find('é', -1)
'abc'.index('x')
'abc'.rindex('x')
'abcabc'.index('b'), 'abcabc'.rindex('b')
'aaa'.count('a'), 'aaa'.count('aa'), 'aaa'.count(''), 'aaa'.count('a', 1), 'aaa'.count('a', 1, 2)
'12'.isdigit(), ''.isdigit(), '1a'.isdigit(), '²'.isdigit(), '½'.isdigit(), '½'.isnumeric(), '²'.isdecimal()
'ab'.isalpha(), 'ab1'.isalpha(), 'ab1'.isalnum(), 'a b'.isalnum(), 'é'.isalpha(), '中'.isalpha()
' \t\n'.isspace(), ''.isspace(), 'a '.isspace(), '\x1c\x85\u3000'.isspace()
'AB1'.isupper(), 'ab1'.islower(), 'aB'.isupper(), '1'.isupper(), ''.islower(), 'Ab Cd'.istitle(), 'AB'.istitle()
'abc'.isascii(), 'é'.isascii(), 'a\n'.isprintable(), 'a b'.isprintable(), 'a_1'.isidentifier(), '1a'.isidentifier()
'abc'.removeprefix('a'), 'abc'.removeprefix('x'), 'abc'.removesuffix('c'), 'abc'.removesuffix('')
'42'.zfill(5), '-42'.zfill(5), '+4'.zfill(4), ''.zfill(2), 'abc'.zfill(2)
'a'.center(4) ~ '|' ~ 'ab'.center(5) ~ '|' ~ 'a'.center(5, '*') ~ '|' ~ 'ab'.center(7, '-')
'a'.ljust(3) ~ '|' ~ 'a'.rjust(3, '0') ~ '|' ~ 'é'.rjust(3, '中')
'a'.center(3, 'xy')
'a=b=c'.partition('='), 'a=b=c'.rpartition('='), 'a'.partition('='), 'a'.rpartition('=')
'a\tb\n\tc'.expandtabs(4)
'{} {}'.format(1, 'a')
'{0} {1} {0}'.format('a', 'b')
'{a} {b!r}'.format(a=1, b='x')
'{:>5}|{:<5}|{:^5}|{:*^7}|'.format('a', 'b', 'c', 'd')
'{:5d}|{:05d}|{:+d}|{:,}|{:x}|{:#x}|{:b}|{:_}'.format(42, 42, 42, 1234567, 255, 255, 5, 1234567)
'{:.2f}|{:8.3f}|{:e}|{:g}|{:.1%}|{:08.2f}|{:,.2f}'.format(3.14159, 3.14159, 12345.678, 0.0001, 0.256, -3.14159, 1234567.891)
'{:.3}|{:10.2}|{}'.format('abcdef', 'abcdef', 1.0)
'{:{}}|'.format('a', 5)
'{{}} {}'.format(1)
'{0[a]} {0[nested][k]} {1.real}'.format(d, 5)
'{}'.format()
'{a}'.format()
'{'.format()
'}'.format()
'{0} {}'.format(1, 2)
'{:d}'.format('a')
'{:s}'.format(1)
'{:>{w}}'.format('x', w=4)
'{!s}'.format([1])
'{:5}|{:5}|{:<5}|'.format(1, 1.5, true)
'{a}'.format_map({'a': 5})
'{:.3}'.format(1234.5), '{:.0f}'.format(2.5), '{:.3}'.format(1.0)
'{0.__class__}'.format('x')
'a'.upper(1)
'a'.nope()
""")

exprs("filter", r"""
-5 | abs, -2.5 | abs, true | abs
'a' | abs
x | abs
d | attr('items') is callable
d | attr('a')
s | attr('upper') is callable
s | attr('x')
xs | batch(2) | list
xs | batch(2, 'x') | list
[] | batch(2) | list
range(7) | batch(3, none) | map('list') | list
'hello WORLD' | capitalize
5 | capitalize
'a' | center(5) ~ '|'
'abc' | count, [1, 2] | length, d | length, x | length, (1, 2) | count, range(4) | length
5 | length
none | length
xs | map('string') | length
x | default('z'), none | default('z'), '' | default('z'), '' | default('z', true), 0 | d(5, boolean=true), x | default, 1 | default(2)
x | default(default_value='q')
d.zz.y | default('a')
{'b': 2, 'a': 1, 'C': 3} | dictsort
{'b': 2, 'a': 1, 'C': 3} | dictsort(true)
{'b': 2, 'a': 1, 'C': 3} | dictsort(false, 'value')
{'b': 2, 'a': 1, 'C': 3} | dictsort(by='value', reverse=true)
{'b': 2} | dictsort(by='x')
xs | dictsort
{'a': 1, 2: 3} | dictsort
html | e
html | escape
html | e | e
html | forceescape | forceescape
5 | e
(html | e) ~ '<', (html | e) + '<', '<' + (html | e), ('%s' | safe) % '<', (html | safe) | e
'<' | safe, '<' | safe | upper, ('<' | safe) * 2, ('<>' | safe)[0] | e
('<a>' | safe).replace('a', '<'), (',' | safe).join(['<', '<' | safe]), ('a<b' | safe).split('<'), ('{}' | safe).format('<')
['<' | safe, '<']
('<' | safe) == '<', {'<': 1}['<' | safe], '<' | safe is string, '<' | safe is escaped
xs | first, [] | first, 'abc' | first, d | first, x | first
[] | first | default('none')
([] | first).x
5 | first
xs | last, [] | last, 'abc' | last, d | last, (1, 2) | last
(xs | map('string')) | last
'3.5' | float, 'x' | float, 'x' | float(1.5), 3 | float, none | float, '1e3' | float, 'inf' | float, ' 2 ' | float, '1_0' | float, true | float, 'nan' | float
x | float
'%s-%s' | format('a', 1), '%(a)s' | format(a=5), 'x' | format
'%s' | format(1, a=2)
users[:3] | groupby('name')
users | groupby('age', default=0)
users[:3] | groupby('name', case_sensitive=true) | map(attribute='grouper') | list
(users[:3] | groupby('name'))[0].list | length
ml | indent, ml | indent(2), ml | indent(2, true), ml | indent(2, true, true), ml | indent(width=1, blank=true), ml | indent('> ', first=true), '' | indent, 'a' | indent
5 | indent
'42' | int, '42.9' | int, 'x' | int, 'x' | int(7), 3.9 | int, -3.9 | int, none | int, '0x1f' | int(0, 16), '0b11' | int(base=2), '1_000' | int, ' 5 ' | int, true | int, '' | int, [] | int(3), '1e3' | int, 'ff' | int(0, 16), '12345678901234567890' | int, '-7' | int
x | int
['1e400'] | map('float') | map('int') | list
'inf' | int(9)
d | items | list
x | items | list
5 | items | list
xs | join, xs | join(','), xs | join('-', attribute='real'), users | join(', ', attribute='name'), x | join(','), 'abc' | join('.'), [none, true, 1.5] | join('|'), d | join
5 | join
xs | list, 'abc' | list, d | list, (1, 2) | list, x | list, range(3) | list
5 | list
'ABC' | lower, 5 | lower, none | upper, x | upper, true | lower
users | map(attribute='name') | list, users | map(attribute='age', default=0) | list, users | map(attribute='tags.0') | list, users | map(attribute='tags.0', default='-') | list
words | map('upper') | join, words | map('replace', 'a', 'z') | list, [' a '] | map('trim') | list, [[1, 2], [3]] | map('join', '+') | list, ['1', '2'] | map('int') | sum
words | map('nope') | list
words | map() | list
words | map(attribute='x', foo=1) | list
words | map(upper) | list
[] | map('nope') | list
5 | map('upper') | list
xs | max, xs | min, words | max, words | min, words | min(true), users[:2] | max(attribute='age'), [] | max, 'abc' | max, [1, 2.5] | max
[1, 'a'] | max
([] | max).x
range(6) | reject('odd') | list, users | rejectattr('age') | map(attribute='name') | list, users | rejectattr('age', 'defined') | list, [0, 1, '', 'a', none] | reject | list
range(6) | select('odd') | list, range(6) | select('divisibleby', 3) | list, range(6) | select('gt', 3) | list, [0, 1, '', 'a', none] | select | list, ['a', 'b'] | select('equalto', 'a') | list, [1, 'a'] | select('string') | list, range(5) | select('in', [1, 2]) | list
users | selectattr('age') | list | length, users | selectattr('age', 'gt', 22) | map(attribute='name') | list
users | selectattr('age', 'defined') | selectattr('age', '>', 22) | map(attribute='name') | list, users | selectattr('name', 'equalto', 'bob') | list | length, users | selectattr('tags.0', 'undefined') | list | length
xs | select('nope') | list
users | selectattr() | list
messages | selectattr('role', 'equalto', 'user') | first
(messages | selectattr('role', 'equalto', 'user') | list)[0].content
messages | selectattr('role', 'eq', 'nobody') | map(attribute='content') | list
'aXbX' | replace('X', '-'), 'aXbX' | replace('X', '-', 1), 515 | replace(5, 'a'), 'a' | replace('', '-'), 'aaa' | replace('a', 'b', count=2)
x | replace('a', 'b')
xs | reverse | list, 'abc' | reverse, (1, 2) | reverse | list, d | reverse | list, xs | map('string') | reverse, x | reverse | list
5 | reverse
2.5 | round, 3.5 | round, 2.675 | round(2), 42.55 | round(1, 'floor'), 42.51 | round(1, 'ceil'), 42 | round, 1234 | round(-2), 1250 | round(-2), 1234.5 | round(-2), -2.5 | round, 0.5 | round, 2.4 | round | int, 7 | round(2, 'floor'), 1e300 | round(2), 1450.0 | round(-2)
'a' | round
1 | round(0, 'x')
xs | slice(2) | list, range(7) | slice(3) | map('list') | list, range(7) | slice(3, 'x') | list, [] | slice(2) | list
xs | slice(0) | list
xs | sort, xs | sort(reverse=true), words | sort, words | sort(case_sensitive=true), words | sort(true), users[:3] | sort(attribute='age') | map(attribute='age') | list, users[:3] | sort(attribute='name,age') | map(attribute='age') | list, 'cab' | sort, d | sort, [[2, 1], [1, 2]] | sort
[1, 'a'] | sort
users | sort(attribute='age')
x | sort
5 | string ~ '!', none | string, [1] | string, 'a' | string
'<p>a &amp; <b>b</b>\n  c</p><!-- x --> d < e' | striptags
xs | sum, users[:3] | sum(attribute='age'), [] | sum, [0.1, 0.2] | sum, xs | sum(start=10), [[1], [2]] | sum(start=[])
['a'] | sum
['a'] | sum(start='')
'hello wORLD foo-bar (baz) {qux [x' | title, "it's" | title, 5 | title, x | title
' a ' | trim ~ '|', 'xxaxx' | trim('x'), 5 | trim, '\n a \n' | trim, none | trim, x | trim
'hello big world foo bar' | truncate(12), 'hello big world foo bar' | truncate(12, true), 'hello big world' | truncate(12), 'hello big world foo bar' | truncate(12, end='!', leeway=0), 'hello' | truncate(3, leeway=0)
'hello world foo' | truncate(2, leeway=0)
'abc' | truncate
['a', 'A', 'b', 'a'] | unique | list, ['a', 'A', 'b'] | unique(true) | list, users | unique(attribute='name') | map(attribute='name') | list, [1, 1.0, true, 2] | unique | list, xs | unique | list
[[1]] | unique | list
'abc é' | upper, 'ß' | upper
'a b/c?d=é&f~g+h' | urlencode, {'a b': 'c/d', 'e': 1} | urlencode, [('a', 1), ('b', 2)] | urlencode, 5 | urlencode
'a bc, d-e f_g' | wordcount, '' | wordcount, 5 | wordcount
'the quick brown fox jumps over' | wordwrap(10), 'averyveryverylongword x' | wordwrap(5), 'averyverylongword x' | wordwrap(5, false), 'a b\n\nc d e f' | wordwrap(3), 'aaa bbb' | wordwrap(3, wrapstring='|'), 'well-known half-baked idea -- really--yes' | wordwrap(8), 'foo-bar' | wordwrap(5, break_on_hyphens=false), '' | wordwrap
123 | filesizeformat, 1 | filesizeformat, 1500 | filesizeformat, 1048576 | filesizeformat(true), 1e30 | filesizeformat
x | nope
(x | nope) if false else 1
1 if (x | nope) else 2
'a' | upper | lower | replace('a', 'b') | length
'a' | replace('a', 'b', 1, 2)
'a' | upper(5)
'a' | replace(foo=1)
'x' is filter
'upper' is filter, 'nope' is filter, 'odd' is test, 'nope' is test
'abc' | list | join('-') | upper ~ '!'
-1 | abs
-n | abs
1 + 2 | abs
'a' ~ 'b' | upper
xs | sort | first + 10
(xs | first) + 10
not xs | length
[1, 2, 3] | sum / 2
""")

exprs("tojson", r"""
d | tojson
'<a href="x">é\n\t\x01\x7f\u2028😀</a>' | tojson
'é😀' | tojson(ensure_ascii=true)
[1, 2.0, 1e20, 1e-7, true, none, 'a'] | tojson
[] | tojson, {} | tojson, '' | tojson, none | tojson, 5 | tojson
d | tojson(indent=2)
d | tojson(indent=4)
d | tojson(indent=0)
d | tojson(indent='\t')
[[], {}, [1]] | tojson(indent=2)
d | tojson(separators=(',', ':'))
d | tojson(indent=1, separators=(', ', ' = '))
{'b': 1, 'a': {'d': 1, 'c': 2}} | tojson(sort_keys=true)
{'b': 1, 'a': 2} | tojson(false, 2, none, true)
{1: 'a', 1.5: 'b', none: 'c', true: 'd'} | tojson
{(1, 2): 'a'} | tojson
x | tojson
(1, 2) | tojson
range(3) | tojson
range(3) | list | tojson
d.items() | tojson
xs | map('string') | tojson
d.keys() | list | tojson
('<' | safe) | tojson
(1e400 - 1e400) | tojson, 1e400 | tojson, -1e400 | tojson
big | tojson
users | tojson
{'a': x} | tojson
namespace(a=1) | tojson
[d, d] | tojson | length
{1: 1, 'a': 2} | tojson(sort_keys=true)
""")

exprs("test", r"""
x is defined, n is defined, none is defined, d.zz is defined, d.a is defined, d['b'] is defined
x is undefined, n is not undefined, x is not defined
none is none, x is none, 0 is none, n is not none
'a' is string, 1 is string, ('a' | safe) is string, x is string
1 is number, 1.0 is number, true is number, 'a' is number, big is number
1 is integer, 1.0 is integer, true is integer, big is integer
1.0 is float, 1 is float
true is boolean, 1 is boolean, 0 is boolean
true is true, 1 is true, false is false, 0 is false, none is false
d is mapping, xs is mapping, x is mapping, namespace() is mapping
xs is sequence, 'a' is sequence, d is sequence, 1 is sequence, x is sequence, (1,) is sequence, range(2) is sequence, d.items() is sequence, (xs | map('string')) is sequence
xs is iterable, 'a' is iterable, d is iterable, 1 is iterable, x is iterable, none is iterable, (xs | map('string')) is iterable, d.items() is iterable
range is callable, d.items is callable, 1 is callable, x is callable, 'a'.upper is callable
3 is odd, 4 is odd, 4 is even, 3 is even, -3 is odd, 3.0 is odd, 2.5 is even
'a' is odd
9 is divisibleby 3, 9 is divisibleby(2)
9 is divisibleby 0
1 is eq 1, 1 is equalto(1.0), 1 is ne 2, 1 is lt 2, 1 is le 1, 2 is gt 1, 2 is ge 2, 1 is lessthan 2, 1 is greaterthan 2
1 is lt 'a'
1 is in [1, 2], 'a' is in 'abc', 3 is not in [1]
'abc' is lower, 'ABC' is upper, 'Abc' is lower, 5 is lower
d is sameas d, 1 is sameas 1, xs is sameas xs[:], true is sameas true, 1 is sameas true, none is sameas none, 1 is sameas 1.0
'a' is escaped, ('a' | e) is escaped
1 is nope
(1 is nope) if false else 2
1 is defined is defined
1 is eq(1) and 2 is eq 2
x is defined and x.y
x is not defined or x.y
5 is odd or 4 is odd
'a' if x is defined else 'b'
not x is defined
not x is defined and true
1 is not eq 2
messages[0].content is string and messages[0].content is not none
[1, 2] is eq [1, 2]
1 is divisibleby
1 is odd 2
""")

exprs("function", r"""
range(3) | list, range(1, 4) | list, range(10, 0, -3) | list, range(0) | list, range(5, 1) | list
range(3), range(1, 5, 2)
range(1, 2, 0)
range(100001)
range('a')
range()
range(x)
range(5).start, range(1, 5).stop
dict(), dict(a=1, b=2), dict([('a', 1), ('b', 2)]), dict(d, c=1), dict({'a': 1}, a=2), dict(['ab', 'cd'])
dict(1)
dict([1])
dict([(1, 2, 3)])
dict(1, 2)
namespace(a=1).a, namespace({'x': 5}).x, namespace().q is defined
namespace(a=1)
namespace(_a=1)
namespace(a=1)['a']
namespace(a=1).b is defined
cycler('a', 'b').next()
cycler()
joiner()() ~ '|'
raise_exception('boom')
raise_exception(5)
raise_exception()
raise_exception('a\nb')
strftime_now('%Y-%m-%d %H:%M:%S')
strftime_now('%d %b %Y'), strftime_now('%A, %d %B %Y'), strftime_now('%a %I:%M %p'), strftime_now('%j %y %m %f'), strftime_now('%-d %-m %-H %-I %-j'), strftime_now('%e|%k|%l|%_d|%_m|%P'), strftime_now('%c|%x|%X|%D|%F|%T|%R|%r'), strftime_now('%U %W %V %G %u %w %C %g %%'), strftime_now('%^a %^B %#p %0e'), strftime_now('%Z%z|'), strftime_now('100%'), strftime_now('%n%t|'), strftime_now(''), strftime_now('%h')
strftime_now()
strftime_now(5)
name()
name.upper()
none()
'a'()
5()
d()
range(*[1, 4]) | list, range(*(5,)) | list, dict(**{'a': 1}), dict(*[[('a', 1)]], **{'b': 2})
range(*5)
dict(**5)
dict(**{1: 2})
dict(a=1, **{'a': 2})
'{}{}'.format(*['a', 'b']), '{a}'.format(**{'a': 1})
'{} {a}'.format('x', a='y',)
""")

CASES["space"] = [
    "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "  {% if true %}  \n  b\n  {% endif %}\n  c",
    "a {% if true %} b {% endif %} c",
    "a {%- if true -%} b {%- endif -%} c",
    "  {{ 1 }}\n  {{ 2 }}\n",
    "a\n  {{- 1 -}}  \n b",
    "a\n  {#- c -#}\n b",
    "a\n  {# c #}\n b",
    "a\n  {# c #}  \n b",
    "x {# c #} y",
    "{# a\nb #}c",
    "{#+ c +#}\nx",
    "  {%+ if true %}x{% endif %}",
    "{% if true +%}\nx{% endif %}",
    "a\n\n{% if true %}\n\nb{% endif %}",
    "a\n",
    "a\n\n",
    "a\r\nb\r\n",
    "a\rb",
    "\n",
    "",
    "\n{{ 1 }}\n",
    "{{ 1 }}\n\n",
    "{% raw %}{{ x }}{% if %}{% endraw %}",
    "{% raw %}\n a {% endraw %}\nb",
    "a {%- raw -%} x {%- endraw -%} b",
    "  {% raw %}\n  x\n  {% endraw %}\n  y",
    "{% raw -%}\n x{% endraw +%}\ny",
    "{%+ raw %}a{% endraw %}",
    "{% raw %}a",
    "{# a",
    "{#",
    "abc {#",
    "{{ '}}' }}",
    "{{ '%}' }}{{ \"{{\" }}",
    "{{ {'a': {'b': 1}}}}",
    "{{ {'a': 1}['a'] }}",
    "{{-1}}",
    "{{+1}}",
    "{{ 1 -}}\n x",
    "{{ 1 +}}",
    "{%- set x = 1 -%}\n\n {{ x }}",
    "{% set x %}\n a\n{% endset %}[{{ x }}]",
    "   {% set x = 1 %}   \n   y",
    "\t{% if 1 %}\n\tx\n\t{% endif %}\n",
    "a{% if 1 %}\n\nb{% endif %}\n\nc",
    "{%if true%}a{%endif%}",
    "{%-if true-%} a {%-endif-%}",
    "x\n   {%- if true %}\ny\n   {%- endif %}\nz",
    "{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\nend",
    "{% for i in [1,2] -%}\n  {{ i }}\n{%- endfor %}\nend",
    "{ { } } {% raw %}{%{% endraw %} % }",
    "a { b {",
    "{",
    "a{{ 1 }}{",
    "{{ 1 }}{% if 1 %}\n{% endif %}\n\n  {% if 1 %}x{% endif %}",
    "\u00a0{% if 1 %}x{% endif %}",
    "a\u2003\n{%- if 1 %}x{% endif %}",
    "line1\n   {% if false %}\n x\n   {% else %}\n y\n   {% endif %}\nz",
    "{{ 1 }}   \n{{ 2 }}",
    "{# {{ x }} {% y %} #}",
    "{{ 'a\nb' }}",
    "{{ 'a\r\nb' | length }}",
    "{% set a = 1\n%}{{ a\n}}",
    "{{ 1 }}{# x -#}   \n  y",
    "{% if true %}{% endif %}\n\n{% if true %}\n{% endif %}\n.",
    "  {%- raw %}a{% endraw %}",
    "{{ x\n\n.y }}",
    "{% raw %}{% endraw %}\n\nz",
    "a {% endraw %}",
]

CASES["syntax"] = [
    "{{",
    "{{ 1",
    "{{ }}",
    "{% %}",
    "{% if %}{% endif %}",
    "{% if 1 %}",
    "{% endif %}",
    "{% for x in %}{% endfor %}",
    "{% for x in xs %}",
    "{% foo %}",
    "{% if 1 %}{% endfor %}",
    "{% for x in xs %}{% endif %}",
    "{{ 1 + }}",
    "{{ (1 }}",
    "{{ 1) }}",
    "{{ [1 }}",
    "{{ {1: } }}",
    "{{ a b }}",
    "{{ a. }}",
    "{{ a[ }}",
    "{{ 'a }}",
    "{{ $ }}",
    "{{ a ! b }}",
    "{{ a = 1 }}",
    "{{ f(a=1, 2) }}",
    "{{ f(**a, *b) }}",
    "{{ f(**a, b) }}",
    "{{ f(a, a=1, a=2) }}",
    "{% set 1 = 2 %}",
    "{% set a.b.c = 2 %}",
    "{% set true = 2 %}",
    "{% set x %}",
    "{% set (a, b) = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, = [1] %}{{ a }}",
    "{% set [a] = 1 %}",
    "{% macro f(a=1, b) %}{% endmacro %}",
    "{% macro f(1) %}{% endmacro %}",
    "{% macro %}{% endmacro %}",
    "{% macro f() %}",
    "{% call f %}{% endcall %}",
    "{% call %}{% endcall %}",
    "{% break %}",
    "{% continue %}",
    "{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in xs %}{% set loop = 1 %}{% endfor %}",
    "{% for loop in xs %}{% endfor %}",
    "{{ a | }}",
    "{{ a | 1 }}",
    "{{ a is }}",
    "{{ a is 1 }}",
    "{% filter nope %}{% endfilter %}",
    "{% if x %}{{ x | nope }}{% endif %}ok",
    "{% if 1 %}{{ x | nope }}{% endif %}",
    "{% for i in [] %}{{ x | nope }}{% endfor %}",
    "{% if 0 %}{% for i in [] %}{{ x | nope }}{% endfor %}{% endif %}",
    "\n\n{{ x | nope }}",
    "\n\n{% foo %}",
    "a\n{% if 1 %}\nb\n",
    "\n{{ 'a\n' 1 }}",
    "{{ 1 if }}",
    "{{ 1 if 2 else }}",
    "{{ not }}",
    "{{ * }}",
    "{% for in xs %}{% endfor %}",
    "{% for x, in [[1]] %}{{ x }}{% endfor %}",
    "{% else %}",
    "{% if 1 %}{% else %}{% else %}{% endif %}",
    "{% if 1 %}{% elif %}{% endif %}",
    "{% with %}a{% endwith %}",
    "{% with a %}{% endwith %}",
    "{% if 1: %}a{% endif %}",
    "{{ 1..2 }}",
    "{{ 1.e }}",
    "{{ 08 }}",
    "{{ 0x }}",
    "{{ a.1 }}",
    "{{ 1_ }}",
    "{{ '\\x4' }}",
    "{{ '\\u12' }}",
    "{{ a[] }}",
    "{{ }",
    "{% if 1 }",
    "{{ {} }}{{ [] }}",
    "{{ foo.true }}",
    "{{ {'a': 1, } }}",
    "{{ [,] }}",
    "{{ (,) }}",
    "{% set x = %}",
    "{% set = 1 %}",
    "{% set x = 1 2 %}",
    "{% endfor foo %}",
    "{% for x in xs %}{% endfor foo %}",
    "{% raw %}{% endraw foo %}",
    "{% if true %}a{% endif -%}  b",
    "{%- -%}",
    "{% print 1, 2 %}",
    "{% print %}",
    "{% do 1 %}",
    "{{ caller() }}",
    "{{ a if b if c }}",
    "{{ }}\n{{ 1",
    "{% macro f(caller) %}{{ caller() }}{% endmacro %}",
]

statements("for", r"""
{% for x in xs %}{{ x }},{% endfor %}
{% for x in [] %}a{% else %}b{% endfor %}
{% for x in xs %}a{% else %}b{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }};{% endfor %}
{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}
{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}
{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}
{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for x in [1,1,2,2,1] %}{{ loop.changed(x) }}{% endfor %}
{% for x in xs if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }}{% endfor %}
{% for x in xs if x > 9 %}{{ x }}{% else %}none{% endfor %}
{% for x in xs if loop.index > 1 %}{{ x }}{% endfor %}
{% for a, b in [[1,2],[3,4]] %}{{ a }}{{ b }}{% endfor %}
{% for (a, b), c in [[[1,2],3]] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [[1,2,3]] %}{% endfor %}
{% for a, b in [[1]] %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for a, b in ['xy'] %}{{ a }}{{ b }}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in none %}{% endfor %}
{% for x in nope %}a{% else %}b{% endfor %}
{% for x in 'aé' %}{{ x }};{% endfor %}
{% for x in range(5) %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in range(5) %}{% if x is odd %}{% continue %}{% endif %}{{ x }}{% endfor %}
{% for x in xs %}{% continue %}{% else %}else{% endfor %}
{% for x in xs %}{% break %}{% else %}else{% endfor %}
{% for x in xs %}{{ x }}{% if loop.last %}{% continue %}{% endif %}{% else %}else{% endfor %}
{% for x in range(3) %}{% for y in range(3) %}{% if y > x %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}
{% for x in [[1,2],[3]] %}{% for y in x %}{{ loop.index }}{{ y }}{% endfor %}|{{ loop.index }}{% endfor %}
{% for x in xs %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for n in tree recursive %}{{ n.n }}{% if n.c %}({{ loop(n.c) }}){% endif %}{% endfor %}
{% for n in tree recursive %}{{ loop.depth }}{{ n.n }}{{ loop(n.c) }}{% else %}.{% endfor %}
{% for x in xs %}{{ loop(xs) }}{% endfor %}
{% for n in tree recursive %}{{ loop() }}{% endfor %}
{% for x in xs | map('string') %}{{ loop.length }}{{ loop.last }}{{ x }} {% endfor %}
{% for x in xs | map('string') %}{{ x }}{{ loop.last }}{{ loop.length }}{{ loop.nextitem }} {% endfor %}
{% for x in xs %}{{ loop }} {% endfor %}
{% set g = xs | map('string') %}{{ g | list }}{{ g | list }}{{ 1 if g else 2 }}
{{ loop is defined }}{% for x in xs %}{% if loop.first %}{{ loop is defined }}{% endif %}{% endfor %}
{% for x in xs %}{{ loop.nope is defined }}{% endfor %}
{% for x in xs %}{{ loop.nope.x }}{% endfor %}
{% for x in xs %}{{ loop.cycle() }}{% endfor %}
{% for x in xs | sort %}{{ x }}{% endfor %}
{% for x in 1, 2, 3 %}{{ x }}{% endfor %}
{% for x in (1, 2) if x > 1 %}{{ x }}{% endfor %}
{% for x in xs[::-1] %}{{ x }}{% endfor %}
{% for i, m in [(0, 'a')] %}{{ i }}{{ m }}{% endfor %}
{% for a in xs %}{% for a in 'xy' %}{{ a }}{% endfor %}{{ a }}{% endfor %}
{% set ns = namespace(stop=false) %}{% for x in range(5) if not ns.stop %}{{ x }}{% if x == 2 %}{% set ns.stop = true %}{% endif %}{% endfor %}
{% for k, v in d | items %}{{ k }}{% endfor %}
{% for k, v in d | dictsort %}{{ k }}{% endfor %}
{% for x in xs %}{% for y in xs %}{% else %}{% break %}{% endfor %}{{ x }}{% endfor %}
{% for u in users | groupby('name') %}{{ u.grouper }}:{{ u.list | length }};{% endfor %}
{% for g, us in users | groupby('name') %}{{ g }}:{{ us | length }};{% endfor %}
{% for row in range(5) | batch(2) %}{{ row | join(',') }};{% endfor %}
{% for x in loop %}{% else %}e{% endfor %}
{% for x in xs recursive %}{{ x }}{% if loop.depth < 3 %}{{ loop([x]) }}{% endif %}{% endfor %}
{% for x in xs %}{{ loop['index'] }}{% endfor %}
{% for x in [] recursive %}a{% else %}b{% endfor %}
{% for x in xs if x != 1 recursive %}{{ x }}{% if loop.depth < 2 %}{{ loop([1, 5]) }}{% endif %}{% endfor %}
{% for m in messages %}{% if loop.index0 > 0 and messages[loop.index0 - 1].role == 'user' %}A{% endif %}{% endfor %}
{% for x in xs %}{% if loop.nextitem is defined and loop.nextitem > x %}up{% endif %}{% endfor %}
""")

CASES["scope"] = [
    "{% set x = 1 %}{{ x }}",
    "{% set x = 1 %}{% for i in xs %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}",
    "{% for i in xs %}{% set y = i %}{% endfor %}{{ y is defined }}",
    "{% if true %}{% set y = 1 %}{% endif %}{{ y }}",
    "{% if false %}{% set y = 1 %}{% endif %}{{ y is defined }}",
    "{% if false %}{% set name = 1 %}{% endif %}{{ name }}",
    "{% for i in xs %}{% if loop.first %}{% set q = 1 %}{% endif %}{{ q is defined }}{% endfor %}",
    "{% for i in xs %}{% if i == 1 %}{% set name = 'x' %}{% endif %}{{ name }}{% endfor %}",
    "{% set ns = namespace(x=0) %}{% for i in xs %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}",
    "{% set d.x = 1 %}",
    "{% set nope.x = 1 %}",
    "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% set ns = namespace() %}{% set ns.x %}block{% endset %}{{ ns.x }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, (b, c) = 1, (2, 3) %}{{ a }}{{ b }}{{ c }}",
    "{% set a, b = 1 %}",
    "{% set a, b = [1] %}",
    "{% set a = b = 1 %}",
    "{% set x = x %}{{ x is defined }}",
    "{% set name = name ~ '!' %}{{ name }}",
    "{% macro f() %}{{ v }}{% endmacro %}{{ f() }}{% set v = 1 %}{{ f() }}",
    "{% macro f() %}{{ name }}{% endmacro %}{{ f() }}{% set name = 1 %}{{ f() }}",
    "{{ name }}{% macro f() %}{{ name }}{% endmacro %}{{ f() }}{% set name = 1 %}{{ f() }}",
    "{% macro f() %}{% set v = 5 %}{{ v }}{% endmacro %}{% set v = 1 %}{{ f() }}{{ v }}",
    "{% for i in xs %}{{ name }}{% endfor %}{% set name = 'q' %}{{ name }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}",
    "{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z is defined }}",
    "{% set x %}a{% set y = 1 %}b{% endset %}{{ x }}{{ y is defined }}",
    "{% set x | upper %}abc{% endset %}{{ x }}",
    "{% set x | replace('a', 'b') | upper %}abc{% endset %}{{ x }}",
    "{% set x %}{{ 1 + }}{% endset %}",
    "{% filter upper %}a{{ name }}{% set z = 1 %}{% endfilter %}{{ z is defined }}",
    "{% filter replace('a', 'b') | upper %}aab{% endfilter %}",
    "{% generation %}x{% set gg = 1 %}{{ name }}{% endgeneration %}{{ gg is defined }}",
    "{% for i in xs %}{% generation %}{{ i }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{%- generation -%}\n a \n{%- endgeneration %}\nb",
    "{% set x = 1 %}{% if x %}{% set x = 2 %}{% if x %}{% set x = 3 %}{% endif %}{% endif %}{{ x }}",
    "{% if false %}{% elif true %}{% set e = 1 %}{% else %}{% set g = 1 %}{% endif %}{{ e }}{{ g is defined }}",
    "{% for i in xs %}{% for j in xs %}{% set t = j %}{% endfor %}{{ t }}{% endfor %}",
    "{% set t = 0 %}{% for i in xs %}{% set t = i %}{% for j in [1] %}{% set t = t * 10 %}{{ t }}{% endfor %}{{ t }} {% endfor %}{{ t }}",
    "{% for i in xs %}{% if i == 3 %}{% set v = i %}{% endif %}{{ v }};{% endfor %}",
    "{% set n = n + 1 %}{{ n }}{% for i in [1] %}{% set n = n + 1 %}{{ n }}{% endfor %}{{ n }}",
    "{% set range = 5 %}{{ range }}",
    "{% set ns = namespace(l=[]) %}{% for x in xs %}{% set ns.l = ns.l + [x] %}{% endfor %}{{ ns.l }}",
    "{% set messages = messages[1:] %}{{ messages | length }}",
    "{% if messages[0].role == 'system' %}{% set sys = messages[0].content %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{{ sys }}{{ rest | length }}",
    "{% set items = [] %}{% for x in xs %}{% set items = items + [x] %}{% endfor %}{{ items }}",
    "{% for x in xs %}{% set x = x * 2 %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% with loop = 5 %}{{ loop }}{% endwith %}{% endfor %}",
    "{% set f %}{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}{% endset %}{{ f }}",
    "{% for x in xs %}{% set q %}{% break %}{% endset %}{% endfor %}{{ q is defined }}",
    "{% set a = [] %}{% set b = a %}{{ b is sameas a }}",
]

CASES["macro"] = [
    "{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=5, a=4) }}{{ f() }}",
    "{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}",
    "{% macro f(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ f() }}",
    "{% macro f(a) %}{{ a.x }}{% endmacro %}{{ f() }}",
    "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{% endmacro %}{{ f(z=2) }}",
    "{% macro f(a) %}{% endmacro %}{{ f(1, a=2) }}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, a=3) }}",
    "{% macro f(a) %}{{ a }}{{ varargs }}{% endmacro %}{{ f(1, 2, 3) }}",
    "{% macro f(a) %}{{ kwargs }}{% endmacro %}{{ f(1, b=2) }}{{ f(a=1) }}",
    "{% macro f(kwargs) %}{{ kwargs }}{% endmacro %}{{ f(1) }}",
    "{% macro f(x) %}{{ caller(x) }}{% endmacro %}{% call(y) f(5) %}<{{ y }}>{% endcall %}",
    "{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}a{{ name }}{% endcall %}",
    "{% macro f() %}[{{ caller() }}]{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}{% call f() %}{% endcall %}",
    "{% macro f() %}a{% endmacro %}{% call f() %}b{% endcall %}",
    "{% macro f(caller=none) %}{{ caller() if caller else 'no' }}{% endmacro %}{{ f() }}{% call f() %}x{% endcall %}",
    "{% macro f() %}{{ kwargs | length }}{% endmacro %}{% call f() %}x{% endcall %}",
    "{% call name.upper() %}x{% endcall %}",
    "{% macro a() %}A{% endmacro %}{% macro b(x) %}B{{ x }}{% endmacro %}{% set fs = [a, b] %}{{ fs[0]() }}{{ fs[1](2) }}",
    "{% macro a(x) %}A{{ x }}{% endmacro %}{% for f in [a, a] %}{{ f(loop.index) }}{% endfor %}",
    "{% macro a(x) %}A{{ x }}{% endmacro %}{% set m = {'k': a} %}{{ m.k(1) }}{{ m['k'](x=2) }}",
    "{% macro a(x, y, z=0) %}{{ x }}{{ y }}{{ z }}{% endmacro %}{{ a(*[1, 2]) }}{{ a(*[1], **{'y': 5, 'z': 6}) }}{{ a(1, *[2, 3]) }}{{ a(**{'x': 1, 'y': 2}) }}",
    "{% macro a(x) %}{{ x }}{% endmacro %}{% set calls = [(a, [1]), (a, ['b'])] %}{% for fn, args in calls %}{{ fn(*args) }}{% endfor %}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro f(n) %}{{ g(n) }}{% endmacro %}{% macro g(n) %}<{{ n }}>{% endmacro %}{{ f(3) }}",
    "{{ f() }}{% macro f() %}a{% endmacro %}",
    "{% macro f(a) %}{% macro g(b) %}{{ a }}{{ b }}{% endmacro %}{{ g(2) }}{% endmacro %}{{ f(1) }}{{ g is defined }}",
    "{% macro f(a, b=1) %}{% endmacro %}{{ f }}{{ f.name }}{{ f.arguments }}{{ f.catch_kwargs }}{{ f.catch_varargs }}{{ f.caller }}{{ f.nope is defined }}",
    "{% macro f() %} a {% endmacro %}[{{ f() }}][{{ f() | trim }}][{{ f() ~ 'x' }}]",
    "{% macro f() -%} a {%- endmacro %}[{{- f() -}}]",
    "{% macro f() %}{{ loop is defined }}{% endmacro %}{% for x in [1] %}{{ f() }}{% endfor %}",
    "{% for x in [1, 2] %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}",
    "{% macro f(x) %}{% set x = x + 1 %}{{ x }}{% endmacro %}{{ f(1) }}",
    "{% macro f(a,) %}{{ a }}{% endmacro %}",
    "{% if true %}{% macro f() %}a{% endmacro %}{% endif %}{{ f() }}",
    "{% macro f() %}{% for x in xs %}{{ x }}{% if loop.last %}!{% endif %}{% endfor %}{% endmacro %}{{ f() }}",
    "{% set ns = namespace() %}{% macro f() %}{% set ns.v = 5 %}{% endmacro %}{{ f() }}{{ ns.v }}",
    "{% set ns = namespace() %}{% macro f() %}x{% endmacro %}{% set ns.f = f %}{{ ns.f() }}",
    "{% macro f(x) %}{{ x() }}{% endmacro %}{% macro g() %}g{% endmacro %}{{ f(g) }}",
    "{% macro outer() %}{% call inner() %}{{ caller() }}{% endcall %}{% endmacro %}{% macro inner() %}({{ caller() }}){% endmacro %}{% call outer() %}x{% endcall %}",
    "{% macro f(a=[], b={}) %}{{ a }}{{ b }}{% endmacro %}{{ f() }}",
    "{% macro f(a=1) %}{{ a }}{% endmacro %}{{ f(none) }}{{ f(nope) }}",
    "{% macro f(a=b, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ varargs | sum }}{% endmacro %}{{ f(1, 2, 3) }}",
    "{% set j = joiner(', ') %}{% for x in xs %}{{ j() }}{{ x }}{% endfor %}",
    "{% set c = cycler('a', 'b') %}{% for x in xs %}{{ c.next() }}{% endfor %}{{ c.current }}{{ c.reset() }}{{ c.current }}{{ c.pos }}{{ c.items }}",
    "{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ f() }}",
    "{% macro f(x) %}{{ x | tojson }}{% endmacro %}{{ f({'b': 1, 'a': [1, 2]}) }}",
    "{% macro f() %}{{ raise_exception('in macro') }}{% endmacro %}\n\n{{ f() }}",
    "{% macro f(n) %}\n{{ n.x.y }}\n{% endmacro %}\n\n{{ f({}) }}",
    "{{ f }}{% set f = 1 %}{% macro f() %}{% endmacro %}{{ f }}",
    "{% macro f(items) %}{% for i in items %}{{ i }}{% endfor %}{% endmacro %}{{ f('ab') }}{{ f(d.keys()) }}",
    "{% macro render(ts) %}{% for t in ts %}{{ '\\n' ~ (t | tojson(indent=2)) }}{% endfor %}{% endmacro %}{{ render([{'type': 'function', 'a': {'b': [1, '\u00e9']}}]) }}",
]

CASES["line"] = [
    "a\nb\n{{ x.y }}",
    "{% if x.y %}\n{% endif %}",
    "\n{% for a in 5 %}\n{% endfor %}",
    "\n\n{% set a = 1 + 'a' %}",
    "{% for a in xs %}\n{% if a == 2 %}\n{{ raise_exception('at 3') }}{% endif %}{% endfor %}",
    "{# a\nb\n#}{{ x.y }}",
    "{% raw %}\n\n{% endraw %}\n{{ x.y }}",
    "a  \n\n {%- if true %}\n{{ x.y }}{% endif %}",
    "{{ '\n' }}\n{{ x.y }}",
]

exprs("more", r"""
x.__class__ is defined, x.__foo__ is defined
f.real, f.imag, n.imag, n.denominator, true.real
[1] == {}, (1,) == [1], {} == [], {'a': 1} == {'b': 1}, {'a': 1} == {}, [1] == [1, 2], range(3) == [0, 1, 2], (1, [2]) == (1, [2])
('nan' | float) == ('nan' | float), ('nan' | float) < 1, 1.5 < 2.5, 2.5 == 2.5, ('inf' | float) > 1, 1 < ('inf' | float), 1 > ('-inf' | float), ('inf' | float) == ('inf' | float), 9007199254740993 == 9007199254740992.0, 9007199254740993 > 9007199254740992.0
{big: 1, none: 2, x: 3, 1.5: 4, ('a', none, 1, 2.5, (3,)): 5}[none], {x: 3}[y], {(1, 1.0): 'a'}[(1.0, true)], {big: 1}[big]
{(1, [2]): 3}
{[1]: 2}
('abc' | attr('nope')) is defined
x | attr('y')
['nan'] | map('float') | map('int', 5) | list
big | int, '0o17' | int(0, 8), '0x1F' | int(0, 0), '017' | int(5, 0), '17' | int(5, 0), '-0b11' | int(0, 2), '1__0' | int(4), '_1' | int(4), '+5' | int, '+-5' | int(4), 'z' | int(0, 36), '7' | int(3, 99)
'1_0.5' | float, '_1.5' | float(9), '1._5' | float(9), '0x1p3' | float(9), '-inf' | float, '+1.5' | float, '1e-3' | float, '.5' | float, '5.' | float, '' | float(9)
x | round(1, 'ceil')
big | round, 15 | round(-1), 25 | round(-1), 35 | round(-1), -15 | round(-1), 5 | round(-20), 26 | round(-1), 5.55 | round(-1), 55.5 | round(-1), 45.0 | round(-1), -45.0 | round(-1)
['nan', 'inf'] | map('float') | map('round', 1) | list
1e10 | round(-3, 'floor'), -1234.5 | round(-2, 'ceil'), 1.05 | round(1, 'ceil')
x | dictsort
x | indent
xs | indent
none | indent
'hello' | truncate(5, leeway=-1)
'a<b' | striptags, 'a<!-- b' | striptags, '&lt;b&gt; &eacute; &nbsp;x' | striptags, '<b>' | safe | striptags
[(1, 2, 3)] | urlencode
['ab'] | urlencode
'{:#x}|{:#06x}|{:#o}|{:#b}|{:06b}|{:+x}'.format(255, 255, 8, 5, 5, 255)
'%.5d|%+.3d|% d|%-6d|%06.2f|%+.1e|%E|%G|%F' % (42, 7, 5, 3, 1.5, 12345.0, 12345.678, 1e-10, 1.5)
['inf', '-inf', 'nan'] | map('float') | map('string') | list
'%(a' % {'a': 1}
'%(a)s' % 5
'%(b)s' % {'a': 1}
'%-5d|' % 3, '%*d|' % (-5, 3)
'%' % ()
'%5' % (1,)
'%*d' % ('a', 1)
'%c' % 'ab'
'%x' % 1.5
'%y' % 1
'%d' % x
'%5%|' % (1,), '%%' % ()
'%s%s' % 'a'
'abc' % xs, 'abc' % {}, 'abc' % x, 'abc' % range(2)
'abc' % 5
'%s' % d.items()
'%.0f %.0f %.0f %#.0f' % (0.5, 1.5, 2.5, 3)
'{:n} {:c} {:%} {:E} {:G} {:F}'.format(5, 65, 0.5, 12345.678, 1e-10, 2.5)
'{:+}|{: }|{:-}|{:=+5}|{:^9.2f}|{:_>8}|{:0>5}|{:<05}|{:05}'.format(5, 5, 5, 5, 3.14159, 'ab', 7, 7, -7)
'{:,}|{:,.1f}|{:_d}|{:,}'.format(1234567.891, 1234567.891, 1234567, 123)
'{:10}|{:<10}|{:>10}|{:^10}'.format('a', 'b', 'c', 'd'), '{:05}'.format('a'), '{:é^5}'.format('a'), '{:5}'.format(true)
'{:=5}'.format('a')
'{:+}'.format('a')
'{:x}'.format(1.5)
'{:.2}'.format(5)
'{:y}'.format(5)
'{:5x5}'.format(5)
'{:.}'.format(5)
'{:5}'.format([])
'{:5}'.format(none)
'{!x}'.format(5)
'{!rx}'.format(5)
'{a.b[0]} {a.c.d}'.format(a={'b': [7], 'c': {'d': 8}})
'{0[0]x}'.format([1])
'{[0]} {[a]}'.format([5], {'a': 6})
'{0.nope}'.format(5) ~ '|'
'{0.nope.x}'.format(5)
'{} {0}'.format(1)
'{:{}{}}|'.format('x', '>', 5)
'{:{:{}}}'.format(1, 2, 3)
('{}' | safe).format('<b>' | safe), ('{!r}' | safe).format('<')
('%s %s %d' | safe) % ('<', '<' | safe, 5), ('%(a)s' | safe) % {'a': '<'}, ('%r' | safe) % ('<',)
(html | safe) + 1
('<' | safe).partition('<'), ('a b' | safe).split(), ('<' | safe).upper() is escaped, ('a' | safe) is eq 'a', ('<' | safe) in '<>', ('é' | safe) | length, ('<' | safe).count('<'), ('a' | safe).isalpha(), ('ab' | safe)[::-1]
range(5, 0, -2).count(3), range(5).index(2), range(5).step, 3 in range(5, 0, -2), 4 in range(5, 0, -2), 'a' in range(3), range(5).nope is defined
range(5).index(9)
cycler('a').nope is defined, d.items() | length, d.items() | reverse | list, range(3) | reverse | list, 'abc' | last, '' | last is defined, d.keys() | last
d | tojson(separators=[1, 2])
d | tojson(separators=[','])
[1.5, {'é': '\x7f'}] | tojson(true), '😀' | tojson(true) | length
0 ** 0, 1 ** 5, (-1) ** 3, (-1) ** 4, 0 ** 5, 10 ** 18, (-2) ** 63, 2.0 ** 3, 4 ** 0.5, (-8) ** 2
2.0 ** 5000
1e308 * 10 > 1, 5.0 / 2, -0.0, 5 % 2.5, -5 % 2.5, 0.1 // 0.3, -0.1 // 0.3, 7.0 // 2, 1e20 // 3, -7.5 // 2, 7 % -2.5, 1e300 % 7
1.5 ** 'a'
'a' ** 2
(1,) + [1]
1.5 * 'a'
none * 'a'
none * 2
{} * 2
[] % 2
xs * xs
-9223372036854775807 - 1
-big, +big, big == big, big != 1, -big < 0, big | abs == big, -big | abs == big
'a' is nope
a.b.c
x is defined(1)
x[1:2] is defined
d[x]
xs[x] is defined, d[x] is defined
xs[x:]
{}.a is defined, [][0] is defined, ''[0] is defined, ()[0] is defined
namespace is callable, dict is callable, joiner() is callable, cycler(1) is callable
'\U0001F600', '\q', '\0', '\18'
'tab\there' | e, 'é\r\n\U0001F600\U000e0001' | list
'a' 'b' | upper
1_000.5_0, 1e+5, 1E-5, 0X1f, 0b1_0, 0_0
0x_ff, 0b_1
x | default('a', boolean=true) | default('b')
'%s' | format(x), '%s' | format(none), '%d%%' | format(5)
caller, varargs, kwargs
[1, 2] | batch(0) | list
[1, 2] | slice(-1) | list
[[1, 2], [3]] | sum(start=[]) , [1.5, 2] | sum, [true, 1] | sum
['b', 'a'] | sort | join | upper | list | first
users | map(attribute='name') | map('upper') | select('ne', 'BOB') | join('-')
users | selectattr('tags') | map(attribute='tags') | map('join', '/') | list
d.nested.k | map('string') | list | tojson
words | map('default', 'x') | list, [none, ''] | map('default', 'x', true) | list
'x' | map('upper') | list, {} | map('upper') | list, d | map('upper') | list
messages | map(attribute='role') | unique | list | length
5 | map('upper') is defined
'averyverylong-word' | wordwrap(8), '---' | wordwrap(2), 'a--b c--d' | wordwrap(2), '   lead' | wordwrap(4), 'x y' | wordwrap(0 + 1), 'a-b-c-d' | wordwrap(3), 'some-thing' | wordwrap(6, false)
'ab' | wordwrap(0)
""")

statements("more-stmt", r"""
{% set x = 1, %}{{ x }}
{% set x = 1 if false %}{{ x is defined }}
{% macro f(a, b) %}{{ a ~ b }}{% endmacro %}{{ f(*'ab') }}{{ f(*{'x': 1, 'y': 2}) }}{{ f(*range(2)) }}{{ f(*xs[:2]) }}
{% macro f(a) %}{{ a }}{% endmacro %}{% call f(caller=1) %}{% endcall %}
{% macro f() %}{{ caller(caller=1) }}{% endmacro %}{% call f() %}{% endcall %}
{% macro f() %}{{ caller(5) }}{% endmacro %}{% call f() %}x{% endcall %}
{% macro f() %}{{ caller.name }}{{ caller.arguments }}{{ caller }}{% endmacro %}{% call(a) f() %}x{% endcall %}
{% macro f(a, a) %}{% endmacro %}
{% set {} = 1 %}
{% set f() = 1 %}
{% set a[0] = 1 %}
{% for x.y in xs %}{% endfor %}
{% for x in xs %}{% else %}{% break %}{% endfor %}
{% for x in xs -%} {{ x }} {%- endfor %}
{% for x in d.nested.k recursive %}{{ x if x is number else loop(x.values()) }}{% endfor %}
{% for a in xs %}{{ loop.changed(a > 1) }}{{ loop.changed() }}{% endfor %}
{% for a in xs %}{{ loop | length }}{{ loop is sequence }}{{ loop is callable }}{{ loop is mapping }}{% endfor %}
{% filter indent(2) %}a{{ '\n' }}b{% endfilter %}
{% filter upper %}{% filter replace('A', 'b') %}a{% endfilter %}{% endfilter %}
{% set x | upper | trim %} a {% endset %}{{ x }}
{% macro f() %}{% filter upper %}{{ caller() }}{% endfilter %}{% endmacro %}{% call f() %}q{% endcall %}
{% macro f() %}{% set q %}{{ kwargs.a }}{% endset %}{{ q }}{% endmacro %}{{ f(a=5) }}
{% macro f() %}{% with v = varargs %}{{ v }}{% endwith %}{% endmacro %}{{ f(1, 2) }}
{% macro f() %}{% if varargs %}{{ varargs[0] }}{% endif %}{% for k in kwargs %}{{ k }}{% endfor %}{% endmacro %}{{ f(1, b=2) }}
{% macro f() %}{% set kwargs = 5 %}{{ kwargs }}{% endmacro %}{{ f() }}
{% macro f() %}{% for varargs in xs %}{{ varargs }}{% endfor %}{% endmacro %}{{ f() }}{{ f(1) }}
{% macro f() %}{% macro g(varargs) %}{{ varargs }}{% endmacro %}{{ g(3) }}{% endmacro %}{{ f() }}
{% macro f() %}{% macro g() %}{{ varargs }}{% endmacro %}{{ g(3) }}{{ varargs }}{% endmacro %}{{ f(1) }}
{% macro f() %}{% generation %}{{ kwargs.z }}{% endgeneration %}{% endmacro %}{{ f(z=1) }}
{% macro f() %}{% call g() %}{{ varargs }}{% endcall %}{% endmacro %}{% macro g() %}{{ caller(1, 2) }}{% endmacro %}{{ f(9) }}
{% if 1 %}{% for x in xs %}
{% if 1 %}{% set x %}{% endif %}
{% set ns = namespace(a=1) %}{% for i in xs %}{% for j in xs %}{% set ns.a = ns.a + j %}{% endfor %}{% endfor %}{{ ns.a }}{{ ns }}
{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}
{% with ns = namespace() %}{% set ns.v = 1 %}{{ ns.v }}{% endwith %}
{% set x = 5 %}{% macro f(x=x) %}{{ x }}{% endmacro %}{{ f() }}{{ f(6) }}
{% set x = 5 %}{% macro f(y=x) %}{{ y }}{% endmacro %}{% set x = 6 %}{{ f() }}
{% print x %}{% print 1, 2 %}
{{ 1 }}{% set _ = raise_exception('x') %}
{% if messages is defined and messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% endif %}
{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '\n' }}{% if not loop.last %}{{ '---' }}{% endif %}{% endfor %}
{% for m in messages | rejectattr('role', 'eq', 'system') %}{{ loop.index }}/{{ loop.length }}{{ m.content }}{% endfor %}
{% set first, rest = xs[0], xs[1:] %}{{ first }}{{ rest }}
{% call(u) (namespace(f=1)).f() %}{% endcall %}
{{ "a" if 1 else 2 if 3 else 4 }}{{ ("a" if 0 else 2) if 0 else 4 }}
{{ xs|map('string')|join(',')|length > 3 and true }}
{{ 'a' if 'b' in 'abc' and not 'd' in 'abc' or false else 'c' }}
{{ [x for x in xs] }}
{{ lambda: 1 }}
{{ x := 1 }}
{{ a if b else c if }}
{{ 1 in [1] in [[1]] }}
{{ d.a.b }}{{ d.a.b.c }}
{{ "\x41" "\u0042" }}
{{ foo.bar.baz }}
{{ é }}{% set é = 1 %}{{ é }}
{% if 1 %}{{ x is nope }}{% endif %}
{{ x | a.b }}{{ x is a.b }}
{{ a[1:2:3:4] }}
{{ x
""")


def run(template):
    variables = json.loads(json.dumps(VARS))  # the filter indent changes a list
    try:
        return {"text": env.from_string(template).render(**variables)}
    except jinja2.TemplateSyntaxError as e:
        return {"error": "TemplateSyntaxError", "message": e.message, "line": e.lineno}
    except Exception as e:
        lines = [f.lineno for f in traceback.extract_tb(e.__traceback__) if f.filename == "<template>"]
        message = str(e.message if isinstance(e, jinja2.TemplateError) else e)
        return {"error": type(e).__name__, "message": message, "line": lines[-1] if lines else 0}


with open(sys.argv[1], "w") as out:
    out.write(json.dumps({"vars": VARS}) + "\n")
    for name, templates in CASES.items():
        for i, template in enumerate(templates):
            result = run(template)
            if " at 0x" not in json.dumps(result):  # an address
                out.write(json.dumps({"name": f"{name}/{i}", "template": template, **result}) + "\n")
