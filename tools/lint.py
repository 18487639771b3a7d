"""Checks of the house rules: ./dev lint. Prints each violation as file:line and exits 1 if any.

layers      every #include of src/ against tools/layers.txt; cli/ may include only include/plexus
symbols     the core folders call no socket, clock, thread, file or environment function
banned      functions that have no safe use
sizes       functions up to 70 lines (tools/size_exceptions.txt), files up to 1,200, lines up to 100
headers     every declaration in include/plexus has a comment, every header says what it is
generated   generated files are what their generators write
format      clang-format agrees
tidy        no tabs, trailing blanks, TODO, executable sources, large or binary strays
"""
import json
import os
import re
import shutil
import subprocess
import sys

CORE = ("base", "kernel", "crypto", "codec", "tensor", "text", "model", "net", "swarm")
FORBIDDEN = re.compile(
    r"^(socket|connect|accept4?|bind|listen|send(to|msg|mmsg)?|recv(from|msg|mmsg)?|epoll_\w+|"
    r"p?poll|p?select|clock_\w+|time|gettimeofday|nanosleep|usleep|sleep|getrandom|pthread_\w+|"
    r"thrd_\w+|fork|exec\w+|system|popen|open(at)?(64)?|creat|read|write|pread\w*|pwrite\w*|"
    r"mmap(64)?|munmap|stat(64)?|fstat(64)?|unlink|rename|fopen(64)?|fread|fwrite|fclose|fputs|"
    r"puts|putchar|printf|vprintf|fprintf|getenv|setenv|exit|_exit|abort|signal|sigaction|dlopen)$")
HEAP = re.compile(r"^(malloc|calloc|realloc|free|posix_memalign|aligned_alloc|strdup|strndup)$")
BANNED = re.compile(
    r"\b(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|alloca|"
    r"tmpnam|mktemp|rand|srand|strerror_r|asctime|ctime|localtime|gmtime)\s*\(")
problems = []


def bad(where, what):
    problems.append(f"{where}: {what}")


def tracked(*suffixes):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                         stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    return sorted(f for f in out if f.endswith(suffixes) and os.path.isfile(f))


def lines(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().split("\n")


def layers():
    table = {}
    for row in lines("tools/layers.txt"):
        if ":" in row and not row.startswith("#"):
            name, allowed = row.split(":", 1)
            table[name] = set(allowed.split()) | {name, "plexus"}
    for path in tracked(".c", ".h"):
        top, _, rest = path.partition("/")
        folder = rest.split("/")[0] if top == "src" else top
        if top == "src" and folder not in table:
            bad(path, f"folder {folder} is not in tools/layers.txt")
            continue
        allowed = table.get(folder) if top == "src" else {"plexus"}
        if top not in ("src", "cli"):
            continue
        for n, line in enumerate(lines(path), 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            target = m.group(1).split("/")[0] if m and "/" in m.group(1) else None
            if target and target != ".." and target not in allowed:
                bad(f"{path}:{n}", f"{folder} must not include {m.group(1)}")


def symbols(build):
    found = 0
    for folder, _, files in os.walk(build):
        for f in files:
            m = re.match(r"(?:src_)?(\w+?)_.*\.c\.o$", f)
            if "libplexus.a.p" in folder and m and m.group(1) in CORE:
                core = m.group(1)
            elif "libkernel_" in folder and f.endswith(".o"):
                core = "kernel"
            else:
                continue
            found += 1
            object_symbols(os.path.join(folder, f), core)
    if not found:
        bad(build, "no objects found: build first")


def object_symbols(path, core):
    out = subprocess.run(["nm", "-u", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in (x.split()[-1].split("@")[0] for x in out.split("\n") if x.strip()):
        if FORBIDDEN.match(name):
            bad(path, f"{core} must not call {name}")
        if HEAP.match(name) and core != "base":
            bad(path, f"only base allocates; {core} calls {name}")


def banned():
    for path in tracked(".c", ".h"):
        for n, line in enumerate(lines(path), 1):
            m = BANNED.search(re.sub(r'"(\\.|[^"\\])*"|//.*|/\*.*?\*/', "", line))
            if m:
                bad(f"{path}:{n}", f"{m.group(1)} is banned")


def sizes():
    allowed = {}
    for row in lines("tools/size_exceptions.txt"):
        if row.strip() and not row.startswith("#"):
            allowed[tuple(row.split()[:2])] = False
    sources = [p for p in tracked(".c", ".h") if "generated" not in p and ".gen." not in p]
    for path in sources:
        text = lines(path)
        if len(text) > 1200:
            bad(path, f"{len(text)} lines; the limit is 1,200")
        for n, line in enumerate(text, 1):
            if len(line) > 100:
                bad(f"{path}:{n}", f"{len(line)} columns; the limit is 100")
    for tag in functions(sources):
        size = tag["end"] - tag["line"] + 1
        key = (tag["path"], tag["name"])
        if size > 70 and key in allowed:
            allowed[key] = True
        elif size > 70:
            bad(f"{tag['path']}:{tag['line']}", f"{tag['name']} has {size} lines; the limit is 70")
    for key, used in allowed.items():
        if not used:
            bad("tools/size_exceptions.txt", f"{' '.join(key)} is no longer needed")


def functions(sources):
    out = subprocess.run(["ctags", "--output-format=json", "--fields=+ne", "--kinds-C=f",
                          "--language-force=C", "-f", "-", *sources],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [json.loads(x) for x in out.split("\n") if x.startswith("{")]
    return [r for r in rows if r.get("kind") == "function" and "end" in r]


def headers():
    for path in tracked(".h"):
        text = lines(path)
        if not text[0].startswith("/*"):
            bad(f"{path}:1", "a header begins with a comment that says what it is")
        if not path.startswith("include/plexus/"):
            continue
        commented = False
        for n, line in enumerate(text, 1):
            if "*/" in line:
                commented = True
            elif not line.strip():
                commented = False
            if line.startswith("PX_API") and not commented and "/*" not in line:
                bad(f"{path}:{n}", "declaration without a comment above it")


def generated():
    if not os.path.exists("tools/gen.py"):
        return
    run = subprocess.run([sys.executable, "tools/gen.py", "--check"], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        bad("tools/gen.py", run.stdout.strip() or "generated files are out of date")


def formatting():
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not tool:
        bad("clang-format", "not installed: ./dev deps")
        return
    sources = [p for p in tracked(".c", ".h") if ".gen." not in p and "_table.c" not in p]
    run = subprocess.run([tool, "--dry-run", "-Werror", *sources], stderr=subprocess.PIPE, text=True)
    for line in run.stderr.split("\n"):
        m = re.match(r"(\S+?:\d+):\d+: error: code should be clang-formatted", line)
        if m:
            bad(m.group(1), "not formatted: clang-format -i")


def tidy():
    for path in tracked(".c", ".h", ".py", ".sh", ".md", ".def", ".build"):
        if os.access(path, os.X_OK) and path.endswith((".c", ".h", ".md", ".def", ".build")):
            bad(path, "is executable")
        for n, line in enumerate(lines(path), 1):
            if line != line.rstrip() and ".gen." not in path:
                bad(f"{path}:{n}", "trailing blank")
            if "\t" in line and path.endswith((".c", ".h")):
                bad(f"{path}:{n}", "tab")
            if re.search(r"\b(TODO|FIXME|XXX)\b", line) and not path.startswith("tools/lint"):
                bad(f"{path}:{n}", "open ends belong in issues")
    for path in tracked(""):
        if os.path.getsize(path) > 1 << 20 and not path.startswith("assets/"):
            bad(path, "larger than 1 MiB")


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    checks = [("layers", layers), ("symbols", lambda: symbols(build)), ("banned", banned),
              ("sizes", sizes), ("headers", headers), ("generated", generated),
              ("format", formatting), ("tidy", tidy)]
    only = sys.argv[2:]
    for name, check in checks:
        before = len(problems)
        if not only or name in only:
            check()
            print(f"lint {name}: {'ok' if len(problems) == before else 'failed'}")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
