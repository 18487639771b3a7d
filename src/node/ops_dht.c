/* Operations on the DHT. */
#include "base/limits.h"
#include "base/mem.h"
#include "net/kad.h"
#include "node/call.h"

static void drop(struct pxi_call *c)
{
    if (c->state)
        pxi_kad_cancel(c->state);
}

/* The DHT of the node; NULL after the call was failed. */
static struct pxi_kad *dht(struct pxi_call *c)
{
    if (!c->node->kad)
        pxi_call_fail(c, PX_ERR_UNSUPPORTED, "the DHT is off: start with --dht server or client");
    return c->node->kad;
}

/* An operation was started: it ends the call, or it could not be. */
static void started(struct pxi_call *c, struct pxi_kad_op *op)
{
    c->state = op;
    c->drop = drop;
    if (!op)
        pxi_call_fail(c, PX_ERR_LIMIT, "too many operations at once");
}

/* The key of "key", or of the peer; false after the call was failed. */
static bool key_of(struct pxi_call *c, struct pxi_peer *peer, px_view *out)
{
    const char *key = pxi_call_text(c, "key");
    if (key) {
        *out = px_view_str(key);
        return true;
    }
    if (!pxi_call_peer(c, peer))
        return false;
    *out = pxi_peer_view(peer);
    return true;
}

static json_t *addrs_of(const struct pxi_kad_found *f)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < f->addr_count; i++)
        json_array_append_new(list, pxi_json_addr(f->addrs[i], NULL));
    return list;
}

/* Figures that every reply has. */
static json_t *figures(const struct pxi_kad_result *r)
{
    return json_pack("{s:I, s:I, s:I, s:f}", "hops", (json_int_t)r->hops, "requests",
                     (json_int_t)r->requests, "failures", (json_int_t)r->failures, "ms",
                     (double)r->took_ns / 1e6);
}

/* Start a reply; NULL when the operation failed and the call with it. */
static json_t *reply(struct pxi_call *c, const struct pxi_kad_result *r)
{
    c->state = NULL;
    if (r->err == PX_ERR_OK)
        return figures(r);
    pxi_call_fail(c, r->err, r->err == PX_ERR_NOT_FOUND ? "not found" : NULL);
    return NULL;
}

static void put_done(void *ctx, const struct pxi_kad_result *r)
{
    json_t *out = reply(ctx, r);
    if (!out)
        return;
    json_object_set_new(out, "stored", json_integer(r->stored));
    pxi_call_ok(ctx, out);
}

/* A key as the DHT has it: ME in our namespace stands for our own id. */
static bool full_key(struct pxi_call *c, const char *key, struct pxi_buf *out)
{
    static const char me[] = "/plexus/ME/";
    out->max = PXI_LIMIT_NET_PROTOCOL_BYTES;
    if (strncmp(key, me, sizeof me - 1) == 0)
        return pxi_kad_own_key(pxi_host_self(c->node->host), key + sizeof me - 1, out) == PX_ERR_OK;
    return pxi_buf_add(out, key, strlen(key));
}

/* Put, now and again before it expires, while the node runs. What is too much to be kept is put
 * once. */
static void put(struct pxi_call *c, px_view key, px_view value)
{
    pxi_kad_put_keep(c->node->kad, key, value);
    started(c, pxi_kad_put(c->node->kad, key, value, put_done, c));
}

/* Put under our own id: sealed with the node's key, good for two days. */
static void put_own(struct pxi_call *c, px_view key, px_view value)
{
    struct pxi_buf sealed = {.max = 1 << 16};
    uint64_t now = pxi_host_wall_s(c->node->host);
    px_err err =
        pxi_kad_own_seal(pxi_host_key(c->node->host), key, now, now + 172800, value, &sealed);
    if (err == PX_ERR_OK)
        put(c, key, px_view_of(sealed.p, sealed.n));
    else
        pxi_call_fail(c, err, NULL);
    pxi_buf_deinit(&sealed);
}

static void op_put(struct pxi_call *c)
{
    const char *text = pxi_call_text(c, "key"), *value = pxi_call_text(c, "value");
    struct pxi_buf key = {0}, own = {.max = PXI_LIMIT_NET_PROTOCOL_BYTES};
    if (!dht(c))
        return;
    if (!text || !value || !full_key(c, text, &key)) {
        pxi_call_fail(c, PX_ERR_INVALID, "key and value are needed");
        return;
    }
    px_view k = px_view_of(key.p, key.n);
    bool ours = pxi_kad_own_key(pxi_host_self(c->node->host), "x", &own) == PX_ERR_OK &&
                k.n >= own.n && memcmp(k.p, own.p, own.n - 1) == 0;
    if (ours)
        put_own(c, k, px_view_str(value));
    else
        put(c, k, px_view_str(value));
    pxi_buf_deinit(&key);
    pxi_buf_deinit(&own);
}

static void get_done(void *ctx, const struct pxi_kad_result *r)
{
    json_t *out = reply(ctx, r);
    if (!out)
        return;
    struct pxi_call *c = ctx;
    struct pxi_kad_own own;
    struct pxi_buf key = {0};
    px_view value = r->value;
    if (full_key(c, pxi_call_text(c, "key"), &key) &&
        pxi_kad_own_open(px_view_of(key.p, key.n), r->value, &own) == PX_ERR_OK)
        value = own.value;
    pxi_buf_deinit(&key);
    json_object_set_new(out, "value", pxi_json_text(value));
    json_object_set_new(out, "agreed", json_integer(r->agreed));
    json_object_set_new(out, "from",
                        r->peer_count ? pxi_json_peer(&r->peers[0].peer) : json_null());
    pxi_call_ok(ctx, out);
}

static void op_get(struct pxi_call *c)
{
    const char *text = pxi_call_text(c, "key");
    struct pxi_buf key = {0};
    if (!dht(c))
        return;
    if (!text || !full_key(c, text, &key))
        pxi_call_fail(c, PX_ERR_INVALID, "a key is needed");
    else
        started(c, pxi_kad_get(c->node->kad, px_view_of(key.p, key.n), 0, get_done, c));
    pxi_buf_deinit(&key);
}

static void provide_done(void *ctx, const struct pxi_kad_result *r)
{
    struct pxi_call *c = ctx;
    struct pxi_cid cid;
    char text[PXI_CID_TEXT];
    json_t *out = reply(c, r);
    if (!out)
        return;
    if (pxi_call_cid(c, &cid))
        json_object_set_new(out, "cid", json_string(pxi_cid_text(&cid, text)));
    json_object_set_new(out, "queries", json_integer(r->stored));
    pxi_call_ok(c, out);
}

static void op_provide(struct pxi_call *c)
{
    struct pxi_cid cid;
    uint8_t multihash[PXI_CID_MAX];
    if (!dht(c) || !pxi_call_cid(c, &cid))
        return;
    px_view key = px_view_of(multihash, pxi_cid_multihash(&cid, multihash));
    pxi_kad_provide_keep(c->node->kad, key);
    started(c, pxi_kad_provide(c->node->kad, key, provide_done, c));
}

static void providers_done(void *ctx, const struct pxi_kad_result *r)
{
    json_t *out = reply(ctx, r), *found = json_object();
    if (!out) {
        json_decref(found);
        return;
    }
    for (unsigned i = 0; i < r->peer_count; i++) {
        char text[PXI_PEER_TEXT];
        json_object_set_new(found, pxi_peer_text(&r->peers[i].peer, text), addrs_of(&r->peers[i]));
    }
    json_object_set_new(out, "providers", found);
    pxi_call_ok(ctx, out);
}

static void op_find_providers(struct pxi_call *c)
{
    struct pxi_cid cid;
    uint8_t multihash[PXI_CID_MAX];
    if (!dht(c) || !pxi_call_cid(c, &cid))
        return;
    px_view key = px_view_of(multihash, pxi_cid_multihash(&cid, multihash));
    started(c, pxi_kad_providers(c->node->kad, key, (unsigned)pxi_call_uint(c, "count", 0),
                                 providers_done, c));
}

static void peer_done(void *ctx, const struct pxi_kad_result *r)
{
    json_t *out = reply(ctx, r);
    if (!out)
        return;
    json_object_set_new(out, "peer", pxi_json_peer(&r->peers[0].peer));
    json_object_set_new(out, "addrs", addrs_of(&r->peers[0]));
    pxi_call_ok(ctx, out);
}

static void op_find_peer(struct pxi_call *c)
{
    struct pxi_peer p;
    if (dht(c) && pxi_call_peer(c, &p))
        started(c, pxi_kad_find_peer(c->node->kad, &p, peer_done, c));
}

static void closest_done(void *ctx, const struct pxi_kad_result *r)
{
    json_t *out = reply(ctx, r), *list = json_array();
    if (!out) {
        json_decref(list);
        return;
    }
    for (unsigned i = 0; i < r->peer_count; i++)
        json_array_append_new(list, pxi_json_peer(&r->peers[i].peer));
    json_object_set_new(out, "peers", list);
    pxi_call_ok(ctx, out);
}

static void op_closest(struct pxi_call *c)
{
    struct pxi_peer p;
    px_view key;
    if (dht(c) && key_of(c, &p, &key))
        started(c, pxi_kad_closest(c->node->kad, key, closest_done, c));
}

static bool table_filled(struct pxi_call *c, json_t *out)
{
    unsigned size = pxi_kad_stats_of(c->node->kad).table;
    json_object_set_new(out, "size", json_integer(size));
    return size >= pxi_call_uint(c, "size", 1);
}

static void op_wait_table(struct pxi_call *c)
{
    if (dht(c))
        pxi_call_wait(c, 15000, table_filled);
}

static void op_table(struct pxi_call *c)
{
    if (!dht(c))
        return;
    struct pxi_kad_stats s = pxi_kad_stats_of(c->node->kad);
    pxi_call_ok(c, json_pack("{s:i, s:i, s:i, s:i, s:I, s:I, s:I}", "size", (int)s.table, "records",
                             (int)s.records, "providers", (int)s.providers, "kept", (int)s.kept,
                             "requests_in", (json_int_t)s.requests_in, "requests_out",
                             (json_int_t)s.requests_out, "refused", (json_int_t)s.refused));
}

const struct pxi_op pxi_ops_dht[] = {
    {"kad-put", op_put},
    {"kad-get", op_get},
    {"provide", op_provide},
    {"find-providers", op_find_providers},
    {"find-peer", op_find_peer},
    {"closest", op_closest},
    {"wait-table", op_wait_table},
    {"kad-table", op_table},
    {NULL, NULL},
};
