/* Driving a lookup: requests to peers, their answers, time, and the end. */
#include "net/kad_query.h"

#include "base/limits.h"

struct call {
    struct pxi_list link;
    struct pxi_kad_rpc rpc;
};

static void step(struct pxi_timer *t, uint64_t now_ns);

static void call_free(struct pxi_kad_op *op, struct call *c)
{
    pxi_list_remove(&c->link);
    op->calls_count--;
    pxi_free(c);
}

void pxi_kad_op_free(struct pxi_kad_op *op)
{
    struct pxi_kad *k = op->kad;
    while (!pxi_list_empty(&op->calls)) {
        struct call *c = PXI_OF(op->calls.next, struct call, link);
        pxi_kad_rpc_cancel(&c->rpc);
        call_free(op, c);
    }
    pxi_timer_disarm(pxi_host_timers(k->host), &op->timer);
    pxi_list_remove(&op->link);
    k->op_count--;
    pxi_kad_lookup_deinit(&op->lookup);
    for (unsigned i = 0; i < op->found_count; i++)
        pxi_kad_addrs_free(&op->found[i].addrs);
    pxi_free(op->found);
    pxi_buf_deinit(&op->key);
    pxi_buf_deinit(&op->value);
    pxi_buf_deinit(&op->request);
    pxi_buf_deinit(&op->last);
    pxi_free(op);
}

void pxi_kad_cancel(struct pxi_kad_op *op)
{
    if (op)
        pxi_kad_op_free(op);
}

/* ------------------------------------------------------------------- calls */

static void again(struct pxi_kad_op *op)
{
    pxi_timer_after(pxi_host_timers(op->kad->host), &op->timer, 0);
}

static void lookup_answer(struct pxi_kad_rpc *r, const struct pxi_msg_kad *m, struct pxi_conn *c,
                          px_err err)
{
    struct pxi_kad_op *op = r->ctx;
    struct pxi_kad *k = op->kad;
    unsigned i = r->tag;
    call_free(op, PXI_OF(r, struct call, rpc));
    if (err != PX_ERR_OK) {
        struct pxi_peer dead = op->lookup.node[i].peer;
        pxi_kad_lookup_failed(&op->lookup, i);
        pxi_kad_dead(k, &dead);
    } else {
        px_view addrs[PXI_LIMIT_KAD_ADDRS];
        struct pxi_kad_node *n = &op->lookup.node[i];
        unsigned count = pxi_kad_addrs_get(&n->addrs, addrs, PXI_LIMIT_KAD_ADDRS);
        pxi_kad_alive(k, &n->peer, c, addrs, count);
        pxi_kad_lookup_answered(&op->lookup, i, pxi_kad_conn_group(c, k->o.strict));
        pxi_kad_gather(op, i, m, pxi_kad_conn_kind(c));
    }
    again(op);
}

static void send_answer(struct pxi_kad_rpc *r, const struct pxi_msg_kad *m, struct pxi_conn *c,
                        px_err err)
{
    struct pxi_kad_op *op = r->ctx;
    call_free(op, PXI_OF(r, struct call, rpc));
    if (err == PX_ERR_OK)
        op->stored++;
    else
        op->send_failures++;
    again(op);
}

/* One more request to node i; false when memory is out. */
static bool call(struct pxi_kad_op *op, unsigned i, bool last)
{
    struct pxi_kad_node *n = &op->lookup.node[i];
    struct call *c = pxi_calloc(1, sizeof *c);
    px_view addrs[PXI_LIMIT_KAD_ADDRS];
    if (!c)
        return false;
    struct pxi_buf *b = last ? &op->last : &op->request;
    c->rpc.ctx = op;
    c->rpc.tag = i;
    c->rpc.done = last ? send_answer : lookup_answer;
    c->rpc.request = px_view_of(b->p, b->n);
    c->rpc.no_reply = last && op->kind == PXI_KAD_OP_PROVIDE;
    c->rpc.type = (uint8_t)(op->kind == PXI_KAD_OP_GET         ? PXI_KAD_GET_VALUE
                            : op->kind == PXI_KAD_OP_PROVIDERS ? PXI_KAD_GET_PROVIDERS
                                                               : PXI_KAD_FIND_NODE);
    if (last)
        c->rpc.type = PXI_KAD_PUT_VALUE;
    pxi_list_add(&op->calls, &c->link);
    op->calls_count++;
    unsigned count = pxi_kad_addrs_get(&n->addrs, addrs, PXI_LIMIT_KAD_ADDRS);
    pxi_kad_rpc_start(&c->rpc, op->kad, &n->peer, addrs, count);
    return true;
}

static void calls_drop(struct pxi_kad_op *op)
{
    while (!pxi_list_empty(&op->calls)) {
        struct call *c = PXI_OF(op->calls.next, struct call, link);
        pxi_kad_rpc_cancel(&c->rpc);
        call_free(op, c);
    }
}

/* ------------------------------------------------------------------- the end */

/* The peers of the result: providers and the one that was looked for, or the nearest. */
static unsigned fill_peers(struct pxi_kad_op *op, struct pxi_kad_found *out)
{
    unsigned n = op->found_count;
    if (op->kind == PXI_KAD_OP_PROVIDERS || op->kind == PXI_KAD_OP_FIND) {
        for (unsigned i = 0; i < n; i++) {
            out[i].peer = op->found[i].peer;
            out[i].addr_count = pxi_kad_addrs_get(&op->found[i].addrs, out[i].addrs, PXI_KAD_K);
        }
        return n;
    }
    uint16_t near[PXI_LIMIT_KAD_RESULTS];
    n = pxi_kad_lookup_result(&op->lookup, near, op->lookup.o.k);
    for (unsigned i = 0; i < n; i++) {
        const struct pxi_kad_node *node = &op->lookup.node[near[i]];
        out[i].peer = node->peer;
        out[i].addr_count = pxi_kad_addrs_get(&node->addrs, out[i].addrs, PXI_KAD_K);
    }
    return n;
}

static px_err verdict(const struct pxi_kad_op *op)
{
    bool seeks = op->kind == PXI_KAD_OP_GET || op->kind == PXI_KAD_OP_PROVIDERS ||
                 op->kind == PXI_KAD_OP_FIND;
    if (op->err != PX_ERR_OK)
        return op->err;
    if (seeks && op->hit)
        return PX_ERR_OK;
    if (!op->lookup.answers)
        return PX_ERR_UNREACHABLE;
    if (seeks)
        return PX_ERR_NOT_FOUND;
    return op->kind != PXI_KAD_OP_CLOSEST && !op->stored ? PX_ERR_REFUSED : PX_ERR_OK;
}

static void finish(struct pxi_kad_op *op)
{
    uint16_t first;
    unsigned cap =
        op->found_count > PXI_LIMIT_KAD_RESULTS ? op->found_count : PXI_LIMIT_KAD_RESULTS;
    struct pxi_kad_found *peers = pxi_calloc(cap, sizeof *peers);
    struct pxi_kad_result r = {.err = peers ? verdict(op) : PX_ERR_NOMEM, .peers = peers};
    calls_drop(op);
    if (peers)
        r.peer_count = fill_peers(op, peers);
    if (op->kind == PXI_KAD_OP_GET && op->hit)
        r.value = px_view_of(op->value.p, op->value.n);
    r.stored = op->kind == PXI_KAD_OP_GET ? 0 : op->stored;
    r.agreed = op->holder_count;
    r.hops = pxi_kad_lookup_result(&op->lookup, &first, 1) ? op->lookup.node[first].depth : 0;
    r.requests = op->lookup.requests + op->sends;
    r.failures = op->lookup.failures + op->send_failures;
    r.took_ns = pxi_kad_now(op->kad) - op->start_ns;
    if (op->done)
        op->done(op->ctx, &r);
    pxi_free(peers);
    pxi_kad_op_free(op);
}

/* The lookup is over: send what is to be sent, once. */
static void send_last(struct pxi_kad_op *op)
{
    uint16_t near[PXI_LIMIT_KAD_RESULTS];
    calls_drop(op);
    op->sending = true;
    px_err err = pxi_kad_last(op);
    if (err != PX_ERR_OK)
        op->err = err;
    if (err != PX_ERR_OK || !op->last.n)
        return;
    unsigned n = pxi_kad_lookup_result(&op->lookup, near, op->lookup.o.k);
    for (unsigned i = 0; i < n; i++)
        if (pxi_kad_last_wanted(op, near[i]) && call(op, near[i], true))
            op->sends++;
}

static bool satisfied(const struct pxi_kad_op *op)
{
    switch (op->kind) {
    case PXI_KAD_OP_FIND: return op->hit;
    case PXI_KAD_OP_GET: return op->hit && op->enough && op->holder_count >= op->enough;
    case PXI_KAD_OP_PROVIDERS: return op->enough && op->found_count >= op->enough;
    default: return false;
    }
}

static bool lookup_over(struct pxi_kad_op *op, uint64_t now_ns)
{
    return satisfied(op) || now_ns >= op->until_ns || op->err != PX_ERR_OK ||
           pxi_kad_lookup_done(&op->lookup, now_ns);
}

/* Called from the loop: ask whom there is to ask, go on when all have answered. */
static void step(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_kad_op *op = PXI_OF(t, struct pxi_kad_op, timer);
    uint64_t wake = op->until_ns, slow;
    int i;
    if (!op->sending) {
        while (!lookup_over(op, now_ns) && (i = pxi_kad_lookup_next(&op->lookup, now_ns)) >= 0)
            if (!call(op, (unsigned)i, false))
                pxi_kad_lookup_failed(&op->lookup, (unsigned)i);
        if (lookup_over(op, now_ns))
            send_last(op);
        slow = pxi_kad_lookup_wake(&op->lookup, now_ns);
        wake = slow < wake ? slow : wake;
    }
    if (op->sending) /* one more request time for what is sent at the end */
        wake = op->until_ns + PXI_LIMIT_KAD_REQUEST_MS * PXI_MS;
    if (op->sending && (!op->calls_count || now_ns >= wake))
        finish(op);
    else
        pxi_timer_arm(pxi_host_timers(op->kad->host), &op->timer, wake);
}

/* ------------------------------------------------------------------- the start */

static bool frame_request(struct pxi_kad_op *op)
{
    uint64_t type = op->kind == PXI_KAD_OP_GET         ? PXI_KAD_GET_VALUE
                    : op->kind == PXI_KAD_OP_PROVIDERS ? PXI_KAD_GET_PROVIDERS
                                                       : PXI_KAD_FIND_NODE;
    struct pxi_msg_kad m = {.type = type, .key = px_view_of(op->key.p, op->key.n)};
    op->request.max = PXI_LIMIT_KAD_KEY_BYTES + 64;
    return pxi_pb_encode_framed(&pxi_pb_kad, &m, &op->request) == PX_ERR_OK;
}

static void seed(struct pxi_kad_op *op)
{
    const struct pxi_kad_entry *near[2 * PXI_KAD_K];
    px_view addrs[PXI_LIMIT_KAD_ADDRS];
    unsigned paths = op->lookup.o.paths, cap = paths > 1 ? 2 * PXI_KAD_K : PXI_KAD_K;
    unsigned n = pxi_kad_table_closest(&op->kad->table, &op->lookup.target, near, cap);
    for (unsigned i = 0; i < n; i++)
        pxi_kad_lookup_seed(&op->lookup, &near[i]->peer, addrs,
                            pxi_kad_addrs_get(&near[i]->addrs, addrs, PXI_LIMIT_KAD_ADDRS));
}

static struct pxi_kad_op *op_new(struct pxi_kad *k, enum pxi_kad_kind kind, px_view key,
                                 unsigned want, unsigned paths)
{
    if (!key.n || key.n > PXI_LIMIT_KAD_KEY_BYTES || k->op_count >= PXI_LIMIT_KAD_OPS)
        return NULL;
    struct pxi_kad_op *op = pxi_calloc(1, sizeof *op);
    if (!op)
        return NULL;
    struct pxi_kad_key target = pxi_kad_key_of(key);
    struct pxi_kad_lookup_options lo = {.k = want,
                                        .alpha = k->o.alpha,
                                        .paths = paths,
                                        .group_max = PXI_LIMIT_KAD_GROUP_TABLE,
                                        .strict = k->o.strict,
                                        .slow_ns = k->o.slow_ns};
    if (k->o.no_diversity)
        lo.group_max = 0;
    op->kad = k;
    op->kind = kind;
    op->timer.fire = step;
    op->start_ns = pxi_kad_now(k);
    op->until_ns = op->start_ns + PXI_LIMIT_KAD_QUERY_MS * PXI_MS;
    op->key.max = PXI_LIMIT_KAD_KEY_BYTES;
    pxi_list_init(&op->calls);
    pxi_list_add(&k->ops, &op->link);
    k->op_count++;
    pxi_kad_lookup_init(&op->lookup, &lo, &target, &k->self);
    if (!pxi_buf_add(&op->key, key.p, key.n) || !frame_request(op)) {
        pxi_kad_op_free(op);
        return NULL;
    }
    seed(op);
    again(op);
    return op;
}

static struct pxi_kad_op *heard_by(struct pxi_kad_op *op, pxi_kad_done_fn *done, void *ctx)
{
    if (op) {
        op->done = done;
        op->ctx = ctx;
    }
    return op;
}

struct pxi_kad_op *pxi_kad_lookup_key(struct pxi_kad *k, px_view key, unsigned want,
                                      pxi_kad_done_fn *done, void *ctx)
{
    return heard_by(op_new(k, PXI_KAD_OP_CLOSEST, key, want, 1), done, ctx);
}

struct pxi_kad_op *pxi_kad_closest(struct pxi_kad *k, px_view key, pxi_kad_done_fn *done, void *ctx)
{
    return pxi_kad_lookup_key(k, key, k->o.k, done, ctx);
}

struct pxi_kad_op *pxi_kad_find_peer(struct pxi_kad *k, const struct pxi_peer *p,
                                     pxi_kad_done_fn *done, void *ctx)
{
    struct pxi_kad_op *op = op_new(k, PXI_KAD_OP_FIND, pxi_peer_view(p), k->o.k, 1);
    if (op) {
        op->target = *p;
        pxi_kad_gather_own(op);
    }
    return heard_by(op, done, ctx);
}

struct pxi_kad_op *pxi_kad_get(struct pxi_kad *k, px_view key, unsigned quorum,
                               pxi_kad_done_fn *done, void *ctx)
{
    struct pxi_kad_op *op = op_new(k, PXI_KAD_OP_GET, key, k->o.k, k->o.paths);
    if (!op)
        return NULL;
    op->enough = quorum;
    if (!pxi_kad_validator_for(&k->validators, key))
        op->err = PX_ERR_UNSUPPORTED;
    pxi_kad_gather_own(op);
    return heard_by(op, done, ctx);
}

struct pxi_kad_op *pxi_kad_put(struct pxi_kad *k, px_view key, px_view value, pxi_kad_done_fn *done,
                               void *ctx)
{
    struct pxi_kad_op *op = op_new(k, PXI_KAD_OP_PUT, key, k->o.k, 1);
    if (!op)
        return NULL;
    uint64_t wall = pxi_host_wall_s(k->host);
    op->value.max = PXI_LIMIT_KAD_VALUE_BYTES + 1;
    if (pxi_kad_validate(&k->validators, key, value, wall) != PX_ERR_OK)
        op->err = PX_ERR_INVALID;
    else if (!pxi_buf_add(&op->value, value.p, value.n))
        op->err = PX_ERR_NOMEM;
    else
        pxi_kad_store_put(&k->store, key, value, wall,
                          pxi_kad_now(k) + PXI_LIMIT_KAD_RECORD_S * PXI_SECOND);
    return heard_by(op, done, ctx);
}

struct pxi_kad_op *pxi_kad_provide(struct pxi_kad *k, px_view multihash, pxi_kad_done_fn *done,
                                   void *ctx)
{
    struct pxi_kad_op *op = op_new(k, PXI_KAD_OP_PROVIDE, multihash, k->o.k, 1);
    px_view addrs[PXI_LIMIT_KAD_ADDRS], v;
    unsigned n = 0;
    if (!op)
        return NULL;
    struct pxi_msg_kad m = {.type = PXI_KAD_GET_PROVIDERS, .key = multihash};
    px_diag d;
    if (pxi_kad_request_check(&m, &d) != PX_ERR_OK)
        op->err = PX_ERR_INVALID;
    while (n < PXI_LIMIT_KAD_ADDRS && (v = pxi_host_addr(k->host, n)).n)
        addrs[n++] = v;
    if (op->err == PX_ERR_OK)
        pxi_kad_store_provide(&k->store, multihash, pxi_host_self(k->host), addrs, n,
                              pxi_kad_now(k));
    return heard_by(op, done, ctx);
}

struct pxi_kad_op *pxi_kad_providers(struct pxi_kad *k, px_view multihash, unsigned enough,
                                     pxi_kad_done_fn *done, void *ctx)
{
    struct pxi_kad_op *op = op_new(k, PXI_KAD_OP_PROVIDERS, multihash, k->o.k, k->o.paths);
    if (op) {
        op->enough = enough;
        pxi_kad_gather_own(op);
    }
    return heard_by(op, done, ctx);
}
