#include "node/slice_source.h"

#include <stdio.h>
#include <string.h>

#include "base/math.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "infer/candidate.h"
#include "node/stored.h"

enum { NAME_HASH = 8, KV_MAX = 1 << 13 };

struct pxi_slice_source {
    px_node *node;
    char id[96];
    struct pxi_slice slice;
    struct pxi_pull *pull;
    struct pxi_timer timer; /* nothing is told from inside */
    pxi_slice_fn *done;
    void *ctx;
};

/* "tiny-" and the first bytes of the hash: two versions of the program do not mix their models. */
static const char *tiny_id(void)
{
    static char id[sizeof "tiny-" + 2 * NAME_HASH];
    uint8_t digest[PXI_DIGEST];
    if (id[0])
        return id;
    pxi_blake3(pxi_tiny_model(), digest);
    size_t n = (size_t)snprintf(id, sizeof id, "tiny-");
    for (int i = 0; i < NAME_HASH; i++)
        n += (size_t)snprintf(id + n, sizeof id - n, "%02x", digest[i]);
    return id;
}

static bool is_tiny(const char *name)
{
    return strcmp(name, "tiny") == 0 || strcmp(name, tiny_id()) == 0;
}

static px_err tiny_facts(struct pxi_model_facts *out)
{
    px_model *m;
    px_err err = px_model_open("tiny", &m, NULL);
    if (err != PX_ERR_OK)
        return err;
    const struct pxi_model *w = &m->model;
    bool tied = w->output.data == w->embd.data;
    snprintf(out->id, sizeof out->id, "%s", tiny_id());
    out->blocks = w->config.blocks;
    out->context_train = w->config.context_train;
    out->vocab = w->config.vocab;
    out->embed_bytes = w->embd.rows * w->embd.row_bytes;
    out->output_bytes = w->output.rows * w->output.row_bytes;
    out->block_bytes =
        (w->weight_bytes - out->embed_bytes - (tied ? 0 : out->output_bytes)) / w->config.blocks;
    out->row_bytes = 4ull * w->config.embd;
    out->kv_position_bytes = 2ull * w->config.kv_heads * (w->config.key_dim + w->config.value_dim);
    px_model_close(m);
    return PX_ERR_OK;
}

static struct pxi_store_model *in_store(px_node *n, const char *name, px_err *err)
{
    struct pxi_store_model *m = NULL;
    *err = n->stored ? pxi_store_find(n->stored->store, name, &m) : PX_ERR_NOT_FOUND;
    return *err == PX_ERR_OK ? m : NULL;
}

px_err pxi_model_facts(px_node *n, const char *name, struct pxi_model_facts *out)
{
    px_err err;
    memset(out, 0, sizeof *out);
    if (!name)
        return PX_ERR_INVALID;
    if (is_tiny(name))
        return tiny_facts(out);
    struct pxi_store_model *s = in_store(n, name, &err);
    if (!s)
        return err;
    const struct pxi_manifest *m = &s->m;
    char cid[PXI_CID_TEXT];
    snprintf(out->id, sizeof out->id, "%s", pxi_hash_text(m->hash, cid));
    out->blocks = (uint32_t)m->blocks;
    out->context_train = (uint32_t)m->context;
    out->vocab = (uint32_t)m->vocab;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct pxi_manifest_shard *shard = &m->shards[i];
        if (shard->role == PXI_SHARD_BLOCK)
            out->block_bytes += shard->bytes / m->blocks;
        else if (shard->role == PXI_SHARD_EMBED)
            out->embed_bytes = shard->bytes;
        else if (shard->role == PXI_SHARD_OUTPUT)
            out->output_bytes = shard->bytes;
    }
    out->output_bytes += m->tied ? out->embed_bytes : 0;
    out->row_bytes = 4 * m->embd;
    uint64_t width = m->heads ? m->embd / m->heads : 0; /* a manifest may say anything of 32 bits */
    out->kv_position_bytes = 4 * pxi_min(m->kv_heads, KV_MAX) * pxi_min(width, KV_MAX);
    return PX_ERR_OK;
}

static bool have(px_node *n, struct pxi_store_model *m, struct pxi_want want)
{
    struct pxi_store_state st = pxi_store_state_of(n->stored->store, m, &want);
    return st.here == st.shards;
}

void pxi_model_held(px_node *n, const char *name, struct pxi_held *out)
{
    px_err err;
    memset(out, 0, sizeof *out);
    if (is_tiny(name))
        memset(out, 0xff, sizeof *out);
    struct pxi_store_model *m = is_tiny(name) ? NULL : in_store(n, name, &err);
    if (!m || m->m.blocks > 8 * sizeof out->bits)
        return;
    if (have(n, m, (struct pxi_want){.embd = true}))
        pxi_held_add(out, PXI_HELD_EMBED);
    if (have(n, m, (struct pxi_want){.output = true}))
        pxi_held_add(out, PXI_HELD_OUTPUT);
    for (uint32_t b = 0; b < m->m.blocks; b++)
        if (have(n, m, (struct pxi_want){.first = b, .last = b + 1}))
            pxi_held_add(out, PXI_HELD_BLOCKS + b);
}

/* ------------------------------------------------------------------------ opening */

static struct pxi_want want_of(const struct pxi_slice *s)
{
    return (struct pxi_want){s->first, s->last, s->embed, s->output};
}

static void over(struct pxi_slice_source *f, px_err err, const char *why, px_model *m)
{
    pxi_slice_fn *done = f->done;
    void *ctx = f->ctx;
    f->pull = NULL;
    pxi_slice_cancel(f);
    done(ctx, err, why ? why : px_err_text(err), m);
}

/* Each shard is compared with its row of the manifest before anything is made of it. */
static px_err open_here(struct pxi_slice_source *f, struct pxi_store_model *s, px_model **out,
                        px_diag *d)
{
    char **paths;
    uint32_t count, missing;
    struct pxi_parts_check c = {&s->m, want_of(&f->slice), 0};
    px_err err = pxi_store_slice(f->node->stored->store, s, &c.want, &paths, &count, &missing);
    *out = NULL;
    if (err != PX_ERR_OK)
        return err;
    err = pxi_model_open_parts(paths, count, pxi_manifest_check_part, &c, &f->slice, out, d);
    pxi_store_paths_free(paths, count);
    if (err == PX_ERR_OK) {
        s->held++;
        pxi_store_touch(f->node->stored->store, s);
    }
    return err;
}

/* Open it, and tell. */
static void open_and_tell(struct pxi_slice_source *f, struct pxi_store_model *s)
{
    px_model *m = NULL;
    px_diag d = {0};
    char why[sizeof d.field + sizeof d.expected + sizeof d.found + 32];
    px_err err = open_here(f, s, &m, &d);
    snprintf(why, sizeof why, "%s: expected %s, found %s", d.field, d.expected, d.found);
    over(f, err, err != PX_ERR_OK && d.expected[0] ? why : NULL, m);
}

static void pulled(void *ctx, px_err err, struct pxi_store_model *s)
{
    struct pxi_slice_source *f = ctx;
    f->pull = NULL;
    if (err == PX_ERR_OK)
        open_and_tell(f, s);
    else
        over(f, err, pxi_pull_why(err), NULL);
}

static void begin(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_slice_source *f = PXI_OF(t, struct pxi_slice_source, timer);
    struct pxi_want want = want_of(&f->slice);
    struct pxi_cid cid;
    px_model *m = NULL;
    px_err err;
    (void)now_ns;
    if (is_tiny(f->id)) {
        err = pxi_model_open_slice(pxi_tiny_model(), &f->slice, &m, NULL);
        over(f, err, NULL, m);
        return;
    }
    struct pxi_store_model *s = in_store(f->node, f->id, &err);
    struct pxi_store_state st = {0};
    if (s)
        st = pxi_store_state_of(f->node->stored->store, s, &want);
    if (s && st.here == st.shards) {
        open_and_tell(f, s);
        return;
    }
    if (!f->node->stored || pxi_cid_parse(px_view_str(f->id), &cid, NULL) != PX_ERR_OK) {
        over(f, PX_ERR_NOT_FOUND, NULL, NULL);
        return;
    }
    f->pull = pxi_stored_pull(f->node, &cid, &want, pulled, f);
    if (!f->pull)
        over(f, PX_ERR_NOMEM, NULL, NULL);
}

struct pxi_slice_source *pxi_slice_fetch(px_node *n, const char *id, const struct pxi_slice *s,
                                         pxi_slice_fn *done, void *ctx)
{
    struct pxi_slice_source *f = pxi_calloc(1, sizeof *f);
    if (!f)
        return NULL;
    *f = (struct pxi_slice_source){.node = n, .slice = *s, .done = done, .ctx = ctx};
    snprintf(f->id, sizeof f->id, "%s", id);
    f->timer.fire = begin;
    pxi_timer_after(pxi_loop_timers(n->loop), &f->timer, 0);
    return f;
}

void pxi_slice_cancel(struct pxi_slice_source *f)
{
    if (!f)
        return;
    pxi_timer_disarm(pxi_loop_timers(f->node->loop), &f->timer);
    if (f->pull)
        pxi_pull_cancel(f->pull);
    pxi_free(f);
}

void pxi_slice_release(px_node *n, const char *id)
{
    px_err err;
    struct pxi_store_model *s = is_tiny(id) ? NULL : in_store(n, id, &err);
    if (s && s->held)
        s->held--;
}
