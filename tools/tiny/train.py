#!/usr/bin/env python3
"""Train plexus-tiny: generate text, learn the tokenizer, train, write GGUF.

    python3 train.py                      the shipped model
    python3 train.py --steps 50 --out trial.gguf    a quick trial

Needs numpy and PyTorch (1.13 or later, CPU).  Everything is seeded; the
arithmetic of the BLAS library and the number of threads still show in the
last digits, so weights agree in behaviour and not bit for bit.
"""
import argparse
import json
import math
import os
import random
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bpe
import corpus
import gguf_write as gw

VOCAB = 1536
DIM, LAYERS, HEADS, KV_HEADS, HEAD_DIM, FFN = 192, 6, 6, 2, 32, 512
CONTEXT = 512
# The embedding is large, so that a token's identity is not drowned by what the
# blocks add (names must be copied); the last norm begins small, since the same
# matrix makes the logits.  The blocks begin by adding nothing.
EMB_STD = 0.5
EPS, ROPE_BASE = 1e-5, 10000.0

TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ '<|system|>' + message['content'] }}"
    "{% elif message['role'] == 'user' %}{{ '<|user|>' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>' + message['content'] + '<|endoftext|>' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")


# --------------------------------------------------------------------------
# Data
# --------------------------------------------------------------------------

def rows(tok, stream, length):
    """Rows of length + 1 ids: the end token, then whole documents.

    Documents are fitted together; the rest of a row is -1 and is not learned.
    """
    start = tok.control[corpus.EOT]
    open_rows = []
    for doc in stream:
        ids = tok.encode_parts(doc)
        if len(ids) > length:
            continue
        fits = [r for r in open_rows if len(r) + len(ids) <= length + 1]
        if fits:
            r = max(fits, key=len)
        else:
            r = [start]
            open_rows.append(r)
        r += ids
        if len(r) > length - 8 or len(open_rows) > 64:
            r = max(open_rows, key=len)
            open_rows.remove(r)
            yield r + [-1] * (length + 1 - len(r))


def beginnings(tok, stream, length):
    """Rows that hold the beginning of one document each."""
    for doc in stream:
        r = ([tok.control[corpus.EOT]] + tok.encode_parts(doc))[:length + 1]
        yield r + [-1] * (length + 1 - len(r))


def slots(tok):
    """Which token ids are names, kinds or things: what a story must keep."""
    words = corpus.SHE + corpus.HE + list(corpus.ANIMALS) + list(corpus.PEOPLE) + list(corpus.TOYS)
    out = set()
    for w in words:
        for s in (w, " " + w):
            ids = tok.encode(s)
            if len(ids) == 1:
                out.add(ids[0])
    return out


def weights(targets, slot, end, many, few):
    """Weight many where a slot word comes again in its document, else few."""
    out = torch.full(targets.shape, few)
    for i, row in enumerate(targets.tolist()):
        seen = set()
        for j, t in enumerate(row):
            if t in slot:
                if t in seen:
                    out[i, j] = many
                seen.add(t)
            elif t == end:
                seen.clear()
    return out


def batches(tok, stream, length, size, make=rows):
    out = []
    for r in make(tok, stream, length):
        out.append(r)
        if len(out) == size:
            a = torch.tensor(out)
            yield a[:, :-1].clamp(min=0), a[:, 1:]
            out = []


def endless(seed, chat_share=0.3):
    rng = random.Random(seed)
    while True:
        yield corpus.document(rng, chat_share)


# --------------------------------------------------------------------------
# Model.  Inside, RoPE turns pairs (i, i + half), which is quicker here; the
# rows of q and k are put in the order of pairs (2i, 2i + 1) when written.
# --------------------------------------------------------------------------

class Model(torch.nn.Module):
    def __init__(self, vocab):
        super().__init__()
        def matrix(rows_, cols, gain=1.0):
            return torch.nn.Parameter(torch.randn(rows_, cols) * gain / math.sqrt(cols))
        P, one = torch.nn.ParameterDict, lambda: torch.nn.Parameter(torch.ones(DIM))
        self.emb = torch.nn.Parameter(torch.randn(vocab, DIM) * EMB_STD)
        self.blocks = torch.nn.ModuleList()
        for _ in range(LAYERS):
            b = torch.nn.Module()
            b.attn_norm, b.ffn_norm = one(), one()
            b.qkv = matrix((HEADS + 2 * KV_HEADS) * HEAD_DIM, DIM)
            b.out = matrix(DIM, HEADS * HEAD_DIM, 0.0)
            b.gate, b.up = matrix(FFN, DIM), matrix(FFN, DIM)
            b.down = matrix(DIM, FFN, 0.0)
            self.blocks.append(b)
        self.norm = torch.nn.Parameter(torch.full((DIM,), 0.1))
        half = HEAD_DIM // 2
        freq = ROPE_BASE ** (-torch.arange(half, dtype=torch.float64) * 2 / HEAD_DIM)
        angle = torch.arange(CONTEXT, dtype=torch.float64)[:, None] * freq
        self.register_buffer("cos", angle.cos().float(), persistent=False)
        self.register_buffer("sin", angle.sin().float(), persistent=False)

    @staticmethod
    def rms(x, w):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + EPS) * w

    def rope(self, x):
        t, half = x.shape[1], HEAD_DIM // 2
        c, s = self.cos[None, :t, None], self.sin[None, :t, None]
        a, b = x[..., :half], x[..., half:]
        return torch.cat((a * c - b * s, a * s + b * c), -1)

    def forward(self, ids, targets, weight=None):
        B, T = ids.shape
        x = self.emb[ids]
        mask = torch.full((T, T), -1e9).triu(1)
        nq, nk = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
        group = HEADS // KV_HEADS
        for b in self.blocks:
            h = self.rms(x, b.attn_norm) @ b.qkv.t()
            qk = self.rope(h[..., :nq + nk].reshape(B, T, HEADS + KV_HEADS, HEAD_DIM))
            q = qk[:, :, :HEADS].permute(0, 2, 1, 3).reshape(B, KV_HEADS, group * T, HEAD_DIM)
            k = qk[:, :, HEADS:].permute(0, 2, 3, 1)
            v = h[..., nq + nk:].reshape(B, T, KV_HEADS, HEAD_DIM).permute(0, 2, 1, 3)
            s = (q * HEAD_DIM ** -0.5) @ k
            p = torch.softmax(s.view(B, HEADS, T, T) + mask, -1)
            y = p.view(B, KV_HEADS, group * T, T) @ v
            y = y.view(B, HEADS, T, HEAD_DIM).permute(0, 2, 1, 3).reshape(B, T, nq)
            x = x + y @ b.out.t()
            h = self.rms(x, b.ffn_norm)
            x = x + (F.silu(h @ b.gate.t()) * (h @ b.up.t())) @ b.down.t()
        keep = targets.reshape(-1) >= 0
        x = self.rms(x, self.norm).reshape(B * T, DIM)[keep]
        if weight is None:
            return F.cross_entropy(x @ self.emb.t(), targets.reshape(-1)[keep])
        loss = F.cross_entropy(x @ self.emb.t(), targets.reshape(-1)[keep], reduction="none")
        weight = weight.reshape(-1)[keep]
        again = weight > weight.min()
        self.parts = [loss[again].mean().item(), loss[~again].mean().item()]
        return (loss * weight).sum() / weight.sum()


# --------------------------------------------------------------------------
# Optimizer: matrices take momentum steps whose update is made nearly
# orthogonal (Newton-Schulz); the embedding and the norms take Adam steps.
# --------------------------------------------------------------------------

def orthogonal(g):
    """Move the singular values of g near to one."""
    flip = g.shape[0] > g.shape[1]
    x = g.t() if flip else g
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        s = x @ x.t()
        x = 3.4445 * x + (-4.7750 * s + 2.0315 * (s @ s)) @ x
    return x.t() if flip else x


class Optimizer:
    def __init__(self, model, lr_matrix, lr_rest, decay):
        named = list(model.named_parameters())
        self.mats = [p for n, p in named if p.ndim == 2 and n != "emb"]
        self.rest = [p for n, p in named if p.ndim == 1 or n == "emb"]
        self.lr, self.decay = lr_matrix, decay
        self.speed = [torch.zeros_like(p) for p in self.mats]
        self.adam = torch.optim.AdamW(self.rest, lr=lr_rest, betas=(0.9, 0.97), weight_decay=0.0)
        self.lr_rest = lr_rest

    @torch.no_grad()
    def step(self, scale):
        for p, v in zip(self.mats, self.speed):
            v.mul_(0.95).add_(p.grad)
            parts = [p.grad + 0.95 * v]
            if p.shape[0] == (HEADS + 2 * KV_HEADS) * HEAD_DIM:
                parts = parts[0].split([HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM])
            u = torch.cat([orthogonal(g) * max(1.0, g.shape[0] / g.shape[1]) ** 0.5 for g in parts])
            p.mul_(1 - self.lr * scale * self.decay)
            p.sub_(u, alpha=self.lr * scale)
            p.grad = None
        for g in self.adam.param_groups:
            g["lr"] = self.lr_rest * scale
        self.adam.step()
        for p in self.rest:
            p.grad = None


# --------------------------------------------------------------------------
# GGUF
# --------------------------------------------------------------------------

def export(path, weights, tok):
    w = {k: v.detach().numpy() for k, v in weights.items()}
    n_norm = len(tok.tokens) - len(corpus.CONTROL)
    eot = tok.control[corpus.EOT]
    meta = [
        ("general.architecture", gw.STRING, "llama"),
        ("general.name", gw.STRING, "plexus-tiny"),
        ("general.quantization_version", gw.U32, 2),
        ("general.file_type", gw.U32, 7),
        ("general.alignment", gw.U32, gw.ALIGN),
        ("llama.context_length", gw.U32, CONTEXT),
        ("llama.embedding_length", gw.U32, DIM),
        ("llama.block_count", gw.U32, LAYERS),
        ("llama.feed_forward_length", gw.U32, FFN),
        ("llama.attention.head_count", gw.U32, HEADS),
        ("llama.attention.head_count_kv", gw.U32, KV_HEADS),
        ("llama.attention.layer_norm_rms_epsilon", gw.F32, EPS),
        ("llama.rope.dimension_count", gw.U32, HEAD_DIM),
        ("llama.rope.freq_base", gw.F32, ROPE_BASE),
        ("llama.vocab_size", gw.U32, len(tok.tokens)),
        ("tokenizer.ggml.model", gw.STRING, "gpt2"),
        ("tokenizer.ggml.pre", gw.STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", (gw.ARRAY, gw.STRING), tok.tokens),
        ("tokenizer.ggml.token_type", (gw.ARRAY, gw.I32), [1] * n_norm + [3] * len(corpus.CONTROL)),
        ("tokenizer.ggml.merges", (gw.ARRAY, gw.STRING), [a + " " + b for a, b in tok.merges]),
        ("tokenizer.ggml.bos_token_id", gw.U32, eot),
        ("tokenizer.ggml.eos_token_id", gw.U32, eot),
        ("tokenizer.ggml.padding_token_id", gw.U32, eot),
        ("tokenizer.ggml.add_bos_token", gw.BOOL, True),
        ("tokenizer.chat_template", gw.STRING, TEMPLATE),
    ]

    def pairs(m):
        """Rows of each head from halves to neighbours."""
        half = HEAD_DIM // 2
        return m.reshape(-1, 2, half, m.shape[1]).swapaxes(1, 2).reshape(m.shape)

    nq, nk = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
    tensors = [("token_embd.weight", w["emb"])]
    for i in range(LAYERS):
        b, o = "blocks.%d." % i, "blk.%d." % i
        qkv = w[b + "qkv"]
        tensors += [
            (o + "attn_norm.weight", w[b + "attn_norm"]),
            (o + "attn_q.weight", pairs(qkv[:nq])),
            (o + "attn_k.weight", pairs(qkv[nq:nq + nk])),
            (o + "attn_v.weight", qkv[nq + nk:]),
            (o + "attn_output.weight", w[b + "out"]),
            (o + "ffn_norm.weight", w[b + "ffn_norm"]),
            (o + "ffn_gate.weight", w[b + "gate"]),
            (o + "ffn_up.weight", w[b + "up"]),
            (o + "ffn_down.weight", w[b + "down"]),
        ]
    tensors.append(("output_norm.weight", w["norm"]))
    return gw.write(path, meta, tensors)


# --------------------------------------------------------------------------

def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--steps", type=int, default=1500)
    ap.add_argument("--minutes", type=float, default=0, help="plan by the clock instead of by steps")
    ap.add_argument("--batch", type=int, default=8, help="rows of 256 tokens in a step")
    ap.add_argument("--lr-matrix", type=float, default=0.014)
    ap.add_argument("--lr", type=float, default=3e-3)
    ap.add_argument("--long", type=float, default=0.08, help="last share of steps with rows of 512")
    ap.add_argument("--begin", type=float, default=0.15, help="first share of steps with rows of 64")
    ap.add_argument("--chat", type=float, default=0.4, help="share of documents that are chat")
    ap.add_argument("--again", type=float, default=5.0,
                    help="extra weight at first of slot words that come again")
    ap.add_argument("--save-every", type=int, default=100)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--out", default=os.path.join(HERE, "..", "..", "assets", "tiny.gguf"))
    ap.add_argument("--resume", default="", help="begin from such a file")
    ap.add_argument("--checkpoint", default="", help="where to keep the weights (torch file)")
    args = ap.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    sample = [p for d in corpus.documents(1001, 8000) for p in d if p not in corpus.CONTROL]
    tok = bpe.Tokenizer(bpe.train(sample, VOCAB - 256 - len(corpus.CONTROL)), corpus.CONTROL)
    held = [b for b, _ in zip(batches(tok, endless(2001), 256, 16), range(6))]

    model = Model(len(tok.tokens))
    if args.resume:
        model.load_state_dict(torch.load(args.resume, weights_only=True))
    n = sum(p.numel() for p in model.parameters())
    print("vocabulary %d, parameters %d" % (len(tok.tokens), n), flush=True)
    opt = Optimizer(model, args.lr_matrix, args.lr, 0.2)
    average = {k: v.detach().clone() for k, v in model.named_parameters()}
    stream = endless(args.seed, args.chat)
    first = batches(tok, stream, 64, args.batch * 4, beginnings)
    short = batches(tok, stream, 256, args.batch)
    long = batches(tok, stream, 512, args.batch // 2)
    slot = slots(tok)
    history, seen, t0 = [], 0, time.time()

    def finish(step):
        """Validation loss of the averaged weights, then files."""
        kept = {k: v.detach().clone() for k, v in model.named_parameters()}
        with torch.no_grad():
            for k, v in model.named_parameters():
                v.copy_(average[k])
            loss = sum(model(*b).item() for b in held) / len(held)
            size = export(args.out, dict(model.named_parameters()), tok)
            if args.checkpoint:
                torch.save(average, args.checkpoint + ".new")
                os.replace(args.checkpoint + ".new", args.checkpoint)
            for k, v in model.named_parameters():
                v.copy_(kept[k])
        history.append([step, round(loss, 4)])
        print("step %d  validation %.4f  file %d bytes  %.0f s" % (step, loss, size, time.time() - t0), flush=True)

    step, x = 0, 0.0
    while x < 1:
        step += 1
        x = step / args.steps
        if args.minutes:
            x = (time.time() - t0) / (60 * args.minutes)
        scale = min(1, step / 40) * min(1.0, max(0.01, (1 - x) / 0.6))
        ids, targets = next(first if x <= args.begin else short if x <= 1 - args.long else long)
        strong = max(0.0, min(1.0, (0.8 - x) / 0.3)) * args.again
        loss = model(ids, targets, weights(targets, slot, tok.control[corpus.EOT], 1.001 + strong, 1.0))
        loss.backward()
        opt.step(scale)
        seen += int((targets >= 0).sum())
        with torch.no_grad():
            keep = min(0.97, step / (step + 10))
            for k, v in model.named_parameters():
                average[k].mul_(keep).add_(v, alpha=1 - keep)
        if step % 20 == 0:
            print("step %d  loss again %.4f, other %.4f  rate %.3f  tokens %d  %.0f s" % (
                step, *model.parts, scale, seen, time.time() - t0), flush=True)
        if step % args.save_every == 0 or x >= 1:
            finish(step)
    print(json.dumps({"tokens": seen, "seconds": round(time.time() - t0), "history": history}))


if __name__ == "__main__":
    main()
