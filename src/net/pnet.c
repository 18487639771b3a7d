#include "net/pnet.h"

#include "base/math.h"
#include "base/mem.h"
#include "crypto/xsalsa20.h"

struct pnet {
    struct pxi_link link; /* first: what the upper side sees */
    struct pxi_link *lower;
    uint8_t key[PXI_PNET_KEY];
    uint8_t ours[PXI_XSALSA20_NONCE], theirs[PXI_XSALSA20_NONCE];
    size_t got; /* of theirs */
    bool sent;  /* ours */
    struct pxi_xsalsa20 in, out;
};

static void pnet_free(struct pnet *p)
{
    explicit_bzero(p, sizeof *p);
    pxi_free(p);
}

static void on_push(struct pxi_link *l, uint8_t *bytes, size_t n)
{
    struct pnet *p = l->user;
    if (p->got < sizeof p->theirs) {
        size_t part = pxi_min(n, sizeof p->theirs - p->got);
        memcpy(p->theirs + p->got, bytes, part);
        p->got += part;
        bytes += part;
        n -= part;
        if (p->got == sizeof p->theirs)
            pxi_xsalsa20_init(&p->in, p->key, p->theirs);
    }
    if (!n)
        return;
    pxi_xsalsa20_xor(&p->in, bytes, bytes, n);
    p->link.on->push(&p->link, bytes, n);
}

static size_t on_pull(struct pxi_link *l, uint8_t *out, size_t cap)
{
    struct pnet *p = l->user;
    size_t at = 0;
    if (!p->sent) {
        memcpy(out, p->ours, sizeof p->ours);
        at = sizeof p->ours;
        p->sent = true;
    }
    size_t n = p->link.on->pull(&p->link, out + at, cap - at);
    pxi_xsalsa20_xor(&p->out, out + at, out + at, n);
    return at + n;
}

static void on_lost(struct pxi_link *l, px_err why)
{
    struct pnet *p = l->user;
    p->link.on->lost(&p->link, why);
    pnet_free(p);
}

static const struct pxi_link_events events = {on_push, on_pull, on_lost};

static struct pnet *of(struct pxi_link *l)
{
    return (struct pnet *)(void *)l;
}

static void link_wake(struct pxi_link *l)
{
    of(l)->lower->ops->wake(of(l)->lower);
}

static void link_close(struct pxi_link *l)
{
    of(l)->lower->ops->close(of(l)->lower);
    pnet_free(of(l));
}

static void link_want(struct pxi_link *l, bool more)
{
    of(l)->lower->ops->want(of(l)->lower, more);
}

static const struct pxi_link_ops ops = {link_wake, link_close, link_want};

struct pxi_link *pxi_pnet_new(struct pxi_link *lower, const uint8_t key[PXI_PNET_KEY],
                              struct pxi_random *random)
{
    struct pnet *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->link.ops = &ops;
    p->lower = lower;
    memcpy(p->key, key, sizeof p->key);
    pxi_random_fill(random, p->ours, sizeof p->ours);
    pxi_xsalsa20_init(&p->out, key, p->ours);
    lower->on = &events;
    lower->user = p;
    lower->ops->wake(lower);
    return &p->link;
}
