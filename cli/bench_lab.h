/*
 * The lab of the network benchmarks: hosts that are network namespaces, every pair of them joined
 * by a line of its own (not every kernel has a bridge), which is shaped to 1 Gbit/s or delays.
 * Hosts x < y meet at 10.77.<line>.1 and .2. Needs CAP_NET_ADMIN, ip and tc.
 */
#ifndef CLI_BENCH_LAB_H
#define CLI_BENCH_LAB_H

#include <sys/types.h>

enum { LAB_HOSTS = 3, LAB_ADDR = 16, LAB_MBIT = 1000 };

struct lab {
    char ns[LAB_HOSTS][32]; /* "": there is no lab, the host is this machine */
    unsigned hosts;
    pid_t relay; /* carries the packets of lines that delay */
};

/* Run a shell command made of this; its status, or -1 when it is too long. */
int lab_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Build it: delay_ms 0 shapes the lines to LAB_MBIT both ways, otherwise each packet takes so long.
 * 0, or -1 when this process may not. */
int lab_open(struct lab *l, unsigned hosts, unsigned delay_ms);
/* bench_sweep.c: remove the namespaces of benchmarks whose process is gone; how many. */
unsigned lab_sweep(void);
/* From now on SIGTERM, SIGINT and SIGHUP remove those of this process before they end it. */
void lab_guard(void);
/* No namespaces: all hosts are this machine, and lines are its loopback. */
void lab_none(struct lab *l, unsigned hosts);
void lab_close(struct lab *l);
/* Address of host `at` on its line to host `to`. */
void lab_addr(const struct lab *l, unsigned at, unsigned to, char out[LAB_ADDR]);
/* Bytes that host x has sent, as its shaped lines count them: with the headers of every packet,
 * also of those that left as one large piece. */
double lab_sent(const struct lab *l, unsigned x);
/* Bytes that all hosts have sent, as their interfaces count them. Without a lab: what went over
 * loopback, from everybody. */
double lab_bytes(const struct lab *l);

/* bench_delay.c: one end of a line. */
struct delay_end {
    const char *ns, *name; /* of the namespace and of the interface */
};
/* Start the process that carries packets between ends[2i] and ends[2i+1]; each takes delay_ms.
 * The interfaces are there when it returns. Its id, or -1. */
pid_t delay_start(const struct delay_end *ends, unsigned count, unsigned delay_ms);

#endif
