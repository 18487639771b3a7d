#include "bench_star.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_lab.h"

#define QUIET " >/dev/null 2>&1"

void star_none(struct star *s, unsigned hosts)
{
    *s = (struct star){.hosts = hosts};
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

int star_open(struct star *s, unsigned hosts, unsigned mbit)
{
    star_none(s, hosts);
    if (geteuid() != 0 || hosts > STAR_HOSTS)
        return -1;
    snprintf(s->hub, sizeof s->hub, "plexus-hub-%d", (int)getpid());
    int bad = lab_sh("ip netns add %s" QUIET, s->hub) ||
              lab_sh("ip -n %s link add hub type bridge" QUIET, s->hub) ||
              lab_sh("ip -n %s link set hub up" QUIET, s->hub);
    for (unsigned i = 0; i < hosts && !bad; i++) {
        snprintf(s->ns[i], sizeof s->ns[i], "plexus-host-%d-%u", (int)getpid(), i);
        bad = add_host(s, i, mbit) != 0;
    }
    if (!bad)
        return 0;
    star_close(s);
    return -1;
}

void star_close(struct star *s)
{
    for (unsigned i = 0; i < s->hosts; i++)
        if (s->ns[i][0])
            lab_sh("ip netns del %s" QUIET, s->ns[i]);
    if (s->hub[0])
        lab_sh("ip netns del %s" QUIET, s->hub);
    star_none(s, s->hosts);
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
    for (unsigned i = 0; i < s->hosts && rc == 0; i++) {
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
