/* plexus agg attach|detach|stat|trace|verify: the aggregator in the kernel. */
#include "node.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int stopped;

static void on_stop(int sig)
{
    (void)sig;
    stopped = 1;
}

static const char *agg_socket(void)
{
    static char *path; /* kept to the end */
    return path ? path : (path = state_path("agg.sock"));
}

static uint64_t number(const json_t *o, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(o, name));
}

static json_t *ask(const char *op, int *rc)
{
    char line[64], *text = NULL;
    snprintf(line, sizeof line, "{\"op\":\"%s\"}", op);
    px_err err = px_control_ask(agg_socket(), line, 5000, &text);
    json_t *reply = err == PX_ERR_OK ? json_loads(text, 0, NULL) : NULL;
    px_node_text_free(text);
    *rc = 0;
    if (err == PX_ERR_UNREACHABLE)
        *rc =
            fail_text(err, NULL, "plexus agg attach IFACE", "no aggregator is attached from here");
    else if (!reply)
        *rc = fail(err ? err : PX_ERR_PROTOCOL, agg_socket(), NULL);
    return reply;
}

static void print_drops(json_t *drops)
{
    const char *name;
    json_t *v;
    json_object_foreach(drops, name, v)
    {
        if (json_integer_value(v))
            printf("  dropped, %s: %lld\n", name, (long long)json_integer_value(v));
    }
}

/* A line a job by name. */
static void print_jobs(const json_t *jobs)
{
    size_t i, k;
    json_t *one, *c;
    json_array_foreach(jobs, i, one)
    {
        const char *why = json_string_value(json_object_get(one, "why"));
        printf("job %s: %s%s%s\n", json_string_value(json_object_get(one, "name")),
               json_is_true(json_object_get(one, "joined")) ? "joined" : "not joined",
               why && *why ? ", " : "", why ? why : "");
        json_array_foreach(json_object_get(one, "companies"), k, c)
            printf("  %llu: %llu workers, rule %s\n", (unsigned long long)number(c, "job"),
                   (unsigned long long)number(c, "workers"),
                   json_string_value(json_object_get(c, "rule")));
    }
}

/* A line a worker that the Sentry has said something of. */
static void print_sentry(const json_t *s)
{
    size_t i;
    json_t *w;
    const char *rule = json_string_value(json_object_get(s, "rule"));
    const char *why = json_string_value(json_object_get(s, "why"));
    if (!s)
        return;
    if (!rule || strcmp(rule, "none") == 0) {
        printf("no sentry: %s\n", why ? why : "");
        return;
    }
    printf("sentry %s (%s), k %g, %s\n", rule, why ? why : "",
           json_number_value(json_object_get(s, "k")),
           json_string_value(json_object_get(s, "policy")));
    json_array_foreach(json_object_get(s, "workers"), i, w)
    {
        if (number(w, "clipped") + number(w, "dropped") + number(w, "verdicts"))
            printf("  worker %llu: %llu judged, %llu clipped, %llu dropped, %llu verdicts%s\n",
                   (unsigned long long)number(w, "worker"), (unsigned long long)number(w, "judged"),
                   (unsigned long long)number(w, "clipped"),
                   (unsigned long long)number(w, "dropped"),
                   (unsigned long long)number(w, "verdicts"),
                   json_is_true(json_object_get(w, "quarantined")) ? ", in quarantine" : "");
    }
}

static void print_text(const json_t *o)
{
    double p50 = json_number_value(json_object_get(o, "ns_p50"));
    printf("%s\n", json_string_value(json_object_get(o, "said")));
    printf("%llu packets, %llu summed, %llu passed to the stack\n",
           (unsigned long long)number(o, "packets"), (unsigned long long)number(o, "summed"),
           (unsigned long long)number(o, "passed"));
    printf("%llu slots finished, %llu of them at their deadline; %llu wake-ups of user space\n",
           (unsigned long long)number(o, "finished"), (unsigned long long)number(o, "closed"),
           (unsigned long long)number(o, "wakeups"));
    print_drops(json_object_get(o, "dropped"));
    print_sentry(json_object_get(o, "sentry"));
    print_jobs(json_object_get(o, "jobs"));
    if (p50 > 0)
        printf("half of the packets below %.0f ns, 99 of 100 below %.0f ns\n", p50,
               json_number_value(json_object_get(o, "ns_p99")));
}

/* One document, or text; frees. */
static int print(const struct cli *c, json_t *o)
{
    if (!opt_on(c, OPT_JSON)) {
        print_text(o);
        json_decref(o);
        return 0;
    }
    json_t *doc = doc_new(c);
    json_object_del(o, "ok");
    json_object_update(doc, o);
    json_decref(o);
    return doc_print(doc, 0);
}

/* --------------------------------------------------------------- attach */

static int read_secret(const char *hex, uint8_t out[32])
{
    for (unsigned i = 0; i < 32; i++) {
        unsigned v;
        if (strlen(hex) != 64 || sscanf(hex + 2 * i, "%2x", &v) != 1)
            return -1;
        out[i] = (uint8_t)v;
    }
    return 0;
}

static px_agg_options options_of(const struct cli *c, const uint8_t *secret)
{
    return (px_agg_options){
        .size = sizeof(px_agg_options),
        .device = c->arg[0],
        .generic = opt_on(c, OPT_AGG_GENERIC),
        .address = opt_text(c, OPT_AGG_ADDRESS),
        .port = (unsigned)opt_uint(c, OPT_AGG_PORT),
        .values = (unsigned)opt_uint(c, OPT_PACKET_VALUES),
        .slots = (unsigned)opt_uint(c, OPT_AGG_SLOTS),
        .chunks = (unsigned)opt_uint(c, OPT_AGG_CHUNKS),
        .deadline_ms = (unsigned)opt_uint(c, OPT_AGG_DEADLINE),
        .steered = opt_on(c, OPT_AGG_STEERED),
        .job = (uint32_t)opt_uint(c, OPT_AGG_JOB),
        .workers = c->v[OPT_AGG_WORKER].list,
        .worker_count = c->v[OPT_AGG_WORKER].n,
        .secret = secret,
        .bits = (unsigned)strtoul(opt_text(c, OPT_GRADIENT_FORMAT) + 1, NULL, 10),
        .group = opt_text(c, OPT_AGG_GROUP),
        .server = strcmp(opt_text(c, OPT_AGG_MODE), "server") == 0,
        .helper = opt_text(c, OPT_AGG_HELPER),
        .sentry = opt_text(c, OPT_AGG_SENTRY),
        .sentry_k = opt_float(c, OPT_AGG_SENTRY_K),
        .names = c->v[OPT_AGG_NAME].list,
        .name_count = c->v[OPT_AGG_NAME].n,
        .jobs = (unsigned)opt_uint(c, OPT_AGG_JOBS),
        .node = c->v[OPT_AGG_NAME].n ? node_socket() : NULL,
        .host = opt_text(c, OPT_AGG_HOST),
        .sentry_clip = strcmp(opt_text(c, OPT_AGG_SENTRY_POLICY), "clip") == 0,
    };
}

struct holder {
    const struct cli *c;
    int tell; /* who waits for it; -1: nobody, it is in the foreground */
};

/* In the background nobody listens to what is printed. */
static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    close(null);
}

static void on_ready(void *ctx, const char *json)
{
    struct holder *h = ctx;
    size_t n = strlen(json);
    if (h->tell < 0) {
        print(h->c, must(json_loads(json, 0, NULL)));
        fflush(stdout);
        return;
    }
    if (write(h->tell, json, n) != (ssize_t)n)
        stopped = 1;
    close(h->tell);
    leave_terminal();
}

static int hold(const struct cli *c, const px_agg_options *o, int tell)
{
    struct holder h = {c, tell};
    px_diag diag = {0};
    struct sigaction act = {.sa_handler = on_stop};
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    px_err err = px_agg_serve(o, agg_socket(), on_ready, &h, &stopped, &diag);
    return err ? fail(err, "agg attach", &diag) : 0;
}

/* Start the holder and wait until it says how it went; its complaint goes to our standard error. */
static int hold_behind(const struct cli *c, const px_agg_options *o)
{
    int ends[2], status = 0;
    char text[4096];
    size_t n = 0;
    ssize_t got;
    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail(PX_ERR_IO, "pipe", NULL);
    pid_t pid = fork();
    if (pid < 0)
        return fail(PX_ERR_NOMEM, "fork", NULL);
    if (pid == 0) {
        close(ends[0]);
        setsid();
        _exit(hold(c, o, ends[1]));
    }
    close(ends[1]);
    while (n + 1 < sizeof text && (got = read(ends[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    close(ends[0]);
    json_t *reply = json_loadb(text, n, 0, NULL);
    if (reply)
        return print(c, reply);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status)
                                                    : fail(PX_ERR_FAILED, "agg attach", NULL);
}

int verb_agg_attach(struct cli *c)
{
    uint8_t secret[32];
    const char *hex = opt_text(c, OPT_AGG_SECRET);
    if (hex && read_secret(hex, secret) != 0)
        return usage("plexus help agg attach", "--secret has 64 hexadecimal digits");
    px_agg_options o = options_of(c, hex ? secret : NULL);
    if (o.worker_count && (!hex || (!o.group && !o.server)))
        return usage("plexus help agg attach",
                     "a job needs --worker, --secret and --group or --mode server");
    return opt_on(c, OPT_AGG_FOREGROUND) ? hold(c, &o, -1) : hold_behind(c, &o);
}

/* ------------------------------------------ detach, stat, trace, verify */

/* What is left of those that were killed. */
static int sweep(const struct cli *c, const char *device)
{
    px_diag diag = {0};
    unsigned swept;
    px_err err = px_agg_sweep(device, &swept, &diag);
    if (err)
        return fail(err, "agg detach", &diag);
    if (!opt_on(c, OPT_JSON)) {
        printf("%s: %u of aggregators that were killed\n", device, swept);
        return 0;
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "device", json_string(device));
    json_object_set_new(doc, "swept", json_integer(swept));
    return doc_print(doc, 0);
}

int verb_agg_detach(struct cli *c)
{
    int rc;
    if (c->args)
        return sweep(c, c->arg[0]);
    json_t *o = ask("detach", &rc);
    return o ? print(c, o) : rc;
}

static double rate(const json_t *now, const json_t *before, const char *name, double per)
{
    return per > 0 ? (double)(number(now, name) - number(before, name)) / per : 0;
}

/* Rates between two samples, put into the second. */
static void add_rates(json_t *now, const json_t *before)
{
    double s = json_number_value(json_object_get(now, "seconds")) -
               json_number_value(json_object_get(before, "seconds"));
    double packets = rate(now, before, "packets", 1);
    json_object_set_new(now, "packets_s", json_number(rate(now, before, "packets", s)));
    json_object_set_new(now, "summed_s", json_number(rate(now, before, "summed", s)));
    json_object_set_new(now, "wakeups_per_packet",
                        json_number(rate(now, before, "wakeups", packets)));
}

/* Reasons that grew since the last line. */
static void print_new_drops(const json_t *now, const json_t *before)
{
    const char *name;
    json_t *v, *was = json_object_get(before, "dropped");
    json_object_foreach(json_object_get(now, "dropped"), name, v)
    {
        long long n = json_integer_value(v) - json_integer_value(json_object_get(was, name));
        if (n > 0)
            printf(", %lld dropped: %s", n, name);
    }
}

static void print_rates(const json_t *now, const json_t *before)
{
    printf("%s: %.0f packets/s, %.0f summed/s, %llu passed, %llu slots, %.5f wake-ups a packet, "
           "p50 %.0f ns, p99 %.0f ns",
           json_string_value(json_object_get(now, "rung")),
           json_number_value(json_object_get(now, "packets_s")),
           json_number_value(json_object_get(now, "summed_s")),
           (unsigned long long)(number(now, "passed") - number(before, "passed")),
           (unsigned long long)(number(now, "finished") - number(before, "finished")),
           json_number_value(json_object_get(now, "wakeups_per_packet")),
           json_number_value(json_object_get(now, "ns_p50")),
           json_number_value(json_object_get(now, "ns_p99")));
    print_new_drops(now, before);
    printf("\n");
    fflush(stdout);
}

static int watch(const struct cli *c, json_t *before)
{
    int rc = 0;
    json_t *now;
    interrupt_poll(1);
    while (!interrupted()) {
        sleep((unsigned)opt_uint(c, OPT_AGG_INTERVAL));
        if (interrupted() || !(now = ask("stat", &rc)))
            break;
        add_rates(now, before);
        if (!opt_on(c, OPT_JSON))
            print_rates(now, before);
        json_decref(before);
        before = now;
        if (opt_on(c, OPT_JSON))
            return print(c, now);
    }
    json_decref(before);
    return rc;
}

int verb_agg_stat(struct cli *c)
{
    int rc;
    json_t *o = ask("stat", &rc);
    if (!o)
        return rc;
    return opt_uint(c, OPT_AGG_INTERVAL) ? watch(c, o) : print(c, o);
}

static void print_event(const json_t *e)
{
    const char *event = json_string_value(json_object_get(e, "event")),
               *why = json_string_value(json_object_get(e, "why"));
    if (strcmp(event, "more") == 0) {
        printf("%llu events without a line\n", (unsigned long long)number(e, "events"));
        return;
    }
    printf("%12.6f %-8s %-9s job %llu.%llu seq %llu",
           json_number_value(json_object_get(e, "seconds")), event, why ? why : "",
           (unsigned long long)number(e, "job"), (unsigned long long)number(e, "shard"),
           (unsigned long long)number(e, "seq"));
    if (json_object_get(e, "workers"))
        printf(", %llu workers\n", (unsigned long long)number(e, "workers"));
    else
        printf(", worker %llu at %s\n", (unsigned long long)number(e, "worker"),
               json_string_value(json_object_get(e, "from")));
}

/* One event, stolen. False: that was the last that was asked for. */
static int on_event(const struct cli *c, json_t *e, json_t *events, uint64_t *left)
{
    if (!json_string_value(json_object_get(e, "event"))) {
        json_decref(e); /* the first answer: from now on events are told */
        if (opt_on(c, OPT_JSON_LINES))
            line_print(json_pack("{s:s}", "event", "watching"));
        fflush(stdout);
        return 1;
    }
    if (opt_on(c, OPT_JSON))
        json_array_append(events, e);
    if (opt_on(c, OPT_JSON_LINES))
        line_print(json_incref(e));
    else if (!opt_on(c, OPT_JSON))
        print_event(e);
    json_decref(e);
    fflush(stdout);
    return !*left || --*left > 0;
}

int verb_agg_trace(struct cli *c)
{
    px_control *control;
    uint64_t left = opt_uint(c, OPT_AGG_LIMIT);
    int more = 1;
    char *line;
    px_err err = px_control_open(agg_socket(), "{\"op\":\"trace\"}", &control);
    if (err)
        return fail_text(err, NULL, "plexus agg attach IFACE",
                         "no aggregator is attached from here");
    json_t *events = json_array();
    interrupt_poll(1);
    while (more && !interrupted()) {
        err = px_control_next(control, 1000, &line);
        if (err == PX_ERR_TIMEOUT || err == PX_ERR_INTERRUPTED)
            continue;
        if (err)
            break; /* that it was detached is an end like another */
        more = on_event(c, must(json_loads(line, 0, NULL)), events, &left);
        px_node_text_free(line);
    }
    px_control_close(control);
    json_t *doc = opt_on(c, OPT_JSON) ? doc_new(c) : NULL;
    if (doc)
        json_object_set(doc, "events", events);
    json_decref(events);
    return doc ? doc_print(doc, 0) : 0;
}

int verb_agg_verify(struct cli *c)
{
    px_diag diag = {0};
    px_agg_report r = {.size = sizeof r};
    px_err err = px_agg_verify(opt_uint(c, OPT_AGG_PACKETS), opt_uint(c, OPT_SEED),
                               opt_text(c, OPT_AGG_SENTRY), opt_text(c, OPT_AGG_HELPER), &r, &diag);
    if (err)
        return fail(err, "agg verify", &diag);
    json_t *o = json_object(), *drops = json_object();
    for (unsigned i = 0; i < 16 && r.drops[i]; i++)
        json_object_set_new(drops, r.drops[i], json_u64(r.dropped[i]));
    json_object_set_new(o, "rung", json_text("loaded"));
    json_object_set_new(o, "said", json_text("loaded, attached nowhere"));
    json_object_set_new(o, "packets", json_u64(r.packets));
    json_object_set_new(o, "summed", json_u64(r.summed));
    json_object_set_new(o, "passed", json_u64(r.passed));
    json_object_set_new(o, "dropped", drops);
    json_object_set_new(o, "wakeups", json_u64(0));
    json_object_set_new(o, "mismatches", json_u64(r.mismatches));
    json_object_set_new(o, "rule", json_text(opt_text(c, OPT_AGG_SENTRY)));
    json_object_set_new(o, "finished", json_u64(r.finished));
    json_object_set_new(o, "closed", json_u64(r.closed));
    json_object_set_new(o, "ns", json_number(r.ns));
    if (!opt_on(c, OPT_JSON))
        printf("%llu mismatches, sentry %s\n", (unsigned long long)r.mismatches,
               opt_text(c, OPT_AGG_SENTRY));
    print(c, o);
    return r.mismatches ? px_err_exit(PX_ERR_CORRUPT) : 0;
}
