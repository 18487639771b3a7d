/* Operations on the store. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "node/call.h"
#include "node/store_job.h"

/* The store of the node; NULL after the call was failed. */
static struct pxi_stored *stored(struct pxi_call *c)
{
    if (!c->node->stored)
        pxi_call_fail(c, PX_ERR_UNSUPPORTED, "this node has no store");
    return c->node->stored;
}

static void op_simple(struct pxi_call *c)
{
    struct pxi_stored *st = stored(c);
    px_err err;
    const char *why;
    if (!st)
        return;
    json_t *out = pxi_store_op(st->store, c->op, c->in, &err, &why);
    if (out && strcmp(c->op, "store-rm") == 0)
        pxi_announcer_look(st->announcer);
    if (out)
        pxi_call_ok(c, out);
    else
        pxi_call_fail(c, err, why);
}

/* A new job; NULL after the call was failed. */
static struct pxi_store_job *job(struct pxi_call *c, struct pxi_stored *st)
{
    struct pxi_store_job *j = pxi_store_job_new(st);
    const char *name = pxi_call_text(c, "name");
    if (!j) {
        pxi_call_fail(c, PX_ERR_LIMIT, "too many pushes and pulls at once");
        return NULL;
    }
    snprintf(j->name, sizeof j->name, "%s", name ? name : "");
    j->keep_pinned = pxi_call_true(c, "pin");
    return j;
}

/* It was begun, or could not be. */
static void begun(struct pxi_call *c, struct pxi_store_job *j, px_err err)
{
    if (err == PX_ERR_OK)
        pxi_call_ok(c, pxi_json_store_job(j));
    else
        pxi_call_fail(c, err, j->why);
}

static void op_push(struct pxi_call *c)
{
    struct pxi_stored *st = stored(c);
    const char *path = pxi_call_text(c, "path"), *name = pxi_call_text(c, "name");
    if (!st)
        return;
    if (!path || (name && strlen(name) > PXI_LIMIT_STORE_NAME_BYTES)) {
        pxi_call_fail(c, PX_ERR_INVALID, path ? "a name of at most 128 bytes" : "no path given");
        return;
    }
    struct pxi_store_job *j = job(c, st);
    if (j)
        begun(c, j, pxi_store_job_push(j, path, pxi_call_true(c, "sha256") || st->sha256));
}

/* The blocks of "first" and "last", and "embd" and "output". */
static const struct pxi_want *want_of(struct pxi_call *c, struct pxi_want *w)
{
    if (!json_object_get(c->in, "last"))
        return NULL;
    *w = (struct pxi_want){(uint32_t)pxi_call_uint(c, "first", 0),
                           (uint32_t)pxi_call_uint(c, "last", 0), pxi_call_true(c, "embd"),
                           pxi_call_true(c, "output")};
    return w;
}

static void op_pull(struct pxi_call *c)
{
    struct pxi_stored *st = stored(c);
    struct pxi_want want;
    struct pxi_cid cid;
    if (!st || !pxi_call_cid(c, &cid))
        return;
    if (cid.codec != PXI_CID_RAW || cid.n != PXI_DIGEST ||
        (cid.hash != PXI_HASH_BLAKE3 && cid.hash != PXI_HASH_SHA2_256)) {
        pxi_call_fail(c, PX_ERR_INVALID, "a raw CIDv1 of a BLAKE3 or SHA-256 hash is needed");
        return;
    }
    struct pxi_store_job *j = job(c, st);
    if (j)
        begun(c, j, pxi_store_job_pull(j, &cid, want_of(c, &want)));
}

static void op_job(struct pxi_call *c)
{
    struct pxi_stored *st = stored(c);
    if (!st)
        return;
    struct pxi_store_job *j = pxi_store_job_find(st, pxi_call_uint(c, "job", 0));
    if (!j) {
        pxi_call_fail(c, PX_ERR_NOT_FOUND, "no such push or pull");
        return;
    }
    if (strcmp(c->op, "store-stop") == 0)
        pxi_store_job_stop(j);
    pxi_call_ok(c, pxi_json_store_job(j));
}

const struct pxi_op pxi_ops_store[] = {
    {"store-list", op_simple}, {"store-show", op_simple}, {"store-pin", op_simple},
    {"store-rm", op_simple},   {"store-push", op_push},   {"store-pull", op_pull},
    {"store-job", op_job},     {"store-stop", op_job},    {NULL, NULL},
};
