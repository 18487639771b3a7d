"""Byte-level BPE in the GPT-2 manner: training and encoding, in plain Python."""
import collections
import re

# The GPT-2 split, for ASCII text (the corpus is ASCII).
SPLIT = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def byte_chars():
    """The printable character that stands for each byte value."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table = {b: chr(b) for b in keep}
    extra = 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table, keep + [b for b in range(256) if b not in keep]


CHARS, ORDER = byte_chars()


def symbols(piece):
    return tuple(CHARS[b] for b in piece.encode("utf-8"))


def join(seq, left, right):
    out, i = [], 0
    while i < len(seq):
        if i + 1 < len(seq) and seq[i] == left and seq[i + 1] == right:
            out.append(left + right)
            i += 2
        else:
            out.append(seq[i])
            i += 1
    return tuple(out)


def train(texts, n_merges):
    """The n_merges most useful merges, ties broken by text order."""
    counts = collections.Counter()
    for t in texts:
        counts.update(SPLIT.findall(t))
    words = [[symbols(w), n] for w, n in sorted(counts.items())]
    pairs = collections.Counter()
    where = collections.defaultdict(set)
    for k, (w, n) in enumerate(words):
        for p in zip(w, w[1:]):
            pairs[p] += n
            where[p].add(k)
    merges = []
    while len(merges) < n_merges:
        best = max(pairs.items(), key=lambda kv: (kv[1], kv[0]))
        if best[1] < 2:
            break
        left, right = best[0]
        merges.append((left, right))
        for k in sorted(where[(left, right)]):
            w, n = words[k]
            for p in zip(w, w[1:]):
                pairs[p] -= n
            w = join(w, left, right)
            words[k][0] = w
            for p in zip(w, w[1:]):
                pairs[p] += n
                where[p].add(k)
        pairs = +pairs
    return merges


class Tokenizer:
    def __init__(self, merges, control):
        self.merges = [tuple(m) for m in merges]
        self.tokens = [CHARS[b] for b in ORDER] + [a + b for a, b in self.merges] + list(control)
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.control = {c: self.ids[c] for c in control}
        self.bytes = {c: b for b, c in CHARS.items()}
        self.cache = {}

    def word(self, piece):
        got = self.cache.get(piece)
        if got is None:
            w = symbols(piece)
            while len(w) > 1:
                best = min(zip(w, w[1:]), key=lambda p: self.rank.get(p, 1 << 30))
                if best not in self.rank:
                    break
                w = join(w, *best)
            got = self.cache[piece] = [self.ids[s] for s in w]
        return got

    def encode(self, text):
        """Plain text to ids; control tokens in text are not recognised."""
        out = []
        for piece in SPLIT.findall(text):
            out += self.word(piece)
        return out

    def encode_parts(self, parts):
        """A list of strings in which a control token stands for itself."""
        out = []
        for p in parts:
            out += [self.control[p]] if p in self.control else self.encode(p)
        return out

    def decode(self, ids):
        names = {i: c for c, i in self.control.items()}
        out = b""
        for i in ids:
            out += names[i].encode() if i in names else bytes(self.bytes[c] for c in self.tokens[i])
        return out.decode("utf-8", "replace")
