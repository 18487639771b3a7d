/* Operations about the node itself and its connections. */
#include <stdio.h>

#include "crypto/hash.h"
#include "node/call.h"
#include "plexus/swarm.h"

static json_t *own_addrs(px_node *n)
{
    json_t *list = json_array();
    px_view a;
    for (unsigned i = 0; (a = pxi_host_addr(n->host, i)).n; i++)
        json_array_append_new(list, pxi_json_addr(a, pxi_host_self(n->host)));
    return list;
}

static json_t *own_protocols(px_node *n)
{
    json_t *list = json_array();
    const char *p;
    for (unsigned i = 0; (p = pxi_host_protocol(n->host, i)); i++)
        json_array_append_new(list, json_string(p));
    return list;
}

json_t *pxi_json_ready(px_node *n)
{
    json_t *doc = json_object();
    json_object_set_new(doc, "event", json_string("ready"));
    json_object_set_new(doc, "impl", json_string("plexus"));
    json_object_set_new(doc, "peer", pxi_json_peer(pxi_host_self(n->host)));
    json_object_set_new(doc, "addrs", own_addrs(n));
    json_object_set_new(doc, "protocols", own_protocols(n));
    json_object_set(doc, "notes", n->notes);
    json_object_set_new(doc, "api", n->control ? json_string(n->control) : json_null());
    char swarm[17];
    if (n->upgrader.psk)
        px_swarm_name(n->psk, swarm);
    json_object_set_new(doc, "swarm", n->upgrader.psk ? json_string(swarm) : json_null());
    const char *http = px_node_http(n);
    json_object_set_new(doc, "http", http ? json_string(http) : json_null());
    return doc;
}

static void op_id(struct pxi_call *c)
{
    json_t *doc = pxi_json_ready(c->node);
    json_object_del(doc, "event");
    json_object_set_new(doc, "agent", json_string(pxi_host_agent(c->node->host)));
    pxi_call_ok(c, doc);
}

static void op_addrs(struct pxi_call *c)
{
    pxi_call_ok(c, json_pack("{s:o}", "addrs", own_addrs(c->node)));
}

static bool addr_there(struct pxi_call *c, json_t *out)
{
    const char *want = pxi_call_text(c, "contains");
    json_t *list = own_addrs(c->node), *a;
    size_t i;
    bool found = false;
    json_array_foreach(list, i, a) if (!found && (!want || strstr(json_string_value(a), want)))
    {
        json_object_set(out, "addr", a);
        found = true;
    }
    json_decref(list);
    return found;
}

static void op_wait_addr(struct pxi_call *c)
{
    pxi_call_wait(c, 15000, addr_there);
}

static void op_protocols(struct pxi_call *c)
{
    pxi_call_ok(c, json_pack("{s:o}", "protocols", own_protocols(c->node)));
}

static void op_conns(struct pxi_call *c)
{
    json_t *list = json_array();
    struct pxi_list *conns = pxi_host_conns(c->node->host);
    for (struct pxi_list *l = conns->next; l != conns; l = l->next)
        json_array_append_new(list, pxi_json_conn(PXI_OF(l, struct pxi_conn, link)));
    pxi_call_ok(c, json_pack("{s:o}", "conns", list));
}

/* A connection to the peer in c->reach.peer, direct when that was asked for. */
static bool conn_there(struct pxi_call *c, json_t *out)
{
    bool direct = pxi_call_true(c, "direct");
    struct pxi_conn *conn = pxi_host_conn(c->node->host, &c->reach.peer, !direct);
    if (!conn)
        return false;
    json_t *j = pxi_json_conn(conn);
    json_object_update(out, j);
    json_decref(j);
    return true;
}

static void op_wait_conn(struct pxi_call *c)
{
    if (pxi_call_peer(c, &c->reach.peer))
        pxi_call_wait(c, 15000, conn_there);
}

static bool only_direct(struct pxi_call *c, json_t *out)
{
    struct pxi_list *conns = pxi_host_conns(c->node->host);
    unsigned direct = 0, limited = 0;
    for (struct pxi_list *l = conns->next; l != conns; l = l->next) {
        struct pxi_conn *conn = PXI_OF(l, struct pxi_conn, link);
        if (pxi_peer_equal(&conn->peer, &c->reach.peer))
            *(conn->limited ? &limited : &direct) += 1;
    }
    return direct && !limited;
}

static void op_wait_only_direct(struct pxi_call *c)
{
    if (pxi_call_peer(c, &c->reach.peer))
        pxi_call_wait(c, 20000, only_direct);
}

static void slept(struct pxi_timer *t, uint64_t now_ns)
{
    pxi_call_ok(PXI_OF(t, struct pxi_call, timer), NULL);
}

static void op_sleep(struct pxi_call *c)
{
    c->timer.fire = slept;
    pxi_timer_after(pxi_loop_timers(c->node->loop), &c->timer,
                    pxi_call_uint(c, "ms", 0) % 86400000 * PXI_MS);
}

static void op_rss(struct pxi_call *c)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    pxi_call_ok(c, json_pack("{s:I}", "rss", (json_int_t)pages * 4096));
}

/* What the event loop did so far. */
static void op_loop(struct pxi_call *c)
{
    const struct pxi_loop_counts *n = pxi_loop_counts(c->node->loop);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"rounds", n->rounds},     {"alarms", n->alarms},      {"sends", n->sends},
        {"receives", n->receives}, {"waits", n->spin.waits},   {"spins", n->spin.spins},
        {"hits", n->spin.hits},    {"misses", n->spin.misses}, {"preempted", n->spin.taken}};
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        json_object_set_new(out, rows[i].name, json_integer((json_int_t)rows[i].value));
    pxi_call_ok(c, out);
}

static void op_quit(struct pxi_call *c)
{
    px_node *n = c->node;
    pxi_call_ok(c, NULL);
    px_node_stop(n);
}

/* CID of "data" under "hash" (sha256 or blake3). */
static void op_cid(struct pxi_call *c)
{
    struct pxi_cid cid;
    char text[PXI_CID_TEXT];
    if (!pxi_call_cid(c, &cid))
        return;
    pxi_call_ok(c, json_pack("{s:s}", "cid", pxi_cid_text(&cid, text)));
}

bool pxi_call_cid(struct pxi_call *c, struct pxi_cid *out)
{
    const char *text = pxi_call_text(c, "cid"), *data = pxi_call_text(c, "data");
    const char *hash = pxi_call_text(c, "hash");
    uint8_t digest[PXI_DIGEST];
    if (text) {
        if (pxi_cid_parse(px_view_str(text), out, NULL) == PX_ERR_OK)
            return true;
    } else if (data && hash && strcmp(hash, "blake3") == 0) {
        pxi_blake3(px_view_str(data), digest);
        *out = pxi_cid_raw(PXI_HASH_BLAKE3, digest);
        return true;
    } else if (data && (!hash || strcmp(hash, "sha256") == 0)) {
        pxi_sha256(px_view_str(data), digest);
        *out = pxi_cid_raw(PXI_HASH_SHA2_256, digest);
        return true;
    }
    pxi_call_fail(c, PX_ERR_INVALID, text ? "not a CID" : "neither a CID nor data of a known hash");
    return false;
}

const struct pxi_op pxi_ops_node[] = {
    {"id", op_id},
    {"addrs", op_addrs},
    {"wait-addr", op_wait_addr},
    {"protocols", op_protocols},
    {"conns", op_conns},
    {"wait-conn", op_wait_conn},
    {"wait-only-direct", op_wait_only_direct},
    {"sleep", op_sleep},
    {"rss", op_rss},
    {"loop", op_loop},
    {"cid", op_cid},
    {"quit", op_quit},
    {NULL, NULL},
};
