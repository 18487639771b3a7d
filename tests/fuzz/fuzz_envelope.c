/*
 * Any bytes as a sequence of framed messages (cut at places that the bytes choose), and each
 * message as a signed envelope, a peer record and a voucher.
 */
#include "net/envelope.h"
#include "net/frame.h"
#include "net/voucher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(void *ctx, px_view addr)
{
    *(size_t *)ctx += addr.n;
}

static void open_all(px_view m)
{
    struct pxi_peer peer;
    px_view payload;
    uint64_t seq;
    size_t sum = 0;
    if (pxi_peer_record_open(m, NULL, &peer, &seq, hear, &sum) != PX_ERR_OK && sum)
        __builtin_trap(); /* addresses were believed before the signature was */
    (void)pxi_envelope_open(m, &pxi_kind_voucher, NULL, &payload, &peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pxi_frame f = {.max = 1024};
    px_view message;
    size_t cut = size ? 1 + data[0] : 1;
    open_all(px_view_of(data, size));
    px_err err = PX_ERR_TRUNCATED;
    for (size_t at = 0; at < size && err == PX_ERR_TRUNCATED; at += cut) {
        px_view in = px_view_of(data + at, cut < size - at ? cut : size - at);
        while ((err = pxi_frame_next(&f, &in, &message)) == PX_ERR_OK)
            open_all(message);
    }
    if (f.part.cap > 4096)
        __builtin_trap();
    pxi_frame_deinit(&f);
    return 0;
}
