/* The pieces of plexus bench p2p: child processes that speak lines, measurements, the lab. */
#ifndef CLI_BENCH_P2P_H
#define CLI_BENCH_P2P_H

#include <sys/types.h>

#include "bench.h"

/* A peer in a process of its own that takes commands and gives replies, a line of JSON each. */
struct talker {
    pid_t pid;
    int in, out;
    char *buf; /* bytes of the lines that have not been read */
    size_t n, cap;
    unsigned seq;
    char peer[160], addr[400]; /* from its first line */
    char why[200];             /* of the last failure */
};

/* A way to connect: where to listen (the host goes in), and options for both sides. */
struct p2p_way {
    const char *key, *name, *listen;
    const char *options[5];
};
enum { P2P_WAYS = 3 };
extern const struct p2p_way p2p_ways[P2P_WAYS];

enum p2p_figure {
    P2P_UP,
    P2P_DOWN,
    P2P_UP_CPU,
    P2P_DOWN_CPU,
    P2P_REQUEST,
    P2P_FRESH,
    P2P_STREAMS,
    P2P_SHAKES,
    P2P_FIRST,
    P2P_FIGURES
};

/* Two processes and what they showed. A command of NULL is this program. */
struct p2p_pair {
    const char *dialer, *listener;
    struct talker d, l;
    struct series s[P2P_FIGURES];
};

struct p2p {
    struct cli *c;
    const char **peers;
    unsigned peer_count, rounds;
    uint64_t bytes, idle;
    json_t *rows;
    struct progress progress;
    uint64_t done;
};

/* Start `command` (words between blanks; NULL: this program) with these options, and read its first
 * line. netns: the network namespace to run in, or NULL. 0, or -1 with t->why. */
int talker_start(struct talker *t, const char *command, const char *netns, const char *listen,
                 const struct p2p_way *way);
/* One command and its reply, which the caller frees; `in` is taken. NULL: it failed, t->why. */
json_t *talker_ask(struct talker *t, const char *op, json_t *in);
/* The halves of talker_ask: send, and wait for the next reply, whichever it is. */
int talker_send(struct talker *t, const char *op, json_t *in);
json_t *talker_reply(struct talker *t);
double talker_cpu_s(const struct talker *t); /* processor time that it has used */
void talker_stop(struct talker *t);

/* bench_p2p_run.c: all rows of one way; 0 or an exit code after the error was printed. */
int p2p_run(struct p2p *b, const struct p2p_way *way);
int p2p_idle(struct p2p *b, const struct p2p_way *way);
/* bench_p2p_lab.c: the rows of a shaped line between two network namespaces. */
int p2p_lab(struct p2p *b);

int p2p_failed(const char *who, const char *what, const struct talker *t);

#endif
