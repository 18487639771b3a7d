"""The texts of --help and of `plexus help TOPIC`, at most 80 columns wide."""
from gen_model import EXIT_CODES, wrap

COLUMN = 26


def short(cli):
    """What `plexus` alone prints."""
    out = ["usage: plexus VERB [options] [arguments]"]
    for g in cli.groups:
        out.append(f"{g['title']}")
        for word, summary, group in cli.first_words():
            if group == g["name"]:
                out.append(f"  {word:<11} {summary}")
    out.append("")
    out.append("plexus help VERB tells more; plexus demo shows what it can do.")
    return "\n".join(out) + "\n"


def option_line(o, default):
    note = f" [{default}]" if default not in (None, "") else ""
    lead = f"  {o.spelling}"
    if len(lead) > COLUMN - 2:
        return lead + "\n" + wrap(o.help + note, COLUMN)
    return wrap(o.help + note, COLUMN, first=lead.ljust(COLUMN))


def verb(v):
    out = [f"plexus {v.name}: {v.summary}", "", wrap(f"usage: {v.usage}", 8, first="")]
    for p in v.paragraphs:
        out += ["", wrap(p)]
    out += ["", "options:"]
    out += [option_line(o, d) for o, d in v.options]
    if v.fields:
        out += ["", f"fields of --json (schema plexus.{v.family}/1):"]
        width = max(16, max(map(len, v.fields)) + 4)
        out += [wrap(t, width, first=f"  {n}".ljust(width)) for n, t in v.fields.items()]
    out += ["", "examples:"]
    for e in v.examples:
        out += [f"  {e['cmd']}", f"      {e['what']}"]
    return "\n".join(out) + "\n"


def family(cli, word):
    out = [f"plexus {word}: {cli.families[word]}", ""]
    for v in cli.family(word):
        out.append(f"  {v.usage}")
        out.append(f"      {v.summary}")
    out += ["", f"plexus help {word} {cli.family(word)[0].name.split()[1]} tells more."]
    return "\n".join(out) + "\n"


def exit_codes(cli):
    out = ["Exit codes:"]
    out += [f"  {code:>3}  {text}" for code, text in EXIT_CODES]
    out += ["", wrap("Errors are one line on standard error and end with a code such as "
                     "[PX-FMT-020]; plexus explain CODE tells what it means and what to do.")]
    return "\n".join(out) + "\n"


def env(cli):
    out = [wrap("Every option --foo-bar can be given as PLEXUS_FOO_BAR. A flag is on when the "
                "variable is 1, true, yes or on. The command line wins over the environment, "
                "which wins over the files (plexus help settings)."), ""]
    for o in sorted(cli.options.values(), key=lambda o: o.name):
        if o.name != "help":
            out.append(f"  {o.env:<26} --{o.name}{o.value}")
    out += ["", "Also:",
            "  PLEXUS_HOME                every file of plexus under one directory",
            "  PLEXUS_SYSTEM_CONFIG       the system file; /etc/plexus/config.toml otherwise",
            "  XDG_CONFIG_HOME, XDG_STATE_HOME",
            "  NO_COLOR, CLICOLOR_FORCE, TERM=dumb"]
    return "\n".join(out) + "\n"


def config(cli):
    text = [
        "Settings come, weakest first, from the built-in default, the system file "
        "/etc/plexus/config.toml, the user file, the environment, and the command line.",
        "The user file is $PLEXUS_HOME/config.toml, or plexus/config.toml in $XDG_CONFIG_HOME "
        "(~/.config when that is not set).",
        "A file is a subset of TOML: comments, [verb] headings (a verb of two words is "
        "[eval.perplexity]; [eval] is for all of its subverbs), and lines option = value with a "
        "number, true, false, a \"string\", or an array of strings for an option that may be "
        "repeated. Lines above the first heading count for every verb that has the option.",
        "A heading or option that is not known is an error with file, line and the nearest name.",
    ]
    example = ["", "  threads = 2", "", "  [run]", "  temp = 0.5", '  stop = ["\\n\\n"]']
    return "\n\n".join(wrap(t) for t in text) + "\n" + "\n".join(example) + "\n"


TOPICS = {"exit-codes": exit_codes, "env": env, "settings": config}
