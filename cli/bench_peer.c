/* Running a program with the options of llama-bench and reading its JSON. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Start the peer with its standard output in a pipe; the read end, or -1. */
static int start(const char *peer, const char *model, const struct bench *b, unsigned threads,
                 pid_t *child)
{
    char p[24], n[24], t[24];
    int fd[2];
    snprintf(p, sizeof p, "%zu", b->prompt);
    snprintf(n, sizeof n, "%zu", b->gen);
    snprintf(t, sizeof t, "%u", threads);
    if (pipe(fd) != 0)
        return -1;
    *child = fork();
    if (*child == 0) {
        signal(SIGPIPE, SIG_DFL);
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(null, STDERR_FILENO);
        dup2(fd[1], STDOUT_FILENO);
        close(fd[0]);
        close(fd[1]);
        execlp(peer, peer, "-m", model, "-p", p, "-n", n, "-t", t, "-r", "1", "-o", "json",
               (char *)NULL);
        _exit(127);
    }
    close(fd[1]);
    if (*child < 0) {
        close(fd[0]);
        return -1;
    }
    return fd[0];
}

static json_t *read_json(int fd)
{
    json_error_t err;
    FILE *f = fdopen(fd, "r");
    if (!f) {
        close(fd);
        return NULL;
    }
    char *text = NULL;
    size_t n = 0, cap = 0;
    for (size_t got = 1; got;) {
        if (n + 65536 > cap)
            text = must(realloc(text, cap = n + 131072));
        got = fread(text + n, 1, 65536, f);
        n += got;
    }
    fclose(f);
    char *from = n ? memchr(text, '[', n) : NULL; /* some print a line first */
    json_t *doc =
        from ? json_loadb(from, n - (size_t)(from - text), JSON_DISABLE_EOF_CHECK, &err) : NULL;
    free(text);
    return doc;
}

static double field(const json_t *row, const char *name)
{
    return json_number_value(json_object_get(row, name));
}

int peer_round(const struct bench *b, const struct bench_model *m, const char *peer,
               double *prefill, double *decode, char *why, size_t cap)
{
    pid_t child = 0;
    int status = 0, fd = start(peer, m->path, b, m->threads, &child);
    *prefill = *decode = 0;
    if (fd < 0) {
        snprintf(why, cap, "cannot start: %s", strerror(errno));
        return -1;
    }
    json_t *doc = read_json(fd), *row;
    size_t i;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    json_array_foreach(doc, i, row)
    {
        double tps = field(row, "avg_ts");
        if (field(row, "n_gen") > 0 && !(field(row, "n_prompt") > 0))
            *decode = tps;
        else if (field(row, "n_prompt") > 0 && !(field(row, "n_gen") > 0))
            *prefill = tps;
    }
    json_decref(doc);
    if (*prefill > 0 && *decode > 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        snprintf(why, cap, "cannot be run");
    else
        snprintf(why, cap, "no figures in its output (exit status %d)", WEXITSTATUS(status));
    return -1;
}
