/*
 * A node: one peer of a swarm in this process. It is opened with options, run on the thread that
 * calls px_node_run, and spoken to in lines of JSON: the same commands on standard input, on the
 * control socket, and from px_control_ask.
 */
#ifndef PLEXUS_NODE_H
#define PLEXUS_NODE_H

#include "plexus/model.h"

PX_BEGIN_DECLS

/* All zero is the default: a new identity, no listening address, no services but the basic ones. */
typedef struct px_node_options {
    size_t size;          /* sizeof(px_node_options) */
    const char *key_file; /* libp2p PrivateKey, made with mode 0600 when missing; NULL: none */
    const char *key_seed; /* 64 hex digits: a fixed Ed25519 identity */
    const char *key_type; /* Ed25519 (NULL), secp256k1, RSA, ECDSA: of a new identity */
    const char *agent;    /* what identify tells; NULL: plexus and its version */
    const char *const *listen, *const *announce; /* multiaddrs */
    unsigned listen_count, announce_count;
    const char *const *bootstrap; /* multiaddrs with /p2p to connect to */
    unsigned bootstrap_count;
    const char *const *allow; /* peer ids; none: everybody */
    unsigned allow_count;
    const char *security;     /* "noise,tls": offered, in order; NULL: tls,noise */
    const char *psk_file;     /* key of a private swarm (/key/swarm/psk/1.0.0/); NULL: open */
    const char *dht;          /* off (NULL), server, client */
    const char *dht_protocol; /* NULL: /plexus/kad/1.0.0 */
    const char *relay;        /* off (NULL), server, client */
    const char *control;      /* path of the control socket; NULL: none */
    int lan;                  /* with no `listen`: loopback and private addresses, TCP and QUIC */
    int public_;              /* with no `listen`: every address */
    uint16_t port;            /* for both of them; 0 picks one */
    uint16_t port_wish;       /* taken instead when it is free; 0: none */
    int gossipsub, gossipsub_nosign, dcutr, autonat, mdns, portmap;
    const char *store;         /* folder of the store of models; NULL: none */
    uint64_t store_quota;      /* most bytes in it; 0: no limit */
    int store_sha256;          /* announce SHA-256 keys in the DHT beside those of BLAKE3 */
    int activated;             /* take sockets of systemd, tell it when ready */
    int heartbeat;             /* ping every peer each second and rank them */
    int serve;                 /* load slices of models for peers, and compute them */
    int interop;               /* serve the test protocols: echo, perf, request-response */
    uint32_t mdns_interval_ms; /* 0: 10,000 */
    uint32_t slow_ms;          /* a peer slower than this is ranked below others; 0: 500 */
    int32_t spin_us;           /* look for events so long before sleeping, when they come that fast;
                                * 0: 50; below 0, and on one processor: never */
    const char *http;          /* ADDRESS:PORT of the HTTP API, or a port of loopback; NULL: none */
    int http_any_port;         /* when that port is taken, serve at another and say so */
    int http_token;            /* ask for the token on loopback too */
    const char *http_token_file;   /* made with mode 0600 when missing and needed */
    const char *const *http_hosts; /* names that a Host header may give, besides addresses */
    unsigned http_host_count;
} px_node_options;

typedef struct px_node px_node;

/* Open and listen. On failure *diag names the option. The node reads no input yet. */
PX_API PX_NODISCARD px_err px_node_open(const px_node_options *o, px_node **out, px_diag *diag);

/* Close every connection and free. NULL is allowed. */
PX_API void px_node_close(px_node *n);

/* {"event":"ready","impl":"plexus","peer":...,"addrs":[...],"protocols":[...],"notes":[...],
 * "api":...} as text; notes say what is missing here and what serves instead. The text is
 * to be freed with px_node_text_free. NULL: no memory. */
PX_API char *px_node_ready(px_node *n);

/* Read commands, one JSON object a line, from descriptor `in` and write replies to `out`. The end
 * of input stops the node. */
PX_API PX_NODISCARD px_err px_node_speak(px_node *n, int in, int out);

/* Run one command from this thread, before or from within px_node_run: `reply` hears its reply, or
 * its replies (perf tells its progress), each one JSON object; the last one has "ok". */
PX_API PX_NODISCARD px_err px_node_do(px_node *n, const char *command,
                                      void (*reply)(void *ctx, const char *text), void *ctx);

/*
 * Answer for a model over the HTTP API, by this machine: a thread of its own evaluates up to
 * context->sequences answers (0: 4) at a time. context may be NULL; file_bytes is only shown. The
 * model must outlive the node. PX_ERR_INVALID: the node has no HTTP API; else as px_context_new.
 */
PX_API PX_NODISCARD px_err px_node_serve(px_node *n, const px_model *m, const char *name,
                                         const px_context_options *context, uint64_t file_bytes,
                                         px_diag *diag);

/* The same, but computed by the peers of the node, each a part of the model: `name` is "tiny", or
 * what a model of the node's store is called. Of m only the tokenizer and the chat template are
 * used. */
PX_API PX_NODISCARD px_err px_node_serve_swarm(px_node *n, const px_model *m, const char *name,
                                               px_diag *diag);

/* Where the HTTP API is, such as "http://127.0.0.1:7878"; NULL when there is none. Borrowed. */
PX_API const char *px_node_http(const px_node *n);

/* Serve until px_node_stop, `quit`, or the end of the input of px_node_speak. */
PX_API void px_node_run(px_node *n);

/* Make px_node_run return. Safe from other threads and from signal handlers. */
PX_API void px_node_stop(px_node *n);

/* Ask the node whose control socket this is: one JSON object in, one out (px_node_text_free).
 * PX_ERR_UNREACHABLE: no node runs there. */
PX_API PX_NODISCARD px_err px_control_ask(const char *path, const char *command,
                                          uint64_t timeout_ms, char **reply);

/* The same for commands that answer with more than one line (generate, perf): send it, then take
 * line by line (px_node_text_free) until the one that has "ok". Closing it ends the command. */
typedef struct px_control px_control;
PX_API PX_NODISCARD px_err px_control_open(const char *path, const char *command, px_control **out);
/* One more command on the same connection. */
PX_API PX_NODISCARD px_err px_control_say(px_control *c, const char *command);
/* PX_ERR_TIMEOUT, PX_ERR_INTERRUPTED (a signal came; call again), PX_ERR_RESET. */
PX_API PX_NODISCARD px_err px_control_next(px_control *c, uint64_t timeout_ms, char **line);
PX_API void px_control_close(px_control *c);

/* Free text that the functions above gave. NULL is allowed. */
PX_API void px_node_text_free(char *text);

PX_END_DECLS

#endif
