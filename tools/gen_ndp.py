"""Training data as packets and stores: the C structs and their readers, and the page with diagrams."""
import os
import tomllib

SIZES = {"u8": 1, "u16": 2, "u32": 4, "i32": 4, "u64": 8}
C_TYPES = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "i32": "int32_t",
           "u64": "uint64_t"}
NOTE = "Made by tools/gen.py from gen/ndp.toml: edit that, then ./dev docs."


def load(root):
    with open(os.path.join(root, "gen/ndp.toml"), "rb") as f:
        table = tomllib.load(f)
    for s in table["struct"]:
        at = 0
        for field in s["field"]:
            field["at"] = at
            field["size"] = SIZES.get(field["type"], field["type"])
            at += field["size"]
        assert at == s["bytes"], f"the fields of {s['name']} take {at} bytes"
    return table


def wide(field):
    return isinstance(field["type"], int)


def struct(s):
    """The struct, and how it is read from bytes and written to them."""
    name, kind = f"pxi_ndp_{s['name']}", "be" if s["order"] == "big" else "le"
    out = [f"enum {{ {name.upper()}_BYTES = {s['bytes']} }};", f"struct {name} {{"]
    for f in s["field"]:
        out.append(f"    uint8_t {f['name']}[{f['size']}];" if wide(f)
                   else f"    {C_TYPES[f['type']]} {f['name']};")
    out += ["};", "", f"static inline struct {name} {name}_read(const uint8_t *p)", "{",
            f"    struct {name} s;"]
    for f in s["field"]:
        if wide(f):
            out.append(f"    memcpy(s.{f['name']}, p + {f['at']}, {f['size']});")
        else:
            out.append(f"    s.{f['name']} = ({C_TYPES[f['type']]})"
                       f"pxi_ndp_{kind}(p + {f['at']}, {f['size']});")
    out += ["    return s;", "}", "",
            f"static inline void {name}_write(const struct {name} *s, uint8_t *p)", "{"]
    for f in s["field"]:
        if wide(f):
            out.append(f"    memcpy(p + {f['at']}, s->{f['name']}, {f['size']});")
        else:
            out.append(f"    pxi_ndp_put_{kind}(p + {f['at']}, {f['size']}, "
                       f"(uint64_t)s->{f['name']});")
    return [*out, "}", ""]


def numbers():
    """Readers and writers of integers of either order."""
    out = []
    for kind, where in (("le", "8 * i"), ("be", "8 * (n - 1 - i)")):
        out += [f"static inline uint64_t pxi_ndp_{kind}(const uint8_t *p, unsigned n)", "{",
                "    uint64_t x = 0;", "    for (unsigned i = 0; i < n; i++)",
                f"        x |= (uint64_t)p[i] << ({where});", "    return x;", "}", "",
                f"static inline void pxi_ndp_put_{kind}(uint8_t *p, unsigned n, uint64_t x)", "{",
                "    for (unsigned i = 0; i < n; i++)",
                f"        p[i] = (uint8_t)(x >> ({where}));", "}", ""]
    return out


def enum(item):
    up = item["name"].upper()
    out = [f"enum pxi_ndp_{item['name']} {{"]
    out += [f"    PXI_NDP_{up}_{r['name'].upper()} = {r['value']}," for r in item["row"]]
    out += [f"    PXI_NDP_{up}S = {len(item['row'])},", "};", "",
            f"/* Names by value; {item['name']}s without one are NULL. */",
            f"#define PXI_NDP_{up}_NAMES \\",
            "    { " + ", ".join(f'[{r["value"]}] = "{r["name"]}"' for r in item["row"]) + " }", ""]
    return out


def header(table):
    out = ["/*", f" * {NOTE}", " * Packets and stores of training data: docs/formats/ndp.md.", " */",
           "/* clang-format off */", "#ifndef PXI_CODEC_NDP_GEN_H", "#define PXI_CODEC_NDP_GEN_H", "",
           "#include <stdint.h>", "#include <string.h>", "", *numbers()]
    for s in table["struct"]:
        out += struct(s)
    for item in table["list"]:
        out += enum(item)
    return "\n".join([*out, "#endif"]) + "\n"


def diagram(s):
    """Rows of eight bytes, a cell as wide as its field; what crosses a row goes on in the next."""
    line = "+" + "-------+" * 8
    out = ["```", " " + "".join(f"  +{i}    " for i in range(8)).rstrip(), line]
    cells, at = [], 0
    for f in s["field"]:
        left, name = f["size"], f["name"]
        while left:
            n = min(left, 8 - at % 8)
            if left - n >= 16 and at % 8 == 0 and name != f["name"]:
                n = (left - 8) // 8 * 8  # rows of a long field are not all drawn
                cells.append(("...", 8, at))
            else:
                cells.append((name, n, at))
            at, left, name = at + n, left - n, f"({f['name']})"
    row, width = "|", 0
    for name, n, at in cells:
        row += (name if len(name) < 8 * n else name[:8 * n - 1]).center(8 * n - 1) + "|"
        width += n
        if width == 8:
            out += [f"{row}  {at + n - 8 if name != '...' else at}", line]
            row, width = "|", 0
    if width:
        out += [f"{row}  {s['bytes'] - width}", "+" + "-------+" * width]
    return [*out, "```"]


def lists(table, names):
    out = []
    for item in (i for i in table["list"] if i["name"] in names):
        out += [f"| {item['title']} | value | meaning |", "|---|---|---|",
                *[f"| `{r['name']}` | {r['value']} | {r['text']} |" for r in item["row"]], ""]
    return out


def shape(s):
    head = f"{s['bytes']} bytes, {s['order']}-endian."
    return [f"### {s['title']}", "", f"{head} {s['text']}", "", *diagram(s), "",
            "| at | field | type | meaning |", "|---|---|---|---|",
            *[f"| {f['at']} | `{f['name']}` | "
              f"{str(f['type']) + ' bytes' if wide(f) else f['type']} | {f['text']} |"
              for f in s["field"]], ""]


def boxed(cells):
    """A row of cells, each (text, width) in bytes of eight columns."""
    line = "+" + "+".join("-" * (8 * w - 1) for _, w in cells) + "+"
    return [line, "|" + "|".join(t.center(8 * w - 1) for t, w in cells) + "|", line]


def draw_packet(by_name):
    head = [(f["name"], f["size"]) for f in by_name["packet"]["field"]]
    return boxed(head + [("payload ...", 2), ("CRC-16", 2)])


def draw_cover(by_name):
    """Which bytes of a packet each CRC is of."""
    head = by_name["packet"]["bytes"]
    out = draw_packet(by_name)
    for name, skip in (("all", 0), ("payload", head), ("body", 1)):
        width = 8 * (head + 2 - skip) - 1
        out.append(" " * (8 * skip + 1) + "<" + f" {name} ".center(width - 2, "-") + ">")
    return out


def draw_address(by_name):
    return boxed([(f["name"] if f["name"] in ("src", "dst", "typ") else "", f["size"])
                  for f in by_name["packet"]["field"]])


def draw_tokens(_):
    return ["in a packet:", *boxed([("token 0, big-endian", 4), ("token 1", 4)]),
            "in a store, u16:", *boxed([(f"token {i}", 2) for i in range(4)]),
            "in a store, i32:", *boxed([("token 0, little-endian", 4), ("token 1", 4)])]


DRAW = {"packet": draw_packet, "cover": draw_cover, "address": draw_address,
        "tokens": draw_tokens}


def layer(table, number, item):
    by_name = {s["name"]: s for s in table["struct"]}
    out = [f"## {number}. {item['name'].capitalize()}", "", item["what"], ""]
    if item["draw"]:
        out += ["```", *DRAW[item["draw"]](by_name), "```", ""]
    for name in item["structs"]:
        out += shape(by_name[name])
    out += [*lists(table, item["lists"]), "Rules:", "", *[f"- {r}" for r in item["rules"]], "",
            "| error | when |", "|---|---|",
            *[f"| {e['name']} | {e['text']} |" for e in item["errors"]], ""]
    return out


def page(table):
    by_name = {s["name"]: s for s in table["struct"]}
    out = [f"<!-- {NOTE} -->", "# Training data: packets and stores", "",
           "A `.qubgpu` file is packets, version 2.1, back to back, with no head of its own: files may be",
           "joined with `cat`. It is what travels and what foreign tools write. A store (`.ndp3`) holds the",
           "same samples for mmap: little-endian, aligned, indexed, with checks of every block.",
           "[docs/internals/data.md](../internals/data.md) tells how they are read.", "",
           "The stack has five layers. Each relies on the one before it, and says here what its bytes are,",
           "what holds for them, and what becomes of those for which it does not.", "",
           "| layer | what it settles | where |", "|---|---|---|"]
    out += [f"| {n} {i['name']} | {i['settles']} | {i['where']} |"
            for n, i in enumerate(table["layer"], 1)]
    out.append("")
    for n, item in enumerate(table["layer"], 1):
        out += layer(table, n, item)
    out += ["## Dropped spans", "", *lists(table, ("drop",)), "## Store NDP3", "",
            "```", "0        head, copy 0", "4096     head, copy 1",
            "8192     segment, segment, ...   each at a multiple of 4096",
            "...      directory               after the last segment of a commit", "```", "",
            "A commit writes its segments and a new directory behind what the file counts, brings them",
            "to the disk, and then writes the older head. Whoever is killed before that leaves a file",
            "that counts as before. Bytes that belong to nothing are zero, so that `plexus data verify`",
            "finds any byte that changed.", ""]
    for name in ("head", "directory", "segment"):
        out += shape(by_name[name])
    out += [*lists(table, ("part",))]
    for name in ("entry", "foreign"):
        out += shape(by_name[name])
    return "\n".join([*out, *lists(table, ("flag",))])


def files(root):
    table = load(root)
    return {"src/codec/ndp.gen.h": header(table), "docs/formats/ndp.md": page(table)}
