/* The process that holds the kernel's aggregator: loads, attaches, answers, lets go. It parses no
 * packet. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "codec/gradient.h"
#include "codec/muster.h"
#include "node/agg_impl.h"
#include "reduce/group.h"

enum { AGGREGATOR = 64, LOOK_MS = 100, PROBE = 2000, NAMED = 4 /* companies, of jobs by name */ };

/* -------------------------------------------------------------- clients */

static struct pxi_agg_client *client_of(struct pxi_agg *a, const struct pxi_lines *l)
{
    for (unsigned i = 0; i < PXI_AGG_CLIENTS; i++)
        if (a->clients[i].lines == l)
            return &a->clients[i];
    return NULL;
}

static void answer(struct pxi_agg *a, struct pxi_lines *l, const char *op)
{
    static const char no[] = "{\"ok\":false,\"error\":\"no such command\"}";
    bool ends = strcmp(op, "detach") == 0, traces = strcmp(op, "trace") == 0;
    char *reply = ends || traces || strcmp(op, "stat") == 0 ? pxi_agg_stat(a) : NULL;
    if (reply)
        pxi_lines_send(l, reply, strlen(reply));
    else
        pxi_lines_send(l, no, sizeof no - 1);
    free(reply);
    if (traces)
        pxi_agg_trace(a, client_of(a, l));
    if (ends)
        pxi_loop_stop(a->loop);
}

static void on_line(struct pxi_lines *l, const char *text, size_t n)
{
    json_t *in = json_loadb(text, n, 0, NULL);
    const char *op = json_string_value(json_object_get(in, "op"));
    answer(pxi_lines_user(l), l, op ? op : "");
    json_decref(in);
}

static void on_ended(struct pxi_lines *l)
{
    *client_of(pxi_lines_user(l), l) = (struct pxi_agg_client){0};
    pxi_lines_close(l);
}

static void on_client(void *ctx, int fd)
{
    static const struct pxi_lines_events on = {on_line, on_ended};
    struct pxi_agg *a = ctx;
    struct pxi_agg_client *place = client_of(a, NULL);
    if (place)
        place->lines = pxi_lines_open(a->loop, fd, fd, true, &on, a);
    else
        close(fd);
}

/* The program is gone: a socket goes on, at the port from which sums were sent. */
static void take_over(struct pxi_agg *a)
{
    if (a->sums) {
        uv_poll_stop(&a->wakes);
        pxi_sums_work(a->sums);
        pxi_sums_unbind(a->sums);
    }
    a->given_up = !pxi_agg_sockets_open(a);
}

/* Jobs by name do not wait for a program that is gone: they go on without us. */
static void look(struct pxi_agg *a)
{
    bool adds = pxi_xdp_attached(a->xdp);
    pxi_loop_now(a->loop);
    if (!adds)
        adds = pxi_agg_again(a);
    if (!adds && a->jobs)
        a->given_up = true;
    else if (!adds && !a->sockets && !a->given_up)
        take_over(a);
    if (a->jobs)
        pxi_agg_jobs_look(a->jobs, adds);
}

static void on_look(uv_timer_t *t)
{
    struct pxi_agg *a = t->data;
    if (*a->stop)
        pxi_loop_stop(a->loop);
    else
        look(a);
}

static void on_wake(uv_poll_t *p, int status, int events)
{
    struct pxi_agg *a = p->data;
    pxi_loop_now(a->loop);
    pxi_sums_work(a->sums);
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

/* Who is in a job, and where its sums go. */
static px_err addresses_of(const px_agg_options *o, uint32_t *workers, uint32_t *group,
                           px_diag *diag)
{
    px_err err = PX_ERR_OK;
    if (o->worker_count > PX_GRADIENT_WORKERS || !o->secret || (!o->group && !o->server)) {
        pxi_diag_field(diag, "job");
        return pxi_diag_set(diag, PX_ERR_INVALID, 0,
                            "64 workers at most, a secret, and a group or mode server",
                            "%u workers", o->worker_count);
    }
    for (unsigned i = 0; i < o->worker_count && !err; i++)
        err = ipv4(o->workers[i], &workers[i], "worker", diag);
    if (!err && o->group)
        err = ipv4(o->group, group, "group", diag);
    return err;
}

/* User space sends the sums of the job: to its group, or to each worker. */
static px_err serve_job(struct pxi_agg *a, const struct pxi_xdp_job *j, px_diag *diag)
{
    struct pxi_sums_job s = {.job = j->job,
                             .shard = j->shard,
                             .addresses = j->group_address ? &j->group_address : j->addresses,
                             .n = j->group_address ? 1 : a->o.worker_count,
                             .port = j->group_port,
                             .secret = j->secrets[PXI_BPF_MEMBERS - 1]};
    px_err err = pxi_sums_add(a->sums, &s);
    pxi_diag_field(diag, "job");
    return err ? pxi_diag_set(diag, err, 0, "an address for each worker", "%u workers", s.n) : err;
}

static px_err begin_job(struct pxi_agg *a, px_diag *diag)
{
    const px_agg_options *o = &a->o;
    uint32_t addresses[PX_GRADIENT_WORKERS] = {0};
    uint8_t secrets[PXI_BPF_MEMBERS][PXI_TAG_SECRET];
    struct pxi_xdp_job j = {.job = o->job,
                            .epoch = PXI_AGG_EPOCH,
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
                            .slack_ns = UINT64_C(1000000) * o->slack_ms,
                            .chunks = o->chunks,
                            .mode = o->server ? PXI_BPF_SERVER : PXI_BPF_SWITCH,
                            .group_port = (uint16_t)o->group_port,
                            .secrets = (const uint8_t(*)[PXI_TAG_SECRET])secrets,
                            .addresses = addresses};
    px_err err = addresses_of(o, addresses, &j.group_address, diag);
    if (err)
        return err;
    for (unsigned i = 0; i < PXI_BPF_MEMBERS; i++)
        pxi_group_secret(o->secret, i, AGGREGATOR, secrets[i]);
    group_mac(j.group_address, j.group_mac);
    if (a->sums)
        err = serve_job(a, &j, diag);
    if (!err)
        err = pxi_xdp_begin(a->xdp, &j, diag);
    explicit_bzero(secrets, sizeof secrets);
    return err;
}

/* Listen to the ring of finished slots. */
static px_err open_sums(struct pxi_agg *a, uint32_t address, px_diag *diag)
{
    pxi_kernels_init(&a->kernels, pxi_cpu_detect());
    px_err err = pxi_sums_open(a->xdp, address, (uint16_t)a->o.port, a->kernels.tag_nh, &a->sums);
    if (err) {
        pxi_diag_field(diag, "port");
        return pxi_diag_set(diag, err, 0, "a free UDP port", "%u: %s", a->o.port, strerror(errno));
    }
    uv_poll_init(pxi_loop_uv(a->loop), &a->wakes, pxi_xdp_wakes(a->xdp));
    a->wakes.data = a;
    a->wake = on_wake;
    uv_poll_start(&a->wakes, UV_READABLE, a->wake);
    return err;
}

/* Fewer workers than clip1 needs have no majority to go by. */
static void choose_sentry(struct pxi_agg *a)
{
    px_agg_options *o = &a->o;
    bool asked = o->sentry && strcmp(o->sentry, "auto") != 0;
    a->sentry_why = asked                                 ? "asked for"
                    : o->worker_count >= PX_SENTRY_FAN_IN ? "the default"
                    : o->name_count                       ? "the default, of 4 workers or more"
                    : o->worker_count                     ? "a rule needs 4 workers"
                                                          : "no job yet";
    if (!asked)
        o->sentry = o->worker_count >= PX_SENTRY_FAN_IN || o->name_count ? "clip1" : "none";
}

static px_err read_sentry(const px_agg_options *o, struct pxi_xdp_options *x, px_diag *diag)
{
    const char *name = o->sentry;
    pxi_diag_field(diag, "sentry");
    if (strcmp(name, "clip1") == 0)
        x->sentry = PX_SENTRY_CLIP1;
    else if (strcmp(name, "welford") == 0)
        x->sentry = PX_SENTRY_WELFORD;
    else if (strcmp(name, "none") != 0)
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "auto, none, clip1, welford", "%s", name);
    if (!(o->sentry_k >= 0 && o->sentry_k <= PX_SENTRY_K_MAX / 4.0))
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "a k of 0 to 15.75", "%g", o->sentry_k);
    if (x->sentry && o->worker_count && o->worker_count < PX_SENTRY_FAN_IN)
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "4 workers or more", "%u", o->worker_count);
    x->k = (unsigned)(o->sentry_k * 4 + 0.5);
    x->clip = o->sentry_clip != 0;
    return PX_ERR_OK;
}

static px_err check_names(const px_agg_options *o, px_diag *diag)
{
    bool ok = o->name_count <= PXI_AGG_NAMES && o->node && o->address && o->address[0] &&
              !o->worker_count && !o->group && strcmp(o->address, "0.0.0.0") != 0;
    for (unsigned i = 0; i < o->name_count && ok; i++)
        ok = pxi_muster_name(px_view_str(o->names[i]));
    pxi_diag_field(diag, "name");
    return ok ? PX_ERR_OK
              : pxi_diag_set(diag, PX_ERR_INVALID, 0,
                             "16 names at most, the address where workers find us, no workers and "
                             "no group",
                             "another");
}

static px_err open_all(struct pxi_agg *a, const char *path, px_diag *diag)
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
                                .steered = o->steered,
                                .helper = o->helper};
    px_err err = o->address ? ipv4(o->address, &x.address, "address", diag) : PX_ERR_OK;
    if (!err && o->name_count)
        err = check_names(o, diag);
    if (!err)
        err = read_sentry(o, &x, diag);
    if (!err)
        err = pxi_loop_open(&a->loop);
    if (!err && (err = pxi_lines_listen(a->loop, path, on_client, a, &a->server))) {
        pxi_diag_field(diag, "agg");
        return pxi_diag_set(diag, err, 0, "no other aggregator in this home", "%s", path);
    }
    /* The same program as a device gets, on some packets, before it sees any of others. */
    if (!err)
        err = px_agg_verify(PROBE, 1, o->sentry, o->helper, &probe, diag);
    if (!err) {
        a->mismatches = probe.mismatches;
        a->packet_ns = (unsigned)probe.ns;
        err = pxi_xdp_open(&x, &a->xdp, diag);
    }
    if (!err && (o->server || o->name_count))
        err = open_sums(a, x.address, diag);
    if (!err && o->name_count && !(a->jobs = pxi_agg_jobs_open(a)))
        err = PX_ERR_NOMEM;
    return !err && o->worker_count ? begin_job(a, diag) : err;
}

static void close_all(struct pxi_agg *a)
{
    pxi_agg_again_end(a);
    for (unsigned i = 0; i < PXI_AGG_CLIENTS; i++)
        if (a->clients[i].lines)
            pxi_lines_close(a->clients[i].lines);
    if (a->sums)
        uv_close((uv_handle_t *)&a->wakes, NULL);
    if (a->sockets)
        pxi_agg_sockets_stop(a->sockets);
    if (a->jobs)
        pxi_agg_jobs_stop(a->jobs);
    if (a->server)
        pxi_lines_server_close(a->server);
    if (a->loop)
        pxi_loop_close(a->loop);
    pxi_sums_close(a->sums);
    pxi_agg_sockets_free(a->sockets);
    pxi_agg_jobs_free(a->jobs);
    pxi_xdp_close(a->xdp);
}

px_err px_agg_sweep(const char *device, unsigned *swept, px_diag *diag)
{
    return pxi_xdp_sweep(device, swept, diag);
}

static void defaults(struct pxi_agg *a)
{
    px_agg_options *o = &a->o;
    choose_sentry(a);
    o->values = o->values ? o->values : 688;
    o->slots = o->slots ? o->slots : 256;
    o->chunks = o->chunks ? o->chunks : 4096;
    o->jobs = o->jobs ? o->jobs : o->name_count ? NAMED : 1;
    o->slack_ms = o->slack_ms ? o->slack_ms : o->deadline_ms; /* one that is asked for is kept */
    o->deadline_ms = o->deadline_ms ? o->deadline_ms : 2000;
    o->group_port = o->group_port ? o->group_port : o->port;
}

px_err px_agg_serve(const px_agg_options *o, const char *path,
                    void (*ready)(void *ctx, const char *json), void *ctx, const volatile int *stop,
                    px_diag *diag)
{
    struct pxi_agg a = {.o = *o, .stop = stop, .since_ns = pxi_clock_ns()};
    defaults(&a);
    px_err err = open_all(&a, path, diag);
    if (!err) {
        char *text = pxi_agg_stat(&a);
        ready(ctx, text);
        free(text);
        uv_timer_init(pxi_loop_uv(a.loop), &a.look);
        a.look.data = &a;
        uv_timer_start(&a.look, on_look, LOOK_MS, LOOK_MS);
        pxi_agg_trace_init(&a);
        pxi_loop_run(a.loop);
        uv_close((uv_handle_t *)&a.look, NULL);
        uv_close((uv_handle_t *)&a.trace, NULL);
    }
    close_all(&a);
    return err;
}
