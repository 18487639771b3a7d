#!/usr/bin/env python3
"""Write tests/vectors/pretokenize.h: how the published regular expressions cut texts into pieces.

Usage: tools/pretokenize_vectors.py > tests/vectors/pretokenize.h
Needs the PyPI package `regex`, which is the oracle; the scanners of src/text must agree with it.
Every expression of a family cuts the pieces of the one before: matches, and gaps between matches.
"""
import random
import sys

import regex

CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SPACE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
MODERN = (CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACE)
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = (r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + r"+TAIL|[^\r\n\p{L}\p{N}]?" + UPPER + "+" +
         LOWER + r"*TAIL|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACE)
LLM_LETTERS = (
    r"A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
    r"\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1"
    r"\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd"
    r"\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d"
    r"\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
    r"\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec"
    r"\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    r"\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b"
    r"\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787"
    r"\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    r"\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
    r"\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943")
LLM_PUNCT = r"!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002"
CJK = r"[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

FAMILIES = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
    "gpt-2": [GPT2],
    "llama-bpe": [MODERN.replace("DIGITS", "{1,3}")],
    "qwen2": [MODERN.replace("DIGITS", "")],
    "qwen35": [CONTRACTION + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
               r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + SPACE],
    "starcoder": [r"\p{N}", GPT2],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"],
    "deepseek-llm": [r"[\r\n]", r"\s?[" + LLM_LETTERS + "]+", r"\s?[" + LLM_PUNCT + "]+", r"\s+$",
                     CJK, r"\p{N}+"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", r"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
                    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|" + SPACE],
    "gpt-4o": [CASED.replace("TAIL", CONTRACTION + "?").replace("DIGITS", "{1,3}")],
    "tekken": [CASED.replace("TAIL", "").replace("DIGITS", "")],
}

TEXTS = [
    "Hello, world! It's 2024; we've got 12345 apples.", "I'M you'LL DON'T 'S 'sure 'll'l '\u017fx",
    " leading", "  two", "   three  inner   gaps   ", "\t\ttabs\tand spaces \t x", "a\n\nb\r\n\r\nc",
    "line \n  next\n\n\n   indented\n", "x=1;for(i=0;i<10;++i){a[i]+=0x1F;}//c\r\n\r\n",
    "Äpfel CafÉ naïve ǅungla ǅ ẞ İstanbul", "e\u0301a\u0300 \u0301x \u0301\u0301 A\u0301B \u0301AB",
    "日本語のテキストと한국어 và tiếng Việt", "1234567 １２３４ ²³½ Ⅷ ٣٤٥ 3.14e-10", "$100+<=>^~|`°©€∑",
    "🤖👨‍👩‍👧‍👦🏳️‍🌈 ok", "\u3000全角　スペース。！／：～ ‘quotes‟", "camelCase HTTPServer XMLHttpRequest ABCd aB",
    "ʰmodifier ªlo ºLO ʰʰA Aʰ Aʰb", "\x00\x01\x7f \x1c\x1f \x85\xa0\u2028x", "مرحبا بالعالم שלום עולם",
    "    def f(x):\n        return x**2  # ok\n\n\n", "...!!! ''' \"\"\" // /// /\n/x", "a/b\\c a.b.c #tag @me",
    "हिन्दी ภาษาไทย ខ្មែរ", " \n", "\n ", " ", "\r", "\r\n \r\n", "'", "' 's", "µΩÅ ﬀﬁ Ａｂ 𐐀𐐨 𞤀",
]
ALPHABET = ("aZzAeSTsmdlrvLLVERE'''  \u3000\t\n\r\n..,!/-$+`|<~019\u00b2\u0663\u00bdǅǆÉéßʰª日本のカ한\u0301\u0300"
            "\u0940🤖\u200d\u00a9\u0001\x7f\u00a0\u2028\u017f\u0628\u05e9\u0f0b（。‘\u0800\u02b0µ𐐀𐐨")


def compiled(expressions):
    white = [e.replace(r"\s", r"\p{White_Space}").replace(r"\S", r"\P{White_Space}")
             for e in expressions]
    return [regex.compile(e) for e in white]


def cut(expressions, text):
    """Pieces of a text, the expressions being compiled."""
    pieces = [text] if text else []
    for expression in expressions:
        after = []
        for piece in pieces:
            at = 0
            for m in expression.finditer(piece):
                if m.end() > m.start():
                    after += [p for p in (piece[at:m.start()], m.group()) if p]
                    at = m.end()
            after += [piece[at:]] if at < len(piece) else []
        pieces = after
    return pieces


def random_texts(count, length, seed):
    draw = random.Random(seed)
    return ["".join(draw.choice(ALPHABET) for _ in range(length)) for _ in range(count)]


def quoted(text):
    """A C string, broken into lines of at most 90 columns."""
    units = ["\\%03o" % b if b < 32 or b > 126 or b in b'"\\?' else chr(b) for b in text.encode()]
    lines = [""]
    for unit in units:
        if len(lines[-1]) + len(unit) > 88:
            lines.append("")
        lines[-1] += unit
    return "\n     ".join('"%s"' % line for line in lines)


def wrapped(items, indent):
    line = " " * indent
    for item in items:
        if len(line) + len(item) > 98:
            print(line.rstrip())
            line = " " * indent
        line += item + " "
    print(line.rstrip())


def main():
    texts = TEXTS + random_texts(24, 40, 1)
    print("/* Generated by tools/pretokenize_vectors.py with regex %s: do not edit. */"
          % regex.__version__)
    print("/* clang-format off */")
    print("static const struct { const char *text; size_t n; } vector_texts[] = {")
    for text in texts:
        print("    {%s, %d}," % (quoted(text), len(text.encode())))
    print("};\n\n/* Lengths of the pieces of each text in turn, in bytes; 0 ends a text. */")
    for name, expressions in FAMILIES.items():
        lengths = []
        for text in texts:
            lengths += [len(p.encode()) for p in cut(compiled(expressions), text)] + [0]
        print("static const unsigned char pieces_%s[] = {" % name.replace("-", "_"))
        wrapped(["%d," % n for n in lengths], 4)
        print("};")
    print("\nstatic const struct { const char *pre; const unsigned char *lengths; } vector_sets[] = {")
    for name in FAMILIES:
        print('    {"%s", pieces_%s},' % (name, name.replace("-", "_")))
    print("};")


if __name__ == "__main__":
    sys.exit(main())
