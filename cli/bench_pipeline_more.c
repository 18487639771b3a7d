/* Starts, hops, delays and shards: the smaller parts of plexus bench pipeline. */
#include "bench_pipeline.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bench_p2p.h"

enum { HOP_TOKENS = 200, MBYTE = 1000000 };

static int whole(struct pipeline *p, struct nodes *n, const struct question *q, struct answer *a)
{
    pipeline_step(p);
    return answer_whole(n, 0, q, a) == 0 ? 0 : pipeline_failed(n);
}

/* --------------------------------------------------------------------------- start */

/* Both nodes end and come again; then one token. */
static int restart(struct pipeline *p, struct nodes *n, const char *model, struct series *bytes,
                   struct series *up, struct series *ready)
{
    struct answer a = {0};
    struct question q = pipeline_question(p, model, 1, 1, 2);
    for (unsigned i = 0; i < 2; i++)
        node_down(n, i, SIGTERM);
    double before = lab_bytes(n->lab), start = now_s();
    int rc = node_up(n, 0) == 0 && node_up(n, 1) == 0 && nodes_meet(n, 2) == 0 ? 0 : -1;
    series_add(up, (now_s() - start) * 1e3);
    rc = rc == 0 ? whole(p, n, &q, &a) : pipeline_failed(n);
    series_add(bytes, (lab_bytes(n->lab) - before) / 1e3);
    series_add(ready, a.first_ms);
    answer_free(&a);
    return rc;
}

int pipeline_start(struct pipeline *p)
{
    struct lab l;
    struct nodes n;
    struct series bytes = {0}, up = {0}, ready = {0};
    pipeline_lab(p, &l, 2, 0);
    const char *model = pipeline_nodes(p, &n, &l);
    int rc = model ? pipeline_warm(p, &n, model, 2) : pipeline_failed(&n);
    for (unsigned i = 0; i < p->rounds && rc == 0; i++)
        rc = restart(p, &n, model, &bytes, &up, &ready);
    if (rc == 0) {
        if (p->shaped)
            bench_row(p->rows, "start with shards: sent", median(&bytes), "kB", "a hidden state",
                      p->info.embd * 4 / 1e3);
        bench_row(p->rows, "start: nodes up and connected", median(&up), "ms", NULL, 0);
        bench_row(p->rows, "start: first token after", median(&ready), "ms", "allowed", 500);
    }
    nodes_close(&n);
    lab_close(&l);
    return rc;
}

/* --------------------------------------------------------------------------- hop */

/* Seconds that the workers of all nodes have computed. */
static double computed(struct nodes *n)
{
    double sum = 0;
    for (unsigned i = 0; i < LAB_HOSTS; i++) {
        json_t *r = n->of[i].pid ? nodes_ask(n, i, "stages", json_object()) : NULL, *stage;
        size_t k;
        json_array_foreach(json_object_get(r, "stages"), k, stage) sum +=
            json_number_value(json_object_get(stage, "compute_ms")) / 1e3;
        json_decref(r);
    }
    return sum;
}

/* With so many stages: microseconds that a token takes beyond what the stages compute. */
static int pace(struct pipeline *p, struct nodes *n, unsigned stages, double *token, double *beyond)
{
    struct answer a;
    struct question q = pipeline_question(p, "tiny", 1, HOP_TOKENS, stages);
    double before = computed(n);
    int rc = whole(p, n, &q, &a);
    *token = median(&a.gaps) * 1e6;
    *beyond = *token - (computed(n) - before) / HOP_TOKENS * 1e6;
    if (rc == 0 && json_array_size(a.stages) != stages)
        rc = fail_text(PX_ERR_FAILED, "bench pipeline", NULL, "%zu stages instead of %u",
                       json_array_size(a.stages), stages);
    answer_free(&a);
    return rc;
}

static int paces(struct pipeline *p, struct nodes *n, unsigned stages, struct series *hop,
                 struct series *token)
{
    double us, beyond;
    int rc = pace(p, n, stages, &us, &beyond); /* loads */
    for (unsigned k = 0; k < p->rounds && rc == 0; k++) {
        rc = pace(p, n, stages, &us, &beyond);
        series_add(hop, beyond / stages);
        series_add(token, us);
    }
    return rc;
}

/* The model inside, over loopback: it computes so little that hops are what is seen. With S stages
 * there are S hops between nodes, the way back to the client among them, as it is the first stage.
 */
int pipeline_hop(struct pipeline *p)
{
    struct lab l;
    struct nodes n;
    struct series hop[2] = {{0}}, token[2] = {{0}};
    struct pipeline tiny = *p;
    px_model *inside;
    if (px_model_open("tiny", &inside, NULL) != PX_ERR_OK)
        return 0;
    tiny.info = *px_model_info_get(inside);
    px_model_close(inside);
    tiny.positions = HOP_TOKENS + 2;
    lab_none(&l, 3);
    int rc = nodes_open(&n, &l, p->threads) == 0 && node_up(&n, 0) == 0 ? 0 : pipeline_failed(&n);
    for (unsigned i = 0; i < 2 && rc == 0; i++)
        rc = node_up(&n, i + 1) == 0 && nodes_meet(&n, i + 2) == 0
                 ? paces(&tiny, &n, i + 2, &hop[i], &token[i])
                 : pipeline_failed(&n);
    for (unsigned i = 0; i < 2 && rc == 0; i++) {
        char name[64];
        snprintf(name, sizeof name, "a token of tiny, %u stages", i + 2);
        bench_row(p->rows, name, median(&token[i]), "us", NULL, 0);
        snprintf(name, sizeof name, "a hop adds, %u stages, loopback", i + 2);
        bench_row(p->rows, name, median(&hop[i]), "us", "allowed", 100);
    }
    p->done = tiny.done;
    nodes_close(&n);
    return rc;
}

/* --------------------------------------------------------------------------- delay */

static int delayed(struct pipeline *p, struct nodes *n, const char *model, struct series *token)
{
    struct answer a;
    struct question q = pipeline_question(p, model, 1, p->gen + 1, 3);
    int rc = whole(p, n, &q, &a);
    if (rc == 0)
        series_add(token, a.decode_ms / (double)p->gen);
    answer_free(&a);
    return rc;
}

static const char *const beginnings[] = {
    "Once upon a time there was a little fox", "One day Tom found a big red ball in the park.",
    "The bird sat in the tall tree and sang.", "Lily and Ben liked to play in the garden.",
    "A small boat went down the river.",
};

enum { STORY_TOKENS = 160, STORIES = sizeof beginnings / sizeof *beginnings };

static const struct guess {
    const char *what, *draft;
    unsigned blocks;
} guesses[] = {{"look-up", "lookup", 0}, /* first: it remembers what was told */
               {"5 of its 6 blocks guess", "tiny", 5},
               {"plain", "off", 0}};

enum { GUESSES = sizeof guesses / sizeof *guesses };

static int story(struct pipeline *p, struct nodes *n, const struct ids *text, const struct guess *g,
                 struct series *rate)
{
    struct answer a;
    struct question q = pipeline_question(p, "tiny", 0, STORY_TOKENS, 3);
    q.text = text;
    q.draft = g->draft;
    q.draft_blocks = g->blocks;
    int rc = whole(p, n, &q, &a);
    if (rc == 0)
        series_add(rate, (a.made - 1) / a.decode_ms * 1e3);
    answer_free(&a);
    return rc;
}

/* Stories of the model inside, guessed ahead and not; each is told once in every way. */
static int stories(struct pipeline *p, struct nodes *n)
{
    struct session s;
    struct pipeline tiny = *p;
    struct series rate[GUESSES] = {{0}};
    char name[96];
    int rc = session_open(p->c, "tiny", &s);
    tiny.positions = rc == 0 ? px_model_info_get(s.model)->context_train : 0;
    for (unsigned i = 0; i < STORIES && rc == 0; i++) {
        struct ids text = {0};
        rc = session_encode(&s, px_view_str(beginnings[i]), 0, &text);
        for (unsigned g = 0; g < GUESSES && rc == 0; g++)
            rc = story(&tiny, n, &text, &guesses[g], &rate[g]);
        free(text.p);
    }
    session_close(&s);
    for (unsigned g = 0; g + 1 < GUESSES && rc == 0; g++) {
        snprintf(name, sizeof name, "stories, %s", guesses[g].what);
        bench_row(p->rows, name, median(&rate[g]), "tok/s", "plain passes",
                  median(&rate[GUESSES - 1]));
    }
    p->done = tiny.done;
    return rc;
}

int pipeline_delay(struct pipeline *p)
{
    struct lab l;
    struct nodes n;
    struct series token = {0};
    char name[96];
    if (!p->shaped || lab_open(&l, 3, p->delay_ms) != 0) {
        note(p->c, "lines that delay are skipped: they need root and /dev/net/tun");
        return 0;
    }
    const char *model = pipeline_nodes(p, &n, &l);
    int rc = model ? pipeline_warm(p, &n, model, 3) : pipeline_failed(&n);
    if (rc == 0 && p->token_s == 0)
        rc = pipeline_alone(p);
    for (unsigned i = 0; i < p->rounds && rc == 0; i++)
        rc = delayed(p, &n, model, &token);
    if (rc == 0) {
        double bound = 4.0 * p->delay_ms + p->token_s * 1e3;
        snprintf(name, sizeof name, "a token, 3 stages, +%u ms", p->delay_ms);
        bench_row(p->rows, name, median(&token), "ms", "4 ways and computing", bound);
        snprintf(name, sizeof name, "decode, 3 stages, +%u ms", p->delay_ms);
        bench_row(p->rows, name, 1e3 / median(&token), "tok/s", "the same", 1e3 / bound);
        rc = stories(p, &n);
    }
    nodes_close(&n);
    lab_close(&l);
    return rc;
}

/* --------------------------------------------------------------------------- store */

/* MB/s of one stream between two processes over loopback. */
static int raw_stream(struct pipeline *p, uint64_t bytes, struct series *rate)
{
    const struct p2p_way *way = &p2p_ways[1]; /* TCP and TLS, as nodes use */
    struct p2p_pair pair = {0};
    char at[64];
    snprintf(at, sizeof at, way->listen, "127.0.0.1");
    json_t *r = NULL;
    if (talker_start(&pair.l, NULL, NULL, at, way) == 0 &&
        talker_start(&pair.d, NULL, NULL, NULL, way) == 0)
        r = talker_ask(&pair.d, "dial", json_pack("{s:s}", "addr", pair.l.addr));
    if (r) {
        json_decref(r);
        r = talker_ask(&pair.d, "perf",
                       json_pack("{s:s, s:I}", "peer", pair.l.peer, "down", (json_int_t)bytes));
    }
    double took = json_number_value(json_object_get(r, "seconds"));
    int rc = r ? 0 : p2p_failed(NULL, "perf", &pair.d);
    json_decref(r);
    if (rc == 0)
        series_add(rate, (double)bytes / MBYTE / took);
    talker_stop(&pair.d);
    talker_stop(&pair.l);
    pipeline_step(p);
    return rc;
}

/* A second node with an empty store pulls the whole model of the first one. */
static int pull(struct pipeline *p, struct nodes *n, const char *model, uint64_t bytes,
                struct series *rate)
{
    json_t *gone = nodes_ask(n, 1, "store-rm", json_pack("{s:s}", "cid", model));
    json_decref(gone);
    double took = nodes_pull(n, 1, model);
    if (took < 0)
        return pipeline_failed(n);
    series_add(rate, (double)bytes / MBYTE / took);
    pipeline_step(p);
    return 0;
}

int pipeline_store(struct pipeline *p)
{
    struct lab l;
    struct nodes n;
    struct series raw = {0}, rate = {0};
    uint64_t bytes = p->info.weight_bytes;
    lab_none(&l, 2);
    const char *model = pipeline_nodes(p, &n, &l);
    int rc = model ? 0 : pipeline_failed(&n);
    for (unsigned i = 0; i < p->rounds && rc == 0; i++) {
        rc = raw_stream(p, bytes, &raw);
        if (rc == 0)
            rc = pull(p, &n, model, bytes, &rate);
    }
    if (rc == 0)
        bench_row(p->rows, "shards from store to store", median(&rate), "MB/s", "raw stream",
                  median(&raw));
    nodes_close(&n);
    return rc;
}
