/*
 * plexus bench agg: what a packet of gradients costs on each way into an aggregator, by processor
 * time, and how often it wakes user space.
 */
#include <stdlib.h>
#include <string.h>

#include "bench_series.h"
#include "cli.h"
#include "json.h"
#include "machine.h"

enum { SIZES = 4, ROWS = 24 * SIZES, MARKS = 16 * SIZES, F32_FRAME = 344, HEADS = 82 };

#define FRAMES "live frames"
#define SOCKET "a socket, GSO"

/* The ways for each size; %s is the set of instructions of the sums. */
static const struct {
    const char *name;
    px_agg_kind kind;
    unsigned fan_in, tagged, socket, in_step;
} ways[] = {
    {"XDP_DROP", PX_AGG_DROP, 4, 0, 0, 0},
    {"plexus, XDP, head read, dropped", PX_AGG_PARSE, 4, 0, 0, 0},
    {"plexus, XDP, 4 workers", PX_AGG_SWITCH, 4, 0, 0, 0},
    {"plexus, XDP, 4 workers", PX_AGG_SWITCH, 4, 1, 0, 0},
    {"plexus, XDP, 32 workers", PX_AGG_SWITCH, 32, 0, 0, 0},
    {"plexus, XDP, 32 workers", PX_AGG_SWITCH, 32, 1, 0, 0},
    {"recvmmsg + %s", PX_AGG_RECVMMSG, 4, 0, 0, 0},
    {"recvmmsg + %s", PX_AGG_RECVMMSG, 4, 1, 0, 0},
    {"AF_XDP copy + %s", PX_AGG_AF_XDP, 4, 0, 0, 0},
    {"AF_XDP copy + %s", PX_AGG_AF_XDP, 4, 1, 0, 0},
    {"UDP GRO + %s", PX_AGG_GRO, 4, 0, 0, 0},
    {"UDP GRO + %s", PX_AGG_GRO, 4, 1, 0, 0},
    {"UDP GSO/GRO + %s", PX_AGG_GRO, 4, 0, 1, 0},
    {"UDP GSO/GRO + %s", PX_AGG_GRO, 4, 1, 1, 0},
    {"plexus, server, 4 workers", PX_AGG_SERVER, 4, 1, 0, 0},
    {"plexus, server, 4, in step", PX_AGG_SERVER, 4, 1, 0, 1},
    {"plexus, server, 32 workers", PX_AGG_SERVER, 32, 1, 0, 0},
};
enum { WAYS = sizeof ways / sizeof *ways };

struct row {
    px_agg_way way;
    char name[48];
    struct series kernel, user, all, sender, wakeups;
    px_agg_cost last;
};

struct mark {
    char name[64];
    double value, bound;
};

struct agg {
    struct cli *c;
    px_agg_bench *bench;
    const char *isa;
    struct row rows[ROWS];
    struct mark marks[MARKS];
    unsigned row_count, mark_count, sizes[SIZES], size_count, rounds;
    uint64_t wrong;
};

/* The set of instructions that sums in user space get. */
static const char *isa(void)
{
    px_kernel_row k;
    for (unsigned i = 0; px_kernel_at(NULL, i, &k) == PX_ERR_OK; i++)
        if (strcmp(k.kernel, "grad_add.i16") == 0)
            return k.isa;
    return "scalar";
}

static void plan(struct agg *a, unsigned packets)
{
    for (unsigned s = 0; s < a->size_count; s++)
        for (unsigned i = 0; i < WAYS; i++) {
            struct row *r = &a->rows[a->row_count++];
            r->way = (px_agg_way){.kind = ways[i].kind,
                                  .tagged = (int)ways[i].tagged,
                                  .socket = (int)ways[i].socket,
                                  .in_step = (int)ways[i].in_step,
                                  .fan_in = ways[i].fan_in,
                                  .values = a->sizes[s],
                                  .packets = packets};
            const char *blank = strstr(ways[i].name, "%s");
            snprintf(r->name, sizeof r->name, "%.*s%s",
                     (int)(blank ? (size_t)(blank - ways[i].name) : strlen(ways[i].name)),
                     ways[i].name, blank ? a->isa : "");
        }
}

static int measure_row(struct agg *a, struct row *r)
{
    px_diag diag = {0};
    px_agg_cost *c = &r->last;
    px_err err = px_agg_bench_run(a->bench, &r->way, c, &diag);
    if (err)
        return fail(err, "bench agg", &diag);
    /* What the process of XDP costs is what it does when it is woken. */
    series_add(&r->kernel, c->kernel_ns);
    series_add(&r->user, c->user_ns);
    series_add(&r->all, c->kernel_ns + c->user_ns);
    series_add(&r->sender, c->sender_ns);
    series_add(&r->wakeups, (double)c->wakeups * 1000 / (double)c->packets);
    a->wrong += c->wrong;
    return 0;
}

static int measure(struct agg *a)
{
    struct progress p;
    int rc = 0;
    progress_begin(&p, a->c, "measuring", "runs", (uint64_t)a->rounds * a->row_count);
    for (unsigned i = 0; i < a->rounds && rc == 0; i++)
        for (unsigned j = 0; j < a->row_count && rc == 0; j++) {
            rc = interrupted() ? px_err_exit(PX_ERR_INTERRUPTED) : measure_row(a, &a->rows[j]);
            progress_set(&p, (uint64_t)i * a->row_count + j + 1);
        }
    progress_end(&p);
    return rc;
}

/* ---------------------------------------------------------------- marks */

static struct row *find(struct agg *a, px_agg_kind kind, unsigned values, unsigned fan_in,
                        int tagged)
{
    for (unsigned i = 0; i < a->row_count; i++) {
        const px_agg_way *w = &a->rows[i].way;
        if (w->kind == kind && w->values == values && w->fan_in == fan_in && w->tagged == tagged &&
            !w->in_step)
            return &a->rows[i];
    }
    return NULL;
}

static void mark(struct agg *a, double value, double bound, const char *fmt, unsigned values,
                 unsigned fan_in, int tagged)
{
    struct mark *m = &a->marks[a->mark_count++];
    m->value = value;
    m->bound = bound;
    snprintf(m->name, sizeof m->name, fmt, values, fan_in, tagged ? ", tags" : "");
}

static double ns_of(struct agg *a, px_agg_kind kind, unsigned values, unsigned fan_in, int tagged)
{
    struct row *r = find(a, kind, values, fan_in, tagged);
    return r ? median(&r->all) : 0;
}

static void compare(struct agg *a, unsigned values, unsigned fan_in, int tagged)
{
    double own = ns_of(a, PX_AGG_SWITCH, values, fan_in, tagged);
    mark(a, own / ns_of(a, PX_AGG_RECVMMSG, values, 4, tagged), 1.0 / 3,
         "%u values, %u workers%s: of recvmmsg", values, fan_in, tagged);
    mark(a, own / ns_of(a, PX_AGG_AF_XDP, values, 4, tagged), 0.8,
         "%u values, %u workers%s: of AF_XDP copy", values, fan_in, tagged);
    mark(a, own / ns_of(a, PX_AGG_DROP, values, 4, 0), 2, "%u values, %u workers%s: of XDP_DROP",
         values, fan_in, tagged);
}

static void judge(struct agg *a)
{
    unsigned first = a->sizes[0];
    for (unsigned s = 0; s < a->size_count; s++)
        for (unsigned n = 4; n <= 32; n += 28)
            for (int tagged = 0; tagged < 2; tagged++)
                compare(a, a->sizes[s], n, tagged);
    mark(a, median(&find(a, PX_AGG_SWITCH, first, 4, 1)->wakeups), 0,
         "%u values, %u workers, switch: wake-ups / 1,000", first, 4, 0);
    mark(a, median(&find(a, PX_AGG_SERVER, first, 4, 1)->wakeups), 8,
         "%u values, %u workers, server: wake-ups / 1,000", first, 4, 0);
    mark(a, median(&find(a, PX_AGG_SERVER, first, 32, 1)->wakeups), 1,
         "%u values, %u workers, server: wake-ups / 1,000", first, 32, 0);
}

/* ---------------------------------------------------------------- bytes */

/* Bytes of frames: of one with so many bits a value; of the f32 values of one, in frames as large
 * as Ethernet's. */
static double frame_bytes(unsigned values, unsigned bits)
{
    return HEADS + (double)values * bits / 8;
}

static double f32_bytes(unsigned values)
{
    return 4.0 * values + HEADS * (double)values / F32_FRAME;
}

/* What is saved of a worker's link, which carries what it sends and each sum once. */
static double worker_saves(const struct agg *a, unsigned bits)
{
    unsigned v = a->sizes[a->size_count - 1] * 16 / bits; /* frames are filled */
    return 100 * (1 - frame_bytes(v, bits) / f32_bytes(v));
}

/* And of the uplink of an aggregator: sums leave, not the packets of all workers. */
static double uplink_saves(struct agg *a)
{
    const struct row *r = find(a, PX_AGG_SWITCH, a->sizes[a->size_count - 1], 32, 0);
    return 100 * (1 - (double)r->last.answers * frame_bytes(r->way.values, 16) /
                          ((double)r->last.packets * f32_bytes(r->way.values)));
}

/* --------------------------------------------------------------- output */

static const char *source_of(const px_agg_way *w)
{
    return w->socket ? SOCKET : FRAMES;
}

static void put_table(struct agg *a)
{
    printf("%s%-32s %6s %-4s %8s %8s %8s %9s  %s%s\n", ink(1), "processor time of a packet, ns",
           "values", "tag", "kernel", "process", "together", "wake-ups*", "packets from", ink(0));
    for (unsigned i = 0; i < a->row_count; i++) {
        struct row *r = &a->rows[i];
        printf("%-32s %6u %-4s %8.0f %8.0f %8.0f", r->name, r->way.values,
               r->way.tagged ? "yes" : "no", median(&r->kernel), median(&r->user), median(&r->all));
        if (r->way.kind == PX_AGG_SWITCH || r->way.kind == PX_AGG_SERVER)
            printf(" %9.2f", median(&r->wakeups));
        else
            printf(" %9s", "");
        printf("  %s\n", source_of(&r->way));
    }
    printf("\n* of user space, for 1,000 packets, counted there. Medians of %u rounds in turns. "
           "Kernel: "
           "the thread\nthat takes the packets of the device (%s XDP). A socket's sender does that "
           "work itself: %.0f ns a packet.\n",
           a->rounds, find(a, PX_AGG_SWITCH, a->sizes[0], 4, 0)->last.rung,
           median(&a->rows[WAYS - 5].sender));
}

static void put_marks(struct agg *a)
{
    printf("\n%s%-52s %8s %8s%s\n", ink(1), "ratios of processor time, and wake-ups", "", "at most",
           ink(0));
    for (unsigned i = 0; i < a->mark_count; i++) {
        const struct mark *m = &a->marks[i];
        printf("%-52s %8.2f %8.2f  %s\n", m->name, m->value, m->bound,
               m->value <= m->bound ? "kept" : "missed");
    }
    printf("\nbytes saved against f32 without aggregation: a worker's link %.1f %% with 16 bits, "
           "%.1f %% with 8;\nan aggregator's uplink with 32 workers %.1f %% (16 bits)\n",
           worker_saves(a, 16), worker_saves(a, 8), uplink_saves(a));
    printf("sums that differ from those of user space: %llu\n", (unsigned long long)a->wrong);
}

static json_t *row_json(struct row *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_text(r->name));
    json_object_set_new(o, "values", json_integer(r->way.values));
    json_object_set_new(o, "fan_in", json_integer(r->way.fan_in));
    json_object_set_new(o, "tag", json_boolean(r->way.tagged));
    json_object_set_new(o, "source", json_text(source_of(&r->way)));
    json_object_set_new(o, "rung", json_text(r->last.rung));
    json_object_set_new(o, "kernel_ns", json_number(median(&r->kernel)));
    json_object_set_new(o, "process_ns", json_number(median(&r->user)));
    json_object_set_new(o, "ns", json_number(median(&r->all)));
    json_object_set_new(o, "sender_ns", json_number(median(&r->sender)));
    json_object_set_new(o, "wakeups", json_number(median(&r->wakeups)));
    return o;
}

static int put_json(struct agg *a)
{
    json_t *doc = doc_new(a->c), *rows = json_array(), *marks = json_array(),
           *bytes = json_object();
    for (unsigned i = 0; i < a->row_count; i++)
        json_array_append_new(rows, row_json(&a->rows[i]));
    for (unsigned i = 0; i < a->mark_count; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "name", json_text(a->marks[i].name));
        json_object_set_new(o, "value", json_number(a->marks[i].value));
        json_object_set_new(o, "bound", json_number(a->marks[i].bound));
        json_object_set_new(o, "pass", json_boolean(a->marks[i].value <= a->marks[i].bound));
        json_array_append_new(marks, o);
    }
    json_object_set_new(bytes, "worker_link_16", json_number(worker_saves(a, 16)));
    json_object_set_new(bytes, "worker_link_8", json_number(worker_saves(a, 8)));
    json_object_set_new(bytes, "aggregator_uplink_32", json_number(uplink_saves(a)));
    json_object_set_new(doc, "scenario", json_text("agg"));
    json_object_set_new(doc, "repeat", json_integer(a->rounds));
    json_object_set_new(doc, "rows", rows);
    json_object_set_new(doc, "marks", marks);
    json_object_set_new(doc, "saved_percent", bytes);
    json_object_set_new(doc, "wrong", json_u64(a->wrong));
    json_object_set_new(doc, "machine", machine_json());
    return doc_print(doc, a->wrong ? 1 : 0);
}

static int show(struct agg *a)
{
    judge(a);
    if (opt_on(a->c, OPT_JSON))
        return put_json(a);
    put_table(a);
    put_marks(a);
    return a->wrong ? 1 : 0;
}

/* ----------------------------------------------------------------- verb */

static int sizes(struct agg *a)
{
    const char *list = opt_text(a->c, OPT_VALUES_LIST);
    for (const char *p = list; *p;) {
        char *end;
        unsigned long n = strtoul(p, &end, 10);
        if (end == p || (*end && *end != ',') || n < 16 || n % 16 || n > 688 ||
            a->size_count == SIZES)
            return usage("up to 4 multiples of 16 from 16 to 688, such as 256,688", "--values %s",
                         list);
        a->sizes[a->size_count++] = (unsigned)n;
        p = end + (*end == ',');
    }
    return a->size_count ? 0 : usage("such as 256,688", "--values has none");
}

int verb_bench_agg(struct cli *c)
{
    struct agg *a = must(calloc(1, sizeof *a));
    uint64_t packets = opt_uint(c, OPT_WIRE_PACKETS);
    px_diag diag = {0};
    a->c = c;
    a->isa = isa();
    a->rounds = (unsigned)opt_uint(c, OPT_REPEAT);
    int rc = sizes(a);
    if (rc == 0) {
        px_err err = px_agg_bench_open(&a->bench, &diag);
        rc = err ? fail(err, "bench agg", &diag) : 0;
    }
    if (rc == 0) {
        interrupt_poll(1);
        plan(a, (unsigned)packets);
        rc = measure(a);
    }
    px_agg_bench_close(a->bench);
    rc = rc ? rc : show(a);
    for (unsigned i = 0; i < a->row_count; i++) {
        struct row *r = &a->rows[i];
        free(r->kernel.v), free(r->user.v), free(r->all.v), free(r->sender.v), free(r->wakeups.v);
    }
    free(a);
    return rc;
}
