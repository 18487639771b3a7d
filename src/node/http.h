/*
 * The HTTP API of a node: OpenAI's and ollama's routes, health, metrics, and our own. It is a
 * function of requests, events of generators and time; sockets are in src/io/http.h, and tests give
 * it exchanges without any. docs/http-api.md describes the routes, docs/internals/http.md how it is
 * made.
 */
#ifndef PXI_NODE_HTTP_H
#define PXI_NODE_HTTP_H

#include <jansson.h>

#include "base/mem.h"
#include "base/timer.h"
#include "crypto/random.h"
#include "io/http.h"
#include "node/generator.h"

struct pxi_api;

/* What the node around it knows. Members may be NULL: nothing is known then. */
struct pxi_api_source {
    /* Documents of /px/v1: "status", "peers", "topology", "plan". NULL: not known. */
    json_t *(*report)(void *ctx, const char *what);
    /* More lines of /metrics, by pxi_metric_add. */
    void (*metrics)(void *ctx, struct pxi_buf *out);
    /* Why the node is not ready to serve; NULL: it is. */
    const char *(*unready)(void *ctx);
    void *ctx;
};

struct pxi_api_options {
    struct pxi_timers *timers;
    struct pxi_random *random;
    uint64_t (*wall_s)(void);
    uint64_t (*clock_ns)(void); /* the clock of tokens; NULL: their delay is not measured */
    const char *token;          /* a bearer token that every request must bring; NULL: none */
    const char *const *hosts;   /* names that a Host header may give, besides addresses */
    unsigned host_count;
    struct pxi_api_source source;
};

/* Copies the token; all else is borrowed. NULL: no memory. */
struct pxi_api *pxi_api_new(const struct pxi_api_options *o);
/* Answers that this machine computes now, or will; those of peers are counted there. NULL: none. */
uint32_t pxi_api_running_here(const struct pxi_api *a);
/* Exchanges are dropped; generators are closed. */
void pxi_api_free(struct pxi_api *a);

/* Serve a model; the API owns the generator from now on. False: there are too many. */
bool pxi_api_add(struct pxi_api *a, struct pxi_generator *g);
/* Stop serving a model and close it; answers that run fail. */
void pxi_api_remove(struct pxi_api *a, struct pxi_generator *g);

/* The owner of exchanges (src/io/http.h); its context is the API. */
extern const struct pxi_http_owner pxi_api_owner;

/* Tell the watchers of /px/v1/events. `data` is stolen. */
void pxi_api_event(struct pxi_api *a, const char *type, json_t *data);

/* A line of /metrics: name{labels} value, with HELP and TYPE before it when help is given. Labels
 * are as they are to stand between the braces, or NULL. */
void pxi_metric_add(struct pxi_buf *out, const char *name, const char *type, const char *help,
                    const char *labels, double value);

#endif
