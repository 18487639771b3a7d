/* The node: puts loop, host, transports and services together, and takes them apart again. */
#include "plexus/node.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/mem.h"
#include "io/systemd.h"
#include "net/limits.h"
#include "node/call.h"
#include "node/http_serve.h"
#include "plexus/version.h"

enum { SPIN_US = 50 };

void pxi_node_note(px_node *n, const char *text)
{
    json_array_append_new(n->notes, json_string(text));
}

static void on_stop(uv_async_t *a)
{
    px_node *n = a->data;
    n->stopping = true;
    pxi_loop_stop(n->loop);
}

/* Offered secure channels: TLS first, because AES is faster than ChaCha where there is hardware. */
static px_err set_security(px_node *n, const char *text, px_diag *d)
{
    unsigned count = 0;
    for (const char *p = text ? text : "tls,noise"; *p && count < 2;) {
        size_t len = strcspn(p, ",");
        if (len == 5 && strncmp(p, "noise", len) == 0)
            n->upgrader.security[count++] = PXI_SECURITY_NOISE;
        else if (len == 3 && strncmp(p, "tls", len) == 0)
            n->upgrader.security[count++] = PXI_SECURITY_TLS;
        else
            break;
        p += len + (p[len] == ',');
    }
    pxi_diag_field(d, "security");
    return count ? PX_ERR_OK
                 : pxi_diag_set(d, PX_ERR_INVALID, 0, "noise, tls, or both", "%s", text);
}

static px_err open_host(px_node *n, const px_node_options *o, px_diag *d)
{
    char agent[128];
    snprintf(agent, sizeof agent, "plexus/%s", px_version());
    n->agent = pxi_strdup_view(px_view_str(o->agent ? o->agent : agent));
    px_err err = n->agent ? pxi_identity_load(o, &n->key, d) : PX_ERR_NOMEM;
    if (err == PX_ERR_OK)
        err = pxi_cert_new(n->key, pxi_random_system(), pxi_clock_wall_s(), &n->cert);
    if (err != PX_ERR_OK)
        return err;
    struct pxi_net_limits limits = pxi_net_limits_default();
    if (o->interop)
        limits.conns_peer = limits.conns_in; /* one test peer may hold thousands */
    struct pxi_host_options ho = {
        .key = n->key,
        .limits = &limits,
        .timers = pxi_loop_timers(n->loop),
        .random = pxi_random_system(),
        .agent = n->agent,
        .wall_s = pxi_clock_wall_s,
    };
    n->host = pxi_host_new(&ho);
    if (!n->host)
        return PX_ERR_NOMEM;
    struct pxi_shaker_options so = {
        .cert = n->cert, .random = pxi_random_system(), .spare = pxi_host_spare(n->host)};
    err = pxi_shaker_new(&so, &n->shaker);
    n->upgrader.host = n->host;
    n->upgrader.shaker = n->shaker;
    if (err == PX_ERR_OK)
        err = set_security(n, o->security, d);
    if (err == PX_ERR_OK && o->psk_file) {
        err = pxi_psk_load(o->psk_file, n->psk, d);
        n->upgrader.psk = n->psk;
    }
    return err;
}

static px_err announce(px_node *n, const px_node_options *o, px_diag *d)
{
    for (unsigned i = 0; i < o->announce_count; i++) {
        struct pxi_maddr a;
        px_err err = pxi_maddr_parse(px_view_str(o->announce[i]), &a, d);
        if (err == PX_ERR_OK)
            err = pxi_host_addr_add(n->host, pxi_maddr_view(&a), PXI_ADDR_ANNOUNCE);
        if (err != PX_ERR_OK)
            return err;
    }
    return PX_ERR_OK;
}

/* Sockets that the service manager opened for us. */
static px_err adopt_sockets(px_node *n)
{
    enum pxi_activated_kind kind;
    px_err err = PX_ERR_OK;
    int fd;
    for (unsigned i = 0; err == PX_ERR_OK && (fd = pxi_activated(i, &kind)) >= 0; i++) {
        if (kind == PXI_ACTIVATED_TCP)
            err = pxi_tcp_adopt(n->tcp, fd);
        else if (kind == PXI_ACTIVATED_UDP && n->quic)
            err = pxi_quic_io_adopt(n->quic, fd);
        else if (kind == PXI_ACTIVATED_LOCAL && !n->server)
            err = pxi_channel_adopt(n, fd);
    }
    return err;
}

/* The control socket, unless the service manager opened one. Before the services: it is what shows
 * that a node runs in this home already. */
static px_err open_control(px_node *n, const px_node_options *o, px_diag *d)
{
    enum pxi_activated_kind kind;
    for (unsigned i = 0; o->activated && pxi_activated(i, &kind) >= 0; i++)
        if (kind == PXI_ACTIVATED_LOCAL)
            return PX_ERR_OK;
    if (!o->control)
        return PX_ERR_OK;
    n->control = pxi_strdup_view(px_view_str(o->control));
    return n->control ? pxi_channel_listen(n, o->control, d) : PX_ERR_NOMEM;
}

px_err px_node_open(const px_node_options *o, px_node **out, px_diag *d)
{
    px_node *n = pxi_calloc(1, sizeof *n);
    *out = NULL;
    if (!n)
        return PX_ERR_NOMEM;
    pxi_list_init(&n->channels);
    pxi_list_init(&n->calls);
    px_err err = pxi_loop_open(&n->loop);
    if (err != PX_ERR_OK) {
        pxi_free(n);
        return err;
    }
    if (o->spin_us >= 0)
        pxi_loop_spin(n->loop, (o->spin_us ? (uint64_t)o->spin_us : SPIN_US) * 1000);
    n->notes = json_array();
    n->stop.data = n;
    uv_async_init(pxi_loop_uv(n->loop), &n->stop, on_stop);
    err = open_host(n, o, d);
    if (err == PX_ERR_OK)
        err = open_control(n, o, d);
    if (err == PX_ERR_OK)
        err = pxi_services_start(n, o, d);
    if (err == PX_ERR_OK)
        err = announce(n, o, d);
    if (err == PX_ERR_OK && o->activated)
        err = adopt_sockets(n);
    if (err == PX_ERR_OK)
        err = pxi_http_serve_open(n, o, d);
    n->activated = o->activated;
    if (err == PX_ERR_OK)
        *out = n;
    else
        px_node_close(n);
    return err;
}

void px_node_close(px_node *n)
{
    if (!n)
        return;
    n->stopping = true;
    while (!pxi_list_empty(&n->calls))
        pxi_call_end(PXI_OF(n->calls.next, struct pxi_call, link));
    pxi_http_serve_close(n->http);
    pxi_channels_close(n);
    if (n->host)
        pxi_services_stop(n);
    if (n->host)
        pxi_host_close(n->host);
    pxi_transports_free(n);
    pxi_host_free(n->host);
    uv_close((uv_handle_t *)&n->stop, NULL);
    pxi_loop_close(n->loop);
    pxi_shaker_free(n->shaker);
    pxi_cert_free(n->cert);
    pxi_key_free(n->key);
    json_decref(n->notes);
    pxi_free(n->agent);
    pxi_free(n->control);
    pxi_free(n);
}

char *px_node_ready(px_node *n)
{
    json_t *doc = pxi_json_ready(n);
    char *text = pxi_json_dump(doc);
    json_decref(doc);
    return text;
}

void px_node_run(px_node *n)
{
    if (n->activated)
        pxi_notify("READY=1");
    if (!n->stopping)
        pxi_loop_run(n->loop);
    if (n->activated)
        pxi_notify("STOPPING=1");
}

void px_node_stop(px_node *n)
{
    uv_async_send(&n->stop);
}
