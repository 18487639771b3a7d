/* Tables of the messages of libp2p: their shape, bytes that others expect, round trips, cuts. */
#include "codec/messages.h"

#include "px_test.h"

static struct pxi_arena arena;
static px_diag diag;

static px_view hex(const char *s)
{
    static uint8_t out[4096];
    size_t n = 0;
    for (unsigned v; sscanf(s, "%2x", &v) == 1; s += 2)
        out[n++] = (uint8_t)v;
    return px_view_of(out, n);
}

static px_err decode(const struct pxi_pb_message *m, px_view in, void *out)
{
    pxi_arena_deinit(&arena);
    pxi_arena_init(&arena, 1 << 22);
    return pxi_pb_decode(m, in, &arena, out, &diag);
}

static void same_bytes(const struct pxi_pb_message *m, const void *in, const char *expected)
{
    struct pxi_buf out = {.max = 1 << 20};
    CHECK_EQ(pxi_pb_encode(m, in, &out), PX_ERR_OK);
    px_view want = hex(expected);
    if (!px_view_equal(px_view_of(out.p, out.n), want))
        PX_FAIL("%s: %zu bytes differ from the %zu expected", m->name, out.n, want.n);
    pxi_buf_deinit(&out);
}

#define S(text) px_view_str(text)
static struct pxi_pb_list list_of(px_view *p, size_t n)
{
    return (struct pxi_pb_list){p, n};
}

static void check_table(const struct pxi_pb_message *m)
{
    CHECK(m->name && m->field_count <= 16);
    for (unsigned i = 0; i < m->field_count; i++) {
        const struct pxi_pb_field *f = &m->fields[i];
        if (i && f->number <= f[-1].number)
            PX_FAIL("%s: %s is out of order", m->name, f->name);
        CHECK(f->offset < m->size && f->has < m->size && (f->kind == PXI_PB_MESSAGE) == !!f->sub);
        if (f->sub)
            check_table(f->sub);
    }
}

TEST(tables_are_sound)
{
    unsigned n = 0;
    for (; pxi_pb_table(n); n++)
        check_table(pxi_pb_table(n));
    CHECK_EQ(n, 21);
}

TEST(kad_bytes)
{
    px_view addr = S("A");
    struct pxi_msg_kad_peer peer = {S("id"), list_of(&addr, 1), 1};
    struct pxi_msg_kad_record record = {S("k"), S("v"), S("t")};
    struct pxi_msg_kad m = {PXI_KAD_FIND_NODE, S("key"), &record, {&peer, 1}, {NULL, 0}};
    same_bytes(&pxi_pb_kad, &m,
               "0804"
               "12036b6579"
               "1a09"
               "0a016b"
               "120176"
               "2a0174"
               "4209"
               "0a026964"
               "120141"
               "1801");
    struct pxi_msg_kad put = {.key = S("k")};
    same_bytes(&pxi_pb_kad, &put, "12016b"); /* proto3: type 0 is not written */
}

TEST(relay_and_nat_bytes)
{
    struct pxi_msg_relay_hop reserve = {.type = PXI_RELAY_HOP_RESERVE};
    same_bytes(&pxi_pb_relay_hop, &reserve, "0800");
    struct pxi_msg_relay_limit limit = {120, 131072};
    struct pxi_msg_relay_hop ok = {
        .type = PXI_RELAY_HOP_STATUS, .limit = &limit, .status = PXI_RELAY_OK};
    same_bytes(&pxi_pb_relay_hop, &ok,
               "0802"
               "2206"
               "0878"
               "10808008"
               "2864");
    px_view addr = S("a");
    struct pxi_msg_dcutr sync = {PXI_DCUTR_SYNC, list_of(&addr, 1)};
    same_bytes(&pxi_pb_dcutr, &sync,
               "08ac02"
               "120161");
    struct pxi_msg_peer_info peer = {S("p"), {NULL, 0}};
    struct pxi_msg_autonat_dial dial = {&peer};
    struct pxi_msg_autonat v1 = {.type = PXI_AUTONAT_DIAL, .dial = &dial};
    same_bytes(&pxi_pb_autonat, &v1,
               "0800"
               "1205"
               "0a03"
               "0a0170");
    struct pxi_msg_autonat2_request request = {list_of(&addr, 1), 0x0102030405060708};
    struct pxi_msg_autonat2 v2 = {.request = &request};
    same_bytes(&pxi_pb_autonat2, &v2,
               "0a0c"
               "0a0161"
               "110807060504030201");
    struct pxi_msg_autonat2_response internal = {0};
    struct pxi_msg_autonat2 empty = {.response = &internal};
    same_bytes(&pxi_pb_autonat2, &empty, "1200"); /* a choice is there even when empty */
}

TEST(gossip_bytes)
{
    struct pxi_msg_gossip_message m = {.from = S("f"),
                                       .data = S(""),
                                       .seqno = S("12345678"),
                                       .topic = S("t"),
                                       .signature = S("s"),
                                       .key = S("k"),
                                       .has_data = true};
    same_bytes(&pxi_pb_gossip_message, &m,
               "0a0166"
               "1200"
               "1a083132333435363738"
               "220174"
               "2a0173"
               "32016b");
    same_bytes(&pxi_pb_gossip_signed, &m,
               "0a0166"
               "1200"
               "1a083132333435363738"
               "220174");
    struct pxi_msg_gossip_subscription sub = {0, S("t")};
    struct pxi_msg_gossip_extensions ext = {.test = 1};
    struct pxi_msg_gossip_graft graft = {S("t")};
    struct pxi_msg_gossip_prune prune = {S("t"), {NULL, 0}, 60};
    struct pxi_msg_gossip_control control = {
        .graft = {&graft, 1}, .prune = {&prune, 1}, .extensions = &ext};
    struct pxi_msg_gossip rpc = {.subscriptions = {&sub, 1}, .control = &control};
    same_bytes(&pxi_pb_gossip, &rpc,
               "0a05"
               "0800"
               "120174"
               "1a13"
               "1a03"
               "0a0174"
               "2205"
               "0a0174"
               "183c"
               "3205"
               "9091e21801");
}

TEST(records_and_keys)
{
    struct pxi_msg_key key = {0, S("d")};
    same_bytes(&pxi_pb_key, &key,
               "0800"
               "120164");
    struct pxi_msg_address addr = {S("a")};
    struct pxi_msg_peer_record record = {S("p"), 7, {&addr, 1}};
    same_bytes(&pxi_pb_peer_record, &record,
               "0a0170"
               "1007"
               "1a03"
               "0a0161");
    struct pxi_msg_envelope e = {S("k"), px_view_of("\x03\x01", 2), S("p"), S("s")};
    same_bytes(&pxi_pb_envelope, &e,
               "0a016b"
               "12020301"
               "1a0170"
               "2a0173");
    struct pxi_msg_voucher v = {S("r"), S("p"), 9};
    same_bytes(&pxi_pb_voucher, &v,
               "0a0172"
               "120170"
               "1809");
}

TEST(identify_bytes)
{
    px_view addr = S("a"), protocols[] = {S("/x"), S("/y")};
    struct pxi_msg_identify m = {.public_key = S("k"),
                                 .listen_addrs = list_of(&addr, 1),
                                 .protocols = list_of(protocols, 2),
                                 .observed_addr = S("o"),
                                 .protocol_version = S("v"),
                                 .agent_version = S("g"),
                                 .signed_peer_record = S("r")};
    same_bytes(&pxi_pb_identify, &m,
               "0a016b"
               "120161"
               "1a022f78"
               "1a022f79"
               "22016f"
               "2a0176"
               "320167"
               "420172");
    struct pxi_msg_identify back;
    CHECK_EQ(decode(&pxi_pb_identify, hex("320167"), &back), PX_ERR_OK);
    CHECK(back.has_agent_version && !back.has_protocols && !back.has_public_key);
}

/* ------------------------------------------------------------------- messages made at random */

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

static void fill(const struct pxi_pb_message *m, void *out, uint64_t *s);

static void fill_one(const struct pxi_pb_field *f, void *to, uint64_t *s)
{
    static const char text[] = "abcdefghijklmnop";
    switch (f->kind) {
    case PXI_PB_UINT:
    case PXI_PB_FIXED64: *(uint64_t *)to = next_random(s) >> (next_random(s) & 63); break;
    case PXI_PB_BOOL: *(uint64_t *)to = next_random(s) & 1; break;
    case PXI_PB_MESSAGE: fill(f->sub, to, s); break;
    default: *(px_view *)to = px_view_of(text, next_random(s) % sizeof text); break;
    }
}

static size_t size_of(const struct pxi_pb_field *f)
{
    return f->kind == PXI_PB_MESSAGE ? f->sub->size
           : f->kind >= PXI_PB_BYTES ? sizeof(px_view)
                                     : sizeof(uint64_t);
}

static void fill(const struct pxi_pb_message *m, void *out, uint64_t *s)
{
    for (unsigned i = 0; i < m->field_count; i++) {
        const struct pxi_pb_field *f = &m->fields[i];
        void *to = (char *)out + f->offset;
        size_t n = next_random(s) % 4;
        if (f->repeated) {
            struct pxi_pb_list *l = to;
            l->p = n ? pxi_arena_alloc(&arena, n, size_of(f)) : NULL;
            for (l->n = 0; l->n < n; l->n++)
                fill_one(f, (char *)l->p + l->n * size_of(f), s);
        } else if (f->kind == PXI_PB_MESSAGE) {
            if (n)
                fill(f->sub, *(void **)to = pxi_arena_alloc(&arena, 1, f->sub->size), s);
        } else {
            fill_one(f, to, s);
        }
    }
}

/* Encode, decode, encode again gives the same; no cut of it is read past its end. */
static void round_trip(const struct pxi_pb_message *m, uint64_t *s, bool cuts)
{
    _Alignas(16) uint8_t made[512] = {0}, back[512];
    struct pxi_buf a = {.max = 1 << 20}, b = {.max = 1 << 20};
    CHECK(m->size <= sizeof made);
    pxi_arena_init(&arena, 0);
    fill(m, made, s);
    CHECK_EQ(pxi_pb_encode(m, made, &a), PX_ERR_OK);
    CHECK_EQ(pxi_pb_size(m, made), a.n);
    CHECK_EQ(pxi_pb_decode(m, px_view_of(a.p, a.n), &arena, back, &diag), PX_ERR_OK);
    CHECK_EQ(pxi_pb_encode(m, back, &b), PX_ERR_OK);
    CHECK(px_view_equal(px_view_of(a.p, a.n), px_view_of(b.p, b.n)));
    for (size_t n = 0; cuts && n < a.n; n++) {
        uint8_t *p = px_guarded(n, 0);
        memcpy(p, a.p, n);
        px_err err = pxi_pb_decode(m, px_view_of(p, n), &arena, back, &diag);
        CHECK(err == PX_ERR_OK || err == PX_ERR_TRUNCATED);
        munmap((void *)((uintptr_t)p & ~(uintptr_t)4095), 4096);
    }
    pxi_buf_deinit(&a);
    pxi_buf_deinit(&b);
    pxi_arena_deinit(&arena);
}

TEST(round_trips_and_cuts)
{
    uint64_t s = px_seed * 2654435761u + 1;
    for (unsigned i = 0; pxi_pb_table(i); i++)
        for (unsigned k = 0; k < 200; k++)
            round_trip(pxi_pb_table(i), &s, k < 4);
}

TEST_MAIN()
