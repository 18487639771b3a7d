/*
 * The upgrade and what remains of it: the glue of a live connection, yamux over a secure channel
 * over a link. Nothing is freed inside events of the link other than `lost`: failures and ends
 * wait for a timer.
 */
#include "net/upgrade.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/math.h"
#include "net/limits.h"
#include "net/pnet.h"
#include "net/secure_tls.h"
#include "net/select.h"
#include "net/yamux.h"

enum {
    TIDY_MS = 2000,
    LAST_MS = 50, /* for the last bytes of an upgrade that failed to be pulled */
};

/* What only the upgrade needs. */
struct setup {
    struct pxi_upgrade_options o;
    struct pxi_select select;
    const char *proposals[3];
    struct pxi_scope_conn *scope; /* inbound */
    bool naming;                  /* the secure channel is being selected */
    px_err err;                   /* it failed: told from the loop */
};

struct pxi_upgrade {
    struct pxi_link *link; /* NULL once lost */
    struct pxi_timers *timers;
    struct pxi_faults *faults;
    struct pxi_secure *secure; /* NULL while the protocol is being selected */
    struct pxi_yamux *y;       /* NULL before the end of the upgrade */
    struct setup *setup;       /* NULL after it */
    const char *security;
    struct pxi_buf out; /* answers of select: plain before the handshake, sealed after it */
    size_t sent;
    struct pxi_timer timer; /* the deadline, the failure, then tidying */
    bool broken;            /* the channel failed: nothing is read any more */
};

static const char *const MUXERS[] = {PXI_YAMUX_ID, NULL};
static const char *const ALPN[] = {PXI_YAMUX_ID, "libp2p", NULL};

static void count(struct pxi_upgrade *u, enum pxi_fault fault)
{
    u->faults->n[fault]++;
}

static void session_wake(void *below)
{
    struct pxi_upgrade *u = below;
    if (u->link)
        u->link->ops->wake(u->link);
}

static void setup_free(struct pxi_upgrade *u)
{
    struct setup *s = u->setup;
    u->setup = NULL;
    if (!s)
        return;
    pxi_select_close(&s->select);
    if (s->scope)
        pxi_scope_conn_close(s->scope);
    pxi_free(s);
}

static void upgrade_free(struct pxi_upgrade *u)
{
    pxi_timer_disarm(u->timers, &u->timer);
    if (u->link)
        u->link->ops->close(u->link);
    if (u->y)
        pxi_yamux_free(u->y);
    if (u->secure)
        u->secure->ops->free(u->secure);
    setup_free(u);
    pxi_buf_deinit(&u->out);
    pxi_free(u);
}

/* ------------------------------------------------ the end of an upgrade */

/* The upgrade failed, or the channel of a live connection did. */
static void fail(struct pxi_upgrade *u, px_err err)
{
    u->broken = true;
    if (u->y) {
        struct pxi_conn *c = pxi_yamux_conn(u->y);
        c->ops->close(c, err);
    } else if (u->setup->err == PX_ERR_OK) {
        u->setup->err = err;
        session_wake(u); /* an alert or a refusal may wait */
        pxi_timer_after(u->timers, &u->timer, LAST_MS * PXI_MS);
    }
}

static void fail_counted(struct pxi_upgrade *u, px_err err, enum pxi_fault fault)
{
    if (err != PX_ERR_NOMEM && err != PX_ERR_RESET && !u->broken)
        count(u, fault);
    fail(u, err);
}

static void tell_failure(struct pxi_upgrade *u, px_err err)
{
    void (*done)(void *, struct pxi_conn *, px_err) = u->setup->o.done;
    void *ctx = u->setup->o.ctx;
    upgrade_free(u);
    done(ctx, NULL, err);
}

static void on_timer(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_upgrade *u = PXI_OF(t, struct pxi_upgrade, timer);
    if (u->setup)
        tell_failure(u, u->setup->err != PX_ERR_OK ? u->setup->err : PX_ERR_TIMEOUT);
    else if (u->secure->ops->tidy(u->secure))
        pxi_timer_after(u->timers, t, TIDY_MS * PXI_MS);
}

static void session_over(void *below)
{
    upgrade_free(below);
}

static void session_prompt(void *below)
{
    struct pxi_upgrade *u = below;
    if (u->link && u->link->ops->prompt)
        u->link->ops->prompt(u->link);
}

static const struct pxi_yamux_below below = {session_wake, session_over, session_prompt};

/* Everything is agreed: a connection. */
static void go_live(struct pxi_upgrade *u)
{
    struct pxi_upgrade_options *o = &u->setup->o;
    struct pxi_yamux_options yo = {
        .below = &below,
        .ctx = u,
        .timers = u->timers,
        .random = pxi_host_random(o->upgrader->host),
        .faults = u->faults,
        .outbound = o->outbound,
    };
    u->y = pxi_yamux_new(&yo);
    if (!u->y) {
        fail(u, PX_ERR_NOMEM);
        return;
    }
    struct pxi_conn *c = pxi_yamux_conn(u->y);
    c->peer = u->secure->peer;
    c->pubkey = u->secure->pubkey;
    c->local = o->local;
    c->remote = o->remote;
    c->security = u->security;
    c->limited = o->limited;
    c->scope = u->setup->scope;
    u->setup->scope = NULL;
    pxi_timer_disarm(u->timers, &u->timer);
    void (*done)(void *, struct pxi_conn *, px_err) = o->done;
    void *ctx = o->ctx;
    setup_free(u);
    session_wake(u);
    done(ctx, c, PX_ERR_OK);
}

/* ------------------------------------------------ selecting */

/* With a wrong key of the swarm the first message is noise. */
static enum pxi_fault select_fault(const struct pxi_upgrade *u)
{
    if (u->setup->select.err == PX_ERR_NO_PROTOCOL)
        return PXI_FAULT_NO_PROTOCOL;
    return u->setup->naming && u->setup->o.upgrader->psk ? PXI_FAULT_PNET : PXI_FAULT_MULTISTREAM;
}

/* The remote's word in a negotiation; returns the bytes that belong to it. */
static size_t select_push(struct pxi_upgrade *u, px_view bytes)
{
    struct pxi_select *s = &u->setup->select;
    size_t used = pxi_select_push(s, bytes, &u->out);
    if (u->sent < u->out.n)
        session_wake(u);
    if (s->done && !s->agreed)
        fail_counted(u, s->err, select_fault(u));
    return used;
}

static size_t take_out(struct pxi_upgrade *u, uint8_t *out, size_t cap)
{
    size_t n = pxi_min(cap, u->out.n - u->sent);
    if (n)
        memcpy(out, u->out.p + u->sent, n);
    u->sent += n;
    if (u->sent == u->out.n && u->out.p) {
        pxi_buf_deinit(&u->out);
        u->sent = 0;
    }
    return n;
}

static const char *serves(void *ctx, px_view name)
{
    const char *const *list = ctx;
    for (; *list; list++)
        if (px_view_is(name, *list))
            return *list;
    return NULL;
}

/* Begin a negotiation about names that live on; NULL ends the list. */
static void select_open(struct pxi_upgrade *u, const char *const *names)
{
    struct setup *s = u->setup;
    unsigned n = 0;
    while (names[n])
        n++;
    if (!s->o.outbound) {
        pxi_select_open_in(&s->select, serves, (void *)(uintptr_t)names);
        return;
    }
    px_err err = pxi_select_open_out(&s->select, names, n, &u->out);
    if (err != PX_ERR_OK)
        fail(u, err);
    session_wake(u);
}

/* ------------------------------------------------ the secure channel */

static void on_ready(void *above)
{
    struct pxi_upgrade *u = above;
    if (u->secure->muxer)
        go_live(u);
    else
        select_open(u, MUXERS);
}

static void on_plain(void *above, const uint8_t *bytes, size_t n)
{
    struct pxi_upgrade *u = above;
    size_t used = 0;
    if (u->broken)
        return;
    if (!u->y) {
        used = select_push(u, px_view_of(bytes, n));
        if (!u->setup->select.agreed)
            return;
        go_live(u);
    }
    if (u->y && used < n)
        pxi_yamux_push(u->y, bytes + used, n - used);
}

static size_t on_fill(void *above, uint8_t *out, size_t cap, struct pxi_gaps *gaps)
{
    struct pxi_upgrade *u = above;
    size_t n = u->out.n ? take_out(u, out, cap) : 0;
    if (u->y && cap - n >= PXI_SECURE_FILL)
        n += pxi_yamux_fill(u->y, out + n, cap - n, gaps);
    return n;
}

static struct pxi_landing on_land(void *above)
{
    struct pxi_upgrade *u = above;
    return u->y ? pxi_yamux_landing(u->y) : (struct pxi_landing){0};
}

static const struct pxi_secure_events secure_events = {
    .ready = on_ready, .plain = on_plain, .land = on_land, .wake = session_wake, .fill = on_fill};

/* The protocol is agreed (or the only one): begin its handshake. */
static void secure_start(struct pxi_upgrade *u, const char *name)
{
    struct pxi_upgrade_options *o = &u->setup->o;
    struct pxi_host *host = o->upgrader->host;
    struct pxi_secure_options so = {
        .on = &secure_events,
        .above = u,
        .outbound = o->outbound,
        .expect = o->peer,
        .key = pxi_host_key(host),
        .random = pxi_host_random(host),
        .spare = pxi_host_spare(host),
        .proofs = pxi_host_proofs(host),
        .now_s = pxi_host_wall_s(host),
    };
    px_err err = PX_ERR_NOMEM;
    u->security = name;
    if (strcmp(name, PXI_NOISE_ID) == 0) {
        err = pxi_noise_id_make(&o->upgrader->noise, so.key, so.random);
        if (err == PX_ERR_OK)
            u->secure = pxi_noise_new(&so, &o->upgrader->noise, MUXERS);
    } else {
        u->secure = pxi_secure_tls_new(&so, o->upgrader->shaker, ALPN);
        err = PX_ERR_OK;
    }
    if (!u->secure)
        fail(u, err != PX_ERR_OK ? err : PX_ERR_NOMEM);
    session_wake(u);
}

/* ------------------------------------------------ the link */

static void on_push(struct pxi_link *l, uint8_t *bytes, size_t n)
{
    struct pxi_upgrade *u = l->user;
    size_t used = 0;
    if (u->broken)
        return;
    if (u->setup && u->setup->naming) {
        used = select_push(u, px_view_of(bytes, n));
        if (!u->setup->select.agreed)
            return;
        u->setup->naming = false;
        if (!u->secure)
            secure_start(u, u->setup->select.agreed);
    }
    if (used == n || u->broken)
        return;
    px_err err = u->secure->ops->push(u->secure, bytes + used, n - used);
    if (err != PX_ERR_OK)
        fail_counted(u, err, u->secure->fault);
    if (!u->setup && u->secure->holds && !u->timer.armed)
        pxi_timer_after(u->timers, &u->timer, TIDY_MS * PXI_MS);
}

/* The last word of an upgrade that failed was taken: no need to wait any longer. */
static size_t pulled(struct pxi_upgrade *u, size_t n)
{
    if (u->setup && u->setup->err != PX_ERR_OK)
        pxi_timer_after(u->timers, &u->timer, 0);
    return n;
}

static size_t on_pull(struct pxi_link *l, uint8_t *out, size_t cap)
{
    struct pxi_upgrade *u = l->user;
    size_t n = 0;
    if (!u->secure || !u->secure->ready)
        n = take_out(u, out, cap);
    if (!u->secure || cap - n < PXI_SECURE_CAP)
        return pulled(u, n);
    n += u->secure->ops->pull(u->secure, out + n, cap - n);
    if (u->secure->err != PX_ERR_OK)
        fail_counted(u, u->secure->err, u->secure->fault);
    return pulled(u, n);
}

static void on_lost(struct pxi_link *l, px_err why)
{
    struct pxi_upgrade *u = l->user;
    u->link = NULL;
    if (u->setup) {
        tell_failure(u, u->setup->err != PX_ERR_OK ? u->setup->err : why);
        return;
    }
    pxi_yamux_lost(u->y, why);
    upgrade_free(u);
}

static const struct pxi_link_events link_events = {on_push, on_pull, on_lost};

/* ------------------------------------------------ the beginning */

static void list_security(struct setup *s)
{
    const struct pxi_upgrader *g = s->o.upgrader;
    unsigned n = 0;
    for (unsigned i = 0; i < 2 && g->security[i] != PXI_SECURITY_NONE; i++)
        if (g->security[i] == PXI_SECURITY_NOISE)
            s->proposals[n++] = PXI_NOISE_ID;
        else if (g->shaker)
            s->proposals[n++] = PXI_TLS_ID;
}

/* Count an inbound connection before anything is done for it. */
static px_err admit(struct setup *s)
{
    struct pxi_endpoint e;
    px_view remote = pxi_maddr_view(&s->o.remote);
    if (s->o.outbound)
        return PX_ERR_OK;
    if (!remote.n || pxi_endpoint_of(remote, &e) != PX_ERR_OK)
        e = (struct pxi_endpoint){0};
    return pxi_scope_conn_open(pxi_host_limiter(s->o.upgrader->host), false, &e, &s->scope);
}

struct pxi_upgrade *pxi_upgrade_start(const struct pxi_upgrade_options *o, struct pxi_link *l)
{
    struct pxi_upgrade *u = pxi_calloc(1, sizeof *u);
    struct setup *s = u ? pxi_calloc(1, sizeof *s) : NULL;
    if (!s) {
        pxi_free(u);
        return NULL;
    }
    struct pxi_host *host = o->upgrader->host;
    uint64_t limit = o->upgrader->timeout_ns;
    if (o->upgrader->psk && !(l = pxi_pnet_new(l, o->upgrader->psk, pxi_host_random(host)))) {
        pxi_free(s);
        pxi_free(u);
        return NULL;
    }
    u->setup = s;
    u->link = l;
    u->timers = pxi_host_timers(host);
    u->faults = pxi_host_faults(host);
    u->out.max = 4 * PXI_SELECT_OUT;
    u->timer.fire = on_timer;
    s->o = *o;
    s->naming = true;
    l->on = &link_events;
    l->user = u;
    pxi_timer_after(u->timers, &u->timer, limit ? limit : PXI_LIMIT_NET_UPGRADE_MS * PXI_MS);
    list_security(s);
    px_err err = s->proposals[0] ? admit(s) : PX_ERR_INVALID;
    if (err == PX_ERR_LIMIT)
        count(u, PXI_FAULT_LIMIT);
    if (err != PX_ERR_OK)
        fail(u, err);
    else
        select_open(u, s->proposals);
    if (!u->broken && o->outbound && !s->proposals[1])
        secure_start(u, s->proposals[0]); /* its first message follows the proposal at once */
    return u;
}

void pxi_upgrade_cancel(struct pxi_upgrade *u)
{
    upgrade_free(u);
}
