"""docs/cli.md: every verb, option, environment name, exit code and error code on one page."""
import gen_help
from gen_model import EXIT_CODES


def cell(text):
    return str(text).replace("|", "\\|")


def option_rows(v):
    out = ["| option | default | meaning |", "|---|---|---|"]
    for o, default in v.options:
        name = (f"-{o.short}, " if o.short else "") + f"--{o.name}{o.value}"
        out.append(f"| `{cell(name)}` | {cell(default) if default is not None else ''} | "
                   f"{cell(o.help)} |")
    return out


def verb(v):
    out = [f"### plexus {v.name}", "", v.summary[0].upper() + v.summary[1:] + ".", "",
           f"`{v.usage}`"]
    for p in v.paragraphs:
        out += ["", p]
    out += ["", *option_rows(v)]
    if v.fields:
        out += ["", f"`--json` prints `\"schema\": \"plexus.{v.family}/1\"` and:", "",
                "| field | what |", "|---|---|"]
        out += [f"| `{n}` | {cell(t)} |" for n, t in v.fields.items()]
    out += ["", "```"]
    for e in v.examples:
        out += [f"# {e['what']}", f"$ {e['cmd']}"]
    return out + ["```", ""]


def error_rows(cli):
    out = ["| code | name | exit | retry | meaning | what to do |", "|---|---|---|---|---|---|"]
    for name, _, code_exit, retry, code, text, hint in cli.errors:
        if name != "OK":
            out.append(f"| `{code}` | `PX_ERR_{name}` | {code_exit} | "
                       f"{'yes' if retry == '1' else 'no'} | {cell(text)} | {cell(hint)} |")
    return out


def cli_page(cli):
    out = ["<!-- Made by tools/gen.py from gen/options.toml: edit that, then ./dev docs. -->",
           "# The command line", "",
           "Data go to standard output, everything else to standard error. Every verb has `--json`, "
           "which prints one document with a versioned `schema`; a field is never removed or given "
           "another meaning without a new version.", ""]
    for g in cli.groups:
        out += [f"## {g['title']}", ""]
        for v in cli.verbs:
            if v.group == g["name"]:
                out += verb(v)
    out += ["## Settings", "", "```", gen_help.config(cli).rstrip(), "```", "",
            "## Environment", "", "```", gen_help.env(cli).rstrip(), "```", "",
            "## Exit codes", "", "| code | meaning |", "|---|---|"]
    out += [f"| {c} | {t} |" for c, t in EXIT_CODES]
    out += ["", "## Errors", "",
            "An error is one line: `plexus: WHAT: WHERE (offset N, field F, expected E, found X): "
            "HINT [CODE]`.", "", *error_rows(cli), ""]
    return "\n".join(out)
