#include "io/paths.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/random.h"

enum {
    PROBES = 32, /* datagrams of a round */
    ROUNDS = 4,
    TRIES = 3, /* of a round that was not answered */
    MS = 1000000,
    ROUND_MS = 30,
    HELLO_MS = 20,
    EARLY = 25, /* hellos, then it is quieter */
    LATE_MS = 1000,
    GIVE_UP = 60,  /* hellos to somebody who is there and whom a path does not reach */
    MEET_MS = 150, /* a path may take so long to reach a peer before it is measured without */
    PATIENCE_MS = 300,
    TURN_MS = 100,
    SILENCE_MS = 300, /* a ping without an answer: the path does not lead there any more */
    CHEAP = 5,
    DEAR = 4, /* within a quarter of the cheapest, the fastest is taken */
};

enum { MAGIC = 0x7770, LAYOUT = 1, PROOF = 16, WORD_MOST = 512 };
enum word_kind { HELLO = 1, PROBE, COUNT, PING, PONG };

/* The head of every word. */
struct word {
    uint16_t magic;
    uint8_t version, kind, from, path;
    uint16_t round;
    uint64_t session; /* of who gets it, 0: not known */
    uint16_t index, of;
    uint32_t cpu_ns, got, pad;
};
_Static_assert(sizeof(struct word) == 32, "no holes");

/* What is measured for a peer, by its probes: as they come. */
struct heard {
    uint16_t round;
    uint8_t path;
    uint32_t got;
    uint64_t cpu_ns, sum;
};

struct meeting {
    uint64_t session; /* 0: never heard of */
    bool knows_us;
    unsigned hellos;
    uint64_t hello_ns, met_ns; /* when the next is due; since when it is there */
    enum pxi_path_kind via;
    uint32_t measured, offered, reached; /* bit sets of kinds */
    unsigned round, tries;
    struct pxi_path_figure figures[PXI_PATH_KINDS];
    struct heard heard;
    uint64_t sent, taken, sent_before, taken_before; /* frames, and at the last look */
    uint64_t ping_ns;                                /* 0: none is out */
};

struct pxi_paths {
    struct pxi_paths_options o;
    struct pxi_path *paths[PXI_PATH_KINDS];
    char why_not[PXI_PATH_KINDS][80];
    uint8_t secret[PXI_PATHS_SECRET];
    uint64_t session, opened_ns, turn_ns, look_cpu_ns, listen_ns;
    uint8_t *probes; /* PROBES frames in the arena */
    size_t stride;
    unsigned probed; /* the peer whose answer is awaited; n: nobody's */
    enum pxi_path_kind probed_kind;
    uint64_t asked_ns, asked_cpu_ns, spent_cpu_ns;
    uint32_t changes;
    uint64_t seen[PXI_PATH_KINDS];  /* whom each reached at the last look */
    struct pxi_path_options device; /* with which AF_XDP is opened */
    enum { UNASKED, ASKED } asked;  /* whether it was: it is tried where memory is not shared */
    uint64_t device_ns;
    struct meeting with[PXI_PATH_PEERS];
};

static const char *const names[PXI_PATH_KINDS] = {"udp", "shm", "xsk", "verbs"};

const char *pxi_path_name(enum pxi_path_kind kind)
{
    return names[kind];
}

int pxi_path_kind(const char *name)
{
    for (int k = 0; k < PXI_PATH_KINDS; k++)
        if (strcmp(names[k], name) == 0)
            return k;
    return -1;
}

static uint64_t clock_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_now(void)
{
    return clock_of(CLOCK_THREAD_CPUTIME_ID);
}

static bool reaches(const struct pxi_paths *ps, unsigned kind, unsigned to)
{
    const struct pxi_path *p = ps->paths[kind];
    return p && !p->lost && (p->peers >> to & 1);
}

static bool wished(const struct pxi_paths *ps, unsigned kind)
{
    return !ps->o.wish || (ps->o.wish >> kind & 1);
}

/* ------------------------------------------------------------------- words */

static void say(struct pxi_paths *ps, unsigned to, enum pxi_path_kind kind, const void *bytes,
                size_t n)
{
    struct pxi_path *p = ps->paths[reaches(ps, kind, to) ? kind : PXI_PATH_UDP];
    px_view v = px_view_of(bytes, n);
    uint64_t copied = p->counts.copied;
    p->ops->send(p, to, &v, 1);
    p->counts.copied = copied; /* no values */
}

static struct word word_of(const struct pxi_paths *ps, unsigned to, enum word_kind kind,
                           enum pxi_path_kind path)
{
    return (struct word){.magic = MAGIC,
                         .version = LAYOUT,
                         .kind = (uint8_t)kind,
                         .from = (uint8_t)ps->o.path.rank,
                         .path = (uint8_t)path,
                         .session = ps->with[to].session};
}

/* The end of a hello: nobody without the secret can say one, nor turn one round. */
static void prove(const struct pxi_paths *ps, unsigned from, unsigned to, px_view said,
                  uint8_t out[PROOF])
{
    uint8_t text[WORD_MOST + 2], digest[PXI_DIGEST];
    memcpy(text, said.p, said.n);
    text[said.n] = (uint8_t)from;
    text[said.n + 1] = (uint8_t)to;
    pxi_hmac_sha256(px_view_of(ps->secret, sizeof ps->secret), px_view_of(text, said.n + 2),
                    digest);
    memcpy(out, digest, PROOF);
}

static void say_hello(struct pxi_paths *ps, unsigned to, uint64_t now_ns)
{
    uint8_t out[WORD_MOST], offer[PXI_PATH_OFFER];
    struct word w = word_of(ps, to, HELLO, PXI_PATH_UDP);
    struct meeting *m = &ps->with[to];
    size_t n = sizeof w;
    memcpy(out, &w, n);
    memcpy(out + n, &ps->session, sizeof ps->session);
    n += sizeof ps->session;
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++) {
        struct pxi_path *p = ps->paths[k];
        size_t bytes = p && p->ops->offer ? p->ops->offer(p, to, offer) : 0;
        if (!bytes)
            continue;
        out[n++] = (uint8_t)k;
        out[n++] = (uint8_t)bytes;
        memcpy(out + n, offer, bytes);
        n += bytes;
    }
    prove(ps, ps->o.path.rank, to, px_view_of(out, n), out + n);
    say(ps, to, PXI_PATH_UDP, out, n + PROOF);
    m->hellos++;
    m->hello_ns = now_ns + (uint64_t)MS * (m->hellos < EARLY ? HELLO_MS : LATE_MS);
}

static bool is_proven(const struct pxi_paths *ps, unsigned from, px_view v)
{
    uint8_t proof[PROOF], differs = 0;
    size_t n = v.n - PROOF;
    prove(ps, from, ps->o.path.rank, px_view_of(v.p, n), proof);
    for (unsigned i = 0; i < PROOF; i++)
        differs |= (uint8_t)(proof[i] ^ v.p[n + i]);
    return !differs;
}

/* A peer that began anew: nothing of before is true. */
static void begin_anew(struct pxi_paths *ps, unsigned from, uint64_t session, uint64_t now_ns)
{
    struct meeting *m = &ps->with[from];
    for (unsigned k = 0; k < PXI_PATH_KINDS && m->session; k++)
        if (ps->paths[k] && ps->paths[k]->ops->leave)
            ps->paths[k]->ops->leave(ps->paths[k], from);
    if (ps->probed == from)
        ps->probed = ps->o.path.n;
    *m = (struct meeting){.session = session, .via = PXI_PATH_UDP, .met_ns = now_ns};
}

/* A path that the peer offers no more is gone there, though here it may not show. */
static void show_offers(struct pxi_paths *ps, unsigned from, const uint8_t *p, size_t n)
{
    ps->with[from].offered = 0;
    while (n >= 2 && n - 2 >= p[1]) {
        struct pxi_path *path = p[0] < PXI_PATH_KINDS ? ps->paths[p[0]] : NULL;
        if (path)
            ps->with[from].offered |= UINT32_C(1) << p[0];
        if (path && path->ops->meet && p[1] <= PXI_PATH_OFFER)
            path->ops->meet(path, from, px_view_of(p + 2, p[1]));
        size_t step = 2u + p[1];
        p += step;
        n -= step;
    }
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++) {
        const struct pxi_path_ops *ops = ps->paths[k] ? ps->paths[k]->ops : NULL;
        if (ops && ops->offer && ops->leave && !(ps->with[from].offered >> k & 1) &&
            reaches(ps, k, from))
            ops->leave(ps->paths[k], from);
    }
}

static void on_hello(struct pxi_paths *ps, unsigned from, const struct word *w, px_view v,
                     uint64_t now_ns)
{
    struct meeting *m = &ps->with[from];
    uint64_t session;
    if (v.n < sizeof *w + sizeof session + PROOF || v.n > WORD_MOST || !is_proven(ps, from, v))
        return;
    memcpy(&session, v.p + sizeof *w, sizeof session);
    if (session != m->session)
        begin_anew(ps, from, session, now_ns);
    m->knows_us = w->session == ps->session;
    size_t head = sizeof *w + sizeof session;
    show_offers(ps, from, v.p + head, v.n - PROOF - head);
    ps->listen_ns = now_ns + (uint64_t)PATIENCE_MS * MS;
    if (!m->knows_us)
        m->hello_ns = 0;
    /* It may want to see whence we answer. */
    struct word pong = word_of(ps, from, PONG, PXI_PATH_UDP);
    say(ps, from, PXI_PATH_UDP, &pong, sizeof pong);
}

/* ------------------------------------------------------------------ probes */

/* Read all of it, as who adds does. */
static uint64_t sum_of(px_view v)
{
    uint64_t sum = 0, word;
    for (size_t i = 0; i + 8 <= v.n; i += 8) {
        memcpy(&word, v.p + i, sizeof word);
        sum += word;
    }
    return sum;
}

static void on_probe(struct pxi_paths *ps, enum pxi_path_kind kind, unsigned from,
                     const struct word *w, px_view v)
{
    struct heard *h = &ps->with[from].heard;
    if (h->round != w->round || h->path != w->path)
        *h = (struct heard){.round = w->round, .path = w->path, .cpu_ns = ps->look_cpu_ns};
    h->got++;
    h->sum += sum_of(v);
    if (w->index + 1u != w->of)
        return;
    struct word answer = word_of(ps, from, COUNT, w->path < PXI_PATH_KINDS ? w->path : kind);
    answer.round = w->round;
    answer.got = h->got;
    answer.cpu_ns = h->cpu_ns ? (uint32_t)(cpu_now() - h->cpu_ns) : 0;
    say(ps, from, kind, &answer, sizeof answer);
}

static void send_probes(struct pxi_paths *ps, unsigned to, enum pxi_path_kind kind, uint64_t now_ns)
{
    struct pxi_path *p = ps->paths[kind];
    struct meeting *m = &ps->with[to];
    px_view v[PROBES];
    for (unsigned i = 0; i < PROBES; i++) {
        struct word w = word_of(ps, to, PROBE, kind);
        uint8_t *at = ps->probes + i * ps->stride;
        w.round = (uint16_t)(m->round * TRIES + m->tries + 1);
        w.index = (uint16_t)i;
        w.of = PROBES;
        memset(at, (int)w.round, ps->o.path.frame);
        memcpy(at, &w, sizeof w);
        v[i] = px_view_of(at, ps->o.path.frame);
    }
    ps->probed = to;
    ps->probed_kind = kind;
    ps->asked_cpu_ns = cpu_now();
    ps->asked_ns = now_ns;
    for (unsigned done = 0, most = p->parts < PROBES ? p->parts : PROBES; done < PROBES;) {
        unsigned n = PROBES - done < most ? PROBES - done : most;
        unsigned k = p->ops->send(p, to, v + done, n);
        if (!k)
            break; /* no room: as good as lost */
        done += k;
    }
    ps->spent_cpu_ns = cpu_now() - ps->asked_cpu_ns;
    ps->listen_ns = now_ns + (uint64_t)PATIENCE_MS * MS;
}

static void choose(struct pxi_paths *ps, unsigned to);

/* The round is over: the next one, or the path is measured. */
static void next_round(struct pxi_paths *ps, unsigned to, enum pxi_path_kind kind)
{
    struct meeting *m = &ps->with[to];
    ps->probed = ps->o.path.n;
    m->tries = 0;
    if (++m->round < ROUNDS)
        return;
    m->round = 0;
    m->measured |= UINT32_C(1) << kind;
    choose(ps, to);
}

static void on_count(struct pxi_paths *ps, unsigned from, const struct word *w)
{
    struct meeting *m = &ps->with[from];
    uint64_t ns = clock_of(CLOCK_MONOTONIC) - ps->asked_ns;
    if (ps->probed != from || w->path != ps->probed_kind ||
        w->round != m->round * TRIES + m->tries + 1 || !w->got || w->got > PROBES)
        return;
    struct pxi_path_figure *f = &m->figures[w->path];
    uint32_t cpu = (uint32_t)(ps->spent_cpu_ns / PROBES) + w->cpu_ns / w->got;
    uint32_t each = (uint32_t)(ns / w->got);
    if (w->cpu_ns && cpu && (!f->cpu_ns || cpu < f->cpu_ns))
        f->cpu_ns = cpu;
    if (each && (!f->ns || each < f->ns))
        f->ns = each;
    next_round(ps, from, ps->probed_kind);
}

/* ------------------------------------------------------------------ choice */

/* The cheapest; of those within a quarter of it, the fastest. One that was asked for is taken
 * though its probes were too slow to say what it costs. */
static void choose(struct pxi_paths *ps, unsigned to)
{
    struct meeting *m = &ps->with[to];
    const struct pxi_path_figure *f = m->figures;
    uint32_t least = UINT32_MAX;
    unsigned best = PXI_PATH_UDP;
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++)
        if (wished(ps, k) && reaches(ps, k, to) && f[k].cpu_ns && f[k].cpu_ns < least) {
            least = f[k].cpu_ns;
            best = k;
        } else if (ps->o.wish && wished(ps, k) && reaches(ps, k, to) && least == UINT32_MAX) {
            best = k;
        }
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++)
        if (wished(ps, k) && reaches(ps, k, to) && f[k].cpu_ns &&
            (uint64_t)f[k].cpu_ns * DEAR <= (uint64_t)least * CHEAP && f[k].ns < f[best].ns)
            best = k;
    ps->changes += best != m->via && !reaches(ps, m->via, to);
    m->via = best;
    m->ping_ns = 0;
}

/* Which paths lead there has changed: one that is lost is to be found and measured anew, and
 * another one serves. */
static void check_reach(struct pxi_paths *ps, unsigned to)
{
    struct meeting *m = &ps->with[to];
    uint32_t now = 0;
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++)
        now |= (uint32_t)reaches(ps, k, to) << k;
    uint32_t lost = m->reached & ~now, found = now & ~m->reached;
    m->reached = now;
    if (ps->o.wish & found)
        choose(ps, to);
    if (!lost)
        return;
    m->measured &= ~lost;
    m->hellos = 0;
    m->hello_ns = 0;
    if (lost >> m->via & 1)
        choose(ps, to);
}

struct pxi_path *pxi_paths_via(struct pxi_paths *ps, unsigned to)
{
    if (!reaches(ps, ps->with[to].via, to))
        check_reach(ps, to);
    ps->with[to].sent++;
    return ps->paths[ps->with[to].via];
}

/* A path that is there, leads to the peer, and was not measured yet; KINDS: none. */
static unsigned unmeasured(const struct pxi_paths *ps, unsigned to)
{
    const struct meeting *m = &ps->with[to];
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++)
        if (wished(ps, k) && reaches(ps, k, to) && !(m->measured >> k & 1))
            return k;
    return PXI_PATH_KINDS;
}

/* A path that both may have, and that does not lead to the peer yet. */
static bool is_missing(const struct pxi_paths *ps, unsigned to)
{
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++)
        if (((ps->with[to].offered >> k & 1) || k == PXI_PATH_XSK) && ps->paths[k] &&
            !reaches(ps, k, to))
            return true;
    return false;
}

static void probe_next(struct pxi_paths *ps, uint64_t now_ns)
{
    unsigned n = ps->o.path.n, to = ps->probed;
    if (to < n) {
        if (now_ns - ps->asked_ns < (uint64_t)ROUND_MS * MS)
            return;
        ps->probed = n;
        if (++ps->with[to].tries == TRIES)
            next_round(ps, to, ps->probed_kind);
    }
    for (to = 0; to < n; to++) {
        unsigned k = ps->with[to].knows_us ? unmeasured(ps, to) : PXI_PATH_KINDS;
        if (k == PXI_PATH_KINDS)
            continue;
        send_probes(ps, to, k, now_ns);
        return;
    }
}

/* All that can be known of a peer without the device is known. */
static bool is_known(const struct pxi_paths *ps, unsigned i, uint64_t now_ns)
{
    const struct meeting *m = &ps->with[i];
    return m->session && m->knows_us && unmeasured(ps, i) == PXI_PATH_KINDS &&
           (!is_missing(ps, i) || now_ns - m->met_ns >= (uint64_t)MEET_MS * MS);
}

static bool are_known(const struct pxi_paths *ps, uint64_t now_ns)
{
    for (unsigned i = 0; i < ps->o.path.n; i++)
        if (i != ps->o.path.rank && !is_known(ps, i, now_ns))
            return false;
    return true;
}

/* Whether a peer takes a path. */
static bool is_taken(const struct pxi_paths *ps, unsigned kind)
{
    for (unsigned i = 0; i < ps->o.path.n; i++)
        if (i != ps->o.path.rank && ps->with[i].via == kind)
            return true;
    return false;
}

/* All, past the stack. */
static bool are_reached(const struct pxi_paths *ps)
{
    for (unsigned i = 0; i < ps->o.path.n; i++)
        if (i != ps->o.path.rank && !reaches(ps, PXI_PATH_SHM, i) &&
            !reaches(ps, PXI_PATH_VERBS, i))
            return false;
    return true;
}

static void shut(struct pxi_paths *ps, enum pxi_path_kind kind, const char *why)
{
    snprintf(ps->why_not[kind], sizeof ps->why_not[kind], "%.79s", why);
    ps->paths[kind]->ops->close(ps->paths[kind]);
    ps->paths[kind] = NULL;
    if (kind == PXI_PATH_XSK)
        ps->asked = ASKED; /* who detached it had a reason */
}

static void open_device(struct pxi_paths *ps, uint64_t now_ns)
{
    char *why = ps->why_not[PXI_PATH_XSK];
    ps->asked = ASKED;
    if (pxi_path_xsk_open(&ps->device, &ps->paths[PXI_PATH_XSK], why,
                          sizeof ps->why_not[PXI_PATH_XSK]) != PX_ERR_OK)
        return;
    ps->asked = UNASKED;
    ps->device_ns = now_ns;
    for (unsigned i = 0; i < ps->o.path.n; i++)
        ps->with[i].hello_ns = 0;
}

/* A device is asked for its datagrams only where no memory is shared and no verbs lead, and after
 * the others were measured: its XDP program makes trains of datagrams impossible, and other traffic
 * dearer. When nobody takes it, it is left alone again. */
static void consider_device(struct pxi_paths *ps, uint64_t now_ns)
{
    bool forced = ps->o.wish == UINT32_C(1) << PXI_PATH_XSK, open = ps->paths[PXI_PATH_XSK];
    if (ps->asked == ASKED || !wished(ps, PXI_PATH_XSK))
        return;
    if (!open && forced) {
        open_device(ps, now_ns);
    } else if (!open && are_known(ps, now_ns)) {
        if (!are_reached(ps))
            open_device(ps, now_ns);
        else
            ps->asked = ASKED;
    } else if (open && now_ns - ps->device_ns > (uint64_t)MEET_MS * MS && are_known(ps, now_ns)) {
        ps->asked = ASKED;
        if (!forced && !is_taken(ps, PXI_PATH_XSK))
            shut(ps, PXI_PATH_XSK, "measured, and dearer");
    }
}

bool pxi_paths_settled(const struct pxi_paths *ps, uint64_t now_ns)
{
    if (!ps->o.secret || now_ns - ps->opened_ns > (uint64_t)PATIENCE_MS * MS)
        return true;
    return are_known(ps, now_ns) && (ps->asked == ASKED || !wished(ps, PXI_PATH_XSK));
}

/* ------------------------------------------------------------ housekeeping */

/* Frames go out on a path and nothing comes back: ask there. */
static void watch(struct pxi_paths *ps, unsigned i, uint64_t now_ns)
{
    struct meeting *m = &ps->with[i];
    bool spoke = m->taken != m->taken_before, sent = m->sent != m->sent_before;
    m->taken_before = m->taken;
    m->sent_before = m->sent;
    if (spoke || m->via == PXI_PATH_UDP)
        m->ping_ns = 0;
    else if (m->ping_ns && now_ns - m->ping_ns > (uint64_t)SILENCE_MS * MS &&
             ps->paths[m->via]->ops->leave)
        ps->paths[m->via]->ops->leave(ps->paths[m->via], i);
    else if (sent || m->ping_ns) {
        struct word w = word_of(ps, i, PING, m->via);
        say(ps, i, m->via, &w, sizeof w);
        m->ping_ns = m->ping_ns ? m->ping_ns : now_ns;
    }
}

static void turn_paths(struct pxi_paths *ps, uint64_t now_ns)
{
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++) {
        struct pxi_path *p = ps->paths[k];
        if (p && p->ops->turn)
            p->ops->turn(p, now_ns);
        if (p && p->lost && k != PXI_PATH_UDP)
            shut(ps, k, p->said);
    }
}

static void greet(struct pxi_paths *ps, uint64_t now_ns)
{
    for (unsigned i = 0; i < ps->o.path.n; i++) {
        struct meeting *m = &ps->with[i];
        if (i == ps->o.path.rank || now_ns < m->hello_ns)
            continue;
        if (!m->session || !m->knows_us || m->hello_ns == 0 ||
            (is_missing(ps, i) && m->hellos < GIVE_UP))
            say_hello(ps, i, now_ns);
        else
            m->hello_ns = UINT64_MAX;
    }
}

void pxi_paths_turn(struct pxi_paths *ps, uint64_t now_ns, bool readable)
{
    bool due = now_ns >= ps->turn_ns;
    ps->opened_ns = ps->opened_ns ? ps->opened_ns : now_ns;
    if (!ps->o.secret || ps->o.path.rank >= ps->o.path.n)
        return;
    if (due || readable)
        turn_paths(ps, now_ns);
    for (unsigned i = 0; i < ps->o.path.n && due; i++)
        watch(ps, i, now_ns);
    for (unsigned i = 0; i < ps->o.path.n; i++)
        check_reach(ps, i);
    if (due)
        ps->turn_ns = now_ns + (uint64_t)TURN_MS * MS;
    greet(ps, now_ns);
    probe_next(ps, now_ns);
    consider_device(ps, now_ns);
}

uint64_t pxi_paths_deadline(const struct pxi_paths *ps)
{
    uint64_t at = UINT64_MAX;
    if (!ps->o.secret || ps->o.path.rank >= ps->o.path.n)
        return at;
    for (unsigned i = 0; i < ps->o.path.n; i++) {
        const struct meeting *m = &ps->with[i];
        if (i != ps->o.path.rank && m->hello_ns < at)
            at = m->hello_ns;
        if ((m->ping_ns || m->sent != m->sent_before) && m->via != PXI_PATH_UDP && ps->turn_ns < at)
            at = ps->turn_ns;
    }
    if (ps->probed < ps->o.path.n) {
        uint64_t end = ps->asked_ns + (uint64_t)ROUND_MS * MS;
        at = end < at ? end : at;
    }
    return at;
}

void pxi_paths_look(struct pxi_paths *ps, uint64_t now_ns)
{
    ps->look_cpu_ns = now_ns < ps->listen_ns ? cpu_now() : 0;
}

bool pxi_paths_take(struct pxi_paths *ps, enum pxi_path_kind kind, unsigned from, px_view v,
                    uint64_t now_ns)
{
    struct word w;
    struct meeting *m = &ps->with[from];
    /* By another path says nothing of this one; but what a device is not shown comes by UDP. */
    m->taken += kind == m->via || m->via == PXI_PATH_XSK;
    if (v.n < sizeof w || v.p[0] != (MAGIC & 0xff) || v.p[1] != MAGIC >> 8)
        return false;
    memcpy(&w, v.p, sizeof w);
    if (!ps->o.secret || w.version != LAYOUT || w.from != from)
        return true;
    /* What it brings about may close a mapping, or have its frames filled anew: not while they are
     * read. */
    if (w.kind == HELLO && kind != PXI_PATH_SHM && kind != PXI_PATH_VERBS)
        on_hello(ps, from, &w, v, now_ns);
    if (w.session != ps->session || w.path >= PXI_PATH_KINDS || !ps->with[from].session)
        return true;
    if (w.kind == PROBE)
        on_probe(ps, kind, from, &w, v);
    else if (w.kind == COUNT)
        on_count(ps, from, &w);
    else if (w.kind == PING) {
        struct word pong = word_of(ps, from, PONG, w.path);
        say(ps, from, kind, &pong, sizeof pong);
    }
    return true;
}

/* ----------------------------------------------------------------- opening */

static size_t probe_stride(size_t frame)
{
    return (frame + 63) & ~(size_t)63;
}

static size_t probe_room(size_t frame)
{
    return (PROBES * probe_stride(frame) + 4095) & ~(size_t)4095;
}

size_t pxi_paths_room(unsigned n, size_t frame)
{
    return probe_room(frame) + pxi_path_shm_room(n, frame) + pxi_path_verbs_room(n, frame) +
           pxi_path_xsk_room(n, frame);
}

/* Where no device is, nothing is said about it unless somebody asked. */
static void open_verbs(struct pxi_paths *ps, const struct pxi_path_options *p)
{
    char *why = ps->why_not[PXI_PATH_VERBS];
    if (!wished(ps, PXI_PATH_VERBS))
        return;
    px_err err =
        pxi_path_verbs_open(p, &ps->paths[PXI_PATH_VERBS], why, sizeof ps->why_not[PXI_PATH_VERBS]);
    if (err && !ps->o.wish && !pxi_path_verbs_room(p->n, p->frame))
        why[0] = 0;
}

px_err pxi_paths_open(const struct pxi_paths_options *o, struct pxi_paths **out)
{
    struct pxi_paths *ps = pxi_calloc(1, sizeof *ps);
    struct pxi_path_options p = o->path;
    *out = NULL;
    if (!ps)
        return PX_ERR_NOMEM;
    ps->o = *o;
    ps->probed = o->path.n;
    px_err err = pxi_path_udp_open(&p, &ps->paths[PXI_PATH_UDP]);
    if (err) {
        pxi_free(ps);
        return err;
    }
    if (o->secret && p.frames && p.rank < p.n) {
        memcpy(ps->secret, o->secret, sizeof ps->secret);
        pxi_random_fill(pxi_random_system(), &ps->session, sizeof ps->session);
        p.local = pxi_path_udp_local(ps->paths[PXI_PATH_UDP]);
        ps->stride = probe_stride(p.frame);
        ps->probes = p.frames->p + p.room;
        p.room += probe_room(p.frame);
        if (wished(ps, PXI_PATH_SHM))
            pxi_path_shm_open(&p, &ps->paths[PXI_PATH_SHM], ps->why_not[PXI_PATH_SHM],
                              sizeof ps->why_not[PXI_PATH_SHM]);
        p.room += pxi_path_shm_room(p.n, p.frame);
        open_verbs(ps, &p);
        p.room += pxi_path_verbs_room(p.n, p.frame);
        ps->device = p;
    } else {
        ps->o.secret = NULL;
    }
    *out = ps;
    return PX_ERR_OK;
}

void pxi_paths_close(struct pxi_paths *ps)
{
    if (!ps)
        return;
    for (unsigned k = PXI_PATH_KINDS; k-- > 0;)
        if (ps->paths[k])
            ps->paths[k]->ops->close(ps->paths[k]);
    explicit_bzero(ps->secret, sizeof ps->secret);
    pxi_free(ps);
}

struct pxi_path *pxi_paths_get(struct pxi_paths *ps, enum pxi_path_kind kind)
{
    return ps->paths[kind];
}

/* ----------------------------------------------------------------- telling */

static void tell_chosen(const struct pxi_paths *ps, struct pxi_paths_report *out)
{
    unsigned by[PXI_PATH_KINDS] = {0}, kinds = 0;
    size_t n = 0;
    for (unsigned i = 0; i < ps->o.path.n; i++)
        if (i != ps->o.path.rank)
            by[ps->with[i].via]++;
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++)
        kinds += by[k] > 0;
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++) {
        if (!by[k] || n >= sizeof out->chosen)
            continue;
        int wrote = kinds == 1 ? snprintf(out->chosen, sizeof out->chosen, "%s", names[k])
                               : snprintf(out->chosen + n, sizeof out->chosen - n, "%s%s %u",
                                          n ? ", " : "", names[k], by[k]);
        n += wrote > 0 ? (size_t)wrote : 0;
    }
}

static void tell_figures(const struct pxi_paths *ps, struct pxi_paths_report *out)
{
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++) {
        uint64_t cpu = 0, ns = 0, n = 0;
        for (unsigned i = 0; i < ps->o.path.n; i++) {
            const struct pxi_path_figure *f = &ps->with[i].figures[k];
            cpu += f->cpu_ns;
            ns += f->ns;
            n += f->cpu_ns > 0;
        }
        out->open[k] = ps->paths[k] != NULL;
        if (n)
            out->figures[k] = (struct pxi_path_figure){(uint32_t)(cpu / n), (uint32_t)(ns / n)};
    }
}

/* What is known of a path; how many bytes. */
static size_t tell_path(const struct pxi_paths *ps, unsigned k, const struct pxi_path_figure *f,
                        const char *before, char *out, size_t room)
{
    const struct pxi_path *p = ps->paths[k];
    const char *why = ps->why_not[k];
    int n = 0;
    if (f->cpu_ns)
        n = snprintf(out, room, "%s%s %u ns of processor a packet, %u ns in all%s%s%s", before,
                     names[k], f->cpu_ns, f->ns,
                     p && p->said[0] ? " ("
                     : why[0] && !p  ? " (now not: "
                                     : "",
                     p ? p->said : why, (p && p->said[0]) || (why[0] && !p) ? ")" : "");
    else if (p)
        n = snprintf(out, room, "%s%s not measured", before, names[k]);
    else if (why[0])
        n = snprintf(out, room, "%sno %s: %s", before, names[k], why);
    return n > 0 ? (size_t)n : 0;
}

void pxi_paths_tell(const struct pxi_paths *ps, struct pxi_paths_report *out)
{
    size_t n = 0;
    *out = (struct pxi_paths_report){.changes = ps->changes};
    tell_chosen(ps, out);
    tell_figures(ps, out);
    for (unsigned k = 0; k < PXI_PATH_KINDS && n < sizeof out->why; k++)
        n += tell_path(ps, k, &out->figures[k], n ? "; " : "", out->why + n, sizeof out->why - n);
}
