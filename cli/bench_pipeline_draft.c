/*
 * Drafts over lines that delay: stories of the model that is carried inside, sampled, each other
 * ones; plain passes, a look-up that knows the answers before, and the first blocks of the model
 * itself.
 */
#include "bench_pipeline.h"

#include <string.h>

enum { STORIES = 4, STAGES = 3, TOKENS = 100 };

static const char *const beginnings[] = {
    "Once upon a time",       "One day a little fox",    "In the forest there lived",
    "There was a small bird", "Long ago, a bear",        "The old owl",
    "On a rainy day",         "In the morning, a mouse", "A boy named Tom",
    "Every evening, the cat", "Far away, by the sea",    "The little rabbit"};

static const struct how {
    const char *name, *draft; /* NULL: plain passes */
    unsigned blocks;
} hows[] = {{"plain passes", NULL, 0},
            {"drafts by look-up", "lookup", 0},
            {"drafts by 5 of its 6 blocks", "tiny", 5}};

enum { HOWS = sizeof hows / sizeof *hows };

struct sums {
    double seconds, tokens, trips;
};

/* One story; the first token is not counted, it ends the prefill. */
static int story(struct pipeline *p, struct nodes *n, const struct how *how, uint32_t number,
                 struct sums *s)
{
    struct answer a = {0};
    struct ids ids = {0};
    const char *text = beginnings[number % (sizeof beginnings / sizeof *beginnings)];
    int rc = session_encode(&p->local, px_view_of(text, strlen(text)), PX_ENCODE_SPECIAL, &ids);
    struct question q = {.model = "tiny",
                         .gen = TOKENS,
                         .stages = STAGES,
                         .positions = 2 * TOKENS,
                         .vocab = p->info.vocab,
                         .salt = number + 1,
                         .draft = how->draft,
                         .draft_blocks = how->blocks,
                         .ids = &ids,
                         .temp = 0.8};
    pipeline_step(p);
    if (rc == 0 && answer_whole(n, 0, &q, &a) != 0)
        rc = pipeline_failed(n);
    s->seconds += a.decode_ms / 1e3;
    s->tokens += a.made - 1;
    s->trips += (double)a.trips - 1;
    answer_free(&a);
    free(ids.p);
    return rc;
}

static int measure(struct pipeline *p, struct nodes *n, struct sums *sums)
{
    struct sums warm = {0};
    uint32_t number = 0;
    int rc = story(p, n, &hows[0], number++, &warm);
    for (unsigned k = 0; k < STORIES * p->rounds && rc == 0; k++)
        for (unsigned i = 0; i < HOWS && rc == 0; i++)
            rc = story(p, n, &hows[i], number++, &sums[i]);
    return rc;
}

int pipeline_draft(struct pipeline *p)
{
    struct lab l;
    struct nodes n;
    struct sums sums[HOWS] = {{0}};
    struct pipeline tiny = *p;
    char name[96];
    if (!p->shaped || lab_open(&l, STAGES, p->delay_ms) != 0) {
        note(p->c, "lines that delay are skipped: they need root and /dev/net/tun");
        return 0;
    }
    tiny.model = "tiny";
    int rc = strcmp(p->model, "tiny") == 0 ? 0 : session_open(p->c, "tiny", &tiny.local);
    if (rc == 0 && !pipeline_nodes(&tiny, &n, &l))
        rc = pipeline_failed(&n);
    tiny.info = *px_model_info_get(tiny.local.model);
    if (rc == 0)
        rc = measure(&tiny, &n, sums);
    for (unsigned i = 0; i < HOWS && rc == 0; i++) {
        snprintf(name, sizeof name, "%s, +%u ms", hows[i].name, p->delay_ms);
        bench_row(p->rows, name, sums[i].tokens / sums[i].seconds, "tok/s",
                  i ? "plain passes" : NULL, i ? sums[0].tokens / sums[0].seconds : 0);
        snprintf(name, sizeof name, "%s: a trip", hows[i].name);
        if (i)
            bench_row(p->rows, name, sums[i].tokens / sums[i].trips, "tokens", NULL, 0);
    }
    p->done = tiny.done;
    nodes_close(&n);
    lab_close(&l);
    if (tiny.local.model != p->local.model)
        session_close(&tiny.local);
    return rc;
}
