/*
 * The path between processes of one host: each maps the memory in which the other's frames lie, and
 * reads them there. A ring a direction says which; its head lies in the memory of who writes it and
 * its tail in the memory of who reads it, so that nobody writes to what is another's and a mapping
 * is read only. Who sleeps says so in its own memory, and is woken by its eventfd then only.
 *
 * Two processes meet at a socket whose name is a random number that the exchange carries in a
 * proven datagram: the lower rank connects, both prove to be of one user (SO_PEERCRED) and to know
 * both numbers, and pass the descriptors of memory and eventfd. The socket stays: when a process
 * dies, it ends. The name is abstract, and a file as well for who is in another network namespace;
 * path_meet.c has both.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "io/path.h"
#include "io/path_meet.h"

enum {
    RING = 4096, /* frames that are shown to one peer at a time: a power of two */
    BOUNCES = 64,
    PAGE = 4096,
    MAGIC = 0x68737870, /* "pxsh" */
    HEAD = 64,          /* bytes of a frame that are made invalid before it is written over */
    LISTENER = PXI_PATH_PEERS,
    LATER = LISTENER + PXI_MEET_NAMES, /* from here on: those who have not said who they are */
    WAITING = 16,
};

/* In shared memory. A place of a ring: offset << 16 | bytes. */
struct ring {
    _Alignas(64) _Atomic uint32_t head; /* written: of what the owner shows to the peer */
    _Alignas(64) _Atomic uint32_t tail; /* taken: of what the peer shows to the owner */
    _Alignas(64) _Atomic uint64_t places[RING];
};

struct shared {
    _Alignas(64) _Atomic uint32_t sleeps; /* odd: the owner is asleep */
    _Alignas(64) struct ring rings[];     /* one a peer, then BOUNCES frames */
};

/* What two say to each other when they meet. */
struct hail {
    uint32_t magic, rank, n, frame;
    uint64_t room, bytes;
    uint8_t own[PXI_MEET_NAME], yours[PXI_MEET_NAME];
};

struct peer {
    int link, bell; /* its socket and eventfd; -1: none */
    uint8_t name[PXI_MEET_NAME];
    bool named, hailed; /* its name is known; we have said ours on this link */
    const uint8_t *map; /* its memory, read only */
    size_t bytes;
    const struct shared *shared;
    uint32_t head, tail; /* ours of what it takes, and of what we take */
    uint32_t taken;      /* of what receive showed */
    uint32_t rung;       /* the sleep from which it was woken last */
};

struct shm {
    struct pxi_path path;
    struct pxi_path_options o;
    struct shared *own;
    uint8_t *bounce;
    unsigned bounces;
    uint8_t name[PXI_MEET_NAME];
    struct pxi_meet meet;
    int waiting[WAITING]; /* accepted, and nothing heard yet; -1 */
    struct peer peers[PXI_PATH_PEERS];
};

static struct shm *of(struct pxi_path *p)
{
    return (struct shm *)p;
}

static size_t stride(size_t frame)
{
    return (frame + 63) & ~(size_t)63;
}

static size_t rings_bytes(unsigned n)
{
    return sizeof(struct shared) + n * sizeof(struct ring);
}

size_t pxi_path_shm_room(unsigned n, size_t frame)
{
    return (rings_bytes(n) + BOUNCES * stride(frame) + PAGE - 1) & ~(size_t)(PAGE - 1);
}

/* ------------------------------------------------------------------ sending */

/* Where a frame lies in our memory; one that lies elsewhere is copied there first. */
static uint64_t place_of(struct shm *s, px_view v)
{
    const struct pxi_frames *f = s->o.frames;
    uint64_t at = (uintptr_t)v.p - (uintptr_t)f->p;
    if (at >= f->bytes || v.n > f->bytes - at) {
        uint8_t *to = s->bounce + s->bounces++ % BOUNCES * stride(s->o.frame);
        /* Whoever still reads what was there must see that it is gone before it changes. */
        memset(to, 0, HEAD < s->o.frame ? HEAD : s->o.frame);
        atomic_thread_fence(memory_order_release);
        memcpy(to, v.p, v.n);
        s->path.counts.copied += v.n;
        at = (uint64_t)(to - f->p);
    }
    return at << 16 | v.n;
}

static void ring_bell(struct shm *s, struct peer *p)
{
    uint64_t one = 1;
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t sleeps = atomic_load_explicit(&p->shared->sleeps, memory_order_relaxed);
    if (!(sleeps & 1) || sleeps == p->rung)
        return;
    p->rung = sleeps;
    s->path.counts.wakes++;
    s->path.counts.sends++;
    if (write(p->bell, &one, sizeof one) < 0 && errno != EAGAIN)
        s->path.counts.refused++;
}

static unsigned shm_send(struct pxi_path *path, unsigned to, const px_view *frames, unsigned n)
{
    struct shm *s = of(path);
    struct peer *p = &s->peers[to];
    if (!p->shared) {
        path->counts.lost += n;
        return n;
    }
    struct ring *own = &s->own->rings[to];
    const struct ring *its = &p->shared->rings[s->o.rank];
    /* A tail that cannot be leaves no room. */
    uint32_t used = p->head - atomic_load_explicit(&its->tail, memory_order_acquire);
    unsigned fit = used < RING ? RING - used : 0, k = fit < n ? fit : n;
    for (unsigned i = 0; i < k; i++)
        if (frames[i].n <= s->o.frame)
            atomic_store_explicit(&own->places[p->head++ & (RING - 1)], place_of(s, frames[i]),
                                  memory_order_relaxed);
    atomic_store_explicit(&own->head, p->head, memory_order_release);
    path->counts.sent += k;
    path->counts.lost += n - k;
    if (k)
        ring_bell(s, p);
    return n;
}

/* ---------------------------------------------------------------- receiving */

static void drop(struct shm *s, unsigned i);

/* One place of a peer's ring, which may say anything. */
static bool show(const struct shm *s, const struct peer *p, uint64_t place, struct pxi_path_in *in)
{
    uint64_t at = place >> 16, n = place & 0xffff;
    if (!n || n > s->o.frame || at >= p->bytes || n > p->bytes - at)
        return false;
    *in = (struct pxi_path_in){
        .from = (unsigned)(p - s->peers), .bytes = px_view_of(p->map + at, n), .torn = true};
    return true;
}

static uint32_t there(const struct shm *s, const struct peer *p)
{
    return atomic_load_explicit(&p->shared->rings[s->o.rank].head, memory_order_acquire) - p->tail;
}

static unsigned shm_receive(struct pxi_path *path, struct pxi_path_in *in)
{
    struct shm *s = of(path);
    unsigned n = 0;
    path->drained = true;
    for (uint64_t left = path->peers; left && n < PXI_PATH_READ; left &= left - 1) {
        struct peer *p = &s->peers[__builtin_ctzll(left)];
        uint32_t more = there(s, p);
        if (more > RING) {
            path->counts.refused++;
            drop(s, (unsigned)(p - s->peers));
            continue;
        }
        p->taken = p->tail;
        for (; more && n < PXI_PATH_READ; more--) {
            const struct ring *its = &p->shared->rings[s->o.rank];
            uint64_t place =
                atomic_load_explicit(&its->places[p->taken++ & (RING - 1)], memory_order_relaxed);
            if (show(s, p, place, &in[n]))
                n++;
            else
                path->counts.refused++;
        }
        path->drained &= !more;
    }
    path->counts.received += n;
    return n;
}

static void shm_give_back(struct pxi_path *path)
{
    struct shm *s = of(path);
    for (uint64_t left = path->peers; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        struct peer *p = &s->peers[i];
        if (p->taken == p->tail)
            continue;
        p->tail = p->taken;
        atomic_store_explicit(&s->own->rings[i].tail, p->tail, memory_order_release);
    }
}

/* --------------------------------------------------------------- sleeping */

static bool shm_sleep(struct pxi_path *path)
{
    struct shm *s = of(path);
    atomic_fetch_add_explicit(&s->own->sleeps, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    for (uint64_t left = path->peers; left; left &= left - 1)
        if (there(s, &s->peers[__builtin_ctzll(left)]))
            return false;
    return true;
}

static void shm_awake(struct pxi_path *path)
{
    struct shm *s = of(path);
    if (atomic_load_explicit(&s->own->sleeps, memory_order_relaxed) & 1)
        atomic_fetch_add_explicit(&s->own->sleeps, 1, memory_order_release);
}

/* ---------------------------------------------------------------- meeting */

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void drop(struct shm *s, unsigned i)
{
    struct peer *p = &s->peers[i];
    s->path.peers &= ~(UINT64_C(1) << i);
    if (p->map)
        munmap((void *)(uintptr_t)p->map, p->bytes);
    p->map = NULL;
    p->shared = NULL;
    shut(&p->link);
    shut(&p->bell);
    p->hailed = false;
}

static void watch(struct shm *s, int fd, uint32_t what)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = what};
    epoll_ctl(s->path.fd, EPOLL_CTL_ADD, fd, &e);
}

/* Say who we are, and pass memory and eventfd. What was on its way before is gone. */
static bool hail(struct shm *s, unsigned i)
{
    struct peer *p = &s->peers[i];
    struct hail h = {.magic = MAGIC,
                     .rank = s->o.rank,
                     .n = s->o.n,
                     .frame = (uint32_t)s->o.frame,
                     .room = s->o.room,
                     .bytes = s->o.frames->bytes};
    memcpy(h.own, s->name, sizeof h.own);
    memcpy(h.yours, p->name, sizeof h.yours);
    p->head = p->tail = p->taken = p->rung = 0;
    atomic_store(&s->own->rings[i].head, 0);
    atomic_store(&s->own->rings[i].tail, 0);
    int fds[] = {s->o.frames->fd, s->o.bell};
    p->hailed = pxi_meet_say(p->link, &h, sizeof h, fds, 2);
    return p->hailed;
}

/* The memory of a peer: it cannot shrink, and holds what it says. */
static bool map_peer(struct shm *s, struct peer *p, const struct hail *h, int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) || st.st_size < 0 ||
        (uint64_t)st.st_size != h->bytes || h->bytes > PXI_LIMIT_PATH_SHARED || h->room % PAGE ||
        h->room > h->bytes || h->bytes - h->room < rings_bytes(h->n))
        return false;
    void *map = mmap(NULL, h->bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return false;
    p->map = map;
    p->bytes = h->bytes;
    p->shared = (const struct shared *)(p->map + h->room);
    return true;
}

/* A hail on a socket; -1: nobody whom we wait for, else the peer it is. */
static int hear(struct shm *s, int link, struct hail *h, int fds[2])
{
    if (!pxi_meet_hear(link, h, sizeof *h, fds, 2))
        return -1;
    const struct peer *p = &s->peers[h->rank < s->o.n ? h->rank : 0];
    if (h->magic == MAGIC && h->rank < s->o.n && h->rank != s->o.rank && h->n == s->o.n &&
        h->frame == s->o.frame && p->named && memcmp(h->own, p->name, sizeof h->own) == 0 &&
        memcmp(h->yours, s->name, sizeof h->yours) == 0)
        return (int)h->rank;
    close(fds[0]);
    close(fds[1]);
    return -1;
}

/* A bell is an eventfd, and ringing it never waits. */
static bool is_bell(int fd)
{
    char path[40], what[40] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int flags = fcntl(fd, F_GETFL);
    return readlink(path, what, sizeof what - 1) > 0 && strstr(what, "eventfd") && flags >= 0 &&
           fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* A peer has said who it is: answer, if it began, and use its memory. */
static bool join(struct shm *s, unsigned i, const struct hail *h, const int fds[2])
{
    struct peer *p = &s->peers[i];
    p->bell = fds[1];
    bool ok = is_bell(fds[1]) && map_peer(s, p, h, fds[0]) && (p->hailed || hail(s, i));
    close(fds[0]);
    if (ok)
        s->path.peers |= UINT64_C(1) << i;
    else
        drop(s, i);
    return ok;
}

/* Something at the socket of a peer: its hail, or its end. */
static void on_link(struct shm *s, unsigned i)
{
    struct hail h;
    int fds[2];
    if (!s->peers[i].map && hear(s, s->peers[i].link, &h, fds) == (int)i)
        join(s, i, &h, fds);
    else
        drop(s, i);
}

static void on_waiting(struct shm *s, unsigned k)
{
    struct hail h;
    int fds[2], link = s->waiting[k], from = hear(s, link, &h, fds);
    s->waiting[k] = -1;
    if (from < 0) {
        s->path.counts.refused++;
        close(link);
        return;
    }
    drop(s, (unsigned)from);
    s->peers[from].link = link;
    if (join(s, (unsigned)from, &h, fds)) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)from};
        epoll_ctl(s->path.fd, EPOLL_CTL_MOD, link, &e);
    }
}

static void on_caller(struct shm *s, unsigned listener)
{
    unsigned k = 0;
    int fd = pxi_meet_accept(&s->meet, listener);
    while (k < WAITING && s->waiting[k] >= 0)
        k++;
    if (fd >= 0 && k < WAITING) {
        s->waiting[k] = fd;
        watch(s, fd, LATER + k);
    } else {
        shut(&fd);
    }
}

static void shm_turn(struct pxi_path *path, uint64_t now_ns)
{
    struct shm *s = of(path);
    struct epoll_event e[16];
    int n = epoll_wait(path->fd, e, 16, 0);
    for (int i = 0; i < n; i++) {
        uint32_t what = e[i].data.u32;
        if (what < LISTENER && s->peers[what].link >= 0)
            on_link(s, what);
        else if (what >= LATER && s->waiting[what - LATER] >= 0)
            on_waiting(s, what - LATER);
        else if (what >= LISTENER && what < LATER)
            on_caller(s, what - LISTENER);
    }
}

static size_t shm_offer(struct pxi_path *path, unsigned to, uint8_t out[PXI_PATH_OFFER])
{
    memcpy(out, of(path)->name, PXI_MEET_NAME);
    return PXI_MEET_NAME;
}

static void shm_meet(struct pxi_path *path, unsigned from, px_view offer)
{
    struct shm *s = of(path);
    struct peer *p = &s->peers[from];
    if (offer.n != PXI_MEET_NAME || from == s->o.rank)
        return;
    if (p->named && memcmp(p->name, offer.p, offer.n) != 0)
        drop(s, from); /* another process by now */
    memcpy(p->name, offer.p, offer.n);
    p->named = true;
    if (p->link >= 0 || from < s->o.rank)
        return;
    p->link = pxi_meet_call(p->name);
    if (p->link < 0)
        return;
    if (hail(s, from))
        watch(s, p->link, from);
    else
        drop(s, from);
}

static void shm_leave(struct pxi_path *path, unsigned peer)
{
    drop(of(path), peer);
}

/* ---------------------------------------------------------------- opening */

static void shm_close(struct pxi_path *path)
{
    struct shm *s = of(path);
    for (unsigned i = 0; i < s->o.n; i++)
        drop(s, i);
    for (unsigned k = 0; k < WAITING; k++)
        shut(&s->waiting[k]);
    pxi_meet_close(&s->meet);
    shut(&path->fd);
    pxi_free(s);
}

static const struct pxi_path_ops ops = {.send = shm_send,
                                        .receive = shm_receive,
                                        .give_back = shm_give_back,
                                        .sleep = shm_sleep,
                                        .awake = shm_awake,
                                        .offer = shm_offer,
                                        .meet = shm_meet,
                                        .turn = shm_turn,
                                        .leave = shm_leave,
                                        .close = shm_close};

px_err pxi_path_shm_open(const struct pxi_path_options *o, struct pxi_path **out, char *why,
                         size_t cap)
{
    *out = NULL;
    if (!o->frames || o->frames->fd < 0 || o->rank >= o->n) {
        snprintf(why, cap, "memory here cannot be shared");
        return PX_ERR_UNSUPPORTED;
    }
    struct shm *s = pxi_calloc(1, sizeof *s);
    if (!s)
        return PX_ERR_NOMEM;
    s->o = *o;
    s->own = (struct shared *)(o->frames->p + o->room);
    s->bounce = o->frames->p + o->room + rings_bytes(o->n);
    s->path = (struct pxi_path){.ops = &ops,
                                .kind = PXI_PATH_SHM,
                                .parts = PXI_PATH_PARTS,
                                .bytes = SIZE_MAX,
                                .fd = epoll_create1(EPOLL_CLOEXEC)};
    for (unsigned i = 0; i < PXI_PATH_PEERS; i++)
        s->peers[i].link = s->peers[i].bell = -1;
    for (unsigned k = 0; k < WAITING; k++)
        s->waiting[k] = -1;
    pxi_random_fill(pxi_random_system(), s->name, sizeof s->name);
    if (s->path.fd < 0 || !pxi_meet_open(&s->meet, s->name)) {
        snprintf(why, cap, "no socket to meet at: %s", strerror(errno));
        shm_close(&s->path);
        return PX_ERR_IO;
    }
    for (unsigned i = 0; i < PXI_MEET_NAMES; i++)
        if (s->meet.fds[i] >= 0)
            watch(s, s->meet.fds[i], LISTENER + i);
    snprintf(s->path.said, sizeof s->path.said, "memory of one host, %s",
             o->frames->rung == PXI_FRAMES_NORMAL ? "normal pages" : "huge pages");
    *out = &s->path;
    return PX_ERR_OK;
}
