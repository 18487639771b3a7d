/* Private swarms for people: invites and key files, and the operation "invite". */
#include "codec/invite.h"

#include <stdio.h>

#include "base/diag.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "io/secret.h"
#include "node/call.h"
#include "plexus/swarm.h"

void px_swarm_name(const unsigned char key[32], char out[17])
{
    uint8_t digest[PXI_DIGEST];
    pxi_sha256(px_view_of(key, 32), digest);
    for (int i = 0; i < 8; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

px_err px_invite_read(const char *text, size_t n, px_invite *out, px_diag *d)
{
    struct pxi_invite v;
    char addr[PXI_MADDR_TEXT];
    memset(out, 0, sizeof *out);
    px_err err = pxi_invite_parse(px_view_of(text, n), &v, d);
    if (err != PX_ERR_OK)
        return err;
    struct pxi_maddr a = pxi_endpoint_maddr(&v.at);
    pxi_maddr_add(&a, PXI_MA_P2P, pxi_peer_view(&v.at.peer));
    memcpy(out->key, v.key, sizeof out->key);
    px_swarm_name(v.key, out->swarm);
    pxi_peer_text(&v.at.peer, out->peer);
    snprintf(out->address, sizeof out->address, "%s", pxi_maddr_text(pxi_maddr_view(&a), addr));
    return PX_ERR_OK;
}

px_err px_swarm_key_read(const char *path, unsigned char key[32], px_diag *d)
{
    return pxi_psk_load(path, key, d);
}

px_err px_swarm_key_write(const char *path, const unsigned char *key, px_diag *d)
{
    uint8_t seed[16], fresh[PXI_INVITE_KEY];
    char text[128];
    size_t n = (size_t)snprintf(text, sizeof text, "/key/swarm/psk/1.0.0/\n/base16/\n");
    pxi_random_fill(pxi_random_system(), seed, sizeof seed);
    pxi_invite_key(seed, fresh);
    for (int i = 0; i < 32; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%02x", (key ? key : fresh)[i]);
    text[n++] = '\n';
    px_err err = pxi_secret_write(path, px_view_of(text, n));
    pxi_diag_field(d, "swarm key");
    return err == PX_ERR_OK ? err
                            : pxi_diag_set(d, err, 0, "a folder that can be written", "%s", path);
}

/* ------------------------------------------------------------------------ the operation */

/* How useful an address is to somebody who is not on this machine. */
static int worth(const struct pxi_endpoint *e)
{
    static const int by_kind[] = {[PXI_IP_LOOPBACK] = 1, [PXI_IP_PRIVATE] = 2, [PXI_IP_PUBLIC] = 3};
    enum pxi_ip_kind kind = pxi_ip_kind_of(e);
    bool fit = e->via == PXI_VIA_TCP && !e->relayed && (e->family == 4 || e->family == 6) &&
               kind != PXI_IP_NONE && kind != PXI_IP_LINK;
    return fit ? 2 * by_kind[kind] + (e->family == 4) : 0;
}

/* The best of our own addresses; false when there is none for an invite. */
static bool own_address(px_node *n, struct pxi_endpoint *out)
{
    struct pxi_endpoint e;
    int best = 0;
    px_view a;
    for (unsigned i = 0; (a = pxi_host_addr(n->host, i)).n; i++)
        if (pxi_endpoint_of(a, &e) == PX_ERR_OK && worth(&e) > best) {
            best = worth(&e);
            *out = e;
        }
    return best != 0;
}

static bool given_address(const char *text, struct pxi_endpoint *out)
{
    struct pxi_maddr a;
    return pxi_maddr_parse(px_view_str(text), &a, NULL) == PX_ERR_OK &&
           pxi_endpoint_of(pxi_maddr_view(&a), out) == PX_ERR_OK && worth(out);
}

/* "addr": at which others reach us, instead of the best of our own. */
static void op_invite(struct pxi_call *c)
{
    px_node *n = c->node;
    const char *addr = pxi_call_text(c, "addr");
    char words[PXI_INVITE_TEXT], name[17];
    struct pxi_invite v = {.at = {.family = 0}};
    if (!n->upgrader.psk) {
        pxi_call_fail(c, PX_ERR_REFUSED, "this node is in no private swarm");
        return;
    }
    if (!(addr ? given_address(addr, &v.at) : own_address(n, &v.at))) {
        pxi_call_fail(c, addr ? PX_ERR_INVALID : PX_ERR_NOT_FOUND,
                      addr ? "an invite needs an address of ip and tcp"
                           : "this node listens at no address of ip and tcp");
        return;
    }
    memcpy(v.key, n->psk, sizeof v.key);
    v.at.peer = *pxi_host_self(n->host);
    px_err err = pxi_invite_text(&v, words);
    if (err != PX_ERR_OK) {
        pxi_call_fail(c, err, "an invite needs an identity of Ed25519, RSA or ECDSA");
        return;
    }
    px_swarm_name(n->psk, name);
    struct pxi_maddr at = pxi_endpoint_maddr(&v.at);
    pxi_call_ok(c, json_pack("{s:s, s:s, s:o, s:o, s:b}", "invite", words, "swarm", name, "peer",
                             pxi_json_peer(&v.at.peer), "addr",
                             pxi_json_addr(pxi_maddr_view(&at), &v.at.peer), "loopback",
                             pxi_ip_kind_of(&v.at) == PXI_IP_LOOPBACK));
}

const struct pxi_op pxi_ops_invite[] = {
    {"invite", op_invite},
    {NULL, NULL},
};
