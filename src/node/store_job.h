/* Pushes and pulls of a node: they go on when whoever asked for them is gone, and are asked about
 * by number. */
#ifndef PXI_NODE_STORE_JOB_H
#define PXI_NODE_STORE_JOB_H

#include "node/stored.h"

enum pxi_store_job_state { PXI_STORE_RUNNING, PXI_STORE_DONE, PXI_STORE_FAILED };

struct pxi_store_job {
    struct pxi_list link;
    struct pxi_stored *stored;
    uint64_t id, started_ns, ended_ns;
    enum pxi_store_job_state state;
    px_err err;
    char why[320], name[160], cid[PXI_CID_TEXT];
    bool keep_pinned;
    struct pxi_pull *pull;
    struct pxi_pull_status last; /* of a pull that ended; its model is not looked at */
    px_model *source;            /* of a push */
    struct pxi_push push;
    uint64_t bytes; /* of the push */
    struct pxi_work work;
};

/* NULL: no memory, or too many (those that ended long ago go first). */
struct pxi_store_job *pxi_store_job_new(struct pxi_stored *st);
struct pxi_store_job *pxi_store_job_find(struct pxi_stored *st, uint64_t id);
/* Begin; an error is in the job too. */
px_err pxi_store_job_push(struct pxi_store_job *j, const char *path, bool sha256);
px_err pxi_store_job_pull(struct pxi_store_job *j, const struct pxi_cid *model,
                          const struct pxi_want *want);
/* Stop it: its state becomes FAILED, now or soon. */
void pxi_store_job_stop(struct pxi_store_job *j);
json_t *pxi_json_store_job(struct pxi_store_job *j);

/* Stop all; then, when no thread works for them, free all. */
void pxi_store_jobs_end(struct pxi_stored *st);
void pxi_store_jobs_free(struct pxi_stored *st);

#endif
