/* Keys of a node: its identity, and that of a private swarm. */
#include <stdio.h>

#include "base/diag.h"
#include "base/mem.h"
#include "crypto/key.h"
#include "io/secret.h"
#include "node/node_impl.h"

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* 32 bytes from 64 hex digits. */
static bool hex32(const char *text, size_t n, uint8_t out[32])
{
    if (n != 64)
        return false;
    for (int i = 0; i < 32; i++) {
        int a = hex_digit(text[2 * i]), b = hex_digit(text[2 * i + 1]);
        if (a < 0 || b < 0)
            return false;
        out[i] = (uint8_t)(a << 4 | b);
    }
    return true;
}

static px_err key_type(const char *name, enum pxi_key_type *out, px_diag *d)
{
    static const char *const names[] = {"RSA", "Ed25519", "secp256k1", "ECDSA"};
    *out = PXI_KEY_ED25519;
    for (unsigned i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum pxi_key_type)i;
            return PX_ERR_OK;
        }
    pxi_diag_field(d, "key type");
    return name ? pxi_diag_set(d, PX_ERR_INVALID, 0, "Ed25519, secp256k1, RSA or ECDSA", "%s", name)
                : PX_ERR_OK;
}

static px_err store(const struct pxi_key *key, const char *path, px_diag *d)
{
    struct pxi_buf b = {.max = 1 << 16};
    px_err err = pxi_key_encode(key, &b);
    if (err == PX_ERR_OK)
        err = pxi_secret_write(path, px_view_of(b.p, b.n));
    pxi_buf_deinit(&b);
    if (err != PX_ERR_OK)
        pxi_diag_set(d, err, 0, "a folder that can be written", "%s", path);
    return err;
}

px_err pxi_identity_load(const px_node_options *o, struct pxi_key **out, px_diag *d)
{
    enum pxi_key_type type;
    uint8_t seed[32];
    struct pxi_buf file = {.max = 1 << 16};
    px_err err = key_type(o->key_type, &type, d);
    *out = NULL;
    if (err != PX_ERR_OK)
        return err;
    pxi_diag_field(d, "identity");
    if (o->key_seed) {
        if (!hex32(o->key_seed, strlen(o->key_seed), seed))
            return pxi_diag_set(d, PX_ERR_INVALID, 0, "64 hex digits", "%s", o->key_seed);
        *out = pxi_key_from_seed(seed);
        return *out ? PX_ERR_OK : PX_ERR_NOMEM;
    }
    err = o->key_file ? pxi_secret_read(o->key_file, &file) : PX_ERR_NOT_FOUND;
    if (err == PX_ERR_OK)
        err = pxi_key_decode(px_view_of(file.p, file.n), out, d);
    else if (err != PX_ERR_NOT_FOUND)
        pxi_diag_set(d, err, 0, "a key file that only its owner can read", "%s", o->key_file);
    pxi_buf_deinit(&file);
    if (err != PX_ERR_NOT_FOUND)
        return err;
    *out = pxi_key_new(type, pxi_random_system());
    if (!*out)
        return PX_ERR_NOMEM;
    return o->key_file ? store(*out, o->key_file, d) : PX_ERR_OK;
}

px_err pxi_psk_load(const char *path, uint8_t out[32], px_diag *d)
{
    struct pxi_buf file = {.max = 4096};
    px_err err = pxi_secret_read(path, &file);
    char text[256] = "", base[16] = "", hex[80] = "";
    pxi_diag_field(d, "swarm key");
    if (err == PX_ERR_OK)
        snprintf(text, sizeof text, "%.*s", (int)file.n, file.n ? (char *)file.p : "");
    pxi_buf_deinit(&file);
    if (err != PX_ERR_OK)
        return pxi_diag_set(d, err, 0, "a readable file that only its owner can read", "%s", path);
    if (sscanf(text, "/key/swarm/psk/1.0.0/ %15s %79s", base, hex) != 2 ||
        strcmp(base, "/base16/") != 0 || !hex32(hex, strlen(hex), out))
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "/key/swarm/psk/1.0.0/, /base16/, 64 hex digits",
                            "something else in %s", path);
    return PX_ERR_OK;
}
