/* The program was taken off its device: it is attached again as soon as that can be, and goes on
 * from where its jobs are by then. */
#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "node/agg_impl.h"

#define FIRST_NS UINT64_C(300000000)   /* until it is tried once more, */
#define MOST_NS  UINT64_C(10000000000) /* and twice as long each time */

/* What stands in its way, in one line. */
static void note(struct pxi_agg *a, const px_diag *d)
{
    struct pxi_agg_again *g = &a->again;
    snprintf(g->why, sizeof g->why, "%.40s: %.80s; expected %.80s", d->field, d->found,
             d->expected);
    g->step_ns = g->step_ns ? 2 * g->step_ns : FIRST_NS;
    g->step_ns = g->step_ns < MOST_NS ? g->step_ns : MOST_NS;
    g->at_ns = pxi_clock_ns() + g->step_ns;
}

/* The program adds, and sockets do not. */
static void back(struct pxi_agg *a)
{
    struct pxi_agg_again *g = &a->again;
    bool unbound = a->sums && !a->jobs && (a->sockets || a->given_up);
    g->times++;
    g->step_ns = 0;
    g->at_ns = pxi_clock_ns() + FIRST_NS; /* others may take it off again and again */
    g->why[0] = '\0';
    a->given_up = false;
    if (a->sockets)
        pxi_agg_sockets_retire(a->sockets);
    if (unbound && pxi_sums_bind(a->sums) != PX_ERR_OK)
        snprintf(g->why, sizeof g->why, "the port from which sums are sent is taken");
    if (unbound)
        uv_poll_start(&a->wakes, UV_READABLE, a->wake);
}

/* With our own rights: soon done. */
static bool relink(struct pxi_agg *a)
{
    px_diag d = {0};
    if (a->sockets)
        pxi_agg_sockets_save(a->sockets);
    if (pxi_xdp_relink(a->xdp, &d) == PX_ERR_OK)
        return true;
    note(a, &d);
    return false;
}

/* The helper is asked on a thread: it loads for some time, and meanwhile a socket adds. */
static void *ask(void *arg)
{
    struct pxi_agg *a = arg;
    struct pxi_agg_again *g = &a->again;
    if (pxi_xdp_fetch(a->xdp, &g->loaded, &g->diag))
        g->loaded = NULL;
    __atomic_store_n(&g->answered, true, __ATOMIC_RELEASE);
    return NULL;
}

static void begin_to_ask(struct pxi_agg *a)
{
    struct pxi_agg_again *g = &a->again;
    g->answered = false;
    g->diag = (px_diag){0};
    g->asks = pthread_create(&g->thread, NULL, ask, a) == 0;
}

static bool move(struct pxi_agg *a)
{
    struct pxi_agg_again *g = &a->again;
    pthread_join(g->thread, NULL);
    g->asks = false;
    if (g->loaded && a->sockets)
        pxi_agg_sockets_save(a->sockets);
    if (g->loaded && pxi_xdp_move(a->xdp, g->loaded, &g->diag) == PX_ERR_OK)
        return true;
    note(a, &g->diag);
    return false;
}

bool pxi_agg_again(struct pxi_agg *a)
{
    struct pxi_agg_again *g = &a->again;
    bool due = !g->asks && pxi_clock_ns() >= g->at_ns, done = false;
    if (g->asks && __atomic_load_n(&g->answered, __ATOMIC_ACQUIRE))
        done = move(a);
    else if (due && !pxi_xdp_helped(a->xdp))
        done = relink(a);
    else if (due)
        begin_to_ask(a);
    if (done)
        back(a);
    return done;
}

void pxi_agg_again_end(struct pxi_agg *a)
{
    struct pxi_agg_again *g = &a->again;
    if (!g->asks)
        return;
    pthread_join(g->thread, NULL);
    pxi_xdp_drop(g->loaded);
    g->asks = false;
}
