"""Completion scripts for bash, zsh and fish."""

MODEL_ARGS = ("MODEL", "FILE", "[MODEL]", "[FILE]")
FIXED = {"completion": ["bash", "zsh", "fish"]}


def positional(v):
    """What the first argument is: "model", "file", "verb", a list of words, or "" ."""
    first = v.args.split()[0] if v.args else ""
    if v.family in FIXED:
        return FIXED[v.family]
    if v.name == "help" or v.name == "config list":
        return "verb"
    if first.strip("[]") == "MODEL" or v.name == "inspect":
        return "model"
    return "file" if first.strip("[]") == "FILE" else ""


def words(v):
    out = []
    for o, _ in v.options:
        out += ([f"-{o.short}"] if o.short else []) + [f"--{o.name}"]
    return " ".join(out)


def tree(cli):
    """First words, and the second words of each family."""
    first = [w for w, _, _ in cli.first_words()]
    return first, {f: [v.name.split()[1] for v in cli.family(f)] for f in cli.families}


def bash_values(cli):
    out = []
    for o in cli.options.values():
        if o.choices:
            out.append(f'    --{o.name}) COMPREPLY=($(compgen -W "{" ".join(o.choices)}" -- "$cur")); '
                       "return ;;")
        elif o.complete:
            names = f"--{o.name}" + (f"|-{o.short}" if o.short else "")
            out.append(f'    {names}) COMPREPLY=($(compgen -f -- "$cur")); return ;;')
        elif o.type not in ("flag",):
            names = f"--{o.name}" + (f"|-{o.short}" if o.short else "")
            out.append(f"    {names}) return ;;")
    return out


BASH_KIND = {
    "model": 'COMPREPLY=($(compgen -W tiny -- "$cur") $(compgen -f -- "$cur"))',
    "file": 'COMPREPLY=($(compgen -f -- "$cur"))',
    "": ":",
}


def bash(cli):
    first, second = tree(cli)
    out = ["# bash completion for plexus, made by tools/gen.py", "_plexus()", "{",
           "    local cur prev verb", "    COMPREPLY=()", '    cur=${COMP_WORDS[COMP_CWORD]}',
           '    prev=${COMP_WORDS[COMP_CWORD-1]}', "    verb=${COMP_WORDS[1]}",
           "    if [ \"$COMP_CWORD\" = 1 ]; then",
           f'        COMPREPLY=($(compgen -W "{" ".join(first)}" -- "$cur"))', "        return",
           "    fi", '    case "$verb" in']
    for f, subs in second.items():
        out += [f"    {f})", "        if [ \"$COMP_CWORD\" = 2 ]; then",
                f'            COMPREPLY=($(compgen -W "{" ".join(subs)}" -- "$cur"))',
                "            return", "        fi", '        verb="$verb ${COMP_WORDS[2]}" ;;']
    out += ["    esac", '    case "$prev" in', *bash_values(cli), "    esac",
            '    case "$verb" in']
    for v in cli.verbs:
        kind = positional(v)
        if kind == "verb":
            kind = first
        rest = BASH_KIND[kind] if isinstance(kind, str) else (
            f'COMPREPLY=($(compgen -W "{" ".join(kind)}" -- "$cur"))')
        out += [f'    "{v.name}")', '        if [ "${cur#-}" != "$cur" ]; then',
                f'            COMPREPLY=($(compgen -W "{words(v)}" -- "$cur"))', "        else",
                f"            {rest}", "        fi ;;"]
    out += ["    esac", "}", "complete -o filenames -F _plexus plexus", ""]
    return "\n".join(out)


def zsh_quote(text):
    for c in "[]:":
        text = text.replace(c, "\\" + c)
    return text.replace("'", "'\\''")


def zsh_option(o):
    many = "*" if o.type == "list" else ""
    text = f"[{zsh_quote(o.help)}]"
    value = ""
    if o.type != "flag":
        what = f"({' '.join(o.choices)})" if o.choices else "_files" if o.complete else ""
        sep = "::" if o.bare is not None else ":"
        value = f"{sep}{zsh_quote(o.metavar.lower())}:{what}"
    eq = "=-" if o.bare is not None else "=" if o.type != "flag" else ""
    out = [f"'{many}--{o.name}{eq}{text}{value}'"]
    if o.short:
        out.append(f"'{many}-{o.short}{'+' if eq else ''}{text}{value}'")
    return out


def zsh_positional(v, first):
    kind = positional(v)
    if isinstance(kind, list):
        return [f"'1:word:({' '.join(kind)})'"]
    table = {"model": ["'1:model:_plexus_model'", "'*:text:'"], "file": ["'1:file:_files'"],
             "verb": [f"'*:verb:({' '.join(first)})'"]}
    return table.get(kind, [])


def zsh(cli):
    first, second = tree(cli)
    out = ["#compdef plexus", "# zsh completion for plexus, made by tools/gen.py", "",
           "_plexus_model() { _alternative 'model:model:(tiny)' 'files:file:_files' }", "",
           "_plexus() {", "  local verb=$words[2]", "  if (( CURRENT == 2 )); then",
           "    local -a verbs=("]
    out += [f"      '{w}:{zsh_quote(s)}'" for w, s, _ in cli.first_words()]
    out += ["    )", "    _describe verb verbs", "    return", "  fi", "  case $verb in"]
    for f, subs in second.items():
        out += [f"    {f})", "      if (( CURRENT == 3 )); then",
                f"        compadd {' '.join(subs)}", "        return", "      fi",
                '      verb="$verb $words[3]"; shift words; (( CURRENT-- )) ;;']
    out += ["  esac", "  shift words; (( CURRENT-- ))", "  case $verb in"]
    for v in cli.verbs:
        args = [a for o, _ in v.options for a in zsh_option(o)] + zsh_positional(v, first)
        out += [f'    "{v.name}") _arguments -s \\']
        out += [f"      {a}" + (" \\" if a is not args[-1] else " ;;") for a in args]
    out += ["  esac", "}", "", '_plexus "$@"', ""]
    return "\n".join(out)


def fish_quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish(cli):
    first, second = tree(cli)
    out = ["# fish completion for plexus, made by tools/gen.py",
           "complete -c plexus -f",
           "function __plexus_verb", "    set -l w (commandline -opc)",
           "    set -q w[2]; and string match -q -- \"$argv\" \"$w[2]\"", "end",
           "function __plexus_verb2", "    set -l w (commandline -opc)",
           "    set -q w[3]; and string match -q -- \"$argv\" \"$w[2] $w[3]\"", "end",
           "function __plexus_first", "    test (count (commandline -opc)) -eq 1", "end",
           "function __plexus_second", "    set -l w (commandline -opc)",
           "    test (count $w) -eq 2; and test $w[2] = $argv[1]", "end"]
    for w, s, _ in cli.first_words():
        out.append(f"complete -c plexus -n __plexus_first -a {w} -d {fish_quote(s)}")
    for f, subs in second.items():
        out.append(f"complete -c plexus -n '__plexus_second {f}' -a '{' '.join(subs)}'")
    for v in cli.verbs:
        test = f"__plexus_verb2 {v.name}" if " " in v.name else f"__plexus_verb {v.name}"
        out += [f"complete -c plexus -n '{test}'{fish_option(o)}" for o, _ in v.options]
        kind = positional(v)
        if kind in ("model", "file"):
            out.append(f"complete -c plexus -n '{test}' -F")
        if kind == "model":
            out.append(f"complete -c plexus -n '{test}' -a tiny")
        elif kind:
            names = first if kind == "verb" else kind
            if kind != "file":
                out.append(f"complete -c plexus -n '{test}' -a '{' '.join(names)}'")
    return "\n".join(out) + "\n"


def fish_option(o):
    out = f" -l {o.name}" + (f" -s {o.short}" if o.short else "")
    if o.choices:
        out += f" -x -a '{' '.join(o.choices)}'"
    elif o.type != "flag":
        out += " -r -F" if o.complete else " -x"
    return out + f" -d {fish_quote(o.help)}"


def scripts(cli):
    return {"bash": bash(cli), "zsh": zsh(cli), "fish": fish(cli)}
