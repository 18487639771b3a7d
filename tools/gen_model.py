"""Read gen/options.toml (and the tables it stands beside) into plain objects."""
import os
import re
import textwrap
import tomllib

TYPES = ("flag", "uint", "float", "text", "choice", "list")
GLOBAL = ("json", "color", "quiet", "help")  # options of every verb


class Option:
    def __init__(self, key, row):
        self.key = key
        self.name = row.get("name", key)
        self.type = row["type"]
        assert self.type in TYPES, name
        self.short = row.get("short", "")
        self.metavar = row.get("metavar", "")
        self.default = row.get("default")
        self.min = row.get("min", 0)
        self.max = row.get("max", 0)
        self.choices = row.get("choices", [])
        self.bare = row.get("bare")
        self.complete = row.get("complete", "")
        self.help = row["help"]
        if self.choices:
            self.metavar = "|".join(self.choices)

    @property
    def id(self):
        return "OPT_" + self.key.upper().replace("-", "_")

    @property
    def env(self):
        return "PLEXUS_" + self.key.upper().replace("-", "_")

    @property
    def value(self):
        """The value as shown behind the name, e.g. ' N', '[=FILE]' or ''."""
        if self.type == "flag":
            return ""
        return f"[={self.metavar}]" if self.bare is not None else " " + self.metavar

    @property
    def spelling(self):
        return (f"-{self.short}, " if self.short else "    ") + f"--{self.name}{self.value}"


class Verb:
    def __init__(self, row, options):
        self.name = row["name"]
        self.group = row["group"]
        self.summary = row["summary"]
        self.args = row["args"]
        self.min = row["min"]
        self.max = row["max"]
        self.paragraphs = [" ".join(p.split()) for p in row["text"].strip().split("\n\n")]
        self.fields = row.get("fields", {})
        self.examples = row["examples"]
        self.options = []
        for item in row["options"] + list(GLOBAL):
            name, default = (item, None) if isinstance(item, str) else item
            o = options[name]
            self.options.append((o, o.default if default is None else default))

    @property
    def family(self):
        return self.name.split()[0]

    @property
    def id(self):
        return self.name.replace(" ", "_").replace("-", "_")

    @property
    def usage(self):
        return f"plexus {self.name} [options]" + (f" {self.args}" if self.args else "")


class Cli:
    def __init__(self, data, errors):
        self.date = data["date"]
        self.groups = data["group"]
        self.families = data["family"]
        self.options = {n: Option(n, r) for n, r in data["option"].items()}
        self.verbs = [Verb(r, self.options) for r in data["verb"]]
        self.errors = errors
        used = {o.key for v in self.verbs for o, _ in v.options}
        unused = set(self.options) - used
        assert not unused, f"options that no verb has: {unused}"

    def first_words(self):
        """(word, summary, group) of each verb as the short help lists them."""
        seen = {}
        for v in self.verbs:
            summary = self.families.get(v.family, v.summary)
            seen.setdefault(v.family, (v.family, summary, v.group))
        return list(seen.values())

    def family(self, word):
        return [v for v in self.verbs if v.family == word]


EXIT_CODES = [
    (0, "success"),
    (1, "the operation failed"),
    (2, "wrong usage: unknown verb, option or value"),
    (3, "something was not found"),
    (4, "the node cannot be reached"),
    (5, "not permitted"),
    (6, "timed out"),
    (7, "integrity: data are malformed, cut short or changed"),
    (8, "degraded: finished, but not with everything"),
    (130, "interrupted"),
]


def error_rows(root):
    """Rows (name, number, exit, retry, code, text, hint) of the table in include/plexus/err.h."""
    with open(os.path.join(root, "include/plexus/err.h"), encoding="utf-8") as f:
        text = f.read().replace("\\\n", " ")
    row = re.compile(r'X\((\w+), (-?\d+), (\d+), (\d), "([^"]*)",\s*"([^"]*)",\s*"([^"]*)"\)')
    return row.findall(text)


def load(root):
    with open(os.path.join(root, "gen/options.toml"), "rb") as f:
        return Cli(tomllib.load(f), error_rows(root))


def wrap(text, indent=0, width=80, first=None):
    lead = " " * indent if first is None else first
    return textwrap.fill(text, width, initial_indent=lead, subsequent_indent=" " * indent,
                         break_on_hyphens=False, break_long_words=False)
