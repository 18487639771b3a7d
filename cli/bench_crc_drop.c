/* plexus bench crc-drop: prepare the arms, or judge results. */
#include "crc_drop.h"

int verb_bench_crc_drop(struct cli *c)
{
    const char *results = opt_text(c, OPT_CRC_DROP_RESULTS), *dir = opt_text(c, OPT_CRC_DROP_DIR);
    struct crc_drop e = {.c = c,
                         .in = c->args ? c->arg[0] : NULL,
                         .dir = dir,
                         .steps = opt_uint(c, OPT_CRC_DROP_STEPS),
                         .batch = opt_uint(c, OPT_CRC_DROP_BATCH),
                         .row = opt_uint(c, OPT_CRC_DROP_ROW),
                         .seeds = (unsigned)opt_uint(c, OPT_CRC_DROP_SEEDS)};
    if (results && e.in)
        return usage(c->verb->usage, "FILE and --results do not go together");
    if (results)
        return crc_drop_judge(c, results);
    if (!e.in || !dir)
        return usage(c->verb->usage, "%s is missing", e.in ? "--dir" : "FILE or --results");
    if (e.row % 2)
        return usage("such as --row-tokens 128", "--row-tokens: expected an even number");
    return crc_drop_prepare(&e);
}
