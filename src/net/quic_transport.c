#include "net/quic_transport.h"

#include "base/mem.h"
#include "net/limits.h"

/* A dial under way: transport_data of a pxi_dial. */
struct attempt {
    struct pxi_dial *dial;
    struct pxi_quic_conn *conn; /* NULL: it could not start */
    struct pxi_list link;
    px_err err;
};

static bool can_dial(struct pxi_transport *pt, const struct pxi_endpoint *e)
{
    struct pxi_udp_addr a;
    return pxi_udp_addr_of(e, &a);
}

static void attempt_free(struct attempt *a)
{
    if (a->dial)
        a->dial->transport_data = NULL;
    pxi_list_remove(&a->link);
    pxi_free(a);
}

static void on_timer(struct pxi_timer *timer, uint64_t now_ns)
{
    struct pxi_quic_transport *t = PXI_OF(timer, struct pxi_quic_transport, timer);
    while (!pxi_list_empty(&t->failed)) {
        struct attempt *a = PXI_OF(t->failed.next, struct attempt, link);
        struct pxi_dial *d = a->dial;
        px_err err = a->err;
        attempt_free(a);
        pxi_dial_done(d, NULL, err);
    }
}

static void dial(struct pxi_transport *pt, struct pxi_dial *d)
{
    struct pxi_quic_transport *t = PXI_OF(pt, struct pxi_quic_transport, transport);
    struct attempt *a = pxi_calloc(1, sizeof *a);
    struct pxi_endpoint e;
    struct pxi_udp_addr to;
    if (!a)
        return; /* the host's own deadline ends it */
    a->dial = d;
    pxi_list_init(&a->link);
    d->transport_data = a;
    a->err = PX_ERR_UNSUPPORTED;
    if (pxi_endpoint_of(pxi_maddr_view(&d->addr), &e) == PX_ERR_OK && pxi_udp_addr_of(&e, &to)) {
        struct pxi_quic *q = t->pick(t, &to, d->fresh_port);
        if (q)
            a->err = pxi_quic_dial(q, &to, &d->peer, a, &a->conn);
    }
    if (a->err) {
        pxi_list_add(&t->failed, &a->link);
        pxi_timer_after(pxi_host_timers(t->host), &t->timer, 0);
    }
}

static void cancel(struct pxi_transport *pt, struct pxi_dial *d)
{
    struct attempt *a = d->transport_data;
    if (!a)
        return;
    if (a->conn)
        pxi_quic_dial_cancel(a->conn);
    attempt_free(a);
}

px_err pxi_quic_transport_accepted(struct pxi_quic_transport *t, struct pxi_conn *c)
{
    struct pxi_endpoint e;
    px_err err = pxi_endpoint_of(pxi_maddr_view(&c->remote), &e);
    if (err == PX_ERR_OK)
        err = pxi_scope_conn_open(pxi_host_limiter(t->host), false, &e, &c->scope);
    return err != PX_ERR_OK ? err : pxi_host_add_conn(t->host, c);
}

void pxi_quic_transport_dialled(struct pxi_quic_transport *t, void *user, struct pxi_conn *c,
                                px_err err)
{
    struct attempt *a = user;
    struct pxi_dial *d = a->dial;
    attempt_free(a);
    pxi_dial_done(d, c, err);
}

void pxi_quic_transport_init(struct pxi_quic_transport *t, struct pxi_host *h)
{
    t->host = h;
    t->transport.name = "quic-v1";
    t->transport.can_dial = can_dial;
    t->transport.dial = dial;
    t->transport.cancel = cancel;
    t->timer.fire = on_timer;
    pxi_list_init(&t->failed);
    pxi_host_transport(h, &t->transport);
}

void pxi_quic_transport_deinit(struct pxi_quic_transport *t)
{
    while (!pxi_list_empty(&t->failed))
        attempt_free(PXI_OF(t->failed.next, struct attempt, link));
    pxi_timer_disarm(pxi_host_timers(t->host), &t->timer);
}
