"""The part of plexus bench data that needs Python: batches of tokens for torch, made by plexus and by
others, one after the other in turns.

The argument is a JSON object: samples, rounds, peer (a folder with megatron-core, or null). A line of
JSON goes to standard output for each note, and one with what was measured.
"""
import binascii
import importlib
import json
import mmap
import os
import random
import statistics
import sys
import tempfile
import time


def say(kind, what):
    print(json.dumps({kind: what}), flush=True)


try:
    import numpy
    import torch

    import plexus
    from plexus.convert import convert
    from plexus.data import Dataset, Loader, Writer
except ImportError as missing:
    say("note", f"no batches: {sys.executable} has no {missing.name}")
    sys.exit(0)
try:
    import sentencepiece
except ImportError:
    sentencepiece = None
    say("note", f"no JSON lines beside: {sys.executable} has no sentencepiece; words are numbered")

ROW, VOCAB, TIMES, SLICE_S = 512, 16000, 10, 0.04
GROUPS = [(64, False), (8, False), (64, True), (8, True)]  # rows of a batch; int64 ids and labels?


# ------------------------------------------------------------------------------------- the text

def words(chance):
    """Words of syllables, short ones first; the n-th is about as frequent as 1 / n, as in languages."""
    syllables = [a + b + c for a in " bcdfghjklmnprstvwz" for b in "aeiou" for c in ("", "n", "r", "s")]
    made = {"".join(chance.choices(syllables, k=chance.choice((1, 1, 2, 2, 3)))).replace(" ", "")
            for _ in range(30000)}
    made = sorted(made, key=lambda word: (len(word) + chance.random() * 4, word))
    return made, numpy.cumsum([1 / (n + 3) for n in range(len(made))]).tolist()


def documents(count):
    """Of about 500 tokens."""
    chance = random.Random(1)
    made, sums = words(chance)
    for _ in range(count):
        text = chance.choices(made, cum_weights=sums, k=chance.randrange(300, 560))
        yield " ".join(text).capitalize() + "."


class Corpus:
    """The same samples as lines of JSON, as packets, as stores, as Megatron has them, as plain rows.
    Each document is there TIMES times, so that the files are larger than caches."""

    def __init__(self, folder, samples):
        self.folder, self.samples = folder, samples
        texts = list(documents(max(1, samples // TIMES)))
        self.processor = self.train(texts[:2000]) if sentencepiece else None
        numbers = self.processor.encode(texts) if sentencepiece else numbered(texts)
        self.tokens = [t[:ROW] for t in numbers]
        self.order = list(range(len(texts))) * TIMES
        random.Random(2).shuffle(self.order)
        self.mean = statistics.fmean(len(self.tokens[i]) for i in self.order)
        self.write(texts)

    def path(self, name):
        return os.path.join(self.folder, name)

    def train(self, texts):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_prefix=self.path("pieces"), vocab_size=VOCAB,
            model_type="bpe", hard_vocab_limit=False, minloglevel=2)
        return sentencepiece.SentencePieceProcessor(model_file=self.path("pieces.model"))

    def write(self, texts):
        self.lines = []
        with open(self.path("a.jsonl"), "wb") as f:
            for i in self.order:
                self.lines.append(f.tell())
                f.write(json.dumps({"text": texts[i]}).encode() + b"\n")
        packets = [packet(t) for t in self.tokens]
        with open(self.path("a.qubgpu"), "wb") as f:
            f.writelines(packets[i] for i in self.order)
        for name, vocab in (("a16.ndp3", VOCAB), ("a32.ndp3", 1 << 20)):
            with Writer(self.path(name), vocab=vocab) as w:
                for i in self.order:
                    w.write(self.tokens[i])
        rows = numpy.zeros((len(self.tokens), ROW), numpy.int32)
        for row, tokens in zip(rows, self.tokens):
            row[:len(tokens)] = tokens
        with open(self.path("rows.bin"), "wb") as f:
            for i in range(0, len(self.order), 1000):
                f.write(rows[self.order[i:i + 1000]].tobytes())


def numbered(texts):
    known = {}
    return [[known.setdefault(w, len(known) % VOCAB) for w in t.split()] for t in texts]


def packet(tokens):
    body = numpy.asarray(tokens, ">i4").tobytes()
    data = b"\xaa\x01\x01\x01" + len(body).to_bytes(2, "big") + body
    return data + binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "big")


# ------------------------------------------------------------------------------------- the sides
# Each is a function that makes a batch and returns its tokens, without what rows are filled up with.

def ours(corpus, name, batch, wide):
    kind = {} if wide else {"dtype": "int32", "labels": "none"}
    loader = Loader(corpus.path(name), batch, ROW, epochs=0, tensors="torch", **kind)
    batches = iter(loader)

    def make():
        return next(batches).tokens
    return make


def lines_of_json(corpus, batch, wide):
    f = open(corpus.path("a.jsonl"), "rb")
    encode, chance, lines = corpus.processor.encode, random.Random(3), corpus.lines
    kind = torch.int64 if wide else torch.int32

    def make():
        ids, labels, tokens = [], [], 0
        for at in chance.choices(lines, k=batch):
            f.seek(at)
            row = encode(json.loads(f.readline())["text"])[:ROW]
            tokens += len(row)
            ids.append(row + [0] * (ROW - len(row)))
            labels.append(row + [-100] * (ROW - len(row)))
        torch.tensor(ids, dtype=kind)
        if wide:
            torch.tensor(labels)
        return tokens
    return make


class Rows(torch.utils.data.Dataset):
    """Rows of one token more than ROW, as Megatron's GPTDataset finds and reads them: which row is the
    n-th, where it begins, in which order documents come; then one read of its IndexedDataset for each
    document. The masks and positions that a GPTDataset adds are left out."""

    def __init__(self, indexed, wide):
        chance = numpy.random.default_rng(4)
        self.indexed, self.wide = indexed, wide
        self.document_index = chance.permutation(len(indexed.sequence_lengths)).astype(numpy.int32)
        ends = numpy.cumsum(indexed.sequence_lengths[self.document_index], dtype=numpy.int64)
        begins = numpy.arange(0, ends[-1] - 1, ROW)
        at = numpy.searchsorted(ends, begins, side="right")
        self.sample_index = numpy.stack([at, begins - (ends[at] - indexed.sequence_lengths[
            self.document_index[at]])], axis=1).astype(numpy.int32)
        self.shuffle_index = chance.permutation(len(begins) - 1).astype(numpy.int32)

    def __len__(self):
        return len(self.shuffle_index)

    def __getitem__(self, i):
        i = self.shuffle_index[i]
        first, offset = self.sample_index[i]
        last, end = self.sample_index[i + 1]
        if first == last:
            parts = [self.indexed.get(self.document_index[first], offset=offset,
                                      length=end - offset + 1)]
        else:
            parts = [self.indexed.get(self.document_index[first], offset=offset)]
            parts += [self.indexed.get(self.document_index[k]) for k in range(first + 1, last)]
            parts += [self.indexed.get(self.document_index[last], length=end + 1)]
        text = torch.from_numpy(numpy.concatenate(parts, dtype=numpy.int64))
        if not self.wide:
            return {"tokens": text[:-1]}
        return {"tokens": text[:-1].contiguous(), "labels": text[1:].contiguous()}


def megatron(corpus, module, batch, wide):
    prefix = corpus.path("megatron")
    if not os.path.exists(prefix + ".idx"):
        builder = module.IndexedDatasetBuilder(prefix + ".bin",
                                               dtype=module.DType.optimal_dtype(VOCAB))
        for i in corpus.order:
            builder.add_document(torch.tensor(corpus.tokens[i]), [len(corpus.tokens[i])])
        builder.finalize(prefix + ".idx")
    rows = Rows(module.IndexedDataset(prefix), wide)

    def batches():
        while True:
            yield from torch.utils.data.DataLoader(rows, batch_size=batch, num_workers=0,
                                                   drop_last=True)
    it = batches()

    def make():
        return next(it)["tokens"].numel()
    return make


def copies(corpus, batch, wide, shuffled):
    """A memcpy of as many bytes from a mapped file; of each row (or what makes the bytes of one)."""
    width = ROW * (16 if wide else 4)
    rows = numpy.memmap(corpus.path("rows.bin"), numpy.uint8, "r").reshape(-1, width)
    order = numpy.random.default_rng(5).permutation(len(rows))
    memory = mmap.mmap(-1, max(4 * batch * width, 4 << 20))
    memory.madvise(mmap.MADV_HUGEPAGE)
    ring = numpy.frombuffer(memory, numpy.uint8)[:4 * batch * width].reshape(4, batch, width)
    at, n, tokens = 0, len(rows) // batch, batch * corpus.mean

    def make():
        nonlocal at
        out, from_ = ring[at % 4], at % n * batch
        if shuffled:
            numpy.take(rows, order[from_:from_ + batch], axis=0, out=out, mode="clip")
        else:
            numpy.copyto(out, rows[from_:from_ + batch])
        at += 1
        return tokens
    return make


def find_megatron(folder):
    if folder:
        sys.path.append(folder)
    try:
        module = importlib.import_module("megatron.core.datasets.indexed_dataset")
        version = importlib.import_module("megatron.core").__version__
    except Exception as e:  # whatever a package that does not fit this Python or torch raises
        say("note", "no Megatron beside: this Python has no megatron-core that can be imported "
                    f"({type(e).__name__}: {e}); --peer DIR names a folder with it")
        return None, None
    return module, version


# ---------------------------------------------------------------------------------- measuring

def slice_of(make, count):
    """Seconds, seconds of processors, and tokens of so many batches."""
    wall, used, tokens = time.perf_counter(), time.process_time(), 0
    for _ in range(count):
        tokens += make()
    return time.perf_counter() - wall, time.process_time() - used, tokens


def calibrated(make):
    """How many batches take SLICE_S; they are a warm-up, too."""
    count = 1
    while True:
        took = slice_of(make, count)[0]
        if took > SLICE_S / 2:
            return max(1, int(count * SLICE_S / took))
        count *= 2


def sides(corpus, module, batch, wide):
    made = {"packets": ours(corpus, "a.qubgpu", batch, wide),
            "store32": ours(corpus, "a32.ndp3", batch, wide),
            "store16": ours(corpus, "a16.ndp3", batch, wide),
            "memcpy": copies(corpus, batch, wide, True),
            "memcpy_sequential": copies(corpus, batch, wide, False)}
    if corpus.processor:
        made["jsonl"] = lines_of_json(corpus, batch, wide)
    if module:
        made["megatron"] = megatron(corpus, module, batch, wide)
    return made


def measure(corpus, module, batch, wide, rounds):
    made = sides(corpus, module, batch, wide)
    counts = {name: calibrated(make) for name, make in made.items()}
    slices = {name: [] for name in made}
    for _ in range(rounds):
        for name, make in made.items():
            slices[name].append(slice_of(make, counts[name]))
    out = {"batch": batch, "wide": wide, "row_bytes": ROW * (16 if wide else 4)}
    for name, taken in slices.items():
        rows = counts[name] * batch
        out[name] = {"tokens_s": statistics.median(t / wall for wall, _, t in taken),
                     "cpu_tokens_s": statistics.median(t / used for _, used, t in taken),
                     "samples_s": statistics.median(rows / wall for wall, _, _ in taken)}
    return out


def views(corpus, rounds):
    """Samples of a store as tensors: how many a second, and how many do not lie in the mapping."""
    data = Dataset(corpus.path("a32.ndp3"))
    chance, n, copied = random.Random(6), len(data), 0
    whole = [data.view(0).pointer - (1 << 20), data.view(n - 1).pointer + (1 << 30)]

    def make():
        nonlocal copied
        view = data.view(chance.randrange(n))
        tensor = torch.frombuffer(view, dtype=torch.int32)
        if tensor.data_ptr() != view.pointer or not whole[0] < view.pointer < whole[1]:
            copied += tensor.numel() * 4
        return tensor.numel()
    count = calibrated(make)
    rates = [count / slice_of(make, count)[0] for _ in range(rounds)]
    return {"samples_s": statistics.median(rates), "bytes_moved": copied}


def timed(work):
    """Its tokens a second, of time that passed and of this process's."""
    wall, cpu = time.perf_counter(), time.process_time()
    tokens = work()
    return tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu)


def conversions(corpus, rounds):
    """JSON lines to a file of tokens by one thread: plexus.convert, and json.loads with sentencepiece."""
    lines, out = corpus.path("some.jsonl"), {}
    with open(corpus.path("a.jsonl"), "rb") as f, open(lines, "wb") as few:
        few.writelines(line for line, _ in zip(f, range(600)))
    with open(lines, "rb") as f:
        some = [json.loads(line)["text"] for line, _ in zip(f, range(150))]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(some), model_prefix=corpus.path("unigram"), vocab_size=VOCAB // 4,
        model_type="unigram", hard_vocab_limit=False, minloglevel=2)
    for name, model in ("BPE", "pieces.model"), ("Unigram", "unigram.model"):
        processor = sentencepiece.SentencePieceProcessor(model_file=corpus.path(model))

        def theirs(processor=processor):
            tokens = 0
            with open(lines, "rb") as f, open(corpus.path("theirs.bin"), "wb") as to:
                for line in f:
                    ids = processor.encode(json.loads(line)["text"])
                    to.write(numpy.asarray(ids, numpy.uint16).tobytes())
                    tokens += len(ids)
            return tokens

        def mine(model=model):
            return convert(lines, corpus.path("mine.ndp3"), corpus.path(model), threads=1)["tokens"]
        pairs = [(timed(mine), timed(theirs)) for _ in range(min(rounds, 5))]
        out[name] = {side: {"tokens_s": statistics.median(p[k][0] for p in pairs),
                            "cpu_tokens_s": statistics.median(p[k][1] for p in pairs)}
                     for k, side in enumerate(("plexus", "sentencepiece"))}
    return out


def run(options, folder):
    say("note", "making text, a tokenizer, and the files")
    corpus = Corpus(folder, options["samples"])
    module, version = find_megatron(options["peer"])
    groups = []
    for batch, wide in GROUPS:
        say("note", f"batches of {batch}, {'int64 and labels' if wide else 'int32'}")
        groups.append(measure(corpus, module, batch, wide, options["rounds"]))
    say("note", "conversions")
    conversion = conversions(corpus, options["rounds"]) if sentencepiece else None
    say("measured", {"groups": groups, "view": views(corpus, options["rounds"]), "megatron": version,
                     "conversion": conversion,
                     "samples": len(corpus.order), "mean_tokens": corpus.mean,
                     "file_bytes": os.path.getsize(corpus.path("a.qubgpu")),
                     "python": sys.version.split()[0], "torch": torch.__version__,
                     "numpy": numpy.__version__, "plexus": plexus.__version__,
                     "sentencepiece": sentencepiece.__version__ if sentencepiece else None})


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="plexus-bench-") as folder:
        run(json.loads(sys.argv[1]), folder)


if __name__ == "__main__":
    main()
