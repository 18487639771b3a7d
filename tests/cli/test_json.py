"""Every verb has --json: one document, its schema, and the fields that gen/options.toml promises."""
import json
import os
import struct
import subprocess
import sys
import tomllib

import harness
from harness import equal

CALLS = {
    "run": ["run", "tiny", "Once", "-n", "4"],
    "chat": ["chat", "tiny", "-n", "4"],
    "tokenize": ["tokenize", "tiny", "Once upon a time"],
    "detokenize": ["detokenize", "tiny", "--tokens", "40,41,42"],
    "inspect": ["inspect", "model.gguf"],
    "check": ["check", "--format", "gguf", "model.gguf"],
    "eval perplexity": ["eval", "perplexity", "tiny", "--file", "story.txt", "--ctx", "64"],
    "eval logits": ["eval", "logits", "tiny", "--prompt", "Once", "--top", "5"],
    "digest": ["digest", "tiny"],
    "data convert": ["data", "convert", "story.txt", "story.qubgpu", "--tokenizer", "tiny"],
    "data inspect": ["data", "inspect", "story.qubgpu"],
    "data verify": ["data", "verify", "story.qubgpu"],
    "data stats": ["data", "stats", "story.qubgpu"],
    "data mix": ["data", "mix", "story.qubgpu:1"],
    "data order": ["data", "order", "story.qubgpu"],
    "capture encode": ["capture", "encode", "story.qubgpu", "story.pcap"],
    "capture decode": ["capture", "decode", "story.pcap"],
    "bench infer": ["bench", "infer", "tiny", "--prompt-tokens", "16", "--gen-tokens", "4",
                    "--repeat", "1"],
    "bench data": ["bench", "data", "--samples", "1000", "--repeat", "1", "--parts", "batches,store"],
    "bench p2p": ["bench", "p2p", "--bytes", "1000000", "--repeat", "1", "--parts",
                  "noise,quic,speed"],
    "bench pipeline": ["bench", "pipeline", "--repeat", "1", "--parts", "line,start",
                       "--gen-tokens", "8"],
    "bench allreduce": ["bench", "allreduce", "--size", "100000", "--repeat", "1"],
    "bench byzantine": ["bench", "byzantine", "--n", "5", "--f", "0,1", "--seeds", "1", "--rounds", "2"],
    "bench crc-drop": ["bench", "crc-drop", "--results", "runs.jsonl"],
    "demo": ["demo", "--stories", "1"],
    "doctor": ["doctor"],
    "kernels": ["kernels"],
    "setup xdp": ["setup", "xdp", "--dry-run"],
    "limits": ["limits"],
    "explain": ["explain", "PX-FMT-020"],
    "config list": ["config", "list", "run"],
    "config get": ["config", "get", "run.temp"],
    "completion": ["completion", "bash"],
    "version": ["version"],
    "help": ["help", "run"],
    "interop-peer": ["interop-peer", "--listen", "/ip4/127.0.0.1/tcp/0"],
    "id": ["id"],
    "peers": ["peers"],
    "net": ["net"],
    "ping": ["ping", "{peer}"],
    "dht put": ["dht", "put", "/plexus/ME/greeting", "hello"],
    "dht get": ["dht", "get", "/plexus/ME/greeting"],
    "dht provide": ["dht", "provide", "--data", "shard-1"],
    "dht find": ["dht", "find", "{peer}"],
    "dht closest": ["dht", "closest", "{peer}"],
    "swarm connect": ["swarm", "connect", "{addr}"],
    "swarm disconnect": ["swarm", "disconnect", "{peer}"],
    "invite": ["invite"],
    "drain": ["drain"],
    "stop": ["stop"],
    "ps": ["ps"],
    "plan": ["plan", "tiny"],
    "push": ["push", "tiny"],
    "pull": ["pull", "{cid}"],
    "list": ["list"],
    "show": ["show", "{cid}"],
    "pin": ["pin", "{cid}"],
    "rm": ["rm", "{cid}"],
    "bench http": ["bench", "http", "--repeat", "1", "--seconds", "0.1"],
    "perf": ["perf", "--server-address", "{perf}", "--upload-bytes", "1000000"],
    "sim": ["sim", "dht", "--nodes", "200", "--lookups", "20", "--seed", "1"],
    "sim dht": ["sim", "dht", "--nodes", "200", "--lookups", "20", "--seed", "1"],
}
NEED_A_NODE = {"drain", "invite", "stop", "id", "peers", "net", "ping", "dht", "swarm", "pull", "ps", "plan"}


def verbs(place):
    with open(os.path.join(place.root, "gen/options.toml"), "rb") as f:
        return tomllib.load(f)["verb"]


def perf_server(place):
    p = subprocess.Popen([place.program, "perf", "--run-server", "--server-address",
                          "/ip4/127.0.0.1/tcp/0"], stdout=subprocess.PIPE, text=True,
                         env=place.env())
    place.nodes.append(p)
    return json.loads(p.stdout.readline())["addrs"][0]


def test_every_verb_prints_one_document_with_its_fields(place):
    _, other = place.swarm()
    place.write("runs.jsonl", '{"regime": 0, "arm": "none", "p": 0, "seed": 1, "heldout_loss": 2}')
    words = {"peer": other["peer"], "addr": other["addrs"][0], "perf": perf_server(place)}
    for v in verbs(place):
        if v["name"] in ("up", "serve", "invite", "join", "drain", "stop", "leave"):
            continue  # never end by themselves, or end nodes: other tests
        if v["name"].startswith("agg ") or v["name"] in ("bench agg", "bench ddp", "xdpd"):
            continue  # of a network device, of torch: netns/agg.py, bench_agg.py, xdpd.py, python/test_ddp.py
        call = [a.format(**words) for a in CALLS[v["name"]]]
        doc = place.json(*call, input=b"Once\n" if v["name"] == "chat" else b"")
        equal(doc["schema"], f"plexus.{v['name'].split()[0]}/1", v["name"])
        words["cid"] = doc.get("cid", words.get("cid"))
        for field in v["fields"]:
            assert field in doc, f"{v['name']}: no field {field} in {sorted(doc)}"


def test_up_tells_when_it_is_ready_and_ends_in_order(place):
    for flag in ("--json", "--json-lines"):
        ready, node = place.up(flag)
        equal(ready["event"], "ready")
        equal(ready.get("schema"), "plexus.up/1" if flag == "--json" else None)
        assert ready["peer"] and ready["addrs"] and ready["api"], ready
        equal(os.stat(ready["api"]).st_mode & 0o777, 0o600)
        node.terminate()
        equal((node.wait(20), os.path.exists(ready["api"])), (0, False))


def test_without_a_node_its_verbs_say_so(place):
    for v in verbs(place):
        if v["name"].split()[0] in NEED_A_NODE:
            call = [a.format(peer="12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5",
                             addr="/ip4/127.0.0.1/tcp/1",
                             cid="bafkr4igogkqu2653f3ochcusdn3qda2sekryhofdaenh7ck7esmziuicnq")
                    for a in CALLS[v["name"]]]
            r = place.run(*call)
            equal((r.code, r.out), (4, ""), v["name"])
            assert "plexus up" in r.err, r.err


def test_allreduce_says_who_adds_and_why(place):
    small = ["bench", "allreduce", "--size", "1000", "--repeat", "1", "--local", "4"]
    fields = {"chosen", "why", "leaves", "workers_rate", "hubs_rate", "sharded_s", "central_s", "tree_s"}
    for more, chosen, leaves in ([], "sharded", 0), (["--topology", "central"], "central", 0), \
                                (["--topology", "tree"], "tree", 2), (["--rule", "mean"], "central", 0):
        doc = place.json(*small, *more)
        topology = doc["topology"]
        equal((set(topology), topology["chosen"], topology["leaves"]), (fields, chosen, leaves))
        assert topology["why"].startswith(chosen + ": "), topology
        equal(doc["mismatches"], 0)
    for more in ["--topology", "tree", "--rule", "median"], ["--topology", "sharded", "--rule", "median"], \
                ["--topology", "tree", "--hubs", "2"], ["--topology", "ring"], ["--hubs", "9"]:
        r = place.run(*small, *more, "--json")
        equal((r.code, r.out), (2, ""), more)


def test_an_error_leaves_stdout_empty(place):
    r = place.run("inspect", "nothing.gguf", "--json")
    equal((r.code, r.out), (3, ""))


def test_check_reports_what_is_wrong(place):
    place.write("bad.gguf", b"GGUX" + bytes(100))
    r = place.run("check", "--format", "gguf", "bad.gguf", "--json")
    doc = json.loads(r.out)
    equal((r.code, doc["valid"], doc["error"]["offset"]), (7, False, 0))
    assert doc["error"]["field"] and doc["error"]["expected"], doc


def test_version_and_features(place):
    doc = place.json("version")
    assert {"xdp", "quic", "cuda", "verbs"} <= set(doc["features"])
    assert all(isinstance(v, bool) for v in doc["features"].values())


def test_inspect_lists_tensors_and_shortens_arrays(place):
    doc = place.json("inspect", "model.gguf")
    equal(doc["format"], "gguf")
    for t in doc["tensors"]:
        equal(set(t), {"name", "type", "shape", "offset", "bytes", "role", "block"})
    roles = {t["role"] for t in doc["tensors"]}
    assert {"embed", "block", "output"} <= roles, roles
    blocks = {t["block"] for t in doc["tensors"] if t["role"] == "block"}
    equal(blocks, set(range(doc["metadata"]["llama.block_count"])))
    tokens = doc["metadata"]["tokenizer.ggml.tokens"]
    equal(len(tokens["first"]), 8)
    whole = place.json("inspect", "model.gguf", "--all")["metadata"]["tokenizer.ggml.tokens"]
    equal(len(whole), tokens["count"])
    assert doc["run"]["runs"] is True
    inside = place.json("inspect", "tiny")
    equal([t["name"] for t in inside["tensors"]], [t["name"] for t in doc["tensors"]])


def test_inspect_reads_no_weights(place):
    """Two GiB of them, in a file with a hole; what is touched of a mapped file counts as memory."""
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    head += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    head += text("output.weight") + struct.pack("<IQQIQ", 2, 1 << 20, 1 << 10, 1, 0)
    os.truncate(place.write("large.gguf", head), (len(head) + 31) // 32 * 32 + (1 << 31))
    for args in ([], ["--all", "--json"]):
        p = subprocess.Popen([place.program, "inspect", "large.gguf", *args], cwd=place.dir,
                             env=place.env(), stdout=subprocess.DEVNULL)
        status, usage = os.wait4(p.pid, 0)[1:]
        p.returncode = os.waitstatus_to_exitcode(status)
        equal(p.returncode, 0)
        assert usage.ru_maxrss < 64 << 10, f"{usage.ru_maxrss} KiB"


def test_logits_have_nine_digits_and_fall(place):
    doc = place.json("eval", "logits", "tiny", "--prompt", "Once upon a", "--top", "20")
    logits = [t["logit"] for t in doc["top"]]
    equal(len(logits), 20)
    equal(logits, sorted(logits, reverse=True))
    r = place.run("eval", "logits", "tiny", "--prompt", "Once upon a", "--top", "20", "--json")
    assert any(len(w.strip("-").replace(".", "")) >= 9 for w in r.out.replace(",", " ").split()
               if "." in w), r.out


def test_json_lines_are_lines(place):
    r = place.run("run", "tiny", "Once", "-n", "6", "--temp", "0", "--json-lines")
    rows = [json.loads(x) for x in r.out.splitlines()]
    equal(rows[-1]["event"], "done")
    equal("".join(x["text"] for x in rows[:-1]), rows[-1]["text"])
    r = place.run("demo", "--stories", "1", "--json-lines")
    names = [json.loads(x)["name"] for x in r.out.splitlines()]
    equal(names, ["file", "tokens", "packets", "stories", "bits", "peers", "swarm", "poison"])
    packets = json.loads(r.out.splitlines()[2])
    equal((packets["damaged"], packets["refilled"], packets["caught"]), (1, 1, True))
    assert packets["crc"] != packets["found"], packets
    swarm, poison = [json.loads(x) for x in r.out.splitlines()[-2:]]
    # The liar ruins the mean, not the rule.
    assert poison["mean"]["accuracy"] < 50 and poison["clip1"]["accuracy"] > 80, poison
    assert poison["mean"]["refused"] == 0 and poison["clip1"]["quarantined"], poison
    equal((swarm["same"], swarm["lost"] > 0, len(swarm["stages"])), (True, True, 3))


def test_bytes_that_are_no_text_become_valid_json(place):
    doc = place.json("tokenize", "tiny", input=b"a\xff\xfeb\x00c")
    back = place.json("detokenize", "tiny", "--tokens", ",".join(map(str, doc["tokens"])))
    assert isinstance(back["text"], str)


harness.main(sys.modules[__name__])
