/* libp2p TLS: the records of an open connection, alerts and key updates. */
#include "crypto/tls.h"

#include "base/limits.h"
#include "base/math.h"
#include "crypto/tls_state.h"

#include <openssl/crypto.h>

enum { NEW_SESSION_TICKET = 4, KEY_UPDATE = 24, CIPHERTEXT_MAX = PXI_TLS_PLAIN + 256 };

void pxi_tls_free(struct pxi_tls *t)
{
    if (!t)
        return;
    pxi_tls_handshake_end(t);
    pxi_tls_half_end(&t->in);
    pxi_tls_half_end(&t->out);
    pxi_buf_deinit(&t->partial);
    pxi_buf_deinit(&t->queue);
    pxi_buf_deinit(&t->peer);
    pxi_buf_deinit(&t->alpn);
    pxi_free(t);
}

void pxi_tls_feed(struct pxi_tls *t, uint8_t *bytes, size_t n)
{
    t->fed = bytes;
    t->fed_n = n;
}

bool pxi_tls_ready(const struct pxi_tls *t)
{
    return !t->shake && !t->err;
}

bool pxi_tls_closed(const struct pxi_tls *t)
{
    return t->in_closed;
}

px_view pxi_tls_alpn(const struct pxi_tls *t)
{
    return px_view_of(t->alpn.p, t->alpn.n);
}

px_view pxi_tls_peer(const struct pxi_tls *t)
{
    return t->shake ? px_view_of(NULL, 0) : px_view_of(t->peer.p, t->peer.n);
}

/* ---- sending ---- */

size_t pxi_tls_pending(const struct pxi_tls *t)
{
    return t->queue.n - t->drained;
}

size_t pxi_tls_drain(struct pxi_tls *t, uint8_t *out, size_t cap)
{
    size_t n = pxi_tls_pending(t);
    n = n < cap ? n : cap;
    if (n)
        memcpy(out, t->queue.p + t->drained, n);
    t->drained += n;
    if (t->queue.p && t->drained == t->queue.n) {
        pxi_buf_deinit(&t->queue);
        t->queue = (struct pxi_buf){.max = PXI_LIMIT_TLS_QUEUE};
        t->drained = 0;
        t->update_queued = false;
    }
    return n;
}

/* Queue a short record of our own: an alert (in clear before there are keys) or a key update. */
static int queue_record(struct pxi_tls *t, enum pxi_tls_content type, const uint8_t *p, size_t n)
{
    uint8_t record[PXI_TLS_HEAD + 16 + PXI_TLS_TAIL] = {(uint8_t)type, 3, 3, 0, (uint8_t)n};
    size_t sealed = PXI_TLS_HEAD + n;
    if (t->out.ctx)
        sealed = pxi_tls_half_seal(&t->out, type, p, n, NULL, record);
    else
        memcpy(record + PXI_TLS_HEAD, p, n);
    return sealed && pxi_buf_add(&t->queue, record, sealed);
}

static void queue_alert(struct pxi_tls *t, uint8_t level, uint8_t what)
{
    if (!t->out_closed)
        queue_record(t, PXI_TLS_ALERT, (uint8_t[]){level, what}, 2);
    t->out_closed = true;
}

px_err pxi_tls_fail(struct pxi_tls *t, px_err err, uint8_t alert)
{
    t->err = err;
    if (t->shake && !pxi_tls_handshake_flush(t))
        t->out_closed = true;
    queue_alert(t, 2, alert);
    return err;
}

/* Announce new keys and use them from the next record on. */
static px_err update_out(struct pxi_tls *t)
{
    const uint8_t message[] = {KEY_UPDATE, 0, 0, 1, 0};
    if (t->out_closed)
        return PX_ERR_OK;
    if (queue_record(t, PXI_TLS_HANDSHAKE, message, sizeof message) &&
        pxi_tls_half_update(&t->out)) {
        t->update_queued = true;
        return PX_ERR_OK;
    }
    t->out_closed = true;
    return t->err = PX_ERR_NOMEM;
}

size_t pxi_tls_seal_gaps(struct pxi_tls *t, const uint8_t *plain, size_t n,
                         const struct pxi_gaps *gaps, uint8_t *out)
{
    if (!pxi_tls_ready(t) || t->out_closed || pxi_tls_pending(t) || n == 0 || n > PXI_TLS_PLAIN)
        return 0;
    size_t sealed = pxi_tls_half_seal(&t->out, PXI_TLS_DATA, plain, n, gaps, out);
    if (!sealed) {
        t->out_closed = true;
        t->err = PX_ERR_FAILED;
    } else if (t->out.seq >= t->rekey_records) {
        update_out(t);
    }
    return sealed;
}

size_t pxi_tls_seal(struct pxi_tls *t, const uint8_t *plain, size_t n, uint8_t *out)
{
    return pxi_tls_seal_gaps(t, plain, n, NULL, out);
}

size_t pxi_tls_write(struct pxi_tls *t, px_view plain, uint8_t *out, size_t cap, size_t *taken)
{
    const size_t extra = PXI_TLS_HEAD + PXI_TLS_TAIL;
    size_t written = 0;
    *taken = 0;
    for (;;) {
        written += pxi_tls_drain(t, out + written, cap - written);
        size_t n = plain.n - *taken, room = cap - written;
        n = n < PXI_TLS_PLAIN ? n : PXI_TLS_PLAIN;
        if (room <= extra || n == 0)
            return written;
        n = n < room - extra ? n : room - extra;
        size_t sealed = pxi_tls_seal(t, plain.p + *taken, n, out + written);
        if (!sealed)
            return written;
        *taken += n;
        written += sealed;
    }
}

void pxi_tls_close(struct pxi_tls *t)
{
    if (pxi_tls_ready(t))
        queue_alert(t, 1, CLOSE_NOTIFY);
    t->out_closed = true;
}

/* ---- receiving ---- */

static px_err take_alert(struct pxi_tls *t, const uint8_t *p, size_t n)
{
    if (n != 2)
        return pxi_tls_fail(t, PX_ERR_PROTOCOL, DECODE_ERROR);
    if (p[1] == CLOSE_NOTIFY)
        t->in_closed = true;
    else if (p[1] != USER_CANCELED) {
        t->out_closed = true;
        return t->err = PX_ERR_RESET;
    }
    return PX_ERR_OK;
}

/* A whole KeyUpdate ends its record. Asked for, ours follows; one answers any number of them. */
static px_err take_key_update(struct pxi_tls *t, uint8_t ask, size_t left)
{
    if (ask > 1 || left)
        return pxi_tls_fail(t, PX_ERR_PROTOCOL, left ? UNEXPECTED_MESSAGE : DECODE_ERROR);
    if (!pxi_tls_half_update(&t->in))
        return pxi_tls_fail(t, PX_ERR_NOMEM, INTERNAL_ERROR);
    return ask && !t->update_queued ? update_out(t) : PX_ERR_OK;
}

/* Messages after the handshake, in pieces as they come: tickets are skipped, keys are changed. */
static px_err take_messages(struct pxi_tls *t, const uint8_t *p, size_t n)
{
    while (n) {
        if (t->skip) {
            size_t k = n < t->skip ? n : t->skip;
            t->skip -= (uint32_t)k;
            p += k;
            n -= k;
            continue;
        }
        t->head[t->head_n++] = *p++;
        n--;
        bool update = t->head[0] == KEY_UPDATE;
        if (!update && (t->head[0] != NEW_SESSION_TICKET || t->server))
            return pxi_tls_fail(t, PX_ERR_PROTOCOL, UNEXPECTED_MESSAGE);
        if (t->head_n < 4u + update)
            continue;
        t->head_n = 0;
        uint32_t length = (uint32_t)t->head[1] << 16 | (uint32_t)t->head[2] << 8 | t->head[3];
        if (!update) {
            t->skip = length;
            continue;
        }
        px_err err = length == 1 ? take_key_update(t, t->head[4], n)
                                 : pxi_tls_fail(t, PX_ERR_PROTOCOL, DECODE_ERROR);
        if (err)
            return err;
    }
    return PX_ERR_OK;
}

/* The next of the pieces that wait. */
static bool take_piece(struct pxi_tls *t, uint8_t **out, size_t *n)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!t->more[i].n)
            continue;
        *out = t->more[i].p;
        *n = t->more[i].n;
        t->more[i].n = 0;
        return true;
    }
    return false;
}

/* n bytes of plaintext, of which some landed: the first piece of them, the others wait. */
static void give(struct pxi_tls *t, uint8_t *plain, size_t n, const struct pxi_landing *land,
                 uint8_t **out, size_t *got)
{
    size_t lead = land->n ? pxi_min(land->lead, n) : n, landed = pxi_min(land->n, n - lead);
    t->idle_records = 0;
    t->more[0] = (struct pxi_tls_piece){land->p, landed};
    t->more[1] = (struct pxi_tls_piece){plain + lead + landed, n - lead - landed};
    *out = plain;
    *got = lead;
    if (!lead)
        take_piece(t, out, got);
}

/* One whole record, in place but for data that lands. Records that bring nothing are counted, so
 * that none spin us. */
static px_err take_record(struct pxi_tls *t, uint8_t *record, size_t n, uint8_t **out, size_t *got)
{
    uint8_t type, *plain = record + PXI_TLS_HEAD;
    struct pxi_landing land = t->land;
    size_t plain_n;
    if (!pxi_tls_half_open(&t->in, record, n, &land, &type, &plain_n))
        return pxi_tls_fail(t, PX_ERR_PROTOCOL, BAD_RECORD);
    if (plain_n > PXI_TLS_PLAIN)
        return pxi_tls_fail(t, PX_ERR_PROTOCOL, RECORD_OVERFLOW);
    if (type == PXI_TLS_DATA && plain_n && !t->head_n && !t->skip) {
        give(t, plain, plain_n, &land, out, got);
        return PX_ERR_OK;
    }
    if (land.n)
        memcpy(plain + land.lead, land.p, land.n);
    if (++t->idle_records > PXI_LIMIT_TLS_IDLE_RECORDS)
        return pxi_tls_fail(t, PX_ERR_PROTOCOL, UNEXPECTED_MESSAGE);
    if (type == PXI_TLS_DATA && !t->head_n && !t->skip)
        return PX_ERR_OK;
    if (type == PXI_TLS_ALERT && !t->head_n && !t->skip)
        return take_alert(t, plain, plain_n);
    if (type == PXI_TLS_HANDSHAKE && plain_n)
        return take_messages(t, plain, plain_n);
    return pxi_tls_fail(t, PX_ERR_PROTOCOL, UNEXPECTED_MESSAGE);
}

/* The length of the record that starts with this header; 0 and an error when it cannot be one. */
static size_t record_length(struct pxi_tls *t, const uint8_t head[PXI_TLS_HEAD])
{
    size_t n = (size_t)head[3] << 8 | head[4];
    bool sealed = head[0] == PXI_TLS_DATA;
    bool clear = t->shake && head[0] >= PXI_TLS_CHANGE && head[0] <= PXI_TLS_HANDSHAKE;
    if ((!sealed && !clear) || head[1] != 3)
        pxi_tls_fail(t, PX_ERR_PROTOCOL, UNEXPECTED_MESSAGE);
    else if (n > (sealed ? (size_t)CIPHERTEXT_MAX : (size_t)PXI_TLS_PLAIN))
        pxi_tls_fail(t, PX_ERR_PROTOCOL, RECORD_OVERFLOW);
    else if (sealed ? n < PXI_TLS_TAIL : n == 0)
        pxi_tls_fail(t, PX_ERR_PROTOCOL, sealed ? BAD_RECORD : UNEXPECTED_MESSAGE);
    else
        return PXI_TLS_HEAD + n;
    return 0;
}

/* Move fed bytes to the incomplete record until it has `want`. 0 when memory is out. */
static int gather(struct pxi_tls *t, size_t want)
{
    size_t n = t->partial.n < want ? want - t->partial.n : 0;
    n = n < t->fed_n ? n : t->fed_n;
    if (n && !pxi_buf_add(&t->partial, t->fed, n))
        return 0;
    t->fed += n;
    t->fed_n -= n;
    return 1;
}

/* The next whole record: in the fed bytes, or put together in `partial`. NULL: there is none. */
static uint8_t *next_record(struct pxi_tls *t, size_t *n)
{
    if (t->partial.n == 0 && t->fed_n >= PXI_TLS_HEAD) {
        *n = record_length(t, t->fed);
        if (*n == 0)
            return NULL;
        if (*n <= t->fed_n) {
            uint8_t *record = t->fed;
            t->fed += *n;
            t->fed_n -= *n;
            return record;
        }
    }
    int ok = gather(t, PXI_TLS_HEAD);
    if (ok && t->partial.n >= PXI_TLS_HEAD) {
        *n = record_length(t, t->partial.p);
        ok = *n == 0 || gather(t, *n);
        if (ok && *n && t->partial.n == *n) {
            t->partial_used = true;
            return t->partial.p;
        }
    }
    if (!ok)
        pxi_tls_fail(t, PX_ERR_NOMEM, INTERNAL_ERROR);
    return NULL;
}

/* The record in `partial` was read: forget it, and its memory when there is nothing to follow. */
static void drop_partial(struct pxi_tls *t)
{
    if (!t->partial_used)
        return;
    t->partial_used = false;
    t->partial.n = 0;
    if (t->fed_n == 0) {
        pxi_buf_deinit(&t->partial);
        t->partial = (struct pxi_buf){.max = PXI_TLS_HEAD + CIPHERTEXT_MAX};
    }
}

void pxi_tls_land(struct pxi_tls *t, const struct pxi_landing *land)
{
    t->land = land ? *land : (struct pxi_landing){0};
}

px_err pxi_tls_read(struct pxi_tls *t, uint8_t **out, size_t *n)
{
    *out = NULL;
    *n = 0;
    if (take_piece(t, out, n))
        return PX_ERR_OK;
    drop_partial(t);
    while (!t->err && !t->in_closed && *n == 0) {
        size_t length;
        uint8_t *record = next_record(t, &length);
        if (!record)
            break;
        if (t->shake)
            pxi_tls_handshake_record(t, record, length);
        else
            take_record(t, record, length, out, n);
        if (*n == 0)
            drop_partial(t);
    }
    if (t->in_closed)
        t->fed_n = 0; /* what follows the end is not looked at */
    return *n ? PX_ERR_OK : t->err;
}
