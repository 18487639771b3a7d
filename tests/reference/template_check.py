"""Compare px_template_render with Python's Jinja2, set up as the transformers library sets it up.

Usage: template_check.py TEMPLATE_RENDER. Prints TAP; one case a template. A case whose reference
raises must be refused by plexus too.
"""
import datetime
import functools
import glob
import json
import os
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
import template_cases  # noqa: E402

try:
    import jinja2
    import jinja2.ext
    import jinja2.nodes
    import jinja2.sandbox
except ImportError:
    print("1..0 # SKIP python3-jinja2 is not installed")
    sys.exit(0)

NOW = 1731234567


class Generation(jinja2.ext.Extension):
    """The tag that marks what a model wrote."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body, lineno=line)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def strftime_now(fmt):
    return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).replace(
        tzinfo=None).strftime(fmt)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


@functools.lru_cache(maxsize=4)
def compiled(env, template):
    return env.from_string(template)


def reference(env, job):
    variables = {"bos_token": job["bos_token"], "eos_token": job["eos_token"],
                 "messages": job["messages"], "tools": None, "documents": None,
                 "add_generation_prompt": job["add_generation_prompt"], **job["context"]}
    try:
        text = compiled(env, job["template"]).render(**variables)
        text.encode("utf-8")
        return text
    except Exception as e:  # any failure counts: it must be a failure here too
        return e


def job_of(template, messages=(), context=None, prompt=False):
    return {"template": template, "messages": list(messages), "context": context or {},
            "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>", "now": NOW}


def jobs():
    for name, template, context in template_cases.snippets():
        yield name, job_of(template, template_cases.CHAT, context), None
    for template, text in template_cases.differences():
        expect = ValueError("refused") if text is None else text
        yield "differs: " + template, job_of(template, template_cases.CHAT,
                                             template_cases.CONTEXT), expect
    for name, template in template_cases.families():
        for what, messages, context in template_cases.conversations():
            for prompt in (False, True):
                job = job_of(template, messages, context, prompt)
                yield f"{name}, {what}, prompt {prompt}", job, None


def stored_template(path):
    """The chat template of a GGUF file: a string value behind its key."""
    with open(path, "rb") as f:
        data = f.read(4 << 20)
    key = b"tokenizer.chat_template"
    at = data.find(key) + len(key)
    kind, n = struct.unpack_from("<IQ", data, at)
    return data[at + 12:at + 12 + n].decode() if at >= len(key) and kind == 8 else None


def stored_jobs():
    folder = os.path.join(os.environ.get("PLEXUS_SHARED", "../shared"), "data", "models")
    for path in sorted(glob.glob(os.path.join(folder, "*.gguf"))):
        template = stored_template(path)
        if template:
            job = job_of(template, template_cases.CHAT, {}, True)
            yield f"template of {os.path.basename(path)}", job, None


def judge(want, got):
    if isinstance(want, Exception):
        return "error" in got, f"reference raised {want!r}, plexus wrote {got!r}"
    return got.get("text") == want, f"reference {want!r}\n#    plexus {got!r}"


def main():
    env = environment()
    work = list(jobs()) + list(stored_jobs())
    lines = "".join(json.dumps(job) + "\n" for _, job, _ in work)
    run = subprocess.run([sys.argv[1]], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(x) for x in run.stdout.decode().splitlines()]
    print(f"TAP version 13\n1..{len(work)}")
    bad = len(answers) != len(work)
    for i, ((name, job, expect), got) in enumerate(zip(work, answers), 1):
        ok, why = judge(reference(env, job) if expect is None else expect, got)
        bad = bad or not ok
        if not ok:
            print(f"# template {job['template'][:300]!r}\n# {why}".replace("\x00", "?"))
        shown = name.encode("ascii", "backslashreplace").decode().replace("\n", "\\n")
        print(f"{'ok' if ok else 'not ok'} {i} - {shown}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
