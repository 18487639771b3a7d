/* plexus/capture.h: the packets of a capture with their fields by name. */
#include "plexus/capture.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/mem.h"
#include "codec/capture.gen.h"
#include "codec/capture.h"
#include "node/data.h"

static const char *const kind_names[] = {NULL, "ndp", "gradient"};
static const char *const skip_names[] = PXI_FRAME_SKIP_NAMES;
static const char *const ndp_drops[] = PXI_NDP_DROP_NAMES;
static const char *const gradient_drops[] = PX_GRADIENT_DROP_NAMES;
static const char *const crc_names[] = PXI_NDP_CRC_NAMES;
static const char *const cover_names[] = PXI_NDP_COVER_NAMES;

struct px_capture {
    struct pxi_capture inner;
    struct pxi_kernels kernels;
    struct pxi_ndp_sums sums;
};

static int index_of(const char *const *names, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (names[i] && strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

static px_err settle(struct px_capture *c, const px_capture_options *o, px_diag *d)
{
    int kind = o->format ? index_of(kind_names, PXI_CAPTURE_KINDS, o->format) : PXI_CAPTURE_AUTO;
    int crc = o->crc ? index_of(crc_names, PXI_NDP_CRCS, o->crc) : 0;
    int cover = o->cover ? index_of(cover_names, PXI_NDP_COVERS, o->cover) : 0;
    pxi_diag_field(d, kind < 0 ? "format" : crc < 0 ? "crc" : cover < 0 ? "cover" : "port");
    if (kind < 0)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "ndp or gradient", "%s", o->format);
    if (crc < 0)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "ccitt_false, xmodem, aug, kermit or x25", "%s",
                            o->crc);
    if (cover < 0)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "all, payload or body", "%s", o->cover);
    if (o->port > UINT16_MAX)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a port up to 65535", "%u", o->port);
    c->inner.kind = (enum pxi_capture_kind)kind;
    c->inner.port = (uint16_t)o->port;
    c->inner.variant = (struct pxi_ndp_variant){(uint8_t)crc, (uint8_t)cover};
    return PX_ERR_OK;
}

px_err px_capture_new(px_view file, const px_capture_options *options, px_capture **out,
                      px_diag *diag)
{
    px_capture_options o;
    pxi_data_options(&o, sizeof o, options);
    *out = NULL;
    struct px_capture *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return PX_ERR_NOMEM;
    px_err err = settle(c, &o, diag);
    if (!err)
        err = pxi_kernels_choose(&c->kernels, NULL, diag);
    if (!err) {
        c->sums = pxi_data_sums(&c->kernels);
        c->inner.sums = &c->sums;
        err = pxi_capture_open(&c->inner, file, diag);
    }
    if (err)
        px_capture_free(c);
    else
        *out = c;
    return err;
}

void px_capture_free(px_capture *c)
{
    pxi_free(c);
}

/* ------------------------------------------------------------------- fields */

static void name_value(const struct pxi_field *f, px_capture_field *out)
{
    size_t n = 0;
    for (unsigned i = 0; i < f->name_count; i++) {
        const struct pxi_field_name *name = &f->names[i];
        if (!(f->flags ? out->value & name->value : out->value == name->value))
            continue;
        int more = snprintf(out->text + n, sizeof out->text - n, "%s%s", n ? "," : "", name->name);
        n += (size_t)more < sizeof out->text - n ? (size_t)more : sizeof out->text - n - 1;
    }
}

static void read_fields(px_capture_packet *out, const struct pxi_field *rows, unsigned n, bool big)
{
    for (unsigned i = 0; i < n && i < PX_CAPTURE_FIELDS; i++) {
        const struct pxi_field *f = &rows[i];
        const uint8_t *p = out->bytes.p + f->at;
        uint64_t value = big ? pxi_ndp_be(p, f->bytes) : pxi_ndp_le(p, f->bytes);
        if (f->is_signed && f->bytes < 8 && value >> (8 * f->bytes - 1))
            value |= UINT64_MAX << (8 * f->bytes);
        out->fields[out->field_count++] = (px_capture_field){
            .name = f->name, .value = value, .bytes = f->bytes, .is_signed = f->is_signed};
        name_value(f, &out->fields[i]);
    }
}

static void read_head(const struct pxi_capture_packet *p, px_capture_packet *out)
{
    if (p->kind == PXI_CAPTURE_GRADIENT && p->bytes.n >= PX_GRADIENT_HEAD)
        read_fields(out, gradient_fields, GRADIENT_FIELDS, false);
    /* Where no packet begins there is no head. */
    if (p->kind == PXI_CAPTURE_NDP && p->bytes.n >= PXI_NDP_PACKET_BYTES &&
        p->bytes.p[0] == PXI_NDP_SYNC)
        read_fields(out, ndp_fields, NDP_FIELDS, true);
}

px_err px_capture_next(px_capture *c, px_capture_packet *out, px_diag *diag)
{
    struct pxi_capture_packet p;
    px_err err;
    if (!pxi_capture_next(&c->inner, &p, &err, diag))
        return err ? err : PX_ERR_NOT_FOUND;
    bool ndp = p.kind == PXI_CAPTURE_NDP;
    *out = (px_capture_packet){.record = p.record.number,
                               .offset = (uint64_t)(p.bytes.p - c->inner.pcap.in.p),
                               .time_ns = p.record.time_ns,
                               .part = p.part,
                               .kind = kind_names[p.kind],
                               .drop = p.good ? NULL
                                       : ndp  ? ndp_drops[p.drop]
                                              : gradient_drops[p.drop],
                               .bytes = p.bytes,
                               .payload = p.payload,
                               .ip = p.frame.ip,
                               .src_port = p.frame.ports[0],
                               .dst_port = p.frame.ports[1],
                               .has_crc = ndp && (p.good || p.drop == PXI_NDP_DROP_CRC),
                               .crc = p.crc,
                               .right_crc = p.right};
    if (p.frame.ip) {
        memcpy(out->src, p.frame.src.p, p.frame.src.n);
        memcpy(out->dst, p.frame.dst.p, p.frame.dst.n);
    }
    read_head(&p, out);
    if (ndp && p.good && p.payload.n % 4 == 0 &&
        pxi_ndp_packet_read(p.bytes.p).typ == PXI_NDP_TYP_TOKEN_IDS)
        out->tokens = (uint32_t)(p.payload.n / 4);
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------- counts */

uint64_t px_capture_records(const px_capture *c)
{
    return c->inner.pcap.records;
}

int px_capture_count_at(const px_capture *c, unsigned i, px_capture_count *out)
{
    const struct pxi_capture *in = &c->inner;
    if (i == 0)
        *out = (px_capture_count){"ndp", NULL, in->packets[PXI_CAPTURE_NDP]};
    else if ((i -= 1) < PXI_NDP_DROPS)
        *out = (px_capture_count){"ndp", ndp_drops[i], in->ndp_dropped[i]};
    else if ((i -= PXI_NDP_DROPS) == 0)
        *out = (px_capture_count){"gradient", NULL, in->packets[PXI_CAPTURE_GRADIENT]};
    else if ((i -= 1) < 2) /* layout and length: the others need the key of the job */
        *out = (px_capture_count){"gradient", gradient_drops[i], in->gradient_dropped[i]};
    else if ((i -= 2) < PXI_FRAME_SKIPS)
        *out = (px_capture_count){"record", skip_names[i], in->skipped[i]};
    else
        return 0;
    return 1;
}
