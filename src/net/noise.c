#include "net/noise.h"

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "codec/messages.h"

enum {
    FRAME = 65535,                /* longest Noise message */
    PLAIN = FRAME - PXI_AEAD_TAG, /* longest plaintext of one */
    OVER = 2 + PXI_AEAD_TAG,      /* of a frame beyond its plaintext */
    WORTH = 16384,                /* a second frame in one pull has room for this much */
    ARENA = 4096,                 /* lists of a payload */
    PART_LEAST = 256,
};

/* What only the handshake needs. */
struct handshake {
    struct pxi_noise_xx xx;
    struct pxi_secure_options o;
    const struct pxi_noise_id *id;
    const char *const *muxers;
    struct pxi_buf out; /* frames to send */
    size_t sent;
};

struct noise {
    struct pxi_secure s; /* first */
    struct handshake *hs;
    struct pxi_aead *seal, *open;
    uint64_t send, receive; /* counters */
    uint8_t *part;          /* of a frame that came in pieces */
    size_t part_n, part_cap;
    bool part_used;
};

static struct noise *of(struct pxi_secure *s)
{
    return (struct noise *)(void *)s;
}

/* ------------------------------------------------ identity */

#define PREFIX "noise-libp2p-static-key:"
enum { SIGNED = sizeof PREFIX - 1 + PXI_X25519 };

static void signed_bytes(uint8_t out[SIGNED], const uint8_t pub[PXI_X25519])
{
    memcpy(out, PREFIX, sizeof PREFIX - 1);
    memcpy(out + sizeof PREFIX - 1, pub, PXI_X25519);
}

px_err pxi_noise_id_make(struct pxi_noise_id *id, const struct pxi_key *key,
                         struct pxi_random *random)
{
    uint8_t message[SIGNED];
    if (id->signature_n)
        return PX_ERR_OK;
    pxi_x25519_keypair(random, id->pair.secret, id->pair.pub);
    signed_bytes(message, id->pair.pub);
    id->signature_n = pxi_key_sign(key, px_view_of(message, sizeof message), id->signature);
    return id->signature_n ? PX_ERR_OK : PX_ERR_FAILED;
}

/* ------------------------------------------------ handshake: writing */

/* Seal the next handshake message with this payload into a frame of hs->out. */
static px_err say(struct handshake *hs, px_view payload)
{
    uint8_t *frame = pxi_realloc(NULL, payload.n + PXI_NOISE_XX_2 + 2, 1);
    if (!frame)
        return PX_ERR_NOMEM;
    size_t n = pxi_noise_xx_write(&hs->xx, payload, frame + 2);
    frame[0] = (uint8_t)(n >> 8);
    frame[1] = (uint8_t)n;
    px_err err = !n                                    ? PX_ERR_PROTOCOL
                 : pxi_buf_add(&hs->out, frame, n + 2) ? PX_ERR_OK
                                                       : PX_ERR_NOMEM;
    pxi_free(frame);
    return err;
}

/* The message that carries our identity, and at most one muxer. */
static px_err say_identity(struct handshake *hs, const char *muxer)
{
    px_view name = muxer ? px_view_str(muxer) : px_view_of(NULL, 0);
    struct pxi_msg_noise_extensions ext = {.stream_muxers = {&name, muxer ? 1 : 0}};
    struct pxi_msg_noise_payload payload = {
        .identity_key = pxi_key_public(hs->o.key),
        .identity_sig = px_view_of(hs->id->signature, hs->id->signature_n),
        .extensions = muxer ? &ext : NULL,
    };
    struct pxi_buf b = {.max = PXI_LIMIT_NOISE_HANDSHAKE_BYTES - PXI_NOISE_XX_2};
    px_err err = pxi_pb_encode(&pxi_pb_noise_payload, &payload, &b);
    if (err == PX_ERR_OK)
        err = say(hs, px_view_of(b.p, b.n));
    pxi_buf_deinit(&b);
    return err;
}

/* ------------------------------------------------ handshake: reading */

/* Whether the remote's static key is signed by its identity, and the identity is the wanted one.
 * Keeps a copy of the public key. */
static px_err identify(struct noise *x, const struct pxi_msg_noise_payload *payload)
{
    uint8_t message[SIGNED];
    struct handshake *hs = x->hs;
    px_view key = payload->identity_key;
    signed_bytes(message, hs->xx.rs);
    x->s.fault = PXI_FAULT_IDENTITY;
    if (!key.n || key.n > PXI_PUBKEY_MAX ||
        !pxi_proofs_verify(hs->o.proofs, key, px_view_of(message, sizeof message),
                           payload->identity_sig))
        return PX_ERR_IDENTITY;
    x->s.peer = pxi_peer_of_key(key);
    if (hs->o.expect.n && !pxi_peer_equal(&hs->o.expect, &x->s.peer))
        return PX_ERR_IDENTITY;
    uint8_t *copy = pxi_realloc(NULL, key.n, 1);
    if (!copy)
        return PX_ERR_NOMEM;
    memcpy(copy, key.p, key.n);
    x->s.pubkey = px_view_of(copy, key.n);
    x->s.fault = PXI_FAULT_NOISE;
    return PX_ERR_OK;
}

static bool lists(const struct pxi_pb_list *list, const char *name)
{
    const px_view *names = list->p;
    for (size_t i = 0; i < list->n; i++)
        if (px_view_is(names[i], name))
            return true;
    return false;
}

/*
 * The first muxer of the initiator's list that the responder has too; nothing when either list is
 * empty, because then multistream-select follows.
 */
static px_err choose_muxer(struct noise *x, const struct pxi_msg_noise_payload *payload)
{
    static const struct pxi_pb_list none;
    const char *const *ours = x->hs->muxers;
    const struct pxi_pb_list *theirs =
        payload->extensions ? &payload->extensions->stream_muxers : &none;
    if (!ours || !*ours || !theirs->n)
        return PX_ERR_OK;
    for (; *ours; ours++)
        if (lists(theirs, *ours)) {
            x->s.muxer = *ours;
            return PX_ERR_OK;
        }
    x->s.fault = PXI_FAULT_NO_PROTOCOL;
    return PX_ERR_NO_PROTOCOL;
}

static px_err hear_identity(struct noise *x, px_view bytes)
{
    struct pxi_msg_noise_payload payload;
    struct pxi_arena arena;
    px_diag diag;
    pxi_arena_init(&arena, ARENA);
    px_err err = pxi_pb_decode(&pxi_pb_noise_payload, bytes, &arena, &payload, &diag);
    if (err == PX_ERR_OK)
        err = identify(x, &payload);
    else if (err != PX_ERR_NOMEM)
        err = PX_ERR_PROTOCOL;
    if (err == PX_ERR_OK)
        err = choose_muxer(x, &payload);
    pxi_arena_deinit(&arena);
    return err;
}

static px_err finish(struct noise *x)
{
    px_err err = pxi_noise_xx_split(&x->hs->xx, &x->seal, &x->open);
    if (err != PX_ERR_OK)
        return err;
    pxi_noise_xx_deinit(&x->hs->xx);
    x->s.ready = true;
    x->s.on->ready(x->s.above);
    return PX_ERR_OK;
}

/* A handshake message arrived; steps count messages of both sides. */
static px_err hear(struct noise *x, uint8_t *msg, size_t n)
{
    struct handshake *hs = x->hs;
    bool outbound = hs->o.outbound;
    px_view payload;
    if (n > PXI_LIMIT_NOISE_HANDSHAKE_BYTES || (outbound != (hs->xx.step == 1)))
        return PX_ERR_PROTOCOL;
    px_err err = pxi_noise_xx_read(&hs->xx, msg, n, &payload);
    if (err == PX_ERR_OK && hs->xx.step > 1)
        err = hear_identity(x, payload);
    if (err == PX_ERR_OK && hs->xx.step < 3) {
        err = say_identity(hs, outbound ? x->s.muxer : hs->muxers ? hs->muxers[0] : NULL);
        x->s.on->wake(x->s.above);
    }
    return err == PX_ERR_OK && hs->xx.step == 3 ? finish(x) : err;
}

/* ------------------------------------------------ frames */

static void give(struct noise *x, const uint8_t *p, size_t n)
{
    if (n)
        x->s.on->plain(x->s.above, p, n);
}

static px_err hear_frame(struct noise *x, uint8_t *msg, size_t n)
{
    struct pxi_landing land = {0};
    if (!x->s.ready)
        return hear(x, msg, n);
    size_t plain_n = n < PXI_AEAD_TAG ? 0 : n - PXI_AEAD_TAG;
    if (x->s.on->land)
        land = x->s.on->land(x->s.above);
    size_t lead = land.n ? pxi_min(land.lead, plain_n) : plain_n;
    land.n = pxi_min(land.n, plain_n - lead);
    if (n < PXI_AEAD_TAG || x->receive == UINT64_MAX ||
        !pxi_aead_open_land(x->open, x->receive, px_view_of(NULL, 0), msg, n, &land))
        return PX_ERR_PROTOCOL;
    x->receive++;
    give(x, msg, lead);
    give(x, land.p, land.n);
    give(x, msg + lead + land.n, plain_n - lead - land.n);
    return PX_ERR_OK;
}

static size_t frame_length(const uint8_t *p)
{
    return 2 + ((size_t)p[0] << 8 | p[1]);
}

/* Put bytes beside those that are held, up to `want` in all; returns how many, 0 without memory. */
static size_t gather(struct noise *x, const uint8_t *p, size_t n, size_t want)
{
    if (want > x->part_cap) {
        size_t cap = pxi_min(pxi_max(PART_LEAST, pxi_max(want, 2 * x->part_cap)), 2 + FRAME);
        uint8_t *more = pxi_realloc(x->part, cap, 1);
        if (!more)
            return 0;
        x->part = more;
        x->part_cap = cap;
        x->s.holds = true;
    }
    size_t take = pxi_min(n, want - x->part_n);
    memcpy(x->part + x->part_n, p, take);
    x->part_n += take;
    x->part_used = true;
    return take;
}

/* Go on with a frame that came in pieces. Returns the bytes taken, 0 when memory is out. */
static size_t push_part(struct noise *x, const uint8_t *p, size_t n, px_err *err)
{
    size_t at = 0;
    if (x->part_n < 2)
        at = gather(x, p, n, 2);
    if (x->part_n < 2)
        return at;
    size_t want = frame_length(x->part);
    if (!x->s.ready && want > 2 + PXI_LIMIT_NOISE_HANDSHAKE_BYTES) {
        *err = PX_ERR_PROTOCOL;
        return 1;
    }
    if (x->part_n < want) {
        if (at == n)
            return at;
        size_t took = gather(x, p + at, n - at, want);
        at = took ? at + took : 0;
    }
    if (x->part_n == want) {
        x->part_n = 0;
        *err = hear_frame(x, x->part + 2, want - 2);
    }
    return at;
}

static px_err push(struct pxi_secure *s, uint8_t *bytes, size_t n)
{
    struct noise *x = of(s);
    px_err err = PX_ERR_OK;
    s->fault = PXI_FAULT_NOISE;
    for (size_t at = 0; at < n && err == PX_ERR_OK;) {
        size_t left = n - at;
        if (!x->part_n && left >= 2 && left >= frame_length(bytes + at)) {
            size_t length = frame_length(bytes + at);
            err = hear_frame(x, bytes + at + 2, length - 2);
            at += length;
            continue;
        }
        size_t took = push_part(x, bytes + at, left, &err);
        if (!took)
            return PX_ERR_NOMEM;
        at += took;
    }
    return err;
}

static void handshake_free(struct handshake *hs)
{
    if (!hs)
        return;
    pxi_noise_xx_deinit(&hs->xx);
    pxi_buf_deinit(&hs->out);
    pxi_free(hs);
}

static size_t pull_handshake(struct noise *x, uint8_t *out, size_t cap)
{
    struct handshake *hs = x->hs;
    size_t n = pxi_min(cap, hs->out.n - hs->sent);
    if (n)
        memcpy(out, hs->out.p + hs->sent, n);
    hs->sent += n;
    if (hs->sent < hs->out.n)
        return n;
    hs->out.n = hs->sent = 0;
    if (x->s.ready) {
        handshake_free(hs);
        x->hs = NULL;
    }
    return n;
}

static size_t pull(struct pxi_secure *s, uint8_t *out, size_t cap)
{
    struct noise *x = of(s);
    size_t at = x->hs ? pull_handshake(x, out, cap) : 0;
    size_t least = OVER + PXI_SECURE_FILL;
    while (s->ready && cap - at >= least) {
        uint8_t *plain = out + at + 2;
        struct pxi_gaps gaps = {0};
        size_t n = s->on->fill(s->above, plain, pxi_min(cap - at - OVER, PLAIN), &gaps);
        if (!n)
            break;
        if (x->send == UINT64_MAX ||
            !pxi_aead_seal_gaps(x->seal, x->send, px_view_of(NULL, 0), plain, n, &gaps, plain)) {
            s->err = PX_ERR_PROTOCOL; /* keys are used up */
            break;
        }
        x->send++;
        out[at] = (uint8_t)((n + PXI_AEAD_TAG) >> 8);
        out[at + 1] = (uint8_t)(n + PXI_AEAD_TAG);
        at += n + OVER;
        least = WORTH;
    }
    return at;
}

static bool tidy(struct pxi_secure *s)
{
    struct noise *x = of(s);
    if (!x->part_used && !x->part_n) {
        pxi_free(x->part);
        x->part = NULL;
        x->part_cap = 0;
    }
    x->part_used = false;
    return s->holds = x->part != NULL;
}

static void noise_free(struct pxi_secure *s)
{
    struct noise *x = of(s);
    handshake_free(x->hs);
    pxi_aead_free(x->seal);
    pxi_aead_free(x->open);
    pxi_free(x->part);
    pxi_free((void *)(uintptr_t)s->pubkey.p);
    pxi_free(x);
}

static const struct pxi_secure_ops ops = {push, pull, tidy, noise_free};

/* The initiator's first message, or nothing yet. */
static px_err begin(struct handshake *hs)
{
    struct pxi_noise_pair e;
    if (hs->o.spare)
        pxi_spare_take(hs->o.spare, e.secret, e.pub);
    else
        pxi_x25519_keypair(hs->o.random, e.secret, e.pub);
    px_err err = pxi_noise_xx_init(&hs->xx, hs->o.outbound, px_view_of(NULL, 0), &hs->id->pair, &e);
    explicit_bzero(&e, sizeof e);
    if (err == PX_ERR_OK && hs->o.outbound)
        err = say(hs, px_view_of(NULL, 0));
    return err;
}

struct pxi_secure *pxi_noise_new(const struct pxi_secure_options *o, const struct pxi_noise_id *id,
                                 const char *const *muxers)
{
    struct noise *x = pxi_calloc(1, sizeof *x);
    struct handshake *hs = x ? pxi_calloc(1, sizeof *hs) : NULL;
    if (!hs) {
        pxi_free(x);
        return NULL;
    }
    x->hs = hs;
    x->s.ops = &ops;
    x->s.on = o->on;
    x->s.above = o->above;
    hs->o = *o;
    hs->id = id;
    hs->muxers = muxers;
    hs->out.max = 2 * (2 + PXI_LIMIT_NOISE_HANDSHAKE_BYTES);
    if (begin(hs) == PX_ERR_OK)
        return &x->s;
    noise_free(&x->s);
    return NULL;
}

void pxi_noise_counters_set(struct pxi_secure *s, uint64_t send, uint64_t receive)
{
    of(s)->send = send;
    of(s)->receive = receive;
}
