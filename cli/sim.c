/* plexus sim NAME */
#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_SHARES = 16 };

struct shown {
    struct cli *c;
    struct progress p;
    int begun;
};

static int on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct shown *s = ctx;
    if (!s->begun)
        progress_begin(&s->p, s->c, "simulating", "steps", total);
    s->begun = 1;
    s->p.total = total;
    if (what && strlen(what) < 32)
        s->p.what = what;
    progress_set(&s->p, done);
    return 0;
}

/* ------------------------------------------------------------------ documents */

static json_t *attack_json(const px_sim_attack *a)
{
    json_t *o = json_object();
    json_object_set_new(o, "placement", json_text(a->placement));
    json_object_set_new(o, "networks", json_text(a->networks));
    json_object_set_new(o, "defence", json_text(a->defence));
    json_object_set_new(o, "share", json_number(a->share));
    json_object_set_new(o, "get", json_number(a->get));
    json_object_set_new(o, "find", json_number(a->find));
    json_object_set_new(o, "messages", json_number(a->messages));
    return o;
}

static json_t *document(const struct cli *c, const px_sim_result *r)
{
    json_t *doc = doc_new(c), *figures = json_object(), *units = json_object();
    json_t *attacks = json_array(), *failures = json_array();
    const px_sim_figure *f;
    for (unsigned i = 0; (f = px_sim_figure_at(r, i)) != NULL; i++) {
        json_object_set_new(figures, f->name, json_number(f->value));
        json_object_set_new(units, f->name, json_text(f->unit));
    }
    for (unsigned i = 0; px_sim_attack_at(r, i); i++)
        json_array_append_new(attacks, attack_json(px_sim_attack_at(r, i)));
    for (unsigned i = 0; px_sim_failure_at(r, i); i++)
        json_array_append_new(failures, json_text(px_sim_failure_at(r, i)));
    json_object_set_new(doc, "digest", json_text(px_sim_digest(r)));
    json_object_set_new(doc, "ok", json_boolean(px_sim_ok(r)));
    json_object_set_new(doc, "figures", figures);
    json_object_set_new(doc, "units", units);
    json_object_set_new(doc, "attacks", attacks);
    json_object_set_new(doc, "failures", failures);
    return doc;
}

static double figure(const px_sim_result *r, const char *kind, const char *what)
{
    char name[64];
    const px_sim_figure *f;
    snprintf(name, sizeof name, "%s%s%s", kind, what ? "." : "", what ? what : "");
    for (unsigned i = 0; (f = px_sim_figure_at(r, i)) != NULL; i++)
        if (strcmp(f->name, name) == 0)
            return f->value;
    return 0;
}

static void print_operations(const px_sim_result *r)
{
    static const char *const kinds[] = {"put", "provide", "closest", "get", "find"};
    printf("%-10s %9s %6s %9s %9s %9s %9s %9s\n", "operation", "success", "hops", "requests",
           "failed", "p50 ms", "p90 ms", "p99 ms");
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *k = kinds[i];
        printf("%-10s %8.2f%% %6.2f %9.1f %9.1f %9.0f %9.0f %9.0f\n", k,
               100 * figure(r, k, "success"), figure(r, k, "hops"), figure(r, k, "messages"),
               figure(r, k, "failures"), figure(r, k, "p50"), figure(r, k, "p90"),
               figure(r, k, "p99"));
    }
}

static void print_world(const px_sim_result *r)
{
    char all[32], each[32];
    human_bytes(all, figure(r, "memory", NULL));
    human_bytes(each, figure(r, "memory", "node"));
    printf("\npeers      %.0f, of which %.0f are alive; log2 is %.2f\n", figure(r, "nodes", NULL),
           figure(r, "nodes", "alive"), figure(r, "log2", "nodes"));
    printf("tables     %.1f peers each\n", figure(r, "table", "entries"));
    printf("traffic    %.0f dials, %.0f streams in %.0f s of virtual time\n",
           figure(r, "dials", NULL), figure(r, "streams", NULL), figure(r, "virtual", "time"));
    printf("machine    %s, %s a peer; %.1f s of one processor\n", all, each,
           figure(r, "cpu", "time"));
}

static void print_attacks(const px_sim_result *r)
{
    const px_sim_attack *a;
    if (!px_sim_attack_at(r, 0))
        return;
    printf("\n%-10s %-9s %-10s %-8s %9s %9s %9s\n", "attackers", "placement", "networks", "defence",
           "get", "find", "requests");
    for (unsigned i = 0; (a = px_sim_attack_at(r, i)) != NULL; i++)
        printf("%8.0f %%  %-9s %-10s %-8s %8.1f%% %8.1f%% %9.1f\n", 100 * a->share, a->placement,
               a->networks, a->defence, 100 * a->get, 100 * a->find, a->messages);
}

static void print_text(const px_sim_result *r)
{
    print_operations(r);
    print_world(r);
    print_attacks(r);
    printf("\ndigest     %s\n", px_sim_digest(r));
    for (unsigned i = 0; px_sim_failure_at(r, i); i++)
        fprintf(stderr, "plexus: %s\n", px_sim_failure_at(r, i));
}

/* ----------------------------------------------------------------------- verb */

static int shares(struct cli *c, double out[MOST_SHARES], unsigned *n)
{
    const struct value *v = &c->v[OPT_SYBILS];
    *n = 0;
    for (unsigned i = 0; i < v->n; i++) {
        char *end;
        double f = strtod(v->list[i], &end);
        if (*end || end == v->list[i] || !(f > 0 && f <= 0.9))
            return usage("a share is a number above 0 and at most 0.9", "--sybils %s", v->list[i]);
        if (*n >= MOST_SHARES)
            return usage("at most 16 shares", "--sybils %s", v->list[i]);
        out[(*n)++] = f;
    }
    return 0;
}

static int simulate(struct cli *c, const char *name)
{
    double share[MOST_SHARES];
    struct shown s = {.c = c};
    px_sim_result *r;
    px_sim_options o = {.size = sizeof o,
                        .name = name,
                        .nodes = (uint32_t)opt_uint(c, OPT_NODES),
                        .lookups = (uint32_t)opt_uint(c, OPT_LOOKUPS),
                        .seed = opt_uint(c, OPT_SEED),
                        .churn = opt_float(c, OPT_CHURN),
                        .sybils = share};
    int rc = shares(c, share, &o.sybil_count);
    if (rc)
        return rc;
    px_err e = px_sim_run(&o, on_progress, &s, &r);
    progress_end(&s.p);
    if (e != PX_ERR_OK)
        return fail(e, name, NULL);
    rc = px_sim_ok(r) ? 0 : 1;
    if (opt_on(c, OPT_JSON))
        doc_print(document(c, r), rc);
    else
        print_text(r);
    px_sim_free(r);
    return rc;
}

int verb_sim_dht(struct cli *c)
{
    return simulate(c, "dht");
}
