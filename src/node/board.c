#include "node/board.h"

#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "codec/cid.h"
#include "crypto/hash.h"
#include "infer/capability.h"
#include "net/kad.h"
#include "node/pipeline.h"

enum {
    FIRST_MS = 1000,
    TURN_MS = 2000, /* between operations while there is nothing to hurry for */
    SOON_MS = 200,
    CHANGE_S = 5,    /* a record is not published more often */
    REFRESH_S = 600, /* and at least so often */
    LIFE_S = 1800,   /* it is believed for so long */
    FIND_S = 60,     /* others are looked for so often */
    ADDR_S = 1800,
};

struct row {
    struct pxi_peer peer;
    uint8_t *record;
    size_t record_n;
    uint64_t expires_s;
};

struct pxi_board {
    px_node *node;
    struct pxi_timer timer;
    struct pxi_kad_op *op;
    struct pxi_peer wanted[PXI_LIMIT_BOARD_PEERS]; /* whose records are to be fetched */
    unsigned wanted_count;
    struct row rows[PXI_LIMIT_BOARD_PEERS];
    unsigned count;
    uint8_t told[PXI_DIGEST]; /* what the published record says, without its changing numbers */
    uint64_t told_s, found_s, seq;
    bool provided, hurry;
};

static uint64_t now_s(const struct pxi_board *b)
{
    return pxi_loop_now(b->node->loop) / (1000 * PXI_MS) + 1; /* 0 is never */
}

static void again(struct pxi_board *b, uint64_t ms)
{
    pxi_timer_after(pxi_loop_timers(b->node->loop), &b->timer, ms * PXI_MS);
}

/* The key under which everybody who has a record is a provider. */
static px_view meeting_key(uint8_t out[PXI_CID_MAX])
{
    uint8_t digest[PXI_DIGEST];
    pxi_sha256(px_view_str("/plexus/" PXI_CAPABILITY_KEY "/1"), digest);
    struct pxi_cid cid = pxi_cid_raw(PXI_HASH_SHA2_256, digest);
    return px_view_of(out, pxi_cid_multihash(&cid, out));
}

/* ------------------------------------------------------------------------ our own record */

/* The record, and the hash of that part of it which matters at once: what is served. */
static px_err write_record(struct pxi_board *b, struct pxi_buf *out, uint8_t digest[PXI_DIGEST])
{
    struct pxi_pipeline *p = b->node->pipeline;
    struct pxi_msg_served served[PXI_SERVED_MAX];
    struct pxi_msg_link links[PXI_LINKS_MAX];
    struct pxi_peer peers[PXI_LINKS_MAX];
    px_view addrs[PXI_CAPABILITY_ADDRS];
    unsigned n = 0;
    for (; n < PXI_CAPABILITY_ADDRS && pxi_host_addr(b->node->host, n).n; n++)
        addrs[n] = pxi_host_addr(b->node->host, n);
    struct pxi_msg_capability m = {
        .memory = pxi_pipeline_memory(p),
        .rate = pxi_pipeline_rate(p),
        .served = {served, pxi_pipeline_served(p, NULL, served, PXI_SERVED_MAX)},
        .links = {links, pxi_pipeline_links(p, links, peers, PXI_LINKS_MAX)},
        .addrs = {addrs, n}};
    struct pxi_msg_capability stable = {.served = m.served, .addrs = m.addrs};
    for (unsigned i = 0; i < m.served.n; i++)
        served[i].sessions = 0; /* they come and go: a QUERY tells */
    px_err err = pxi_capability_encode(&stable, out);
    pxi_blake3(px_view_of(out->p, out->n), digest);
    out->n = 0;
    return err == PX_ERR_OK ? pxi_capability_encode(&m, out) : err;
}

static void published(void *ctx, const struct pxi_kad_result *r)
{
    struct pxi_board *b = ctx;
    b->op = NULL;
    if (!r->stored)
        b->told_s = 0;
    again(b, r->stored ? SOON_MS : TURN_MS);
}

/* Publish when something has changed, or the record grows old; false: not now. */
static bool publish(struct pxi_board *b)
{
    struct pxi_buf value = {.max = PXI_LIMIT_KAD_VALUE_BYTES}, sealed = value;
    struct pxi_buf key = {.max = PXI_LIMIT_KAD_KEY_BYTES};
    uint8_t digest[PXI_DIGEST];
    uint64_t wall = pxi_clock_wall_s(), age = now_s(b) - b->told_s;
    if (b->told_s && age < CHANGE_S)
        return false;
    px_err err = write_record(b, &value, digest);
    bool due = err == PX_ERR_OK &&
               (!b->told_s || age >= REFRESH_S || memcmp(digest, b->told, sizeof digest) != 0);
    if (due)
        err = pxi_kad_own_key(pxi_host_self(b->node->host), PXI_CAPABILITY_KEY, &key);
    b->seq = due && wall <= b->seq ? b->seq + 1 : due ? wall : b->seq;
    if (due && err == PX_ERR_OK)
        err = pxi_kad_own_seal(b->node->key, px_view_of(key.p, key.n), b->seq, wall + LIFE_S,
                               px_view_of(value.p, value.n), &sealed);
    if (due && err == PX_ERR_OK)
        b->op = pxi_kad_put(b->node->kad, px_view_of(key.p, key.n), px_view_of(sealed.p, sealed.n),
                            published, b);
    if (b->op) {
        memcpy(b->told, digest, sizeof digest);
        b->told_s = now_s(b);
    }
    pxi_buf_deinit(&value);
    pxi_buf_deinit(&sealed);
    pxi_buf_deinit(&key);
    return b->op != NULL;
}

static void provided(void *ctx, const struct pxi_kad_result *r)
{
    struct pxi_board *b = ctx;
    uint8_t key[PXI_CID_MAX];
    b->op = NULL;
    b->provided = r->stored > 0;
    if (b->provided)
        (void)pxi_kad_provide_keep(b->node->kad, meeting_key(key));
    again(b, b->provided ? SOON_MS : TURN_MS);
}

/* ------------------------------------------------------------------------ those of others */

static struct row *row_of(struct pxi_board *b, const struct pxi_peer *p)
{
    for (unsigned i = 0; i < b->count; i++)
        if (pxi_peer_equal(&b->rows[i].peer, p))
            return &b->rows[i];
    return NULL;
}

/* The place for a new row: a free one, or that of the record that expires first. */
static struct row *place(struct pxi_board *b)
{
    struct row *oldest = &b->rows[0];
    if (b->count < PXI_LIMIT_BOARD_PEERS)
        return &b->rows[b->count++];
    for (unsigned i = 1; i < b->count; i++)
        if (b->rows[i].expires_s < oldest->expires_s)
            oldest = &b->rows[i];
    pxi_free(oldest->record);
    *oldest = (struct row){0};
    return oldest;
}

/* A record that proved to be of this peer: remember it, and where the peer is. */
static void take_record(struct pxi_board *b, const struct pxi_peer *p,
                        const struct pxi_kad_own *own)
{
    struct pxi_msg_capability m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, 16384);
    if (pxi_capability_decode(own->value, &arena, &m) == PX_ERR_OK &&
        own->expires_s > pxi_clock_wall_s()) {
        uint8_t *copy = pxi_calloc(own->value.n + 1, 1);
        struct row *r = copy ? row_of(b, p) : NULL;
        r = r || !copy ? r : place(b);
        if (r) {
            memcpy(copy, own->value.p, own->value.n);
            pxi_free(r->record);
            *r = (struct row){*p, copy, own->value.n, own->expires_s};
        }
        for (size_t i = 0; i < m.addrs.n; i++)
            pxi_peer_addr_add(b->node->host, p, ((const px_view *)m.addrs.p)[i],
                              (uint64_t)ADDR_S * PXI_SECOND);
    }
    pxi_arena_deinit(&arena);
}

static void fetched(void *ctx, const struct pxi_kad_result *r)
{
    struct pxi_board *b = ctx;
    struct pxi_buf key = {.max = PXI_LIMIT_KAD_KEY_BYTES};
    struct pxi_kad_own own;
    struct pxi_peer p = b->wanted[--b->wanted_count];
    b->op = NULL;
    if (r->err == PX_ERR_OK && pxi_kad_own_key(&p, PXI_CAPABILITY_KEY, &key) == PX_ERR_OK &&
        pxi_kad_own_open(px_view_of(key.p, key.n), r->value, &own) == PX_ERR_OK)
        take_record(b, &p, &own);
    pxi_buf_deinit(&key);
    again(b, SOON_MS);
}

/* The record of the next peer that is wanted. */
static bool fetch(struct pxi_board *b)
{
    struct pxi_buf key = {.max = PXI_LIMIT_KAD_KEY_BYTES};
    if (!b->wanted_count)
        return false;
    if (pxi_kad_own_key(&b->wanted[b->wanted_count - 1], PXI_CAPABILITY_KEY, &key) == PX_ERR_OK)
        b->op = pxi_kad_get(b->node->kad, px_view_of(key.p, key.n), 2, fetched, b);
    pxi_buf_deinit(&key);
    return b->op != NULL;
}

static void found(void *ctx, const struct pxi_kad_result *r)
{
    struct pxi_board *b = ctx;
    b->op = NULL;
    b->found_s = now_s(b);
    for (unsigned i = 0; i < r->peer_count && b->wanted_count < PXI_LIMIT_BOARD_PEERS; i++) {
        const struct pxi_peer *p = &r->peers[i].peer;
        if (pxi_peer_equal(p, pxi_host_self(b->node->host)))
            continue;
        for (unsigned k = 0; k < r->peers[i].addr_count; k++)
            pxi_peer_addr_add(b->node->host, p, r->peers[i].addrs[k],
                              (uint64_t)ADDR_S * PXI_SECOND);
        b->wanted[b->wanted_count++] = *p;
    }
    again(b, SOON_MS);
}

static bool find(struct pxi_board *b)
{
    uint8_t key[PXI_CID_MAX];
    uint64_t age = now_s(b) - b->found_s;
    if (b->found_s && age < (b->hurry ? CHANGE_S : FIND_S))
        return false;
    b->hurry = false;
    b->op = pxi_kad_providers(b->node->kad, meeting_key(key), PXI_LIMIT_BOARD_PEERS, found, b);
    return b->op != NULL;
}

/* ------------------------------------------------------------------------ one thing at a time */

static void on_timer(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_board *b = PXI_OF(t, struct pxi_board, timer);
    uint8_t key[PXI_CID_MAX];
    (void)now_ns;
    if (b->op)
        return;
    if (pxi_kad_stats_of(b->node->kad).table && !pxi_pipeline_draining(b->node->pipeline)) {
        if (publish(b))
            return;
        if (!b->provided && b->told_s)
            b->op = pxi_kad_provide(b->node->kad, meeting_key(key), provided, b);
        if (b->op || fetch(b) || find(b))
            return;
    }
    again(b, TURN_MS);
}

void pxi_board_look(struct pxi_board *b)
{
    if (!b)
        return;
    b->hurry = true;
    if (!b->op)
        again(b, SOON_MS);
}

bool pxi_board_at(const struct pxi_board *b, unsigned i, struct pxi_board_row *out)
{
    for (unsigned k = 0; b && k < b->count; k++) {
        const struct row *r = &b->rows[k];
        if (r->expires_s <= pxi_clock_wall_s() || i-- > 0)
            continue;
        *out = (struct pxi_board_row){r->peer, px_view_of(r->record, r->record_n), r->expires_s};
        return true;
    }
    return false;
}

struct pxi_board *pxi_board_new(px_node *n)
{
    struct pxi_board *b = pxi_calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->node = n;
    b->timer.fire = on_timer;
    again(b, FIRST_MS);
    return b;
}

void pxi_board_free(struct pxi_board *b)
{
    if (!b)
        return;
    pxi_timer_disarm(pxi_loop_timers(b->node->loop), &b->timer);
    if (b->op)
        pxi_kad_cancel(b->op);
    for (unsigned i = 0; i < b->count; i++)
        pxi_free(b->rows[i].record);
    pxi_free(b);
}
