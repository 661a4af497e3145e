// Package jinja interprets the part of the Jinja2 template language that chat templates use.
//
// It renders what the Python package jinja2 3.1 renders in the environment of Hugging Face's apply_chat_template:
// sandboxed and immutable, trim_blocks and lstrip_blocks on, keep_trailing_newline and autoescape off, the loop controls
// break and continue, {% generation %} blocks, the functions raise_exception, strftime_now, namespace and dict, and a
// tojson that is json.dumps(ensure_ascii=False) without HTML escaping. Values behave as Python's do: printing, truth,
// ordering, slicing and the methods of str, list and dict.
//
// Left out: include, import, from, extends, block, autoescape, and the filters random, pprint, urlize and xmlattr.
// Integers have 64 bits; larger ones pass through from data to output but take no part in arithmetic.
//
// Templates are untrusted. The size and nesting of a source are bounded by [Parse]; work, memory, call depth and output of
// a rendering are bounded by [Options], and all that a template can have done is paid from one budget. All failures are
// values: [*Error] with the template's line and the name Python gives that kind of error, or [*RaisedError] when the
// template itself called raise_exception.
package jinja
