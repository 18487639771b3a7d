#include "bench_star.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_lab.h"

#define QUIET " >/dev/null 2>&1"

void star_none(struct star *s, unsigned hosts, unsigned hubs)
{
    *s = (struct star){.hosts = hosts, .hubs = hubs};
}

static int add_host(const struct star *s, unsigned i, unsigned mbit)
{
    char shape[96] = "true";
    if (lab_sh("ip netns add %s" QUIET, s->ns[i]) ||
        lab_sh("ip -n %s link add host%u type veth peer name eth0 netns %s" QUIET, s->hub, i,
               s->ns[i]) ||
        lab_sh("ip -n %s link set lo up" QUIET, s->ns[i]) ||
        lab_sh("ip -n %s addr add 10.78.0.%u/24 dev eth0" QUIET, s->ns[i], i + 1) ||
        lab_sh("ip -n %s link set eth0 up" QUIET, s->ns[i]) ||
        lab_sh("ip -n %s link set host%u master hub up" QUIET, s->hub, i))
        return -1;
    if (!mbit)
        return 0;
    snprintf(shape, sizeof shape, "tbf rate %umbit burst 256k latency 50ms", mbit);
    return lab_sh("ip netns exec %s tc qdisc add dev eth0 root %s" QUIET, s->ns[i], shape) ||
                   lab_sh("ip netns exec %s tc qdisc add dev host%u root %s" QUIET, s->hub, i,
                          shape)
               ? -1
               : 0;
}

int star_open(struct star *s, unsigned hosts, unsigned mbit, unsigned hubs, unsigned hub_mbit)
{
    star_none(s, hosts, hubs);
    if (geteuid() != 0 || hosts > STAR_HOSTS || hubs > STAR_HUBS)
        return -1;
    lab_sweep();
    lab_guard();
    snprintf(s->hub, sizeof s->hub, "plexus-hub-%d", (int)getpid());
    int bad = lab_sh("ip netns add %s" QUIET, s->hub) ||
              lab_sh("ip -n %s link add hub type bridge" QUIET, s->hub) ||
              lab_sh("ip -n %s link set hub up" QUIET, s->hub);
    for (unsigned i = 0; i < hosts + hubs && !bad; i++) {
        snprintf(s->ns[i], sizeof s->ns[i], "plexus-host-%d-%u", (int)getpid(), i);
        bad = add_host(s, i, i < hosts ? mbit : hub_mbit) != 0;
    }
    if (!bad)
        return 0;
    star_close(s);
    return -1;
}

void star_close(struct star *s)
{
    for (unsigned i = 0; i < s->hosts + s->hubs; i++)
        if (s->ns[i][0])
            lab_sh("ip netns del %s" QUIET, s->ns[i]);
    if (s->hub[0])
        lab_sh("ip netns del %s" QUIET, s->hub);
    star_none(s, s->hosts, s->hubs);
}

void star_addr(const struct star *s, unsigned host, char out[STAR_ADDR])
{
    if (s->ns[host][0])
        snprintf(out, STAR_ADDR, "10.78.0.%u", host + 1);
    else
        snprintf(out, STAR_ADDR, "127.0.0.1");
}

int star_enter(const struct star *s, unsigned host)
{
    char path[64];
    if (!s->ns[host][0])
        return 0;
    snprintf(path, sizeof path, "/run/netns/%s", s->ns[host]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* In a child, which may go to another namespace: what is attached stays when it ends. */
static int fault_host(const struct star *s, unsigned i, const px_faults *f, int out)
{
    px_diag d = {0};
    px_faults own = *f;
    pid_t pid = fork();
    int status = -1;
    if (pid == 0) {
        own.seed += i;
        if (star_enter(s, i) != 0)
            _exit(1);
        px_err err = px_faults_attach("eth0", &own, &d);
        if (err)
            dprintf(out, "%s: %s, found %s", d.field, d.expected, d.found);
        _exit(err != PX_ERR_OK);
    }
    return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 ? -1 : 0;
}

int star_faults(const struct star *s, const px_faults *f, char *why, size_t cap)
{
    int pipes[2], rc = 0;
    snprintf(why, cap, "there are no namespaces");
    if (!s->hub[0] || pipe(pipes) != 0)
        return -1;
    for (unsigned i = 0; i < s->hosts + s->hubs && rc == 0; i++) {
        rc = lab_sh("ip -n %s link set eth0 gso_max_segs 1" QUIET, s->ns[i]);
        if (rc == 0)
            rc = fault_host(s, i, f, pipes[1]);
    }
    close(pipes[1]);
    ssize_t n = rc ? read(pipes[0], why, cap - 1) : 0;
    close(pipes[0]);
    if (n > 0)
        why[n] = 0;
    return rc ? -1 : 0;
}

/* ------------------------------------------------------------------- rates */

enum { PORT = 4868, PIECE = 65536 };
#define BURST_S   0.1
#define MEASURE_S 0.35

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in at_port(const char *ip)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

/* Zeros to a host, until it has enough. */
static void blast(const struct star *s, unsigned from, unsigned to)
{
    static const char zeros[PIECE];
    char ip[STAR_ADDR];
    star_addr(s, to, ip);
    struct sockaddr_in a = at_port(ip);
    int fd = star_enter(s, from) == 0 ? socket(AF_INET, SOCK_STREAM, 0) : -1;
    signal(SIGPIPE, SIG_DFL);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        return;
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
}

/* What comes of all a second, once the first burst of their lines is over. */
static double drain(struct pollfd *p, unsigned n)
{
    static char buf[PIECE];
    double begun = seconds(), from = begun, now = begun, bytes = 0;
    while (now - begun < MEASURE_S && poll(p, n, 100) > 0) {
        double got = 0;
        for (unsigned i = 0; i < n; i++) {
            ssize_t k = p[i].revents ? read(p[i].fd, buf, sizeof buf) : 0;
            got += k > 0 ? (double)k : 0;
            p[i].events = p[i].revents && k <= 0 ? 0 : POLLIN;
        }
        now = seconds();
        if (now - begun < BURST_S)
            from = now;
        else
            bytes += got;
    }
    return now > from ? bytes / (now - from) : 0;
}

static int listen_at(const struct star *s, unsigned host)
{
    char ip[STAR_ADDR];
    star_addr(s, host, ip);
    struct sockaddr_in a = at_port(ip);
    int on = 1, fd = star_enter(s, host) == 0 ? socket(AF_INET, SOCK_STREAM, 0) : -1;
    return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                   bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, STAR_ALL) == 0
               ? fd
               : -1;
}

static double measure(const struct star *s, unsigned from, unsigned n, unsigned to)
{
    struct pollfd in[STAR_ALL] = {{0}};
    pid_t pids[STAR_ALL];
    int fd = listen_at(s, to), all = fd >= 0;
    for (unsigned i = 0; i < n; i++) {
        pids[i] = all ? fork() : -1;
        if (pids[i] == 0) {
            close(fd);
            blast(s, from + i, to);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < n && all; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        in[i].fd = poll(&p, 1, 5000) == 1 ? accept(fd, NULL, NULL) : -1;
        in[i].events = POLLIN;
        all = in[i].fd >= 0;
    }
    double rate = all ? drain(in, n) : 0;
    for (unsigned i = 0; i < n; i++)
        if (pids[i] > 0)
            kill(pids[i], SIGKILL);
    return rate;
}

double star_rate(const struct star *s, unsigned from, unsigned n, unsigned to)
{
    double rate = 0;
    int ends[2];
    if (pipe(ends) != 0)
        return 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        rate = measure(s, from, n, to);
        _exit(write(ends[1], &rate, sizeof rate) != sizeof rate);
    }
    close(ends[1]);
    if (read(ends[0], &rate, sizeof rate) != sizeof rate)
        rate = 0;
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return rate;
}

double star_sent(const struct star *s, unsigned host)
{
    char line[160];
    unsigned long long bytes = 0;
    if (!s->ns[host][0])
        return 0;
    snprintf(line, sizeof line,
             "ip netns exec %s cat /sys/class/net/eth0/statistics/tx_bytes 2>/dev/null",
             s->ns[host]);
    FILE *f = popen(line, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%llu", &bytes) != 1)
        bytes = 0;
    pclose(f);
    return (double)bytes;
}
