/* An act of the demo: four workers train together, one of them poisons. */
#ifndef CLI_DEMO_POISON_H
#define CLI_DEMO_POISON_H

#include "json.h"

struct poison_act {
    int plain; /* tell it on the terminal as it goes */
    int told;  /* who adds */
    const char *title;
    int ok;          /* the mean was ruined, the default rule was not */
    json_t *figures; /* of the act, the caller's */
};

/* PX_ERR_UNSUPPORTED: a build without the network. */
px_err demo_poison(struct poison_act *a, px_diag *d);

#endif
