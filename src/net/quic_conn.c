#include "net/quic_impl.h"

enum {
    LINGER_MAX_MS = 3000,
    INITIAL_WINDOW = 10,
    DATAGRAM_MAX = 65507 /* bytes that one call can send */
};

/* ------------------------------------------------------------------ events */

static void on_rand(uint8_t *dest, size_t n, const ngtcp2_rand_ctx *ctx)
{
    pxi_random_fill(ctx->native_handle, dest, n);
}

static int on_challenge(ngtcp2_conn *ng, uint8_t *data, void *user)
{
    struct pxi_quic_conn *c = user;
    pxi_random_fill(c->q->random, data, NGTCP2_PATH_CHALLENGE_DATALEN);
    return 0;
}

static int on_new_cid(ngtcp2_conn *ng, ngtcp2_cid *cid, uint8_t *token, size_t n, void *user)
{
    struct pxi_quic_conn *c = user;
    uint8_t b[NGTCP2_MAX_CIDLEN];
    n = n < sizeof b ? n : sizeof b;
    pxi_random_fill(c->q->random, b, n);
    ngtcp2_cid_init(cid, b, n);
    if (ngtcp2_crypto_generate_stateless_reset_token(token, c->q->secret, sizeof c->q->secret,
                                                     cid) != 0 ||
        !pxi_quic_cid_add(c, b, n))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_remove_cid(ngtcp2_conn *ng, const ngtcp2_cid *cid, void *user)
{
    pxi_quic_cid_drop(user, cid->data, cid->datalen);
    return 0;
}

/* The peer's connection ids come with tokens; a stateless reset is known by its token alone, so
 * they are in the table too. */
static int on_dcid_status(ngtcp2_conn *ng, int type, uint64_t seq, const ngtcp2_cid *cid,
                          const uint8_t *token, void *user)
{
    struct pxi_quic_conn *c = user;
    if (!token)
        return 0;
    if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_DEACTIVATE)
        pxi_quic_cid_drop(c, token, NGTCP2_STATELESS_RESET_TOKENLEN);
    else if (!pxi_quic_cid_add(c, token, NGTCP2_STATELESS_RESET_TOKENLEN))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

/* TLS begins with the first handshake bytes, so that junk costs none; once TLS is done,
 * session tickets are all that may come, and nobody wants them. */
static int on_crypto(ngtcp2_conn *ng, ngtcp2_crypto_level level, uint64_t offset,
                     const uint8_t *data, size_t n, void *user)
{
    struct pxi_quic_conn *c = user;
    if (c->complete)
        return 0;
    if (!c->tls && pxi_quic_tls_start(c, true) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return pxi_quic_tls_read(c, level, data, n);
}

static int on_complete(ngtcp2_conn *ng, void *user)
{
    struct pxi_quic_conn *c = user;
    if (!c->proven)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    c->complete = true;
    c->accepted = !c->conn.outbound;
    pxi_quic_due(c);
    return 0;
}

static int on_confirmed(ngtcp2_conn *ng, void *user)
{
    struct pxi_quic_conn *c = user;
    c->accepted = true;
    return 0;
}

static int on_stream_open(ngtcp2_conn *ng, int64_t id, void *user)
{
    struct pxi_quic_conn *c = user;
    pxi_quic_conn_announce(c); /* it came before HANDSHAKE_DONE, and proves as much */
    struct pxi_quic_stream *s = pxi_quic_stream_new(c, id, false);
    if (!s)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    ngtcp2_conn_set_stream_user_data(ng, id, s);
    pxi_conn_on_stream(&c->conn, &s->s);
    return 0;
}

static int on_stream_data(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t offset,
                          const uint8_t *data, size_t n, void *user, void *stream)
{
    if (!stream)
        return 0;
    if (pxi_quic_stream_recv(stream, flags & NGTCP2_STREAM_DATA_FLAG_FIN, data, n) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_stream_acked(ngtcp2_conn *ng, int64_t id, uint64_t offset, uint64_t n, void *user,
                           void *stream)
{
    if (stream)
        pxi_quic_stream_acked(stream, (size_t)n);
    return 0;
}

static int on_stream_reset(ngtcp2_conn *ng, int64_t id, uint64_t size, uint64_t code, void *user,
                           void *stream)
{
    if (stream)
        pxi_quic_stream_broken(stream);
    return 0;
}

static int on_stream_close(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t code, void *user,
                           void *stream)
{
    if (stream)
        pxi_quic_stream_gone(stream, flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET);
    return 0;
}

static int on_stream_window(ngtcp2_conn *ng, int64_t id, uint64_t max, void *user, void *stream)
{
    struct pxi_quic_conn *c = user;
    struct pxi_quic_stream *s = stream;
    if (s && pxi_quic_stream_has_more(s)) {
        pxi_list_remove(&s->send);
        pxi_list_add(&c->sendq, &s->send);
    }
    return 0;
}

static const ngtcp2_callbacks callbacks = {
    .client_initial = pxi_quic_tls_client_initial,
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
    .recv_crypto_data = on_crypto,
    .handshake_completed = on_complete,
    .handshake_confirmed = on_confirmed,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_stream_data = on_stream_data,
    .acked_stream_data_offset = on_stream_acked,
    .stream_open = on_stream_open,
    .stream_close = on_stream_close,
    .stream_reset = on_stream_reset,
    .extend_max_stream_data = on_stream_window,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .rand = on_rand,
    .get_new_connection_id = on_new_cid,
    .remove_connection_id = on_remove_cid,
    .dcid_status = on_dcid_status,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .get_path_challenge_data = on_challenge,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
};

/* -------------------------------------------------------------- connection */

static void op_close(struct pxi_conn *pc, px_err why)
{
    struct pxi_quic_conn *c = PXI_OF(pc, struct pxi_quic_conn, conn);
    if (!c->ng || c->close_want)
        return;
    c->close_want = true;
    c->why = why;
    pxi_quic_due(c);
}

static uint64_t op_rtt(struct pxi_conn *pc)
{
    struct pxi_quic_conn *c = PXI_OF(pc, struct pxi_quic_conn, conn);
    ngtcp2_conn_stat st;
    if (!c->ng)
        return 0;
    ngtcp2_conn_get_conn_stat(pxi_quic_ng(c), &st);
    return st.first_rtt_sample_ts == UINT64_MAX ? 0 : st.smoothed_rtt;
}

static const struct pxi_conn_ops conn_ops = {pxi_quic_stream_open, op_close, op_rtt};

/* Deadlines mostly move away, acknowledgement by acknowledgement: the timer is set anew only for an
 * earlier one, and a late one is seen when it fires. */
static void rearm(struct pxi_quic_conn *c)
{
    uint64_t at = ngtcp2_conn_get_expiry(pxi_quic_ng(c));
    if (!c->timer.armed || c->timer.at_ns > at)
        pxi_timer_arm(c->q->timers, &c->timer, at);
}

void pxi_quic_conn_rearm(struct pxi_quic_conn *c)
{
    pxi_timer_arm(c->q->timers, &c->timer, ngtcp2_conn_get_expiry(pxi_quic_ng(c)));
}

/* Whether the peer, though it may be heard, has acknowledged nothing for as long as a silent one is
 * borne: what it asked for would wait for it as long as it likes. */
static bool unanswered(struct pxi_quic_conn *c)
{
    ngtcp2_conn_stat st;
    uint64_t now = c->q->timers->now_ns;
    ngtcp2_conn_get_conn_stat(pxi_quic_ng(c), &st);
    if (!st.pto_count)
        c->unanswered_ns = 0;
    else if (!c->unanswered_ns)
        c->unanswered_ns = now;
    return st.pto_count && now - c->unanswered_ns > PXI_LIMIT_QUIC_IDLE_MS * PXI_MS;
}

static void on_timer(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_quic_conn *c = PXI_OF(t, struct pxi_quic_conn, timer);
    if (!c->ng) {
        pxi_quic_conn_free(c);
        return;
    }
    if (ngtcp2_conn_get_expiry(pxi_quic_ng(c)) > now_ns) {
        rearm(c); /* the deadline moved on since the timer was set */
        return;
    }
    int rv = ngtcp2_conn_handle_expiry(pxi_quic_ng(c), now_ns);
    if (rv == 0 && unanswered(c)) {
        pxi_quic_conn_end(c, PX_ERR_TIMEOUT, true);
    } else if (rv == 0) {
        /* The peer may have stopped reading those that wait for its window: ask again. */
        while (!pxi_list_empty(&c->blocked)) {
            struct pxi_list *l = c->blocked.next;
            pxi_list_remove(l);
            pxi_list_add(&c->sendq, l);
        }
        pxi_quic_conn_ready(c);
    } else {
        bool silent = rv == NGTCP2_ERR_IDLE_CLOSE || rv == NGTCP2_ERR_DROP_CONN;
        pxi_quic_conn_end(c, PX_ERR_TIMEOUT, !silent);
    }
}

static void settings_of(const struct pxi_quic_conn *c, ngtcp2_settings *s,
                        ngtcp2_transport_params *p)
{
    const struct pxi_quic *q = c->q;
    ngtcp2_settings_default(s);
    s->initial_ts = q->timers->now_ns;
    s->max_tx_udp_payload_size = c->payload;
    s->no_tx_udp_payload_size_shaping = c->payload > PXI_QUIC_PAYLOAD;
    s->handshake_timeout = PXI_LIMIT_NET_UPGRADE_MS * PXI_MS;
    s->max_window = PXI_LIMIT_QUIC_WINDOW_MAX;
    s->max_stream_window = PXI_LIMIT_QUIC_STREAM_WINDOW_MAX;
    s->rand_ctx.native_handle = q->random;
    ngtcp2_transport_params_default(p);
    p->initial_max_stream_data_bidi_local = PXI_LIMIT_QUIC_STREAM_WINDOW;
    p->initial_max_stream_data_bidi_remote = PXI_LIMIT_QUIC_STREAM_WINDOW;
    p->initial_max_data = PXI_LIMIT_QUIC_WINDOW;
    p->initial_max_streams_bidi = PXI_LIMIT_QUIC_STREAMS;
    p->max_idle_timeout = PXI_LIMIT_QUIC_IDLE_MS * PXI_MS;
    p->active_connection_id_limit = 4;
}

static bool on_loopback(const struct pxi_udp_addr *a)
{
    struct pxi_endpoint e = {.family = a->family};
    memcpy(e.ip, a->ip, sizeof e.ip);
    return pxi_ip_kind_of(&e) == PXI_IP_LOOPBACK;
}

static struct pxi_quic_conn *conn_new(struct pxi_quic *q, const struct pxi_udp_addr *remote,
                                      bool outbound)
{
    struct pxi_quic_conn *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->q = q;
    c->remote = *remote;
    c->payload = on_loopback(remote) ? PXI_QUIC_PAYLOAD_NEAR : PXI_QUIC_PAYLOAD;
    c->timer.fire = on_timer;
    pxi_conn_init(&c->conn, &conn_ops, outbound);
    c->conn.remote = pxi_udp_addr_maddr(remote);
    pxi_list_init(&c->ready);
    pxi_list_init(&c->due);
    pxi_list_init(&c->all);
    pxi_list_init(&c->sendq);
    pxi_list_init(&c->blocked);
    pxi_list_init(&c->events);
    pxi_quic_conn_mem_init(c);
    pxi_list_add(&q->conns, &c->link);
    q->stats.conns++;
    q->stats.unproven++;
    return c;
}

static ngtcp2_path path_of(struct pxi_quic *q, const struct pxi_udp_addr *remote,
                           struct sockaddr_storage *sa)
{
    socklen_t local_n =
        q->local.family == 6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    socklen_t n = pxi_quic_sockaddr(remote, sa);
    ngtcp2_path p = {{(struct sockaddr *)&q->local_sa, local_n}, {(struct sockaddr *)sa, n}, NULL};
    return p;
}

/* Forget a connection that never came to be. */
static struct pxi_quic_conn *discard(struct pxi_quic_conn *c)
{
    c->cancelled = true;
    pxi_quic_conn_end(c, PX_ERR_NOMEM, false);
    pxi_quic_conn_free(c);
    return NULL;
}

static void random_cid(struct pxi_quic *q, ngtcp2_cid *cid, size_t n)
{
    uint8_t b[NGTCP2_MAX_CIDLEN];
    pxi_random_fill(q->random, b, n);
    ngtcp2_cid_init(cid, b, n);
}

struct pxi_quic_conn *pxi_quic_conn_accept(struct pxi_quic *q, const struct pxi_udp_in *in,
                                           const ngtcp2_pkt_hd *hd, const ngtcp2_cid *odcid)
{
    struct pxi_quic_conn *c = conn_new(q, &in->remote, false);
    struct sockaddr_storage sa;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid scid;
    if (!c)
        return NULL;
    random_cid(q, &scid, PXI_QUIC_CID);
    settings_of(c, &settings, &params);
    params.original_dcid = odcid ? *odcid : hd->dcid;
    if (odcid) {
        params.retry_scid = hd->dcid;
        params.retry_scid_present = 1;
        settings.token = hd->token;
    }
    params.stateless_reset_token_present = 1;
    ngtcp2_path path = path_of(q, &in->remote, &sa);
    if (ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token, q->secret,
                                                     sizeof q->secret, &scid) != 0 ||
        ngtcp2_conn_server_new(&c->ng, &hd->scid, &scid, &path, hd->version, &callbacks, &settings,
                               &params, &c->mem, c) != 0) {
        c->ng = NULL;
        return discard(c);
    }
    if (!pxi_quic_cid_add(c, scid.data, scid.datalen) ||
        !pxi_quic_cid_add(c, hd->dcid.data, hd->dcid.datalen))
        return discard(c);
    return c;
}

px_err pxi_quic_dial(struct pxi_quic *q, const struct pxi_udp_addr *remote,
                     const struct pxi_peer *peer, void *user, struct pxi_quic_conn **out)
{
    *out = NULL;
    if (q->shut || q->stats.conns >= q->conns_max)
        return PX_ERR_LIMIT;
    if (remote->family != q->local.family || !remote->port)
        return PX_ERR_INVALID;
    struct pxi_quic_conn *c = conn_new(q, remote, true);
    struct sockaddr_storage sa;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid scid, dcid;
    if (!c)
        return PX_ERR_NOMEM;
    c->wanted = *peer;
    c->user = user;
    random_cid(q, &scid, PXI_QUIC_CID);
    random_cid(q, &dcid, NGTCP2_MAX_CIDLEN - 2);
    settings_of(c, &settings, &params);
    ngtcp2_path path = path_of(q, remote, &sa);
    if (ngtcp2_conn_client_new(&c->ng, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &callbacks,
                               &settings, &params, &c->mem, c) != 0)
        c->ng = NULL;
    if (!c->ng || pxi_quic_tls_start(c, false) != 0 ||
        !pxi_quic_cid_add(c, scid.data, scid.datalen)) {
        discard(c);
        return PX_ERR_NOMEM;
    }
    *out = c;
    pxi_quic_conn_ready(c);
    return PX_ERR_OK;
}

void pxi_quic_dial_cancel(struct pxi_quic_conn *c)
{
    c->cancelled = true;
    op_close(&c->conn, PX_ERR_INTERRUPTED);
}

/* The peer is known and has accepted us: the owner gets the connection. */
void pxi_quic_conn_announce(struct pxi_quic_conn *c)
{
    struct pxi_quic *q = c->q;
    if (c->announced || c->cancelled || c->close_want || !c->complete)
        return;
    c->announced = true;
    c->state = PXI_QUIC_UP;
    q->stats.handshakes++;
    c->conn.local = pxi_udp_addr_maddr(c->local.family ? &c->local : &q->local);
    pxi_quic_conn_wake(c); /* from now on it may rest */
    ngtcp2_conn_set_keep_alive_timeout(pxi_quic_ng(c), PXI_LIMIT_QUIC_KEEP_ALIVE_MS * PXI_MS);
    if (c->conn.outbound) {
        q->on->dialled(q->ctx, c->user, &c->conn, PX_ERR_OK);
        return;
    }
    px_err err = q->on->accepted(q->ctx, &c->conn);
    if (err)
        op_close(&c->conn, err);
}

static void unproven_no_more(struct pxi_quic_conn *c)
{
    if (!c->validated)
        c->q->stats.unproven--;
    c->validated = true;
}

void pxi_quic_conn_settle(struct pxi_quic_conn *c)
{
    struct pxi_list now;
    if (!c->ng)
        return;
    if (c->close_want) {
        pxi_quic_conn_end(c, c->why, true);
        return;
    }
    if (c->complete)
        pxi_quic_tls_end(c);
    if (c->accepted) {
        unproven_no_more(c);
        pxi_quic_conn_announce(c);
    }
    pxi_list_init(&now);
    while (!pxi_list_empty(&c->events)) {
        struct pxi_list *l = c->events.next;
        pxi_list_remove(l);
        pxi_list_add(&now, l);
    }
    while (!pxi_list_empty(&now)) {
        struct pxi_quic_stream *s = PXI_OF(now.next, struct pxi_quic_stream, event);
        pxi_list_remove(&s->event);
        pxi_quic_stream_settle(s);
    }
}

void pxi_quic_conn_ready(struct pxi_quic_conn *c)
{
    if (!c->ng)
        return;
    if (pxi_list_empty(&c->ready))
        pxi_list_add(&c->q->ready, &c->ready);
    pxi_quic_wake(c->q);
}

/* ----------------------------------------------------------------- reading */

/* Why the peer closed. */
static px_err reason(struct pxi_quic_conn *c)
{
    ngtcp2_connection_close_error e;
    ngtcp2_conn_get_connection_close_error(pxi_quic_ng(c), &e);
    if (c->why)
        return c->why;
    if (e.type != NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_TRANSPORT)
        return PX_ERR_RESET;
    if (e.error_code == NGTCP2_CONNECTION_REFUSED || e.error_code == NGTCP2_INVALID_TOKEN)
        return PX_ERR_REFUSED;
    return e.error_code >= NGTCP2_CRYPTO_ERROR && !c->announced ? PX_ERR_REFUSED : PX_ERR_RESET;
}

static void read_failed(struct pxi_quic_conn *c, int rv)
{
    struct pxi_quic *q = c->q;
    bool unheard =
        !c->tls && !c->complete; /* a client that never said anything that we could read */
    switch (rv) {
    case NGTCP2_ERR_DRAINING: pxi_quic_conn_end(c, reason(c), false); return;
    case NGTCP2_ERR_DROP_CONN:
        pxi_quic_conn_end(c, PX_ERR_RESET, false);
        pxi_quic_conn_free(c);
        return;
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
        pxi_quic_conn_end(c, PX_ERR_UNSUPPORTED, false);
        return;
    case NGTCP2_ERR_CRYPTO:
        pxi_quic_fault(q, c->why == PX_ERR_IDENTITY ? PXI_FAULT_IDENTITY : PXI_FAULT_TLS);
        break;
    default:
        if (rv != NGTCP2_ERR_NOMEM)
            pxi_quic_fault(q, PXI_FAULT_QUIC);
    }
    c->liberr = rv;
    pxi_quic_conn_end(c,
                      c->why                   ? c->why
                      : rv == NGTCP2_ERR_NOMEM ? PX_ERR_NOMEM
                                               : PX_ERR_PROTOCOL,
                      !unheard);
    if (unheard)
        pxi_quic_conn_free(c);
}

/* A packet after the end: answer with the last word, more and more seldom. */
static void read_late(struct pxi_quic_conn *c, const struct pxi_udp_in *in)
{
    c->late++;
    if (c->close_packet && (c->late & (c->late - 1)) == 0)
        pxi_quic_reply(c->q, &in->local, &in->remote, c->close_packet, c->close_n);
}

void pxi_quic_conn_read(struct pxi_quic_conn *c, const struct pxi_udp_in *in, uint8_t *p, size_t n)
{
    struct sockaddr_storage sa;
    if (!c->ng) {
        read_late(c, in);
        return;
    }
    ngtcp2_path path = path_of(c->q, &in->remote, &sa);
    ngtcp2_pkt_info pi = {.ecn = in->ecn};
    c->used_ns = c->q->timers->now_ns;
    if (in->local.family)
        c->local = in->local;
    int rv = ngtcp2_conn_read_pkt(pxi_quic_ng(c), &path, &pi, p, n, c->q->timers->now_ns);
    if (rv == 0 && c->q->starved)
        rv = NGTCP2_ERR_NOMEM;
    c->q->starved = false;
    if (rv != 0) {
        read_failed(c, rv);
        return;
    }
    if (c->unanswered_ns && unanswered(c)) {
        pxi_quic_conn_end(c, PX_ERR_TIMEOUT, true);
        return;
    }
    if (c->accepted && !c->announced)
        pxi_quic_due(c);
    pxi_quic_conn_ready(c);
}

/* ----------------------------------------------------------------- writing */

/*
 * Beside data ngtcp2 puts an acknowledgement only when that is due, so that the answer to a message
 * would leave without one, and a packet for it alone follow. While data is written it is due at
 * once; otherwise it waits, because one for each packet slows a bulk transfer. The delay is that of
 * our transport parameters, which the peer has been told long before there are streams.
 */
static void ack_delay(struct pxi_quic_conn *c, bool data)
{
    ngtcp2_transport_params *p =
        (void *)(uintptr_t)ngtcp2_conn_get_local_transport_params(pxi_quic_ng(c));
    p->max_ack_delay = data ? 0 : NGTCP2_DEFAULT_MAX_ACK_DELAY;
}

/* One packet: frames of as many streams as fit, in turn. 0: nothing to send, or not now. */
static ngtcp2_ssize write_packet(struct pxi_quic_conn *c, ngtcp2_path *path, ngtcp2_pkt_info *pi,
                                 uint8_t *dest, size_t cap)
{
    bool stuck = false; /* no stream may send more now */
    for (;;) {
        struct pxi_quic_stream *s = NULL;
        px_view v = {0};
        uint32_t flags = 0;
        ngtcp2_ssize taken = -1;
        if (!stuck && !pxi_list_empty(&c->sendq)) {
            s = PXI_OF(c->sendq.next, struct pxi_quic_stream, send);
            v = pxi_queue_peek_unread(&s->out);
            bool fin = s->fin_want && v.n == pxi_queue_unread(&s->out);
            flags = NGTCP2_WRITE_STREAM_FLAG_MORE | (fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0);
        }
        ngtcp2_vec vec = {(uint8_t *)v.p, v.n};
        ack_delay(c, s != NULL);
        ngtcp2_ssize w =
            ngtcp2_conn_writev_stream(pxi_quic_ng(c), path, pi, dest, cap, &taken, flags,
                                      s ? s->id : -1, &vec, v.n ? 1 : 0, c->q->timers->now_ns);
        ack_delay(c, false);
        if (s && w == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
            stuck = ngtcp2_conn_get_max_data_left(pxi_quic_ng(c)) == 0;
            if (!stuck) {
                pxi_list_remove(&s->send);
                pxi_list_add(&c->blocked, &s->send);
            }
            continue;
        }
        if (s && (w == NGTCP2_ERR_STREAM_SHUT_WR || w == NGTCP2_ERR_STREAM_NOT_FOUND)) {
            pxi_quic_stream_deaf(s);
            continue;
        }
        if (s && taken >= 0) {
            bool fin = (flags & NGTCP2_WRITE_STREAM_FLAG_FIN) && (size_t)taken == v.n;
            pxi_quic_stream_sent(s, (size_t)taken, fin);
            stuck = taken == 0 && !fin;
            pxi_list_remove(&s->send);
            if (pxi_quic_stream_has_more(s))
                pxi_list_add(&c->sendq, &s->send);
        }
        if (w != NGTCP2_ERR_WRITE_MORE)
            return w;
    }
}

/*
 * Spread what is sent over the round trip (RFC 9002 section 7.7). Bursts of an initial window are
 * free, so a request after a pause goes at once, and nothing is paced before the first measured
 * round trip: with the assumed one of 333 ms, ngtcp2 would hold the second flight of a handshake
 * back for 20 ms and more.
 */
static void pace(struct pxi_quic_conn *c, size_t n)
{
    uint64_t now = c->q->timers->now_ns;
    ngtcp2_conn_stat st;
    c->unpaced += n;
    ngtcp2_conn_get_conn_stat(pxi_quic_ng(c), &st);
    if (st.first_rtt_sample_ts == UINT64_MAX || !st.smoothed_rtt)
        return;
    double rate =
        st.pacing_rate > 0 ? st.pacing_rate : (double)st.cwnd / (double)st.smoothed_rtt * 1.25;
    uint64_t burst = (uint64_t)((double)(INITIAL_WINDOW * c->payload) / rate);
    uint64_t from = now > burst ? now - burst : 0;
    if (c->paced_ns < from)
        c->paced_ns = from;
    c->paced_ns += (uint64_t)((double)n / rate);
    if (c->paced_ns <= now)
        return;
    /* ngtcp2 adds the time of all that was sent since the last call; modular arithmetic is meant.
     */
    ngtcp2_conn_update_pkt_tx_time(pxi_quic_ng(c),
                                   c->paced_ns - (uint64_t)((double)c->unpaced / rate));
    c->unpaced = 0;
}

static void spill(struct pxi_quic *q, const struct pxi_udp_out *out, const uint8_t *p, size_t n)
{
    memcpy(q->spill_bytes, p, n);
    q->spill = *out;
    q->spill.n = n;
}

/* What a datagram may hold: the little that every peer takes until it has said what it takes. */
static size_t room_of(const struct pxi_quic_conn *c)
{
    return c->complete ? c->payload : NGTCP2_MAX_UDP_PAYLOAD_SIZE;
}

bool pxi_quic_conn_write(struct pxi_quic_conn *c, struct pxi_udp_out *out)
{
    ngtcp2_path_storage ps;
    ngtcp2_ssize w = 0;
    bool more = false;
    size_t count = 0;
    ngtcp2_path_storage_zero(&ps);
    out->n = 0;
    while (!more) {
        ngtcp2_pkt_info pi;
        uint8_t *at = out->bytes + out->n;
        w = write_packet(c, &ps.path, &pi, at, room_of(c));
        if (w <= 0)
            break;
        struct pxi_udp_addr to = pxi_quic_udp_addr(ps.path.remote.addr);
        struct pxi_udp_out now = {.local = c->local, .remote = to, .ecn = pi.ecn};
        if (!count) {
            out->segment = (size_t)w;
            out->local = now.local;
            out->remote = to;
            out->ecn = pi.ecn;
        } else if ((size_t)w > out->segment || pi.ecn != out->ecn ||
                   memcmp(&to, &out->remote, sizeof to) != 0) {
            spill(c->q, &now, at, (size_t)w);
            more = true;
            break;
        }
        out->n += (size_t)w;
        more = (size_t)w < out->segment || ++count == PXI_UDP_SEGMENTS ||
               out->n + c->payload > DATAGRAM_MAX;
    }
    if (w >= 0 && c->q->starved)
        w = NGTCP2_ERR_NOMEM;
    c->q->starved = false;
    if (w < 0) {
        c->liberr = (int)w;
        pxi_quic_fault(c->q, PXI_FAULT_QUIC);
        pxi_quic_conn_end(c, w == NGTCP2_ERR_NOMEM ? PX_ERR_NOMEM : PX_ERR_PROTOCOL, true);
        return out->n > 0;
    }
    if (out->n) {
        c->used_ns = c->q->timers->now_ns;
        pace(c, out->n);
    }
    if (more)
        pxi_quic_conn_ready(c);
    else
        rearm(c);
    return out->n > 0;
}

/* ------------------------------------------------------------------ ending */

/* The last packet: what was wrong, or that nothing was. */
static void say_close(struct pxi_quic_conn *c)
{
    uint8_t buf[PXI_QUIC_PAYLOAD];
    ngtcp2_connection_close_error e;
    ngtcp2_path_storage ps;
    ngtcp2_pkt_info pi;
    ngtcp2_connection_close_error_default(&e);
    if (c->liberr == NGTCP2_ERR_CRYPTO)
        ngtcp2_connection_close_error_set_transport_error_tls_alert(
            &e, ngtcp2_conn_get_tls_alert(pxi_quic_ng(c)), NULL, 0);
    else if (c->liberr)
        ngtcp2_connection_close_error_set_transport_error_liberr(&e, c->liberr, NULL, 0);
    else
        ngtcp2_connection_close_error_set_application_error(&e, 0, NULL, 0);
    ngtcp2_path_storage_zero(&ps);
    ngtcp2_ssize n = ngtcp2_conn_write_connection_close(pxi_quic_ng(c), &ps.path, &pi, buf,
                                                        sizeof buf, &e, c->q->timers->now_ns);
    if (n <= 0)
        return;
    pxi_quic_reply(c->q, &c->local, &c->remote, buf, (size_t)n);
    c->close_packet = pxi_realloc(NULL, (size_t)n, 1);
    if (c->close_packet) {
        memcpy(c->close_packet, buf, (size_t)n);
        c->close_n = (size_t)n;
    }
}

static void end_streams(struct pxi_quic_conn *c, px_err why)
{
    for (struct pxi_list *l = c->all.next; l != &c->all; l = l->next)
        PXI_OF(l, struct pxi_quic_stream, own)->gone = true;
    while (!pxi_list_empty(&c->all)) {
        struct pxi_quic_stream *s = PXI_OF(c->all.next, struct pxi_quic_stream, own);
        if (!s->dead)
            pxi_stream_on_closed(&s->s, why ? why : PX_ERR_RESET);
        pxi_quic_stream_free(s);
    }
}

void pxi_quic_conn_end(struct pxi_quic_conn *c, px_err why, bool say)
{
    struct pxi_quic *q = c->q;
    uint64_t linger = 0;
    bool was_announced = c->announced;
    c->state = PXI_QUIC_LINGER;
    c->announced = true;
    unproven_no_more(c);
    if (c->ng) {
        linger = 3 * ngtcp2_conn_get_pto(pxi_quic_ng(c));
        if (say)
            say_close(c);
        ngtcp2_conn *ng = pxi_quic_ng(c);
        c->ng = NULL;
        end_streams(c, why);
        ngtcp2_conn_del(ng);
    }
    pxi_quic_conn_mem_deinit(c);
    pxi_quic_tls_end(c);
    pxi_list_remove(&c->ready);
    if (was_announced)
        pxi_conn_on_closed(&c->conn, why);
    else if (c->conn.outbound && !c->cancelled)
        q->on->dialled(q->ctx, c->user, NULL, why ? why : PX_ERR_RESET);
    pxi_list_remove(&c->due);
    q->stats.conns--;
    q->stats.lingering++;
    if (linger > LINGER_MAX_MS * PXI_MS)
        linger = LINGER_MAX_MS * PXI_MS;
    if (q->stats.lingering > PXI_LIMIT_QUIC_LINGER)
        linger = 0;
    pxi_timer_after(q->timers, &c->timer, linger);
}

void pxi_quic_conn_free(struct pxi_quic_conn *c)
{
    pxi_timer_disarm(c->q->timers, &c->timer);
    c->q->stats.lingering--;
    pxi_quic_cids_clear(c);
    pxi_list_remove(&c->link);
    pxi_list_remove(&c->ready);
    pxi_list_remove(&c->due);
    pxi_free(c->close_packet);
    pxi_free(c->pubkey);
    pxi_free(c);
}
