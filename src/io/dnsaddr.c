#include "io/dnsaddr.h"

#include <arpa/nameser.h>
#include <resolv.h>

#include "base/mem.h"
#include "net/dnsaddr.h"

enum { WAIT_S = 2, TRIES = 2 };

struct question {
    uv_work_t work;
    struct pxi_dial *dial; /* NULL: nobody waits any more */
    struct pxi_loop *loop;
    struct sockaddr_in server;
    struct pxi_peer want;
    char name[PXI_DNSADDR_NAME];
    struct pxi_dnsaddr found;
    uint8_t message[PXI_LIMIT_DNSADDR_MESSAGE];
};

/* In the thread: touches nothing but the question, and of that not the dial. */
static void ask(uv_work_t *w)
{
    struct question *q = PXI_OF(w, struct question, work);
    struct __res_state state = {0};
    if (res_ninit(&state))
        return;
    state.retrans = WAIT_S;
    state.retry = TRIES;
    if (q->server.sin_family) {
        state.nscount = 1;
        state.nsaddr_list[0] = q->server;
    }
    int n = res_nquery(&state, q->name, ns_c_in, ns_t_txt, q->message, sizeof q->message);
    res_nclose(&state);
    if (n > 0 && (size_t)n <= sizeof q->message)
        pxi_dnsaddr_read(px_view_of(q->message, (size_t)n), &q->want, &q->found);
}

static void answered(uv_work_t *w, int status)
{
    struct question *q = PXI_OF(w, struct question, work);
    struct pxi_dial *d = q->dial;
    px_view addrs[PXI_LIMIT_DNSADDR_ADDRS];
    pxi_loop_now(q->loop);
    if (d) {
        d->transport_data = NULL;
        for (unsigned i = 0; i < q->found.n; i++)
            addrs[i] = pxi_maddr_view(&q->found.addr[i]);
        pxi_dial_done(d, NULL, pxi_dial_expand(d, addrs, q->found.n));
    }
    pxi_free(q);
}

bool pxi_dnsaddr_ask(struct pxi_loop *l, struct pxi_dial *d, const struct sockaddr_in *server)
{
    struct pxi_endpoint e;
    struct question *q = pxi_calloc(1, sizeof *q);
    if (!q || pxi_endpoint_of(pxi_maddr_view(&d->addr), &e) != PX_ERR_OK ||
        !pxi_dnsaddr_name(e.dns, q->name)) {
        pxi_free(q);
        return false;
    }
    q->dial = d;
    q->loop = l;
    q->want = d->peer;
    q->server = *server;
    if (uv_queue_work(pxi_loop_uv(l), &q->work, ask, answered) != 0) {
        pxi_free(q);
        return false;
    }
    d->transport_data = q;
    return true;
}

void pxi_dnsaddr_cancel(struct pxi_dial *d)
{
    struct question *q = d->transport_data;
    q->dial = NULL;
    d->transport_data = NULL;
    uv_cancel((uv_req_t *)&q->work);
}
