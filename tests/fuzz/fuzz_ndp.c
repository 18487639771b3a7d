/*
 * Any bytes as training data. The first byte says how: as packets, which a store must give back;
 * as a store; as a directory and what follows it, with the hashes put right, so that its numbers
 * are what is tried.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "data/check.h"
#include "kernel/kernel.h"

#include "../unit/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pxi_ndp_sums sums;

static void need(bool good)
{
    if (!good)
        abort();
}

static px_err into(void *ctx, px_view bytes)
{
    return pxi_buf_add(ctx, bytes.p, bytes.n) ? PX_ERR_OK : PX_ERR_NOMEM;
}

/* Everything that can be asked of a source. */
static void read_all(px_view file)
{
    struct pxi_source_options o = {.sums = &sums};
    struct pxi_source *s;
    struct pxi_buf out = {.max = 1 << 26};
    px_diag d;
    (void)pxi_check_ndp3(file, &d);
    if (pxi_source_open(&o, file, &s, &d))
        return;
    for (uint64_t i = 0; i < 64; i++) {
        struct pxi_item item;
        if (pxi_source_item(s, i, &item) && pxi_source_right(s, &item) && item.bytes.n)
            need(item.bytes.p >= file.p && item.bytes.p + item.bytes.n <= file.p + file.n);
    }
    if (pxi_source_info(s)->samples < 4096)
        (void)pxi_packets_write(&sums, s, into, &out, NULL, NULL, &d);
    pxi_source_close(s);
    pxi_buf_deinit(&out);
}

static void packets(px_view in, unsigned dtype)
{
    struct memory_file f;
    struct pxi_writer_options o = {.sums = &sums,
                                   .ops = &memory_file_ops,
                                   .file = memory_file_begin(&f),
                                   .dtype = dtype,
                                   .segment_bytes = 512};
    struct pxi_ndp_variant v;
    struct pxi_writer *w;
    struct pxi_source *s;
    struct pxi_source_options so = {.sums = &sums};
    struct pxi_buf back = {.max = SIZE_MAX};
    unsigned checked;
    pxi_ndp_detect(&sums, in, &v, &checked);
    o.variant = v;
    need(!pxi_writer_new(&o, &w) && !pxi_packets_read(&sums, v, in, w, NULL, NULL) &&
         !pxi_writer_commit(w));
    pxi_writer_free(w);
    need(!pxi_source_open(&so, memory_file_bytes(&f), &s, NULL));
    need(!pxi_store_verify(&sums, s, memory_file_bytes(&f), NULL, NULL, NULL));
    need(!pxi_packets_write(&sums, s, into, &back, NULL, NULL, NULL));
    need(px_view_equal(px_view_of(back.p, back.n), in));
    pxi_source_close(s);
    pxi_buf_deinit(&back);
    memory_file_end(&f);
    read_all(in);
}

static void sealed(px_view in)
{
    size_t n = PXI_NDP_HEADS + in.n;
    uint8_t *file = malloc(n);
    memset(file, 0, PXI_NDP_HEADS);
    memcpy(file + PXI_NDP_HEADS, in.p, in.n);
    /* The first two bytes say how many bytes of the end are the directory. */
    size_t most = in.n < 4096 ? in.n : 4096;
    size_t dir = in.n >= 2 ? 64 * (size_t)(in.p[0]) % (most + 1) : 0;
    struct pxi_ndp_head h = {.generation = 1, .file_bytes = n};
    h.directory_at = (n - dir) / 64 * 64;
    h.directory_bytes = n - h.directory_at;
    pxi_blake3(px_view_of(file + h.directory_at, h.directory_bytes), h.hash);
    pxi_ndp_head_seal(&sums, h, file);
    read_all(px_view_of(file, n));
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!sums.crc16) {
        struct pxi_kernels k;
        pxi_kernels_init(&k, pxi_cpu_detect());
        sums = pxi_data_sums(&k);
    }
    if (!size)
        return 0;
    px_view in = px_view_of(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
    case 1: packets(in, data[0] % 4); break;
    case 2: read_all(in); break;
    default: sealed(in);
    }
    return 0;
}
