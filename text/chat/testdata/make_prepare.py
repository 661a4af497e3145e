#!/usr/bin/env python3
"""usage: make_prepare.py TOKENIZER_DIR OUT.jsonl   (needs transformers 5.23, jinja2 3.1.6)

Renders requests that show how the reference's apply_chat_template prepares messages and cuts the text where
continue_final_message asks for it. A line has name, template, request (as JSON), and text or error."""
import json, os, sys
from transformers import PreTrainedTokenizerFast

tokdir, out = sys.argv[1:]
cfg = json.load(open(os.path.join(tokdir, "tokenizer_config.json")))
tok = PreTrainedTokenizerFast(tokenizer_file=os.path.join(tokdir, "tokenizer.json"),
                              **{k: cfg[k] for k in ("bos_token", "eos_token", "pad_token", "unk_token")})

PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
TRIM = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>{% endfor %}"
PARTS = "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}{{ p.text if p.type == 'text' else '[' ~ p.type ~ ']' }}{% endfor %}</>{% endfor %}"
DROP = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
SPLIT = "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1].lstrip('\n') }}</>{% endfor %}"
KEYS = "{% for m in messages %}{{ m.keys() | list }}{{ m.content is defined }}{{ m.thinking }}{{ m.reasoning_content }};{% endfor %}"
THINK = "{% for m in messages %}<{{ m.role }}>{% if m.thinking %}[{{ m.thinking }}]{% endif %}{{ m.content }}</>{% endfor %}"
VARS = "{{ bos_token }}{{ eos_token }}{{ sep_token is defined }}{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}{{ tools | length if tools }}{{ foo }}"
U, A = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "Sure:\n1."}


def case(name, template, messages, **kw):
    request = {"messages": messages, **kw}
    line = {"name": name, "template": template, "request": request}
    try:
        line["text"] = tok.apply_chat_template(json.loads(json.dumps(messages)), chat_template=template, tokenize=False, **kw)
    except Exception as e:
        line["error"] = f"{type(e).__name__}: {e}"
    return line


def said(content, **kw):
    return [U, {"role": "assistant", "content": content, **kw}]


lines = [
    case("continue", PLAIN, [U, A], continue_final_message=True),
    case("continue-generation", PLAIN, [U, A], continue_final_message=True, add_generation_prompt=True),
    case("continue-off", PLAIN, [U, A], continue_final_message=False, add_generation_prompt=True),
    case("continue-padded", PLAIN, said("  a b  \n"), continue_final_message=True),
    case("continue-trim", TRIM, [U, A], continue_final_message=True),
    case("continue-trim-padded", TRIM, said("  a b  \n"), continue_final_message=True),
    case("continue-trim-blank", TRIM, said("  "), continue_final_message=True),
    case("continue-empty", PLAIN, said(""), continue_final_message=True),
    case("continue-repeated", PLAIN, [A, U, A], continue_final_message=True),
    case("continue-user", PLAIN, [A, U], continue_final_message=True),
    case("continue-parts", PARTS, said([{"type": "text", "text": "a"}, {"type": "text", "text": "b "}, {"type": "image"}]), continue_final_message=True),
    case("continue-parts-last", PARTS, said([{"type": "image"}, {"type": "text", "text": "b"}]), continue_final_message=True),
    case("continue-parts-none", PARTS, said([{"type": "image"}]), continue_final_message=True),
    case("continue-null", PLAIN, said(None), continue_final_message=True),
    case("continue-dropped", DROP, [U, A], continue_final_message=True),
    case("continue-unused", "{% for m in messages %}{{ m.role }}{% endfor %}", [U, A], continue_final_message=True),
    case("continue-think", SPLIT, said("<think>x</think>\n\nanswer"), continue_final_message=True),
    case("continue-reasoning", THINK, said("", reasoning_content="let me"), continue_final_message="reasoning_content"),
    case("continue-thinking", THINK, said("x", thinking="let me"), continue_final_message="thinking"),
    case("continue-no-reasoning", THINK, said("x"), continue_final_message="reasoning_content"),
    case("continue-field", "{% for m in messages %}{{ m.role }}{{ m.draft }}{% endfor %}.", said("x", draft="abc "), continue_final_message="draft"),
    case("null-fields", KEYS, said(None, tool_calls=None, name="x")),
    case("reasoning", KEYS, said("x", reasoning="r")),
    case("reasoning-content", KEYS, said("x", reasoning_content="r")),
    case("reasoning-thinking", KEYS, said("x", thinking="t")),
    case("reasoning-both", KEYS, said("x", thinking="t", reasoning_content="r")),
    case("reasoning-null", KEYS, said("x", thinking="t", reasoning_content=None)),
    case("reasoning-empty", KEYS, said("x", reasoning_content="")),
    case("vars", VARS, [U]),
    case("vars-tools", VARS, [U], tools=[{"type": "function"}], documents=[], add_generation_prompt=True, foo="bar", bos_token="B"),
    case("vars-empty-tools", VARS, [U], tools=[]),
    case("tag-in-text", PLAIN, said("CONTINUE_FINAL_MESSAGE_TAG and on"), continue_final_message=True),
    case("many-args", "{{ messages[0] | tojson }}{{ extra | tojson(indent=1) }}", [{"content": "é", "role": "user", "b": 1, "a": [1.0, 1e21, 10**20]}], extra={"z": 1, "a": {"y": None}}),
]
with open(out, "w") as f:
    for line in lines:
        f.write(json.dumps(line) + "\n")
