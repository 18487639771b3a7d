/*
 * OmniNode's /omni/tensor-xfer/1, served beside /plexus/stage/1: a foreign peer sends the hidden
 * states that it computed (or, with hidden_dim = 1, token ids) and gets those of the slice that is
 * served here, or, after the last block, the likeliest token. The request is acknowledged at once;
 * what follows from it goes back in a request of ours to the same peer, from_stage and to_stage
 * changed about.
 *
 * Which slice: to_stage 0 with token ids is the one that embeds; anything else is the one with the
 * highest blocks whose hidden states are as wide, and which does not embed. A session is a peer and
 * its session_id; it takes a slot of the slice, as sessions of /plexus/stage/1 do, and is forgotten
 * when nothing comes for `stage.orphan_ms`. Micro-batch numbers must rise within a session: a
 * request that is sent again is refused.
 */
#ifndef PXI_INFER_OMNI_H
#define PXI_INFER_OMNI_H

#include "infer/stage.h"

struct pxi_omni;

/* Serve it for these stages, which are freed later. NULL: no memory, or it is served already. */
struct pxi_omni *pxi_omni_new(struct pxi_stages *s);
void pxi_omni_free(struct pxi_omni *o);

#endif
