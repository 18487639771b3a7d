#include "node/store_job.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/mem.h"
#include "node/call.h"
#include "node/engine.h"

enum { JOBS = 64 };

static struct pxi_store_job *of(struct pxi_list *l)
{
    return PXI_OF(l, struct pxi_store_job, link);
}

static void job_free(struct pxi_store_job *j)
{
    pxi_list_remove(&j->link);
    j->stored->job_count--;
    px_model_close(j->source);
    pxi_free(j);
}

struct pxi_store_job *pxi_store_job_new(struct pxi_stored *st)
{
    for (struct pxi_list *l = st->jobs.next, *next; l != &st->jobs && st->job_count >= JOBS;
         l = next) {
        next = l->next;
        if (of(l)->state != PXI_STORE_RUNNING)
            job_free(of(l));
    }
    struct pxi_store_job *j = st->job_count < JOBS ? pxi_calloc(1, sizeof *j) : NULL;
    if (!j)
        return NULL;
    j->stored = st;
    j->id = ++st->next_job;
    j->started_ns = pxi_loop_now(st->node->loop);
    pxi_list_add(&st->jobs, &j->link);
    st->job_count++;
    return j;
}

struct pxi_store_job *pxi_store_job_find(struct pxi_stored *st, uint64_t id)
{
    for (struct pxi_list *l = st->jobs.next; l != &st->jobs; l = l->next)
        if (of(l)->id == id)
            return of(l);
    return NULL;
}

static px_err end(struct pxi_store_job *j, px_err err, const char *why)
{
    j->state = err == PX_ERR_OK ? PXI_STORE_DONE : PXI_STORE_FAILED;
    j->err = err;
    j->ended_ns = pxi_loop_now(j->stored->node->loop);
    if (err != PX_ERR_OK)
        snprintf(j->why, sizeof j->why, "%s", why ? why : px_err_text(err));
    pxi_announcer_look(j->stored->announcer);
    return err;
}

static void set_model(struct pxi_store_job *j, const struct pxi_store_model *m)
{
    pxi_hash_text(m->m.hash, j->cid);
    snprintf(j->name, sizeof j->name, "%s", m->m.name);
}

/* ------------------------------------------------------------------ pushes */

/* "field: expected x, found y", or the text of the error. */
static px_err end_with(struct pxi_store_job *j, px_err err, const px_diag *d)
{
    char why[320];
    snprintf(why, sizeof why, "%s: expected %s, found %s", d->field, d->expected, d->found);
    return end(j, err, d->expected[0] ? why : NULL);
}

static void push_run(struct pxi_work *w)
{
    pxi_push_run(&PXI_OF(w, struct pxi_store_job, work)->push);
}

/* The files are still what they were when they were cut. */
static px_err unchanged(const px_model *m)
{
    for (uint32_t i = 0; i < m->n_files; i++)
        if (px_file_changed(m->files[i]))
            return PX_ERR_CHANGED;
    return PX_ERR_OK;
}

static void push_done(struct pxi_work *w)
{
    struct pxi_store_job *j = PXI_OF(w, struct pxi_store_job, work);
    struct pxi_store_model *m;
    px_diag d = {0};
    if (j->push.err == PX_ERR_OK)
        j->push.err = unchanged(j->source);
    px_err err = pxi_push_end(&j->push, &m, &d);
    if (err == PX_ERR_OK)
        err = j->keep_pinned ? pxi_store_pin(j->stored->store, m, true) : PX_ERR_OK;
    pxi_push_deinit(&j->push);
    px_model_close(j->source);
    j->source = NULL;
    if (err == PX_ERR_OK)
        set_model(j, m);
    else
        pxi_store_sweep(j->stored->store);
    end_with(j, err, &d);
}

px_err pxi_store_job_push(struct pxi_store_job *j, const char *path, bool sha256)
{
    px_diag d = {0};
    j->push.store = j->stored->store;
    j->push.key = j->stored->node->key;
    j->push.sha256 = sha256;
    j->push.name = px_view_str(j->name);
    px_err err = pxi_push_open(path, &j->source, &d);
    if (err != PX_ERR_OK)
        return end_with(j, err, &d);
    err = pxi_push_begin(&j->push, px_model_gguf(j->source));
    if (err != PX_ERR_OK) {
        if (j->push.cut.missing) {
            snprintf(d.field, sizeof d.field, "tensors");
            pxi_diag_set(&d, err = PX_ERR_INVALID, 0, j->push.cut.missing, "none");
        }
        pxi_push_deinit(&j->push);
        return end_with(j, err, &d);
    }
    j->bytes = j->push.cut.bytes;
    j->work.run = push_run;
    j->work.done = push_done;
    j->stored->files->ops->work(j->stored->files, &j->work);
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------ pulls */

static void pull_done(void *ctx, px_err err, struct pxi_store_model *m)
{
    struct pxi_store_job *j = ctx;
    j->last = pxi_pull_status_of(j->pull);
    j->last.model = NULL;
    j->pull = NULL;
    if (m)
        set_model(j, m);
    if (err == PX_ERR_OK && j->keep_pinned)
        err = pxi_store_pin(j->stored->store, m, true);
    end(j, err, pxi_pull_why(err));
}

px_err pxi_store_job_pull(struct pxi_store_job *j, const struct pxi_cid *model,
                          const struct pxi_want *want)
{
    pxi_cid_text(model, j->cid);
    j->pull = pxi_stored_pull(j->stored->node, model, want, pull_done, j);
    return j->pull ? PX_ERR_OK : end(j, PX_ERR_NOMEM, NULL);
}

/* ------------------------------------------------------------------ all of them */

void pxi_store_job_stop(struct pxi_store_job *j)
{
    atomic_store(&j->push.stop, true);
    if (!j->pull)
        return;
    j->last = pxi_pull_status_of(j->pull);
    j->last.model = NULL;
    pxi_pull_cancel(j->pull);
    j->pull = NULL;
    end(j, PX_ERR_INTERRUPTED, "stopped");
}

void pxi_store_jobs_end(struct pxi_stored *st)
{
    for (struct pxi_list *l = st->jobs.next; l != &st->jobs; l = l->next)
        pxi_store_job_stop(of(l));
}

void pxi_store_jobs_free(struct pxi_stored *st)
{
    while (!pxi_list_empty(&st->jobs))
        job_free(of(st->jobs.next));
}

static json_t *sources(const struct pxi_pull *p)
{
    json_t *list = json_array();
    struct pxi_pull_source s;
    for (unsigned i = 0; pxi_pull_source_at(p, i, &s); i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:s, s:I, s:I, s:I}", "peer", pxi_json_peer(&s.peer),
                                        "state", s.state, "bytes", (json_int_t)s.bytes, "window",
                                        (json_int_t)s.window, "owed", (json_int_t)s.owed));
    return list;
}

json_t *pxi_json_store_job(struct pxi_store_job *j)
{
    static const char *const states[] = {"running", "done", "failed"};
    struct pxi_pull_status st = j->pull ? pxi_pull_status_of(j->pull) : j->last;
    uint64_t now = j->ended_ns ? j->ended_ns : pxi_loop_now(j->stored->node->loop);
    bool push = j->work.run != NULL;
    json_t *doc = json_object();
    json_object_set_new(doc, "job", json_integer((json_int_t)j->id));
    json_object_set_new(doc, "state", json_string(states[j->state]));
    json_object_set_new(doc, "cid", json_string(j->cid));
    json_object_set_new(doc, "name", json_string(j->name));
    json_object_set_new(doc, "ms", json_real((double)(now - j->started_ns) / 1e6));
    json_object_set_new(doc, "bytes", json_integer((json_int_t)(push ? j->bytes : st.bytes)));
    json_object_set_new(doc, "bytes_here",
                        json_integer((json_int_t)(push ? j->push.done : st.bytes_here)));
    json_object_set_new(doc, "bytes_got", json_integer((json_int_t)st.bytes_got));
    json_object_set_new(doc, "shards", json_integer(st.shards));
    json_object_set_new(doc, "shards_here", json_integer(st.shards_here));
    if (j->pull)
        json_object_set_new(doc, "sources", sources(j->pull));
    if (j->state == PXI_STORE_FAILED) {
        json_object_set_new(doc, "error", json_string(j->why));
        json_object_set_new(doc, "code", json_string(px_err_code(j->err)));
    }
    return doc;
}
