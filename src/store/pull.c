#include "store/pull.h"

#include "base/mem.h"
#include "net/host_impl.h"
#include "store/pull_impl.h"

enum { RETRY_MS = 2000, BLOCKED_MS = 200 };

static struct pxi_timers *timers_of(const struct pxi_pull *p)
{
    return pxi_host_timers(p->o.host);
}

/* ------------------------------------------------------------------ the end */

static void job_free(struct pxi_job *j)
{
    if (!j)
        return;
    pxi_partial_close(&j->partial);
    pxi_free(j->asked);
    pxi_free(j);
}

static void pull_free(struct pxi_pull *p)
{
    pxi_timer_disarm(timers_of(p), &p->soon);
    pxi_sources_free(p);
    for (uint32_t i = 0; i < PXI_LIMIT_STORE_SHARDS; i++)
        job_free(p->jobs[i]);
    for (unsigned i = 0; i < PXI_BATCHES; i++)
        for (unsigned k = 0; k < PXI_BATCH; k++)
            pxi_free(p->batch[i].bytes[k]);
    pxi_free((void *)p->o.peers);
    pxi_free(p);
}

/* Leave the network; what runs on other threads keeps the memory until it is back. */
static void leave(struct pxi_pull *p)
{
    if (p->cancelled)
        return;
    p->cancelled = true;
    pxi_host_unwatch(&p->watch);
    if (p->lookup)
        pxi_kad_cancel(p->lookup);
    p->lookup = NULL;
    for (unsigned i = 0; i < p->sources; i++)
        pxi_source_drop(p->source[i], PXI_SOURCE_DROPPED);
    if (p->model)
        p->model->held--;
}

void pxi_pull_cancel(struct pxi_pull *p)
{
    leave(p);
    pxi_timer_disarm(timers_of(p), &p->soon);
    if (!p->works)
        pull_free(p);
}

void pxi_pull_end(struct pxi_pull *p, px_err err)
{
    if (p->ending)
        return;
    p->ending = true;
    p->err = err;
    pxi_timer_after(timers_of(p), &p->soon, 0);
}

/* ------------------------------------------------------------------ looking for providers */

static void on_providers(void *ctx, const struct pxi_kad_result *r)
{
    struct pxi_pull *p = ctx;
    p->lookup = NULL;
    for (unsigned i = 0; i < r->peer_count; i++)
        pxi_source_add(p, &r->peers[i].peer, r->peers[i].addrs, r->peers[i].addr_count);
    pxi_pull_check(p);
}

/* A shard that is wanted and not here. */
static bool some_shard(const struct pxi_pull *p, uint8_t hash[PXI_DIGEST])
{
    for (uint32_t i = 0; p->model && i < p->model->m.count; i++)
        if (pxi_want_shard(&p->o.want, &p->model->m, i) &&
            !pxi_store_has(p->o.store, p->model->m.shards[i].hash, NULL)) {
            memcpy(hash, p->model->m.shards[i].hash, PXI_DIGEST);
            return true;
        }
    return false;
}

/* Those who are connected, those who are named, and those of whom the DHT knows: of the model
 * first, then of a shard that is missing. */
static void look(struct pxi_pull *p)
{
    uint8_t multihash[PXI_CID_MAX], shard[PXI_DIGEST];
    struct pxi_list *conns = pxi_host_conns(p->o.host);
    for (unsigned i = 0; i < p->o.peer_count; i++)
        pxi_source_add(p, &p->o.peers[i], NULL, 0);
    for (struct pxi_list *l = conns->next; l != conns; l = l->next) {
        struct pxi_conn *c = PXI_OF(l, struct pxi_conn, link);
        if (!c->closing && pxi_peer_supports(p->o.host, &c->peer, PXI_SHARD_PROTOCOL) == 1)
            pxi_source_add(p, &c->peer, NULL, 0);
    }
    if (!p->o.kad || p->lookup)
        return;
    struct pxi_cid cid = p->o.model;
    if (p->rounds % 2 && some_shard(p, shard))
        cid = pxi_cid_raw(PXI_HASH_BLAKE3, shard);
    px_view key = px_view_of(multihash, pxi_cid_multihash(&cid, multihash));
    p->lookup = pxi_kad_providers(p->o.kad, key, PXI_LIMIT_SHARD_SOURCES, on_providers, p);
}

static void on_identified(struct pxi_watch *w, const struct pxi_peer *peer, struct pxi_conn *c)
{
    struct pxi_pull *p = PXI_OF(w, struct pxi_pull, watch);
    if (pxi_peer_supports(p->o.host, peer, PXI_SHARD_PROTOCOL) == 1)
        pxi_source_add(p, peer, NULL, 0);
}

/* ------------------------------------------------------------------ what is wanted */

static void open_jobs(struct pxi_pull *p);

static void resumed(struct pxi_work *w)
{
    struct pxi_job *j = PXI_OF(w, struct pxi_job, work);
    struct pxi_pull *p = j->pull;
    p->works--;
    if (p->cancelled) {
        if (!p->works)
            pull_free(p);
        return;
    }
    j->state = PXI_JOB_ACTIVE;
    for (uint64_t i = 0; i < j->partial.groups; i++)
        if (pxi_partial_has(&j->partial, i))
            p->bytes_here += pxi_tree_group_bytes(j->partial.bytes, i);
    pxi_pull_check(p);
}

static void resume(struct pxi_work *w)
{
    pxi_partial_resume(&PXI_OF(w, struct pxi_job, work)->partial);
}

static void finish(struct pxi_work *w)
{
    pxi_partial_finish(&PXI_OF(w, struct pxi_job, work)->partial);
}

static void start_work(struct pxi_job *j, void (*run)(struct pxi_work *w),
                       void (*done)(struct pxi_work *w))
{
    j->work.run = run;
    j->work.done = done;
    j->pull->works++;
    j->pull->o.store->files->ops->work(j->pull->o.store->files, &j->work);
}

static void finished(struct pxi_work *w)
{
    struct pxi_job *j = PXI_OF(w, struct pxi_job, work);
    struct pxi_pull *p = j->pull;
    px_err err = pxi_partial_done(&j->partial);
    p->works--;
    if (p->cancelled) {
        if (!p->works)
            pull_free(p);
        return;
    }
    if (err == PX_ERR_CORRUPT) { /* the disk gave back something else: once more */
        p->bytes_here -= j->partial.bytes;
        memset(j->asked, 0, j->pieces);
        j->next = 0;
        j->state = PXI_JOB_ACTIVE;
    } else if (err != PX_ERR_OK) {
        pxi_pull_end(p, err);
        return;
    } else {
        pxi_partial_close(&j->partial);
        j->state = PXI_JOB_DONE;
        p->open--;
        open_jobs(p);
    }
    pxi_pull_check(p);
}

/* Where this peer begins in this shard. */
static uint32_t start_of(const struct pxi_pull *p, const struct pxi_job *j)
{
    uint8_t digest[PXI_DIGEST];
    const struct pxi_peer *self = pxi_host_self(p->o.host);
    pxi_blake3(px_view_of(self->b, self->n), digest);
    uint32_t x = 0;
    for (unsigned i = 0; i < 4; i++)
        x = x << 8 | (digest[i] ^ j->partial.hash[i]);
    return j->pieces ? x % j->pieces : 0;
}

static px_err open_job(struct pxi_pull *p, uint32_t i)
{
    const struct pxi_manifest_shard *row = &p->model->m.shards[i];
    struct pxi_job *j = pxi_calloc(1, sizeof *j);
    if (!j)
        return PX_ERR_NOMEM;
    px_err err = pxi_partial_open(p->o.store, row->hash, row->bytes, &j->partial);
    j->pull = p;
    j->shard = i;
    j->pieces = (uint32_t)((j->partial.groups + PXI_PIECE - 1) / PXI_PIECE);
    j->start = start_of(p, j);
    j->asked = err == PX_ERR_OK ? pxi_calloc(j->pieces, 1) : NULL;
    if (!j->asked) {
        job_free(j);
        return err == PX_ERR_OK ? PX_ERR_NOMEM : err;
    }
    p->jobs[i] = j;
    p->open++;
    if (j->partial.claimed)
        start_work(j, resume, resumed);
    else
        j->state = PXI_JOB_ACTIVE;
    return PX_ERR_OK;
}

/* A few shards at a time; one that another fetch has under way is waited for. */
static void open_jobs(struct pxi_pull *p)
{
    px_err err = PX_ERR_OK;
    while (p->next_shard < p->model->m.count && p->open < PXI_LIMIT_SHARD_OPEN) {
        uint32_t i = p->next_shard;
        if (pxi_want_shard(&p->o.want, &p->model->m, i) &&
            !pxi_store_has(p->o.store, p->model->m.shards[i].hash, NULL))
            err = open_job(p, i);
        if (err != PX_ERR_OK)
            break;
        p->next_shard++;
    }
    p->blocked = err == PX_ERR_REFUSED;
    if (p->blocked && !p->soon.armed)
        pxi_timer_after(timers_of(p), &p->soon, BLOCKED_MS * PXI_MS);
    p->here = pxi_store_state_of(p->o.store, p->model, &p->o.want).here;
    if (err != PX_ERR_OK && !p->blocked)
        pxi_pull_end(p, err);
}

/* A shard that is here, so its size is certain, and the manifest says another. */
static bool lies(const struct pxi_pull *p)
{
    const struct pxi_manifest *m = &p->model->m;
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t bytes = m->shards[i].bytes;
        if (pxi_want_shard(&p->o.want, m, i) &&
            pxi_store_has(p->o.store, m->shards[i].hash, &bytes) && bytes != m->shards[i].bytes)
            return true;
    }
    return false;
}

/* The manifest is here: make room, and begin with the shards. */
static void begin_shards(struct pxi_pull *p)
{
    const struct pxi_manifest *m = &p->model->m;
    p->model->held++;
    if (!p->o.part)
        p->o.want = pxi_want_all(m);
    struct pxi_store_state st = pxi_store_state_of(p->o.store, p->model, &p->o.want);
    p->wanted = st.shards;
    p->here = st.here;
    p->bytes = st.bytes;
    p->bytes_here = st.bytes_here;
    uint64_t need = st.bytes - st.bytes_here;
    px_err err = pxi_store_room(p->o.store, need + need / 512);
    if (p->o.want.first > p->o.want.last || p->o.want.last > m->blocks)
        err = PX_ERR_INVALID;
    if (lies(p))
        err = PX_ERR_CORRUPT;
    if (err != PX_ERR_OK)
        pxi_pull_end(p, err);
    else
        open_jobs(p);
}

bool pxi_pull_manifest(struct pxi_pull *p, px_view bytes)
{
    uint8_t digest[PXI_DIGEST];
    if (p->model)
        return true;
    if (p->o.model.hash == PXI_HASH_SHA2_256)
        pxi_sha256(bytes, digest);
    else
        pxi_blake3(bytes, digest);
    if (memcmp(digest, p->o.model.digest, PXI_DIGEST) != 0)
        return false;
    px_err err = pxi_store_add(p->o.store, bytes, &p->model, NULL);
    if (err != PX_ERR_OK)
        pxi_pull_end(p, err); /* it is what was asked for, and it is no good */
    else
        begin_shards(p);
    return true;
}

/* ------------------------------------------------------------------ pieces */

/* The groups of a piece that are missing, from the first to the last; false: none. */
static bool missing(const struct pxi_job *j, uint32_t piece, struct pxi_ask *a)
{
    uint64_t from = (uint64_t)piece * PXI_PIECE, to = from + PXI_PIECE;
    if (to > j->partial.groups)
        to = j->partial.groups;
    while (from < to && pxi_partial_has(&j->partial, from))
        from++;
    while (to > from && pxi_partial_has(&j->partial, to - 1))
        to--;
    *a = (struct pxi_ask){.shard = j->shard, .piece = piece, .first = from, .count = to - from};
    return from < to;
}

static uint32_t piece_at(const struct pxi_job *j, uint32_t i)
{
    return (uint32_t)(((uint64_t)i + j->start) % j->pieces);
}

/* Look at a piece again. */
static void reopen(struct pxi_job *j, uint32_t piece)
{
    uint32_t i = (uint32_t)(((uint64_t)piece + j->pieces - j->start) % j->pieces);
    if (i < j->next)
        j->next = i;
}

/* A piece that nobody owes, and this provider may have. */
static bool free_piece(struct pxi_job *j, const struct pxi_source *s, struct pxi_ask *a)
{
    for (uint32_t i = j->next; i < j->pieces; i++) {
        uint32_t piece = piece_at(j, i);
        bool wanted = !j->asked[piece] && missing(j, piece, a);
        if (wanted && pxi_source_has(s, j->shard, piece)) {
            j->asked[piece] = 1;
            j->next += i == j->next;
            return true;
        }
        j->next += i == j->next && !wanted;
    }
    return false;
}

static bool owes(const struct pxi_source *s, uint32_t shard, uint32_t piece)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct pxi_ask *a = &s->asks[(s->head + i) % PXI_ASKS];
        if (a->shard == shard && a->piece == piece)
            return true;
    }
    return false;
}

/* A piece that one other owes: near the end, whoever is idle takes part in it. */
static bool owed_piece(struct pxi_job *j, const struct pxi_source *s, struct pxi_ask *a)
{
    for (uint32_t i = 0; i < j->pieces; i++)
        if (j->asked[i] == 1 && !owes(s, j->shard, i) && pxi_source_has(s, j->shard, i) &&
            missing(j, i, a)) {
            j->asked[i] = 2;
            return true;
        }
    return false;
}

bool pxi_pull_next(struct pxi_pull *p, struct pxi_source *s, struct pxi_ask *out)
{
    if (p->ending || p->cancelled)
        return false;
    if (!p->model) {
        *out = (struct pxi_ask){.shard = PXI_OF_MANIFEST, .count = 1};
        return s->count == 0;
    }
    for (int owed = 0; owed < 2 && (!owed || !s->count); owed++)
        for (uint32_t i = 0; i < p->next_shard; i++) {
            struct pxi_job *j = p->jobs[i];
            if (!j || j->state != PXI_JOB_ACTIVE || (s->lacks[i / 8] >> (i % 8) & 1))
                continue;
            if (owed ? owed_piece(j, s, out) : free_piece(j, s, out))
                return true;
        }
    return false;
}

void pxi_pull_over(struct pxi_pull *p, const struct pxi_ask *a)
{
    if (a->shard == PXI_OF_MANIFEST)
        return;
    struct pxi_job *j = p->jobs[a->shard];
    if (j->asked[a->piece])
        j->asked[a->piece]--;
    reopen(j, a->piece);
}

/* ------------------------------------------------------------------ groups */

/* What became of a group that was promised; false: its provider lied. */
static bool settle(struct pxi_pull *p, const struct pxi_batch_item *i)
{
    struct pxi_job *j = p->jobs[i->shard];
    pxi_partial_settle(&j->partial, i->group, i->err == PX_ERR_OK);
    if (i->err == PX_ERR_OK) {
        p->rounds = 0;
        p->bytes_here += i->bytes;
        return true;
    }
    reopen(j, (uint32_t)(i->group / PXI_PIECE));
    if (i->err != PX_ERR_CORRUPT)
        pxi_pull_end(p, i->err);
    return i->err != PX_ERR_CORRUPT;
}

/* Groups from item k on that follow one another, in one go; the item behind them. */
static unsigned write_run(struct pxi_batch *b, unsigned k)
{
    px_view groups[PXI_BATCH];
    const struct pxi_batch_item *first = &b->item[k];
    unsigned n = 0;
    for (; k + n < b->n && b->item[k + n].err == PX_ERR_OK; n++) {
        const struct pxi_batch_item *i = first + n;
        if (i->shard != first->shard || i->group != first->group + n)
            break;
        groups[n] = px_view_of(b->bytes[k + n], i->bytes);
    }
    struct pxi_partial *p = &b->pull->jobs[first->shard]->partial;
    px_err err = pxi_partial_reserve(p);
    if (err == PX_ERR_OK)
        err = pxi_partial_write(p, first->group, groups, n, b->hash + k * PXI_DIGEST);
    for (unsigned i = 0; i < n; i++)
        b->item[k + i].err = err;
    return k + n;
}

static void write_batch(struct pxi_work *w)
{
    struct pxi_batch *b = PXI_OF(w, struct pxi_batch, work);
    for (unsigned k = 0; k < b->n; k++) {
        struct pxi_batch_item *i = &b->item[k];
        i->err = pxi_partial_check(&b->pull->jobs[i->shard]->partial, i->group,
                                   px_view_of(b->bytes[k], i->bytes), b->hash + k * PXI_DIGEST);
    }
    for (unsigned k = 0; k < b->n;)
        k = b->item[k].err == PX_ERR_OK ? write_run(b, k) : k + 1;
}

static void batch_written(struct pxi_work *w)
{
    struct pxi_batch *b = PXI_OF(w, struct pxi_batch, work);
    struct pxi_pull *p = b->pull;
    unsigned n = b->n;
    p->works--;
    b->n = 0;
    if (p->cancelled) {
        if (!p->works)
            pull_free(p);
        return;
    }
    for (unsigned k = 0; k < n; k++)
        if (!settle(p, &b->item[k]) && pxi_peer_equal(&b->item[k].peer, &b->item[k].source->peer))
            pxi_source_lose(b->item[k].source, PXI_SOURCE_WRONG);
    pxi_pull_flush(p);
    pxi_pull_check(p);
}

/* One batch is at work at a time: a file is written by one thread at once anyway, and others would
 * only wait for it. Full ones go first, then what there is. */
static void start_batch(struct pxi_pull *p, bool rest)
{
    struct pxi_batch *next = NULL;
    for (unsigned i = 0; i < PXI_BATCHES; i++) {
        struct pxi_batch *b = &p->batch[(p->turn + i) % PXI_BATCHES];
        if (b->work.busy || p->cancelled)
            return;
        if (!next && (b->n == PXI_BATCH || (rest && b->n)))
            next = b;
    }
    if (!next)
        return;
    if (p->filling == next)
        p->filling = NULL;
    p->turn = (unsigned)(next - p->batch + 1) % PXI_BATCHES;
    p->works++;
    next->work.run = write_batch;
    next->work.done = batch_written;
    p->o.store->files->ops->work(p->o.store->files, &next->work);
}

void pxi_pull_flush(struct pxi_pull *p)
{
    start_batch(p, true);
}

/* A batch with room, or NULL: all are at work, or there is no memory. */
static struct pxi_batch *filling(struct pxi_pull *p)
{
    for (unsigned i = 0; i < PXI_BATCHES && !p->filling; i++) {
        struct pxi_batch *b = &p->batch[i];
        b->pull = p;
        if (!b->work.busy && !b->n)
            p->filling = b;
    }
    struct pxi_batch *b = p->filling;
    if (b && !b->bytes[b->n])
        b->bytes[b->n] = pxi_calloc(1, PXI_GROUP);
    return b && b->bytes[b->n] ? b : NULL;
}

bool pxi_pull_group(struct pxi_pull *p, struct pxi_source *s, uint32_t shard, uint64_t group,
                    px_view bytes, const uint8_t hash[PXI_DIGEST])
{
    struct pxi_job *j = p->jobs[shard];
    struct pxi_batch_item i = {
        .source = s, .peer = s->peer, .shard = shard, .group = group, .bytes = bytes.n};
    p->bytes_got += bytes.n;
    if (j->state != PXI_JOB_ACTIVE || pxi_partial_has(&j->partial, group) || p->ending)
        return true;
    pxi_partial_promise(&j->partial, group);
    struct pxi_batch *b = filling(p);
    if (!b) {
        i.err = pxi_partial_check(&j->partial, group, bytes, hash);
        if (i.err == PX_ERR_OK)
            i.err = pxi_partial_write(&j->partial, group, &bytes, 1, hash);
        return settle(p, &i);
    }
    uint8_t *spare = b->bytes[b->n];
    if (bytes.p == s->part) { /* the group is taken where it lies */
        b->bytes[b->n] = s->part;
        s->part = spare;
    } else {
        memcpy(spare, bytes.p, bytes.n);
    }
    memcpy(b->hash + b->n * PXI_DIGEST, hash, PXI_DIGEST);
    b->item[b->n++] = i;
    if (b->n == PXI_BATCH)
        p->filling = NULL;
    start_batch(p, false);
    return true;
}

void pxi_pull_node(struct pxi_pull *p, uint32_t shard, const struct pxi_tree_at *at, px_view pair)
{
    struct pxi_job *j = p->jobs[shard];
    if (j->state == PXI_JOB_ACTIVE)
        pxi_partial_node(&j->partial, at, pair);
}

/* ------------------------------------------------------------------ going on */

/* Shards whose last group has arrived. */
static void finish_jobs(struct pxi_pull *p)
{
    for (uint32_t i = 0; i < p->next_shard; i++) {
        struct pxi_job *j = p->jobs[i];
        if (!j || j->state != PXI_JOB_ACTIVE || j->partial.missing)
            continue;
        j->state = PXI_JOB_FINISHING;
        start_work(j, finish, finished);
    }
}

void pxi_pull_check(struct pxi_pull *p)
{
    if (p->ending || p->cancelled)
        return;
    if (p->model)
        finish_jobs(p);
    if (p->model && p->here == p->wanted) {
        pxi_pull_end(p, PX_ERR_OK);
        return;
    }
    pxi_sources_ask(p);
    if (p->works || p->lookup || p->soon.armed || pxi_sources_busy(p))
        return;
    if (p->rounds >= PXI_LIMIT_SHARD_ROUNDS)
        pxi_pull_end(p, p->resized ? PX_ERR_CORRUPT : PX_ERR_NOT_FOUND);
    else
        pxi_timer_after(timers_of(p), &p->soon, p->rounds ? RETRY_MS * PXI_MS : 0);
}

static void on_soon(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_pull *p = PXI_OF(t, struct pxi_pull, soon);
    if (p->ending) {
        void (*done)(void *ctx, px_err err, struct pxi_store_model *m) = p->o.done;
        void *ctx = p->o.ctx;
        px_err err = p->err;
        struct pxi_store_model *m = p->model;
        leave(p);
        done(ctx, err, err == PX_ERR_OK ? m : NULL);
        if (!p->works)
            pull_free(p);
        return;
    }
    if (p->blocked && p->rounds) {
        open_jobs(p);
    } else {
        p->rounds++;
        look(p);
        if (p->blocked)
            open_jobs(p);
    }
    pxi_pull_check(p);
}

struct pxi_pull *pxi_pull_start(const struct pxi_pull_options *o)
{
    struct pxi_pull *p = pxi_calloc(1, sizeof *p);
    struct pxi_peer *peers = pxi_calloc(o->peer_count + 1, sizeof *peers);
    if (!p || !peers) {
        pxi_free(p);
        pxi_free(peers);
        return NULL;
    }
    p->o = *o;
    for (unsigned i = 0; i < o->peer_count; i++)
        peers[i] = o->peers[i];
    p->o.peers = peers;
    p->soon.fire = on_soon;
    p->watch.identified = on_identified;
    pxi_host_watch(o->host, &p->watch);
    if (o->model.hash == PXI_HASH_BLAKE3)
        p->model = pxi_store_model(o->store, o->model.digest);
    if (p->model)
        begin_shards(p);
    if (p->model && p->here == p->wanted)
        pxi_pull_end(p, PX_ERR_OK);
    if (!p->ending)
        pxi_timer_after(timers_of(p), &p->soon, 0);
    return p;
}

const char *pxi_pull_why(px_err err)
{
    switch (err) {
    case PX_ERR_NOT_FOUND: return "nobody who can be reached has it";
    case PX_ERR_LIMIT: return "no room: the quota of the store or the disk is full";
    case PX_ERR_CORRUPT: return "its manifest is wrong, or its shards are not what it says";
    case PX_ERR_INVALID: return "the model has no such blocks";
    default: return NULL;
    }
}

struct pxi_pull_status pxi_pull_status_of(const struct pxi_pull *p)
{
    return (struct pxi_pull_status){.model = p->model,
                                    .bytes = p->bytes,
                                    .bytes_here = p->bytes_here,
                                    .bytes_got = p->bytes_got,
                                    .shards = p->wanted,
                                    .shards_here = p->here,
                                    .sources = p->sources};
}
