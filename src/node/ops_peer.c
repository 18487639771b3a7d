/* Operations on one peer: dial, ping, identify, hangup, handshakes. */
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "codec/messages.h"
#include "net/ping.h"
#include "node/call.h"

static void dialled(struct pxi_call *c, struct pxi_conn *conn)
{
    json_t *out = pxi_json_conn(conn);
    json_object_set_new(out, "ms", json_real(pxi_call_ms(c)));
    pxi_call_ok(c, out);
}

static void op_dial(struct pxi_call *c)
{
    pxi_call_meet(c, pxi_call_true(c, "force"), dialled);
}

static void op_hangup(struct pxi_call *c)
{
    struct pxi_peer p;
    if (!pxi_call_peer(c, &p))
        return;
    pxi_host_hangup(c->node->host, &p);
    pxi_call_ok(c, NULL);
}

/* ----------------------------------------------------------------------- ping */

struct pinging {
    struct pxi_ping *ping;
    json_t *ms;
    uint64_t left;
};

static void ping_drop(struct pxi_call *c)
{
    struct pinging *p = c->state;
    if (p->ping)
        pxi_ping_close(p->ping);
    json_decref(p->ms);
    pxi_free(p);
}

static void pong(void *ctx, uint64_t rtt_ns, px_err err)
{
    struct pxi_call *c = ctx;
    struct pinging *p = c->state;
    if (err != PX_ERR_OK) {
        p->ping = NULL;
        pxi_call_fail(c, err, NULL);
        return;
    }
    json_array_append_new(p->ms, json_real((double)rtt_ns / 1e6));
    if (--p->left)
        pxi_ping_send(p->ping, 10 * PXI_SECOND);
    else
        pxi_call_ok(c, json_pack("{s:O}", "ms", p->ms));
}

static void ping_on(struct pxi_call *c, struct pxi_conn *conn)
{
    struct pinging *p = pxi_calloc(1, sizeof *p);
    if (!p) {
        pxi_call_fail(c, PX_ERR_NOMEM, NULL);
        return;
    }
    c->state = p;
    c->drop = ping_drop;
    p->ms = json_array();
    p->left = pxi_call_uint(c, "count", 3);
    p->left = p->left ? p->left : 1;
    p->ping = pxi_ping_open(conn, pong, c);
    if (p->ping)
        pxi_ping_send(p->ping, 10 * PXI_SECOND);
    else
        pxi_call_fail(c, PX_ERR_LIMIT, NULL);
}

static void op_ping(struct pxi_call *c)
{
    pxi_call_meet(c, false, ping_on);
}

/* ------------------------------------------------------------------- identify */

static json_t *addr_list(const struct pxi_pb_list *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < list->n; i++) {
        px_view a = *PXI_PB_AT(*list, px_view, i);
        if (pxi_maddr_check(a, NULL) == PX_ERR_OK)
            json_array_append_new(out, pxi_json_addr(a, NULL));
    }
    return out;
}

static bool identified(struct pxi_call *c, json_t *out)
{
    px_view message = pxi_peer_identify(c->node->host, &c->reach.peer);
    struct pxi_msg_identify m;
    struct pxi_arena arena;
    bool ok = false;
    if (!message.n)
        return false;
    pxi_arena_init(&arena, 4 * PXI_LIMIT_IDENTIFY_BYTES);
    if (pxi_pb_decode(&pxi_pb_identify, message, &arena, &m, NULL) == PX_ERR_OK) {
        json_t *protocols = json_array();
        for (size_t i = 0; i < m.protocols.n; i++)
            json_array_append_new(protocols, pxi_json_text(*PXI_PB_AT(m.protocols, px_view, i)));
        json_object_set_new(out, "agent", pxi_json_text(m.agent_version));
        json_object_set_new(out, "protocol", pxi_json_text(m.protocol_version));
        json_object_set_new(out, "protocols", protocols);
        json_object_set_new(out, "listen", addr_list(&m.listen_addrs));
        bool seen = m.observed_addr.n && pxi_maddr_check(m.observed_addr, NULL) == PX_ERR_OK;
        json_object_set_new(out, "observed",
                            seen ? pxi_json_addr(m.observed_addr, NULL) : json_null());
        json_object_set_new(out, "signedRecord", json_boolean(m.signed_peer_record.n > 0));
        ok = true;
    }
    pxi_arena_deinit(&arena);
    return ok;
}

static void op_identify(struct pxi_call *c)
{
    if (pxi_call_peer(c, &c->reach.peer))
        pxi_call_wait(c, 5000, identified);
}

/* ----------------------------------------------------------------- handshakes */

struct shaking {
    uint64_t n, done, began_ns;
    double *each;
};

static void shake_drop(struct pxi_call *c)
{
    struct shaking *s = c->state;
    pxi_free(s->each);
    pxi_free(s);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void shaken(struct pxi_call *c, struct pxi_conn *conn)
{
    struct shaking *s = c->state;
    s->each[s->done++] = pxi_ms_since(c->node, s->began_ns);
    conn->closing = true;
    conn->ops->close(conn, PX_ERR_OK);
    if (s->done < s->n) {
        s->began_ns = pxi_loop_now(c->node->loop);
        pxi_call_meet(c, true, shaken);
        return;
    }
    qsort(s->each, s->n, sizeof *s->each, by_value);
    double seconds = pxi_call_ms(c) / 1e3;
    pxi_call_ok(c, json_pack("{s:I, s:f, s:f}", "n", (json_int_t)s->n, "perSecond",
                             (double)s->n / seconds, "medianMs", s->each[s->n / 2]));
}

static void op_handshakes(struct pxi_call *c)
{
    struct shaking *s = pxi_calloc(1, sizeof *s);
    uint64_t n = pxi_call_uint(c, "n", 50);
    if (!n || n > 1000000 || !s || !(s->each = pxi_calloc(n, sizeof *s->each))) {
        pxi_free(s);
        pxi_call_fail(c, PX_ERR_INVALID, NULL);
        return;
    }
    s->n = n;
    s->began_ns = c->started_ns;
    c->state = s;
    c->drop = shake_drop;
    pxi_call_meet(c, true, shaken);
}

/* ----------------------------------------------------------------------- hold */

/* Connections, one after the other, that stay open. */
struct holding {
    uint64_t left;
};

static void hold_drop(struct pxi_call *c)
{
    pxi_free(c->state);
}

/* After a while of silence: how many live? */
static void hold_over(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_call *c = PXI_OF(t, struct pxi_call, timer);
    struct pxi_list *conns = pxi_host_conns(c->node->host);
    uint64_t held = 0;
    for (struct pxi_list *l = conns->next; l != conns; l = l->next) {
        struct pxi_conn *conn = PXI_OF(l, struct pxi_conn, link);
        held += conn->outbound && !conn->closing && pxi_peer_equal(&conn->peer, &c->reach.peer);
    }
    pxi_call_ok(c, json_pack("{s:I, s:f}", "held", (json_int_t)held, "ms", pxi_call_ms(c)));
}

static void held(struct pxi_call *c, struct pxi_conn *conn)
{
    struct holding *s = c->state;
    c->reach.peer = conn->peer;
    if (--s->left) {
        pxi_call_meet(c, true, held);
        return;
    }
    c->timer.fire = hold_over;
    pxi_timer_after(pxi_loop_timers(c->node->loop), &c->timer,
                    pxi_call_uint(c, "wait", 1000) % 3600000 * PXI_MS);
}

static void op_hold(struct pxi_call *c)
{
    struct holding *s = pxi_calloc(1, sizeof *s);
    if (!s) {
        pxi_call_fail(c, PX_ERR_NOMEM, NULL);
        return;
    }
    s->left = pxi_call_uint(c, "n", 1);
    s->left = s->left ? s->left : 1;
    c->state = s;
    c->drop = hold_drop;
    pxi_call_meet(c, true, held);
}

const struct pxi_op pxi_ops_peer[] = {
    {"dial", op_dial},
    {"hangup", op_hangup},
    {"ping", op_ping},
    {"identify", op_identify},
    {"handshakes", op_handshakes},
    {"hold", op_hold},
    {NULL, NULL},
};
