#include "net/memlink.h"

#include "base/list.h"
#include "base/math.h"
#include "base/mem.h"
#include "base/rng.h"

/* Bytes on their way to one end. */
struct packet {
    struct pxi_list link;
    uint64_t due_ns;
    size_t n;
    uint8_t bytes[];
};

struct end {
    struct pxi_link link; /* first */
    struct pair *pair;
    struct end *peer;
    struct pxi_timer pump_timer, arrive_timer;
    struct pxi_list arriving; /* struct packet.link, in order */
    size_t flight;            /* bytes of arriving */
    uint64_t free_ns;         /* our way out carries no more before */
    uint64_t last_ns;         /* when the last byte from the peer arrives */
    bool awake;               /* the upper side may have bytes to pull */
    bool paused;              /* it wants no bytes now */
    bool last_due;            /* the peer closed: `lost` follows the last byte */
    bool done;                /* the upper side is gone */
    px_err why;
};

struct pair {
    struct end ends[2];
    struct pxi_memlink_options o;
    struct pxi_rng rng;
    struct pxi_timer free_timer;
    uint8_t *scratch; /* without a delay bytes pass through here */
};

static struct end *of(struct pxi_link *l)
{
    return (struct end *)(void *)l;
}

static bool is_direct(const struct pair *p)
{
    return !p->o.delay_ns && !p->o.bytes_per_s;
}

static void drop_packets(struct end *e)
{
    while (!pxi_list_empty(&e->arriving)) {
        struct packet *k = PXI_OF(e->arriving.next, struct packet, link);
        pxi_list_remove(&k->link);
        pxi_free(k);
    }
    e->flight = 0;
}

static void on_free(struct pxi_timer *t, uint64_t now_ns)
{
    struct pair *p = PXI_OF(t, struct pair, free_timer);
    pxi_free(p->scratch);
    pxi_free(p);
}

static void end_done(struct end *e)
{
    struct pair *p = e->pair;
    e->done = true;
    drop_packets(e);
    pxi_timer_disarm(p->o.timers, &e->pump_timer);
    pxi_timer_disarm(p->o.timers, &e->arrive_timer);
    if (e->peer->done)
        pxi_timer_after(p->o.timers, &p->free_timer, 0);
}

/* ------------------------------------------------ arriving */

static void arm_arrival(struct end *e)
{
    if (e->done || e->paused)
        return;
    if (!pxi_list_empty(&e->arriving))
        pxi_timer_arm(e->pair->o.timers, &e->arrive_timer,
                      PXI_OF(e->arriving.next, struct packet, link)->due_ns);
    else if (e->last_due)
        pxi_timer_arm(e->pair->o.timers, &e->arrive_timer, e->last_ns);
}

/* Push bytes in pieces, until the upper side goes away. */
static void push(struct end *e, uint8_t *bytes, size_t n)
{
    struct pair *p = e->pair;
    size_t most = p->o.push_bytes;
    for (size_t at = 0; at < n && !e->done;) {
        size_t part = n - at;
        if (most && part > most)
            part = most;
        if (most && p->o.seed)
            part = 1 + (size_t)pxi_rng_below(&p->rng, part);
        e->link.on->push(&e->link, bytes + at, part);
        at += part;
    }
}

static void on_arrive(struct pxi_timer *t, uint64_t now_ns)
{
    struct end *e = PXI_OF(t, struct end, arrive_timer);
    while (!e->done && !e->paused && !pxi_list_empty(&e->arriving)) {
        struct packet *k = PXI_OF(e->arriving.next, struct packet, link);
        if (k->due_ns > now_ns)
            break;
        pxi_list_remove(&k->link);
        e->flight -= k->n;
        push(e, k->bytes, k->n);
        pxi_free(k);
    }
    if (e->done)
        return;
    if (pxi_list_empty(&e->arriving) && e->last_due && now_ns >= e->last_ns && !e->paused) {
        e->link.on->lost(&e->link, e->why);
        end_done(e);
        return;
    }
    arm_arrival(e);
    if (e->peer->awake && !e->peer->done)
        pxi_timer_after(e->pair->o.timers, &e->peer->pump_timer, 0);
}

/* ------------------------------------------------ leaving */

/* Take a packet from the upper side, and send it on its way. true: there may be more. */
static bool pull_packet(struct end *e, uint64_t now_ns)
{
    struct pair *p = e->pair;
    struct packet *k = pxi_realloc(NULL, 1, sizeof *k + p->o.pull_bytes), *fit;
    if (!k) {
        pxi_timer_after(p->o.timers, &e->pump_timer, PXI_MS);
        return false;
    }
    k->n = e->link.on->pull(&e->link, k->bytes, p->o.pull_bytes);
    if (!k->n || e->peer->done) {
        e->awake = k->n != 0;
        pxi_free(k);
        return e->awake;
    }
    fit = pxi_realloc(k, 1, sizeof *k + k->n);
    k = fit ? fit : k;
    if (p->o.bytes_per_s) /* a pull is far below 2^33 bytes */
        e->free_ns = pxi_max(e->free_ns, now_ns) + k->n * PXI_SECOND / p->o.bytes_per_s;
    k->due_ns = pxi_max(e->free_ns, now_ns) + p->o.delay_ns;
    pxi_list_add(&e->peer->arriving, &k->link);
    e->peer->flight += k->n;
    e->peer->last_ns = k->due_ns;
    if (!e->peer->arrive_timer.armed)
        arm_arrival(e->peer);
    return true;
}

/* No delay: pull and push at once. */
static bool pull_direct(struct end *e)
{
    struct pair *p = e->pair;
    if (!p->scratch && !(p->scratch = pxi_realloc(NULL, 1, p->o.pull_bytes))) {
        pxi_timer_after(p->o.timers, &e->pump_timer, PXI_MS);
        return false;
    }
    size_t n = e->link.on->pull(&e->link, p->scratch, p->o.pull_bytes);
    e->awake = n != 0;
    if (n && !e->peer->done)
        push(e->peer, p->scratch, n);
    return e->awake;
}

static void on_pump(struct pxi_timer *t, uint64_t now_ns)
{
    struct end *e = PXI_OF(t, struct end, pump_timer);
    struct pair *p = e->pair;
    if (is_direct(p)) {
        if (e->peer->paused && !e->peer->done)
            return; /* goes on with want */
        if (pull_direct(e) && !e->done)
            pxi_timer_after(p->o.timers, t, 0);
        return;
    }
    while (!e->done && e->awake) {
        if (e->free_ns > now_ns) {
            pxi_timer_arm(p->o.timers, t, e->free_ns);
            return;
        }
        if (e->peer->flight >= p->o.flight_bytes || !pull_packet(e, now_ns))
            return; /* goes on with an arrival, or with wake */
    }
}

/* ------------------------------------------------ operations */

static void link_wake(struct pxi_link *l)
{
    struct end *e = of(l);
    e->awake = true;
    if (!e->done && !e->pump_timer.armed)
        pxi_timer_after(e->pair->o.timers, &e->pump_timer, 0);
}

static void last_word(struct end *to, px_err why)
{
    struct pxi_timers *timers = to->pair->o.timers;
    if (to->done || to->last_due)
        return;
    to->last_due = true;
    to->why = why;
    uint64_t due = timers->now_ns + to->pair->o.delay_ns;
    to->last_ns = pxi_max(to->last_ns, due);
    if (!to->arrive_timer.armed)
        arm_arrival(to);
}

static void link_close(struct pxi_link *l)
{
    struct end *e = of(l);
    last_word(e->peer, PX_ERR_RESET);
    end_done(e);
}

static void link_want(struct pxi_link *l, bool more)
{
    struct end *e = of(l);
    e->paused = !more;
    if (!more)
        return;
    arm_arrival(e);
    if (e->peer->awake && !e->peer->done)
        pxi_timer_after(e->pair->o.timers, &e->peer->pump_timer, 0);
}

static const struct pxi_link_ops link_ops = {link_wake, link_close, link_want};

px_err pxi_memlink_pair(const struct pxi_memlink_options *o, struct pxi_link **a,
                        struct pxi_link **b)
{
    struct pair *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return PX_ERR_NOMEM;
    p->o = *o;
    p->rng.state = o->seed;
    if (!p->o.pull_bytes)
        p->o.pull_bytes = (size_t)256 << 10;
    p->o.pull_bytes = pxi_max(p->o.pull_bytes, 65536 + 1024);
    if (!p->o.flight_bytes)
        p->o.flight_bytes = (size_t)4 << 20;
    p->free_timer.fire = on_free;
    for (unsigned i = 0; i < 2; i++) {
        struct end *e = &p->ends[i];
        e->link.ops = &link_ops;
        e->pair = p;
        e->peer = &p->ends[1 - i];
        e->pump_timer.fire = on_pump;
        e->arrive_timer.fire = on_arrive;
        pxi_list_init(&e->arriving);
    }
    *a = &p->ends[0].link;
    *b = &p->ends[1].link;
    return PX_ERR_OK;
}

void pxi_memlink_cut(struct pxi_link *l)
{
    struct end *e = of(l);
    for (unsigned i = 0; i < 2; i++) {
        struct end *x = &e->pair->ends[i];
        drop_packets(x);
        x->last_ns = 0;
        x->paused = false;
        last_word(x, PX_ERR_RESET);
        if (!x->done)
            pxi_timer_after(e->pair->o.timers, &x->arrive_timer, 0);
    }
}
