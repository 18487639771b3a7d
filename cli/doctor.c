/* plexus doctor: what the machine offers, and which path plexus takes where something is missing.
 */
#include "bench_lab.h"
#include "machine.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

enum state { OK, NOTE, WARN, FAIL };
static const char *const state_names[] = {"ok", "note", "warn", "fail"};
static const int state_ink[] = {32, 36, 33, 31};

struct report {
    const struct cli *c;
    json_t *rows;
    int failed;
};

static void put(struct report *r, const char *name, enum state s, const char *effect,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void put(struct report *r, const char *name, enum state s, const char *effect,
                const char *fmt, ...)
{
    char found[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(found, sizeof found, fmt, ap);
    va_end(ap);
    r->failed |= s == FAIL;
    json_t *o = json_object();
    json_object_set_new(o, "name", json_text(name));
    json_object_set_new(o, "state", json_text(state_names[s]));
    json_object_set_new(o, "found", json_text(found));
    json_object_set_new(o, "effect", json_text(effect));
    json_array_append_new(r->rows, o);
    if (opt_on(r->c, OPT_JSON))
        return;
    printf("%s%-4s%s %-13s ", ink(state_ink[s]), state_names[s], ink(0), name);
    put_safe(stdout, found, strlen(found), 0);
    printf(": %s\n", effect);
}

static void processor(struct report *r)
{
    char name[128], isa[256];
    int n = machine_processors();
    machine_line("/proc/cpuinfo", "model name", name, sizeof name);
    px_cpu_describe(isa, sizeof isa);
    put(r, "processor", OK, "this is what kernels and threads are chosen from", "%s, %d usable, %s",
        *name ? name : "unnamed", n, isa);
    char quota[64];
    machine_line("/sys/fs/cgroup/cpu.max", "", quota, sizeof quota);
    double max = strtod(quota, NULL),
           period = strchr(quota, ' ') ? strtod(strchr(quota, ' '), 0) : 0;
    if (max > 0 && period > 0 && max / period < n)
        put(r, "cpu quota", WARN, "give --threads no more than that", "%.1f processors of %d",
            max / period, n);
}

static void memory(struct report *r)
{
    char total[32], left[32];
    double avail = machine_memory("MemAvailable"), limit;
    human_bytes(total, machine_memory("MemTotal"));
    human_bytes(left, avail);
    put(r, "memory",
        avail > 1e9   ? OK
        : avail > 1e8 ? WARN
                      : FAIL,
        "a model needs its file size and its KV cache; plexus inspect tells", "%s, %s available",
        total, left);
    char text[64];
    limit = strtod(machine_line("/sys/fs/cgroup/memory.max", "", text, sizeof text), NULL);
    if (limit > 0) {
        human_bytes(total, limit);
        put(r, "memory quota", NOTE, "larger models are killed by the kernel", "%s", total);
    }
}

static void huge_pages(struct report *r)
{
    char thp[128];
    double total = machine_memory("HugePages_Total") / 1024, size = machine_memory("Hugepagesize");
    machine_line("/sys/kernel/mm/transparent_hugepage/enabled", "", thp, sizeof thp);
    int always = strstr(thp, "[always]") || strstr(thp, "[madvise]");
    if (total > 0)
        put(r, "huge pages", OK, "frames of gradients and large buffers use them",
            "%.0f of %.0f kB reserved", total, size / 1024);
    else
        put(r, "huge pages", NOTE,
            always ? "transparent huge pages serve instead" : "normal pages serve instead",
            "none reserved, transparent: %s", *thp ? thp : "unknown");
}

static void kernel(struct report *r)
{
    struct utsname u;
    int major = 0, minor = 0;
    uname(&u);
    char *end;
    major = (int)strtol(u.release, &end, 10);
    minor = *end == '.' ? (int)strtol(end + 1, NULL, 10) : 0;
    int fits = major > 5 || (major == 5 && minor >= 15);
    put(r, "kernel", fits ? OK : NOTE,
        fits ? "new enough for everything plexus plans to use"
             : "inference works; packet programs will need 5.15",
        "%s %s %s", u.sysname, u.release, u.machine);
}

static void rights(struct report *r)
{
    char text[64];
    machine_line("/proc/self/status", "CapEff", text, sizeof text);
    unsigned long long caps = strtoull(text, NULL, 16);
    int all = caps >> 21 & 1, bpf = (caps >> 39 & caps >> 38 & 1) || all, admin = caps >> 12 & 1,
        raw = caps >> 13 & 1;
#ifdef PXI_XDP
    const char *effect = bpf && admin ? "plexus agg attach adds gradients in the kernel"
                                      : "gradients are added in user space, by UDP";
#else
    const char *effect = "this build has no kernel half (libbpf, clang); gradients go by UDP";
#endif
    put(r, "packet rights", bpf && admin && raw ? OK : NOTE, effect,
        "CAP_BPF and CAP_PERFMON %s, CAP_NET_ADMIN %s, CAP_NET_RAW %s", bpf ? "yes" : "no",
        admin ? "yes" : "no", raw ? "yes" : "no");
}

/* With which others' XDP programs are joined. */
static void libxdp(struct report *r)
{
    const char *without = "plexus agg attach refuses an interface that has another XDP program";
#ifndef PXI_XDP
    put(r, "libxdp", NOTE, without, "this build has no BPF");
#else
    void *h = dlopen("libxdp.so.1", RTLD_NOW | RTLD_LOCAL);
    put(r, "libxdp", h ? OK : NOTE,
        h ? "plexus agg attach joins its dispatcher where another XDP program is in one" : without,
        "%s", h ? "libxdp.so.1; it takes CAP_SYS_ADMIN" : "no libxdp.so.1");
    if (h)
        dlclose(h);
#endif
}

/* Sockets past the stack; whether a device copies is known when one is opened on it. */
static void af_xdp(struct report *r)
{
    int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), error = errno;
    if (fd >= 0)
        close(fd);
#ifndef PXI_XDP
    put(r, "AF_XDP", NOTE, "gradients go by shared memory and UDP", "%s, this build has no BPF",
        fd >= 0 ? "there" : strerror(error));
#else
    put(r, "AF_XDP", fd >= 0 ? OK : NOTE,
        fd >= 0 ? "gradients may take it; zero-copy where the driver can, else the kernel copies"
                : "gradients go by shared memory and UDP",
        "%s",
        fd >= 0          ? "there, and allowed"
        : error == EPERM ? "needs CAP_NET_RAW"
                         : strerror(error));
#endif
}

/* libibverbs, if it is there: how many devices it knows, and their names; -1: none of it. */
static int verbs_devices(char *names, size_t cap)
{
    void *h = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
    void **(*get)(int *) = h ? (void **(*)(int *))dlsym(h, "ibv_get_device_list") : NULL;
    void (*drop)(void **) = h ? (void (*)(void **))dlsym(h, "ibv_free_device_list") : NULL;
    const char *(*name)(void *) =
        h ? (const char *(*)(void *))dlsym(h, "ibv_get_device_name") : NULL;
    int n = 0;
    void **list = get && drop ? get(&n) : NULL;
    size_t at = 0;
    for (int i = 0; list && name && i < n && at < cap; i++)
        at += (size_t)snprintf(names + at, cap - at, "%s%s", i ? " " : ": ", name(list[i]));
    if (list)
        drop(list);
    if (h)
        dlclose(h);
    return h ? n : -1;
}

static void verbs(struct report *r)
{
    const char *without = "gradients go by shared memory, UDP or AF_XDP";
    char names[120] = "";
    int n = verbs_devices(names, sizeof names);
#ifndef PXI_VERBS
    put(r, "verbs", NOTE, without, "%s, this build has no verbs (libibverbs-dev)",
        n < 0 ? "no libibverbs.so.1" : "libibverbs.so.1");
#else
    if (n < 0)
        put(r, "verbs", NOTE, without, "no libibverbs.so.1");
    else
        put(r, "verbs", n ? OK : NOTE,
            n ? "gradients may take one that has our address (RoCE v2); their arena is registered "
                "with it"
              : without,
            "libibverbs.so.1, %d device%s%s", n, n == 1 ? "" : "s", names);
#endif
}

/* The driver of CUDA, if it is there: devices, and whether it registers memory of the host. */
static void cuda(struct report *r)
{
    void *h = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    int (*init)(unsigned) = h ? (int (*)(unsigned))dlsym(h, "cuInit") : NULL;
    int (*count)(int *) = h ? (int (*)(int *))dlsym(h, "cuDeviceGetCount") : NULL;
    int registers = h && dlsym(h, "cuMemHostRegister_v2"), n = 0;
    if (init && count && (init(0) != 0 || count(&n) != 0))
        n = 0;
    if (!h)
        put(r, "gpu", NOTE, "the CPU computes; frames of gradients are ordinary memory",
            "no libcuda.so.1");
    else
        put(r, "gpu", NOTE,
            registers && n ? "the CPU computes; frames of gradients are registered where a program "
                             "has a context"
                           : "the CPU computes; frames of gradients are ordinary memory",
            "libcuda.so.1, %d devices, %s host memory", n, registers ? "registers" : "no");
    /* It stays: the driver has threads by now. */
}

static void files(struct report *r)
{
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    put(r, "open files", lim.rlim_cur >= 1024 ? OK : WARN,
        "bounds the parts of a split model and, later, peers", "%llu",
        (unsigned long long)lim.rlim_cur);
    for (enum origin layer = FROM_SYSTEM; layer <= FROM_USER; layer++) {
        const char *path = layers_path(layer);
        int there = path && access(path, R_OK) == 0;
        put(r, layer == FROM_SYSTEM ? "system file" : "user file", OK,
            there ? "read; plexus config list --origin shows it" : "defaults and environment serve",
            "%s %s", path ? path : "no home directory", there ? "present" : "absent");
    }
}

static void model(struct report *r)
{
    px_model *m = NULL;
    px_diag d = {0};
    px_err e = px_model_open("tiny", &m, &d);
    if (e == PX_ERR_OK)
        put(r, "model inside", OK, "plexus run tiny needs nothing else", "%s, %llu parameters",
            px_model_info_get(m)->arch, (unsigned long long)px_model_info_get(m)->parameters);
    else
        put(r, "model inside", FAIL, "this program is damaged: build it again", "%s",
            px_err_text(e));
    px_model_close(m);
}

/* What benchmarks that were killed have left. */
static void namespaces(struct report *r)
{
    unsigned n = lab_sweep();
    put(r, "namespaces", OK, "benchmarks remove theirs; those of killed ones are removed here",
        n ? "%u of benchmarks that were killed, removed" : "none was left behind", n);
}

int verb_doctor(struct cli *c)
{
    struct report r = {.c = c, .rows = json_array()};
    void (*const checks[])(struct report *) = {processor, memory, huge_pages, kernel,
                                               rights,    libxdp, af_xdp,     verbs,
                                               cuda,      files,  model,      namespaces};
    for (unsigned i = 0; i < sizeof checks / sizeof *checks; i++)
        checks[i](&r);
    int rc = r.failed ? px_err_exit(PX_ERR_FAILED) : 0;
    if (!opt_on(c, OPT_JSON)) {
        json_decref(r.rows);
        return rc;
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "checks", r.rows);
    json_object_set_new(doc, "ok", json_boolean(!r.failed));
    return doc_print(doc, rc);
}
