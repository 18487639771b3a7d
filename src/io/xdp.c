#include "io/xdp.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "codec/gradient.h"
#include "io/xdp_impl.h"
#include "io/xdp_join.h"

static int fd_of(const struct pxi_xdp *x, enum pxi_xdp_map map)
{
    return x->l.maps[map];
}

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static void *mapped(const struct pxi_xdp *x, enum pxi_xdp_map map, size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_of(x, map), 0);
    return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, size_t bytes)
{
    if (p)
        munmap(p, bytes);
}

static int on_done(void *ctx, void *data, size_t n)
{
    struct pxi_xdp *x = ctx;
    const struct pxi_bpf_done *d = data;
    if (n >= sizeof *d && d->version < 2 * x->o.slots * x->o.jobs && x->fn)
        x->fn(x->ctx, d, (const void *)(x->slots + d->version * x->slot_bytes));
    return 0;
}

static int on_event(void *ctx, void *data, size_t n)
{
    struct pxi_xdp *x = ctx;
    if (n >= sizeof(struct pxi_bpf_event) && x->event)
        x->event(x->ctx, data);
    return 0;
}

/* The ring is seen at the edge: what lies there without a forced wake-up wakes nobody. */
static bool watch_ring(struct pxi_xdp *x)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLET};
    if (x->wakes < 0)
        x->wakes = epoll_create1(EPOLL_CLOEXEC);
    return x->wakes >= 0 && !epoll_ctl(x->wakes, EPOLL_CTL_ADD, fd_of(x, PXI_XDP_DONE), &e);
}

px_err pxi_xdp_map(struct pxi_xdp *x, px_diag *diag)
{
    x->page = (size_t)sysconf(_SC_PAGESIZE);
    x->slot_bytes = sizeof(struct pxi_bpf_version) + pxi_xdp_lane_bytes(&x->o);
    x->jobs_mapped = up(PXI_BPF_JOBS * sizeof *x->jobs, x->page);
    x->slots_mapped = up(2 * (size_t)x->o.slots * x->o.jobs * x->slot_bytes, x->page);
    x->sentries_mapped = up(x->o.jobs * sizeof *x->sentries, x->page);
    x->jobs = mapped(x, PXI_XDP_JOBS, x->jobs_mapped);
    x->sentries = mapped(x, PXI_XDP_SENTRIES, x->sentries_mapped);
    x->slots = mapped(x, PXI_XDP_SLOTS, x->slots_mapped);
    x->watch = mapped(x, PXI_XDP_WATCH, x->page);
    x->ring = ring_buffer__new(fd_of(x, PXI_XDP_DONE), on_done, x, NULL);
    x->events = ring_buffer__new(fd_of(x, PXI_XDP_EVENTS), on_event, x, NULL);
    return x->jobs && x->slots && x->watch && x->sentries && x->ring && x->events && watch_ring(x)
               ? PX_ERR_OK
               : pxi_xdp_refused(diag, errno);
}

/* As the kernel counts them, for the network namespace of this process. */
static uint64_t received(const char *device)
{
    char line[512];
    unsigned long long packets = 0;
    size_t n = strlen(device);
    FILE *f = fopen("/proc/net/dev", "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *p = line + strspn(line, " ");
        if (strncmp(p, device, n) == 0 && p[n] == ':' &&
            sscanf(p + n + 1, "%*u %llu", &packets) == 1)
            break;
    }
    if (f)
        fclose(f);
    return packets;
}

/* With our own rights, or with those of the helper. */
static px_err load(const struct pxi_xdp_options *o, struct pxi_xdp_loaded *l, px_diag *diag)
{
    px_err err = pxi_xdp_load(o, l, diag);
    if (err != PX_ERR_PERMISSION || !o->helper)
        return err;
    px_err asked = pxi_xdpd_ask(o->helper, o, l, diag);
    /* Nobody there: that the rights are missing says more. */
    return asked == PX_ERR_UNREACHABLE ? pxi_xdp_refused(diag, EPERM) : asked;
}

px_err pxi_xdp_open(const struct pxi_xdp_options *o, struct pxi_xdp **out, px_diag *diag)
{
    struct pxi_xdp *x = pxi_calloc(1, sizeof *x);
    *out = NULL;
    if (!x)
        return PX_ERR_NOMEM;
    x->o = *o;
    x->o.jobs = o->jobs ? o->jobs : 1;
    x->o.joiner = &pxi_xdp_dispatcher;
    x->wakes = -1;
    px_err err = load(&x->o, &x->l, diag);
    if (err) {
        pxi_free(x);
        return err;
    }
    err = pxi_xdp_map(x, diag);
    if (err) {
        pxi_xdp_close(x);
        return err;
    }
    x->received = o->device ? received(o->device) : 0;
    *out = x;
    return err;
}

void pxi_xdp_unmap(struct pxi_xdp *x)
{
    ring_buffer__free(x->ring);
    ring_buffer__free(x->events);
    unmap(x->jobs, x->jobs_mapped);
    unmap(x->slots, x->slots_mapped);
    unmap(x->watch, x->page);
    unmap(x->sentries, x->sentries_mapped);
    pxi_xdp_unload(&x->l);
}

void pxi_xdp_close(struct pxi_xdp *x)
{
    if (!x)
        return;
    if (x->wakes >= 0)
        close(x->wakes);
    pxi_xdp_unmap(x);
    pxi_free(x);
}

enum pxi_xdp_rung pxi_xdp_rung(const struct pxi_xdp *x)
{
    return x->l.rung;
}

const char *pxi_xdp_said(const struct pxi_xdp *x)
{
    return x->l.said;
}

int pxi_xdp_program(const struct pxi_xdp *x)
{
    return x->l.program;
}

bool pxi_xdp_helped(const struct pxi_xdp *x)
{
    return x->l.keeper >= 0;
}

bool pxi_xdp_attached(struct pxi_xdp *x)
{
    struct pollfd p = {.fd = x->l.keeper};
    if (x->l.keeper >= 0)
        return poll(&p, 1, 0) == 0;
    return x->l.hold.fd >= 0 && pxi_xdp_held(&x->l.hold);
}

/* ----------------------------------------------------------------- jobs */

static struct pxi_bpf_job *place_of(const struct pxi_xdp *x, uint32_t job, uint8_t shard, bool live)
{
    for (uint32_t i = 0; i < PXI_BPF_PROBES; i++) {
        struct pxi_bpf_job *j = &x->jobs[(job + shard + i) & (PXI_BPF_JOBS - 1)];
        if (live ? j->live && j->job == job && j->shard == shard : !j->live)
            return j;
    }
    return NULL;
}

static bool job_sane(const struct pxi_xdp *x, const struct pxi_xdp_job *j)
{
    return j->fan_in >= 1 && j->fan_in <= PX_GRADIENT_WORKERS && j->members && j->slots &&
           (unsigned)__builtin_popcountll(j->members) <= j->fan_in && j->slots <= x->o.slots &&
           (j->slots & (j->slots - 1)) == 0 && j->base % (2 * j->slots) == 0 && j->values &&
           j->values % PXI_GRADIENT_STEP == 0 && j->values <= x->o.values &&
           j->format < PX_GRADIENT_I32 && j->chunks <= x->o.chunks &&
           j->quorum <= PX_GRADIENT_WORKERS &&
           (!x->o.sentry || j->unjudged || (j->fan_in >= PX_SENTRY_FAN_IN && j->chunks));
}

/* Values of a lane are below `limit`: what to add so that others get one of the bits in tops. */
static void bound(uint64_t limit, unsigned bits, uint64_t *room, uint64_t *tops)
{
    uint64_t ones = bits == 16 ? UINT64_C(0x0001000100010001) : UINT64_C(0x0000000100000001);
    uint64_t all = UINT64_C(1) << bits;
    bool even = (limit & (limit - 1)) == 0;
    *room = even ? 0 : (all / 2 - limit) * ones;
    *tops = even ? (all - limit) * ones : all / 2 * ones;
}

static struct pxi_bpf_job made_of(const struct pxi_xdp *x, const struct pxi_xdp_job *job,
                                  unsigned lease)
{
    uint64_t limit16 = 2 * (uint64_t)pxi_gradient_bias(PX_GRADIENT_I16, job->fan_in),
             limit32 = 2 * (uint64_t)pxi_gradient_bias(PX_GRADIENT_I32, job->fan_in);
    struct pxi_bpf_job j = {.job = job->job,
                            .shard = job->shard,
                            .mode = (uint8_t)job->mode,
                            .format = job->format,
                            .epoch = job->epoch,
                            .values = job->values,
                            .half = (uint16_t)pxi_gradient_half(job->values),
                            .fan_in = job->fan_in,
                            .quorum = (uint8_t)job->quorum,
                            .base = job->base,
                            .slots = job->slots,
                            .chunks = job->chunks,
                            .first_version = lease * 2 * x->o.slots,
                            .first_kept = lease * x->o.chunks,
                            .first_worker = lease * PXI_BPF_MEMBERS,
                            .bias = (uint16_t)pxi_gradient_bias(job->format, job->fan_in),
                            .bits = (uint8_t)pxi_gradient_bits(job->format, job->fan_in),
                            .lease = (uint8_t)lease,
                            .group_address = job->group_address,
                            .group_port = htons(job->group_port),
                            .judged = x->o.sentry && !job->unjudged,
                            .members = job->members,
                            .deadline_ns = job->deadline_ns,
                            .slack_ns = job->slack_ns ? job->slack_ns : PXI_BPF_SLACK_NS};
    j.shift8 = (uint8_t)pxi_gradient_shift(PX_GRADIENT_I8, job->fan_in);
    j.shift4 = (uint8_t)pxi_gradient_shift(PX_GRADIENT_I4, job->fan_in);
    memcpy(j.group_mac, job->group_mac, sizeof j.group_mac);
    /* A fan-in of 1 leaves 16 bits to the one worker. */
    bound(limit16, 16, &j.room[0], &j.tops[0]);
    bound(limit32, 32, &j.room[1], &j.tops[1]);
    return j;
}

/* The keys of a job's workers, and its own behind them. */
static bool tell_workers(const struct pxi_xdp *x, const struct pxi_xdp_job *job, uint32_t first)
{
    bool ok = true;
    for (uint32_t i = 0; i < PXI_BPF_MEMBERS && ok; i++) {
        uint32_t at = first + i;
        struct pxi_bpf_worker w = {
            .address = job->addresses && i < PX_GRADIENT_WORKERS ? job->addresses[i] : 0};
        struct px_gradient_head h = {.magic = PX_GRADIENT_MAGIC,
                                     .version = PX_GRADIENT_LAYOUT,
                                     .kind = i < PX_GRADIENT_WORKERS ? PX_GRADIENT_CONTRIBUTION
                                                                     : PX_GRADIENT_RESULT,
                                     .job = job->job};
        pxi_tag_key_init(&w.key, job->secrets[i]);
        pxi_tag_pad_begin(w.first, w.key.pad, (const uint8_t *)&h);
        ok = !bpf_map_update_elem(fd_of(x, PXI_XDP_WORKERS), &at, &w, BPF_ANY);
        explicit_bzero(&w, sizeof w);
    }
    return ok;
}

static bool clear(const struct pxi_xdp *x, enum pxi_xdp_map map, size_t bytes, uint32_t first,
                  uint32_t n)
{
    void *zero = pxi_calloc(1, bytes);
    bool ok = zero != NULL;
    for (uint32_t i = 0; i < n && ok; i++) {
        uint32_t at = first + i;
        ok = !bpf_map_update_elem(fd_of(x, map), &at, zero, BPF_ANY);
    }
    pxi_free(zero);
    return ok;
}

/* What an earlier job of the lease has left behind. */
static bool clear_all(const struct pxi_xdp *x, const struct pxi_bpf_job *j)
{
    size_t lanes = pxi_xdp_lane_bytes(&x->o), n = j->chunks;
    memset(&x->sentries[j->lease], 0, sizeof *x->sentries);
    return clear(x, PXI_XDP_KEPT, sizeof(struct pxi_bpf_kept) + lanes, j->first_kept, n) &&
           (x->o.sentry != PX_SENTRY_CLIP1 ||
            clear(x, PXI_XDP_CENTRES, sizeof(struct pxi_bpf_centre) + lanes, j->first_kept, n)) &&
           (x->o.sentry != PX_SENTRY_WELFORD ||
            clear(x, PXI_XDP_PASTS, sizeof(struct pxi_bpf_past),
                  (uint32_t)j->lease * PX_GRADIENT_WORKERS, PX_GRADIENT_WORKERS));
}

px_err pxi_xdp_begin(struct pxi_xdp *x, const struct pxi_xdp_job *job, px_diag *diag)
{
    unsigned lease = 0;
    pxi_diag_field(diag, "job");
    if (!job_sane(x, job) || place_of(x, job->job, job->shard, true))
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "a new job whose numbers can be", "%u",
                            job->job);
    while (lease < x->o.jobs && x->leased >> lease & 1)
        lease++;
    struct pxi_bpf_job *place = place_of(x, job->job, job->shard, false);
    if (lease == x->o.jobs || !place)
        return pxi_diag_set(diag, PX_ERR_LIMIT, 0, "a free lease", "%u jobs", x->o.jobs);
    struct pxi_bpf_job j = made_of(x, job, lease);
    if (!tell_workers(x, job, j.first_worker) || !clear_all(x, &j))
        return pxi_xdp_refused(diag, errno);
    for (uint32_t i = 0; i < 2 * job->slots; i++) {
        struct pxi_bpf_version *v = (void *)(x->slots + (j.first_version + i) * x->slot_bytes);
        memset(v, 0, sizeof *v);
        v->seq = job->base + i;
    }
    *place = j;
    __atomic_store_n(&place->live, 1, __ATOMIC_RELEASE);
    x->leased |= UINT64_C(1) << lease;
    return PX_ERR_OK;
}

px_err pxi_xdp_end(struct pxi_xdp *x, uint32_t job, uint8_t shard)
{
    struct pxi_bpf_job *j = place_of(x, job, shard, true);
    if (!j)
        return PX_ERR_NOT_FOUND;
    __atomic_store_n(&j->live, 0, __ATOMIC_RELEASE);
    x->leased &= ~(UINT64_C(1) << j->first_worker / PXI_BPF_MEMBERS);
    return PX_ERR_OK;
}

px_err pxi_xdp_members(struct pxi_xdp *x, uint32_t job, uint8_t shard, uint16_t epoch,
                       uint64_t members)
{
    struct pxi_bpf_job *j = place_of(x, job, shard, true);
    if (!j)
        return PX_ERR_NOT_FOUND;
    __atomic_store_n(&j->members, members, __ATOMIC_RELAXED);
    __atomic_and_fetch(&j->absent, members, __ATOMIC_RELAXED);
    __atomic_store_n(&j->epoch, epoch, __ATOMIC_RELEASE);
    return PX_ERR_OK;
}

px_err pxi_xdp_deadline(struct pxi_xdp *x, uint32_t job, uint8_t shard, uint64_t deadline_ns)
{
    struct pxi_bpf_job *j = place_of(x, job, shard, true);
    if (!j)
        return PX_ERR_NOT_FOUND;
    __atomic_store_n(&j->deadline_ns, deadline_ns, __ATOMIC_RELAXED);
    return PX_ERR_OK;
}

px_err pxi_xdp_clock(struct pxi_xdp *x, uint32_t job, uint8_t shard, uint64_t now_ns)
{
    struct pxi_bpf_job *j = place_of(x, job, shard, true);
    if (!j)
        return PX_ERR_NOT_FOUND;
    __atomic_store_n(&j->now_ns, now_ns, __ATOMIC_RELAXED);
    return PX_ERR_OK;
}

/* --------------------------------------------------------------- results */

const struct px_sentry_worker *pxi_xdp_judged(const struct pxi_xdp *x, uint32_t job, uint8_t shard)
{
    const struct pxi_bpf_job *j = x->o.sentry ? place_of(x, job, shard, true) : NULL;
    return j ? x->sentries[j->lease].workers : NULL;
}

px_err pxi_xdp_pardon(struct pxi_xdp *x, uint32_t job, uint8_t shard, unsigned worker)
{
    const struct pxi_bpf_job *j = x->o.sentry ? place_of(x, job, shard, true) : NULL;
    uint32_t past = j ? (uint32_t)j->lease * PX_GRADIENT_WORKERS + worker : 0;
    if (!j || worker >= PX_GRADIENT_WORKERS)
        return PX_ERR_NOT_FOUND;
    struct px_sentry_worker *w = &x->sentries[j->lease].workers[worker];
    __atomic_store_n(&w->score, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&w->quarantined, 0, __ATOMIC_RELEASE);
    if (x->o.sentry == PX_SENTRY_WELFORD)
        clear(x, PXI_XDP_PASTS, sizeof(struct pxi_bpf_past), past, 1);
    return PX_ERR_OK;
}

void pxi_xdp_counts(const struct pxi_xdp *x, struct pxi_bpf_counts *out)
{
    int cpus = libbpf_num_possible_cpus();
    uint32_t zero = 0;
    struct pxi_bpf_counts *all = cpus > 0 ? pxi_calloc((size_t)cpus, sizeof *all) : NULL;
    memset(out, 0, sizeof *out);
    if (all && !bpf_map_lookup_elem(fd_of(x, PXI_XDP_COUNTS), &zero, all))
        for (int i = 0; i < cpus; i++)
            for (size_t j = 0; j < sizeof *out / 8; j++)
                ((uint64_t *)out)[j] += ((const uint64_t *)&all[i])[j];
    pxi_free(all);
}

int pxi_xdp_counter(const struct pxi_xdp *x)
{
    return fd_of(x, PXI_XDP_COUNTS);
}

uint64_t pxi_xdp_received(const struct pxi_xdp *x)
{
    return x->o.device ? received(x->o.device) - x->received : 0;
}

int pxi_xdp_take(struct pxi_xdp *x, int wait_ms, pxi_xdp_done_fn *fn, void *ctx)
{
    struct epoll_event e;
    x->fn = fn;
    x->ctx = ctx;
    epoll_wait(x->wakes, &e, 1, 0); /* what follows is the answer to it */
    int n = ring_buffer__consume(x->ring);
    if (n || !wait_ms || epoll_wait(x->wakes, &e, 1, wait_ms) < 1)
        return n;
    return ring_buffer__consume(x->ring);
}

int pxi_xdp_wakes(const struct pxi_xdp *x)
{
    return x->wakes;
}

struct pxi_bpf_job *pxi_xdp_job(const struct pxi_xdp *x, uint32_t job, uint8_t shard)
{
    return place_of(x, job, shard, true);
}

struct pxi_bpf_version *pxi_xdp_version(const struct pxi_xdp *x, uint32_t at)
{
    return at < 2 * x->o.slots * x->o.jobs ? (void *)(x->slots + at * x->slot_bytes) : NULL;
}

size_t pxi_xdp_room(const struct pxi_xdp *x)
{
    return x->slot_bytes - sizeof(struct pxi_bpf_version);
}

void pxi_xdp_watch(struct pxi_xdp *x, bool on)
{
    __atomic_store_n(&x->watch->on, on, __ATOMIC_RELAXED);
}

int pxi_xdp_events(struct pxi_xdp *x, pxi_xdp_event_fn *fn, void *ctx)
{
    x->event = fn;
    x->ctx = ctx;
    return ring_buffer__consume(x->events);
}

int pxi_xdp_run(struct pxi_xdp *x, const uint8_t *frame, size_t n, uint8_t *out, size_t *out_n,
                unsigned repeat, uint32_t *ns)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)n,
                .data_out = out, .data_size_out = out ? (uint32_t)*out_n : 0,
                .repeat = (int)repeat);
    if (bpf_prog_test_run_opts(x->l.program, &opts))
        return -1;
    if (out_n)
        *out_n = opts.data_size_out;
    if (ns)
        *ns = opts.duration;
    return (int)opts.retval;
}
