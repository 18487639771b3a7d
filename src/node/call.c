#include "node/call.h"

#include "base/diag.h"
#include "base/mem.h"

/* ----------------------------------------------------------------- replies */

char *pxi_json_dump(json_t *doc)
{
    size_t n = json_dumpb(doc, NULL, 0, JSON_COMPACT);
    char *text = n ? pxi_calloc(n + 1, 1) : NULL;
    if (text)
        json_dumpb(doc, text, n, JSON_COMPACT);
    return text;
}

static void send_doc(struct pxi_call *c, json_t *doc)
{
    json_t *id = json_object_get(c->in, "id");
    json_object_set_new(doc, "op", json_string(c->op));
    if (id)
        json_object_set(doc, "id", id);
    char *text = c->channel ? pxi_json_dump(doc) : NULL;
    if (text)
        pxi_channel_send(c->channel, text, strlen(text));
    pxi_free(text);
    json_decref(doc);
}

static void reply(struct pxi_call *c, json_t *doc)
{
    send_doc(c, doc);
    pxi_call_end(c);
}

void pxi_call_progress(struct pxi_call *c, json_t *out)
{
    json_object_set_new(out, "progress", json_true());
    send_doc(c, out);
}

void pxi_call_end(struct pxi_call *c)
{
    pxi_timer_disarm(pxi_loop_timers(c->node->loop), &c->timer);
    pxi_reach_cancel(&c->reach);
    if (c->drop)
        c->drop(c);
    pxi_list_remove(&c->link);
    json_decref(c->in);
    pxi_free(c);
}

void pxi_call_ok(struct pxi_call *c, json_t *out)
{
    json_t *doc = out ? out : json_object();
    json_object_set_new(doc, "ok", json_true());
    reply(c, doc);
}

void pxi_call_fail(struct pxi_call *c, px_err err, const char *why)
{
    json_t *doc = json_object();
    json_object_set_new(doc, "ok", json_false());
    json_object_set_new(doc, "error", json_string(why ? why : px_err_text(err)));
    json_object_set_new(doc, "code", json_string(px_err_code(err)));
    json_object_set_new(doc, "exit", json_integer(px_err_exit(err)));
    reply(c, doc);
}

/* ----------------------------------------------------------------- commands */

static const struct pxi_op *find(const char *name)
{
    const struct pxi_op *const tables[] = {pxi_ops_node,  pxi_ops_peer,   pxi_ops_stream,
                                           pxi_ops_dht,   pxi_ops_gossip, pxi_ops_store,
                                           pxi_ops_swarm, pxi_ops_infer,  pxi_ops_invite,
                                           pxi_ops_drain, pxi_ops_ps,     pxi_ops_reduce};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct pxi_op *o = tables[i]; o->name; o++)
            if (name && strcmp(o->name, name) == 0)
                return o;
    return NULL;
}

void pxi_call_line(px_node *n, struct pxi_channel *from, const char *text, size_t length)
{
    json_error_t error;
    if (!length)
        return;
    json_t *in = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    struct pxi_call *c = pxi_calloc(1, sizeof *c);
    if (!c) {
        json_decref(in);
        return;
    }
    c->node = n;
    c->channel = from;
    c->in = json_is_object(in) ? in : json_object();
    if (c->in != in)
        json_decref(in);
    const char *name = json_string_value(json_object_get(c->in, "op"));
    const struct pxi_op *op = find(name);
    c->op = op ? op->name : name ? name : "";
    c->started_ns = pxi_loop_now(n->loop);
    pxi_list_add(&n->calls, &c->link);
    if (op)
        op->run(c);
    else
        pxi_call_fail(c, PX_ERR_INVALID, in ? "unknown op" : error.text);
}

const char *pxi_call_text(const struct pxi_call *c, const char *name)
{
    return json_string_value(json_object_get(c->in, name));
}

uint64_t pxi_call_uint(const struct pxi_call *c, const char *name, uint64_t def)
{
    json_t *v = json_object_get(c->in, name);
    double x = json_number_value(v);
    if (!json_is_number(v))
        return def;
    return x <= 0 ? 0 : x >= 0x1p63 ? (uint64_t)1 << 63 : (uint64_t)x;
}

bool pxi_call_true(const struct pxi_call *c, const char *name)
{
    return json_is_true(json_object_get(c->in, name));
}

bool pxi_call_peer(struct pxi_call *c, struct pxi_peer *out)
{
    const char *text = pxi_call_text(c, "peer");
    if (text && pxi_peer_parse(px_view_str(text), out, NULL) == PX_ERR_OK)
        return true;
    pxi_call_fail(c, PX_ERR_INVALID, text ? "not a peer id" : "no peer given");
    return false;
}

double pxi_ms_since(px_node *n, uint64_t start_ns)
{
    return (double)(pxi_loop_now(n->loop) - start_ns) / 1e6;
}

double pxi_call_ms(const struct pxi_call *c)
{
    return pxi_ms_since(c->node, c->started_ns);
}

/* ------------------------------------------------------------ a connection */

static void reached(struct pxi_reach *r, struct pxi_conn *conn, px_err err)
{
    struct pxi_call *c = PXI_OF(r, struct pxi_call, reach);
    if (conn)
        c->met(c, conn);
    else
        pxi_call_fail(c, err, NULL);
}

void pxi_call_meet(struct pxi_call *c, bool force,
                   void (*met)(struct pxi_call *c, struct pxi_conn *conn))
{
    const char *text = pxi_call_text(c, "addr");
    struct pxi_maddr addr;
    struct pxi_endpoint e;
    px_view view = {0};
    c->met = met;
    c->reach = (struct pxi_reach){.done = reached, .limited_ok = true, .force_new = force};
    c->reach.timeout_ns = pxi_call_uint(c, "timeout", 0) * PXI_MS;
    if (text) {
        if (pxi_maddr_parse(px_view_str(text), &addr, NULL) != PX_ERR_OK) {
            pxi_call_fail(c, PX_ERR_INVALID, "not a multiaddr");
            return;
        }
        view = pxi_maddr_view(&addr);
        if (pxi_endpoint_of(view, &e) == PX_ERR_OK)
            c->reach.peer = e.peer;
    } else if (!pxi_call_peer(c, &c->reach.peer)) {
        return;
    }
    pxi_reach_start(&c->reach, c->node->host, &view, text ? 1 : 0);
}

/* ------------------------------------------------------------------ waiting */

static void look(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_call *c = PXI_OF(t, struct pxi_call, timer);
    json_t *out = json_object();
    if (c->ready(c, out)) {
        pxi_call_ok(c, out);
        return;
    }
    json_decref(out);
    if (now_ns >= c->deadline_ns)
        pxi_call_fail(c, PX_ERR_TIMEOUT, "timeout");
    else
        pxi_timer_after(pxi_loop_timers(c->node->loop), t, 10 * PXI_MS);
}

void pxi_call_wait(struct pxi_call *c, uint64_t default_ms,
                   bool (*ready)(struct pxi_call *c, json_t *out))
{
    c->ready = ready;
    c->timer.fire = look;
    c->deadline_ns = c->started_ns + pxi_call_uint(c, "timeout", default_ms) * PXI_MS;
    pxi_timer_after(pxi_loop_timers(c->node->loop), &c->timer, 0);
}

/* --------------------------------------------------------------------- JSON */

json_t *pxi_json_text(px_view v)
{
    json_t *j = json_stringn((const char *)v.p, v.n);
    if (j)
        return j;
    char clean[1024];
    pxi_escape(clean, sizeof clean, v.p, v.n);
    return json_string(clean);
}

json_t *pxi_json_peer(const struct pxi_peer *p)
{
    char text[PXI_PEER_TEXT];
    return json_string(pxi_peer_text(p, text));
}

json_t *pxi_json_addr(px_view addr, const struct pxi_peer *p)
{
    char text[PXI_MADDR_TEXT];
    struct pxi_maddr full = {0};
    if (!addr.n || addr.n > PXI_MADDR_MAX)
        return json_string("");
    full.n = (uint16_t)addr.n;
    memcpy(full.b, addr.p, addr.n);
    if (p)
        pxi_maddr_add(&full, PXI_MA_P2P, pxi_peer_view(p));
    return json_string(pxi_maddr_text(pxi_maddr_view(&full), text));
}

json_t *pxi_json_conn(const struct pxi_conn *c)
{
    json_t *j = json_object();
    json_object_set_new(j, "peer", pxi_json_peer(&c->peer));
    json_object_set_new(j, "addr", pxi_json_addr(pxi_maddr_view(&c->remote), &c->peer));
    json_object_set_new(j, "direction", json_string(c->outbound ? "outbound" : "inbound"));
    json_object_set_new(j, "security", json_string(c->security));
    json_object_set_new(j, "muxer", json_string(c->muxer));
    json_object_set_new(j, "limited", json_boolean(c->limited));
    return j;
}
