/*
 * plexus bench http: requests a second beside a bare libuv server in the same minute, how long a
 * token waits before its event is on its way, and how old an event is when 200 clients watch and
 * one of them does not read. Servers are child processes; the client is this one.
 */
#include "bench_http.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "machine.h"
#include "node.h"

enum { LOAD_CONNS = 32, WATCHERS = 200, ANSWERS = 100, REPLY = 1 << 20 };

struct server {
    pid_t pid;
    uint16_t port;
};

static void node_serve(int out)
{
    px_node_options o = {.size = sizeof o, .http = "127.0.0.1:0"};
    px_context_options ctx = {.size = sizeof ctx, .threads = 1};
    px_node *n;
    px_model *m;
    if (px_node_open(&o, &n, NULL) || px_model_open("tiny", &m, NULL) ||
        px_node_serve(n, m, "tiny", &ctx, 0, NULL))
        return;
    uint16_t port = (uint16_t)strtoul(strrchr(px_node_http(n), ':') + 1, NULL, 10);
    if (write(out, &port, sizeof port) == sizeof port)
        px_node_run(n);
}

/* A thread on the n-th of the processors that we may use, or on all of them: under load the server
 * has one and the client another. Where there is one only, they share it. */
static void pin(const cpu_set_t *may, pid_t pid, unsigned n)
{
    cpu_set_t one;
    unsigned seen = 0;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, may) && seen++ == n)
            CPU_SET(i, &one);
    sched_setaffinity(pid, sizeof one, CPU_COUNT(&one) ? &one : may);
}

static struct server start(void (*serve)(int out))
{
    struct server s = {0};
    int ends[2];
    if (pipe(ends) != 0)
        return s;
    s.pid = fork();
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(ends[1]);
        _exit(1);
    }
    close(ends[1]);
    if (read(ends[0], &s.port, sizeof s.port) != sizeof s.port)
        s.port = 0;
    close(ends[0]);
    return s;
}

static void stop(struct server *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
}

/* ----------------------------------------------------------------------------- loads */

static void loads(struct cli *c, const struct server *floor, const struct server *node,
                  json_t *rows)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct series mark = {0}, ours = {0}, late = {0};
    unsigned rounds = (unsigned)opt_uint(c, OPT_REPEAT);
    double seconds = opt_float(c, OPT_SECONDS), p99 = 0;
    for (unsigned i = 0; i < rounds; i++) {
        series_add(&mark, load_http(floor->port, request, LOAD_CONNS, seconds, &p99));
        series_add(&ours, load_http(node->port, request, LOAD_CONNS, seconds, &p99));
        series_add(&late, p99);
    }
    bench_row(rows, "GET /health", median(&ours), "requests/s", "bare libuv", median(&mark));
    bench_row(rows, "GET /health, 99 of 100 within", median(&late), "ms", "limit", 5);
    free(mark.v);
    free(ours.v);
    free(late.v);
}

/* ---------------------------------------------------------------------------- events */

/* A request on a connection of its own; the whole reply in a buffer that the next call uses. */
static const char *reply_of(uint16_t port, const char *method, const char *path, const char *body)
{
    static char text[REPLY];
    size_t n = 0;
    ssize_t more;
    int fd = http_connect(port, 0);
    int head = snprintf(text, sizeof text,
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        method, path, strlen(body), body);
    if (fd < 0 || send(fd, text, (size_t)head, MSG_NOSIGNAL) != head)
        head = 0;
    while (head && n + 1 < sizeof text && (more = recv(fd, text + n, sizeof text - 1 - n, 0)) > 0)
        n += (size_t)more;
    text[n] = 0;
    if (fd >= 0)
        close(fd);
    return text;
}

static double metric(uint16_t port, const char *series)
{
    const char *at = strstr(reply_of(port, "GET", "/metrics", ""), series);
    return at ? strtod(at + strlen(series), NULL) : 0;
}

/* Events that were on their way within 5 ms of their token, of all: answers in a stream. */
static void delays(const struct server *node, json_t *rows)
{
    for (int i = 0; i < ANSWERS / 10; i++)
        reply_of(node->port, "POST", "/v1/completions",
                 "{\"prompt\":\"Once upon a time\",\"max_tokens\":100,\"stream\":true,"
                 "\"ignore_eos\":true}");
    double all = metric(node->port, "plexus_token_delay_seconds_count ");
    double soon = metric(node->port, "plexus_token_delay_seconds_bucket{le=\"0.005\"} ");
    double sum = metric(node->port, "plexus_token_delay_seconds_sum ");
    bench_row(rows, "token to its event, mean", all > 0 ? sum / all * 1e3 : 0, "ms", "limit", 5);
    bench_row(rows, "events within 5 ms of their token", all > 0 ? soon / all * 100 : 0, "%", NULL,
              0);
}

/* It watches once the beginning of the reply is here. */
static int watch(uint16_t port, int small)
{
    char in[1024];
    static const char request[] = "GET /px/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = http_connect(port, small);
    if (fd >= 0 && (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0 ||
                    recv(fd, in, sizeof in, 0) <= 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Wait until every watcher has heard `events` events; the time when the last one heard the last. */
static double all_heard(struct pollfd *p, unsigned *heard, unsigned events)
{
    static char in[65536];
    unsigned behind = WATCHERS;
    double end = now_s() + 10;
    while (behind && now_s() < end) {
        if (poll(p, WATCHERS, 1000) <= 0)
            break;
        behind = 0;
        for (unsigned i = 0; i < WATCHERS; i++) {
            ssize_t n = p[i].revents & POLLIN ? recv(p[i].fd, in, sizeof in - 1, MSG_DONTWAIT) : 0;
            if (n > 0) {
                in[n] = 0;
                for (const char *at = in; (at = strstr(at, "event: answer")); at++)
                    heard[i]++;
            }
            behind += heard[i] < events;
        }
    }
    return behind ? 0 : now_s();
}

/* Each answer makes an event just before its reply ends: how much later the last watcher has it. */
static int watchers(const struct server *node, json_t *rows)
{
    static struct pollfd p[WATCHERS];
    static unsigned heard[WATCHERS];
    struct series age = {0};
    double most = 0;
    int slow = watch(node->port, 1), ok = slow >= 0;
    for (unsigned i = 0; i < WATCHERS; i++) {
        p[i] = (struct pollfd){.fd = watch(node->port, 0), .events = POLLIN};
        ok &= p[i].fd >= 0;
    }
    for (unsigned n = 1; n <= ANSWERS && ok; n++) {
        reply_of(node->port, "POST", "/v1/completions", "{\"prompt\":\"Once\",\"max_tokens\":1}");
        double told = now_s(), last = all_heard(p, heard, n);
        ok = last > 0;
        series_add(&age, (last - told) * 1e3);
        most = last - told > most ? last - told : most;
    }
    for (unsigned i = 0; i < WATCHERS; i++)
        close(p[i].fd);
    close(slow);
    bench_row(rows, "event at the last of 200 watchers, median", median(&age), "ms", NULL, 0);
    bench_row(rows, "event at the last of 200 watchers, oldest", most * 1e3, "ms", "limit", 250);
    free(age.v);
    return ok;
}

int verb_bench_http(struct cli *c)
{
    cpu_set_t may;
    files_raise();
    CPU_ZERO(&may);
    sched_getaffinity(0, sizeof may, &may);
    struct server floor = start(floor_serve), node = start(node_serve);
    json_t *rows = json_array();
    int rc = 0;
    if (!floor.port || !node.port)
        rc = fail_text(PX_ERR_IO, "servers of the benchmark", NULL, "they did not start");
    else {
        pin(&may, floor.pid, 0);
        pin(&may, node.pid, 0);
        pin(&may, 0, 1);
        loads(c, &floor, &node, rows);
        pin(&may, node.pid, CPU_SETSIZE);
        pin(&may, 0, CPU_SETSIZE);
        delays(&node, rows);
        if (!watchers(&node, rows))
            rc = fail_text(PX_ERR_TIMEOUT, "watchers", NULL, "an event did not come");
    }
    stop(&floor);
    stop(&node);
    if (rc == 0 && !opt_on(c, OPT_JSON))
        bench_table(rows, NULL, 0, (unsigned)opt_uint(c, OPT_REPEAT));
    if (rc || !opt_on(c, OPT_JSON)) {
        json_decref(rows);
        return rc;
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "rows", rows);
    json_object_set_new(doc, "machine", machine_json());
    return doc_print(doc, 0);
}
