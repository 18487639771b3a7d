/*
 * Lines that delay, in user space, because not every kernel has netem: a TUN interface at each end
 * and one process that lets every packet wait for its time. It limits no rate; packets wait in a
 * bounded list and are dropped, as a router would, when it is full.
 */
#include "bench_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { ENDS = LAB_HOSTS * (LAB_HOSTS - 1), PACKETS = 8192, PACKET = 1600 };

struct packet {
    uint64_t due_ns;
    uint16_t n;
    uint8_t bytes[PACKET];
};

/* What came in at one end and waits to leave at the other. */
struct way {
    int in, out;
    unsigned first, count;
    struct packet *packets;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_end(const struct delay_end *e)
{
    char path[96];
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(path, sizeof path, "/var/run/netns/%s", e->ns);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", e->name);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    int ok = ns >= 0 && setns(ns, CLONE_NEWNET) == 0;
    if (ns >= 0)
        close(ns);
    int fd = ok ? open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &r) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void take(struct way *w, uint64_t delay_ns)
{
    uint8_t over[PACKET];
    for (;;) {
        struct packet *p = &w->packets[(w->first + w->count) % PACKETS];
        int full = w->count == PACKETS;
        ssize_t n = read(w->in, full ? over : p->bytes, PACKET);
        if (n <= 0)
            return;
        if (full)
            continue;
        p->n = (uint16_t)n;
        p->due_ns = now_ns() + delay_ns;
        w->count++;
    }
}

/* Send what is due; when the next one is. */
static uint64_t give(struct way *w, uint64_t now)
{
    while (w->count && w->packets[w->first].due_ns <= now) {
        struct packet *p = &w->packets[w->first];
        if (write(w->out, p->bytes, p->n) < 0 && errno == EAGAIN)
            return now + 100000;
        w->first = (w->first + 1) % PACKETS;
        w->count--;
    }
    return w->count ? w->packets[w->first].due_ns : UINT64_MAX;
}

static void carry(struct way *ways, unsigned count, uint64_t delay_ns)
{
    struct pollfd fds[ENDS];
    for (unsigned i = 0; i < count; i++)
        fds[i] = (struct pollfd){ways[i].in, POLLIN, 0};
    for (;;) {
        uint64_t now = now_ns(), next = UINT64_MAX;
        for (unsigned i = 0; i < count; i++) {
            uint64_t due = give(&ways[i], now);
            next = due < next ? due : next;
        }
        now = now_ns();
        uint64_t left = next == UINT64_MAX ? 1000000000u : next > now ? next - now : 0;
        struct timespec t = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        if (ppoll(fds, count, &t, NULL) < 0 && errno != EINTR)
            return;
        for (unsigned i = 0; i < count; i++)
            if (fds[i].revents)
                take(&ways[i], delay_ns);
    }
}

static void relay(const struct delay_end *ends, unsigned count, unsigned delay_ms, int ready)
{
    struct way ways[ENDS] = {0};
    int fds[ENDS], ok = 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1);
    for (unsigned i = 0; i < count; i++)
        ok = ok && (fds[i] = open_end(&ends[i])) >= 0;
    for (unsigned i = 0; i < count && ok; i++) {
        ways[i] = (struct way){.in = fds[i], .out = fds[i ^ 1]};
        ok = (ways[i].packets = calloc(PACKETS, sizeof *ways[i].packets)) != NULL;
    }
    if (ok && write(ready, "y", 1) == 1)
        carry(ways, count, (uint64_t)delay_ms * 1000000);
    _exit(1);
}

pid_t delay_start(const struct delay_end *ends, unsigned count, unsigned delay_ms)
{
    int ready[2];
    char c = 0;
    if (count > ENDS || pipe2(ready, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        relay(ends, count, delay_ms, ready[1]);
    close(ready[1]);
    ssize_t n = pid > 0 ? read(ready[0], &c, 1) : 0;
    close(ready[0]);
    if (n == 1 || pid < 0)
        return pid;
    kill(pid, SIGKILL);
    return -1;
}
