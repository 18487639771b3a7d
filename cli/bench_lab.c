#include "bench_lab.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUIET " >/dev/null 2>&1"
#define SHAPE "tbf rate 1000mbit burst 256k latency 20ms"

enum { LINES = LAB_HOSTS * (LAB_HOSTS - 1) / 2, NAME = 16 };

int lab_sh(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof line)
        return -1;
    return system(line);
}

/* Lines are numbered 0-1, 0-2, 1-2. */
static unsigned line_of(unsigned x, unsigned y)
{
    return x + y - 1;
}

static void name_of(unsigned to, char out[NAME])
{
    snprintf(out, NAME, "plx%u", to);
}

void lab_addr(const struct lab *l, unsigned at, unsigned to, char out[LAB_ADDR])
{
    if (!l->ns[at][0] || at == to)
        snprintf(out, LAB_ADDR, "127.0.0.1");
    else
        snprintf(out, LAB_ADDR, "10.77.%u.%u", line_of(at, to), at < to ? 1u : 2u);
}

/* One end of a line: its address, and up. */
static int settle(const struct lab *l, unsigned at, unsigned to)
{
    char addr[LAB_ADDR], name[NAME];
    lab_addr(l, at, to, addr);
    name_of(to, name);
    return lab_sh("ip -n %s addr add %s/24 dev %s" QUIET, l->ns[at], addr, name) == 0 &&
                   lab_sh("ip -n %s link set %s up" QUIET, l->ns[at], name) == 0
               ? 0
               : -1;
}

static int shape(const struct lab *l, unsigned at, unsigned to)
{
    return lab_sh("ip netns exec %s tc qdisc add dev plx%u root " SHAPE QUIET, l->ns[at], to);
}

static int join_shaped(const struct lab *l)
{
    for (unsigned x = 0; x < l->hosts; x++)
        for (unsigned y = x + 1; y < l->hosts; y++)
            if (lab_sh("ip -n %s link add plx%u type veth peer name plx%u netns %s" QUIET, l->ns[x],
                       y, x, l->ns[y]) != 0 ||
                settle(l, x, y) != 0 || settle(l, y, x) != 0 || shape(l, x, y) != 0 ||
                shape(l, y, x) != 0)
                return -1;
    return 0;
}

static int join_delayed(struct lab *l, unsigned delay_ms)
{
    struct delay_end ends[2 * LINES];
    char names[LAB_HOSTS][NAME];
    unsigned n = 0;
    for (unsigned x = 0; x < l->hosts; x++)
        name_of(x, names[x]);
    for (unsigned x = 0; x < l->hosts; x++)
        for (unsigned y = x + 1; y < l->hosts; y++) {
            ends[n++] = (struct delay_end){l->ns[x], names[y]};
            ends[n++] = (struct delay_end){l->ns[y], names[x]};
        }
    l->relay = delay_start(ends, n, delay_ms);
    for (unsigned x = 0; x < l->hosts; x++)
        for (unsigned y = 0; y < l->hosts; y++)
            if (l->relay < 0 || (x != y && settle(l, x, y) != 0))
                return -1;
    return 0;
}

void lab_none(struct lab *l, unsigned hosts)
{
    *l = (struct lab){.hosts = hosts};
}

int lab_open(struct lab *l, unsigned hosts, unsigned delay_ms)
{
    static unsigned labs;
    lab_none(l, hosts);
    if (geteuid() != 0)
        return -1;
    lab_sweep();
    lab_guard();
    labs++;
    for (unsigned x = 0; x < hosts; x++) {
        snprintf(l->ns[x], sizeof l->ns[x], "plexus-%c-%d-%u", (int)('a' + x), (int)getpid(), labs);
        if (lab_sh("ip netns add %s" QUIET, l->ns[x]) != 0 ||
            lab_sh("ip -n %s link set lo up" QUIET, l->ns[x]) != 0) {
            lab_close(l);
            return -1;
        }
    }
    if ((delay_ms ? join_delayed(l, delay_ms) : join_shaped(l)) == 0)
        return 0;
    lab_close(l);
    return -1;
}

void lab_close(struct lab *l)
{
    if (l->relay > 0) {
        kill(l->relay, SIGKILL);
        waitpid(l->relay, NULL, 0);
    }
    for (unsigned x = 0; x < l->hosts; x++)
        if (l->ns[x][0])
            lab_sh("ip netns del %s" QUIET, l->ns[x]);
    *l = (struct lab){0};
}

double lab_sent(const struct lab *l, unsigned x)
{
    char command[160], line[512];
    unsigned long long n;
    double sum = 0;
    snprintf(command, sizeof command, "ip netns exec %s tc -s qdisc show", l->ns[x]);
    FILE *f = popen(command, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, " Sent %llu", &n) == 1)
            sum += (double)n;
    if (f)
        pclose(f);
    return sum;
}

/* The column of sent bytes, of interfaces whose name begins so. */
static double interface_bytes(FILE *f, const char *prefix)
{
    char line[512], name[32];
    unsigned long long n;
    double sum = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, " %31[^:]: %*u %*u %*u %*u %*u %*u %*u %*u %llu", name, &n) == 2 &&
            strncmp(name, prefix, strlen(prefix)) == 0)
            sum += (double)n;
    return sum;
}

double lab_bytes(const struct lab *l)
{
    char command[96];
    double sum = 0;
    for (unsigned x = 0; x < l->hosts; x++) {
        FILE *f;
        if (!l->ns[x][0]) {
            if (x == 0 && (f = fopen("/proc/net/dev", "r"))) {
                sum = interface_bytes(f, "lo");
                fclose(f);
            }
            continue;
        }
        snprintf(command, sizeof command, "ip netns exec %s cat /proc/net/dev", l->ns[x]);
        if ((f = popen(command, "r"))) {
            sum += interface_bytes(f, "plx");
            pclose(f);
        }
    }
    return sum;
}
