#include "node/reduce_join.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/diag.h"
#include "base/mem.h"
#include "codec/muster.h"
#include "io/loop.h"

enum { JOIN_MS = 60000 };

static px_err wrong(px_diag *d, px_err err, const char *expected, const char *found)
{
    pxi_diag_field(d, "join");
    return pxi_diag_set(d, err, 0, expected, "%s", found);
}

static char *command_of(const px_reduce_options *o)
{
    json_t *doc =
        json_pack("{s:s, s:s, s:s}", "op", "reduce-join", "name", o->name, "address", o->address);
    if (doc && o->host)
        json_object_set_new(doc, o->host[0] == '/' ? "addr" : "peer", json_string(o->host));
    size_t n = doc ? json_dumpb(doc, NULL, 0, JSON_COMPACT) : 0;
    char *text = n ? pxi_calloc(n + 1, 1) : NULL;
    if (text)
        json_dumpb(doc, text, n, JSON_COMPACT);
    json_decref(doc);
    return text;
}

/* The number of an error by its code, as replies have it. */
static px_err error_of(const char *code)
{
#define X(name, number, exit, retry, text_code, text, hint)                                        \
    if (code && strcmp(code, text_code) == 0)                                                      \
        return PX_ERR_##name;
    PX_ERR_TABLE(X)
#undef X
    return PX_ERR_PROTOCOL;
}

static px_err refused(const json_t *order, const px_reduce_options *o, px_diag *d)
{
    const char *why = json_string_value(json_object_get(order, "error"));
    px_err err = error_of(json_string_value(json_object_get(order, "code")));
    char text[160];
    snprintf(text, sizeof text, "%s: %s", o->name, why ? why : "it ended");
    return wrong(d, err ? err : PX_ERR_PROTOCOL, "a job that lets this worker in", text);
}

static unsigned number(const json_t *order, const char *name)
{
    return (unsigned)json_integer_value(json_object_get(order, name));
}

static bool secret_of(const char *hex, uint8_t out[32])
{
    bool ok = hex && strlen(hex) == 64;
    for (unsigned i = 0, v; i < 32 && ok; i++) {
        ok = sscanf(hex + 2 * (size_t)i, "%2x", &v) == 1;
        out[i] = ok ? (uint8_t)v : 0;
    }
    return ok;
}

bool pxi_reduce_over(px_control *seat, uint32_t job)
{
    char *line = NULL;
    bool over = false;
    while (!over && px_control_next(seat, 0, &line) == PX_ERR_OK) {
        json_t *o = json_loads(line, 0, NULL);
        const char *status = json_string_value(json_object_get(o, "status"));
        over = status && strcmp(status, "over") == 0 && number(o, "job") == job;
        json_decref(o);
        px_node_text_free(line);
    }
    return over;
}

/* What the node checked when it came (codec/muster.h) becomes options. */
bool pxi_reduce_take(struct pxi_reduce_grant *g)
{
    static const char *const formats[] = {"i16", "i8", "i4"};
    const json_t *order = g->order, *list = json_object_get(order, "addresses");
    const char *format = json_string_value(json_object_get(order, "format"));
    px_reduce_options *o = &g->o;
    size_t n = json_array_size(list);
    unsigned kind = 0;
    while (kind < 3 && (!format || strcmp(format, formats[kind]) != 0))
        kind++;
    for (size_t i = 0; i < n && i < 64; i++)
        if (!(g->addresses[i] = json_string_value(json_array_get(list, i))))
            return false;
    o->rank = number(order, "rank");
    o->world = number(order, "world");
    o->addresses = g->addresses;
    o->aggregator = json_string_value(json_object_get(order, "aggregator"));
    o->group = json_string_value(json_object_get(order, "group"));
    o->secret = g->secret;
    o->job = (uint32_t)json_integer_value(json_object_get(order, "job"));
    o->format = (px_reduce_format)kind;
    o->values = number(order, "values");
    o->window = number(order, "slots");
    o->deadline_ms = number(order, "deadline_ms");
    g->why = json_string_value(json_object_get(order, "why"));
    g->why = g->why ? g->why : "";
    const char *rule = json_string_value(json_object_get(order, "rule"));
    g->singly = json_is_true(json_object_get(order, "singly"));
    snprintf(g->rule, sizeof g->rule, "%s", rule ? rule : "");
    if (o->group && strncmp(o->group, "/ip4/", 5) == 0)
        o->group += 5;
    return n == o->world && n <= 64 && o->rank < o->world && kind < 3 && o->job &&
           secret_of(json_string_value(json_object_get(order, "secret")), g->secret);
}

/* Orders until the grant. */
static px_err hear(struct pxi_reduce_grant *g, uint64_t end_ns, px_diag *d)
{
    for (;;) {
        char *line = NULL;
        uint64_t now = pxi_clock_ns();
        px_err err = now < end_ns ? px_control_next(g->seat, (end_ns - now) / 1000000 + 1, &line)
                                  : PX_ERR_TIMEOUT;
        if (err == PX_ERR_INTERRUPTED)
            continue;
        if (err)
            return wrong(d, err, "all workers of the job", "they did not come in time");
        json_decref(g->order);
        g->order = json_loads(line, 0, NULL);
        OPENSSL_cleanse(line, strlen(line));
        px_node_text_free(line);
        const char *status = json_string_value(json_object_get(g->order, "status"));
        if (status && strcmp(status, "grant") == 0)
            return pxi_reduce_take(g) ? PX_ERR_OK
                                      : wrong(d, PX_ERR_PROTOCOL, "a grant", "another order");
        if (!status)
            return refused(g->order, &g->o, d);
    }
}

px_err pxi_reduce_join(const px_reduce_options *o, struct pxi_reduce_grant *out, px_diag *diag)
{
    uint64_t end_ns =
        pxi_clock_ns() + (uint64_t)(o->join_ms ? o->join_ms : JOIN_MS) * UINT64_C(1000000);
    *out = (struct pxi_reduce_grant){.o = *o};
    if (!o->node || !o->address)
        return wrong(diag, PX_ERR_INVALID, "the control socket of a node, and our address",
                     "neither or one");
    char *command = command_of(o);
    if (!command)
        return PX_ERR_NOMEM;
    px_err err = px_control_open(o->node, command, &out->seat);
    pxi_free(command);
    return err ? wrong(diag, err, "a node that runs", o->node) : hear(out, end_ns, diag);
}

void pxi_reduce_grant_free(struct pxi_reduce_grant *g)
{
    if (g->seat)
        px_control_close(g->seat);
    json_decref(g->order);
    OPENSSL_cleanse(g->secret, sizeof g->secret);
    *g = (struct pxi_reduce_grant){.seat = NULL};
}
