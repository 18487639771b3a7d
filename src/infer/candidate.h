/*
 * From what peers tell of themselves to a plan: how far they are from one another, whether all of
 * them shall help, and whether a chain that is loaded already is good enough. Pure.
 */
#ifndef PXI_INFER_CANDIDATE_H
#define PXI_INFER_CANDIDATE_H

#include "base/limits.h"
#include "codec/peer.h"
#include "infer/capability.h"
#include "infer/plan.h"

enum { PXI_CANDIDATE_SLICES = 4, PXI_HELD_BYTES = 64 };

/* Shards of the model that a peer has on its disk: bit 0 the embedding, bit 1 the output (with all
 * that it needs), then a bit a block, from the lowest bit of the first byte on. */
struct pxi_held {
    uint8_t bits[PXI_HELD_BYTES];
};
enum { PXI_HELD_EMBED, PXI_HELD_OUTPUT, PXI_HELD_BLOCKS };
void pxi_held_add(struct pxi_held *h, uint32_t bit); /* harmless beyond the end */
bool pxi_held_has(const struct pxi_held *h, uint32_t bit);

struct pxi_candidate {
    struct pxi_peer peer;
    uint64_t memory, rate;
    uint64_t rtt_ns;    /* from the client; 0: the client itself, or unknown */
    uint64_t rate_link; /* bytes a second between the client and it; 0: not known, or no limit */
    bool self;
    unsigned link_count, slice_count;
    struct pxi_candidate_link {
        struct pxi_peer peer;
        uint64_t rtt_ns;
    } links[PXI_LINKS_MAX];
    struct pxi_candidate_slice { /* of the model that is planned, with a free place */
        uint32_t first, last;
        bool embed, output;
    } slices[PXI_CANDIDATE_SLICES];
    struct pxi_held held;
};

/* Take over what a peer tells: its links, and the slices of `model` that have room for a session of
 * so many positions. Numbers from the wire are clamped. */
void pxi_candidate_links(struct pxi_candidate *c, const struct pxi_pb_list *links);
void pxi_candidate_slices(struct pxi_candidate *c, const struct pxi_pb_list *served, px_view model,
                          uint32_t positions);
void pxi_candidate_held(struct pxi_candidate *c, px_view bits);

struct pxi_choice {
    struct pxi_plan_peer peers[PXI_LIMIT_PLAN_PEERS]; /* as the candidates */
    struct pxi_plan_times times;
    unsigned order[PXI_LIMIT_PLAN_PEERS]; /* the candidate at each place */
    bool reused;                          /* all of its slices are loaded already */
    bool kept; /* all of its shards are on the disks, and it is not much slower than the best */
};

/*
 * Choose. With m->stages_min 0, as many stages as there are peers that are near (60 ms) and not
 * slower than an eighth of the fastest: every machine of a room helps, and others where they are
 * worth it. row_bytes: what goes from stage to stage for a token. A chain that moves nothing is
 * left for another one only when that takes a fifth less (cost_s), so that rates which are measured
 * a little differently move no blocks. Errors: those of pxi_plan.
 */
px_err pxi_choose(const struct pxi_plan_model *m, const struct pxi_candidate *c, unsigned count,
                  uint64_t row_bytes, struct pxi_choice *out);

#endif
