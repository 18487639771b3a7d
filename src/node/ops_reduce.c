/* Operations on jobs: offer one, withdraw it, join one here or at a peer, list those offered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/limits.h"
#include "base/mem.h"
#include "io/rate.h"
#include "node/call.h"
#include "node/mustering.h"

static const char *const formats[] = {"i16", "i8", "i4"};

/* ---------------------------------------------------------------- offering */

static bool format_of(const struct pxi_call *c, unsigned *out)
{
    const char *text = pxi_call_text(c, "format");
    for (*out = 0; text && *out < 3; ++*out)
        if (strcmp(text, formats[*out]) == 0)
            return true;
    *out = text ? *out : 0;
    return !text;
}

/* An address of the command in its binary form; an absent one is empty. */
static bool address_of(const struct pxi_call *c, const char *name, struct pxi_maddr *out)
{
    const char *text = pxi_call_text(c, name);
    out->n = 0;
    return !text || pxi_maddr_parse(px_view_str(text), out, NULL) == PX_ERR_OK;
}

static bool allowed(const struct pxi_call *c, struct pxi_peer *out, unsigned *count)
{
    json_t *list = json_object_get(c->in, "allow"), *v;
    size_t i;
    json_array_foreach(list, i, v)
    {
        const char *text = json_string_value(v);
        if (i >= PXI_LIMIT_MUSTER_ALLOW || !text ||
            pxi_peer_parse(px_view_str(text), &out[i], NULL) != PX_ERR_OK)
            return false;
        *count = (unsigned)i + 1;
    }
    return true;
}

static void op_offer(struct pxi_call *c)
{
    struct pxi_maddr aggregator, group;
    struct pxi_muster_job j = {.world = (unsigned)pxi_call_uint(c, "world", 2),
                               .least = (unsigned)pxi_call_uint(c, "least", 0),
                               .wait_ns = pxi_call_uint(c, "wait_ms", 0) * PXI_MS,
                               .slots = (unsigned)pxi_call_uint(c, "slots", 128),
                               .values = (unsigned)pxi_call_uint(c, "values", 688),
                               .deadline_ms = (unsigned)pxi_call_uint(c, "deadline_ms", 2000),
                               .central = json_is_true(json_object_get(c->in, "central"))};
    const char *name = pxi_call_text(c, "name");
    struct pxi_peer *allow = pxi_calloc(PXI_LIMIT_MUSTER_ALLOW, sizeof *allow);
    px_err err = allow ? PX_ERR_INVALID : PX_ERR_NOMEM;
    if (allow && name && format_of(c, &j.format) && address_of(c, "aggregator", &aggregator) &&
        address_of(c, "group", &group) && allowed(c, allow, &j.allow_count)) {
        j.name = px_view_str(name);
        j.aggregator = pxi_maddr_view(&aggregator);
        j.group = pxi_maddr_view(&group);
        j.allow = allow;
        err = pxi_muster_offer(pxi_mustering_muster(c->node->mustering), &j);
    }
    pxi_free(allow);
    if (err)
        pxi_call_fail(c, err,
                      err == PX_ERR_INVALID ? "a job that cannot be, or one of that name" : NULL);
    else
        pxi_call_ok(c, json_pack("{s:s}", "name", name));
}

static void op_withdraw(struct pxi_call *c)
{
    const char *name = pxi_call_text(c, "name");
    px_err err =
        name ? pxi_muster_withdraw(pxi_mustering_muster(c->node->mustering), px_view_str(name))
             : PX_ERR_INVALID;
    if (err)
        pxi_call_fail(c, err, NULL);
    else
        pxi_call_ok(c, NULL);
}

static void op_jobs(struct pxi_call *c)
{
    struct pxi_muster_state s;
    json_t *rows = json_array();
    for (unsigned i = 0; pxi_muster_at(pxi_mustering_muster(c->node->mustering), i, &s); i++)
        json_array_append_new(rows,
                              json_pack("{s:o, s:i, s:i, s:i, s:I, s:i, s:i, s:b, s:s}", "name",
                                        pxi_json_text(s.name), "world", (int)s.world, "waiting",
                                        (int)s.waiting, "granted", (int)s.granted, "job",
                                        (json_int_t)s.job, "epoch", (int)s.epoch, "aggregators",
                                        (int)s.adders, "central", (int)s.central, "why", s.why));
    pxi_call_ok(c, json_pack("{s:o}", "jobs", rows));
}

/* ----------------------------------------------------------------- joining */

struct joiner {
    struct pxi_joining joining;
    struct pxi_call *call;
};

static json_t *address_text(px_view a)
{
    return a.n ? pxi_json_addr(a, NULL) : json_null();
}

static json_t *grant_of(const struct pxi_muster_order *o)
{
    char hex[2 * PXI_MUSTER_SECRET + 1];
    json_t *addresses = json_array();
    const px_view *a = o->addresses.p;
    for (size_t i = 0; i < o->addresses.n; i++)
        json_array_append_new(addresses, address_text(a[i]));
    for (size_t i = 0; i < o->secret.n; i++)
        snprintf(hex + 2 * i, 3, "%02x", o->secret.p[i]);
    json_t *out = json_pack(
        "{s:s, s:I, s:i, s:i, s:i, s:i, s:i, s:s, s:i, s:o, s:o, s:o, s:s, s:o, s:b, s:o}",
        "status", "grant", "job", (json_int_t)o->job, "epoch", (int)o->epoch, "rank", (int)o->rank,
        "world", (int)o->world, "slots", (int)o->slots, "values", (int)o->values, "format",
        formats[o->format % 3], "deadline_ms", (int)o->deadline_ms, "addresses", addresses,
        "aggregator", address_text(o->aggregator), "group", address_text(o->group), "secret", hex,
        "rule", pxi_json_text(o->rule), "singly", (int)o->singly, "why", pxi_json_text(o->reason));
    OPENSSL_cleanse(hex, sizeof hex);
    return out;
}

static void heard(struct pxi_joining *j, const struct pxi_muster_order *o, px_err why)
{
    struct joiner *w = PXI_OF(j, struct joiner, joining);
    char reason[PXI_MUSTER_REASON + 1] = "";
    if (why) {
        if (o && o->reason.n)
            snprintf(reason, sizeof reason, "%.*s", (int)o->reason.n, (const char *)o->reason.p);
        pxi_call_fail(w->call, why, reason[0] ? reason : NULL);
    } else if (o->status == PXI_MUSTER_GRANT) {
        pxi_call_progress(w->call, grant_of(o));
    } else if (o->status == PXI_MUSTER_OVER) {
        pxi_call_progress(w->call,
                          json_pack("{s:s, s:I}", "status", "over", "job", (json_int_t)o->job));
    } else {
        pxi_call_progress(w->call, json_pack("{s:s, s:i, s:i}", "status", "wait", "present",
                                             (int)o->present, "world", (int)o->world));
    }
}

static void drop(struct pxi_call *c)
{
    struct joiner *w = c->state;
    pxi_joining_end(&w->joining);
    pxi_free(w);
}

/* What the line of the address carries, and what a packet costs here; who adds in the kernel says
 * what taking one costs there. */
static void measure(const struct pxi_call *c, struct pxi_muster_join *join)
{
    enum { PACKET = 1400 };
    uint64_t in_ns = pxi_call_uint(c, "in_ns", 0);
    struct pxi_maddr_part ip;
    size_t at = 0;
    if (!pxi_maddr_next(join->address, &at, &ip))
        return;
    join->rate = pxi_line_rate(ip.value);
    join->packet_ns = pxi_packet_ns(ip.value, PACKET);
    if (in_ns && join->packet_ns)
        join->packet_ns = in_ns + join->packet_ns / 2;
}

/* Who speaks, of a job of which name; views into *address and the call. */
static bool who_of(const struct pxi_call *c, struct pxi_maddr *address, struct pxi_muster_join *out)
{
    const char *name = pxi_call_text(c, "name"), *rule = pxi_call_text(c, "rule");
    *out = (struct pxi_muster_join){.name = px_view_str(name ? name : ""),
                                    .adds = pxi_call_uint(c, "adds", PXI_MUSTER_WORKS),
                                    .rule = px_view_str(rule ? rule : "")};
    if (!address_of(c, "address", address))
        return false;
    out->address = pxi_maddr_view(address);
    return pxi_muster_name(out->name) && pxi_muster_address(out->address) &&
           out->rule.n <= PXI_MUSTER_RULE && out->adds <= PXI_MUSTER_ADDS_SINGLY;
}

static void join_at(struct pxi_call *c, struct pxi_conn *at)
{
    struct joiner *w = c->state;
    struct pxi_maddr address;
    struct pxi_muster_join join;
    px_err err = who_of(c, &address, &join) ? PX_ERR_OK : PX_ERR_INVALID;
    if (!err)
        measure(c, &join);
    if (!err)
        err = pxi_joining_start(&w->joining, c->node->mustering, at, &join);
    if (err)
        pxi_call_fail(c, err, err == PX_ERR_INVALID ? "a name, and an ip with a UDP port" : NULL);
}

/* Tells orders on the way and ends with its channel: whoever joined stays while it listens. */
static void op_join(struct pxi_call *c)
{
    struct joiner *w = pxi_calloc(1, sizeof *w);
    if (!w) {
        pxi_call_fail(c, PX_ERR_NOMEM, NULL);
        return;
    }
    w->call = c;
    w->joining.heard = heard;
    c->state = w;
    c->drop = drop;
    c->ends_with_channel = true;
    if (pxi_call_text(c, "peer") || pxi_call_text(c, "addr"))
        pxi_call_meet(c, false, join_at);
    else
        join_at(c, NULL);
}

/* A worker that has joined says which ranks sums went on without. */
static void op_late(struct pxi_call *c)
{
    struct pxi_maddr address;
    struct pxi_muster_join who;
    px_err err = PX_ERR_INVALID;
    if (who_of(c, &address, &who)) {
        who.late = pxi_call_uint(c, "ranks", 0);
        err = pxi_mustering_late(c->node->mustering, &who);
    }
    if (err)
        pxi_call_fail(c, err, NULL);
    else
        pxi_call_ok(c, NULL);
}

const struct pxi_op pxi_ops_reduce[] = {
    {"reduce-offer", op_offer}, {"reduce-withdraw", op_withdraw}, {"reduce-jobs", op_jobs},
    {"reduce-join", op_join},   {"reduce-late", op_late},         {NULL, NULL},
};
