#include "demo_poison.h"

#include <string.h>

#include "cli.h"
#include "plexus/poison.h"

enum { WORKERS = 4, LIARS = 1, LIAR = WORKERS - LIARS, ROUNDS = 200, EVERY = 20, SEED = 1 };

static const double times = -10, ruined_below = 50, right_above = 80;

static unsigned long long n(uint64_t v)
{
    return (unsigned long long)v;
}

/* Who adds, once, and the names of what follows. */
static void put_head(struct poison_act *a, const px_poison_look *l)
{
    if (!a->told && strcmp(l->hub.path, "kernel") == 0)
        printf("   It is the program of plexus agg in the kernel, attached to no device.\n\n");
    else if (!a->told)
        printf("   It is one in user space: %s.\n\n", l->hub.why);
    a->told = 1;
    printf("   %s%s\n   round       loss    right     added  clamped  refused  verdicts%s\n",
           ink(1), a->title, ink(0));
}

/* One line of a training: how the model does, and what the aggregator has counted. */
static void on_look(void *ctx, const px_poison_look *l)
{
    struct poison_act *a = ctx;
    const px_hub_worker *liar = &l->hub.workers[LIAR];
    int bad = l->accuracy < ruined_below;
    if (!a->plain)
        return;
    if (l->round == EVERY)
        put_head(a, l);
    printf("   %5u  ", l->round);
    printf(l->loss < 1e4 ? "%9.3f" : "%9.1e", l->loss);
    printf("  %s%5.1f %%%s  %8llu %8llu %8llu %9llu%s\n", ink(bad ? 31 : 32), l->accuracy, ink(0),
           n(l->hub.added), n(l->hub.clipped), n(l->hub.refused), n(liar->verdicts),
           liar->quarantined ? "  quarantine" : "");
    fflush(stdout);
}

static json_t *figures_of(const px_poison_look *l, double seconds)
{
    const px_hub_worker *liar = &l->hub.workers[LIAR];
    json_t *o = json_object();
    json_object_set_new(o, "loss", json_number(l->loss));
    json_object_set_new(o, "accuracy", json_number(l->accuracy));
    json_object_set_new(o, "added", json_u64(l->hub.added));
    json_object_set_new(o, "sums", json_u64(l->hub.finished));
    json_object_set_new(o, "clamped", json_u64(l->hub.clipped));
    json_object_set_new(o, "refused", json_u64(l->hub.refused));
    json_object_set_new(o, "verdicts", json_u64(liar->verdicts));
    json_object_set_new(o, "quarantined", json_boolean(liar->quarantined));
    json_object_set_new(o, "seconds", json_number(seconds));
    return o;
}

/* The same training under a rule. */
static px_err train(struct poison_act *a, const char *rule, const char *title,
                    const px_poison_data *data, double *accuracy, px_diag *d)
{
    px_poison_live_options o = {.size = sizeof o,
                                .rule = rule,
                                .workers = WORKERS,
                                .liars = LIARS,
                                .times = times,
                                .kernel = 1,
                                .rounds = ROUNDS,
                                .every = EVERY,
                                .look = on_look,
                                .ctx = a};
    px_poison_look last;
    double start = now_s();
    a->title = title;
    if (a->plain)
        printf("\n");
    px_err err = px_poison_live(&o, data, &last, d);
    if (err != PX_ERR_OK)
        return err;
    *accuracy = last.accuracy;
    json_object_set_new(a->figures, rule, figures_of(&last, now_s() - start));
    json_object_set_new(a->figures, "path", json_text(last.hub.path));
    return PX_ERR_OK;
}

px_err demo_poison(struct poison_act *a, px_diag *d)
{
    double mean = 100, clip1 = 0;
    if (!px_hub_rule(0))
        return PX_ERR_UNSUPPORTED;
    px_poison_data *data = px_poison_data_new(SEED);
    if (!data)
        return PX_ERR_NOMEM;
    a->figures = json_object();
    json_object_set_new(a->figures, "workers", json_integer(WORKERS));
    json_object_set_new(a->figures, "liars", json_integer(LIARS));
    json_object_set_new(a->figures, "rounds", json_integer(ROUNDS));
    if (a->plain)
        printf("   %d workers learn to read digits. In every round an aggregator adds what they\n"
               "   found, over UDP; worker %d sends minus ten times it.\n",
               WORKERS, LIAR);
    px_err err = train(a, "mean", "Under the plain mean", data, &mean, d);
    if (err == PX_ERR_OK)
        err = train(a, "clip1", "Under clip1, the default rule against poison", data, &clip1, d);
    px_poison_data_free(data);
    a->ok = mean < ruined_below && clip1 > right_above;
    if (err == PX_ERR_OK && a->plain)
        printf("\n   One liar is enough to ruin a mean: %.1f %% of new pictures are read right, "
               "where\n"
               "   chance is 10 %%. Under clip1 a value may lie off the last sum by some of what\n"
               "   workers differ by, and no more: %s%.1f %%%s.\n",
               mean, ink(a->ok ? 32 : 31), clip1, ink(0));
    return err;
}
