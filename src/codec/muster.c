#include "codec/muster.h"

#include <stddef.h>

#include "base/diag.h"
#include "base/limits.h"
#include "bpf/gradient.gen.h"
#include "codec/gradient.h"

static const struct pxi_pb_field join_fields[] = {
    PXI_PB_FIELD(pxi_muster_join, name, 1, STRING, .max = PXI_MUSTER_NAME),
    PXI_PB_FIELD(pxi_muster_join, address, 2, BYTES, .max = PXI_MUSTER_ADDRESS),
    PXI_PB_FIELD(pxi_muster_join, adds, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_join, rule, 4, STRING, .max = PXI_MUSTER_RULE),
    PXI_PB_FIELD(pxi_muster_join, rate, 5, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_join, late, 6, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_join, packet_ns, 7, UINT, .max = 0),
};
const struct pxi_pb_message pxi_pb_muster_join = {
    "join", join_fields, sizeof join_fields / sizeof *join_fields, sizeof(struct pxi_muster_join)};

static const struct pxi_pb_field order_fields[] = {
    PXI_PB_FIELD(pxi_muster_order, status, 1, UINT, .always = true),
    PXI_PB_FIELD(pxi_muster_order, job, 2, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_order, epoch, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_order, rank, 4, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_order, world, 5, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_order, present, 6, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_order, slots, 7, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_order, values, 8, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_order, format, 9, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_order, deadline_ms, 10, UINT, .max = 0),
    PXI_PB_FIELD(pxi_muster_order, addresses, 11, BYTES, .repeated = true,
                 .max = PXI_MUSTER_WORKERS),
    PXI_PB_FIELD(pxi_muster_order, aggregator, 12, BYTES, .max = PXI_MUSTER_ADDRESS),
    PXI_PB_FIELD(pxi_muster_order, group, 13, BYTES, .max = PXI_MUSTER_ADDRESS),
    PXI_PB_FIELD(pxi_muster_order, secret, 14, BYTES, .max = PXI_MUSTER_SECRET),
    PXI_PB_FIELD(pxi_muster_order, reason, 15, STRING, .max = PXI_MUSTER_REASON),
    PXI_PB_FIELD(pxi_muster_order, rule, 16, STRING, .max = PXI_MUSTER_RULE),
    PXI_PB_FIELD(pxi_muster_order, singly, 17, UINT, .max = 0),
};
const struct pxi_pb_message pxi_pb_muster_order = {"order", order_fields,
                                                   sizeof order_fields / sizeof *order_fields,
                                                   sizeof(struct pxi_muster_order)};

static px_err bad(px_diag *d, const char *field, const char *expected)
{
    pxi_diag_field(d, "muster.%s", field);
    return pxi_diag_set(d, PX_ERR_CORRUPT, 0, expected, "another");
}

bool pxi_muster_name(px_view name)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i] | 0x20;
        if (!(c >= 'a' && c <= 'z') && !(name.p[i] >= '0' && name.p[i] <= '9') &&
            name.p[i] != '-' && name.p[i] != '_' && name.p[i] != '.')
            return false;
    }
    return name.n && name.n <= PXI_MUSTER_NAME;
}

/* An ip and nothing more when port is false. */
static bool address(px_view a, bool port)
{
    struct pxi_maddr_part part;
    size_t at = 0;
    if (!a.n || a.n > PXI_MUSTER_ADDRESS || pxi_maddr_check(a, NULL) != PX_ERR_OK ||
        !pxi_maddr_next(a, &at, &part) || (part.code != PXI_MA_IP4 && part.code != PXI_MA_IP6))
        return false;
    if (port && (!pxi_maddr_next(a, &at, &part) || part.code != PXI_MA_UDP))
        return false;
    return at == a.n;
}

bool pxi_muster_address(px_view a)
{
    return address(a, true);
}

px_err pxi_muster_read_join(px_view bytes, struct pxi_arena *a, struct pxi_muster_join *out,
                            px_diag *d)
{
    px_err err = pxi_pb_decode(&pxi_pb_muster_join, bytes, a, out, d);
    if (err)
        return err;
    if (!pxi_muster_name(out->name))
        return bad(d, "name", "1 to 64 letters, digits, - _ .");
    if (out->adds > PXI_MUSTER_ADDS_SINGLY ||
        (out->rule.n && (!out->adds || !pxi_muster_name(out->rule))))
        return bad(d, "adds", "a worker, or an aggregator and its rule");
    return pxi_muster_address(out->address) ? PX_ERR_OK : bad(d, "address", "an ip and a UDP port");
}

static px_err check_grant(const struct pxi_muster_order *o, px_diag *d)
{
    const px_view *p = o->addresses.p;
    if (!o->job || o->job > UINT32_MAX || o->epoch > UINT16_MAX)
        return bad(d, "job", "32 bits, and an epoch of 16");
    if (!o->world || o->world > PXI_MUSTER_WORKERS || o->rank >= o->world ||
        o->addresses.n != o->world)
        return bad(d, "world", "1 to 64 workers with their addresses, and a rank among them");
    if (!o->slots || o->slots > PXI_LIMIT_REDUCE_SLOTS || (o->slots & (o->slots - 1)))
        return bad(d, "slots", "a power of two up to 4096");
    if (!o->values || o->values > PXI_GRADIENT_VALUES || o->values % PXI_GRADIENT_STEP)
        return bad(d, "values", "a multiple of 16 up to 1536");
    if (o->format >= PX_GRADIENT_I32 || !o->deadline_ms || o->deadline_ms > 3600000)
        return bad(d, "format", "i16, i8 or i4, and a deadline of an hour at most");
    if (o->secret.n != PXI_MUSTER_SECRET)
        return bad(d, "secret", "32 bytes");
    if ((o->aggregator.n && !address(o->aggregator, true)) ||
        (o->group.n && (!o->aggregator.n || !address(o->group, false))))
        return bad(d, "aggregator", "an ip and a UDP port, and the ip of its group");
    if (o->rule.n && (!o->aggregator.n || !pxi_muster_name(o->rule)))
        return bad(d, "rule", "a name, of an aggregator's");
    for (size_t i = 0; i < o->addresses.n; i++)
        if (!address(p[i], true))
            return bad(d, "addresses", "an ip and a UDP port each");
    return PX_ERR_OK;
}

px_err pxi_muster_read_order(px_view bytes, struct pxi_arena *a, struct pxi_muster_order *out,
                             px_diag *d)
{
    px_err err = pxi_pb_decode(&pxi_pb_muster_order, bytes, a, out, d);
    if (err)
        return err;
    switch (out->status) {
    case PXI_MUSTER_WAIT:
        return out->world <= PXI_MUSTER_WORKERS && out->present <= PXI_MUSTER_WORKERS
                   ? PX_ERR_OK
                   : bad(d, "present", "64 workers at most");
    case PXI_MUSTER_GRANT: return check_grant(out, d);
    case PXI_MUSTER_REFUSED: return PX_ERR_OK;
    case PXI_MUSTER_OVER:
        return out->job && out->job <= UINT32_MAX ? PX_ERR_OK : bad(d, "job", "32 bits");
    default: return bad(d, "status", "wait, grant, over or refused");
    }
}
