/* Peers as child processes: the lines of plexus interop-peer on their standard input and output. */
#include "bench_p2p.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 64, PATIENCE_MS = 180000, READY_MS = 60000, LINE_MAX_BYTES = 1 << 24 };

static void child(char *const *words, const int in[2], const int out[2])
{
    int null = open("/dev/null", O_RDWR);
    signal(SIGPIPE, SIG_DFL);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execvp(words[0], words);
    _exit(127);
}

static int spawn(struct talker *t, char *const *words)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0)
        return -1;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return -1;
    }
    t->pid = fork();
    if (t->pid == 0)
        child(words, in, out);
    close(in[0]);
    close(out[1]);
    t->in = in[1];
    t->out = out[0];
    return t->pid > 0 ? 0 : -1;
}

/* The next line, without its end; NULL at the end of the output or of patience. */
static char *line(struct talker *t, int patience_ms)
{
    double until = now_s() + patience_ms / 1e3;
    for (;;) {
        char *end = t->n ? memchr(t->buf, '\n', t->n) : NULL;
        if (end) {
            size_t n = (size_t)(end - t->buf);
            char *text = must(strndup(t->buf, n));
            t->n -= n + 1;
            memmove(t->buf, end + 1, t->n);
            return text;
        }
        struct pollfd p = {t->out, POLLIN, 0};
        double left = until - now_s();
        if (left <= 0 || t->n > LINE_MAX_BYTES || poll(&p, 1, (int)(left * 1e3) + 1) < 0)
            return NULL;
        if (!p.revents)
            continue;
        if (t->cap - t->n < 65536)
            t->buf = must(realloc(t->buf, t->cap = t->n + 131072));
        ssize_t got = read(t->out, t->buf + t->n, t->cap - t->n);
        if (got <= 0)
            return NULL;
        t->n += (size_t)got;
    }
}

static int read_ready(struct talker *t)
{
    for (char *text; (text = line(t, READY_MS)); free(text)) {
        json_t *doc = json_loads(text, 0, NULL);
        const char *event = json_string_value(json_object_get(doc, "event"));
        const char *peer = json_string_value(json_object_get(doc, "peer"));
        const char *addr = json_string_value(json_array_get(json_object_get(doc, "addrs"), 0));
        int ready = event && peer && strcmp(event, "ready") == 0;
        if (ready) {
            snprintf(t->peer, sizeof t->peer, "%s", peer);
            snprintf(t->addr, sizeof t->addr, "%s", addr ? addr : "");
            free(text);
        }
        json_decref(doc);
        if (ready)
            return 0;
    }
    snprintf(t->why, sizeof t->why, "it does not say that it is ready");
    return -1;
}

int talker_start(struct talker *t, const char *command, const char *netns, const char *listen,
                 const struct p2p_way *way)
{
    const char *words[WORDS + 16];
    char self[4096], *copy = NULL;
    unsigned n = 0;
    *t = (struct talker){.in = -1, .out = -1};
    if (netns)
        words[n++] = "ip", words[n++] = "netns", words[n++] = "exec", words[n++] = netns;
    if (command) {
        copy = must(strdup(command));
        for (char *p = copy; *p && n < WORDS;) {
            size_t blank = strspn(p, " "), word = strcspn(p + blank, " ");
            if (word)
                words[n++] = p + blank;
            p += blank + word;
            if (*p)
                *p++ = 0;
        }
    } else {
        ssize_t k = readlink("/proc/self/exe", self, sizeof self - 1);
        self[k > 0 ? k : 0] = 0;
        words[n++] = self;
        words[n++] = "interop-peer";
    }
    if (listen)
        words[n++] = "--listen", words[n++] = listen;
    for (const char *const *o = way->options; *o; o++)
        words[n++] = *o;
    words[n] = NULL;
    int rc = spawn(t, (char *const *)words);
    free(copy);
    if (rc != 0)
        snprintf(t->why, sizeof t->why, "cannot start: %s", strerror(errno));
    return rc == 0 ? read_ready(t) : -1;
}

int talker_send(struct talker *t, const char *op, json_t *in)
{
    json_object_set_new(in, "id", json_integer(++t->seq));
    json_object_set_new(in, "op", json_string(op));
    char *text = must(json_dumps(in, JSON_COMPACT));
    size_t n = strlen(text);
    text[n++] = '\n';
    json_decref(in);
    for (size_t at = 0; at < n;) {
        ssize_t k = write(t->in, text + at, n - at);
        if (k <= 0 && errno != EINTR)
            break;
        at += k > 0 ? (size_t)k : 0;
    }
    free(text);
    return 0;
}

json_t *talker_reply(struct talker *t)
{
    for (char *text; (text = line(t, PATIENCE_MS));) {
        json_t *doc = json_loads(text, 0, NULL);
        free(text);
        if (json_is_true(json_object_get(doc, "ok")))
            return doc;
        const char *why = json_string_value(json_object_get(doc, "error"));
        int reply = json_is_false(json_object_get(doc, "ok"));
        snprintf(t->why, sizeof t->why, "%s", why ? why : "it failed");
        json_decref(doc);
        if (reply)
            return NULL;
    }
    snprintf(t->why, sizeof t->why, interrupted() ? "interrupted" : "no reply");
    return NULL;
}

json_t *talker_ask(struct talker *t, const char *op, json_t *in)
{
    talker_send(t, op, in);
    return talker_reply(t);
}

double talker_cpu_s(const struct talker *t)
{
    char path[64];
    unsigned long user = 0, sys = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)t->pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    int got = fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
    fclose(f);
    return got == 2 ? (double)(user + sys) / (double)sysconf(_SC_CLK_TCK) : 0;
}

void talker_stop(struct talker *t)
{
    if (t->pid <= 0)
        return;
    close(t->in);
    close(t->out);
    for (int i = 0; i < 40; i++) {
        if (waitpid(t->pid, NULL, WNOHANG) != 0)
            break;
        if (i == 20)
            kill(t->pid, SIGTERM);
        if (i == 38)
            kill(t->pid, SIGKILL);
        poll(NULL, 0, 100);
    }
    free(t->buf);
    *t = (struct talker){.in = -1, .out = -1};
}
