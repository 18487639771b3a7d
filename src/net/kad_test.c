/* Peers that may enter the table are asked first: only who answers is of use there. */
#include "base/limits.h"
#include "net/kad_impl.h"

struct test {
    struct pxi_list link;
    struct pxi_kad_addrs addrs;
    struct pxi_buf request;
    struct pxi_peer peer;
    struct pxi_kad_rpc rpc;
};

static void test_free(struct test *t)
{
    struct pxi_kad *k = t->rpc.kad;
    pxi_list_remove(&t->link);
    k->test_count--;
    pxi_kad_addrs_free(&t->addrs);
    pxi_buf_deinit(&t->request);
    pxi_free(t);
}

static void test_done(struct pxi_kad_rpc *r, const struct pxi_msg_kad *m, struct pxi_conn *c,
                      px_err err)
{
    struct test *t = PXI_OF(r, struct test, rpc);
    px_view addrs[PXI_LIMIT_KAD_ADDRS];
    unsigned n = pxi_kad_addrs_get(&t->addrs, addrs, PXI_LIMIT_KAD_ADDRS);
    if (err == PX_ERR_OK)
        pxi_kad_alive(r->kad, &t->peer, c, addrs, n);
    else
        pxi_kad_dead(r->kad, &t->peer);
    test_free(t);
}

static bool testing(const struct pxi_kad *k, const struct pxi_peer *p)
{
    for (struct pxi_list *l = k->tests.next; l != &k->tests; l = l->next)
        if (pxi_peer_equal(&PXI_OF(l, struct test, link)->peer, p))
            return true;
    return false;
}

static void test_start(struct pxi_kad *k, const struct pxi_peer *p, const px_view *addrs,
                       unsigned count)
{
    struct test *t = k->test_count < PXI_LIMIT_KAD_TESTS ? pxi_calloc(1, sizeof *t) : NULL;
    if (!t)
        return;
    struct pxi_msg_kad m = {.type = PXI_KAD_FIND_NODE,
                            .key = pxi_peer_view(pxi_host_self(k->host))};
    t->peer = *p;
    t->request.max = 256;
    t->rpc = (struct pxi_kad_rpc){.kad = k, .done = test_done, .type = PXI_KAD_FIND_NODE};
    pxi_list_add(&k->tests, &t->link);
    k->test_count++;
    pxi_kad_addrs_set(&t->addrs, addrs, count);
    if (pxi_pb_encode_framed(&pxi_pb_kad, &m, &t->request) != PX_ERR_OK) {
        test_free(t);
        return;
    }
    t->rpc.request = px_view_of(t->request.p, t->request.n);
    pxi_kad_rpc_start(&t->rpc, k, p, addrs, count);
}

void pxi_kad_test(struct pxi_kad *k, const struct pxi_peer *p, const px_view *addrs, unsigned count)
{
    struct pxi_kad_key key = pxi_kad_key_of(pxi_peer_view(p));
    if (testing(k, p) || pxi_kad_table_find(&k->table, &key) ||
        pxi_peer_equal(p, pxi_host_self(k->host)))
        return;
    if (pxi_kad_table_room(&k->table, &key)) {
        test_start(k, p, addrs, count);
        return;
    }
    /* A full bucket: its longest silent peer must show that it is still there. */
    struct pxi_kad_entry *old = pxi_kad_table_oldest(&k->table, &key);
    px_view at[PXI_LIMIT_KAD_ADDRS];
    if (old && old->seen_ns + 2 * PXI_LIMIT_KAD_REFRESH_S * PXI_SECOND < pxi_kad_now(k) &&
        !testing(k, &old->peer))
        test_start(k, &old->peer, at, pxi_kad_addrs_get(&old->addrs, at, PXI_LIMIT_KAD_ADDRS));
}

void pxi_kad_tests_stop(struct pxi_kad *k)
{
    while (!pxi_list_empty(&k->tests)) {
        struct test *t = PXI_OF(k->tests.next, struct test, link);
        pxi_kad_rpc_cancel(&t->rpc);
        test_free(t);
    }
}
