/*
 * plexus bench data: batches of tokens for torch beside Megatron's, JSON lines and memcpy (in
 * Python, bench_data.py), the kernels beneath (checkkernel), and a store of 10^9 samples
 * (bench_store).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "bench_data_script.h"
#include "machine.h"

static const char script[] = BENCH_DATA_SCRIPT;
static const char known_parts[] = "batches,kernels,store";

struct data {
    struct cli *c;
    unsigned rounds;
    json_t *rows, *marks;
    json_t *batches, *store; /* as those who measured tell it; NULL: did not */
    char here[4096];         /* the folder of this program */
    double load;
};

/* -------------------------------------------------------------------- rows */

static double field(const json_t *o, const char *name)
{
    return json_number_value(json_object_get(o, name));
}

/* A row as bench_row has it; `cpu` is the ratio of processor time, 0: none. */
static void row(struct data *d, const char *name, double value, const char *unit, const char *peer,
                double peer_value, double cpu)
{
    bench_row(d->rows, name, value, unit, peer, peer_value);
    json_t *o = json_array_get(d->rows, json_array_size(d->rows) - 1);
    json_object_set_new(o, "cpu_ratio", cpu > 0 ? json_number(cpu) : json_null());
}

/* What is to be reached: at least (sign 1) or at most (-1) the bound. */
static void mark(struct data *d, const char *name, double value, double bound, int sign)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_text(name));
    json_object_set_new(o, "value", json_number(value));
    json_object_set_new(o, "bound", json_number(bound));
    json_object_set_new(o, "at", json_text(sign > 0 ? "least" : "most"));
    json_object_set_new(o, "kept", json_boolean(sign * value >= sign * bound));
    json_array_append_new(d->marks, o);
}

/* ------------------------------------------------------------------- children */

/* Runs a program, its standard output in a stream; NULL when it cannot be. What it says to people
 * is left out when `silent`. */
static FILE *start(const char *const *words, int silent, pid_t *pid)
{
    int fd[2], null = silent ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (pipe(fd) != 0)
        return NULL;
    fflush(stdout);
    *pid = fork();
    if (*pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGINT);
        dup2(fd[1], STDOUT_FILENO);
        if (null >= 0)
            dup2(null, STDERR_FILENO);
        close(fd[0]);
        close(fd[1]);
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    close(fd[1]);
    if (null >= 0)
        close(null);
    return *pid > 0 ? fdopen(fd[0], "r") : NULL;
}

static int done(FILE *f, pid_t pid)
{
    int status = -1;
    if (f)
        fclose(f);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                           : -1;
}

/* The one document that a program beside this one prints; NULL, and a note, without it. */
static json_t *ask(struct data *d, const char *name, const char *const *rest, const char *what)
{
    char path[8192];
    const char *words[8] = {path};
    pid_t pid = -1;
    json_t *doc = NULL;
    snprintf(path, sizeof path, "%s/%s", d->here, name);
    for (unsigned i = 0; rest[i] && i < 6; i++)
        words[i + 1] = rest[i];
    if (access(path, X_OK) == 0) {
        FILE *f = start(words, 1, &pid);
        doc = f ? json_loadf(f, 0, NULL) : NULL;
        if (done(f, pid) != 0) {
            json_decref(doc);
            doc = NULL;
        }
    }
    if (!doc)
        note(d->c, "no figures of %s: %s is not built beside this program, or it failed", what,
             name);
    return doc;
}

/* -------------------------------------------------------------------- batches */

static const struct peer {
    const char *key, *name;
} peers[] = {{"megatron", "Megatron"},
             {"jsonl", "JSON lines"},
             {"memcpy", "memcpy, random rows"},
             {"memcpy_sequential", "memcpy, in order"}};
enum { PEERS = sizeof peers / sizeof *peers };

static const struct ours {
    const char *key, *name;
    unsigned from; /* of the peers: stores stand beside memcpy alone */
} ours[] = {
    {"packets", "packets", 0}, {"store32", "store, 4 bytes", 2}, {"store16", "store, 2 bytes", 2}};

static double ratio(const json_t *group, const char *a, const char *b, const char *what)
{
    double below = field(json_object_get(group, b), what);
    return below > 0 ? field(json_object_get(group, a), what) / below : 0;
}

static void rows_of(struct data *d, const json_t *group, const struct ours *o)
{
    char name[64];
    const json_t *side = json_object_get(group, o->key);
    int wide = json_is_true(json_object_get(group, "wide"));
    double rate = field(side, "tokens_s"), rows = field(side, "samples_s");
    snprintf(name, sizeof name, "%s, %.0f x %s", o->name, field(group, "batch"),
             wide ? "i64 + labels" : "i32");
    if (o->from && field(group, "batch") < 64)
        return;
    for (unsigned i = o->from; i < PEERS; i++) {
        const char *key = peers[i].key;
        if (json_object_get(group, key))
            row(d, name, rate / 1e6, "Mtok/s", peers[i].name,
                field(json_object_get(group, key), "tokens_s") / 1e6,
                ratio(group, o->key, key, "cpu_tokens_s"));
    }
    if (o->from)
        return;
    row(d, name, rows / 1e3, "k rows", NULL, 0, 0);
    row(d, name, rows * field(group, "row_bytes") / 1e9, "GB/s", NULL, 0, 0);
}

/* What is promised of packets in batches of int32, and of stores. */
static void marks_of(struct data *d, const json_t *group)
{
    static const struct {
        int batch;
        const char *ours, *peer, *name;
        double bound;
    } promised[] = {
        {64, "packets", "megatron", "packets, 64 x i32, times Megatron", 20},
        {64, "packets", "jsonl", "packets, 64 x i32, times JSON lines", 800},
        {64, "packets", "memcpy", "packets, 64 x i32, of memcpy (random)", 0.8},
        {8, "packets", "megatron", "packets, 8 x i32, times Megatron", 10},
        {8, "packets", "jsonl", "packets, 8 x i32, times JSON lines", 300},
        {64, "store32", "memcpy", "store, 64 x i32, of memcpy (random)", 0.9},
    };
    for (unsigned i = 0; i < sizeof promised / sizeof *promised; i++)
        if (!json_is_true(json_object_get(group, "wide")) &&
            (int)field(group, "batch") == promised[i].batch &&
            json_object_get(group, promised[i].peer))
            mark(d, promised[i].name, ratio(group, promised[i].ours, promised[i].peer, "tokens_s"),
                 promised[i].bound, 1);
}

/* JSON lines to tokens, by one thread, beside sentencepiece in Python. */
static void add_conversions(struct data *d)
{
    const char *name;
    json_t *one;
    json_object_foreach(json_object_get(d->batches, "conversion"), name, one)
    {
        const json_t *a = json_object_get(one, "plexus"),
                     *b = json_object_get(one, "sentencepiece");
        char text[64];
        double cpu = field(a, "cpu_tokens_s") / field(b, "cpu_tokens_s");
        snprintf(text, sizeof text, "JSON lines converted, %s", name);
        row(d, text, field(a, "tokens_s") / 1e6, "Mtok/s", "json, sentencepiece",
            field(b, "tokens_s") / 1e6, cpu);
        mark(d, text, cpu, 2, 1);
    }
}

static void add_batches(struct data *d)
{
    size_t i;
    json_t *group, *view = json_object_get(d->batches, "view");
    json_array_foreach(json_object_get(d->batches, "groups"), i, group)
    {
        for (unsigned k = 0; k < sizeof ours / sizeof *ours; k++)
            rows_of(d, group, &ours[k]);
        marks_of(d, group);
    }
    add_conversions(d);
    row(d, "store, a sample as a tensor", field(view, "samples_s") / 1e3, "k/s", NULL, 0, 0);
    mark(d, "bytes moved for it", field(view, "bytes_moved"), 0, -1);
}

/* Where Python finds the package of this build; what is installed comes after. */
static void set_path(const struct data *d)
{
    char path[16384];
    const char *old = getenv("PYTHONPATH");
    snprintf(path, sizeof path, "%s/bindings/python%s%s", d->here, old ? ":" : "", old ? old : "");
    setenv("PYTHONPATH", path, 1);
}

static int measure_batches(struct data *d)
{
    json_t *o = json_object();
    const char *peer = opt_text(d->c, OPT_MEGATRON_DIR);
    json_object_set_new(o, "samples", json_u64(opt_uint(d->c, OPT_DATA_BENCH_SAMPLES)));
    json_object_set_new(o, "rounds", json_integer(d->rounds));
    json_object_set_new(o, "peer", json_text(peer));
    char *options = must(json_dumps(o, JSON_COMPACT)), *line = NULL;
    const char *words[] = {opt_text(d->c, OPT_DATA_BENCH_PYTHON), "-c", script, options, NULL};
    size_t cap = 0;
    pid_t pid = -1;
    set_path(d);
    FILE *f = start(words, 0, &pid);
    while (f && getline(&line, &cap, f) > 0) {
        json_t *said = json_loads(line, 0, NULL), *text = json_object_get(said, "note");
        if (text)
            note(d->c, "%s", json_string_value(text));
        else if (json_object_get(said, "measured"))
            d->batches = json_incref(json_object_get(said, "measured"));
        json_decref(said);
    }
    int rc = done(f, pid);
    free(line);
    free(options);
    json_decref(o);
    if (interrupted())
        return px_err_exit(PX_ERR_INTERRUPTED);
    if (rc == 127)
        note(d->c, "no batches: %s cannot be run", words[0]);
    else if (rc != 0)
        return fail_text(PX_ERR_FAILED, "bench data", "its own words are above", "%s ended with %d",
                         words[0], rc);
    if (d->batches)
        add_batches(d);
    return 0;
}

/* -------------------------------------------------------------------- kernels */

/* The best figure of a kernel, of one instruction set or (NULL) of all. */
static const json_t *best(const json_t *bench, const char *kernel, const char *isa,
                          const char *shape)
{
    const json_t *found = NULL;
    size_t i;
    json_t *r;
    json_array_foreach(bench, i, r)
    {
        const char *its_isa = json_string_value(json_object_get(r, "isa"));
        if (strcmp(json_string_value(json_object_get(r, "kernel")), kernel) == 0 &&
            strcmp(json_string_value(json_object_get(r, "shape")), shape) == 0 &&
            (!isa || strcmp(its_isa, isa) == 0) &&
            (!found || field(r, "gbs") > field(found, "gbs")))
            found = r;
    }
    return found;
}

static void measure_kernels(struct data *d)
{
    static const struct {
        const char *kernel, *isa, *shape, *name;
        double bound;
        int of_memcpy;
    } want[] = {
        {"crc16", NULL, "64 B", "CRC-16 of 64 bytes, GB/s", 10, 0},
        {"crc16", NULL, "2056 B", "CRC-16 of a packet of 2056 bytes, GB/s", 40, 0},
        {"crc16", NULL, "64 KiB", "CRC-16 of 64 KiB, GB/s", 60, 0},
        {"crc16", "scalar", "64 KiB", "CRC-16 without vectors, GB/s", 5, 0},
        {"crc16_be32_i32", NULL, "64 MiB", "CRC-16 and int32 from memory, of memcpy", 0.9, 1},
        {"crc16_be32_i64", NULL, "64 MiB", "CRC-16 and int64 from memory, of memcpy", 0.9, 1},
    };
    const char *rest[] = {"--filter", "crc16", "--bench", "--json", NULL};
    note(d->c, "kernels");
    json_t *doc = ask(d, "checkkernel", rest, "kernels");
    for (unsigned i = 0; doc && i < sizeof want / sizeof *want; i++) {
        const json_t *r =
            best(json_object_get(doc, "bench"), want[i].kernel, want[i].isa, want[i].shape);
        double gbs = field(r, "gbs"), copy = field(r, "memcpy_gbs");
        char name[64];
        if (!r)
            continue;
        snprintf(name, sizeof name, "%s, %s, %s", want[i].kernel, want[i].shape,
                 json_string_value(json_object_get(r, "isa")));
        row(d, name, gbs, "GB/s", "memcpy", copy, copy > 0 ? gbs / copy : 0);
        mark(d, want[i].name, want[i].of_memcpy && copy > 0 ? gbs / copy : gbs, want[i].bound, 1);
    }
    json_decref(doc);
}

/* -------------------------------------------------------------------- store */

static void measure_store(struct data *d)
{
    char runs[16];
    const char *tmp = getenv("TMPDIR");
    const char *rest[] = {tmp && *tmp ? tmp : "/tmp", runs, NULL};
    snprintf(runs, sizeof runs, "%u", d->rounds < 101 ? d->rounds : 101);
    note(d->c, "a store of a thousand million samples");
    const json_t *s = d->store = ask(d, "bench/bench_store", rest, "a large store");
    if (!s)
        return;
    row(d, "10^9 samples, opened", field(s, "open_ms"), "ms", NULL, 0, 0);
    row(d, "10^9 samples, opened, processor", field(s, "open_cpu_ms"), "ms", NULL, 0, 0);
    row(d, "10^9 samples, a loader", field(s, "loader_ms"), "ms", NULL, 0, 0);
    row(d, "10^9 samples, resumed", field(s, "resume_ms"), "ms", NULL, 0, 0);
    row(d, "10^9 samples, first batch", field(s, "first_batch_ms"), "ms", NULL, 0, 0);
    row(d, "10^9 samples, memory", field(s, "rss_bytes") / 1048576, "MiB", NULL, 0, 0);
    mark(d, "10^9 samples, opened, ms", field(s, "open_ms"), 50, -1);
    mark(d, "10^9 samples, resident, MiB", field(s, "rss_bytes") / 1048576, 64, -1);
    mark(d, "10^9 samples, resumed, ms", field(s, "resume_ms"), 5, -1);
}

/* -------------------------------------------------------------------- output */

static void put_number(double v)
{
    printf(" %10.*f", v >= 100 ? 0 : v >= 10 ? 1 : 3, v);
}

static void put_rows(const struct data *d)
{
    size_t i;
    json_t *r;
    printf("%s%-34s %10s %-6s %10s %8s %8s  %s%s\n", ink(1), "", "plexus", "", "other", "ratio",
           "cpu", "other is", ink(0));
    json_array_foreach(d->rows, i, r)
    {
        const char *peer = json_string_value(json_object_get(r, "peer"));
        printf("%-34s", json_string_value(json_object_get(r, "name")));
        put_number(field(r, "value"));
        printf(" %-6s", json_string_value(json_object_get(r, "unit")));
        if (peer) {
            put_number(field(r, "peer_value"));
            printf(" %8.2f", field(r, "ratio"));
            if (field(r, "cpu_ratio") > 0)
                printf(" %8.2f  %s", field(r, "cpu_ratio"), peer);
            else
                printf(" %8s  %s", "", peer);
        }
        putchar('\n');
    }
}

static void put_table(const struct data *d)
{
    size_t i;
    json_t *m;
    put_rows(d);
    printf("\n%s%-44s %10s %14s%s\n", ink(1), "promised", "", "", ink(0));
    json_array_foreach(d->marks, i, m) printf(
        "%-44s %10.4g %8s %5g  %s\n", json_string_value(json_object_get(m, "name")),
        field(m, "value"),
        strcmp(json_string_value(json_object_get(m, "at")), "least") ? "at most" : "at least",
        field(m, "bound"), json_is_true(json_object_get(m, "kept")) ? "kept" : "missed");
    printf("\nmedians of %u rounds in turns; tokens without what rows are filled up with; cpu: "
           "ratio of processor time\nload of the machine when it began: %.1f on %d processors\n",
           d->rounds, d->load, machine_processors());
    if (d->batches)
        printf("samples %.0f of %.0f tokens, Python %s, torch %s, Megatron %s\n",
               field(d->batches, "samples"), field(d->batches, "mean_tokens"),
               json_string_value(json_object_get(d->batches, "python")),
               json_string_value(json_object_get(d->batches, "torch")),
               json_is_string(json_object_get(d->batches, "megatron"))
                   ? json_string_value(json_object_get(d->batches, "megatron"))
                   : "not there");
}

static int show(struct data *d)
{
    if (!opt_on(d->c, OPT_JSON)) {
        put_table(d);
        return 0;
    }
    json_t *doc = doc_new(d->c);
    json_object_set_new(doc, "scenario", json_text("data"));
    json_object_set_new(doc, "repeat", json_integer(d->rounds));
    json_object_set_new(doc, "load", json_number(d->load));
    json_object_set(doc, "rows", d->rows);
    json_object_set(doc, "marks", d->marks);
    json_object_set(doc, "batches", d->batches ? d->batches : json_null());
    json_object_set(doc, "store", d->store ? d->store : json_null());
    json_object_set_new(doc, "machine", machine_json());
    return doc_print(doc, 0);
}

int verb_bench_data(struct cli *c)
{
    struct data d = {.c = c,
                     .rounds = (unsigned)opt_uint(c, OPT_REPEAT),
                     .rows = json_array(),
                     .marks = json_array()};
    const char *parts = opt_text(c, OPT_DATA_BENCH_PARTS);
    ssize_t n = readlink("/proc/self/exe", d.here, sizeof d.here - 1);
    char *slash = n > 0 ? strrchr(d.here, '/') : NULL;
    if (slash)
        *slash = 0;
    if (getloadavg(&d.load, 1) != 1)
        d.load = 0;
    interrupt_poll(1);
    int rc = parts_check(parts, known_parts);
    if (rc == 0 && parts_have(parts, "batches"))
        rc = measure_batches(&d);
    if (rc == 0 && parts_have(parts, "kernels"))
        measure_kernels(&d);
    if (rc == 0 && parts_have(parts, "store"))
        measure_store(&d);
    rc = rc ? rc : show(&d);
    json_decref(d.rows);
    json_decref(d.marks);
    json_decref(d.batches);
    json_decref(d.store);
    return rc;
}
