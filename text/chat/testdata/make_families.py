#!/usr/bin/env python3
"""usage: make_families.py TOKENIZER_DIR OUT.json.gz [SEED]   (needs transformers 5.24, jinja2 3.1.6)

Renders random conversations with the templates of families.py by the reference's apply_chat_template. OUT holds the
templates by name, the requests as JSON texts, and for each pair [template, request, text, error], error being null or
what the reference raised."""
import datetime, gzip, json, os, random, sys
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils
from families import FAMILIES


class Clock(datetime.datetime):
    """The time of all renderings."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 2, 3, 4, 5, 6, 7008)


chat_template_utils.datetime = Clock
tokdir, out = sys.argv[1:3]
rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 11)
cfg = json.load(open(os.path.join(tokdir, "tokenizer_config.json")))
tok = PreTrainedTokenizerFast(tokenizer_file=os.path.join(tokdir, "tokenizer.json"),
                              **{k: cfg[k] for k in ("bos_token", "eos_token", "pad_token", "unk_token")})

PIECES = ["Hello", "what's the weather in Zürich?", 'say "hi"', "<b>&amp;</b>", "{{ x }} {% if %}", "日本語のテキスト", "naïve café",
          "line one\nline two", "\ttabbed", "  padded  ", "🙂👩‍👩‍👧", "a\\b\\n", "100%", "1. first\n2. second", "def f(x):\n    return {x: 1}",
          "</think>", "<think>hm</think>\n\nso", "<|im_end|>", "[INST]", "it's 'quoted'", "\u00a0nbsp", "end.", "", "ΑΣ ΟΔΟΣ", "ﬁne", "<tool_call>"]
TYPES = ["string", "integer", "number", "boolean", "array", "object"]


def text():
    return rng.choice([" ", "\n", ""]).join(rng.choice(PIECES) for _ in range(rng.randint(0 if rng.random() < 0.1 else 1, 3)))


def value(depth=0):
    kind = rng.randrange(7 if depth < 2 else 5)
    return [lambda: rng.choice(PIECES), lambda: rng.randint(-5, 10**rng.randint(0, 18)), lambda: rng.choice([0.5, 1e22, 1.0, -2.25e-7]),
            lambda: rng.random() < 0.5, lambda: None, lambda: [value(depth + 1) for _ in range(rng.randint(0, 3))],
            lambda: {rng.choice("abcdé") + str(i): value(depth + 1) for i in range(rng.randint(0, 3))}][kind]()


def schema(depth=0):
    s = {"type": rng.choice(TYPES), "description": rng.choice(PIECES)}
    if s["type"] == "array" and depth < 2:
        s["items"] = schema(depth + 1)
    if s["type"] == "object" and depth < 2:
        s["properties"] = {f"p{i}": schema(depth + 1) for i in range(rng.randint(0, 2))}
    if s["type"] == "string" and rng.random() < 0.4:
        s["enum"] = ["celsius", "fahr'enheit"]
    if rng.random() < 0.2:
        s["default"] = value(2)
    return s


def tool(i):
    props = {n: schema() for n in rng.sample(["city", "unit", "days", "q"], rng.randint(0, 3))}
    return {"type": "function", "function": {"name": f"tool_{i}", "description": rng.choice(PIECES), "parameters":
            {"type": "object", "properties": props, "required": list(props)[:rng.randint(0, len(props))]}}}


def content(parts):
    if parts and rng.random() < 0.5:
        return [{"type": "text", "text": text()} for _ in range(rng.randint(1, 3))]
    return text()


def request():
    tools = rng.random() < 0.4
    parts, reasons, odd = rng.random() < 0.12, rng.random() < 0.25, rng.random() < 0.1
    messages = []
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": content(parts)})
    for turn in range(rng.randint(1, 3)):
        messages.append({"role": "user", "content": content(parts)})
        if odd and rng.random() < 0.5:
            messages.append({"role": rng.choice(["user", "system", "tool", "critic"]), "content": text()})
        if tools and rng.random() < 0.6:
            calls = [{"id": f"call{turn}{i:04d}", "type": "function", "function": {"name": f"tool_{i}", "arguments":
                      value(0) if rng.random() < 0.1 else {f"a{j}": value(1) for j in range(rng.randint(0, 3))}}} for i in range(rng.randint(1, 2))]
            if rng.random() < 0.2:
                for c in calls:
                    c["function"]["arguments"] = json.dumps(c["function"]["arguments"])
            messages.append({"role": "assistant", "tool_calls": calls, **rng.choice([{}, {"content": text()}, {"content": None}])})
            for c in calls:
                messages.append({"role": "tool", "name": c["function"]["name"], "tool_call_id": c["id"],
                                 "content": rng.choice([text(), json.dumps(value()), text()])})
        m = {"role": "assistant", "content": content(parts)}
        if reasons and rng.random() < 0.7:
            m["reasoning_content"] = text()
        messages.append(m)
    r = {"messages": messages}
    last = rng.random()
    if last < 0.6:
        messages.pop()
        r["add_generation_prompt"] = rng.random() < 0.9
    elif last < 0.8:
        r["continue_final_message"] = True
    if tools and rng.random() < 0.9:
        r["tools"] = [tool(i) for i in range(rng.randint(1, 2))]
    if rng.random() < 0.2:
        r["documents"] = [{"title": text(), "text": text(), **({"doc_id": i, "score": 0.25 * i} if rng.random() < 0.5 else {})}
                          for i in range(rng.randint(0, 3))]
    for name, v in (("enable_thinking", rng.random() < 0.5), ("date_string", "03 Feb 2026"), ("reasoning_effort", rng.choice(["low", "high"])),
                    ("knobs", {"response_format": "json_object", "is_set": True}), ("citation_mode", rng.choice(["fast", "accurate"]))):
        if rng.random() < 0.15:
            r[name] = v
    return r


requests, cases = [request() for _ in range(100)], []
for name, template in sorted(FAMILIES.items()):
    for i in rng.sample(range(len(requests)), 30):
        r = json.loads(json.dumps(requests[i]))
        text_, error = None, None
        try:
            text_ = tok.apply_chat_template(r.pop("messages"), chat_template=template, tokenize=False, **r)
        except Exception as e:
            error = f"{type(e).__name__}: {e}"
        cases.append([name, i, text_, error])
with open(out, "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", filename="", mtime=0, compresslevel=9) as z:
    z.write(json.dumps({"templates": FAMILIES, "requests": [json.dumps(r) for r in requests], "cases": cases}).encode())
refused = sum(c[3] is not None for c in cases)
print(f"{len(FAMILIES)} templates, {len(cases)} cases, {refused} of them refused, {os.path.getsize(out)} bytes", file=sys.stderr)
