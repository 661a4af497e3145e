"""Writes regex.jsonl.gz: what the reference library's regular expressions find in texts of many scripts.

Run with tokenizers 0.23.3. A line is {"p": expression, "t": [[text, replaced, matches], ...]}, where replaced has a
"¦" for every match, the empty ones too, and matches are those that are not empty; or {"p": expression, "error": message}.
"""

import gzip
import json
import random

from tokenizers import Regex, normalizers, pre_tokenizers

TEXTS = [
    "Hello, world! It's 1876 (a|b) ok_then.",
    "हिन्दी किताब १२३ और पानी, a",
    "ভাষা မြန်မာ ภาษาไทย ١٢٣ ۴ ᠑",
    "e\u0301a\u200db x\u200c👨\u200d👩\u200d👧 👍🏽 ❤\ufe0f 🇩🇪🇫🇷🇮 #\ufe0f\u20e3",
    "a\u00a0b\u0085c\u200bd\u2028e\u3000f\ufeffg \t\r\nh\n\ni\r",
    "_a_ __1 ²³ Ⅻ ½ ① ٣ 3.14 1,000 0xFf",
    "中文。日本語、カタカナ ひらがな 한국어 \u1100\u1161\u11a8 \u1112",
    "Straße STRASSE ẞ ſs Ss ﬁ FI ﬃ ŉ ΐ Σςσ K Å İıiI ǆǅǄ",
    "don't I'LL we'Ve 'ſ x'D",
    "$+<=>^`|~ !\"#%&'()*,-./:;?@[\\]_{} €©¬×÷ „“«»",
    "\u0e01\u0e33\u0e34 \u0903\u093f\u0bbe \u1b4e\u1c89\u1c8a \U00010d50\U00010d70 \U0002ebf0 \u0897 \u20c0",
    "aab aaab abab xxabx bcb ab\nab\n",
    "camelCase HTTPServer ǅx 𝔘𝟘 𐐀𐐨 \U000e0041 \ue000",
    "ϑ ϴ Θ ᾳ ᾼ ΑΙ αι ﬆ ﬅ և ԵՒ Ꭰ ꭰ ა Ა \ua7cb\u0264 \ua7dc\u019b ẚ aʾ sst ßt xß FISS a-bcdefz",
    "\n", "", "\n\na", "ß", "a", "\u0301",
    "\x00\x01\x1f\x7f\x80\xad \u061c\u2066",
]

# Well known tokenizers' and what people write.
HAND = r"""
'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+
(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}
 ?[^(\s|[.,!?…。，、।۔،])]+
 ?[^(\s|.,!?…。，、।۔،)]+
[^\W\d_]+
[^\W\d_]
[^\W_]+
[^\S\r\n]+
[^\D]+
[^\H]
[^\P{L}]+
[^\W\S]
[^\w\s]+|\w+
\w+|[^\w\s]+
\b\w+\b
\B.
\d+|\D+
[[:alpha:]]+|[[:digit:]]+
[[:punct:]]+
[^[:punct:][:space:]]+
[[:^alpha:]]+
[[:word:]]+
[[:alnum:]]+
[[:upper:]][[:lower:]]*
[[:print:]]+
[[:graph:]]+
[[:cntrl:]]
[[:blank:]]+
[[:xdigit:]]+
[[:ascii:]]+
[[:space:]]+
[[:foo:]]
[[:alpha]]
[:alpha:]
\h+|\H
\R
\R+
\X
\X{2}
a\X
\N+
\O
(?m:.+)
.+
^.
.$
^
$
\A.
.\z
.\Z
^a|b$
[a-w&&[^c-g]z]+
[a-z&&[^aeiou]]+
[^a-z&&[^aeiou]]+
[\p{L}&&[^\p{Lu}]]+
[\p{L}&&\p{ASCII}]+
[\w&&[^\d_]]+
[[a-f][0-9]&&[^b-d]&&[^5]]+
[a&&]
[&&a]
[a[^b]]
[^a[^b]]
[^[^a]]
[^a[^\D\d]]
[^a[^\\D\\d]]
[^[^a-z][0-9]]+
[]a]
[^]]+
[a-]+
[-a]+
[a-c-e]+
[+--]+
[--a]+
[a\-z]+
[\w-]+
[\w.-]+
[\w-.]
[a-\d]
[[a]-z]+
[z-a]
[]
[^]
[a
[[a]
(
)
a)
(?
*
a|*
(?:)*
a**
a?+?
a+?
a*?b
a??b
(?:a|b)??c
a++b
a*+a
a?+a
a{2}
a{2}?
a{1,2}?
a{2,}
a{,2}
a{,}
a{
a{x}
{a}
a{2}+
a{1,2}+
a{2,1}b
a{2,1}ab
a{100001}
(?:ab){2}
(?>a+)b
(?>a|ab)c
(?=b)
(?!a).
(?<=a)b
(?<!a)b
(?<=a+)b
(?<=a|bc)b
(?<=^|b)a
(?<=\R)b
(?<=\b)b
(?<=(a))b
(?<=(?>a|ab))c
(?<=a++)b
(?<=\p{L})(?=\p{N})|(?<=\p{N})(?=\p{L})
(?<=[a-z])(?=[A-Z])
^*a
\b*a
(?=a)*b
(a)\1
(?<n>a)\k<n>
(?'n'a)\k'n'
(?<n>a)(b)\k<n>
(?<n>a)(b)\1
(a)(?(1)b|c)
(a)?(?(1)b|c)
(?<n>a)?(?(<n>)b|c)
(a)\k<1>
(a)\k<-1>
(a)\2
\1(a)
\8
\12
\x61
\x{61}
\x{e4}
\xe4\xb8\xad
[\xe4\xb8\xad]
\xe4
\u4e2d
\u{61}
\141
\o{141}
\x{61 62}
\e|\a|\v|\f|\t
\cA|\C-a
\q\Q
\_\-\/\'
\é
\p
\pL
\p{Han}+
\p{^Han}+
\P{Han}
\P{^Lu}
\p{l_u}
\p{Uppercase Letter}+
\p{Script=Han}
\p{IsHan}
\p{Foo}
\p{L
\p{Hiragana}|\p{Katakana}|\p{Hani}
\p{InBasicLatin}+
\p{In_Devanagari}+
\p{Emoji}
\p{Emoji_Presentation}
\p{Extended_Pictographic}
\p{Alphabetic}+
\p{Alpha}+
\p{Punct}
\p{Word}+
\p{White_Space}
\p{ID_Start}\p{ID_Continue}*
\p{Any}
\p{Cn}
\p{LC}+
\p{M}+
\p{Nd}+|\p{Nl}|\p{No}
\p{S}+
\p{Sc}|\p{Sm}|\p{Sk}|\p{So}
\p{Z}
\p{C}
\p{Cf}
\p{Common}
\p{Inherited}
\p{Devanagari}+|\p{Bengali}+|\p{Myanmar}+|\p{Thai}+
\p{Greek}+|\p{Cyrillic}+|\p{Latin}+|\p{Arabic}+
(?i)straße
(?i)STRASSE
(?i)ß
(?i)ss
(?i)s+
(?i)ss+
(?i)[ß]
(?i)[^ß]
(?i)[ßx]+
(?i)[k]
(?i)k
(?i)σ
(?i)[^σ]
(?i)fi
(?i)ffi
(?i)ﬃ
(?i)ﬁ
(?i)i
(?i)İ
(?i)i̇
(?i)ǆ
(?i)ʼn
(?i)å
(?i)'s
(?i)\x73s
(?i)\u0073
(?i)\p{Lu}+
(?i)[\p{Lu}]+
(?i)[^\p{Lu}]+
(?i)[[:upper:]]+
(?i)[[:lower:]]+
(?i)[a-z&&[^k]]+
(?i)[^a-z&&[^k]]+
(?i)\w+
(?i)[\w]+
(?i)(?-i)A
(?i)(a)\1
(?i:s)s
(?i:s)(?i:s)
(?i)(?:s)s
(?i)(?:(?:s))s
(?i)(?:s|t)s
(?i)s(?:s|t)
(?i)(?<n>s)s
(?i)(?<n>x)(s)s
(?i)[s]s
(?i)s(?:)s
(?i)sst
(?i)ßs
(?i)ﬁß
(?i)ẚ
(?i)αι
(?i)ᾳ
(?i)[ᾳ]
(?i)եւ
(?i)st
(?i)[ﬅ]
(?i)[\p{L}]
(?i)[\p{Ll}]+
(?i)ꭰ
(?i)Ა
(?i)\u1c89
(?i)\ua7cb
(?i)\ua7dc
(?i)ɤ
(?i)θ
(?i)µ
[[a]-]+
[[a]-c-e]+
[[:alpha:]-]+
(?i)s(?#x)s
(?i)(?<=s)s
(?i)(?<=ß).
(?i)(?<=ss).
(?i)𐐀
a(?i)b|C
(?:a(?i)b)C
(?i)a|B
(?i-m:h)
(?mi-x).H
(?-mix:A.)
(?x) a b [ c] # d
(?x: a b ) c
(?x)a\ b
(?x)a +b
(?x)[a b]+
(?#c)a
a(?#c)+
(?W:\w)+
(?W:\b)
(?W)\bé
(?W:\p{Word})+
(?W:[[:word:]])+
(?W:[\w])+
(?W:\W)+
(?D:\d)+
(?D:\D)+
(?D:[[:digit:]])+
(?S:\s)+
(?P:\w)+
(?P:\d)+
(?P:[[:alpha:]])+
(?P:[[:punct:]])+
(?P:\p{Alpha})+
(?P:\p{L})+
(?P:\s\w)
(?P:\S\w)
(?I)a
(?L)a
(?C)a
(?s:.)
(?u)a
(?a)a
(?y{g})\X
(?~ab)
(?<n>a)\g<n>
a\Kb
\Ga
\y
\Y
(*FAIL)
(?{x})a
\M-a
x*
a*
a|
a*?
()
(?:a|b*)*
(?:a*)*b
(?:a?)+b
(?:a*?)*?b
(?:\b|a)*
(a|b)*\1
[\b]
[\h]+
[\R]
[\X]
[\N]
[\O]
[\A\z]
[\B]
[\p{^L}]+
[^\p{^L}]+
[\P{L}&&\S]+
[a-zA-Z0-9_]+
[áéí]+
[À-ÿ]+
[一-龥]+
[\x{4e00}-\x{9fa5}]+
[\u4e00-\u9fff]+
[a-z[A-Z]]+
[\[\]]
[\^a]
[a^]
[$.*+?(){}|]+
[\\]
[\n\r]+
[^\n]+
\.
\$
\d{1,3}(?=(?:\d{3})*\b)
(?=(\d{3})+(?!\d))
(?<=\d)(?=\d)
(?<!\d)\d
\s+(?=\S)|\s+$
\s+$
[\p{P}\$\+<=>\^~\|`]+
[\p{P}!-/:-@\[-`{-~]
<sentinel:[0-9]+>
([\t\n]|    |  )
""".strip("\n").split("\n")

random.seed(11)
ATOMS = [
    r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\h", r"\H", r"\R", r"\X", r".", "a", "b", "ab", "s", "ß", "é", "1", "_", " ", "'", r"\n", r"\b", r"\B",
    r"\p{L}", r"\p{Lu}", r"\p{M}", r"\p{N}", r"\P{L}", r"\p{^P}", r"\p{Han}", r"\p{Devanagari}", r"\p{Emoji}", "(?=a)", r"(?!\s)", r"(?<=\w)", "(?<!a)", "^", "$", r"\N", r"\O",
]
MEMBERS = [
    "a", "b-f", "0-9", "_", "é", "ß", " ", r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\h", r"\n", r"\p{L}", r"\P{L}", r"\p{Lu}", r"\p{^M}", r"\p{N}", r"\p{Han}",
    "[:alpha:]", "[:^punct:]", "[:upper:]", "[:word:]", "[:space:]", "k", "s", "à-ü", "ก-ฮ", r"\-", r"\]", "'", ".",
]


def char_class(depth=0):
    parts = random.choices(MEMBERS, k=random.randint(1, 4))
    if depth < 2 and random.random() < 0.35:
        parts.insert(random.randint(0, len(parts)), char_class(depth + 1))
    if depth < 2 and random.random() < 0.25:
        parts.insert(random.randint(0, len(parts)), "&&")
    return "[" + random.choice(["", "", "^"]) + "".join(parts) + "]"


def expression(depth=0):
    out = ""
    for _ in range(random.randint(1, 3)):
        kind = random.random()
        if kind < 0.4:
            part = random.choice(ATOMS)
        elif kind < 0.75 or depth > 1:
            part = char_class()
        else:
            head = random.choice(["(?:", "(", "(?i:", "(?>", "(?m:", "(?W:", "(?P:", "(?=", "(?<=", "(?!"])
            part = head + expression(depth + 1) + ("|" + expression(depth + 1) if random.random() < 0.4 else "") + ")"
        out += part + random.choice(["", "", "", "?", "*", "+", "+?", "*?", "??", "++", "{2}", "{1,2}", "{,2}", "{2,}?"])
    return out


def find(pattern):
    try:
        split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
        replace = normalizers.Replace(Regex(pattern), "¦")
        texts = TEXTS if pattern in HAND else random.sample(TEXTS, 7)
        return {"p": pattern, "t": [[t, replace.normalize_str(t), [m for m, _ in split.pre_tokenize_str(t)]] for t in texts]}
    except Exception as e:
        return {"p": pattern, "error": str(e)}
    except BaseException as e:  # a search without end
        if type(e).__name__ != "PanicException":
            raise


patterns = HAND + ["(?x)a#c\n b"] + [char_class() for _ in range(250)] + ["(?i)" + char_class() for _ in range(100)]
patterns += [expression() for _ in range(700)]
found = [find(p) for p in dict.fromkeys(patterns)]
lines = [json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in found if f]
data = gzip.compress("\n".join(lines).encode(), 9, mtime=0)
open("regex.jsonl.gz", "wb").write(data)
print(len(lines), "expressions", sum('"error"' in l for l in lines), "errors", len(data), "bytes")
