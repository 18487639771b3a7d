#include "io/xdp.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "codec/gradient.h"
#include "xdp_object.h" /* generated at build time: PXI_XDP_PATH */

__asm__(".section .rodata\n"
        ".balign 64\n"
        ".globl pxi_xdp_object\n"
        ".hidden pxi_xdp_object\n"
        "pxi_xdp_object:\n"
        ".incbin \"" PXI_XDP_PATH "\"\n"
        ".globl pxi_xdp_object_end\n"
        ".hidden pxi_xdp_object_end\n"
        "pxi_xdp_object_end:\n"
        ".text\n");

extern const uint8_t pxi_xdp_object[], pxi_xdp_object_end[];

enum { JOBS, WORKERS, SLOTS, KEPT, COUNTS, DONE, MAPS };
static const char *const names[MAPS] = {"jobs", "workers", "slots", "kept", "counts", "done"};

struct pxi_xdp {
    struct pxi_xdp_options o;
    struct bpf_object *object;
    struct bpf_map *maps[MAPS];
    int program, link;
    enum pxi_xdp_rung rung;
    bool shared; /* slots are locked */
    char said[160];
    struct pxi_bpf_job *jobs; /* of the kernel, mapped */
    uint8_t *slots;           /* and these, slot_bytes apart */
    size_t slot_bytes, slots_mapped, jobs_mapped;
    uint64_t leased;   /* bit set of leases */
    uint64_t received; /* by the device before */
    struct ring_buffer *ring;
    pxi_xdp_done_fn *fn;
    void *ctx;
};

static int fd_of(const struct pxi_xdp *x, unsigned map)
{
    return bpf_map__fd(x->maps[map]);
}

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static bool sane(const struct pxi_xdp_options *o)
{
    return o->values && o->values % PXI_GRADIENT_STEP == 0 && o->values <= PXI_GRADIENT_VALUES &&
           o->jobs >= 1 && o->jobs <= PXI_BPF_JOBS && o->slots &&
           (o->slots & (o->slots - 1)) == 0 && (uint64_t)o->jobs * o->slots <= 1u << 20 &&
           (uint64_t)o->jobs * o->chunks <= 1u << 26;
}

/* How large the maps are, and what the program is told for good. */
static bool shape(struct pxi_xdp *x)
{
    const struct pxi_xdp_options *o = &x->o;
    struct bpf_map *rodata = NULL, *m;
    size_t lanes = pxi_gradient_most(o->values);
    bpf_object__for_each_map(m, x->object) if (strstr(bpf_map__name(m), ".rodata")) rodata = m;
    struct pxi_bpf_chosen chosen = {.address = o->address,
                                    .port = htons(o->port),
                                    .shared = x->shared,
                                    .untagged = o->untagged,
                                    .endless = o->endless,
                                    .lane_words = (uint32_t)lanes / 8};
    x->slot_bytes = sizeof(struct pxi_bpf_version) + lanes;
    return rodata && !bpf_map__set_initial_value(rodata, &chosen, sizeof chosen) &&
           !bpf_map__set_max_entries(x->maps[WORKERS], o->jobs * PXI_BPF_MEMBERS) &&
           !bpf_map__set_value_size(x->maps[SLOTS], (uint32_t)x->slot_bytes) &&
           !bpf_map__set_max_entries(x->maps[SLOTS], 2 * o->slots * o->jobs) &&
           !bpf_map__set_value_size(x->maps[KEPT],
                                    (uint32_t)(sizeof(struct pxi_bpf_kept) + lanes)) &&
           !bpf_map__set_max_entries(x->maps[KEPT], o->chunks ? o->chunks * o->jobs : 1);
}

static px_err refused(px_diag *diag, int error)
{
    pxi_diag_field(diag, "bpf");
    if (error == EPERM || error == EACCES)
        return pxi_diag_set(diag, PX_ERR_PERMISSION, 0, "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN",
                            "the kernel refuses: %s", strerror(error));
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a kernel with BPF and its type information",
                        "%s", strerror(error));
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
    (void)level, (void)fmt, (void)args;
    return 0;
}

static px_err load(struct pxi_xdp *x, px_diag *diag)
{
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "px_reduce");
    libbpf_set_print(quiet);
    x->object =
        bpf_object__open_mem(pxi_xdp_object, (size_t)(pxi_xdp_object_end - pxi_xdp_object), &opts);
    if (!x->object)
        return refused(diag, errno);
    for (unsigned i = 0; i < MAPS; i++)
        x->maps[i] = bpf_object__find_map_by_name(x->object, names[i]);
    if (!shape(x))
        return refused(diag, EINVAL);
    int rc = bpf_object__load(x->object);
    if (rc)
        return refused(diag, -rc);
    x->program = bpf_program__fd(bpf_object__find_program_by_name(x->object, "px_reduce"));
    return PX_ERR_OK;
}

static void *mapped(const struct pxi_xdp *x, unsigned map, size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_of(x, map), 0);
    return p == MAP_FAILED ? NULL : p;
}

static int on_done(void *ctx, void *data, size_t n)
{
    struct pxi_xdp *x = ctx;
    const struct pxi_bpf_done *d = data;
    if (n >= sizeof *d && d->version < 2 * x->o.slots * x->o.jobs && x->fn)
        x->fn(x->ctx, d, (const void *)(x->slots + d->version * x->slot_bytes));
    return 0;
}

static px_err open_maps(struct pxi_xdp *x, px_diag *diag)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    x->jobs_mapped = up(PXI_BPF_JOBS * sizeof *x->jobs, page);
    x->slots_mapped = up(2 * (size_t)x->o.slots * x->o.jobs * x->slot_bytes, page);
    x->jobs = mapped(x, JOBS, x->jobs_mapped);
    x->slots = mapped(x, SLOTS, x->slots_mapped);
    x->ring = ring_buffer__new(fd_of(x, DONE), on_done, x, NULL);
    return x->jobs && x->slots && x->ring ? PX_ERR_OK : refused(diag, errno);
}

static int link_with(struct pxi_xdp *x, int index, uint32_t flags)
{
    LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
    x->link = bpf_link_create(x->program, index, BPF_XDP, &opts);
    return x->link < 0 ? -x->link : 0;
}

static bool ask_device(const char *device, void *what)
{
    struct ifreq r = {.ifr_data = what};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
    bool answers = fd >= 0 && ioctl(fd, SIOCETHTOOL, &r) == 0;
    if (fd >= 0)
        close(fd);
    return answers;
}

/* A veth sends what a program answers only when the other end has one too. */
static bool is_veth(const char *device)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    return ask_device(device, &info) && strcmp(info.driver, "veth") == 0;
}

/* All its packets come to one CPU at a time: it has one queue. */
static bool is_serial(const char *device)
{
    struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
    return ask_device(device, &c) && c.rx_count + c.combined_count == 1;
}

/* native: why the driver refused before; 0: it was not asked. */
static px_err attach(struct pxi_xdp *x, int *native, px_diag *diag)
{
    const char *device = x->o.device;
    unsigned index = if_nametoindex(device);
    pxi_diag_field(diag, "%s", device);
    if (!index)
        return pxi_diag_set(diag, PX_ERR_NOT_FOUND, 0, "a network device", "%s", strerror(errno));
    int error = link_with(x, (int)index, x->o.generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
    if (error == EPERM || error == EACCES)
        return refused(diag, error);
    if (error) {
        *native = x->o.generic || error == EBUSY ? 0 : error;
        return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0,
                            error == EBUSY ? "no other XDP program there" : "a device with XDP",
                            "%s", strerror(error));
    }
    x->rung = x->o.generic ? PXI_XDP_GENERIC : PXI_XDP_NATIVE;
    snprintf(
        x->said, sizeof x->said, "%s XDP on %s%s%s%s", x->o.generic ? "generic" : "native", device,
        *native ? ", its driver has none that fits: " : "", *native ? strerror(*native) : "",
        !x->o.generic && is_veth(device) ? ", a veth: its other end needs an XDP program too" : "");
    return PX_ERR_OK;
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

static px_err open_as(const struct pxi_xdp_options *o, int *native, struct pxi_xdp **out,
                      px_diag *diag)
{
    struct pxi_xdp *x = pxi_calloc(1, sizeof *x);
    if (!x)
        return PX_ERR_NOMEM;
    x->o = *o;
    x->o.jobs = o->jobs ? o->jobs : 1;
    x->link = -1;
    /* The stack runs it where a packet happens to be; a driver, on the CPU of its queue. */
    x->shared = o->device && !o->steered && (o->generic || !is_serial(o->device));
    snprintf(x->said, sizeof x->said, "loaded, attached nowhere");
    pxi_diag_field(diag, "xdp");
    px_err err = sane(&x->o) ? load(x, diag)
                             : pxi_diag_set(diag, PX_ERR_INVALID, 0, "slots and values that can be",
                                            "%u, %u", o->slots, o->values);
    if (!err)
        err = open_maps(x, diag);
    if (!err && o->device)
        err = attach(x, native, diag);
    if (err) {
        pxi_xdp_close(x);
        return err;
    }
    x->received = o->device ? received(o->device) : 0;
    *out = x;
    return err;
}

px_err pxi_xdp_open(const struct pxi_xdp_options *o, struct pxi_xdp **out, px_diag *diag)
{
    struct pxi_xdp_options again = *o;
    int native = 0;
    *out = NULL;
    px_err err = open_as(o, &native, out, diag);
    if (!err || !native)
        return err;
    again.generic = true;
    return open_as(&again, &native, out, diag);
}

void pxi_xdp_close(struct pxi_xdp *x)
{
    if (!x)
        return;
    if (x->link >= 0)
        close(x->link);
    ring_buffer__free(x->ring);
    if (x->jobs)
        munmap(x->jobs, x->jobs_mapped);
    if (x->slots)
        munmap(x->slots, x->slots_mapped);
    bpf_object__close(x->object);
    pxi_free(x);
}

enum pxi_xdp_rung pxi_xdp_rung(const struct pxi_xdp *x)
{
    return x->rung;
}

const char *pxi_xdp_said(const struct pxi_xdp *x)
{
    return x->said;
}

int pxi_xdp_program(const struct pxi_xdp *x)
{
    return x->program;
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
           j->quorum <= PX_GRADIENT_WORKERS;
}

/* Values of a lane are below `limit`: what to add so that others get their top bit. */
static uint64_t lanes(uint64_t limit, unsigned bits)
{
    uint64_t one = (UINT64_C(1) << (bits - 1)) - limit;
    return bits == 16 ? one * UINT64_C(0x0001000100010001) : one * UINT64_C(0x0000000100000001);
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
                            .group_address = job->group_address,
                            .group_port = htons(job->group_port),
                            .members = job->members,
                            .deadline_ns = job->deadline_ns};
    j.shift8 = (uint8_t)pxi_gradient_shift(PX_GRADIENT_I8, job->fan_in);
    j.shift4 = (uint8_t)pxi_gradient_shift(PX_GRADIENT_I4, job->fan_in);
    memcpy(j.group_mac, job->group_mac, sizeof j.group_mac);
    /* A fan-in of 1 leaves 16 bits to the one worker. */
    j.room[0] = limit16 <= 0x8000 ? lanes(limit16, 16) : 0;
    j.tops[0] = limit16 <= 0x8000 ? UINT64_C(0x8000800080008000) : 0;
    j.room[1] = lanes(limit32, 32);
    j.tops[1] = UINT64_C(0x8000000080000000);
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
        pxi_tag_key_init(&w.key, job->secrets[i]);
        ok = !bpf_map_update_elem(fd_of(x, WORKERS), &at, &w, BPF_ANY);
        explicit_bzero(&w, sizeof w);
    }
    return ok;
}

static bool clear_kept(const struct pxi_xdp *x, uint32_t first, uint32_t n)
{
    size_t bytes = sizeof(struct pxi_bpf_kept) + pxi_gradient_most(x->o.values);
    void *zero = pxi_calloc(1, bytes);
    bool ok = zero != NULL;
    for (uint32_t i = 0; i < n && ok; i++) {
        uint32_t at = first + i;
        ok = !bpf_map_update_elem(fd_of(x, KEPT), &at, zero, BPF_ANY);
    }
    pxi_free(zero);
    return ok;
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
    if (!tell_workers(x, job, j.first_worker) || !clear_kept(x, j.first_kept, j.chunks))
        return refused(diag, errno);
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

void pxi_xdp_counts(const struct pxi_xdp *x, struct pxi_bpf_counts *out)
{
    int cpus = libbpf_num_possible_cpus();
    uint32_t zero = 0;
    struct pxi_bpf_counts *all = cpus > 0 ? pxi_calloc((size_t)cpus, sizeof *all) : NULL;
    memset(out, 0, sizeof *out);
    if (all && !bpf_map_lookup_elem(fd_of(x, COUNTS), &zero, all))
        for (int i = 0; i < cpus; i++)
            for (size_t j = 0; j < sizeof *out / 8; j++)
                ((uint64_t *)out)[j] += ((const uint64_t *)&all[i])[j];
    pxi_free(all);
}

int pxi_xdp_counter(const struct pxi_xdp *x)
{
    return fd_of(x, COUNTS);
}

uint64_t pxi_xdp_received(const struct pxi_xdp *x)
{
    return x->o.device ? received(x->o.device) - x->received : 0;
}

int pxi_xdp_take(struct pxi_xdp *x, int wait_ms, pxi_xdp_done_fn *fn, void *ctx)
{
    x->fn = fn;
    x->ctx = ctx;
    int n = ring_buffer__consume(x->ring);
    return n == 0 && wait_ms ? ring_buffer__poll(x->ring, wait_ms) : n;
}

int pxi_xdp_wakes(const struct pxi_xdp *x)
{
    return ring_buffer__epoll_fd(x->ring);
}

int pxi_xdp_run(struct pxi_xdp *x, const uint8_t *frame, size_t n, uint8_t *out, size_t *out_n,
                unsigned repeat, uint32_t *ns)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)n,
                .data_out = out, .data_size_out = out ? (uint32_t)*out_n : 0,
                .repeat = (int)repeat);
    if (bpf_prog_test_run_opts(x->program, &opts))
        return -1;
    if (out_n)
        *out_n = opts.data_size_out;
    if (ns)
        *ns = opts.duration;
    return (int)opts.retval;
}
