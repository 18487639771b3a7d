/* The pieces of plexus bench http: a load of requests, and clients that watch events. */
#ifndef CLI_BENCH_HTTP_H
#define CLI_BENCH_HTTP_H

#include <stdint.h>

/* Replies a second to `request` over `conns` kept connections to a port of loopback for `seconds`;
 * 0 when it does not answer. *p99_ms: the time within which 99 of 100 replies came. */
double load_http(uint16_t port, const char *request, unsigned conns, double seconds,
                 double *p99_ms);

/* A connection to a port of loopback; -1 on failure. `small`: it takes little unread. */
int http_connect(uint16_t port, int small);

/* Answer every read with one fixed reply, without reading what it says, until killed: a bare libuv
 * server, which no server of HTTP on it can beat. Writes its port to `out`. */
void floor_serve(int out);

#endif
