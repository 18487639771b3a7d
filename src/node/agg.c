/* The process that holds the kernel's aggregator: loads, attaches, answers, lets go. It parses no
 * packet. */
#include <arpa/inet.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "codec/gradient.h"
#include "io/lines.h"
#include "io/xdp.h"
#include "plexus/agg.h"
#include "reduce/group.h"

enum { AGGREGATOR = 64, LOOK_MS = 100, PROBE = 2000, CLIENTS = 8 };

struct agg {
    px_agg_options o;
    struct pxi_xdp *xdp;
    struct pxi_loop *loop;
    struct pxi_lines_server *server;
    struct pxi_lines *clients[CLIENTS];
    uv_timer_t look;
    const volatile int *stop;
    uint64_t mismatches, since_ns;
};

/* The time under which a share of the timed packets lies: the upper end of its power of two. */
static double quantile(const struct pxi_bpf_counts *c, double share)
{
    uint64_t all = 0, sum = 0;
    for (unsigned i = 0; i < PXI_BPF_TIMES; i++)
        all += c->times[i];
    for (unsigned i = 0; i < PXI_BPF_TIMES; i++) {
        sum += c->times[i];
        if (all && (double)sum >= share * (double)all)
            return (double)(UINT64_C(2) << i);
    }
    return 0;
}

static void put(json_t *o, const char *name, uint64_t v)
{
    json_object_set_new(o, name, json_integer((json_int_t)v));
}

static json_t *drops_of(const struct pxi_bpf_counts *c)
{
    static const char *const names[] = PX_GRADIENT_DROP_NAMES;
    json_t *o = json_object();
    for (unsigned i = 0; i < PX_GRADIENT_DROPS; i++)
        put(o, names[i], c->drops[i]);
    put(o, "busy", c->busy);
    put(o, "stuck", c->stuck);
    return o;
}

static char *stat_of(const struct agg *a)
{
    static const char *const rungs[] = {"loaded", "native", "generic"};
    struct pxi_bpf_counts c;
    json_t *o = json_object();
    uint64_t received = pxi_xdp_received(a->xdp);
    pxi_xdp_counts(a->xdp, &c);
    json_object_set_new(o, "ok", json_true());
    json_object_set_new(o, "device", json_string(a->o.device));
    json_object_set_new(o, "rung", json_string(rungs[pxi_xdp_rung(a->xdp)]));
    json_object_set_new(o, "said", json_string(pxi_xdp_said(a->xdp)));
    put(o, "packets", c.packets);
    put(o, "summed", c.added);
    put(o, "passed", received > c.packets ? received - c.packets : 0);
    json_object_set_new(o, "dropped", drops_of(&c));
    put(o, "wakeups", c.wakeups);
    put(o, "mismatches", a->mismatches);
    put(o, "finished", c.finished);
    put(o, "closed", c.closed);
    put(o, "again", c.again);
    put(o, "answered_one", c.answered[0]);
    put(o, "answered_all", c.answered[1]);
    put(o, "slots", a->o.worker_count ? a->o.slots : 0);
    json_object_set_new(o, "ns_p50", json_real(quantile(&c, 0.5)));
    json_object_set_new(o, "ns_p99", json_real(quantile(&c, 0.99)));
    json_object_set_new(o, "seconds", json_real((double)(pxi_clock_ns() - a->since_ns) * 1e-9));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static void on_line(struct pxi_lines *l, const char *text, size_t n)
{
    struct agg *a = pxi_lines_user(l);
    json_t *in = json_loadb(text, n, 0, NULL);
    const char *op = json_string_value(json_object_get(in, "op"));
    bool ends = op && strcmp(op, "detach") == 0;
    char *reply = op && (ends || strcmp(op, "stat") == 0) ? stat_of(a) : NULL;
    const char *out = reply ? reply : "{\"ok\":false,\"error\":\"no such command\"}";
    pxi_lines_send(l, out, strlen(out));
    free(reply);
    json_decref(in);
    if (ends)
        pxi_loop_stop(a->loop);
}

static void on_ended(struct pxi_lines *l)
{
    struct agg *a = pxi_lines_user(l);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (a->clients[i] == l)
            a->clients[i] = NULL;
    pxi_lines_close(l);
}

static void on_client(void *ctx, int fd)
{
    static const struct pxi_lines_events on = {on_line, on_ended};
    struct agg *a = ctx;
    unsigned i = 0;
    while (i < CLIENTS && a->clients[i])
        i++;
    if (i == CLIENTS)
        close(fd);
    else
        a->clients[i] = pxi_lines_open(a->loop, fd, fd, true, &on, a);
}

static void on_look(uv_timer_t *t)
{
    struct agg *a = t->data;
    if (*a->stop)
        pxi_loop_stop(a->loop);
}

static px_err ipv4(const char *text, uint32_t *out, const char *field, px_diag *diag)
{
    struct in_addr a;
    if (inet_pton(AF_INET, text, &a) != 1) {
        pxi_diag_field(diag, "%s", field);
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "an IPv4 address", "%s", text);
    }
    *out = a.s_addr;
    return PX_ERR_OK;
}

/* The Ethernet address of a group: of multicast (RFC 1112), or of broadcast. */
static void group_mac(uint32_t address, uint8_t mac[6])
{
    uint32_t host = ntohl(address);
    if (host >> 28 != 14) {
        memset(mac, 0xff, 6);
        return;
    }
    mac[0] = 1;
    mac[1] = 0;
    mac[2] = 0x5e;
    mac[3] = host >> 16 & 0x7f;
    mac[4] = (uint8_t)(host >> 8);
    mac[5] = (uint8_t)host;
}

static px_err begin_job(struct agg *a, px_diag *diag)
{
    const px_agg_options *o = &a->o;
    uint32_t addresses[PX_GRADIENT_WORKERS] = {0};
    uint8_t secrets[PXI_BPF_MEMBERS][PXI_TAG_SECRET];
    struct pxi_xdp_job j = {.job = o->job,
                            .format = o->bits == 8   ? PX_GRADIENT_I8
                                      : o->bits == 4 ? PX_GRADIENT_I4
                                                     : PX_GRADIENT_I16,
                            .slots = o->slots,
                            .values = (uint16_t)o->values,
                            .fan_in = (uint8_t)o->worker_count,
                            .members = o->worker_count < 64 ? (UINT64_C(1) << o->worker_count) - 1
                                                            : UINT64_MAX,
                            .quorum = o->worker_count / 2 + 1,
                            .deadline_ns = UINT64_C(1000000) * o->deadline_ms,
                            .chunks = o->chunks,
                            .group_port = (uint16_t)o->group_port,
                            .secrets = (const uint8_t(*)[PXI_TAG_SECRET])secrets,
                            .addresses = addresses};
    px_err err = PX_ERR_OK;
    if (o->worker_count > PX_GRADIENT_WORKERS || !o->secret || !o->group) {
        pxi_diag_field(diag, "job");
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "64 workers at most, a secret and a group",
                            "%u workers", o->worker_count);
    }
    for (unsigned i = 0; i < o->worker_count && !err; i++)
        err = ipv4(o->workers[i], &addresses[i], "worker", diag);
    if (!err)
        err = ipv4(o->group, &j.group_address, "group", diag);
    for (unsigned i = 0; i < PXI_BPF_MEMBERS; i++)
        pxi_group_secret(o->secret, i, AGGREGATOR, secrets[i]);
    group_mac(j.group_address, j.group_mac);
    if (!err)
        err = pxi_xdp_begin(a->xdp, &j, diag);
    explicit_bzero(secrets, sizeof secrets);
    return err;
}

static px_err open_all(struct agg *a, const char *path, px_diag *diag)
{
    px_agg_options *o = &a->o;
    px_agg_report probe;
    struct pxi_xdp_options x = {.device = o->device,
                                .generic = o->generic,
                                .port = (uint16_t)o->port,
                                .values = (uint16_t)o->values,
                                .jobs = o->jobs,
                                .slots = o->slots,
                                .chunks = o->chunks,
                                .steered = o->steered};
    px_err err = o->address ? ipv4(o->address, &x.address, "address", diag) : PX_ERR_OK;
    if (!err)
        err = pxi_loop_open(&a->loop);
    if (!err && (err = pxi_lines_listen(a->loop, path, on_client, a, &a->server))) {
        pxi_diag_field(diag, "agg");
        return pxi_diag_set(diag, err, 0, "no other aggregator in this home", "%s", path);
    }
    /* The same program as a device gets, on some packets, before it sees any of others. */
    if (!err)
        err = px_agg_verify(PROBE, 1, &probe, diag);
    if (!err) {
        a->mismatches = probe.mismatches;
        err = pxi_xdp_open(&x, &a->xdp, diag);
    }
    return !err && o->worker_count ? begin_job(a, diag) : err;
}

static void close_all(struct agg *a)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (a->clients[i])
            pxi_lines_close(a->clients[i]);
    if (a->server)
        pxi_lines_server_close(a->server);
    pxi_xdp_close(a->xdp);
    if (a->loop)
        pxi_loop_close(a->loop);
}

static void defaults(px_agg_options *o)
{
    o->values = o->values ? o->values : 688;
    o->slots = o->slots ? o->slots : 256;
    o->chunks = o->chunks ? o->chunks : 4096;
    o->jobs = o->jobs ? o->jobs : 1;
    o->deadline_ms = o->deadline_ms ? o->deadline_ms : 2000;
    o->group_port = o->group_port ? o->group_port : o->port;
}

px_err px_agg_serve(const px_agg_options *o, const char *path,
                    void (*ready)(void *ctx, const char *json), void *ctx, const volatile int *stop,
                    px_diag *diag)
{
    struct agg a = {.o = *o, .stop = stop, .since_ns = pxi_clock_ns()};
    defaults(&a.o);
    px_err err = open_all(&a, path, diag);
    if (!err) {
        char *text = stat_of(&a);
        ready(ctx, text);
        free(text);
        uv_timer_init(pxi_loop_uv(a.loop), &a.look);
        a.look.data = &a;
        uv_timer_start(&a.look, on_look, LOOK_MS, LOOK_MS);
        pxi_loop_run(a.loop);
        uv_close((uv_handle_t *)&a.look, NULL);
    }
    close_all(&a);
    return err;
}
