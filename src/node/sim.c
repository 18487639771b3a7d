/* Scenarios of the simulator by name, and what a run leaves behind. */
#include "plexus/sim.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/map.h"
#include "node/sim.h"

static const struct {
    const char *name;
    px_err (*run)(struct sim_run *run);
} scenarios[] = {
    {"dht", pxi_sim_dht},
};

const char *px_sim_name(unsigned i)
{
    return i < sizeof scenarios / sizeof *scenarios ? scenarios[i].name : NULL;
}

void pxi_sim_note(px_sim_result *r, uint64_t what)
{
    r->hash[0] = pxi_hash64(&what, sizeof what, r->hash[0]);
    r->hash[1] = pxi_hash64(&what, sizeof what, r->hash[1] ^ 0x9e3779b97f4a7c15u);
}

void pxi_sim_figure(px_sim_result *r, const char *name, double value, const char *unit, bool stable)
{
    uint64_t bits;
    if (r->figures < SIM_FIGURES)
        r->figure[r->figures++] = (px_sim_figure){name, value, unit, stable};
    memcpy(&bits, &value, sizeof bits);
    if (stable)
        pxi_sim_note(r, bits);
}

void pxi_sim_fail(px_sim_result *r, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (r->failures < SIM_FAILURES &&
        (r->failure[r->failures] = pxi_strdup_view(px_view_str(text))))
        r->failures++;
}

bool pxi_sim_advance(struct sim_run *run, const char *what, uint64_t by)
{
    run->done += by;
    if (run->progress && !run->stopped && run->progress(run->ctx, what, run->done, run->total))
        run->stopped = true;
    return !run->stopped;
}

static bool sane(const px_sim_options *o)
{
    for (unsigned i = 0; i < o->sybil_count; i++)
        if (!(o->sybils[i] > 0 && o->sybils[i] <= 0.9))
            return false;
    return o->churn >= 0 && o->churn <= 0.9 && o->nodes >= 32 && o->nodes <= 60000 && o->lookups &&
           o->attacked >= 100 && o->attacked <= 10000;
}

px_err px_sim_run(const px_sim_options *given, px_sim_progress *progress, void *ctx,
                  px_sim_result **out)
{
    px_sim_options o = {0};
    memcpy(&o, given, given->size && given->size < sizeof o ? given->size : sizeof o);
    o.nodes = o.nodes ? o.nodes : 1000;
    o.lookups = o.lookups ? o.lookups : 300;
    o.attacked = o.attacked ? o.attacked : 400;
    *out = NULL;
    if (!sane(&o))
        return PX_ERR_INVALID;
    for (unsigned i = 0; px_sim_name(i); i++) {
        if (!o.name || strcmp(px_sim_name(i), o.name) != 0)
            continue;
        px_sim_result *r = pxi_calloc(1, sizeof *r);
        struct sim_run run = {.o = &o, .progress = progress, .ctx = ctx, .r = r};
        if (!r)
            return PX_ERR_NOMEM;
        px_err err = scenarios[i].run(&run);
        snprintf(r->digest, sizeof r->digest, "%016llx%016llx", (unsigned long long)r->hash[0],
                 (unsigned long long)r->hash[1]);
        if (run.stopped)
            err = PX_ERR_INTERRUPTED;
        if (err == PX_ERR_OK)
            *out = r;
        else
            px_sim_free(r);
        return err;
    }
    return PX_ERR_INVALID;
}

void px_sim_free(px_sim_result *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < r->failures; i++)
        pxi_free(r->failure[i]);
    pxi_free(r);
}

int px_sim_ok(const px_sim_result *r)
{
    return r->failures == 0;
}
const char *px_sim_digest(const px_sim_result *r)
{
    return r->digest;
}
const px_sim_figure *px_sim_figure_at(const px_sim_result *r, unsigned i)
{
    return i < r->figures ? &r->figure[i] : NULL;
}
const px_sim_attack *px_sim_attack_at(const px_sim_result *r, unsigned i)
{
    return i < r->attacks ? &r->attack[i] : NULL;
}
const char *px_sim_failure_at(const px_sim_result *r, unsigned i)
{
    return i < r->failures ? r->failure[i] : NULL;
}
