"""run, chat, tokenize, detokenize, eval, digest and bench on the model inside."""
import fcntl
import os
import signal
import subprocess
import sys

import harness
from harness import equal


def greedy(place, *args, **kw):
    return place.json("run", "tiny", *args, "--temp", "0", **kw)


def test_the_prompt_comes_from_arguments_or_a_pipe(place):
    doc = greedy(place, "Once upon a time", "-n", "8")
    equal(greedy(place, "Once", "upon", "a", "time", "-n", "8")["tokens"], doc["tokens"])
    equal(greedy(place, "-n", "8", input=b"Once upon a time\n")["tokens"], doc["tokens"])
    r = place.run("run", "tiny", "Once upon a time", "-n", "8", "--temp", "0")
    equal(r.out, doc["text"] + "\n")
    equal(r.err, "")


def test_the_answer_does_not_depend_on_how_it_is_computed(place):
    base = greedy(place, "Once upon a time", "-n", "24")["tokens"]
    for args in (["--threads", "1"], ["--cpu", "scalar"], ["--threads", "2", "--ctx", "128"]):
        equal(greedy(place, "Once upon a time", "-n", "24", *args)["tokens"], base, args)


def test_seeds_repeat(place):
    def words(*args):
        return place.json("run", "tiny", "Once", "-n", "16", "--temp", "1.5", *args)
    a = words("--seed", "7")
    equal(words("--seed", "7")["tokens"], a["tokens"])
    equal(words("--seed", str(a["seed"]))["tokens"], a["tokens"])
    assert any(words("--seed", str(s))["tokens"] != a["tokens"] for s in range(8, 12))


def test_the_text_continues_the_tokens(place):
    doc = greedy(place, "Once upon a time", "-n", "12")
    ids = ",".join(map(str, doc["prompt_tokens"] + doc["tokens"]))
    whole = place.json("detokenize", "tiny", "--tokens", ids)["text"]
    assert whole.endswith(doc["text"]), (whole, doc["text"])


def test_stop_strings_are_not_written(place):
    text = greedy(place, "Once upon a time", "-n", "60")["text"]
    words = text.split()
    stop = words[5] + " " + words[6][:1]
    doc = greedy(place, "Once upon a time", "-n", "60", "--stop", stop)
    equal((doc["text"], doc["stopped"]), (text[:text.index(stop)], "stop"))
    r = place.run("run", "tiny", "Once upon a time", "-n", "60", "--temp", "0", "--stop", "never",
                  "--stop", stop)
    equal(r.out.rstrip("\n"), text[:text.index(stop)].rstrip("\n"))


def test_a_bias_forbids(place):
    first = greedy(place, "Once", "-n", "1")["tokens"][0]
    other = greedy(place, "Once", "-n", "1", "--bias", f"{first}=-inf")["tokens"][0]
    assert other != first
    equal(greedy(place, "Once", "-n", "1", "--bias", "77=1000")["tokens"], [77])


def test_bos_and_context(place):
    with_bos = greedy(place, "Once", "-n", "1")["prompt_tokens"]
    without = greedy(place, "Once", "-n", "1", "--no-bos")["prompt_tokens"]
    assert with_bos[-len(without):] == without
    doc = greedy(place, "Once", "--ctx", "16", "--ignore-eos", "-n", "100")
    equal(doc["stopped"], "context")
    assert len(doc["prompt_tokens"] + doc["tokens"]) <= 17
    r = place.run("run", "tiny", "word " * 100, "--ctx", "16")
    assert r.code == 1 and "PX-MOD-033" in r.err, r.err


def test_a_template_from_a_file(place):
    place.write("t.jinja", "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}")
    doc = greedy(place, "Hello", "-n", "1", "--chat-template=t.jinja", "--system", "Be kind")
    text = place.json("detokenize", "tiny", "--tokens", ",".join(map(str, doc["prompt_tokens"])))
    assert "<system>Be kind<user>Hello" in text["text"], text
    place.write("bad.jinja", "{% for %}")
    r = place.run("run", "tiny", "x", "--chat-template=bad.jinja")
    assert r.code == 1 and "PX-MOD-034" in r.err, r.err


def test_tokens_go_there_and_back(place):
    text = "Once upon a time, a fox said \"hello\"!\n\tEnd. ünïcödé 日本 \U0001f98a"
    doc = place.json("tokenize", "tiny", "--no-bos", "--no-special", input=text.encode())
    back = place.run("detokenize", "tiny", "--tokens", " ".join(map(str, doc["tokens"])))
    assert back.out.lstrip(" ") == text, back.out
    place.write("t.txt", text)
    equal(place.json("tokenize", "tiny", "--file", "t.txt", "--no-bos", "--no-special")["tokens"],
          doc["tokens"])
    lines = place.run("tokenize", "tiny", "--no-bos", "--no-special", "Once upon").out.splitlines()
    ids = ",".join(x.split()[0] for x in lines)
    equal(place.run("detokenize", "tiny", input=ids.encode()).out.strip(), "Once upon")


def test_perplexity_of_sense_is_lower_than_of_noise(place):
    place.write("noise.txt", " ".join(harness.STORY.split()[::-3]) * 3)
    def ppl(name):
        return place.json("eval", "perplexity", "tiny", "--file", name, "--ctx", "64")
    story = ppl("story.txt")
    assert story["perplexity"] < ppl("noise.txt")["perplexity"]
    tokens = place.json("tokenize", "tiny", "--file", "story.txt", "--no-bos", "--no-special")
    equal(story["tokens"], tokens["count"])


def test_the_digest_is_one(place):
    base = place.json("digest", "tiny")["digest"]
    equal(place.json("digest", "model.gguf")["digest"], base)
    for args in (["--threads", "1", "--chunk", "1"], ["--chunk", "5", "--beside", "2"]):
        equal(place.json("digest", "tiny", *args)["digest"], base, args)
    equal(place.json("digest", "tiny", env={"PLEXUS_CPU": "scalar"})["digest"], base)


def test_chat_keeps_the_conversation(place):
    r = place.run("chat", "tiny", "-n", "5", "--temp", "0", input=b"Once\nThe fox\n/reset\nOnce\n")
    equal(r.code, 0, r.err)
    doc = place.json("chat", "tiny", "-n", "5", "--temp", "0", input=b"Once\nThe fox\n")
    equal([t["role"] for t in doc["turns"]], ["user", "assistant"] * 2)
    equal(doc["turns"][0]["content"], "Once")


def test_bench_measures_and_a_peer_is_read(place):
    peer = place.write("peer.sh", """#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -p) p=$2;; -n) n=$2;; -r) r=$2;; -o) o=$2;; -m) m=$2;; esac
shift; done
[ "$r" = 1 ] && [ "$o" = json ] && [ -f "$m" ] || exit 1
echo '[{"n_prompt": '$p', "n_gen": 0, "avg_ts": 10}, {"n_prompt": 0, "n_gen": '$n', "avg_ts": 5}]'
""")
    os.chmod(peer, 0o755)
    doc = place.json("bench", "infer", "model.gguf", "--prompt-tokens", "16", "--gen-tokens", "4",
                     "--repeat", "3", "--sequences", "2,4", "--peer", peer)
    rows = {r["name"]: r for r in doc["rows"]}
    equal((rows["prefill 16"]["peer_value"], rows["decode 4"]["peer_value"]), (10, 5))
    assert abs(rows["decode 4"]["ratio"] - doc["decode_tps"] / 5) < 1e-6 * doc["decode_tps"]
    assert doc["prefill_tps"] > 0 and doc["rss_bytes"] > 1 << 20 and "cpu" in doc["machine"]
    assert rows["decode of 4 sequences"]["value"] > 0
    r = place.run("bench", "infer", "model.gguf", "--prompt-tokens", "16", "--gen-tokens", "4",
                  "--repeat", "1", "--peer", "/bin/false")
    assert r.code == 1 and "/bin/false" in r.err, r.err


def test_bench_generates_models(place):
    doc = place.json("bench", "infer", "--shape", "tiny-256", "--types", "q8_0,f16", "--repeat",
                     "1", "--prompt-tokens", "16", "--gen-tokens", "4")
    equal(len(doc["models"]), 2)
    r = place.run("bench", "infer", "--shape", "nothing", "--repeat", "1")
    assert r.code == 2 and "nothing" in r.err, r.err


def start(place, *args, **kw):
    """The program at work, one thread of it."""
    return subprocess.Popen([place.program, *args, "--threads", "1"],
                            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                               "cwd": place.dir, "env": place.env(), **kw})


def long_run(place, model, **kw):
    """Text for minutes: however late this process comes to its next step, the other is not done."""
    return start(place, "run", model, "Once", "-n", "100000", "--ignore-eos", "--ctx", "20000",
                 "--cpu", "scalar", **kw)


def test_ctrl_c_ends_with_130(place):
    p = long_run(place, "tiny")
    os.read(p.stdout.fileno(), 1)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=120)
    equal(p.returncode, 130)


def test_ctrl_c_while_nobody_reads_the_text(place):
    read, write = os.pipe()
    os.write(write, bytes(fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)))
    p = long_run(place, "tiny", stdout=write)
    os.close(write)
    harness.wait_asleep(p)
    p.send_signal(signal.SIGINT)
    harness.wait_asleep(p)
    while os.read(read, 65536):
        pass
    os.close(read)
    equal((p.communicate(timeout=120)[1], p.returncode), (b"", 130))


def test_ctrl_c_while_a_chat_waits_for_a_line(place):
    p = start(place, "chat", "tiny", "-n", "4", "--json-lines", stdin=subprocess.PIPE)
    p.stdin.write(b"Once\n")
    p.stdin.flush()
    while b'"turn"' not in (line := p.stdout.readline()):
        assert line, p.communicate()
    harness.wait_asleep(p)
    p.send_signal(signal.SIGINT)
    equal(p.wait(timeout=120), 130)
    p.communicate()


def test_a_file_cut_while_it_is_used(place):
    """The guard: no signal, an honest exit code, whatever the moment of the cut."""
    p = long_run(place, "model.gguf")
    os.read(p.stdout.fileno(), 1)
    os.truncate(place.path("model.gguf"), 4096)
    err = p.communicate(timeout=120)[1]
    equal(p.returncode, 7, err)
    assert b"PX-IO-014" in err, err


harness.main(sys.modules[__name__])
