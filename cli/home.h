/* What the home keeps of the swarm that it is in. */
#ifndef CLI_HOME_H
#define CLI_HOME_H

#include "node.h"

/* Paths in the state directory, kept. */
const char *home_key(void);   /* swarm.key: of the private swarm; there when the home is in one */
const char *home_peers(void); /* swarm.peers: whom to dial first, a multiaddr a line */
const char *home_port(void);  /* swarm.port: the one that invites name */

int home_in_swarm(void);
/* Addresses of home_peers, kept; *n of them. */
const char **home_read_peers(unsigned *n);
/* Write a small file anew. 0 or an exit code. */
int home_write(const char *path, const char *text);
/* Add an address to home_peers unless it is there. 0 or an exit code. */
int home_add_peer(const char *addr);
unsigned home_read_port(void);
/* Forget all three. */
int home_forget(void);

/* pushed.c: the CID of a file that was pushed and is as it was then, if the node's store still
 * holds all of it; 0 when not. And remember one. */
int pushed_find(const char *path, char *cid, size_t cap);
void pushed_note(const char *path, const char *cid);

/* Ask the running node to drain, and wait: *left is what could not go. `off`: no longer. The reply,
 * or NULL after the error was told; then *rc is the exit code. `absent_ok`: no node is no error,
 * *rc 0. */
json_t *node_drain(const struct cli *c, int off, int absent_ok, int *rc);
/* End the running node and wait for it. 0 or an exit code. */
int node_quit(const struct cli *c);

#endif
