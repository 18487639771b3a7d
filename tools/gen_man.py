"""Manual pages in mdoc: plexus(1) and one page for the first word of each verb."""
from gen_model import EXIT_CODES

MORE = "plexus-{}.1"


def esc(text):
    text = text.replace("\\", "\\e")
    return "\\&" + text if text[:1] in (".", "'") else text


def word(text):
    """One argument of a macro line."""
    text = esc(text).replace('"', '\\(dq')
    return f'"{text}"' if " " in text or text == "" else text


def prose(text):
    """Sentences, each on a line of its own, as mdoc wants them."""
    return esc(text).replace(". ", ".\n").replace("\n.", "\n\\&.").split("\n")


def head(cli, title, name, summary):
    return [f'.\\" Made by tools/gen.py from gen/options.toml: edit that, then ./dev docs.',
            f".Dd {cli.date}", f".Dt {title} 1", ".Os plexus", ".Sh NAME", f".Nm {name}",
            f".Nd {summary}"]


def option_tag(o):
    line = ".It"
    if o.short:
        line += f" Fl {o.short} ,"
    line += f" Fl \\-{o.name}"
    if o.type == "flag":
        return line
    if o.bare is not None:
        return line + f" Ns Oo = Ns Ar {word(o.metavar)} Oc"
    return line + f" Ar {word(o.metavar)}"


def options(v):
    out = [".Bl -tag -width Ds"]
    for o, default in v.options:
        out += [option_tag(o), *prose(o.help)]
        if default not in (None, ""):
            out += ["The default is", f".Cm {word(default)} ."]
    return out + [".El"]


def examples(verbs):
    out = [".Sh EXAMPLES"]
    for i, e in enumerate(e for v in verbs for e in v.examples):
        out += ([".Pp"] if i else []) + prose(e["what"])
        out += [".Bd -literal -offset indent", esc("$ " + e["cmd"]), ".Ed"]
    return out


def exit_status(cli):
    out = [".Sh EXIT STATUS", ".Bl -tag -width 130 -compact"]
    for code, text in EXIT_CODES:
        out += [f".It {code}", esc(text)]
    return out + [".El"]


def synopsis(verbs):
    out = [".Sh SYNOPSIS"]
    for v in verbs:
        out += [f".Nm plexus {v.name}", ".Op Ar options"]
        for a in v.args.split():
            optional, many = a.startswith("["), a.endswith("...]") or a.endswith("...")
            a = a.strip("[]").removesuffix("...")
            out.append(f".{'Op ' if optional else ''}Ar {a}{' ...' if many else ''}")
    return out


def body(v, alone):
    out = [] if alone else [f".Ss plexus {v.name}"]
    for i, p in enumerate(v.paragraphs):
        out += ([".Pp"] if i else []) + prose(p)
    out += [".Pp", "The options are:", *options(v)]
    if v.fields:
        out += [".Pp", "With", ".Fl \\-json", "the document has", ".Cm schema",
                f".Pq Qq plexus.{v.family}/1", "and these fields:",
                ".Bl -tag -width Ds -compact"]
        for name, text in v.fields.items():
            out += [f".It Cm {word(name)}", *prose(text)]
        out.append(".El")
    return out


def verb_page(cli, first):
    verbs = cli.family(first)
    summary = cli.families.get(first, verbs[0].summary)
    out = head(cli, f"PLEXUS-{first.upper()}", f"plexus-{first}", summary)
    out += synopsis(verbs) + [".Sh DESCRIPTION"]
    for v in verbs:
        out += body(v, len(verbs) == 1)
    out += [".Sh ENVIRONMENT", "Every option", ".Fl \\-foo-bar", "is also",
            ".Ev PLEXUS_FOO_BAR ;", "the command line wins.", "See", ".Xr plexus 1 ."]
    out += exit_status(cli) + examples(verbs) + [".Sh SEE ALSO", ".Xr plexus 1"]
    return "\n".join(out) + "\n"


FILES = [
    ("/etc/plexus/config.toml", "The system file."),
    ("~/.config/plexus/config.toml", "The user file."),
    ("~/.local/state/plexus/history", "Lines typed in plexus chat."),
]


def main_page(cli):
    out = head(cli, "PLEXUS", "plexus", "one computer out of many, for language models")
    out += [".Sh SYNOPSIS", ".Nm", ".Ar verb", ".Op Ar options", ".Op Ar arguments",
            ".Sh DESCRIPTION", ".Nm", "runs language models, looks into model files and measures.",
            "Data go to standard output, everything else to standard error.",
            "Alone it prints a short help and exits with 0.", "The verbs are:",
            ".Bl -tag -width detokenize"]
    for first, summary, _ in cli.first_words():
        out += [f".It Cm {first}", esc(summary[0].upper() + summary[1:]) + ".", "See",
                f".Xr plexus-{first} 1 ."]
    out += [".El", ".Sh ENVIRONMENT", ".Bl -tag -width Ds"]
    for o in sorted(cli.options.values(), key=lambda o: o.name):
        if o.name != "help":
            out += [f".It Ev {o.env}", "As", f".Fl \\-{o.name} ."]
    out += [".It Ev PLEXUS_HOME", "Every file of plexus is kept under this directory.",
            ".It Ev PLEXUS_SYSTEM_CONFIG", "Path of the system file.",
            ".It Ev NO_COLOR , CLICOLOR_FORCE , TERM", "Whether to colour.", ".El",
            ".Sh FILES", ".Bl -tag -width Ds"]
    for path, text in FILES:
        out += [f".It Pa {path}", text]
    out += [".El"] + exit_status(cli)
    out += [".Sh EXAMPLES", "A model speaks:", ".Bd -literal -offset indent",
            '$ plexus run tiny "Once upon a time"', ".Ed", ".Sh DIAGNOSTICS",
            "An error is one line that ends with a code in brackets, which",
            ".Xr plexus-explain 1", "looks up:", ".Bd -literal -offset indent",
            "plexus: WHAT: WHERE (offset N, field F, expected E, found X): HINT [CODE]", ".Ed",
            ".Sh SEE ALSO"]
    pages = sorted({w for w, _, _ in cli.first_words()})
    out += [f".Xr plexus-{w} 1" + (" ," if w != pages[-1] else "") for w in pages]
    return "\n".join(out) + "\n"


def pages(cli):
    out = {"plexus.1": main_page(cli)}
    for first, _, _ in cli.first_words():
        out[MORE.format(first)] = verb_page(cli, first)
    return out
