"""The gradient packet: its C header for both halves, and its page with a byte diagram."""
import os
import tomllib

SIZES = {"u8": 1, "i8": 1, "u16": 2, "u32": 4, "u64": 8}
C_TYPES = {"u8": "uint8_t", "i8": "int8_t", "u16": "uint16_t", "u32": "uint32_t",
           "u64": "uint64_t"}
NOTE = "Made by tools/gen.py from gen/gradient.toml: edit that, then ./dev docs."


def load(root):
    with open(os.path.join(root, "gen/gradient.toml"), "rb") as f:
        table = tomllib.load(f)
    at = 0
    for field in table["field"]:
        field["size"] = SIZES[field["type"]]
        assert at % field["size"] == 0, f"{field['name']} is not aligned"
        field["at"] = at
        at += field["size"]
    assert at == table["head"], f"the fields take {at} bytes"
    for value, drop in enumerate(table["drop"]):
        drop["value"] = value
    return table


def enum(table, what):
    prefix = "PX_GRADIENT_DROP_" if what == "drop" else "PX_GRADIENT_"
    rows = [f"    {prefix}{r['name'].upper()} = {r['value']}," for r in table[what]]
    if what == "drop":
        rows.append(f"    PX_GRADIENT_DROPS = {len(table[what])},")
    return [f"enum px_gradient_{what} {{", *rows, "};", ""]


def header(table):
    out = ["/*", f" * {NOTE}", " * The layout of a gradient packet: docs/formats/gradient.md.", " */",
           "#ifndef PX_BPF_GRADIENT_GEN_H", "#define PX_BPF_GRADIENT_GEN_H", "",
           "#include <stdint.h>", "",
           "#define PX_GRADIENT_MAGIC   0x7870", f"#define PX_GRADIENT_LAYOUT  {table['layout']}",
           f"#define PX_GRADIENT_HEAD    {table['head']}",
           "#define PX_GRADIENT_WORKERS 64", "#define PX_GRADIENT_ZERO    (-128)", "",
           "struct px_gradient_head {"]
    out += [f"    {C_TYPES[f['type']]} {f['name']};" for f in table["field"]]
    out += ["};", ""]
    for what in ("kind", "flag", "format", "drop"):
        out += enum(table, what)
    names = ", ".join(f'"{r["name"]}"' for r in table["drop"])
    out += ["#define PX_GRADIENT_DROP_NAMES \\", f"    {{ {names} }}", ""]
    return "\n".join(out + ["#endif"]) + "\n"


def diagram(table):
    """Rows of eight bytes, a cell as wide as its field."""
    line = "+" + "-------+" * 8
    out = ["```", " " + "".join(f"  +{i}    " for i in range(8)).rstrip(), line]
    row, width = "|", 0
    for f in table["field"]:
        name = f["name"] if f["size"] > 1 or len(f["name"]) < 8 else f["name"][:7]
        row += name.center(8 * f["size"] - 1) + "|"
        width += f["size"]
        if width == 8:
            out += [f"{row}  {f['at'] + f['size'] - 8}", line]
            row, width = "|", 0
    return out + ["|" + "values ...".center(63) + f"|  {table['head']}", line, "```"]


def rows(table, what):
    return [f"| {what} | value | meaning |", "|---|---|---|",
            *[f"| `{r['name']}` | {r['value']} | {r['text']} |" for r in table[what]], ""]


def page(table):
    out = [f"<!-- {NOTE} -->", "# The gradient packet", "",
           "What workers and aggregators say to each other, as the payload of a UDP datagram; how",
           "they use it is in [docs/internals/reduce.md](../internals/reduce.md). Numbers are",
           "little-endian. A packet whose length is not that of its count and format is dropped.",
           "", *diagram(table), "", "| at | field | type | meaning |", "|---|---|---|---|"]
    out += [f"| {f['at']} | `{f['name']}` | {f['type']} | {f['text']} |" for f in table["field"]]
    out.append("")
    for what in ("kind", "flag", "format"):
        out += rows(table, what)
    out += ["| dropped | because |", "|---|---|",
            *[f"| `{r['name']}` | {r['text']} |" for r in table["drop"]], ""]
    return "\n".join(out)


def files(root):
    table = load(root)
    return {"bpf/gradient.gen.h": header(table), "docs/formats/gradient.md": page(table)}
