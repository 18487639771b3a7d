"""plexus with the tokenizers of others: tokenizer.json files, whose tokens are in tests/vectors, and models
that python3-sentencepiece trains and that must give the same tokens here and there."""
import json
import os
import subprocess
import sys

import harness
from harness import equal

# Run by Debian's Python, which has sentencepiece: train models, and encode the lines with each.
TRAIN = r'''
import json, random, sys
import sentencepiece
rng = random.Random(3)
words = ["".join(rng.choice("etaoinshrdlucmfwyp") for _ in range(rng.randrange(1, 9))) for _ in range(700)]
odd = "\u00e4\u00df\u00e9\u65e5\u672c\u0431\u03b1\u0301\u00bd\ufb01\uff21\u3000\u00a0\u200b\t\u2581<>s"
def word():
    r = rng.random()
    if r < .8:
        return words[min(int(rng.expovariate(.02)), 699)]
    if r < .9:
        return "".join(rng.choice(odd) for _ in range(rng.randrange(1, 5)))
    return rng.choice(["", "<tool>", "<s>", "of it", str(rng.randrange(10 ** 6))])
lines = [" ".join(word() for _ in range(rng.randrange(1, 14))) for _ in range(10000)]
lines += ["", " ", "  a  b  ", "\u2581\u2581a", "of it of it", "<tool><tool>", "\u1100\u1161\u11a8", "x" * 300]
json.dump(lines, open("lines.json", "w"))
kinds = {
    "bpe": dict(model_type="bpe", byte_fallback=True, character_coverage=.99),
    "unigram": dict(model_type="unigram"),
    "plain": dict(model_type="unigram", normalization_rule_name="identity", byte_fallback=True,
                  remove_extra_whitespaces=False, user_defined_symbols=["<tool>", "of it", "\u2581\u2581"]),
    "user": dict(model_type="bpe", add_dummy_prefix=False, user_defined_symbols=["<tool>", "the"]),
    "across": dict(model_type="unigram", split_by_whitespace=False, treat_whitespace_as_suffix=True)}
for name, how in kinds.items():
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines[:2000]), model_prefix=name, vocab_size=600, hard_vocab_limit=False,
        minloglevel=2, num_threads=1, **how)
    p = sentencepiece.SentencePieceProcessor(model_file=name + ".model")
    json.dump([p.encode(x) for x in lines], open(name + ".ids", "w"))
'''


def load(place, name):
    with open(place.path(name), encoding="utf-8") as f:
        return json.load(f)


def tokens(place, tokenizer, lines):
    """Ids of each line, by way of a conversion."""
    place.write("in.jsonl", "".join(json.dumps({"text": x}) + "\n" for x in lines))
    place.json("data", "convert", "in.jsonl", "out.jsonl", "--tokenizer", tokenizer)
    with open(place.path("out.jsonl"), encoding="utf-8") as f:
        return [json.loads(line)["tokens"] for line in f]


def test_tokenizer_json_as_its_makers_have_it(place):
    with open(os.path.join(place.root, "tests/vectors/tokenizers.json"), encoding="utf-8") as f:
        sets = json.load(f)["tokenizers"]
    for name, known in sets.items():
        place.write(name + ".json", json.dumps(known["file"]))
        texts = [c[0] for c in known["cases"]]
        for text, got, (_, plain, _) in zip(texts, tokens(place, name + ".json", texts), known["cases"]):
            # No text becomes a control token unasked: there Unigram finds them in its vocabulary.
            if "<s>" not in text or "unigram" not in json.dumps(known["file"]["model"]["type"]).lower():
                equal(got, plain, (name, text))
        for text, _, control in known["cases"]:
            place.write("text", text)
            got = place.json("tokenize", name + ".json", "--file", "text")["tokens"] if text else []
            if text:
                equal(got, control, (name, text))


def test_what_is_not_known_is_refused_by_name(place):
    with open(os.path.join(place.root, "tests/vectors/tokenizers.json"), encoding="utf-8") as f:
        known = json.load(f)["tokenizers"]["llama3"]["file"]
    expression = json.loads(json.dumps(known))
    expression["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "[abc]+"
    for change, word in (({"model": {"type": "WordPiece", "vocab": {"a": 0}}}, "WordPiece"),
                         ({"normalizer": {"type": "Lowercase"}}, "Lowercase"),
                         ({"pre_tokenizer": {"type": "BertPreTokenizer"}}, "BertPreTokenizer"),
                         ({"pre_tokenizer": expression["pre_tokenizer"]}, "[abc]+"),
                         ({"post_processor": {"type": "Other"}}, "Other")):
        place.write("bad.json", json.dumps({**known, **change}))
        r = place.run("tokenize", "bad.json", "text")
        assert r.code != 0 and len(r.err.splitlines()) <= 2 and word in r.err, (r.code, r.err)
    place.write("bad.json", json.dumps(known)[:-20])
    equal(place.run("tokenize", "bad.json", "text").code, 7)
    place.write("bad.model", b"\x0a\x7f\x0a\x01a")
    equal(place.run("tokenize", "bad.model", "text").code, 7)
    place.write("bad.model", b"PK\x03\x04")
    r = place.run("tokenize", "bad.model", "text")
    assert r.code != 0 and "sentencepiece" in r.err, r.err


def test_sentencepiece_as_its_makers_have_it(place):
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import sentencepiece"], stderr=subprocess.DEVNULL, check=False).returncode:
        print("# python3-sentencepiece is not installed: its models are not compared")
        return
    subprocess.run([python, "-c", TRAIN], cwd=place.dir, check=True)
    lines = load(place, "lines.json")
    for name in ("bpe", "unigram", "plain", "user", "across"):
        got, want = tokens(place, name + ".model", lines), load(place, name + ".ids")
        equal(len(got), len(want))
        for line, a, b in zip(lines, got, want):
            equal(a, b, (name, line))
    r = place.run("tokenize", "bpe.model", "the  time is <tool>", "--json")
    ids = ",".join(map(str, json.loads(r.out)["tokens"]))
    equal(place.run("detokenize", "bpe.model", "--tokens", ids).out.strip(), "the time is <tool>")


harness.main(sys.modules[__name__])
