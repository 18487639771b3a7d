#include "io/wire.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/embed.h"
#include "base/mem.h"
#include "io/veth.h"
#include "wire_object.h" /* generated at build time: PXI_WIRE_PATH */

PXI_EMBED(pxi_wire_object, PXI_WIRE_PATH);

enum { PORT_OF_WORKER = 20000, FRAME = PXI_WIRE_HEAD + 8 * PXI_WIRE_WORDS, PATIENCE_MS = 3000 };

struct pxi_wire {
    struct bpf_object *object;
    struct pxi_wire_run *run;
    struct pxi_wire_packet *packets;
    uint8_t *values;
    char name[IFNAMSIZ], other[IFNAMSIZ];
    uint8_t mac[6], peer_mac[6];
    pid_t child, taker;
    int tell, before, link; /* to the child; the namespace that was; of a program on the device */
};

uint32_t pxi_wire_address(void)
{
    return htonl(0x0a4f0001);
}

uint32_t pxi_wire_peer(void)
{
    return htonl(0x0a4f0002);
}

const char *pxi_wire_device(const struct pxi_wire *w)
{
    return w->name;
}

struct pxi_wire_run *pxi_wire_run(struct pxi_wire *w)
{
    return w->run;
}

struct pxi_wire_packet *pxi_wire_packets(struct pxi_wire *w)
{
    return w->packets;
}

uint8_t *pxi_wire_values(const struct pxi_wire *w)
{
    return w->values;
}

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

void pxi_wire_wrap(const struct pxi_wire *w, uint8_t *f, unsigned worker, size_t n)
{
    uint32_t own = pxi_wire_address(), peer = pxi_wire_peer(), sum = 0;
    memset(f, 0, PXI_WIRE_BEFORE);
    memcpy(f, w->mac, 6);
    memcpy(f + 6, w->peer_mac, 6);
    put16(f + 12, 0x0800);
    f[14] = 0x45;
    put16(f + 16, 28 + n);
    f[20] = 0x40; /* not to be cut */
    f[22] = 64;
    f[23] = IPPROTO_UDP;
    memcpy(f + 26, &peer, 4);
    memcpy(f + 30, &own, 4);
    put16(f + 34, PORT_OF_WORKER + worker);
    put16(f + 36, PXI_WIRE_PORT);
    put16(f + 38, 8 + n);
    for (unsigned i = 14; i < 34; i += 2)
        sum += (uint32_t)f[i] << 8 | f[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    put16(f + 24, ~(sum + (sum >> 16)) & 0xffff);
}

/* --------------------------------------------------------- the other end */

static int program(const struct pxi_wire *w, const char *name)
{
    return bpf_program__fd(bpf_object__find_program_by_name(w->object, name));
}

static int put_on(int fd, const char *device)
{
    LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
    return bpf_link_create(fd, (int)if_nametoindex(device), BPF_XDP, &opts);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool is_late(const struct timespec *since)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (t.tv_sec - since->tv_sec) * 1000 + (t.tv_nsec - since->tv_nsec) / 1000000 > PATIENCE_MS;
}

/* Frames that come from nowhere, until all are sent. */
static bool send_frames(struct pxi_wire *w)
{
    uint8_t frame[FRAME] = {0};
    struct xdp_md where = {.data_end = PXI_WIRE_HEAD + 8 * w->run->words};
    struct timespec since;
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = where.data_end,
                .ctx_in = &where, .ctx_size_in = sizeof where, .repeat = 1 << 15,
                .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
    clock_gettime(CLOCK_MONOTONIC, &since);
    while (*(volatile uint64_t *)&w->run->sent < w->run->packets)
        if (bpf_prog_test_run_opts(program(w, "px_wire_send"), &opts) || is_late(&since))
            return false;
    return true;
}

static int socket_of(unsigned worker, unsigned segment)
{
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)(PORT_OF_WORKER + worker)),
                              .sin_addr.s_addr = pxi_wire_peer()},
                       to = {.sin_family = AF_INET,
                             .sin_port = htons(PXI_WIRE_PORT),
                             .sin_addr.s_addr = pxi_wire_address()};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = (int)segment;
    if (fd >= 0 && bind(fd, (void *)&own, sizeof own) == 0 &&
        connect(fd, (void *)&to, sizeof to) == 0 &&
        setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Packets of one worker that follow each other go together. */
static size_t train_of(const struct pxi_wire *w, uint64_t from, struct iovec *v)
{
    const struct pxi_wire_packet *p = w->packets + from;
    size_t n = 0;
    while (n < PXI_WIRE_TRAIN && from + n < w->run->packets && p[n].worker == p[0].worker) {
        v[2 * n] =
            (struct iovec){(void *)(p[n].head + PXI_WIRE_BEFORE), PXI_WIRE_HEAD - PXI_WIRE_BEFORE};
        v[2 * n + 1] = (struct iovec){pxi_wire_values(w), 8 * w->run->words};
        n++;
    }
    return n;
}

static bool send_trains(struct pxi_wire *w, int *fds)
{
    struct iovec v[2 * PXI_WIRE_TRAIN];
    struct timespec since;
    clock_gettime(CLOCK_MONOTONIC, &since);
    while (w->run->sent < w->run->packets) {
        struct pxi_wire_packet *p = w->packets + w->run->sent;
        unsigned segment = PXI_WIRE_HEAD - PXI_WIRE_BEFORE + 8 * w->run->words;
        int *fd = &fds[p->worker % PXI_WIRE_WORKERS];
        while (w->run->sent >=
               __atomic_load_n(&w->run->answered, __ATOMIC_ACQUIRE) + PXI_WIRE_AHEAD) {
            sched_yield();
            if (is_late(&since))
                return false;
        }
        size_t n = train_of(w, w->run->sent, v);
        struct msghdr m = {.msg_iov = v, .msg_iovlen = 2 * n};
        if (*fd < 0 && (*fd = socket_of(p->worker, segment)) < 0)
            return false;
        if (sendmsg(*fd, &m, 0) < 0)
            return false;
        w->run->sent += n;
    }
    return true;
}

static bool send_sockets(struct pxi_wire *w)
{
    int fds[PXI_WIRE_WORKERS];
    memset(fds, 0xff, sizeof fds);
    bool good = send_trains(w, fds);
    for (unsigned i = 0; i < PXI_WIRE_WORKERS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return good;
}

/* One byte in: a source, or the end. Out: processor time, or PXI_WIRE_STUCK. */
static _Noreturn void serve(struct pxi_wire *w, int fd)
{
    uint8_t what;
    while (read(fd, &what, 1) == 1) {
        int64_t from = (int64_t)cpu_ns();
        bool good = what == PXI_WIRE_FRAMES ? send_frames(w) : send_sockets(w);
        int64_t ns = good ? (int64_t)cpu_ns() - from : PXI_WIRE_STUCK;
        if (write(fd, &ns, sizeof ns) != sizeof ns)
            break;
    }
    _exit(0);
}

static void on_cpu(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static int cpu(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/* The life of the child: its namespace, its end of the wire, then work. */
static _Noreturn void live(struct pxi_wire *w, int fd)
{
    uint8_t byte = 0;
    int64_t error;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    error = unshare(CLONE_NEWNET) ? errno : 0;
    if (write(fd, &error, sizeof error) != sizeof error || error || read(fd, &byte, 1) != 1)
        _exit(1);
    on_cpu(cpu());
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 10);
    error = pxi_veth_up(w->other, pxi_wire_peer());
    if (!error && put_on(program(w, "px_wire_heard"), w->other) < 0)
        error = errno;
    pxi_veth_thread(w->other, cpu());
    w->run->device = if_nametoindex(w->other);
    if (pxi_veth_mac(w->other, w->peer_mac) || write(fd, &error, sizeof error) != sizeof error ||
        write(fd, w->peer_mac, 6) != 6)
        _exit(1);
    serve(w, fd);
}

/* ----------------------------------------------------------------- open */

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
    (void)level, (void)fmt, (void)args;
    return 0;
}

static void *mapped(const struct pxi_wire *w, const char *name, size_t bytes)
{
    struct bpf_map *m;
    void *p = MAP_FAILED;
    bpf_object__for_each_map(m, w->object)
    {
        if (strstr(bpf_map__name(m), name))
            p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0);
    }
    return p == MAP_FAILED ? NULL : p;
}

static int load(struct pxi_wire *w)
{
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "px_wire");
    libbpf_set_print(quiet);
    w->object = bpf_object__open_mem(pxi_wire_object,
                                     (size_t)(pxi_wire_object_end - pxi_wire_object), &opts);
    if (!w->object)
        return errno;
    struct bpf_program *p;
    bpf_object__for_each_program(p, w->object) bpf_program__set_type(p, BPF_PROG_TYPE_XDP);
    int rc = bpf_object__load(w->object);
    if (rc)
        return -rc;
    w->run = mapped(w, ".bss", sizeof *w->run);
    w->packets = mapped(w, "packets", PXI_WIRE_PACKETS * sizeof *w->packets);
    w->values = mapped(w, "values", 8 * PXI_WIRE_WORDS);
    return w->run && w->packets && w->values ? 0 : errno;
}

/* A 64-bit number from the child; or what it died of. */
static int64_t heard(const struct pxi_wire *w)
{
    int64_t v;
    return read(w->tell, &v, sizeof v) == sizeof v ? v : ECHILD;
}

static int make(struct pxi_wire *w)
{
    int ends[2];
    snprintf(w->name, sizeof w->name, "pxa%d", (int)getpid());
    snprintf(w->other, sizeof w->other, "pxw%d", (int)getpid());
    w->before = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (w->before < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    w->child = fork();
    if (w->child == 0) {
        close(ends[0]);
        live(w, ends[1]);
    }
    close(ends[1]);
    w->tell = ends[0];
    int rc = w->child < 0 ? errno : (int)heard(w);
    if (!rc && unshare(CLONE_NEWNET))
        rc = errno;
    if (!rc)
        rc = pxi_veth_make(w->name, w->other, w->child);
    if (!rc)
        rc = pxi_veth_up(w->name, pxi_wire_address());
    if (!rc)
        rc = write(w->tell, "", 1) == 1 ? (int)heard(w) : EPIPE;
    if (!rc && (read(w->tell, w->peer_mac, 6) != 6 || pxi_veth_mac(w->name, w->mac)))
        rc = EIO;
    w->taker = pxi_veth_thread(w->name, cpu());
    if (w->taker) /* it is part of this process's work */
        setpriority(PRIO_PROCESS, (id_t)w->taker, getpriority(PRIO_PROCESS, 0));
    return rc ? rc : w->taker ? 0 : ENOSYS;
}

px_err pxi_wire_open(struct pxi_wire **out, px_diag *diag)
{
    struct pxi_wire *w = pxi_calloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        return PX_ERR_NOMEM;
    w->tell = w->before = w->link = -1;
    int rc = load(w);
    if (!rc)
        rc = make(w);
    if (!rc) {
        *out = w;
        return PX_ERR_OK;
    }
    pxi_wire_close(w);
    pxi_diag_field(diag, "wire");
    if (rc == EPERM || rc == EACCES)
        return pxi_diag_set(diag, PX_ERR_PERMISSION, 0,
                            "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN",
                            "the kernel refuses: %s", strerror(rc));
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0,
                        "a kernel with BPF, live frames, veth and threads of devices", "%s",
                        strerror(rc));
}

void pxi_wire_close(struct pxi_wire *w)
{
    if (!w)
        return;
    pxi_wire_clear(w);
    if (w->tell >= 0)
        close(w->tell);
    if (w->child > 0) {
        kill(w->child, SIGKILL);
        waitpid(w->child, NULL, 0);
    }
    if (w->before >= 0) {
        setns(w->before, CLONE_NEWNET);
        close(w->before);
    }
    if (w->run)
        munmap(w->run, sizeof *w->run);
    if (w->packets)
        munmap(w->packets, PXI_WIRE_PACKETS * sizeof *w->packets);
    if (w->values)
        munmap(w->values, 8 * PXI_WIRE_WORDS);
    bpf_object__close(w->object);
    pxi_free(w);
}

/* ------------------------------------------------------------------ runs */

int pxi_wire_tells(const struct pxi_wire *w)
{
    return w->tell;
}

px_err pxi_wire_count(struct pxi_wire *w, int counters, uint64_t before)
{
    uint32_t zero = 0;
    int fd = bpf_map__fd(bpf_object__find_map_by_name(w->object, "counted"));
    w->run->counted = counters >= 0;
    w->run->before = before;
    return counters < 0 || bpf_map_update_elem(fd, &zero, &counters, BPF_ANY) == 0 ? PX_ERR_OK
                                                                                   : PX_ERR_IO;
}

px_err pxi_wire_start(struct pxi_wire *w, enum pxi_wire_source source)
{
    uint8_t byte = (uint8_t)source;
    w->run->sent = w->run->answered = w->run->waited = w->run->heard = 0;
    return write(w->tell, &byte, 1) == 1 ? PX_ERR_OK : PX_ERR_IO;
}

int64_t pxi_wire_wait(struct pxi_wire *w, int ms)
{
    struct pollfd p = {.fd = w->tell, .events = POLLIN};
    int64_t ns;
    if (poll(&p, 1, ms) != 1)
        return PXI_WIRE_NOT_YET;
    return read(w->tell, &ns, sizeof ns) == sizeof ns ? ns : PXI_WIRE_STUCK;
}

uint64_t pxi_wire_taker_ns(const struct pxi_wire *w)
{
    char path[64];
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)w->taker);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%llu", &ns) != 1)
        ns = 0;
    if (f)
        fclose(f);
    return ns;
}

px_err pxi_wire_put(struct pxi_wire *w, enum pxi_wire_program p, int socket, px_diag *diag)
{
    uint32_t zero = 0;
    struct bpf_map *sockets = bpf_object__find_map_by_name(w->object, "sockets");
    int rc = socket >= 0 ? bpf_map_update_elem(bpf_map__fd(sockets), &zero, &socket, BPF_ANY) : 0;
    if (!rc) {
        w->link =
            put_on(program(w, p == PXI_WIRE_DROP ? "px_wire_drop" : "px_wire_socket"), w->name);
        rc = w->link < 0 ? w->link : 0;
    }
    if (!rc)
        return PX_ERR_OK;
    pxi_diag_field(diag, "%s", w->name);
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "XDP in the driver", "%s", strerror(-rc));
}

void pxi_wire_clear(struct pxi_wire *w)
{
    if (w->link >= 0)
        close(w->link);
    w->link = -1;
}
