/*
 * plexus bench pipeline: one model over several nodes, each in a network namespace and on
 * processors of its own, beside one process on one of them. Rounds go in turns; figures are
 * medians.
 */
#include "bench_pipeline.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "node.h"

static const struct part {
    const char *name;
    int (*run)(struct pipeline *p);
} parts[] = {{"line", pipeline_line},   {"start", pipeline_start},   {"hop", pipeline_hop},
             {"delay", pipeline_delay}, {"faults", pipeline_faults}, {"store", pipeline_store}};

enum { PARTS = sizeof parts / sizeof *parts };

/* --------------------------------------------------------------------------- what parts share */

int pipeline_failed(const struct nodes *n)
{
    if (interrupted())
        return px_err_exit(PX_ERR_INTERRUPTED);
    return fail_text(PX_ERR_FAILED, "bench pipeline", NULL, "%s", n->why);
}

void pipeline_step(struct pipeline *p)
{
    progress_set(&p->progress, ++p->done);
}

void pipeline_lab(const struct pipeline *p, struct lab *l, unsigned hosts, unsigned delay_ms)
{
    if (!p->shaped || lab_open(l, hosts, delay_ms) != 0)
        lab_none(l, hosts);
}

const char *pipeline_nodes(struct pipeline *p, struct nodes *n, struct lab *l)
{
    char full[4096];
    int tiny = strcmp(p->model, "tiny") == 0;
    if (nodes_open(n, l, p->threads) != 0)
        return NULL;
    for (unsigned i = 0; i < l->hosts; i++)
        if (node_up(n, i) != 0)
            return NULL;
    if (nodes_meet(n, l->hosts) != 0)
        return NULL;
    return nodes_push(n, 0, tiny || !realpath(p->model, full) ? p->model : full);
}

struct question pipeline_question(const struct pipeline *p, const char *model, size_t prompt,
                                  size_t gen, unsigned stages)
{
    static uint32_t salt;
    return (struct question){.model = model,
                             .prompt = prompt,
                             .gen = gen,
                             .stages = stages,
                             .positions = p->positions,
                             .vocab = p->info.vocab,
                             .salt = ++salt};
}

int pipeline_warm(struct pipeline *p, struct nodes *n, const char *model, unsigned stages)
{
    struct answer a;
    struct question q = pipeline_question(p, model, 1, 2, stages);
    pipeline_step(p);
    int rc = answer_whole(n, 0, &q, &a) == 0 ? 0 : pipeline_failed(n);
    answer_free(&a);
    return rc;
}

/* --------------------------------------------------------------------------- the verb */

static void put_repeat(const struct pipeline *p)
{
    printf(
        "again: plexus bench pipeline --model %s --parts %s --prompt-tokens %zu --gen-tokens %zu "
        "--threads %u --delay-ms %u --repeat %u",
        p->model, opt_text(p->c, OPT_PIPELINE_PARTS), p->prompt, p->gen, p->threads, p->delay_ms,
        p->rounds);
    if (p->peers)
        printf(" --peer %s", p->peers);
    fputc('\n', stdout);
}

static int show(const struct pipeline *p)
{
    if (!opt_on(p->c, OPT_JSON)) {
        bench_table(p->rows, &p->peers, p->peers != NULL, p->rounds);
        put_repeat(p);
        json_decref(p->rows);
        return 0;
    }
    json_t *doc = doc_new(p->c);
    json_object_set_new(doc, "scenario", json_text("pipeline"));
    json_object_set_new(doc, "model", json_text(p->model));
    json_object_set_new(doc, "prompt_tokens", json_u64(p->prompt));
    json_object_set_new(doc, "gen_tokens", json_u64(p->gen));
    json_object_set_new(doc, "threads", json_integer(p->threads));
    json_object_set_new(doc, "repeat", json_integer(p->rounds));
    json_object_set_new(doc, "shaped", json_boolean(p->shaped));
    json_object_set_new(doc, "rows", p->rows);
    json_object_set_new(doc, "machine", machine_json());
    return doc_print(doc, 0);
}

/* May this process build a lab? */
static int try_lab(const struct cli *c)
{
    struct lab l;
    if (lab_open(&l, 1, 0) == 0) {
        lab_close(&l);
        return 1;
    }
    note(c, "no shaped lines without root (CAP_NET_ADMIN, ip, tc): over loopback instead");
    return 0;
}

static int run(struct pipeline *p)
{
    int rc = session_open(p->c, p->model, &p->local);
    if (rc)
        return rc;
    p->info = *px_model_info_get(p->local.model);
    p->alone = (struct bench_model){.label = "", .path = p->model};
    uint64_t most = p->info.context_train;
    if (p->prompt + p->gen + 2 > most)
        rc = usage("fewer --prompt-tokens or --gen-tokens", "the model has %llu positions",
                   (unsigned long long)most);
    p->positions = (unsigned)(p->prompt + p->gen + 2);
    p->shaped = rc == 0 && try_lab(p->c);
    progress_begin(&p->progress, p->c, "measuring", "steps", 0);
    for (size_t i = 0; i < PARTS && rc == 0; i++)
        if (parts_have(opt_text(p->c, OPT_PIPELINE_PARTS), parts[i].name))
            rc = parts[i].run(p);
    progress_end(&p->progress);
    session_close(&p->local);
    return rc;
}

int verb_bench_pipeline(struct cli *c)
{
    struct pipeline p = {.c = c,
                         .rows = json_array(),
                         .model = opt_text(c, OPT_BENCH_MODEL),
                         .peers = opt_text(c, OPT_PEER_DIR),
                         .prompt = opt_uint(c, OPT_PROMPT_TOKENS),
                         .gen = opt_uint(c, OPT_GEN_TOKENS),
                         .threads = (unsigned)opt_uint(c, OPT_THREADS),
                         .delay_ms = (unsigned)opt_uint(c, OPT_DELAY_MS),
                         .rounds = (unsigned)opt_uint(c, OPT_REPEAT)};
    signal(SIGPIPE, SIG_IGN);
    files_raise();
    interrupt_poll(1);
    int rc = parts_check(opt_text(c, OPT_PIPELINE_PARTS), "line,start,hop,delay,faults,store");
    if (rc == 0)
        rc = run(&p);
    if (rc == 0)
        return show(&p);
    json_decref(p.rows);
    return rc;
}
