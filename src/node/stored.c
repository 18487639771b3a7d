#include "node/stored.h"

#include "base/diag.h"
#include "base/mem.h"
#include "io/files.h"
#include "node/store_job.h"

px_err pxi_stored_open(px_node *n, const px_node_options *o, px_diag *d)
{
    if (!o->store)
        return PX_ERR_OK;
    struct pxi_stored *st = n->stored = pxi_calloc(1, sizeof *st);
    if (!st)
        return PX_ERR_NOMEM;
    st->node = n;
    st->sha256 = o->store_sha256;
    pxi_list_init(&st->jobs);
    pxi_diag_field(d, "store");
    px_err err = pxi_files_open(o->store, false, n->loop, NULL, &st->files);
    if (err != PX_ERR_OK)
        return pxi_diag_set(d, err, 0, "a folder that no other process has open", "%s", o->store);
    err = pxi_store_open(st->files, false, o->store_quota, &st->store);
    if (err != PX_ERR_OK)
        return pxi_diag_set(d, err, 0, "a folder that can be written", "%s", o->store);
    if (st->store->skipped)
        pxi_node_note(n, "some files in the store are no manifests and were passed over");
    st->server = pxi_shard_server_new(n->host, st->store);
    if (n->kad && st->server)
        st->announcer = pxi_announcer_new(n, st->store, st->sha256);
    return st->server && (!n->kad || st->announcer) ? PX_ERR_OK : PX_ERR_NOMEM;
}

void pxi_stored_close(px_node *n)
{
    struct pxi_stored *st = n->stored;
    if (!st)
        return;
    pxi_store_jobs_end(st);
    if (st->files)
        pxi_files_wait(st->files);
    pxi_store_jobs_free(st);
    pxi_announcer_free(st->announcer);
    pxi_shard_server_free(st->server);
    pxi_store_close(st->store);
    pxi_files_close(st->files);
    pxi_free(st);
    n->stored = NULL;
}

struct pxi_pull *pxi_stored_pull(px_node *n, const struct pxi_cid *model,
                                 const struct pxi_want *want,
                                 void (*done)(void *ctx, px_err err, struct pxi_store_model *m),
                                 void *ctx)
{
    struct pxi_pull_options o = {.host = n->host,
                                 .store = n->stored->store,
                                 .kad = n->kad,
                                 .model = *model,
                                 .part = want != NULL,
                                 .done = done,
                                 .ctx = ctx};
    if (want)
        o.want = *want;
    return pxi_pull_start(&o);
}
