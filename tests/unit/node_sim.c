/* The simulator's verdicts: the same run twice, and attacks with the defences off and on. */
#include <stdbool.h>

#include "px_test.h"

#include "plexus/sim.h"

static px_sim_result *run(const px_sim_options *o)
{
    px_sim_result *r = NULL;
    CHECK_EQ(px_sim_run(o, NULL, NULL, &r), PX_ERR_OK);
    CHECK(r != NULL);
    return r;
}

TEST(the_same_seed_gives_the_same_digest)
{
    px_sim_options o = {
        .size = sizeof o, .name = "dht", .nodes = 150, .lookups = 20, .churn = 0.3, .seed = 7};
    px_sim_result *a = run(&o), *b = run(&o);
    o.seed = 8;
    px_sim_result *c = run(&o);
    CHECK_EQ(strcmp(px_sim_digest(a), px_sim_digest(b)), 0);
    CHECK(strcmp(px_sim_digest(a), px_sim_digest(c)) != 0);
    CHECK(px_sim_ok(a));
    CHECK(px_sim_ok(c));
    px_sim_free(a);
    px_sim_free(b);
    px_sim_free(c);
}

static const px_sim_attack *row(const px_sim_result *r, const char *placement, const char *networks,
                                const char *defence)
{
    const px_sim_attack *a;
    for (unsigned i = 0; (a = px_sim_attack_at(r, i)); i++)
        if (strcmp(a->placement, placement) == 0 && strcmp(a->networks, networks) == 0 &&
            strcmp(a->defence, defence) == 0)
            return a;
    CHECK(false);
    return NULL;
}

/* The attack works when the defences are off, and does not when they are on. */
static void defended(const px_sim_result *r, const char *placement)
{
    const px_sim_attack *off = row(r, placement, "few", "off"),
                        *on = row(r, placement, "few", "on");
    CHECK(off->get < 0.7);
    CHECK(off->find < 0.7);
    CHECK(on->get >= 0.95);
    CHECK(on->find >= 0.95);
}

TEST(defences_hold_against_sybils_and_eclipses)
{
    static const double share = 0.8; /* enough to take every place around a key */
    px_sim_options o = {.size = sizeof o,
                        .name = "dht",
                        .nodes = 32,
                        .lookups = 5,
                        .seed = 1,
                        .sybils = &share,
                        .sybil_count = 1,
                        .attacked = 150};
    px_sim_result *r = run(&o);
    const px_sim_attack *a;
    for (unsigned i = 0; (a = px_sim_attack_at(r, i)); i++)
        printf("# %s %s %s: get %.2f find %.2f, %.0f requests\n", a->placement, a->networks,
               a->defence, a->get, a->find, a->messages);
    CHECK(px_sim_ok(r)); /* every target of the table is met */
    CHECK(row(r, "random", "few", "on")->get >= 0.95);
    defended(r, "targeted");
    defended(r, "eclipse");
    /* Disjoint paths look in more places before they give up. */
    CHECK(row(r, "targeted", "many", "on")->messages >
          1.5 * row(r, "targeted", "many", "off")->messages);
    px_sim_free(r);
}

TEST_MAIN()
