/* Training data as a file of pcap. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "codec/pcap.h"
#include "data/packets.h"
#include "io/disk.h"
#include "node/data.h"
#include "plexus/capture.h"

enum { OUT_BYTES = 1 << 20, SPAN = 65535, REPORT_EVERY = 1 << 22 };

struct encode {
    struct pxi_file *file;
    char *temporary;
    uint64_t at;
    const struct px_data *data;
    struct pxi_buf out;
    px_capture_written *written;
    px_data_progress *progress;
    void *ctx;
};

static px_err flush_out(struct encode *e)
{
    px_err err = pxi_disk_write(e->file, e->at, px_view_of(e->out.p, e->out.n));
    e->at += e->out.n;
    e->out.n = 0;
    return err;
}

static px_err put_record(struct encode *e, px_view bytes)
{
    uint8_t head[PXI_PCAP_RECORD];
    pxi_pcap_record_head(head, e->written->records++, (uint32_t)bytes.n);
    px_err err = e->out.n + bytes.n > OUT_BYTES ? flush_out(e) : PX_ERR_OK;
    if (!err &&
        (!pxi_buf_add(&e->out, head, sizeof head) || !pxi_buf_add(&e->out, bytes.p, bytes.n)))
        err = PX_ERR_NOMEM;
    return err;
}

static px_err put_span(struct encode *e, px_view bytes)
{
    px_err err = PX_ERR_OK;
    while (!err && bytes.n) {
        size_t n = bytes.n < SPAN ? bytes.n : SPAN;
        e->written->dropped++;
        err = put_record(e, px_view_of(bytes.p, n));
        bytes = px_view_of(bytes.p + n, bytes.n - n);
    }
    return err;
}

static px_err put_packets(struct encode *e, px_view file)
{
    const struct px_data *data = e->data;
    struct pxi_ndp_reader r;
    struct pxi_ndp_piece p;
    uint64_t told = 0;
    px_err err = PX_ERR_OK;
    pxi_ndp_reader_init(&r, &data->sums, pxi_source_info(data->source)->variant, file);
    while (!err && pxi_ndp_next(&r, &p)) {
        err = p.packet ? put_record(e, p.bytes) : put_span(e, p.bytes);
        if (!err && e->progress && r.at - told >= REPORT_EVERY) {
            told = r.at;
            err = e->progress(e->ctx, r.at, file.n) ? PX_ERR_INTERRUPTED : PX_ERR_OK;
        }
    }
    return err;
}

/* What a store gives: packets, one at a time, and what lay between them, damaged packets too. */
static px_err put_given(void *ctx, px_view bytes)
{
    struct encode *e = ctx;
    struct pxi_ndp_reader r;
    struct pxi_ndp_piece p = {0};
    pxi_ndp_reader_init(&r, &e->data->sums, pxi_source_info(e->data->source)->variant, bytes);
    bool packet = pxi_ndp_next(&r, &p) && p.packet && p.bytes.n == bytes.n;
    return packet ? put_record(e, bytes) : put_span(e, bytes);
}

static bool told(void *ctx, uint64_t done, uint64_t all)
{
    const struct encode *e = ctx;
    return e->progress && e->progress(e->ctx, done, all);
}

static px_err put_all(struct encode *e, px_diag *d)
{
    const struct px_data *data = e->data;
    uint8_t head[PXI_PCAP_HEAD];
    pxi_pcap_head(head, PXI_LINK_USER0);
    if (!pxi_buf_add(&e->out, head, sizeof head))
        return PX_ERR_NOMEM;
    px_err err = pxi_source_info(data->source)->store
                     ? pxi_packets_write(&data->sums, data->source, put_given, e, told, e, d)
                     : put_packets(e, data->bytes.view);
    return err ? err : flush_out(e);
}

static px_err open_out(struct encode *e, const char *out, px_diag *d)
{
    size_t n = strlen(out) + 32;
    e->temporary = pxi_calloc(1, n);
    if (!e->temporary)
        return PX_ERR_NOMEM;
    snprintf(e->temporary, n, "%s.%ld.part", out, (long)getpid());
    px_err err =
        pxi_disk_open(AT_FDCWD, e->temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666, &e->file);
    pxi_diag_field(d, "%.90s", out);
    return err ? pxi_diag_set(d, err, 0, "a file that can be written", "%s", px_err_text(err))
               : PX_ERR_OK;
}

px_err px_capture_encode(const char *in, const char *out, px_data_progress *progress, void *ctx,
                         px_capture_written *written, px_diag *diag)
{
    px_data_options o = {.size = sizeof o, .progress = progress, .ctx = ctx};
    struct encode e = {
        .out = {.max = 4 * OUT_BYTES}, .written = written, .progress = progress, .ctx = ctx};
    px_data *data;
    *written = (px_capture_written){0};
    px_err err = px_data_open(in, &o, &data, diag);
    if (err)
        return err;
    e.data = data;
    err = open_out(&e, out, diag);
    bool made = !err;
    if (!err)
        err = put_all(&e, diag);
    if (!err)
        err = pxi_disk_sync(e.file);
    pxi_disk_close(e.file);
    if (!err && rename(e.temporary, out) != 0)
        err = pxi_disk_error();
    if (err && made)
        unlink(e.temporary);
    written->bytes = e.at;
    px_data_close(data);
    pxi_buf_deinit(&e.out);
    pxi_free(e.temporary);
    return err;
}
