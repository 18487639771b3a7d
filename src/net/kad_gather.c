/* What operations gather from answers, and what they send at their end. */
#include "base/limits.h"
#include "net/kad_query.h"

static px_view key_of(const struct pxi_kad_op *op)
{
    return px_view_of(op->key.p, op->key.n);
}

static px_view value_of(const struct pxi_kad_op *op)
{
    return px_view_of(op->value.p, op->value.n);
}

/* ---------------------------------------------------------------- values */

/* A valid value: better, worse, or as good as the best one so far. node -1: our own store. */
static void offer_value(struct pxi_kad_op *op, int node, px_view value)
{
    struct pxi_kad *k = op->kad;
    bool same = op->hit && px_view_equal(value, value_of(op));
    int order = op->hit ? pxi_kad_select(&k->validators, key_of(op), value, value_of(op)) : 1;
    if (!same && order <= 0)
        return;
    if (!same) {
        pxi_buf_deinit(&op->value);
        op->value = (struct pxi_buf){.max = PXI_LIMIT_KAD_VALUE_BYTES + 1};
        if (!pxi_buf_add(&op->value, value.p, value.n)) {
            op->err = PX_ERR_NOMEM;
            return;
        }
        op->hit = true;
        op->holder_count = 0;
    }
    if (node >= 0 && op->holder_count < PXI_KAD_HOLDERS)
        op->holder[op->holder_count++] = (uint16_t)node;
}

static void gather_value(struct pxi_kad_op *op, unsigned i, const struct pxi_msg_kad *m)
{
    struct pxi_kad *k = op->kad;
    if (!m->record || !px_view_equal(m->record->key, key_of(op)))
        return;
    if (pxi_kad_validate(&k->validators, key_of(op), m->record->value, pxi_host_wall_s(k->host)) !=
        PX_ERR_OK) {
        pxi_kad_fault(k, PXI_FAULT_KAD_RECORD);
        return;
    }
    offer_value(op, (int)i, m->record->value);
}

/* ------------------------------------------------------------- providers */

static void offer_provider(struct pxi_kad_op *op, const struct pxi_peer *p, const px_view *addrs,
                           unsigned count)
{
    for (unsigned i = 0; i < op->found_count; i++)
        if (pxi_peer_equal(&op->found[i].peer, p)) {
            pxi_kad_addrs_merge(&op->found[i].addrs, addrs, count);
            return;
        }
    if (op->found_count >= PXI_LIMIT_KAD_PROVIDERS_FOUND)
        return;
    if (!op->found)
        op->found = pxi_calloc(PXI_LIMIT_KAD_PROVIDERS_FOUND, sizeof *op->found);
    if (!op->found)
        return;
    op->found[op->found_count].peer = *p;
    pxi_kad_addrs_set(&op->found[op->found_count].addrs, addrs, count);
    op->found_count++;
    op->hit = true;
}

static void gather_providers(struct pxi_kad_op *op, const struct pxi_msg_kad *m,
                             enum pxi_ip_kind teller)
{
    px_view addrs[PXI_LIMIT_KAD_ADDRS];
    for (size_t i = 0; i < m->providers.n && i < PXI_LIMIT_KAD_PROVIDERS_ANSWER; i++) {
        struct pxi_msg_kad_peer *p = PXI_PB_AT(m->providers, struct pxi_msg_kad_peer, i);
        struct pxi_peer peer;
        if (pxi_peer_from_bytes(p->id, &peer, NULL) == PX_ERR_OK)
            offer_provider(op, &peer, addrs,
                           pxi_kad_peer_addrs(p, teller, addrs, PXI_LIMIT_KAD_ADDRS));
    }
}

/* ---------------------------------------------------------------- closer */

/* Does the lookup know the peer, and each of these addresses unless they no longer matter? Most of
 * what answers name was named before, by others that are near. */
static bool known(const struct pxi_kad_op *op, const struct pxi_peer *peer,
                  const struct pxi_msg_kad_peer *p)
{
    int i = pxi_kad_lookup_find(&op->lookup, peer);
    if (i < 0 || (op->kind == PXI_KAD_OP_FIND && pxi_peer_equal(peer, &op->target)))
        return false;
    const struct pxi_kad_node *n = &op->lookup.node[i];
    for (size_t a = 0; a < p->addrs.n && n->state == PXI_KAD_HEARD; a++)
        if (!pxi_kad_addrs_hold(&n->addrs, *PXI_PB_AT(p->addrs, px_view, a)))
            return false;
    return true;
}

static void gather_closer(struct pxi_kad_op *op, unsigned i, const struct pxi_msg_kad *m,
                          enum pxi_ip_kind teller)
{
    px_view addrs[PXI_LIMIT_KAD_ADDRS];
    for (size_t c = 0; c < m->closer.n && c <= PXI_KAD_K; c++) { /* no more than k and itself */
        struct pxi_msg_kad_peer *p = PXI_PB_AT(m->closer, struct pxi_msg_kad_peer, c);
        struct pxi_peer peer;
        if (pxi_peer_from_bytes(p->id, &peer, NULL) != PX_ERR_OK) {
            pxi_kad_fault(op->kad, PXI_FAULT_KAD);
            continue;
        }
        unsigned n = 0;
        if (!known(op, &peer, p))
            n = pxi_kad_peer_addrs(p, teller, addrs, PXI_LIMIT_KAD_ADDRS);
        pxi_kad_lookup_hear(&op->lookup, i, &peer, addrs, n);
        if (op->kind == PXI_KAD_OP_FIND && n && pxi_peer_equal(&peer, &op->target))
            offer_provider(op, &peer, addrs, n);
    }
}

void pxi_kad_gather(struct pxi_kad_op *op, unsigned i, const struct pxi_msg_kad *m,
                    enum pxi_ip_kind teller)
{
    gather_closer(op, i, m, teller);
    if (op->kind == PXI_KAD_OP_GET)
        gather_value(op, i, m);
    else if (op->kind == PXI_KAD_OP_PROVIDERS)
        gather_providers(op, m, teller);
}

void pxi_kad_gather_own(struct pxi_kad_op *op)
{
    struct pxi_kad *k = op->kad;
    uint64_t now = pxi_kad_now(k);
    px_view addrs[PXI_LIMIT_KAD_ADDRS];
    if (op->kind == PXI_KAD_OP_GET) {
        const struct pxi_kad_record *r = pxi_kad_store_get(&k->store, key_of(op), now);
        if (r && pxi_kad_validate(&k->validators, key_of(op), pxi_kad_record_value(r),
                                  pxi_host_wall_s(k->host)) == PX_ERR_OK)
            offer_value(op, -1, pxi_kad_record_value(r));
    } else if (op->kind == PXI_KAD_OP_PROVIDERS) {
        const struct pxi_kad_provider *p[PXI_LIMIT_KAD_PROVIDERS_ANSWER];
        unsigned n =
            pxi_kad_store_providers(&k->store, key_of(op), now, p, PXI_LIMIT_KAD_PROVIDERS_ANSWER);
        for (unsigned i = 0; i < n; i++)
            offer_provider(op, &p[i]->peer, addrs,
                           pxi_kad_addrs_get(&p[i]->addrs, addrs, PXI_LIMIT_KAD_ADDRS));
    } else if (op->kind == PXI_KAD_OP_FIND) {
        unsigned n = pxi_peer_addrs(k->host, &op->target, addrs, PXI_LIMIT_KAD_ADDRS);
        if (n && pxi_host_conn(k->host, &op->target, false))
            offer_provider(op, &op->target, addrs, n);
    }
}

/* ------------------------------------------------------------- at the end */

static px_err frame_put(struct pxi_kad_op *op)
{
    struct pxi_msg_kad_record r = {key_of(op), value_of(op), {NULL, 0}};
    struct pxi_msg_kad m = {.type = PXI_KAD_PUT_VALUE, .key = key_of(op), .record = &r};
    return pxi_pb_encode_framed(&pxi_pb_kad, &m, &op->last);
}

static px_err frame_provide(struct pxi_kad_op *op)
{
    struct pxi_host *h = op->kad->host;
    px_view addrs[PXI_LIMIT_KAD_ADDRS], v;
    unsigned n = 0;
    while (n < PXI_LIMIT_KAD_ADDRS && (v = pxi_host_addr(h, n)).n)
        addrs[n++] = v;
    struct pxi_msg_kad_peer self = {pxi_peer_view(pxi_host_self(h)), {addrs, n}, 0};
    struct pxi_msg_kad m = {
        .type = PXI_KAD_ADD_PROVIDER, .key = key_of(op), .providers = {&self, 1}};
    return pxi_pb_encode_framed(&pxi_pb_kad, &m, &op->last);
}

px_err pxi_kad_last(struct pxi_kad_op *op)
{
    op->last = (struct pxi_buf){.max = PXI_LIMIT_KAD_MESSAGE_BYTES};
    if (op->kind == PXI_KAD_OP_PUT || (op->kind == PXI_KAD_OP_GET && op->hit))
        return frame_put(op);
    if (op->kind == PXI_KAD_OP_PROVIDE)
        return frame_provide(op);
    return PX_ERR_OK;
}

bool pxi_kad_last_wanted(const struct pxi_kad_op *op, unsigned i)
{
    if (op->kind != PXI_KAD_OP_GET)
        return true;
    for (unsigned h = 0; h < op->holder_count; h++)
        if (op->holder[h] == i)
            return false;
    return true;
}
