/* Teams: every member runs once a job, barriers separate phases, many jobs in a row. */
#include "io/team.h"

#include <stdatomic.h>

#include "px_test.h"

struct work {
    struct pxi_team *team;
    _Atomic unsigned calls, late;
    unsigned slots[64][8];
};

static void phases(void *arg, unsigned rank, unsigned size)
{
    struct work *w = arg;
    atomic_fetch_add(&w->calls, 1);
    for (unsigned p = 0; p < 64; p++) {
        w->slots[p][rank] = p + 1;
        pxi_team_barrier(w->team, rank);
        for (unsigned r = 0; r < size; r++)
            if (w->slots[p][r] != p + 1)
                atomic_fetch_add(&w->late, 1);
    }
}

static void run_with(unsigned threads)
{
    struct pxi_team *t = pxi_team_new(threads);
    CHECK(t != NULL);
    for (unsigned job = 0; job < 60; job++) {
        static struct work w;
        memset(&w, 0, sizeof w);
        w.team = t;
        pxi_team_run(t, phases, &w);
        CHECK_EQ(w.calls, t->size);
        CHECK_EQ(w.late, 0);
    }
    pxi_team_free(t);
}

TEST(one_member)
{
    run_with(1);
}
TEST(two_members)
{
    run_with(2);
}
TEST(more_members_than_processors)
{
    run_with(5);
}
TEST(too_many_members)
{
    CHECK(pxi_team_new(100000) == NULL);
}

TEST_MAIN()
