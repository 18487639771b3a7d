/* Operations on the peers together: discovery, ranking, the NAT report. */
#include "base/limits.h"
#include "base/mem.h"
#include "codec/messages.h"
#include "net/fault.h"
#include "net/limits.h"
#include "node/call.h"
#include "node/discovered.h"
#include "swarm/heartbeat.h"

static bool discovered(struct pxi_call *c, json_t *out)
{
    return pxi_discovered_has(c->node->discovered, &c->reach.peer);
}

static void op_wait_discovered(struct pxi_call *c)
{
    if (pxi_call_peer(c, &c->reach.peer))
        pxi_call_wait(c, 15000, discovered);
}

/* ---------------------------------------------------------------------- peers */

static json_t *agent_of(px_node *n, const struct pxi_peer *p)
{
    px_view message = pxi_peer_identify(n->host, p);
    struct pxi_msg_identify m;
    struct pxi_arena arena;
    json_t *out = json_null();
    if (!message.n)
        return out;
    pxi_arena_init(&arena, 4 * PXI_LIMIT_IDENTIFY_BYTES);
    if (pxi_pb_decode(&pxi_pb_identify, message, &arena, &m, NULL) == PX_ERR_OK)
        out = pxi_json_text(m.agent_version);
    pxi_arena_deinit(&arena);
    return out;
}

static json_t *peer_row(px_node *n, const struct pxi_peer *p)
{
    json_t *row = json_object(), *addrs = json_array();
    struct pxi_list *conns = pxi_host_conns(n->host);
    uint64_t rtt_ns = 0;
    enum pxi_peer_state state = PXI_PEER_NEW;
    unsigned streams = 0, count = 0;
    if (n->heartbeat)
        state = pxi_heartbeat_state(n->heartbeat, p, &rtt_ns);
    for (struct pxi_list *l = conns->next; l != conns; l = l->next) {
        struct pxi_conn *c = PXI_OF(l, struct pxi_conn, link);
        if (!pxi_peer_equal(&c->peer, p))
            continue;
        json_array_append_new(addrs, pxi_json_addr(pxi_maddr_view(&c->remote), NULL));
        streams += c->stream_count;
        count++;
        if (!rtt_ns)
            rtt_ns = c->ops->rtt_ns ? c->ops->rtt_ns(c) : 0;
        json_object_set_new(row, "direction", json_string(c->outbound ? "outbound" : "inbound"));
        json_object_set_new(row, "limited", json_boolean(c->limited));
        json_object_set_new(row, "security", json_string(c->security));
    }
    json_object_set_new(row, "peer", pxi_json_peer(p));
    json_object_set_new(row, "addrs", addrs);
    json_object_set_new(row, "rtt_ms", rtt_ns ? json_real((double)rtt_ns / 1e6) : json_null());
    json_object_set_new(row, "state", json_string(pxi_peer_state_name(state)));
    json_object_set_new(row, "agent", agent_of(n, p));
    json_object_set_new(row, "connections", json_integer(count));
    json_object_set_new(row, "streams", json_integer(streams));
    return row;
}

/* Every connected peer, best for work first. */
static void op_peers(struct pxi_call *c)
{
    px_node *n = c->node;
    struct pxi_list *conns = pxi_host_conns(n->host);
    unsigned max = pxi_host_conn_count(n->host), count = 0;
    struct pxi_peer *peers = pxi_calloc(max ? max : 1, sizeof *peers);
    json_t *rows = json_array();
    for (struct pxi_list *l = conns->next; peers && l != conns && count < max; l = l->next) {
        struct pxi_conn *conn = PXI_OF(l, struct pxi_conn, link);
        if (pxi_host_conn(n->host, &conn->peer, true) == conn)
            peers[count++] = conn->peer;
    }
    if (n->heartbeat)
        pxi_heartbeat_rank(n->heartbeat, peers, count);
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(rows, peer_row(n, &peers[i]));
    pxi_free(peers);
    pxi_call_ok(c, json_pack("{s:o}", "peers", rows));
}

/* --------------------------------------------------------------------- status */

static const char *const fault_names[] = {
#define PX_FAULT(id, name, text) name,
#include "../../gen/fault.def"
#undef PX_FAULT
};

static json_t *use_of(px_node *n)
{
    struct pxi_limiter_use u = pxi_limiter_use(pxi_host_limiter(n->host));
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I}", "conns_in", (int)u.conns_in,
                     "conns_out", (int)u.conns_out, "conns_transient", (int)u.conns_transient,
                     "streams_in", (int)u.streams_in, "streams_out", (int)u.streams_out, "peers",
                     (int)u.peers, "memory", (json_int_t)u.memory, "refused",
                     (json_int_t)u.refused);
}

static json_t *faults_of(px_node *n)
{
    struct pxi_faults *f = pxi_host_faults(n->host);
    json_t *faults = json_object();
    for (unsigned i = 0; i < PXI_FAULTS; i++)
        json_object_set_new(faults, fault_names[i], json_integer((json_int_t)f->n[i]));
    return faults;
}

static void op_net(struct pxi_call *c)
{
    px_node *n = c->node;
    json_t *out = pxi_json_ready(n), *peers = json_array();
    struct pxi_list *conns = pxi_host_conns(n->host);
    for (struct pxi_list *l = conns->next; l != conns; l = l->next) {
        struct pxi_conn *conn = PXI_OF(l, struct pxi_conn, link);
        json_t *row =
            pxi_host_conn(n->host, &conn->peer, true) == conn ? peer_row(n, &conn->peer) : NULL;
        if (row)
            json_array_append_new(peers, row);
    }
    json_object_del(out, "event");
    json_object_set_new(out, "peers", peers);
    json_object_set_new(out, "use", use_of(n));
    json_object_set_new(out, "faults", faults_of(n));
    pxi_nat_report(n, out);
    pxi_call_ok(c, out);
}

const struct pxi_op pxi_ops_swarm[] = {
    {"peers", op_peers},
    {"net", op_net},
    {"wait-discovered", op_wait_discovered},
    {NULL, NULL},
};
