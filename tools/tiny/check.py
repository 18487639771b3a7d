#!/usr/bin/env python3
"""Read a GGUF written by train.py and run it in float64 with numpy.

    python3 check.py                          samples from assets/tiny.gguf
    python3 check.py --reference reference.json    and write the reference

Shares no code with the writer, so a fault in either shows.
"""
import argparse
import json
import os
import re
import struct
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bpe

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

PROMPTS = [
    "Once",
    "The little fox",
    "One day",
    "<|user|>Hello!<|assistant|>",
    "<|user|>What is your name?<|assistant|>",
    "<|user|>What is plexus?<|assistant|>",
    "<|user|>Count to ten.<|assistant|>",
    "<|user|>Tell me a story about a fox.<|assistant|>",
]
MORE = [
    "Once upon a time there was a dragon",
    "In a quiet village",
    "Luna was a little",
    "A young boy",
    "The sun was",
    "<|user|>What colour is the sky?<|assistant|>",
    "<|user|>what is 2 + 3?<|assistant|>",
    "<|system|>You are a helpful assistant.<|user|>Write a story about a brave girl<|assistant|>",
    "<|user|>Hi<|assistant|>Hello! How are you today?<|endoftext|><|user|>I am fine.<|assistant|>",
    "<|user|>Who is the king of Spain?<|assistant|>",
]


def read(path):
    data = open(path, "rb").read()
    at = 0

    def take(fmt):
        nonlocal at
        v = struct.unpack_from("<" + fmt, data, at)[0]
        at += struct.calcsize("<" + fmt)
        return v

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return data[at - n:at].decode("utf-8")

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            kind, n = take("I"), take("Q")
            return [value(kind) for _ in range(n)]
        return take(SCALARS[kind])

    assert data[:4] == b"GGUF"
    at = 4
    assert take("I") == 3
    n_tensors, n_kv = take("Q"), take("Q")
    kv = {}
    for _ in range(n_kv):
        key = text()
        kv[key] = value(take("I"))
    infos = []
    for _ in range(n_tensors):
        name = text()
        dims = [take("Q") for _ in range(take("I"))]
        infos.append((name, dims, take("I"), take("Q")))
    align = kv.get("general.alignment", 32)
    base = (at + align - 1) // align * align
    w, expect = {}, 0
    for name, dims, kind, offset in infos:
        assert offset == expect and offset % align == 0, name
        n = int(np.prod(dims))
        if kind == 0:
            size = 4 * n
            v = np.frombuffer(data, "<f4", n, base + offset).astype(np.float64)
        else:
            assert kind == 8 and dims[0] % 32 == 0, name
            size = n // 32 * 34
            b = np.frombuffer(data, [("d", "<f2"), ("q", "i1", 32)], n // 32, base + offset)
            v = b["d"].astype(np.float64)[:, None] * b["q"].astype(np.float64)
        w[name] = v.reshape(dims[::-1])
        expect = (offset + size + align - 1) // align * align
    assert base + expect == len(data), (base + expect, len(data))
    return kv, w


class Llama:
    def __init__(self, path):
        kv, self.w = read(path)
        self.kv = kv
        self.layers = kv["llama.block_count"]
        self.heads = kv["llama.attention.head_count"]
        self.kv_heads = kv["llama.attention.head_count_kv"]
        self.dim = kv["llama.embedding_length"]
        self.hd = kv["llama.rope.dimension_count"]
        self.eps = kv["llama.attention.layer_norm_rms_epsilon"]
        self.freq = kv["llama.rope.freq_base"] ** (-np.arange(0, self.hd, 2) / self.hd)
        self.eos = kv["tokenizer.ggml.eos_token_id"]
        types, names = kv["tokenizer.ggml.token_type"], kv["tokenizer.ggml.tokens"]
        control = [t for t, k in zip(names, types) if k == 3]
        self.tok = bpe.Tokenizer([m.split(" ") for m in kv["tokenizer.ggml.merges"]], control)
        assert self.tok.tokens == names

    def ids(self, prompt):
        parts = [p for p in re.split("(%s)" % "|".join(map(re.escape, self.tok.control)), prompt) if p]
        first = [self.kv["tokenizer.ggml.bos_token_id"]] if self.kv["tokenizer.ggml.add_bos_token"] else []
        return first + self.tok.encode_parts(parts)

    def start(self):
        self.pos = 0
        self.cache = [([], []) for _ in range(self.layers)]

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean() + self.eps) * self.w[name]

    def rope(self, x):
        a = self.pos * self.freq
        c, s = np.cos(a), np.sin(a)
        out = np.empty_like(x)
        out[:, 0::2] = x[:, 0::2] * c - x[:, 1::2] * s
        out[:, 1::2] = x[:, 0::2] * s + x[:, 1::2] * c
        return out

    def step(self, token):
        w = self.w
        x = w["token_embd.weight"][token]
        for i in range(self.layers):
            b = "blk.%d." % i
            h = self.norm(x, b + "attn_norm.weight")
            q = self.rope((w[b + "attn_q.weight"] @ h).reshape(self.heads, self.hd))
            k = self.rope((w[b + "attn_k.weight"] @ h).reshape(self.kv_heads, self.hd))
            v = (w[b + "attn_v.weight"] @ h).reshape(self.kv_heads, self.hd)
            ks, vs = self.cache[i]
            ks.append(k)
            vs.append(v)
            K, V = np.array(ks), np.array(vs)
            out = []
            for n in range(self.heads):
                g = n * self.kv_heads // self.heads
                s = K[:, g] @ q[n] / np.sqrt(self.hd)
                p = np.exp(s - s.max())
                out.append(p / p.sum() @ V[:, g])
            x = x + w[b + "attn_output.weight"] @ np.concatenate(out)
            h = self.norm(x, b + "ffn_norm.weight")
            g = w[b + "ffn_gate.weight"] @ h
            x = x + w[b + "ffn_down.weight"] @ (g / (1 + np.exp(-g)) * (w[b + "ffn_up.weight"] @ h))
        self.pos += 1
        return w["token_embd.weight"] @ self.norm(x, "output_norm.weight")

    def generate(self, prompt, limit, temperature=0.0, rng=None, stop=True):
        """Generated ids (the end token included) and margins."""
        self.start()
        for t in self.ids(prompt):
            z = self.step(t)
        out, margins = [], []
        while len(out) < limit:
            if temperature:
                p = np.exp((z - z.max()) / temperature)
                t = int(rng.choice(len(p), p=p / p.sum()))
            else:
                t = int(z.argmax())
            top = np.partition(z, -2)[-2:]
            out.append(t)
            margins.append(float(top[1] - top[0]))
            if t == self.eos and stop:
                break
            z = self.step(t)
        return out, margins


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--gguf", default=os.path.join(HERE, "..", "..", "assets", "tiny.gguf"))
    ap.add_argument("--reference", default="")
    ap.add_argument("--more", action="store_true", help="more prompts, and sampling")
    ap.add_argument("--prompt", action="append", help="only this prompt")
    args = ap.parse_args()
    m = Llama(args.gguf)
    ref = []
    for p in args.prompt or PROMPTS + (MORE if args.more else []):
        ids, _ = m.generate(p, 320)
        end = ids[-1] == m.eos
        print("--- %s\n%s%s\n(%d tokens, %s)\n" % (
            p, "" if "|>" in p else p, m.tok.decode(ids[:-1] if end else ids), len(ids),
            "ended by itself" if end else "NOT ENDED"), flush=True)
    if args.more:
        for seed in range(6):
            ids, _ = m.generate("Once", 320, 0.8, np.random.default_rng(seed))
            print("--- Once (temperature 0.8, seed %d)\nOnce%s\n(%d tokens)\n" % (seed, m.tok.decode(ids), len(ids)), flush=True)
    if args.reference:
        for p in PROMPTS:
            # 64 steps, or fewer where the end token comes first
            ids, margins = m.generate(p, 64)
            ref.append({"prompt": p, "prompt_ids": m.ids(p), "greedy_ids": ids,
                        "margins": [round(x, 6) for x in margins],
                        "text": m.tok.decode(ids), "min_margin": round(min(margins), 6)})
        with open(args.reference, "w") as f:
            json.dump({"note": "float64 greedy reference on the dequantised weights; prompt_ids begin with "
                               "the BOS token; margins are best minus second logit at each step",
                       "file": "assets/tiny.gguf", "cases": ref}, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
