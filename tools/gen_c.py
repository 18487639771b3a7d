"""The C side: option ids, tables of options and verbs, help texts, completion scripts."""
import gen_help

HEAD = "/* Made by tools/gen.py from gen/options.toml: edit that, then ./dev docs. {} */\n"


def quote(text):
    """A C string literal, a source line for each line of the text."""
    out = []
    for line in text.splitlines(keepends=True) or [""]:
        body = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        out.append(f'"{body}"')
    return "\n    ".join(out)


def header(cli):
    out = [HEAD.format("Option ids and verbs."), "#ifndef CLI_OPTIONS_GEN_H",
           "#define CLI_OPTIONS_GEN_H", "", "struct cli;", "", "enum {"]
    out += [f"    {o.id}," for o in cli.options.values()]
    out += ["    OPT_COUNT", "};", ""]
    out += [f"int verb_{v.id}(struct cli *c);" for v in cli.verbs]
    out += ["", "#endif", ""]
    return "\n".join(out)


def option_row(o):
    default = "NULL" if o.default is None else quote(o.default)
    bare = "NULL" if o.bare is None else quote(o.bare)
    short = f"'{o.short}'" if o.short else "0"
    upper = f"{float(o.max)!r}" if o.type == "float" else f"{o.max}u"
    choices = quote(" ".join(o.choices)) if o.choices else "NULL"
    limits = f".min = {float(o.min)!r}, " if o.type == "float" else f".umin = {o.min}u, "
    limits += f".max = {upper}" if o.type == "float" else f".umax = {upper}"
    return (f"    {{{quote(o.name)}, {quote(o.env)}, {short}, TYPE_{o.type.upper()}, {default}, "
            f"{bare}, {choices}, {limits}}},")


def tables(cli):
    out = [HEAD.format("Tables and help texts."), '#include "cli.h"', ""]
    out.append("const struct cli_opt cli_opts[OPT_COUNT] = {")
    out += [option_row(o) for o in cli.options.values()]
    out += ["};", ""]
    for v in cli.verbs:
        out.append(f"static const struct cli_verb_opt opts_{v.id}[] = {{")
        for o, d in v.options:
            out.append(f"    {{{o.id}, {'NULL' if d is None else quote(str(d))}}},")
        out += ["};", ""]
    out.append("const struct cli_verb cli_verbs[] = {")
    for v in cli.verbs:
        out.append(f"    {{{quote(v.name)}, {quote(v.summary)}, {quote(v.usage)},\n    "
                   f"{quote(gen_help.verb(v))},\n    opts_{v.id}, "
                   f"sizeof opts_{v.id} / sizeof *opts_{v.id}, {v.min}, {v.max}, verb_{v.id}}},")
    out += ["};", f"const unsigned cli_verb_count = {len(cli.verbs)};", ""]
    topics = [(n, f(cli)) for n, f in gen_help.TOPICS.items()]
    topics += [(w, gen_help.family(cli, w)) for w in cli.families]
    topics.append(("", gen_help.short(cli)))
    out.append("const struct cli_topic cli_topics[] = {")
    out += [f"    {{{quote(n)},\n    {quote(t)}}}," for n, t in topics]
    out += ["};", f"const unsigned cli_topic_count = {len(topics)};", ""]
    return "\n".join(out)


def completions(shells):
    out = [HEAD.format("Completion scripts."), '#include "cli.h"', ""]
    out.append("const struct cli_topic cli_completions[] = {")
    out += [f"    {{{quote(n)},\n    {quote(t)}}}," for n, t in shells.items()]
    out += ["};", f"const unsigned cli_completion_count = {len(shells)};", ""]
    return "\n".join(out)
