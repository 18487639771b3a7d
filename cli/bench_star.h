/*
 * Hosts of a benchmark that meet in the middle: network namespaces, each with one interface, on a
 * bridge in a namespace of its own. Host i is 10.78.0.(i + 1); behind the hosts of workers come
 * those of hubs, whose lines may be others. Needs CAP_NET_ADMIN, ip and tc.
 */
#ifndef CLI_BENCH_STAR_H
#define CLI_BENCH_STAR_H

#include <stddef.h>

#include "plexus/faults.h"

enum { STAR_HOSTS = 16, STAR_HUBS = 8, STAR_ALL = STAR_HOSTS + STAR_HUBS, STAR_ADDR = 16 };

struct star {
    char hub[32], ns[STAR_ALL][32]; /* ns "": there are none, the host is this machine */
    unsigned hosts, hubs;
};

/* Build it; mbit: what every line carries each way, 0: as much as it can; hub_mbit: those of hubs.
 * 0, or -1 when this process may not. */
int star_open(struct star *s, unsigned hosts, unsigned mbit, unsigned hubs, unsigned hub_mbit);
/* No namespaces: all hosts are this machine. */
void star_none(struct star *s, unsigned hosts, unsigned hubs);
void star_close(struct star *s);
/* Address of a host. */
void star_addr(const struct star *s, unsigned host, char out[STAR_ADDR]);
/* Move this process to a host. 0, or -1. */
int star_enter(const struct star *s, unsigned host);
/* From now on every host receives with these faults, one datagram at a time (no trains). 0, or -1
 * with one line at `why`. */
int star_faults(const struct star *s, const px_faults *f, char *why, size_t cap);
/* Bytes a second from `n` hosts together to another, as TCP finds them in a quarter of a second; 0:
 * it could not. */
double star_rate(const struct star *s, unsigned from, unsigned n, unsigned to);
/* Bytes that a host has sent, as its interface counts them; 0 without namespaces. */
double star_sent(const struct star *s, unsigned host);

#endif
