/* An act of the demo: text becomes packets, and one bit is flipped on purpose. */
#ifndef CLI_DEMO_PACKETS_H
#define CLI_DEMO_PACKETS_H

#include "json.h"

struct packets_act {
    int plain; /* tell it on the terminal as it goes */
    const px_tokenizer *tok;
    int ok;          /* the damage was caught, counted and refilled, and nothing else changed */
    json_t *figures; /* of the act, the caller's */
};

px_err demo_packets(struct packets_act *a, px_diag *d);

#endif
