/*
 * What peers tell of themselves, from any bytes: a capability record, and plans over candidates
 * whose numbers the bytes choose. A plan is complete and in order, or an error.
 */
#include <string.h>

#include "infer/coding.h"
#include "infer/offer.h"
#include "px_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *at;
static size_t left;

static uint64_t take(unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes && left; i++, left--)
        v = v << 8 | *at++;
    return v;
}

/* The reply of a peer that is asked, which says more than its record. */
static void reply(void)
{
    struct pxi_msg_offer_reply r;
    struct pxi_arena a;
    pxi_arena_init(&a, 1 << 16);
    if (pxi_pb_decode(&pxi_pb_offer_reply, px_view_of(at, left), &a, &r, NULL) == PX_ERR_OK) {
        struct pxi_candidate c = {0};
        pxi_candidate_links(&c, &r.links);
        pxi_candidate_slices(&c, &r.served, px_view_str("m"), 1);
        pxi_candidate_held(&c, r.held);
        CHECK(r.held.n <= sizeof c.held);
    }
    pxi_arena_deinit(&a);
}

static void plan(void)
{
    static struct pxi_candidate c[PXI_LIMIT_PLAN_PEERS];
    static struct pxi_choice ch;
    struct pxi_coding co;
    struct pxi_plan_model m = {.blocks = (uint32_t)take(1) % 40,
                               .block_bytes = take(4),
                               .block_memory = take(4),
                               .embed_memory = take(8),
                               .output_bytes = take(8),
                               .stages_min = (uint32_t)take(1),
                               .flights = (uint32_t)take(1)};
    unsigned n = (unsigned)take(1) % 8;
    memset(c, 0, sizeof c);
    for (unsigned i = 0; i < n; i++) {
        c[i].self = i == 0;
        c[i].memory = take(8);
        c[i].rate = take(6);
        c[i].rtt_ns = take(5);
        c[i].rate_link = take(4);
        c[i].slice_count = (unsigned)take(1) % (PXI_CANDIDATE_SLICES + 1);
        for (unsigned k = 0; k < c[i].slice_count; k++)
            c[i].slices[k] = (struct pxi_candidate_slice){(uint32_t)take(1), (uint32_t)take(1),
                                                          take(1) & 1, take(1) & 1};
        for (unsigned k = 0; k < 6; k++)
            c[i].held.bits[k] = (uint8_t)take(1);
    }
    uint32_t cols = (uint32_t)take(2);
    m.stages_max = (uint32_t)take(1);
    if (pxi_choose_coded(&m, c, n, cols, (uint8_t)take(1) % (PXI_STAGE_Q8 + 1), &ch, &co) !=
        PX_ERR_OK)
        return;
    CHECK(co.dtype >= PXI_STAGE_F32 && co.dtype <= PXI_STAGE_Q8);
    CHECK(!m.stages_max || ch.times.stages <= m.stages_max || ch.reused);
    uint32_t end = 0;
    for (unsigned i = 0; i < ch.times.stages; i++) {
        const struct pxi_plan_peer *p = &ch.peers[ch.order[i]];
        CHECK(p->place == i && p->first == end && p->last > end);
        end = p->last;
    }
    CHECK_EQ(end, m.blocks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pxi_msg_capability m;
    struct pxi_arena a;
    at = data;
    left = size;
    unsigned which = (unsigned)take(1);
    if (which & 1) {
        plan();
        return 0;
    }
    if (which & 2) {
        reply();
        return 0;
    }
    pxi_arena_init(&a, 1 << 16);
    if (pxi_capability_decode(px_view_of(at, left), &a, &m) == PX_ERR_OK) {
        struct pxi_candidate c = {0};
        struct pxi_buf out = {.max = 1 << 20};
        pxi_candidate_links(&c, &m.links);
        pxi_candidate_slices(&c, &m.served, px_view_str("m"), 1);
        CHECK_EQ(pxi_capability_encode(&m, &out), PX_ERR_OK);
        pxi_buf_deinit(&out);
    }
    pxi_arena_deinit(&a);
    return 0;
}
