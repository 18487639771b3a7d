
-- The dissector of Wireshark and tshark for packets of training data and of gradients. Put it into the
-- folder of personal Lua plugins (Help > About > Folders), or:
--     tshark -X lua_script:packaging/wireshark/plexus.lua -r traffic.pcap
-- It finds the same packets as plexus capture decode (docs/formats/capture.md) in datagrams of UDP and
-- in records of link type USER0, checks CRCs, and marks what is damaged (filter: plexus_ndp.drop or
-- plexus_gradient.drop).

-- Lua 5.2 has bit32, LuaJIT and Wireshark have bit, later versions have operators.
local bits = bit32 or bit
if not bits then
    local lambda = (loadstring or load)("return { band = function(a, b) return a & b end, " ..
        "bxor = function(a, b) return a ~ b end, rshift = function(a, n) return a >> n end, " ..
        "lshift = function(a, n) return a << n end }")
    bits = lambda()
end
local band, bxor, rshift, lshift = bits.band, bits.bxor, bits.rshift, bits.lshift

local TAIL, SYNC, MAGIC, VALUES, STEP = 2, 0xAA, 0x7870, 1536, 16
local SHOWN = 64 -- tokens of a packet in the tree

-- ------------------------------------------------------------------ checksums

local CRCS = {
    ccitt_false = { 0xFFFF, 0, false }, xmodem = { 0, 0, false }, aug = { 0x1D0F, 0, false },
    kermit = { 0, 0, true }, x25 = { 0xFFFF, 0xFFFF, true },
}

local function crc_table(reflected)
    local out = {}
    for i = 0, 255 do
        local x = reflected and i or lshift(i, 8)
        for _ = 1, 8 do
            if reflected then
                x = band(x, 1) ~= 0 and bxor(rshift(x, 1), 0x8408) or rshift(x, 1)
            else
                x = band(x, 0x8000) ~= 0 and bxor(lshift(x, 1), 0x1021) or lshift(x, 1)
                x = band(x, 0xFFFF)
            end
        end
        out[i] = x
    end
    return out
end

local forward, backward = crc_table(false), crc_table(true)

-- Of the bytes of a string from the place `from` (1 is the first).
local function crc16(variant, bytes, from)
    local init, last, reflected = variant[1], variant[2], variant[3]
    local crc = init
    for at = from, #bytes do
        local b = bytes:byte(at)
        if reflected then
            crc = bxor(rshift(crc, 8), backward[band(bxor(crc, b), 0xFF)])
        else
            crc = bxor(band(lshift(crc, 8), 0xFFFF), forward[bxor(rshift(crc, 8), b)])
        end
    end
    return bxor(crc, last)
end

-- -------------------------------------------------------------------- fields

local MAKERS = {
    u8 = ProtoField.uint8, u16 = ProtoField.uint16, u32 = ProtoField.uint32,
    u64 = ProtoField.uint64, i8 = ProtoField.int8, i32 = ProtoField.int32,
}

-- A protocol with a field for each row of a table, a flag each for bits, and its reasons to drop.
local function declare(kind, title)
    local name = "plexus_" .. kind
    local p = { proto = Proto(name, title), rows = tables[kind], fields = {}, flags = {}, experts = {} }
    local all = {}
    for _, row in ipairs(p.rows) do
        local base = (row.kind == "u64" or row.flags) and base.HEX or base.DEC
        local abbrev = name .. "." .. row.name
        p.fields[row.name] = MAKERS[row.kind](abbrev, row.name, base, not row.flags and row.names or nil,
            nil, row.text)
        all[#all + 1] = p.fields[row.name]
        for bit, flag in pairs(row.flags and row.names or {}) do
            p.flags[#p.flags + 1] = ProtoField.bool(abbrev .. "." .. flag, flag, 8, nil, bit)
            all[#all + 1] = p.flags[#p.flags]
        end
    end
    local function more(maker, field, text, ...)
        p.fields["_" .. field] = maker(name .. "." .. field, text, ...)
        all[#all + 1] = p.fields["_" .. field]
    end
    more(ProtoField.string, "drop", "dropped")
    more(ProtoField.bytes, "rest", "no packet")
    if kind == "ndp" then
        more(ProtoField.bytes, "payload", "payload")
        more(ProtoField.int32, "token", "token")
        more(ProtoField.uint16, "crc", "CRC-16", base.HEX)
        more(ProtoField.uint16, "expected", "CRC-16 that it should be", base.HEX)
        more(ProtoField.bool, "crc_right", "CRC-16 is right")
    else
        more(ProtoField.bytes, "values", "values")
    end
    p.proto.fields = all
    local experts = {}
    for _, drop in ipairs(tables[kind .. "_drops"]) do
        p.experts[drop.name] = ProtoExpert.new(name .. ".bad." .. drop.name, drop.text,
            drop.name == "crc" and expert.group.CHECKSUM or expert.group.MALFORMED,
            expert.severity.ERROR)
        experts[#experts + 1] = p.experts[drop.name]
    end
    p.proto.experts = experts
    return p
end

local ndp = declare("ndp", "plexus training data")
local gradient = declare("gradient", "plexus gradients")

local function menu(names)
    local out = {}
    for value, name in pairs(names) do
        out[#out + 1] = { value, name, value }
    end
    table.sort(out, function(a, b) return a[1] < b[1] end)
    for i, row in ipairs(out) do
        out[i] = { i, row[2], row[3] }
    end
    return out
end

ndp.proto.prefs.port = Pref.uint("UDP port", 0, "All its datagrams are training data; 0: those that look so")
ndp.proto.prefs.crc = Pref.enum("CRC-16", 0, "Variant", menu(tables.crcs), false)
ndp.proto.prefs.cover = Pref.enum("CRC covers", 0, "Part of the packet", menu(tables.covers), false)
gradient.proto.prefs.port = Pref.uint("UDP port", 0, "All its datagrams are gradients; 0: those that look so")

-- The head of a packet, as far as it is there, into the tree.
local function add_head(p, head, tree, little)
    local values = {}
    for _, row in ipairs(p.rows) do
        local range = head(row.at, row.bytes)
        local item
        if little then
            item = tree:add_le(p.fields[row.name], range)
        else
            item = tree:add(p.fields[row.name], range)
        end
        if row.flags then
            for _, flag in ipairs(p.flags) do
                item:add(flag, range)
            end
        end
        if row.bytes < 8 then
            values[row.name] = little and range:le_uint() or range:uint()
        end
    end
    return values
end

local function named(p, field, value)
    for _, row in ipairs(p.rows) do
        if row.name == field and row.names then
            return row.names[value] or tostring(value)
        end
    end
    return tostring(value)
end

local function drop(p, tree, range, reason)
    tree:add(p.fields._drop, range, reason)
    tree:add_proto_expert_info(p.experts[reason])
    tree:append_text(", dropped: " .. reason)
end

-- ------------------------------------------------------------- training data

-- Bytes of the packet at `at`, nil when none can begin there.
local function ndp_bytes(tvb, at)
    local left = tvb:len() - at
    if left < tables.ndp_head + TAIL or tvb(at, 1):uint() ~= SYNC then
        return nil
    end
    local n = tables.ndp_head + tvb(at + 4, 2):uint() + TAIL
    return n <= left and n or nil
end

-- The CRC that the packet holds, and the one that it should.
local function crcs(tvb, at, n)
    local prefs = ndp.proto.prefs
    local variant = CRCS[tables.crcs[prefs.crc]]
    local cover = tables.covers[prefs.cover]
    local skip = cover == "payload" and tables.ndp_head or cover == "body" and 1 or 0
    return tvb(at + n - TAIL, TAIL):uint(), crc16(variant, tvb:raw(at, n - TAIL), skip + 1)
end

local function like_ndp(tvb)
    local first = ndp_bytes(tvb, 0)
    local at, n = 0, first
    while n and at + n < tvb:len() do
        at = at + n
        n = ndp_bytes(tvb, at)
    end
    if n then
        return true
    end
    if not first then
        return false
    end
    local there, right = crcs(tvb, 0, first)
    return there == right
end

local function add_payload(tvb, at, n, head, tree)
    local from, size = at + tables.ndp_head, n - tables.ndp_head - TAIL
    if size == 0 then
        return
    end
    local item = tree:add(ndp.fields._payload, tvb(from, size))
    if named(ndp, "typ", head.typ) ~= "token_ids" or size % 4 ~= 0 then
        return
    end
    local count = rshift(size, 2)
    item:append_text(string.format(" (%d tokens)", count))
    for i = 0, math.min(count, SHOWN) - 1 do
        item:add(ndp.fields._token, tvb(from + 4 * i, 4))
    end
end

-- One packet at `at`, or all the rest, which is none. Returns how many bytes it took, and why it is
-- dropped.
local function add_ndp(tvb, at, tree)
    local left = tvb:len() - at
    local n = ndp_bytes(tvb, at)
    local sync = tvb(at, 1):uint() == SYNC
    local item = tree:add(ndp.proto, tvb(at, n or left))
    if not n then
        if sync and left >= tables.ndp_head then
            add_head(ndp, tvb(at, tables.ndp_head), item, false)
        end
        item:add(ndp.fields._rest, tvb(at, left))
        drop(ndp, item, tvb(at, left), sync and "cut" or "sync")
        return left, sync and "cut" or "sync"
    end
    local head = add_head(ndp, tvb(at, tables.ndp_head), item, false)
    add_payload(tvb, at, n, head, item)
    local there, right = crcs(tvb, at, n)
    local range = tvb(at + n - TAIL, TAIL)
    item:add(ndp.fields._crc, range)
    item:add(ndp.fields._expected, range, right):set_generated()
    item:add(ndp.fields._crc_right, range, there == right):set_generated()
    item:append_text(string.format(", %s to %s, %s, %d bytes", named(ndp, "src", head.src),
        named(ndp, "dst", head.dst), named(ndp, "typ", head.typ), head.length))
    if there ~= right then
        drop(ndp, item, range, "crc")
        return n, "crc"
    end
    return n, nil
end

function ndp.proto.dissector(tvb, pinfo, tree)
    local at, packets, dropped = 0, 0, {}
    if tvb:len() == 0 then
        return 0
    end
    while at < tvb:len() do
        local n, why = add_ndp(tvb, at, tree)
        at = at + n
        packets = packets + (why and 0 or 1)
        dropped[#dropped + 1] = why
    end
    pinfo.cols.protocol = "NDP"
    pinfo.cols.info = packets .. (packets == 1 and " packet" or " packets") ..
        (#dropped > 0 and ", dropped: " .. table.concat(dropped, ", ") or "")
    return at
end

-- ----------------------------------------------------------------- gradients

local function like_gradient(tvb)
    return tvb:len() >= tables.gradient_head and tvb(0, 2):le_uint() == MAGIC and
        tvb(2, 1):uint() == tables.layout
end

local function gradient_bytes(head)
    local kind, format = named(gradient, "kind", head.kind), named(gradient, "format", head.format)
    if kind == "partial" then
        return (format == "i32" and 4 or 2) * head.count
    end
    if kind ~= "contribution" and format == "i4" then
        format = "i8"
    end
    local halves = { i16 = 4, i8 = 2, i4 = 1, i32 = 8 } -- of a byte, a value
    return rshift(halves[format] * head.count, 1)
end

-- Why the packet is dropped, nil when its shape is right.
local function gradient_fault(head, values)
    local row = {}
    for _, r in ipairs(gradient.rows) do
        row[r.name] = r.names
    end
    if head.magic ~= MAGIC or head.version ~= tables.layout or not row.kind[head.kind] or
        not row.format[head.format] or head.count % STEP ~= 0 or
        (named(gradient, "kind", head.kind) == "late" and head.count ~= 0) then
        return "layout"
    end
    return (head.count > VALUES or gradient_bytes(head) ~= values) and "length" or nil
end

function gradient.proto.dissector(tvb, pinfo, tree)
    local n = tvb:len()
    if n == 0 then
        return 0
    end
    local item = tree:add(gradient.proto, tvb(0, n))
    pinfo.cols.protocol = "GRADIENT"
    if n < tables.gradient_head then
        item:add(gradient.fields._rest, tvb(0, n))
        drop(gradient, item, tvb(0, n), "length")
        pinfo.cols.info = "dropped: length"
        return n
    end
    local head = add_head(gradient, tvb(0, tables.gradient_head), item, true)
    local values = n - tables.gradient_head
    if values > 0 then
        item:add(gradient.fields._values, tvb(tables.gradient_head, values))
    end
    local what = string.format("%s, job %d, shard %d, slot %d, seq %d, %d values",
        named(gradient, "kind", head.kind), head.job, head.shard, head.slot, head.seq, head.count)
    item:append_text(", " .. what)
    local why = gradient_fault(head, values)
    if why then
        drop(gradient, item, tvb(0, n), why)
    end
    pinfo.cols.info = what .. (why and ", dropped: " .. why or "")
    return n
end

-- --------------------------------------------------------------- where they are

-- Records of link type USER0 hold either, and nothing before it.
local bare = Proto("plexus", "plexus packets")
function bare.dissector(tvb, pinfo, tree)
    local p = like_gradient(tvb) and gradient or ndp
    return p.proto.dissector(tvb, pinfo, tree)
end
DissectorTable.get("wtap_encap"):add((wtap_encaps or wtap).USER0, bare)

local function by_looks(p, looks)
    p.proto:register_heuristic("udp", function(tvb, pinfo, tree)
        if not looks(tvb) then
            return false
        end
        p.proto.dissector(tvb, pinfo, tree)
        return true
    end)
end
by_looks(gradient, like_gradient)
by_looks(ndp, like_ndp)

local function by_port(p)
    local ports, now = DissectorTable.get("udp.port"), 0
    ports:add_for_decode_as(p.proto)
    function p.proto.prefs_changed()
        if now ~= 0 then
            ports:remove(now, p.proto)
        end
        now = p.proto.prefs.port
        if now ~= 0 then
            ports:add(now, p.proto)
        end
    end
end
by_port(ndp)
by_port(gradient)
