/* A training with liars over sockets: threads, an aggregator, px_reduce_sum. */
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "node/poison.h"
#include "plexus/poison.h"

enum { D = PXI_DIGITS_PARAMETERS, WINDOW = 16, LOOKED = 500, DEADLINE_MS = 10000, TRIES = 5 };

static const float momentum = 0.9f, first_step = 1, most = 1e18f;

struct crew;

struct worker {
    struct crew *crew;
    unsigned rank;
    px_reduce *reduce;
    pthread_t thread;
    px_err err;
    struct pxi_rng rng;
    float w[D], v[D], x[D], owed[D], g[D];
};

struct crew {
    const px_poison_live_options *o;
    const px_poison_data *data;
    px_hub *hub;
    struct worker *workers;
    px_poison_look *last;
    uint8_t secret[32];
    char text[PXI_POISON_WORKERS + 1][40]; /* the last: of the aggregator */
    const char *addresses[PXI_POISON_WORKERS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int go; /* 1: all threads are there; -1: they will not be */
};

/* ------------------------------------------------------------------ workers */

/* Its momentum, which is what an honest worker sends. */
static void step(struct worker *w)
{
    const struct pxi_digits *train = &w->crew->data->train;
    uint32_t pick[PXI_POISON_BATCH];
    for (unsigned k = 0; k < PXI_POISON_BATCH; k++)
        pick[k] = (uint32_t)pxi_rng_below(&w->rng, train->n);
    pxi_digits_gradient(w->w, train, pick, PXI_POISON_BATCH, 0, w->g);
    for (int j = 0; j < D; j++)
        w->v[j] = momentum * w->v[j] + (1 - momentum) * w->g[j];
}

/* Of a ruined model gradients have no end; what is sent is finite. */
static float tamed(float x)
{
    return x < -most ? -most : x > most ? most : isfinite(x) ? x : 0;
}

static void look(const struct worker *w, unsigned round)
{
    struct crew *c = w->crew;
    const struct pxi_digits *test = &c->data->test;
    *c->last = (px_poison_look){.round = round,
                                .loss = pxi_digits_loss(w->w, test, LOOKED),
                                .accuracy = pxi_digits_accuracy(w->w, test),
                                .hub = {.size = sizeof(px_hub_report)}};
    px_hub_look(c->hub, &c->last->hub);
    if (c->o->look)
        c->o->look(c->o->ctx, c->last);
}

/* Nobody begins alone: the first sum waits for all. */
static bool all_are_there(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->go)
        pthread_cond_wait(&c->changed, &c->lock);
    bool go = c->go > 0;
    pthread_mutex_unlock(&c->lock);
    return go;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    const px_poison_live_options *o = w->crew->o;
    bool lies = w->rank >= o->workers - o->liars;
    if (!all_are_there(w->crew))
        return NULL;
    for (unsigned round = 0; round < o->rounds; round++) {
        float part = (float)round / (float)o->rounds;
        float lr = first_step * 0.5f * (1 + cosf(3.14159265f * part));
        step(w);
        for (int j = 0; j < D; j++)
            w->x[j] = tamed((lies ? (float)o->times : 1) * w->v[j]);
        w->err = px_reduce_sum(w->reduce, w->x, lies ? NULL : w->owed, D, 1, NULL);
        if (w->err)
            break;
        for (int j = 0; j < D; j++)
            w->w[j] = tamed(w->w[j] - lr * w->x[j]);
        if (w->rank == 0 && ((round + 1) % o->every == 0 || round + 1 == o->rounds))
            look(w, round + 1);
    }
    return NULL;
}

/* ------------------------------------------------------------------ opening */

/* A port of loopback that is free now; the socket that has it, or -1. */
static int free_port(char *out, size_t n)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
                    getsockname(fd, (struct sockaddr *)&a, &size) != 0)) {
        close(fd);
        fd = -1;
    }
    snprintf(out, n, "/ip4/127.0.0.1/udp/%u", ntohs(a.sin_port));
    return fd;
}

/* Ports for all, none of them twice. */
static px_err find_ports(struct crew *c)
{
    int fds[PXI_POISON_WORKERS + 1];
    unsigned n = c->o->workers, got = 0;
    for (; got <= n; got++) {
        char *text = c->text[got < n ? got : PXI_POISON_WORKERS];
        if ((fds[got] = free_port(text, sizeof c->text[0])) < 0)
            break;
        if (got < n)
            c->addresses[got] = text;
    }
    for (unsigned i = 0; i < got; i++)
        close(fds[i]);
    return got > n ? PX_ERR_OK : PX_ERR_IO;
}

static px_err open_worker(struct crew *c, unsigned i, px_diag *diag)
{
    struct worker *w = &c->workers[i];
    px_reduce_options o = {.size = sizeof o,
                           .rank = i,
                           .world = c->o->workers,
                           .addresses = c->addresses,
                           .aggregator = c->text[PXI_POISON_WORKERS],
                           .secret = c->secret,
                           .path = "udp",
                           .values = PXI_POISON_CHUNK,
                           .window = WINDOW,
                           .longest = D};
    w->crew = c;
    w->rank = i;
    w->rng.state = (c->data->seed * 1000 + i) * 0x9e3779b97f4a7c15u;
    pxi_digits_begin(w->w, c->data->seed);
    return px_reduce_open(&o, &w->reduce, diag);
}

static void close_all(struct crew *c)
{
    for (unsigned i = 0; i < c->o->workers; i++) {
        px_reduce_close(c->workers[i].reduce);
        c->workers[i].reduce = NULL;
    }
    px_hub_close(c->hub);
    c->hub = NULL;
}

static px_err open_all(struct crew *c, px_diag *diag)
{
    px_hub_options o = {.size = sizeof o,
                        .address = c->text[PXI_POISON_WORKERS],
                        .workers = c->addresses,
                        .world = c->o->workers,
                        .secret = c->secret,
                        .values = PXI_POISON_CHUNK,
                        .window = WINDOW,
                        .deadline_ms = DEADLINE_MS,
                        .longest = D,
                        .rule = c->o->rule,
                        .liars = c->o->liars,
                        .kernel = c->o->kernel};
    px_err err = find_ports(c);
    if (!err)
        err = px_hub_open(&o, &c->hub, diag);
    for (unsigned i = 0; i < c->o->workers && !err; i++)
        err = open_worker(c, i, diag);
    if (err)
        close_all(c);
    return err;
}

static px_err train(struct crew *c)
{
    unsigned made = 0;
    px_err err = PX_ERR_OK;
    while (made < c->o->workers &&
           pthread_create(&c->workers[made].thread, NULL, work, &c->workers[made]) == 0)
        made++;
    pthread_mutex_lock(&c->lock);
    c->go = made == c->o->workers ? 1 : -1;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < made; i++) {
        pthread_join(c->workers[i].thread, NULL);
        err = err ? err : c->workers[i].err;
    }
    return made < c->o->workers ? PX_ERR_NOMEM : err;
}

px_err px_poison_live(const px_poison_live_options *o, const px_poison_data *d,
                      px_poison_look *last, px_diag *diag)
{
    struct crew c = {.o = o,
                     .data = d,
                     .last = last,
                     .lock = PTHREAD_MUTEX_INITIALIZER,
                     .changed = PTHREAD_COND_INITIALIZER};
    px_err err = PX_ERR_IO;
    pxi_diag_field(diag, "%s", "options");
    if (o->size < sizeof *o || o->workers < PX_SENTRY_FAN_IN || o->workers > PXI_POISON_WORKERS ||
        2 * o->liars >= o->workers || !o->rounds || !o->every)
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "4 to 64 workers, half of them honest",
                            "%u of %u lie", o->liars, o->workers);
    pxi_random_fill(pxi_random_system(), c.secret, sizeof c.secret);
    c.workers = pxi_calloc(o->workers, sizeof *c.workers);
    if (!c.workers)
        return PX_ERR_NOMEM;
    /* Somebody else may take a port between two looks. */
    for (unsigned i = 0; i < TRIES && err == PX_ERR_IO; i++)
        err = open_all(&c, diag);
    if (!err)
        err = train(&c);
    close_all(&c);
    pxi_free(c.workers);
    return err;
}
