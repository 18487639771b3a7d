/* What the two halves of a fetch share: pull.c knows what is wanted, pull_source.c whom to ask. */
#ifndef PXI_STORE_PULL_IMPL_H
#define PXI_STORE_PULL_IMPL_H

#include "base/limits.h"
#include "net/frame.h"
#include "store/pull.h"

enum {
    PXI_PIECE = PXI_STORE_PIECE, /* groups that are asked for at once: 1 MiB */
    PXI_ASKS = PXI_LIMIT_SHARD_WINDOW / (PXI_PIECE * PXI_GROUP),
    PXI_OF_MANIFEST = UINT32_MAX, /* in the place of a shard */
};

enum pxi_job_state { PXI_JOB_RESUMING, PXI_JOB_ACTIVE, PXI_JOB_FINISHING, PXI_JOB_DONE };

/* One shard that is being fetched. */
struct pxi_job {
    struct pxi_pull *pull;
    uint32_t shard;
    enum pxi_job_state state;
    struct pxi_partial partial;
    struct pxi_work work;
    uint8_t *asked;  /* a piece: how many providers owe it */
    uint32_t pieces; /* counted from `start`, another place in each fetch, so that two fetches at */
    uint32_t start;  /* once have something to give each other */
    uint32_t next;   /* of these, those before are asked for, or here */
};

/* Groups that a worker thread checks and writes. */
enum { PXI_BATCH = 16, PXI_BATCHES = 6 };
struct pxi_batch {
    struct pxi_pull *pull;
    struct pxi_work work;
    unsigned n;
    uint8_t *bytes[PXI_BATCH]; /* a group each; exchanged for those that arrive */
    uint8_t hash[PXI_BATCH * PXI_DIGEST];
    struct pxi_batch_item {
        struct pxi_source *source;
        struct pxi_peer peer; /* who was in that place */
        uint32_t shard;
        uint64_t group;
        size_t bytes;
        px_err err;
    } item[PXI_BATCH];
};

/* Something that a provider owes. */
struct pxi_ask {
    uint32_t shard, piece;
    uint64_t first, count, at_ns; /* groups; when it was asked for */
};

enum pxi_source_state {
    PXI_SOURCE_DIALLING,
    PXI_SOURCE_OPEN,
    PXI_SOURCE_DROPPED,
    PXI_SOURCE_WRONG
};

/* What a provider has of a shard that it is fetching itself. */
struct pxi_view_of {
    uint32_t shard;
    uint64_t at_ns, from;
    uint8_t n, map[PXI_SHARD_PIECES];
};
enum { PXI_VIEWS = PXI_LIMIT_SHARD_OPEN };

/* One provider. Dropped ones stay, so that they are known. */
struct pxi_source {
    struct pxi_pull *pull;
    struct pxi_peer peer;
    enum pxi_source_state state;
    struct pxi_reach reach;
    struct pxi_stream *stream;
    struct pxi_frame frame;
    struct pxi_timer stall;
    struct pxi_ask asks[PXI_ASKS]; /* a ring: answers come in this order */
    uint32_t head, count;
    uint64_t window, owed, got;                /* bytes */
    uint8_t lacks[PXI_LIMIT_STORE_SHARDS / 8]; /* shards that it does not have */
    struct pxi_view_of *views;                 /* PXI_VIEWS, once it said that it has a part */
    unsigned view_count, laters;               /* laters: how often since it gave anything */
    struct pxi_timer later;                    /* then the views are old */
    bool body;                                 /* an answer was read, its slice comes */
    struct pxi_bao slice;
    uint8_t *part; /* what came of the next node or group: PXI_GROUP bytes */
    size_t part_n, part_want;
};

struct pxi_pull {
    struct pxi_pull_options o;
    struct pxi_store_model *model;
    struct pxi_source *source[PXI_LIMIT_SHARD_SOURCES];
    unsigned sources;
    struct pxi_job *jobs[PXI_LIMIT_STORE_SHARDS];
    uint32_t open, wanted, here; /* jobs that are not done; shards */
    uint32_t next_shard;
    unsigned works, rounds; /* works under way; lookups since the last group */
    struct pxi_batch batch[PXI_BATCHES], *filling; /* filling: has room, may be NULL */
    unsigned turn;                                 /* the batch that works next */
    struct pxi_kad_op *lookup;
    struct pxi_watch watch;
    struct pxi_timer soon; /* what must not happen inside an event: end, look further */
    px_err err;
    bool ending, cancelled;
    bool blocked; /* another fetch has a shard that is wanted here too */
    bool resized; /* a provider has a shard in another size than the manifest says */
    uint64_t bytes, bytes_here, bytes_got;
};

/* ------------------------------------------------------------------ pull_source.c */

/* Try a provider, unless it is known. */
void pxi_source_add(struct pxi_pull *p, const struct pxi_peer *peer, const px_view *addrs,
                    unsigned count);
/* Ask all of them for as much as they have room for. */
void pxi_sources_ask(struct pxi_pull *p);
/* Forget a provider; what it owed is free again. */
void pxi_source_drop(struct pxi_source *s, enum pxi_source_state how);
void pxi_sources_free(struct pxi_pull *p);
/* Does it have that piece, as far as we know? */
bool pxi_source_has(const struct pxi_source *s, uint32_t shard, uint32_t piece);
/* Providers that dial, owe something, or may have more later. */
unsigned pxi_sources_busy(const struct pxi_pull *p);

/* ------------------------------------------------------------------ pull.c */

/* Something for a provider to do; false: nothing. */
bool pxi_pull_next(struct pxi_pull *p, struct pxi_source *s, struct pxi_ask *out);
/* An ask is over: answered, or given up. */
void pxi_pull_over(struct pxi_pull *p, const struct pxi_ask *a);
/* A group arrived, and this hash was proved to be its own: it is checked and written, now or by a
 * worker soon. False: it is not of that hash; when that is found later, the provider is dropped. */
bool pxi_pull_group(struct pxi_pull *p, struct pxi_source *s, uint32_t shard, uint64_t group,
                    px_view bytes, const uint8_t hash[PXI_DIGEST]);
/* A verified pair of hashes of a shard. */
void pxi_pull_node(struct pxi_pull *p, uint32_t shard, const struct pxi_tree_at *at, px_view pair);
/* No more is coming now: groups that wait go to a worker if one is idle. */
void pxi_pull_flush(struct pxi_pull *p);
/* It broke its word; others go on. */
void pxi_source_lose(struct pxi_source *s, enum pxi_source_state how);
/* Bytes that claim to be the manifest; false: they are not. */
bool pxi_pull_manifest(struct pxi_pull *p, px_view bytes);
/* End it, soon. */
void pxi_pull_end(struct pxi_pull *p, px_err err);
/* Look whether there is anything left to wait for; called after whatever happens. */
void pxi_pull_check(struct pxi_pull *p);

#endif
