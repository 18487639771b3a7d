#include "demo_peers.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIND_MS = 4000 };

struct meeting {
    px_node *node;
    struct peers_seen *out;
    char ready[4096]; /* line of the other peer */
    double began_s;
};

static px_node_options options(void)
{
    px_node_options o = {.size = sizeof o, .lan = 1, .mdns = 1, .mdns_interval_ms = 1000};
    return o;
}

/* The other peer: tells its ready line, serves until the pipe from here ends. */
static void other_peer(int in, int out)
{
    px_node *n = NULL;
    px_diag d = {0};
    px_node_options o = options();
    if (px_node_open(&o, &n, &d) == PX_ERR_OK && px_node_speak(n, in, out) == PX_ERR_OK) {
        char *ready = px_node_ready(n);
        dprintf(out, "%s\n", ready ? ready : "{}");
        px_node_run(n);
    }
    _exit(0);
}

static void ask(struct meeting *m, json_t *in, void (*fn)(void *ctx, const char *text))
{
    char *text = must(json_dumps(in, JSON_COMPACT));
    json_decref(in);
    if (px_node_do(m->node, text, fn, m) != PX_ERR_OK)
        px_node_stop(m->node);
    free(text);
}

static void copy(char *out, size_t cap, json_t *reply, const char *field)
{
    const char *s = json_string_value(json_object_get(reply, field));
    snprintf(out, cap, "%s", s ? s : "");
}

static void on_ping(void *ctx, const char *text)
{
    struct meeting *m = ctx;
    json_t *reply = json_loads(text, 0, NULL), *ms = json_object_get(reply, "ms");
    if (json_array_size(ms)) {
        m->out->ping_ms = json_number_value(json_array_get(ms, json_array_size(ms) - 1));
        m->out->ok = 1;
    }
    json_decref(reply);
    px_node_stop(m->node);
}

static void on_dial(void *ctx, const char *text)
{
    struct meeting *m = ctx;
    json_t *reply = json_loads(text, 0, NULL);
    if (!json_is_true(json_object_get(reply, "ok"))) {
        px_node_stop(m->node);
    } else {
        m->out->found_ms = (now_s() - m->began_s) * 1e3;
        copy(m->out->addr, sizeof m->out->addr, reply, "addr");
        copy(m->out->security, sizeof m->out->security, reply, "security");
        ask(m, json_pack("{s:s, s:s, s:i}", "op", "ping", "peer", m->out->other, "count", 3),
            on_ping);
    }
    json_decref(reply);
}

static void on_found(void *ctx, const char *text)
{
    struct meeting *m = ctx;
    json_t *reply = json_loads(text, 0, NULL), *ready = json_loads(m->ready, 0, NULL);
    json_t *dial = json_pack("{s:s, s:s}", "op", "dial", "peer", m->out->other);
    m->out->how = "mDNS";
    if (!json_is_true(json_object_get(reply, "ok"))) {
        m->out->how = "address";
        json_object_set(dial, "addr", json_array_get(json_object_get(ready, "addrs"), 0));
    }
    ask(m, dial, on_dial);
    json_decref(ready);
    json_decref(reply);
}

static int read_line(int fd, char *out, size_t cap)
{
    size_t n = 0;
    while (n + 1 < cap && read(fd, out + n, 1) == 1 && out[n] != '\n')
        n++;
    out[n] = 0;
    return n > 0;
}

static px_err meet(struct meeting *m, int from, px_diag *d)
{
    px_node_options o = options();
    px_err err = px_node_open(&o, &m->node, d);
    if (err != PX_ERR_OK || !read_line(from, m->ready, sizeof m->ready))
        return err;
    char *mine = px_node_ready(m->node);
    json_t *a = json_loads(mine ? mine : "{}", 0, NULL), *b = json_loads(m->ready, 0, NULL);
    copy(m->out->mine, sizeof m->out->mine, a, "peer");
    copy(m->out->other, sizeof m->out->other, b, "peer");
    json_decref(a);
    json_decref(b);
    px_node_text_free(mine);
    m->began_s = now_s();
    ask(m,
        json_pack("{s:s, s:s, s:i}", "op", "wait-discovered", "peer", m->out->other, "timeout",
                  FIND_MS),
        on_found);
    px_node_run(m->node);
    return PX_ERR_OK;
}

px_err demo_peers(struct peers_seen *out, px_diag *d)
{
    struct meeting m = {.out = out};
    int to[2], from[2];
    if (pipe(to) || pipe(from))
        return PX_ERR_IO;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(to[1]);
        close(from[0]);
        other_peer(to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    px_err err = pid < 0 ? PX_ERR_IO : meet(&m, from[0], d);
    px_node_close(m.node);
    close(to[1]); /* the other peer ends with its input */
    close(from[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return err;
}
