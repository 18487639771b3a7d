/* Frames and messages of Kademlia, checked as far as one message can be. */
#include <stdio.h>

#include "base/limits.h"
#include "codec/varint.h"
#include "net/kad_impl.h"

/* --------------------------------------------------------------- frames */

void pxi_kad_frames_clear(struct pxi_kad_frames *f)
{
    pxi_buf_deinit(&f->have);
    f->have = (struct pxi_buf){0};
    f->taken = false;
}

/* Length of the frame at the front of `b` with its prefix: > 0, 0 unknown yet, -1 malformed. */
static int64_t frame_size(px_view b, size_t *prefix)
{
    uint64_t n;
    int used = pxi_varint_get(b, &n);
    if (used <= 0)
        return used;
    if (n > PXI_LIMIT_KAD_MESSAGE_BYTES)
        return -1;
    *prefix = (size_t)used;
    return (int64_t)n + used;
}

static void consume(px_view *in, size_t n)
{
    *in = px_view_of(in->p + n, in->n - n);
}

/* Add to the incomplete frame what may belong to it. */
static bool gather(struct pxi_kad_frames *f, px_view *in, size_t want)
{
    size_t n = want > f->have.n ? want - f->have.n : 0;
    n = n < in->n ? n : in->n;
    f->have.max = PXI_LIMIT_KAD_MESSAGE_BYTES + PXI_VARINT_MAX;
    if (n && !pxi_buf_add(&f->have, in->p, n))
        return false;
    consume(in, n);
    return true;
}

int pxi_kad_frame_next(struct pxi_kad_frames *f, px_view *in, px_view *frame)
{
    size_t prefix = 0;
    int64_t size;
    if (f->taken)
        pxi_kad_frames_clear(f);
    if (!f->have.n) {
        size = frame_size(*in, &prefix);
        if (size < 0)
            return -1;
        if (size && (size_t)size <= in->n) {
            *frame = px_view_of(in->p + prefix, (size_t)size - prefix);
            consume(in, (size_t)size);
            return 1;
        }
    }
    for (;;) {
        size = frame_size(px_view_of(f->have.p, f->have.n), &prefix);
        if (size < 0)
            return -1;
        if (size && f->have.n >= (size_t)size)
            break;
        if (!in->n)
            return 0;
        if (!gather(f, in, size ? (size_t)size : f->have.n + 1))
            return -1;
    }
    *frame = px_view_of(f->have.p + prefix, (size_t)size - prefix);
    f->taken = true;
    return 1;
}

/* --------------------------------------------------------------- messages */

px_err pxi_kad_decode(px_view frame, struct pxi_arena *a, struct pxi_msg_kad *m, px_diag *d)
{
    px_err err = pxi_pb_decode(&pxi_pb_kad, frame, a, m, d);
    if (err == PX_ERR_OK && m->type > PXI_KAD_PING) {
        snprintf(d->field, sizeof d->field, "kad.type");
        snprintf(d->expected, sizeof d->expected, "0 to 5");
        snprintf(d->found, sizeof d->found, "%llu", (unsigned long long)m->type);
        return PX_ERR_PROTOCOL;
    }
    return err;
}

static px_err refuse(px_diag *d, const char *field, const char *expected, size_t found, px_err err)
{
    d->offset = 0;
    snprintf(d->field, sizeof d->field, "%s", field);
    snprintf(d->expected, sizeof d->expected, "%s", expected);
    snprintf(d->found, sizeof d->found, "%zu", found);
    return err;
}

/* A multihash: code, length, and as many bytes as it says. */
static bool multihash_ok(px_view v)
{
    uint64_t code, n;
    int a = pxi_varint_get(v, &code);
    if (a <= 0)
        return false;
    consume(&v, (size_t)a);
    int b = pxi_varint_get(v, &n);
    return b > 0 && n == v.n - (size_t)b && n > 0;
}

px_err pxi_kad_request_check(const struct pxi_msg_kad *m, px_diag *d)
{
    if (m->type == PXI_KAD_PING)
        return PX_ERR_OK;
    if (!m->key.n || m->key.n > PXI_LIMIT_KAD_KEY_BYTES)
        return refuse(d, "kad.key", "1 to 512 bytes", m->key.n, PX_ERR_LIMIT);
    if (m->type == PXI_KAD_ADD_PROVIDER || m->type == PXI_KAD_GET_PROVIDERS)
        return multihash_ok(m->key) ? PX_ERR_OK
                                    : refuse(d, "kad.key", "a multihash", m->key.n, PX_ERR_CORRUPT);
    if (m->type != PXI_KAD_PUT_VALUE)
        return PX_ERR_OK;
    if (!m->record)
        return refuse(d, "kad.record", "a record to put", 0, PX_ERR_PROTOCOL);
    if (!px_view_equal(m->record->key, m->key))
        return refuse(d, "kad.record.key", "the key of the message", m->record->key.n,
                      PX_ERR_PROTOCOL);
    if (m->record->value.n > PXI_LIMIT_KAD_VALUE_BYTES)
        return refuse(d, "kad.record.value", "at most 8192 bytes", m->record->value.n,
                      PX_ERR_LIMIT);
    return PX_ERR_OK;
}

void pxi_kad_time_text(uint64_t wall_s, char out[32])
{
    /* Days to a date of the Gregorian calendar, with years that begin in March. */
    uint64_t day = wall_s / 86400, second = wall_s % 86400;
    uint64_t z = day + 719468, era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    unsigned month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    snprintf(out, 32, "%04u-%02u-%02uT%02u:%02u:%02uZ",
             (unsigned)((yoe + era * 400 + (month <= 2)) % 10000), month,
             (unsigned)(doy - (153 * mp + 2) / 5 + 1), (unsigned)(second / 3600),
             (unsigned)(second / 60 % 60), (unsigned)(second % 60));
}

/* --------------------------------------------------------------- addresses */

unsigned pxi_kad_peer_addrs(const struct pxi_msg_kad_peer *p, enum pxi_ip_kind teller, px_view *out,
                            unsigned cap)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->addrs.n && n < cap; i++) {
        px_view a = *PXI_PB_AT(p->addrs, px_view, i);
        if (a.n <= PXI_MADDR_MAX && pxi_maddr_check(a, NULL) == PX_ERR_OK &&
            pxi_kad_addr_fit(a, teller))
            out[n++] = a;
    }
    return n;
}

enum pxi_ip_kind pxi_kad_conn_kind(const struct pxi_conn *c)
{
    struct pxi_endpoint e;
    if (!c->remote.n || pxi_endpoint_of(pxi_maddr_view(&c->remote), &e) != PX_ERR_OK)
        return PXI_IP_NONE;
    return e.relayed || c->limited ? PXI_IP_PUBLIC : pxi_ip_kind_of(&e);
}

uint32_t pxi_kad_conn_group(const struct pxi_conn *c, bool strict)
{
    return c->remote.n ? pxi_kad_group(pxi_maddr_view(&c->remote), strict) : 0;
}
