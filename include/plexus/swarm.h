/*
 * Private swarms: a key of 32 bytes that every member has, and invites, which carry that key and
 * one member's address as words. A node is in the swarm whose key file its options name.
 */
#ifndef PLEXUS_SWARM_H
#define PLEXUS_SWARM_H

#include "plexus/err.h"

PX_BEGIN_DECLS

typedef struct px_invite {
    unsigned char key[32]; /* of the swarm */
    char swarm[17];        /* its name: hexadecimal digits of a hash of the key */
    char peer[72];         /* who invites */
    char address[160];     /* the multiaddr at which that peer listens, with its id */
} px_invite;

/*
 * Read the words of an invite: n bytes of text that may come from anybody. PX_ERR_TRUNCATED (words
 * are missing at the end), PX_ERR_CORRUPT, PX_ERR_VERSION; diag->field names the word, "word[7]"
 * counted from 1, and diag->expected what is wrong with it.
 */
PX_API PX_NODISCARD px_err px_invite_read(const char *text, size_t n, px_invite *out,
                                          px_diag *diag);

/*
 * The key in a file (/key/swarm/psk/1.0.0/): read it, or write a new file with mode 0600, with this
 * key or, NULL, with a new one. PX_ERR_NOT_FOUND; PX_ERR_PERMISSION (others may read it; on
 * writing: it exists), PX_ERR_CORRUPT, PX_ERR_IO.
 */
PX_API PX_NODISCARD px_err px_swarm_key_read(const char *path, unsigned char key[32],
                                             px_diag *diag);
PX_API PX_NODISCARD px_err px_swarm_key_write(const char *path, const unsigned char *key,
                                              px_diag *diag);

/* Name of the swarm with this key. */
PX_API void px_swarm_name(const unsigned char key[32], char out[17]);

PX_END_DECLS

#endif
