/* Where the sums of a job are best made, by px_topology_plan_job and px_topology_look. */
#include <math.h>
#include <string.h>

#include "plexus/topology.h"
#include "px_test.h"

static px_topology_plan plan_of(px_topology_job j)
{
    px_topology_plan p = {.size = sizeof p};
    j.size = sizeof j;
    CHECK_EQ(px_topology_plan_job(&j, &p), PX_ERR_OK);
    CHECK(strncmp(p.why, p.topology, strlen(p.topology)) == 0);
    return p;
}

TEST(what_lines_say)
{
    px_topology_job j = {.workers = 16, .slowest = 125000000, .aggregators = 5};
    px_topology_plan p = plan_of(j);
    CHECK_STR(p.topology, "sharded"); /* nobody knows the others' lines */
    CHECK(strstr(p.why, "not all lines"));
    j.their_rate = 500000000;
    p = plan_of(j);
    CHECK_STR(p.topology, "tree");
    CHECK_EQ(p.leaves, 4);
    CHECK(p.tree_s > 0 && p.tree_s < p.sharded_s && p.sharded_s < p.central_s);
    j.aggregators = 2;
    j.their_rate = 100 * j.slowest;
    p = plan_of(j);
    CHECK_STR(p.topology, "central");
    CHECK_EQ(p.leaves, 0);
    CHECK(p.tree_s == 0);
    j.aggregators = 0;
    CHECK_STR(plan_of(j).topology, "sharded");
}

TEST(what_is_asked_for)
{
    px_topology_job j = {.workers = 64, .aggregators = 3, .asked = "tree"};
    CHECK_STR(plan_of(j).topology, "tree");
    CHECK_EQ(plan_of(j).leaves, 2); /* of 32 each: that is all that a leaf has */
    j.workers = 2;
    CHECK_EQ(plan_of(j).leaves, 2);
    j.aggregators = 2;
    CHECK_STR(plan_of(j).topology, "sharded");
    j.asked = "central";
    CHECK_STR(plan_of(j).topology, "central");
    j.asked = "sharded";
    CHECK_STR(plan_of(j).topology, "sharded");
    CHECK(strstr(plan_of(j).why, "asked for"));
}

TEST(what_cannot_be)
{
    const px_topology_job good = {.size = sizeof good, .workers = 2};
    px_topology_plan p = {.size = sizeof p};
    px_topology_job j = good;
    CHECK_EQ(px_topology_plan_job(&j, &p), PX_ERR_OK);
    j.workers = 1;
    CHECK_EQ(px_topology_plan_job(&j, &p), PX_ERR_INVALID);
    j.workers = 65;
    CHECK_EQ(px_topology_plan_job(&j, &p), PX_ERR_INVALID);
    j = good;
    j.asked = "ring";
    CHECK_EQ(px_topology_plan_job(&j, &p), PX_ERR_INVALID);
    j = good;
    j.values = 100000;
    CHECK_EQ(px_topology_plan_job(&j, &p), PX_ERR_INVALID);
    j = good;
    j.size--;
    CHECK_EQ(px_topology_plan_job(&j, &p), PX_ERR_INVALID);
    p.size--;
    CHECK_EQ(px_topology_plan_job(&good, &p), PX_ERR_INVALID);
}

TEST(what_the_longest_figures_say)
{
    px_topology_job j = {.workers = 64,
                         .aggregators = 40,
                         .slowest = 1,
                         .their_rate = 1,
                         .values = 16,
                         .packet_ns = 4000000000u,
                         .their_packet_ns = 4000000000u};
    px_topology_plan p = plan_of(j);
    CHECK(strlen(p.why) < sizeof p.why);
    CHECK(isfinite(p.sharded_s) && isfinite(p.central_s) && isfinite(p.tree_s));
}

TEST(the_own_address)
{
    uint64_t line = 1;
    unsigned ns = 0;
    /* A packet that is lost, or late, gives no figure. */
    for (unsigned i = 0; i < 1000 && !ns; i++)
        CHECK_EQ(px_topology_look("/ip4/127.0.0.1/udp/9", &line, &ns), PX_ERR_OK);
    CHECK_EQ(line, 0); /* nobody says how fast loopback is */
    CHECK(ns > 0);
    CHECK_EQ(px_topology_look("/ip4/192.0.2.1/udp/9", &line, &ns), PX_ERR_OK);
    CHECK_EQ(ns, 0); /* that is not ours */
    CHECK_EQ(px_topology_look("/ip4/127.0.0.1/tcp/9", &line, &ns), PX_ERR_INVALID);
    CHECK_EQ(px_topology_look("", &line, &ns), PX_ERR_INVALID);
}

TEST_MAIN()
