/*
 * Bytes into a Noise channel of either role, and a real partner whose frames are damaged where the
 * input says. Nothing but an undamaged conversation may carry plaintext through.
 */
#include <stdlib.h>

#include "codec/messages.h"
#include "net/noise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static const char *const MUXERS[] = {"/yamux/1.0.0", NULL};
static struct pxi_random random_state;
static struct pxi_key *key;
static struct pxi_noise_id id;

struct side {
    struct pxi_secure *s;
    unsigned ready, filled;
    size_t plain;
    bool damaged; /* something that it was given is not what the partner sent */
};

static void on_ready(void *above)
{
    struct side *x = above;
    x->ready++;
    MUST(x->s->peer.n && x->s->pubkey.n);
}

static void on_plain(void *above, const uint8_t *bytes, size_t n)
{
    struct side *x = above;
    MUST(x->ready == 1 && n > 0);
    for (size_t i = 0; i < n; i++)
        MUST(bytes[i] == 'p');
    x->plain += n;
}

static void on_wake(void *above)
{
    (void)above;
}

static size_t on_fill(void *above, uint8_t *out, size_t cap, struct pxi_gaps *gaps)
{
    static uint8_t lent[50];
    struct side *x = above;
    size_t n = x->filled++ < 3 ? 100 : 0;
    MUST(cap >= PXI_SECURE_FILL);
    memset(out, 'p', n);
    memset(lent, 'p', sizeof lent);
    if (n && x->filled == 2) {
        memset(out + 30, 'x', sizeof lent);
        pxi_gaps_add(gaps, out + 30, px_view_of(lent, sizeof lent));
    }
    return n;
}

static struct pxi_landing on_land(void *above)
{
    static uint8_t place[60];
    struct side *x = above;
    return (struct pxi_landing){place, x->plain % 90, x->plain < 200 ? 0 : sizeof place};
}

static const struct pxi_secure_events events = {on_ready, on_plain, on_wake, on_fill, on_land};

static void begin(struct side *x, bool outbound)
{
    struct pxi_secure_options o = {&events, x, outbound, {0}, key, &random_state, 0};
    *x = (struct side){0};
    x->s = pxi_noise_new(&o, &id, MUXERS);
    MUST(x->s != NULL);
}

/* A raw peer: bytes only. */
static void alone(bool outbound, const uint8_t *data, size_t size, size_t step)
{
    struct side x;
    uint8_t *copy = malloc(size + 1);
    static uint8_t out[70000];
    MUST(copy != NULL);
    memcpy(copy, data, size);
    begin(&x, outbound);
    for (size_t at = 0; at < size;) {
        size_t n = step < size - at ? step : size - at;
        if (x.s->ops->push(x.s, copy + at, n) != PX_ERR_OK)
            break;
        at += n;
        x.s->ops->pull(x.s, out, sizeof out);
        x.s->ops->tidy(x.s);
    }
    MUST(!x.ready);
    x.s->ops->free(x.s);
    free(copy);
}

/* Move what one side says to the other, with one byte changed when the input says so. */
static bool move(struct side *from, struct side *to, const uint8_t **p, const uint8_t *end)
{
    static uint8_t out[70000];
    size_t n = from->s->ops->pull(from->s, out, sizeof out);
    if (n && end - *p >= 3) {
        size_t at = ((size_t)(*p)[0] << 8 | (*p)[1]) % n;
        out[at] ^= (*p)[2];
        to->damaged |= (*p)[2] != 0;
        *p += 3;
    }
    for (size_t at = 0; at < n;) {
        size_t step = *p < end ? (size_t) * (*p)++ + 1 : n;
        step = step < n - at ? step : n - at;
        if (to->s->ops->push(to->s, out + at, step) != PX_ERR_OK) {
            MUST(to->damaged);
            return false;
        }
        at += step;
    }
    return true;
}

static void together(const uint8_t *p, const uint8_t *end)
{
    struct side a, b;
    bool ok = true;
    begin(&a, true);
    begin(&b, false);
    for (unsigned i = 0; i < 8 && ok; i++) {
        ok = i & 1 ? move(&b, &a, &p, end) : move(&a, &b, &p, end);
        a.damaged |= b.damaged; /* an answer to something wrong is wrong as well */
    }
    if (ok && !a.damaged && !b.damaged)
        MUST(a.ready == 1 && b.ready == 1 && a.plain == 300 && b.plain == 300);
    a.s->ops->free(a.s);
    b.s->ops->free(b.s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!key) {
        random_state = pxi_random_seeded(3);
        key = pxi_key_new(PXI_KEY_ED25519, &random_state);
        MUST(key && pxi_noise_id_make(&id, key, &random_state) == PX_ERR_OK);
    }
    if (size < 2)
        return 0;
    if (data[0] & 2)
        together(data + 1, data + size);
    else
        alone(data[0] & 1, data + 2, size - 2, data[1] + 1);
    return 0;
}
