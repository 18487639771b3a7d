/* Jobs by name: the kernel's aggregator has a seat in each, at the node that offers it
 * (reduce/muster.h), and leases slots to whoever was granted one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/diag.h"
#include "base/mem.h"
#include "codec/gradient.h"
#include "codec/muster.h"
#include "node/agg_impl.h"
#include "node/reduce_address.h"
#include "node/reduce_join.h"
#include "reduce/group.h"

enum { AGGREGATOR = 64, AGAIN = 10, LATER = 300 /* looks */ };

struct seat;

/* A channel to the node; its handle outlives it by a turn of the loop. */
struct wire {
    uv_poll_t poll;
    struct seat *seat;
    struct pxi_lines_client *lines;
};

struct seat {
    struct pxi_agg_jobs *of;
    const char *name;
    struct wire *wire; /* NULL: it has none */
    unsigned later;    /* looks until it joins once more */
    char said[256];
};

/* A company that the kernel adds for. */
struct company {
    const struct seat *seat; /* NULL: a free place */
    bool orphan;             /* its seat was lost: nobody will say when it is over */
    bool judged;
    uint32_t job;
    unsigned workers;
};

struct pxi_agg_jobs {
    struct pxi_agg *a;
    unsigned n;
    struct seat seats[PXI_AGG_NAMES];
    struct company companies[PXI_BPF_JOBS];
};

/* ------------------------------------------------------------- companies */

static struct company *company_of(struct pxi_agg_jobs *j, uint32_t job)
{
    for (unsigned i = 0; i < PXI_BPF_JOBS; i++)
        if (j->companies[i].seat && j->companies[i].job == job)
            return &j->companies[i];
    return NULL;
}

static void end(struct pxi_agg_jobs *j, struct company *c)
{
    if (pxi_xdp_end(j->a->xdp, c->job, 0) == PX_ERR_OK)
        pxi_sums_remove(j->a->sums, c->job, 0);
    *c = (struct company){0};
}

/* Who is in it, and where its sums go. */
struct places {
    uint32_t addresses[PX_GRADIENT_WORKERS];
    uint16_t ports[PX_GRADIENT_WORKERS];
};

static px_err places_of(const struct pxi_reduce_grant *g, struct places *out, px_diag *diag)
{
    px_err err = PX_ERR_OK;
    for (unsigned i = 0; i < g->o.world && !err; i++) {
        struct pxi_udp_addr at;
        err = pxi_reduce_address(g->o.addresses[i], &at, diag);
        if (!err && at.family != 4)
            err = pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "/ip4", "%s", g->o.addresses[i]);
        memcpy(&out->addresses[i], at.ip, sizeof *out->addresses);
        out->ports[i] = at.port;
    }
    return err;
}

static px_err lease(struct pxi_agg *a, const struct pxi_reduce_grant *g, bool judged, px_diag *diag)
{
    struct places at;
    uint8_t secrets[PXI_BPF_MEMBERS][PXI_TAG_SECRET];
    unsigned n = g->o.world;
    struct pxi_xdp_job x = {.job = g->o.job,
                            .epoch = PXI_AGG_EPOCH,
                            .format = (uint8_t)(g->o.format == PX_REDUCE_I8   ? PX_GRADIENT_I8
                                                : g->o.format == PX_REDUCE_I4 ? PX_GRADIENT_I4
                                                                              : PX_GRADIENT_I16),
                            .slots = g->o.window,
                            .values = (uint16_t)g->o.values,
                            .fan_in = (uint8_t)n,
                            .members = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX,
                            .quorum = n / 2 + 1,
                            .deadline_ns = UINT64_C(1000000) * g->o.deadline_ms,
                            .slack_ns = UINT64_C(1000000) * a->o.slack_ms,
                            .chunks = a->o.chunks,
                            .unjudged = !judged,
                            .mode = PXI_BPF_SERVER,
                            .secrets = (const uint8_t(*)[PXI_TAG_SECRET])secrets,
                            .addresses = at.addresses};
    struct pxi_sums_job s = {.job = g->o.job,
                             .addresses = at.addresses,
                             .ports = at.ports,
                             .n = n,
                             .secret = secrets[PXI_BPF_MEMBERS - 1]};
    px_err err = places_of(g, &at, diag);
    for (unsigned i = 0; i < PXI_BPF_MEMBERS; i++)
        pxi_group_secret(g->secret, i, AGGREGATOR, secrets[i]);
    if (!err)
        err = pxi_sums_add(a->sums, &s);
    if (!err && (err = pxi_xdp_begin(a->xdp, &x, diag)))
        pxi_sums_remove(a->sums, g->o.job, 0);
    OPENSSL_cleanse(secrets, sizeof secrets);
    return err;
}

/* A lease of one of whom nobody tells any more. */
static bool make_room(struct pxi_agg_jobs *j)
{
    for (unsigned i = 0; i < PXI_BPF_JOBS; i++)
        if (j->companies[i].seat && j->companies[i].orphan) {
            end(j, &j->companies[i]);
            return true;
        }
    return false;
}

static px_err begin(struct seat *s, const struct pxi_reduce_grant *g, px_diag *diag)
{
    struct pxi_agg_jobs *j = s->of;
    struct company *place = j->companies, *past = place + PXI_BPF_JOBS;
    bool judged = strcmp(j->a->o.sentry, "none") != 0 && g->o.world >= PX_SENTRY_FAN_IN;
    px_err err;
    do
        err = lease(j->a, g, judged, diag);
    while (err == PX_ERR_LIMIT && make_room(j));
    while (place < past && place->seat)
        place++;
    if (!err && place < past)
        *place =
            (struct company){.seat = s, .judged = judged, .job = g->o.job, .workers = g->o.world};
    return err;
}

/* ------------------------------------------------------------------ seats */

static void on_wire_closed(uv_handle_t *h)
{
    pxi_free(h->data);
}

/* Get up; who was granted with us hears of it from the node. */
static void leave(struct seat *s, unsigned later)
{
    struct wire *w = s->wire;
    s->later = later;
    s->wire = NULL;
    for (unsigned i = 0; i < PXI_BPF_JOBS; i++)
        s->of->companies[i].orphan |= s->of->companies[i].seat == s;
    if (!w)
        return;
    uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, on_wire_closed);
    pxi_lines_hangup(w->lines);
}

static void say(struct seat *s, const char *text)
{
    snprintf(s->said, sizeof s->said, "%s", text ? text : "");
}

static void on_grant(struct seat *s, json_t *order)
{
    struct pxi_reduce_grant g = {.order = json_incref(order)};
    px_diag d = {0};
    px_err err = pxi_reduce_take(&g) ? begin(s, &g, &d) : PX_ERR_PROTOCOL;
    pxi_reduce_grant_free(&g);
    say(s, "");
    if (!err)
        return;
    snprintf(s->said, sizeof s->said, "cannot serve it: %.60s, expected %.60s, is %.60s",
             px_err_text(err), d.expected, d.found);
    leave(s, err == PX_ERR_LIMIT ? AGAIN : LATER);
}

static void on_order(struct seat *s, json_t *order)
{
    const char *status = json_string_value(json_object_get(order, "status"));
    struct company *c;
    if (!status) {
        say(s, json_string_value(json_object_get(order, "error")));
        leave(s, AGAIN);
    } else if (strcmp(status, "grant") == 0) {
        on_grant(s, order);
    } else if (strcmp(status, "over") == 0) {
        c = company_of(s->of, (uint32_t)json_integer_value(json_object_get(order, "job")));
        if (c)
            end(s->of, c);
    }
}

static void lost(struct seat *s)
{
    say(s, "the node is gone");
    leave(s, AGAIN);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    struct wire *w = p->data;
    struct seat *s = w->seat;
    char *line;
    px_err err = PX_ERR_OK;
    (void)status, (void)events;
    pxi_loop_now(s->of->a->loop);
    while (s->wire == w && (err = pxi_lines_next(w->lines, 0, &line)) == PX_ERR_OK) {
        json_t *order = json_loads(line, 0, NULL);
        OPENSSL_cleanse(line, strlen(line));
        pxi_free(line);
        on_order(s, order);
        json_decref(order);
    }
    if (s->wire == w && err != PX_ERR_TIMEOUT && err != PX_ERR_INTERRUPTED)
        lost(s);
}

static char *command_of(const struct seat *s)
{
    const px_agg_options *o = &s->of->a->o;
    char at[64];
    snprintf(at, sizeof at, "/ip4/%s/udp/%u", o->address, o->port);
    bool singly = pxi_xdp_rung(s->of->a->xdp) == PXI_XDP_GENERIC;
    json_t *doc =
        json_pack("{s:s, s:s, s:s, s:i, s:s, s:i}", "op", "reduce-join", "name", s->name, "address",
                  at, "adds", singly ? PXI_MUSTER_ADDS_SINGLY : PXI_MUSTER_ADDS, "rule",
                  strcmp(o->sentry, "none") ? o->sentry : "", "in_ns", (int)s->of->a->packet_ns);
    if (doc && o->host)
        json_object_set_new(doc, o->host[0] == '/' ? "addr" : "peer", json_string(o->host));
    char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    json_decref(doc);
    return text;
}

static void join(struct seat *s)
{
    char *command = command_of(s);
    struct wire *w = command ? pxi_calloc(1, sizeof *w) : NULL;
    px_err err = w ? pxi_lines_dial(s->of->a->o.node, command, &w->lines) : PX_ERR_NOMEM;
    free(command);
    if (err ||
        uv_poll_init(pxi_loop_uv(s->of->a->loop), &w->poll, pxi_lines_descriptor(w->lines))) {
        say(s, "no node runs here");
        s->later = AGAIN;
        pxi_lines_hangup(w ? w->lines : NULL);
        pxi_free(w);
        return;
    }
    w->seat = s;
    w->poll.data = w;
    s->wire = w;
    say(s, "");
    uv_poll_start(&w->poll, UV_READABLE, on_readable);
}

/* ----------------------------------------------------------------- owner */

void pxi_agg_jobs_look(struct pxi_agg_jobs *j, bool adds)
{
    for (unsigned i = 0; i < PXI_BPF_JOBS && !adds; i++)
        if (j->companies[i].seat)
            end(j, &j->companies[i]);
    for (unsigned i = 0; i < j->n; i++) {
        struct seat *s = &j->seats[i];
        if (!adds && s->wire) {
            say(s, "the program is gone from its device");
            leave(s, 0);
        } else if (adds && !s->wire && (!s->later || !--s->later)) {
            join(s);
        }
    }
}

struct pxi_agg_jobs *pxi_agg_jobs_open(struct pxi_agg *a)
{
    struct pxi_agg_jobs *j = pxi_calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->a = a;
    j->n = a->o.name_count;
    for (unsigned i = 0; i < j->n; i++)
        j->seats[i] = (struct seat){.of = j, .name = a->o.names[i]};
    pxi_agg_jobs_look(j, true);
    return j;
}

void pxi_agg_jobs_stop(struct pxi_agg_jobs *j)
{
    for (unsigned i = 0; i < j->n; i++)
        leave(&j->seats[i], 0);
}

void pxi_agg_jobs_free(struct pxi_agg_jobs *j)
{
    pxi_free(j);
}

uint32_t pxi_agg_jobs_first(const struct pxi_agg_jobs *j, unsigned *workers)
{
    for (unsigned i = 0; i < PXI_BPF_JOBS; i++)
        if (j->companies[i].seat) {
            *workers = j->companies[i].workers;
            return j->companies[i].job;
        }
    return 0;
}

json_t *pxi_agg_jobs_stat(const struct pxi_agg_jobs *j)
{
    json_t *out = json_array();
    for (unsigned i = 0; i < j->n; i++) {
        const struct seat *s = &j->seats[i];
        json_t *companies = json_array();
        for (unsigned k = 0; k < PXI_BPF_JOBS; k++) {
            const struct company *c = &j->companies[k];
            if (c->seat == s)
                json_array_append_new(companies,
                                      json_pack("{s:I, s:i, s:s}", "job", (json_int_t)c->job,
                                                "workers", (int)c->workers, "rule",
                                                c->judged ? j->a->o.sentry : "none"));
        }
        json_array_append_new(out,
                              json_pack("{s:s, s:b, s:s, s:o}", "name", s->name, "joined",
                                        s->wire != NULL, "why", s->said, "companies", companies));
    }
    return out;
}
