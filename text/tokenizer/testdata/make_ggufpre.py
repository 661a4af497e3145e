"""Writes ggufpre.jsonl: how llama.cpp splits texts for each name of tokenizer.ggml.pre, and what else the name sets.

Run with the path of llama.cpp's src/ (the source distribution of llama-cpp-python 0.3.36 has it under vendor/). Takes
the tables out of llama-vocab.cpp, and compiles unicode.cpp, which splits, with a C++ compiler.
Where llama.cpp's splitting does not tell upper from lower case, or bounds of words, as the models' own tokenizer.json
do, the splits are those of tokenizers 0.23.3 with these expressions (OWN).
A line is {"name", "ignore_merges", "add_bos", "splits": [[piece, ...] for each text]}; the first line has the texts.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

from tokenizers import Regex, pre_tokenizers

src = sys.argv[1]
code = open(os.path.join(src, "llama-vocab.cpp")).read()

TEXTS = [
    "Hello WORLD, it's 1234567 naïve cafés!  two  spaces\n\n\nend \t x",
    "don't I'LL we'Ve they're HTTPServer camelCase snake_case MiXeD",
    "1 12 123 1234 12345 123456 3.14 1,000,000 x1234y",
    "日本語のテキスト、中文。한국어 ABC中文abc 漢字ひらがな",
    "Привет мир! Straße Ünïcödé Ελληνικά עברית العربية",
    "for (int i = 0; i < 10; i++) {\n\tprintf(\"%d\\n\", i);\n}\n\n// a/b\\c #tag @user $5 50% `q` ~ ^ | a=b; c<=d",
    "emoji 😀👍 … “quoted” ‘single’ — dash",
    "   leading and trailing   ", "\n", " \r\n\r\n a", "a\n b", "!!!???... --- ___\n===\nx", "<sentinel:12> IMGIMGABZ",
]

SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"


def o200k(digits, upper=r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", lower=r"\p{Ll}\p{Lm}\p{Lo}\p{M}", slash="/"):
    lead = r"[^\r\n\p{L}\p{N}]?"
    return (
        lead + "[%s]*[%s]+" % (upper, lower) + SUFFIX + "?|" + lead + "[%s]+[%s]*" % (upper, lower) + SUFFIX + "?|" + digits
        + r"| ?[^\s\p{L}\p{N}]+[\r\n" + slash + r"]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


NO_HAN = r"&&[^\p{Han}]"
OWN = {
    "youtu": [r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+", o200k(r"\p{N}")],
    "tiny_aya": [r"\d{1,3}(?=(?:\d{3})*\b)", o200k(r"\p{N}{1,3}")],
    "kimi-k2": [r"[\p{Han}]+|" + o200k(r"\p{N}{1,3}", r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}" + NO_HAN, r"\p{Ll}\p{Lm}\p{Lo}\p{M}" + NO_HAN, "")],
}
OWN["cohere2moe"] = OWN["tiny_aya"]

chain = code[code.index("if (tokenizer_pre.empty())") : code.index('"unknown pre-tokenizer type')]
kinds = []
for cond, body in re.findall(r"if \(((?:[^{]|\{[^}]*\}(?!\s*else))*?)\) \{(.*?)\n            \}", chain, re.S):
    for name in re.findall(r'tokenizer_pre == "([^"]+)"', cond):
        kind = re.search(r"pre_type = (LLAMA_VOCAB_PRE_TYPE_\w+)", body).group(1)
        kinds.append((name, kind, "ignore_merges = true" in body, "add_bos = true" in body))
cases = code[code.index("struct llm_tokenizer_bpe :") :]
cases = cases[cases.index("switch (vocab.get_pre_type())") :]
cases = cases[: cases.index("std::vector<std::string> regex_exprs;")]
cases = cases[: cases.rindex("}")].replace("vocab.get_pre_type()", "type")
enum = "enum { %s };" % ", ".join(dict.fromkeys(re.findall(r"LLAMA_VOCAB_PRE_TYPE_\w+", chain + cases)))
main = """#include "unicode.h"
#include <cstdio>
%s
int main() {
  for (int type, length; scanf("%%d %%d", &type, &length) == 2;) {
    getchar();
    std::string text(length, 0);
    if (fread(&text[0], 1, length, stdin) != (size_t) length) return 1;
    std::vector<std::string> regex_exprs; bool byte_encode = true;
    %s
    for (auto & p : unicode_regex_split(text, regex_exprs, false)) printf("%%zu ", p.size());
    puts("");
  }
}""" % (enum, cases)
order = re.findall(r"\w+", enum)[1:]
with tempfile.TemporaryDirectory() as tmp:
    open(tmp + "/main.cpp", "w").write(main)
    files = [tmp + "/main.cpp", src + "/unicode.cpp", src + "/unicode-data.cpp"]
    subprocess.run(["g++", "-std=c++17", "-O1", "-w", "-I" + src, "-I" + src + "/../include", "-I" + src + "/../ggml/include", "-o", tmp + "/split"] + files, check=True)
    jobs = b"".join(b"%d %d\n%b" % (order.index(k), len(t.encode()), t.encode()) for _, k, _, _ in kinds for t in TEXTS)
    out = subprocess.run([tmp + "/split"], input=jobs, capture_output=True, check=True).stdout.decode().split("\n")
lines = [json.dumps({"texts": TEXTS}, ensure_ascii=False)]
for i, (name, kind, ignore, bos) in enumerate(kinds):
    splits = []
    for j, text in enumerate(TEXTS):
        data, pieces = text.encode(), []
        for n in map(int, out[i * len(TEXTS) + j].split()):
            pieces.append(data[:n].decode())
            data = data[n:]
        if name in OWN:
            own = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r), "isolated") for r in OWN[name]])
            pieces = [p for p, _ in own.pre_tokenize_str(text)]
        splits.append([p for p in pieces if p])
    lines.append(json.dumps({"name": name, "ignore_merges": ignore, "add_bos": bos, "splits": splits}, ensure_ascii=False, separators=(",", ":")))
open("ggufpre.jsonl", "w").write("\n".join(lines) + "\n")
print(len(kinds), "names")
