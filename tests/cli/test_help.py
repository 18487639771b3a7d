"""Help texts, exit codes, and errors that say what to do."""
import os
import subprocess
import sys
import tomllib

import harness
from harness import equal


def table(place):
    with open(os.path.join(place.root, "gen/options.toml"), "rb") as f:
        return tomllib.load(f)


def test_alone_it_prints_the_short_help(place):
    with open(os.path.join(place.root, "tests/cli/golden/help.txt"), encoding="utf-8") as f:
        golden = f.read()
    for args in ([], ["--help"], ["-h"], ["help"]):
        r = place.run(*args)
        equal((r.code, r.out, r.err), (0, golden, ""), args)


def test_help_fits_the_terminal(place):
    for verb in [v["name"] for v in table(place)["verb"]] + ["", "env", "exit-codes", "settings"]:
        for line in place.run("help", *verb.split()).out.split("\n"):
            assert len(line) <= 80 or line.startswith("  plexus"), f"{verb}: {line}"


def test_every_verb_has_help_with_its_options_and_examples(place):
    for v in table(place)["verb"]:
        words = v["name"].split()
        r = place.run(*words, "--help")
        equal(r.code, 0, v["name"])
        equal(place.run("help", *words).out, r.out, v["name"])
        assert f"usage: plexus {v['name']}" in r.out
        for o in v["options"]:
            key = o if isinstance(o, str) else o[0]
            name = table(place)["option"][key].get("name", key)
            assert "--" + name in r.out, (v["name"], o)
        for e in v["examples"]:
            assert e["cmd"] in r.out, (v["name"], e)


def test_help_lists_verbs_and_topics(place):
    names = place.run("help", "verbs").out.split("\n")[:-1]
    equal(names, [v["name"] for v in table(place)["verb"]])
    assert "PLEXUS_MAX_TOKENS" in place.run("help", "env").out
    assert "130" in place.run("help", "exit-codes").out
    assert "config.toml" in place.run("help", "settings").out


def one_line(r, code, *parts):
    """One line on stderr, nothing on stdout, the code at the end."""
    equal((r.code, r.out), (code, ""), r.err)
    equal(r.err.count("\n"), 1, r.err)
    assert r.err.startswith("plexus: ") and r.err.rstrip().endswith("]"), r.err
    for p in parts:
        assert p in r.err, (p, r.err)


def test_unknown_names_get_the_nearest(place):
    one_line(place.run("verson"), 2, "did you mean plexus version?", "PX-GEN-003")
    one_line(place.run("rnu"), 2, "did you mean plexus run?")
    one_line(place.run("run", "tiny", "x", "--tmep", "1"), 2, "--tmep", "did you mean --temp?")
    one_line(place.run("config", "gte", "x"), 2, "did you mean plexus config get?")
    one_line(place.run("limits", "gguf.key_byts"), 3, "did you mean gguf.key_bytes?")
    one_line(place.run("explain", "PX-FMT-02"), 3, "did you mean PX-FMT-02")
    one_line(place.run("kernels", "--cpu", "avx3"), 2, "did you mean avx2?")
    one_line(place.run("check", "--format", "ggfu", "model.gguf"), 2, "did you mean gguf?")
    one_line(place.run("completion", "bsh"), 2, "bash")
    one_line(place.run("quite-unknown"), 2, "plexus help")


def test_bad_usage_is_exit_2(place):
    one_line(place.run("run"), 2, "plexus run")
    one_line(place.run("run", "tiny", "x", "--temp", "hot"), 2, "--temp", "'hot'")
    one_line(place.run("run", "tiny", "x", "-n", "-1"), 2, "'-1'")
    one_line(place.run("run", "tiny", "x", "--top-p", "1.5"), 2, "0 to 1")
    one_line(place.run("run", "tiny", "x", "--temp"), 2, "needs a value")
    one_line(place.run("run", "tiny", "x", "--kv-type", "f64"), 2, "f16 f32 i8")
    one_line(place.run("run", "tiny", "x", "--bias", "5"), 2, "--bias")
    one_line(place.run("detokenize", "tiny", "--tokens", "1,x"), 2, "'x'")
    one_line(place.run("version", "extra"), 2, "'extra'")
    one_line(place.run("check", "model.gguf"), 2, "--format")
    one_line(place.run("bench", "infer", "tiny", "--shape", "llama-15m"), 2, "--shape")
    r = place.run("eval")
    equal((r.code, r.out), (2, ""))
    assert "plexus eval perplexity" in r.err


def test_files_that_are_not_there(place):
    one_line(place.run("inspect", "nothing.gguf"), 3, "nothing.gguf", "PX-IO-010")
    one_line(place.run("inspect", "."), 2, "PX-IO-013")
    place.write("empty.gguf", "")
    one_line(place.run("inspect", "empty.gguf"), 7, "PX-FMT-020")
    one_line(place.run("run", "nothing.gguf", "x"), 3, "nothing.gguf")
    one_line(place.run("tokenize", "tiny", "--file", "nothing.txt"), 3, "nothing.txt")
    one_line(place.run("check", "--format", "gguf", "nothing.gguf"), 3, "nothing.gguf")


def test_a_damaged_file_names_offset_and_field(place):
    with open(place.path("model.gguf"), "rb") as f:
        whole = f.read()
    place.write("cut.gguf", whole[:1000])
    one_line(place.run("check", "--format", "gguf", "cut.gguf"), 7, "offset ", "field ")
    place.write("magic.gguf", b"GGXF" + whole[4:])
    one_line(place.run("check", "--format", "gguf", "magic.gguf"), 7, "offset 0", "field ")
    one_line(place.run("run", "magic.gguf", "x"), 7, "magic.gguf", "offset 0")
    equal(place.run("check", "--format", "gguf", "model.gguf").code, 0)


def test_options_in_any_place_and_form(place):
    for args in (["--json", "limits"], ["limits", "--json"], ["limits", "--json=true"],
                 ["--color=never", "limits", "--json", "--", "gguf"]):
        r = place.run(*args)
        assert r.code == 0 and r.out.startswith("{"), (args, r.err)
    equal(place.run("limits", "--json=false").out[:1], "g")
    equal(place.run("--version").out, place.run("version").out)


def test_output_that_cannot_be_written(place):
    with open("/dev/full", "w", encoding="utf-8") as full:
        r = subprocess.run([place.program, "limits"], stdout=full, stderr=subprocess.PIPE,
                           env=place.env())
    equal(r.returncode, 1)
    assert b"cannot write" in r.stderr, r.stderr


def test_a_closed_pipe_is_quiet(place):
    read, write = os.pipe()
    os.close(read)
    r = subprocess.run([place.program, "limits"], stdout=write, stderr=subprocess.PIPE,
                       env=place.env())
    os.close(write)
    equal(r.stderr, b"")
    assert r.returncode in (141, -13), r.returncode


harness.main(sys.modules[__name__])
