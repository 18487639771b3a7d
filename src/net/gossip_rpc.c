/* The wire form of gossipsub: a walk over protobuf fields, and their writers. */
#include "net/gossip_rpc.h"

#include <stdio.h>

#include "codec/varint.h"

/* Protobuf varints may be long and padded, unlike those of the multiformats. */
static bool take_varint(px_view in, size_t *at, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; shift < 70 && *at < in.n; shift += 7) {
        uint8_t b = in.p[(*at)++];
        if (shift == 63 && b > 1)
            return false;
        *v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return true;
    }
    return false;
}

int pxi_rpc_next(px_view in, size_t *at, struct pxi_rpc_field *f)
{
    uint64_t tag, n = 0;
    *f = (struct pxi_rpc_field){.offset = *at};
    if (*at >= in.n)
        return 0;
    if (!take_varint(in, at, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return -1;
    f->number = (uint32_t)(tag >> 3);
    f->wire = tag & 7;
    switch (f->wire) {
    case 0: return take_varint(in, at, &f->value) ? 1 : -1;
    case 1: n = 8; break;
    case 5: n = 4; break;
    case 2:
        if (!take_varint(in, at, &n))
            return -1;
        break;
    default: return -1; /* groups, and what does not exist */
    }
    if (n > in.n - *at)
        return -1;
    f->bytes = px_view_of(in.p + *at, (size_t)n);
    *at += (size_t)n;
    return 1;
}

bool pxi_rpc_find(px_view in, size_t *at, uint32_t number, px_view *out)
{
    struct pxi_rpc_field f;
    while (pxi_rpc_next(in, at, &f) == 1) {
        if (f.number == number && f.wire == 2) {
            *out = f.bytes;
            return true;
        }
    }
    return false;
}

/* -------------------------------------------------------------- the check */

/* What a known field must be: its wire type, and the shape of the message inside it. */
struct shape {
    const char *name;
    struct {
        uint8_t wire; /* 9: not known */
        const struct shape *inside;
    } field[7]; /* by number */
};

#define NONE                                                                                       \
    {                                                                                              \
        9, NULL                                                                                    \
    }
#define VARINT                                                                                     \
    {                                                                                              \
        0, NULL                                                                                    \
    }
#define BYTES                                                                                      \
    {                                                                                              \
        2, NULL                                                                                    \
    }
#define INSIDE(s)                                                                                  \
    {                                                                                              \
        2, &s                                                                                      \
    }

static const struct shape subscription = {"subscription",
                                          {NONE, VARINT, BYTES, NONE, NONE, NONE, NONE}};
static const struct shape message = {"publish", {NONE, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES}};
static const struct shape ihave = {"ihave", {NONE, BYTES, BYTES, NONE, NONE, NONE, NONE}};
static const struct shape want = {"iwant", {NONE, BYTES, NONE, NONE, NONE, NONE, NONE}};
static const struct shape graft = {"graft", {NONE, BYTES, NONE, NONE, NONE, NONE, NONE}};
static const struct shape peer_info = {"peer", {NONE, BYTES, BYTES, NONE, NONE, NONE, NONE}};
static const struct shape prune = {"prune",
                                   {NONE, BYTES, INSIDE(peer_info), VARINT, NONE, NONE, NONE}};
static const struct shape control = {
    "control",
    {NONE, INSIDE(ihave), INSIDE(want), INSIDE(graft), INSIDE(prune), INSIDE(want), NONE}};
static const struct shape rpc = {
    "rpc", {NONE, INSIDE(subscription), INSIDE(message), INSIDE(control), NONE, NONE, NONE}};

static px_err wrong(px_diag *d, const struct shape *s, const struct pxi_rpc_field *f,
                    const uint8_t *base, px_view in, const char *expected)
{
    if (d) {
        *d = (px_diag){.offset = (uint64_t)(in.p - base) + f->offset};
        snprintf(d->field, sizeof d->field, "%s.%u", s->name, f->number);
        snprintf(d->expected, sizeof d->expected, "%s", expected);
        snprintf(d->found, sizeof d->found, "wire type %u", f->wire);
    }
    return PX_ERR_CORRUPT;
}

/* Depth is that of the table: at most four levels. */
static px_err check(const struct shape *s, const uint8_t *base, px_view in, px_diag *d)
{
    struct pxi_rpc_field f;
    size_t at = 0;
    int got;
    while ((got = pxi_rpc_next(in, &at, &f)) == 1) {
        if (f.number > 6 || s->field[f.number].wire == 9)
            continue;
        if (f.wire != s->field[f.number].wire)
            return wrong(d, s, &f, base, in, "another wire type");
        px_err err = PX_ERR_OK;
        if (s->field[f.number].inside && f.bytes.n)
            err = check(s->field[f.number].inside, base, f.bytes, d);
        if (err != PX_ERR_OK)
            return err;
    }
    return got == 0 ? PX_ERR_OK : wrong(d, s, &f, base, in, "a field that ends in the message");
}

px_err pxi_rpc_check(px_view frame, px_diag *d)
{
    return check(&rpc, frame.p, frame, d);
}

struct pxi_rpc_message pxi_rpc_message_of(px_view raw)
{
    struct pxi_rpc_message m = {.raw = raw};
    px_view *at_number[] = {NULL, &m.from, &m.data, &m.seqno, &m.topic, &m.signature, &m.key};
    struct pxi_rpc_field f;
    size_t at = 0;
    while (pxi_rpc_next(raw, &at, &f) == 1) {
        if (f.number > PXI_RPC_MSG_KEY || f.wire != 2)
            continue;
        *at_number[f.number] = f.bytes;
        m.has |= 1u << f.number;
    }
    return m;
}

/* ---------------------------------------------------------------- writing */

size_t pxi_rpc_field_size(uint32_t number, size_t n)
{
    return pxi_varint_size((uint64_t)number << 3) + pxi_varint_size(n) + n;
}

static size_t put_varint(uint8_t *out, uint64_t v)
{
    size_t n = 0;
    while (v > 0x7f) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

bool pxi_rpc_put_head(struct pxi_buf *out, uint32_t number, size_t n)
{
    uint8_t head[20];
    size_t k = put_varint(head, (uint64_t)number << 3 | 2);
    k += put_varint(head + k, n);
    return pxi_buf_add(out, head, k);
}

bool pxi_rpc_put_uint(struct pxi_buf *out, uint32_t number, uint64_t v)
{
    uint8_t field[20];
    size_t k = put_varint(field, (uint64_t)number << 3);
    k += put_varint(field + k, v);
    return pxi_buf_add(out, field, k);
}

/* A writer of several parts either adds all of them or takes back what it added. */
static bool whole(struct pxi_buf *out, size_t mark, bool good)
{
    if (!good)
        out->n = mark;
    return good;
}

bool pxi_rpc_put_bytes(struct pxi_buf *out, uint32_t number, px_view v)
{
    size_t mark = out->n;
    return whole(out, mark,
                 pxi_rpc_put_head(out, number, v.n) && (!v.n || pxi_buf_add(out, v.p, v.n)));
}

bool pxi_rpc_put_subscription(struct pxi_buf *out, bool on, px_view topic)
{
    size_t mark = out->n, n = 2 + pxi_rpc_field_size(PXI_RPC_SUB_TOPIC, topic.n);
    return whole(out, mark,
                 pxi_rpc_put_head(out, PXI_RPC_SUBSCRIPTION, n) &&
                     pxi_rpc_put_uint(out, PXI_RPC_SUB_ON, on) &&
                     pxi_rpc_put_bytes(out, PXI_RPC_SUB_TOPIC, topic));
}

bool pxi_rpc_put_graft(struct pxi_buf *out, px_view topic)
{
    size_t mark = out->n;
    return whole(out, mark,
                 pxi_rpc_put_head(out, PXI_RPC_GRAFT, pxi_rpc_field_size(PXI_RPC_TOPIC, topic.n)) &&
                     pxi_rpc_put_bytes(out, PXI_RPC_TOPIC, topic));
}

bool pxi_rpc_put_prune(struct pxi_buf *out, px_view topic, uint64_t backoff_s, px_view peers)
{
    uint8_t scratch[PXI_VARINT_MAX];
    size_t mark = out->n, n = pxi_rpc_field_size(PXI_RPC_TOPIC, topic.n) + peers.n;
    if (backoff_s)
        n += 1 + put_varint(scratch, backoff_s);
    return whole(out, mark,
                 pxi_rpc_put_head(out, PXI_RPC_PRUNE, n) &&
                     pxi_rpc_put_bytes(out, PXI_RPC_TOPIC, topic) &&
                     (!peers.n || pxi_buf_add(out, peers.p, peers.n)) &&
                     (!backoff_s || pxi_rpc_put_uint(out, PXI_RPC_PRUNE_BACKOFF, backoff_s)));
}
