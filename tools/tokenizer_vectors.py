#!/usr/bin/env python3
"""Write tests/vectors/tokenizers.json: small tokenizer.json files of every kind that src/text reads, and
what Hugging Face's tokenizers make of texts with them.

Usage: tools/tokenizer_vectors.py > tests/vectors/tokenizers.json
Needs the PyPI packages `tokenizers` and `sentencepiece`. For each text: the ids without control tokens read
from it, and with them.
"""
import base64
import io
import json
import struct
import sys

import sentencepiece
import tokenizers
from tokenizers import (AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors,
                        trainers)

MODERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
WORDS = ("once upon a time there was a little fox, and the fox said: \"it's 2024!\" They've 12345 apples; "
         "we'll see the tale's end once the time is up. An upper time, an under tale. ").split()
TEXTS = ["once upon a time", "", "  leading and trailing  ", "a\nb\n\n  c\r\n", "\u2581", "\u2581\u2581a x",
         "e\u0301\u0327 \u1100\u1161\u11a8 \u212b \u0344", "\u2460\ufb01\uff21 \u00bd\u093f", "<s>hi</s> <|end|>  x",
         "  <mask>  a", "xWORDx WORD .WORD WORD9", "foo bar foo  bar", "12345 tales, 1 fox's",
         "\U0001F916 naïve Ünder \u65e5\u672c", "It'S they'VE\tthe\u00a0end", "<tool>a<tool>", "\x01\x7f"]
SPECIAL = ["<unk>", "<s>", "</s>", "<|end|>"]


def text():
    return [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))]


def byte_level(pre, normalizer=None, **how):
    t = Tokenizer(models.BPE(**how))
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.train_from_iterator(text(), trainers.BpeTrainer(
        vocab_size=340, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def pieces(kind, **how):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(text()), model_writer=out, minloglevel=2,
                                             model_type=kind, hard_vocab_limit=False, **how)
    return sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())


def spelt(pre=None, normalizer=None):
    """Merges over spellings with U+2581 that fall back to bytes."""
    p = pieces("bpe", vocab_size=340, byte_fallback=True)
    vocab = {p.id_to_piece(i): i for i in range(p.get_piece_size())}
    merges = [(w[:k], w[k:]) for w in sorted(vocab, key=lambda w: -p.get_score(vocab[w]))
              for k in range(1, len(w)) if w[:k] in vocab and w[k:] in vocab and not w.startswith("<")]
    t = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if pre:
        t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.add_special_tokens([AddedToken(s, normalized=False) for s in SPECIAL])
    return t


def unigram(pre, normalizer=None):
    p = pieces("unigram", vocab_size=120)
    t = Tokenizer(models.Unigram([(p.id_to_piece(i), p.get_score(i)) for i in range(p.get_piece_size())],
                                 unk_id=p.unk_id()))
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.add_special_tokens(["<s>", "</s>"])
    return t


def charsmap():
    """A double array with a few rules, as sentencepiece compiles them, in base 64."""
    rules = {"\u2460": "1", "\ufb01": "fi", "\uff21": "A", "\r\n": " ", "\u00bd": "1\u20442", "e\u0301": "\u00e9",
             "\n": " ", "\u212b": "\u00c5"}
    texts, places = b"", {}
    for k, v in rules.items():
        places[k.encode()] = len(texts)
        texts += v.encode() + b"\0"
    units = {0: 0}

    def insert(at, keys, depth):
        """Lay the children of the node in unit `at` out: at ^ offset ^ byte."""
        labels = sorted({k[depth] for k in keys if len(k) > depth})
        leaf = [k for k in keys if len(k) == depth]
        offset = 1
        while any((at ^ offset ^ b) in units for b in labels + ([0] if leaf else [])) or offset >> 21:
            offset += 1
        units[at] |= offset << 10 | (1 << 8 if leaf else 0)
        for b in labels:
            units[at ^ offset ^ b] = b
        if leaf:
            units[at ^ offset] = 1 << 31 | places[leaf[0]]
        for b in labels:
            insert(at ^ offset ^ b, [k for k in keys if len(k) > depth and k[depth] == b], depth + 1)

    insert(0, list(places), 0)
    tree = b"".join(struct.pack("<I", units.get(i, 0)) for i in range((max(units) | 255) + 1))
    return base64.b64encode(struct.pack("<I", len(tree)) + tree + texts).decode()


def made():
    levels = pre_tokenizers.ByteLevel
    yield "gpt2", byte_level(levels(add_prefix_space=False))
    t = byte_level(levels(add_prefix_space=True))
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    yield "roberta", t
    t = byte_level(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(MODERN), "isolated"),
                                            levels(add_prefix_space=False, use_regex=False)]),
                   ignore_merges=True)
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False),
                                            processors.TemplateProcessing("<s> $A", None, [("<s>", 1)])])
    yield "llama3", t
    t = byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(MODERN.replace("{1,3}", "")), "isolated"),
        levels(add_prefix_space=False, use_regex=False)]), normalizers.NFC())
    t.add_tokens([AddedToken("WORD", single_word=True), AddedToken("foo bar", normalized=True)])
    t.add_special_tokens([AddedToken("<|end|>", rstrip=True)])
    yield "qwen2", t
    yield "starcoder", byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(True),
                                                           levels(add_prefix_space=False)]))
    t = spelt(None, normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]))
    t.add_tokens([AddedToken("<tool>", normalized=True)])
    yield "llama2", t
    yield "mistral", spelt(pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    yield "gemma", spelt(pre_tokenizers.Split(" ", "merged_with_previous"), normalizers.Replace(" ", "\u2581"))
    yield "unigram", unigram(pre_tokenizers.Metaspace())
    yield "whole", unigram(pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    t = unigram(pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
                normalizers.Sequence([normalizers.Strip(left=False, right=True),
                                      normalizers.Replace(Regex(" {2,}"), "\u2581")]))
    t.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 2)])
    yield "t5", t
    t = json.loads(unigram(pre_tokenizers.Metaspace()).to_str())
    t["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": charsmap()}
    yield "charsmap", Tokenizer.from_str(json.dumps(t))


def main():
    out = {"made": f"tools/tokenizer_vectors.py, tokenizers {tokenizers.__version__}", "tokenizers": {}}
    for name, t in made():
        cases = []
        for x in TEXTS:
            t.encode_special_tokens = False
            control = t.encode(x).ids
            t.encode_special_tokens = True
            cases.append([x, t.encode(x).ids, control])
        out["tokenizers"][name] = {"file": json.loads(t.to_str()), "cases": cases}
    body = json.dumps(out, ensure_ascii=True, separators=(",", ":"))
    print(body.replace('"cases":', '\n"cases":').replace('"file":', '\n"file":'))


sys.exit(main())
