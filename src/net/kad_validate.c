/* Who may put what under which key: /pk, our own signed namespace, and those that were given. */
#include "base/limits.h"
#include "crypto/key.h"
#include "net/envelope.h"
#include "net/kad_impl.h"

/* Envelope domain and type of our records (RFC 0002). */
static const uint8_t own_type[] = "/plexus/kad-record";
static const struct pxi_envelope_kind own_kind = {"plexus-kad-record",
                                                  {own_type, sizeof own_type - 1}};

struct own_payload {
    px_view key, value;
    uint64_t seq, expires_s;
};

static const struct pxi_pb_field own_fields[] = {
    {.name = "key",
     .number = 1,
     .kind = PXI_PB_BYTES,
     .offset = offsetof(struct own_payload, key),
     .max = PXI_LIMIT_KAD_KEY_BYTES},
    {.name = "seq", .number = 2, .kind = PXI_PB_UINT, .offset = offsetof(struct own_payload, seq)},
    {.name = "expires_s",
     .number = 3,
     .kind = PXI_PB_UINT,
     .offset = offsetof(struct own_payload, expires_s)},
    {.name = "value",
     .number = 4,
     .kind = PXI_PB_BYTES,
     .offset = offsetof(struct own_payload, value),
     .max = PXI_LIMIT_KAD_VALUE_BYTES},
};
static const struct pxi_pb_message own_table = {
    "own", own_fields, sizeof own_fields / sizeof *own_fields, sizeof(struct own_payload)};

px_err pxi_kad_own_key(const struct pxi_peer *p, const char *subkey, struct pxi_buf *out)
{
    char text[PXI_PEER_TEXT];
    pxi_peer_text(p, text);
    bool ok = pxi_buf_add(out, "/plexus/", 8) && pxi_buf_add(out, text, strlen(text)) &&
              pxi_buf_add(out, "/", 1) && pxi_buf_add(out, subkey, strlen(subkey));
    return ok && *subkey && out->n <= PXI_LIMIT_KAD_KEY_BYTES ? PX_ERR_OK : PX_ERR_INVALID;
}

/* The peer in "/plexus/<peer>/<subkey>". */
static bool own_writer(px_view key, struct pxi_peer *p)
{
    px_diag d;
    if (key.n < 10 || memcmp(key.p, "/plexus/", 8) != 0)
        return false;
    const uint8_t *end = memchr(key.p + 8, '/', key.n - 8);
    if (!end || end + 1 == key.p + key.n)
        return false;
    return pxi_peer_parse(px_view_of(key.p + 8, (size_t)(end - key.p) - 8), p, &d) == PX_ERR_OK;
}

px_err pxi_kad_own_seal(const struct pxi_key *key, px_view record_key, uint64_t seq,
                        uint64_t expires_s, px_view value, struct pxi_buf *out)
{
    struct own_payload own = {record_key, value, seq, expires_s};
    struct pxi_buf payload = {.max = 2 * PXI_LIMIT_KAD_VALUE_BYTES};
    px_err err = pxi_pb_encode(&own_table, &own, &payload);
    if (err == PX_ERR_OK)
        err = pxi_envelope_seal(key, &own_kind, px_view_of(payload.p, payload.n), out);
    pxi_buf_deinit(&payload);
    return err == PX_ERR_OK && out->n > PXI_LIMIT_KAD_VALUE_BYTES ? PX_ERR_LIMIT : err;
}

px_err pxi_kad_own_open(px_view record_key, px_view sealed, struct pxi_kad_own *out)
{
    struct own_payload own;
    struct pxi_peer writer, signer;
    struct pxi_arena a;
    px_diag d;
    px_view payload;
    if (!own_writer(record_key, &writer))
        return PX_ERR_INVALID;
    px_err err = pxi_envelope_open(sealed, &own_kind, NULL, &payload, &signer);
    if (err != PX_ERR_OK)
        return err;
    pxi_arena_init(&a, 4096);
    err = pxi_pb_decode(&own_table, payload, &a, &own, &d);
    pxi_arena_deinit(&a);
    if (err != PX_ERR_OK)
        return err;
    *out = (struct pxi_kad_own){own.seq, own.expires_s, own.value};
    bool ok = pxi_peer_equal(&signer, &writer) && px_view_equal(own.key, record_key);
    return ok ? PX_ERR_OK : PX_ERR_IDENTITY;
}

/* ------------------------------------------------------------- built in */

static px_err own_validate(void *ctx, px_view key, px_view value, uint64_t wall_s)
{
    struct pxi_kad_own own;
    px_err err = pxi_kad_own_open(key, value, &own);
    if (err == PX_ERR_OK && wall_s && own.expires_s <= wall_s)
        return PX_ERR_TIMEOUT;
    return err;
}

/* Numbers without trusting anything: both are valid already. */
static int own_select(void *ctx, px_view key, px_view a, px_view b)
{
    struct pxi_kad_own x, y;
    if (pxi_kad_own_open(key, a, &x) != PX_ERR_OK)
        return -1;
    if (pxi_kad_own_open(key, b, &y) != PX_ERR_OK)
        return 1;
    if (x.seq != y.seq)
        return x.seq > y.seq ? 1 : -1;
    return (x.expires_s > y.expires_s) - (x.expires_s < y.expires_s);
}

static px_err pk_validate(void *ctx, px_view key, px_view value, uint64_t wall_s)
{
    struct pxi_peer p = pxi_peer_of_key(value), named;
    struct pxi_pubkey *pub = NULL;
    px_diag d;
    if (key.n <= 4 ||
        pxi_peer_from_bytes(px_view_of(key.p + 4, key.n - 4), &named, &d) != PX_ERR_OK ||
        !pxi_peer_equal(&named, &p))
        return PX_ERR_IDENTITY;
    px_err err = pxi_pubkey_decode(value, &pub, &d);
    pxi_pubkey_free(pub);
    return err;
}

static px_err any_validate(void *ctx, px_view key, px_view value, uint64_t wall_s)
{
    return PX_ERR_OK;
}

static int any_select(void *ctx, px_view key, px_view a, px_view b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

void pxi_kad_validators_init(struct pxi_kad_validators *v, bool accept_all)
{
    v->n = 0;
    pxi_kad_validators_add(v, &(struct pxi_kad_validator){"pk", pk_validate, NULL, NULL});
    pxi_kad_validators_add(v,
                           &(struct pxi_kad_validator){"plexus", own_validate, own_select, NULL});
    if (accept_all)
        pxi_kad_validators_add(v, &(struct pxi_kad_validator){"v", any_validate, any_select, NULL});
}

px_err pxi_kad_validators_add(struct pxi_kad_validators *v, const struct pxi_kad_validator *one)
{
    for (unsigned i = 0; i < v->n; i++)
        if (strcmp(v->v[i].ns, one->ns) == 0) {
            v->v[i] = *one;
            return PX_ERR_OK;
        }
    if (v->n >= PXI_KAD_VALIDATORS)
        return PX_ERR_LIMIT;
    v->v[v->n++] = *one;
    return PX_ERR_OK;
}

const struct pxi_kad_validator *pxi_kad_validator_for(const struct pxi_kad_validators *v,
                                                      px_view key)
{
    if (key.n < 3 || key.p[0] != '/')
        return NULL;
    const uint8_t *end = memchr(key.p + 1, '/', key.n - 1);
    for (unsigned i = 0; end && i < v->n; i++)
        if (px_view_is(px_view_of(key.p + 1, (size_t)(end - key.p) - 1), v->v[i].ns))
            return &v->v[i];
    return NULL;
}

px_err pxi_kad_validate(const struct pxi_kad_validators *v, px_view key, px_view value,
                        uint64_t wall_s)
{
    const struct pxi_kad_validator *one = pxi_kad_validator_for(v, key);
    if (!one)
        return PX_ERR_UNSUPPORTED;
    if (value.n > PXI_LIMIT_KAD_VALUE_BYTES)
        return PX_ERR_LIMIT;
    return one->validate(one->ctx, key, value, wall_s);
}

int pxi_kad_select(const struct pxi_kad_validators *v, px_view key, px_view a, px_view b)
{
    const struct pxi_kad_validator *one = pxi_kad_validator_for(v, key);
    return one && one->select ? one->select(one->ctx, key, a, b) : 0;
}
