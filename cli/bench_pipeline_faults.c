/* A stage is killed or frozen in the midst of an answer: plexus bench pipeline --parts faults. */
#include "bench_pipeline.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

/* What strikes is told of: seconds. */
struct blow {
    struct series pause;   /* the longest time without a token after it */
    struct series noticed; /* until the loss was told, when there is a chain again */
};

/* The node of the second stage, or of another one when that is the client's. */
static unsigned victim_of(const struct nodes *n, json_t *stages)
{
    static const size_t order[] = {1, 2, 0};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        json_t *peer = json_object_get(json_array_get(stages, order[i]), "peer");
        unsigned x = peer ? node_of(n, json_string_value(peer)) : 0;
        if (x)
            return x;
    }
    return LAB_HOSTS;
}

/* One of the stages gets a signal. */
static int strike(struct pipeline *p, struct nodes *n, const struct question *q, int sig,
                  struct blow *b)
{
    struct answer a = {0};
    unsigned victim = LAB_HOSTS;
    double at = 0, longest = 0, before;
    int rc = answer_begin(n, 0, q, &a);
    while (rc == 0 && !a.over) {
        before = a.last_s;
        int got = answer_step(n, &a);
        rc = got < 0 ? -1 : 0;
        if (got == 1 && at > 0 && a.last_s - before > longest)
            longest = a.last_s - before;
        if (at == 0 && a.made > p->gen / 4) {
            victim = victim_of(n, a.stages);
            if (victim == LAB_HOSTS)
                break;
            at = now_s();
            kill(n->of[victim].pid, sig);
        }
    }
    if (rc == 0 && at == 0)
        snprintf(n->why, sizeof n->why, "no other node is one of %zu stages",
                 json_array_size(a.stages));
    rc = rc == 0 && at > 0 ? 0 : pipeline_failed(n);
    series_add(&b->pause, longest);
    if (a.lost_s > 0)
        series_add(&b->noticed, a.lost_s - at);
    answer_free(&a);
    if (victim < LAB_HOSTS) {
        node_down(n, victim, SIGKILL);
        if (rc == 0 && (node_up(n, victim) != 0 || nodes_meet(n, 3) != 0))
            rc = pipeline_failed(n);
    }
    pipeline_step(p);
    return rc;
}

/* All three nodes compute, and two of them go on. */
static int strike_three(struct pipeline *p, struct nodes *n, const char *model, int sig,
                        struct blow *b)
{
    struct question q = pipeline_question(p, model, 1, p->gen + 1, 3);
    int rc = pipeline_warm(p, n, model, 3);
    return rc == 0 ? strike(p, n, &q, sig, b) : rc;
}

enum spare { SPARE_LOADED, SPARE_ON_DISK, SPARE_EMPTY, SPARES };

/* Wait until both others answer heartbeats in time: who is slow is not asked to compute. */
static void wait_for_good(struct nodes *n)
{
    unsigned good = 0;
    for (unsigned k = 0; k < 100 && good < LAB_HOSTS - 1 && !interrupted(); k++) {
        json_t *r = nodes_ask(n, 0, "peers", json_object()), *row;
        size_t i;
        good = 0;
        json_array_foreach(json_object_get(r, "peers"), i, row)
        {
            const char *state = json_string_value(json_object_get(row, "state"));
            good += state && strcmp(state, "good") == 0;
        }
        json_decref(r);
        poll(NULL, 0, 100);
    }
}

/* The nodes that may be stage or spare begin anew, with the shards or without any. */
static int set_stage(struct nodes *n, const char *model, enum spare what)
{
    for (unsigned i = 1; i < LAB_HOSTS; i++)
        node_down(n, i, SIGTERM);
    for (unsigned i = 1; i < LAB_HOSTS; i++)
        if (node_up(n, i) != 0)
            return -1;
    if (nodes_meet(n, LAB_HOSTS) != 0)
        return -1;
    for (unsigned i = 1; i < LAB_HOSTS; i++) {
        if (what == SPARE_EMPTY)
            json_decref(nodes_ask(n, i, "store-rm", json_pack("{s:s}", "cid", model)));
        else if (nodes_pull(n, i, model) < 0)
            return -1;
    }
    wait_for_good(n);
    return 0;
}

/* Two nodes compute; the third takes over when the second is killed. */
static int strike_spare(struct pipeline *p, struct nodes *n, const char *model, enum spare what,
                        struct blow *b)
{
    struct question q = pipeline_question(p, model, 1, p->gen + 1, 2);
    q.stages_max = 2;
    q.no_spares = what != SPARE_LOADED;
    int rc = set_stage(n, model, what) == 0 ? 0 : pipeline_failed(n);
    return rc == 0 ? strike(p, n, &q, SIGKILL, b) : rc;
}

static void rows(struct pipeline *p, struct blow *three, struct blow *spare)
{
    static const char *const names[] = {"killed, a spare is ready: pause",
                                        "killed, a spare has shards: pause",
                                        "killed, a spare has none: pause"};
    bench_row(p->rows, "a stage is killed: pause", median(&three[0].pause), "s", "allowed", 3);
    bench_row(p->rows, "a stage freezes: noticed, replaced", median(&three[1].noticed), "s",
              "allowed", 1);
    bench_row(p->rows, "a stage freezes: pause", median(&three[1].pause), "s", "allowed", 3);
    for (unsigned i = 0; i < SPARES; i++)
        bench_row(p->rows, names[i], median(&spare[i].pause), "s", "allowed", 3);
}

int pipeline_faults(struct pipeline *p)
{
    struct lab l;
    struct nodes n;
    struct blow three[2] = {0}, spare[SPARES] = {0};
    static const int signals[] = {SIGKILL, SIGSTOP};
    pipeline_lab(p, &l, LAB_HOSTS, 0);
    const char *model = pipeline_nodes(p, &n, &l);
    int rc = model ? 0 : pipeline_failed(&n);
    for (unsigned i = 0; i < p->rounds && rc == 0; i++) {
        for (unsigned k = 0; k < 2 && rc == 0; k++)
            rc = strike_three(p, &n, model, signals[k], &three[k]);
        for (unsigned k = 0; k < SPARES && rc == 0; k++)
            rc = strike_spare(p, &n, model, k, &spare[k]);
    }
    if (rc == 0)
        rows(p, three, spare);
    nodes_close(&n);
    lab_close(&l);
    return rc;
}
