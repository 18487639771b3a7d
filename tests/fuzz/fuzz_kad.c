/*
 * Any bytes as the stream of a Kademlia client: frames, requests, answers, the store. And the same
 * bytes as an answer to a lookup.
 */
#include "base/limits.h"
#include "net/kad_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pxi_timers timers;
static struct pxi_random random_;

static struct pxi_kad *setup(void)
{
    static const uint8_t seed[32] = {1};
    static struct pxi_host *host;
    struct pxi_kad_options ko = {.quiet = true, .accept_all = true};
    if (!host) {
        random_ = pxi_random_seeded(1);
        struct pxi_host_options o = {.key = pxi_key_from_seed(seed),
                                     .timers = &timers,
                                     .random = &random_,
                                     .simulated = true};
        host = pxi_host_new(&o);
    }
    struct pxi_kad *k = host ? pxi_kad_new(host, &ko) : NULL;
    if (k)
        k->store.record_max = k->store.provider_max = 4;
    return k;
}

static void serve(struct pxi_kad *k, px_view frame, struct pxi_kad_op *op)
{
    struct pxi_msg_kad m;
    struct pxi_arena a;
    struct pxi_buf out = {.max = PXI_LIMIT_KAD_MESSAGE_BYTES};
    px_diag d;
    pxi_arena_init(&a, PXI_LIMIT_KAD_ARENA_BYTES);
    if (pxi_kad_decode(frame, &a, &m, &d) == PX_ERR_OK) {
        struct pxi_peer from = *pxi_host_self(k->host);
        from.b[10] ^= 1;
        if (m.providers.n) { /* a sender that is in its own message */
            struct pxi_msg_kad_peer *p = m.providers.p;
            pxi_peer_from_bytes(p->id, &from, &d);
        }
        pxi_kad_answer(k, &from, PXI_IP_PUBLIC, &m, &out);
        int i = op ? pxi_kad_lookup_next(&op->lookup, timers.now_ns) : -1;
        if (i >= 0) {
            pxi_kad_lookup_answered(&op->lookup, (unsigned)i, 0);
            pxi_kad_gather(op, (unsigned)i, &m, PXI_IP_LOOPBACK);
        }
    }
    pxi_buf_deinit(&out);
    pxi_arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pxi_kad *k = setup();
    struct pxi_kad_frames f = {0};
    struct pxi_kad_op *op;
    struct pxi_peer first;
    px_view frame, in = px_view_of(data, size);
    px_diag d;
    static const uint8_t id[38] = {0, 36, 8, 1, 18, 32, 7};
    if (!k || pxi_peer_from_bytes(px_view_of(id, sizeof id), &first, &d) != PX_ERR_OK)
        return 0;
    switch (size ? data[size - 1] % 4 : 0) {
    case 0: op = pxi_kad_closest(k, px_view_str("/v/a"), NULL, NULL); break;
    case 1: op = pxi_kad_get(k, px_view_str("/v/a"), 0, NULL, NULL); break;
    case 2: op = pxi_kad_find_peer(k, &first, NULL, NULL); break;
    default: op = pxi_kad_providers(k, px_view_of(id, 38), 0, NULL, NULL); break;
    }
    if (op)
        pxi_kad_lookup_seed(&op->lookup, &first, NULL, 0);
    while (pxi_kad_frame_next(&f, &in, &frame) > 0)
        serve(k, frame, op);
    pxi_kad_frames_clear(&f);
    pxi_kad_free(k);
    return 0;
}
