"""Captured packets: tables of the fields of both kinds of packet for plexus capture decode, and the
dissector of Wireshark, from gen/ndp.toml and gen/gradient.toml."""
import os

import gen_ndp
import gen_packet

NOTE = "Made by tools/gen.py from gen/ndp.toml, gen/gradient.toml"
SIGNED = ("i8", "i32")


def ndp_fields(table):
    packet = next(s for s in table["struct"] if s["name"] == "packet")
    names = {item["name"]: item["row"] for item in table["list"]}
    return [{**f, "names": names.get(f["name"]), "flags": False} for f in packet["field"]]


def gradient_fields(table):
    return [{**f, "names": {"kind": table["kind"], "format": table["format"],
                            "flags": table["flag"]}.get(f["name"]),
             "flags": f["name"] == "flags"} for f in table["field"]]


def both(root):
    """The two tables, and of each kind its fields, the bytes of its head, why packets are dropped:
    of gradients only what their bytes tell without the key of the job."""
    ndp, gradient = gen_ndp.load(root), gen_packet.load(root)
    head = next(s["bytes"] for s in ndp["struct"] if s["name"] == "packet")
    drops = next(i["row"] for i in ndp["list"] if i["name"] == "drop")
    shape = [r for r in gradient["drop"] if r["name"] in ("layout", "length")]
    return ndp, gradient, {"ndp": (ndp_fields(ndp), head, drops),
                           "gradient": (gradient_fields(gradient), gradient["head"], shape)}


# ------------------------------------------------------------------------- C

def c_names(kind, field):
    rows = ", ".join(f'{{{r["value"]}, "{r["name"]}"}}' for r in field["names"])
    return [f"static const struct pxi_field_name {kind}_{field['name']}[] = {{{rows}}};"]


def c_fields(kind, fields):
    out, rows = [], []
    for f in fields:
        names = f"{kind}_{f['name']}, {len(f['names'])}" if f["names"] else "NULL, 0"
        out += c_names(kind, f) if f["names"] else []
        rows.append(f'    {{"{f["name"]}", {f["at"]}, {f["size"]}, '
                    f'{int(f["type"] in SIGNED)}, {int(f["flags"])}, {names}}},')
    return [*out, f"static const struct pxi_field {kind}_fields[] = {{", *rows, "};",
            f"enum {{ {kind.upper()}_FIELDS = {len(fields)} }};", ""]


def header(kinds):
    out = ["/*", f" * {NOTE}:", " * edit those, then ./dev docs. The fields of packets.", " */",
           "/* clang-format off */", "#ifndef PXI_CODEC_CAPTURE_GEN_H",
           "#define PXI_CODEC_CAPTURE_GEN_H", "", "#include <stddef.h>", "#include <stdint.h>", "",
           "struct pxi_field_name {", "    uint8_t value;", "    const char *name;", "};", "",
           "struct pxi_field {", "    const char *name;", "    uint8_t at, bytes, is_signed, flags;",
           "    const struct pxi_field_name *names;", "    unsigned name_count;", "};", ""]
    for kind, (fields, _, _) in kinds.items():
        out += c_fields(kind, fields)
    return "\n".join([*out, "#endif"]) + "\n"


# ----------------------------------------------------------------------- Lua

def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def lua_names(rows):
    return "{ " + ", ".join(f"[{r['value']}] = {quoted(r['name'])}" for r in rows) + " }"


def lua_fields(kind, fields):
    out = [f"    {kind} = {{"]
    for f in fields:
        names = f"names = {lua_names(f['names'])}, " if f["names"] else ""
        flags = "flags = true, " if f["flags"] else ""
        out.append(f'        {{ name = "{f["name"]}", at = {f["at"]}, bytes = {f["size"]}, '
                   f'kind = "{f["type"]}", {flags}{names}text = {quoted(f["text"])} }},')
    return [*out, "    },"]


def lua(root, ndp, gradient, kinds):
    lists = {item["name"]: item["row"] for item in ndp["list"]}
    out = [f"-- {NOTE} and", "-- tools/plexus.lua: edit those, then ./dev docs.", "local tables = {"]
    for kind, (fields, head, drops) in kinds.items():
        out += [*lua_fields(kind, fields), f"    {kind}_head = {head},", f"    {kind}_drops = {{"]
        out += [f"        {{ name = \"{r['name']}\", text = {quoted(r['text'])} }}," for r in drops]
        out.append("    },")
    out += [f"    layout = {gradient['layout']},", f"    crcs = {lua_names(lists['crc'])},",
            f"    covers = {lua_names(lists['cover'])},", "}", ""]
    with open(os.path.join(root, "tools/plexus.lua"), encoding="utf-8") as f:
        return "\n".join(out) + f.read()


def files(root):
    ndp, gradient, kinds = both(root)
    return {"src/codec/capture.gen.h": header(kinds),
            "packaging/wireshark/plexus.lua": lua(root, ndp, gradient, kinds)}
