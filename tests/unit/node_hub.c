/* An aggregator in user space between workers over sockets: rules by name, and what they save. */
#include <pthread.h>

#include "plexus/poison.h"
#include "px_test.h"

enum { WORLD = 5, N = 3000, ROUNDS = 30 };

struct worker {
    px_reduce *r;
    unsigned rank, world;
    int lies;
    px_err err;
    float x[N];
    px_reduce_report report;
};

/* Values in a layer-like order of size, a little different for each worker. */
static float value(unsigned rank, unsigned round, unsigned i)
{
    float base = (float)((int)(i * 37 % 201) - 100) / 100;
    return base + (float)((int)((rank * 7919 + round * 104729 + i * 31) % 101) - 50) / 2000;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (unsigned round = 0; round < ROUNDS && !w->err; round++) {
        for (unsigned i = 0; i < N; i++)
            w->x[i] = (w->lies ? -20 : 1) * value(w->rank, round, i);
        w->report.size = sizeof w->report;
        w->err = px_reduce_sum(w->r, w->x, NULL, N, 1, &w->report);
    }
    return NULL;
}

static const uint8_t secret[32] = {4, 5, 6};
static struct worker workers[WORLD];
static char text[WORLD + 1][64]; /* the last: of the aggregator */
static const char *addresses[WORLD];
static px_hub *hub;

static void choose_addresses(void)
{
    static unsigned port = 20000;
    for (unsigned i = 0; i <= WORLD; i++) {
        px_own_address(text[i], sizeof text[i], port++);
        if (i < WORLD)
            addresses[i] = text[i];
    }
}

static void close_all(void)
{
    for (unsigned i = 0; i < WORLD; i++)
        px_reduce_close(workers[i].r);
    px_hub_close(hub);
}

static int in_kernel;

static px_err open_all(const char *rule, unsigned world, unsigned liars, px_diag *d)
{
    px_hub_options h = {.size = sizeof h,
                        .address = text[WORLD],
                        .workers = addresses,
                        .world = world,
                        .secret = secret,
                        .job = 3,
                        .values = 256,
                        .window = 16,
                        .deadline_ms = 20000,
                        .longest = N,
                        .rule = rule,
                        .kernel = in_kernel};
    memset(workers, 0, sizeof workers);
    choose_addresses();
    px_err err = px_hub_open(&h, &hub, d);
    for (unsigned i = 0; i < world && !err; i++) {
        px_reduce_options o = {.size = sizeof o,
                               .rank = i,
                               .world = world,
                               .addresses = addresses,
                               .aggregator = h.address,
                               .secret = secret,
                               .job = 3,
                               .values = 256,
                               .window = 16,
                               .silence_ms = 100000,
                               .longest = N};
        workers[i].rank = i;
        workers[i].world = world;
        workers[i].lies = i >= world - liars;
        err = px_reduce_open(&o, &workers[i].r, d);
    }
    if (err)
        close_all();
    return err;
}

/* How far the last mean lies from that of the honest; every worker must have the same bits. */
static double once(const char *rule, unsigned world, unsigned liars, px_hub_report *report)
{
    pthread_t threads[WORLD];
    px_diag d = {0};
    double far = 0;
    px_err err = open_all(rule, world, liars, &d);
    if (err)
        PX_FAIL("%s: %s (%s)", d.field, d.found, d.expected);
    for (unsigned i = 0; i < world; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    for (unsigned i = 0; i < world; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < N; i++) {
        double honest = 0;
        for (unsigned k = 0; k < world - liars; k++)
            honest += (double)value(k, ROUNDS - 1, i) / (world - liars);
        far = fmax(far, fabs((double)workers[0].x[i] - honest));
    }
    report->size = sizeof *report;
    px_hub_look(hub, report);
    for (unsigned i = 0; i < world; i++) {
        CHECK_EQ(workers[i].err, PX_ERR_OK);
        CHECK_EQ(workers[i].report.lost, 0);
        CHECK(memcmp(workers[i].x, workers[0].x, sizeof workers[0].x) == 0);
    }
    close_all();
    return far;
}

/* Once more when the machine stalled for longer than a deadline: somebody is missing in a sum. */
static double train(const char *rule, unsigned world, unsigned liars, px_hub_report *report)
{
    double far = 0;
    for (unsigned i = 0; i < 10; i++) {
        far = once(rule, world, liars, report);
        if (!report->closed)
            break;
        printf("# a deadline passed: once more\n");
    }
    return far;
}

TEST(a_mean_is_exact)
{
    px_hub_report r;
    CHECK(train(NULL, 3, 0, &r) < 1e-3);
    CHECK(r.finished >= ROUNDS * 12 && r.clipped == 0 && r.refused == 0);
    CHECK(train("mean", WORLD, 1, &r) > 3);
}

/* Each rule by its name: with a liar the mean is that of the honest, within what they differ by. */
TEST(rules_by_name)
{
    px_hub_report r;
    unsigned n = 0;
    for (const char *rule; (rule = px_hub_rule(n)); n++) {
        if (strcmp(rule, "mean") == 0)
            continue;
        double far = train(rule, WORLD, 1, &r), bound = strcmp(rule, "sign") == 0 ? 1.5 : 0.15;
        printf("# %s: %g off, %llu clamped, %llu refused\n", rule, far,
               (unsigned long long)r.clipped, (unsigned long long)r.refused);
        CHECK(far < bound);
    }
    CHECK_EQ(n, 11);
}

/* The kernel's program in the place of the slots: the same mean, and the liar is refused. */
TEST(the_kernel_adds_the_same)
{
    static const char *const rules[] = {"mean", "clip1", "welford"};
    for (unsigned i = 0; i < 3; i++) {
        px_hub_report user, kernel;
        in_kernel = 0;
        double far = train(rules[i], WORLD, 1, &user);
        in_kernel = 1;
        double same = train(rules[i], WORLD, 1, &kernel);
        if (strcmp(kernel.path, "kernel") != 0)
            PX_SKIP("%s", kernel.why);
        CHECK(strcmp(user.path, "user") == 0);
        CHECK(kernel.finished == user.finished);
        /* What a rule has learned when a packet comes depends on who was faster. */
        CHECK(i == 0 ? same == far : same < 0.15 && kernel.refused > 0);
    }
    in_kernel = 1;
    px_hub_report r;
    CHECK(train("median", WORLD, 1, &r) < 0.15); /* which the kernel has not */
    CHECK(strcmp(r.path, "user") == 0);
    in_kernel = 0;
}

/* ---------------------------------------------------------------- trees */

enum { TREE = 5, LEAF = 3 }; /* workers; of the first leaf, the others are of the second */

/* What all hubs of a job are given alike. */
static px_hub *open_hub(px_hub_options o, const char *address)
{
    px_hub *out;
    px_diag d = {0};
    o.size = sizeof o;
    o.address = address;
    o.secret = secret;
    o.job = 3;
    o.values = 256;
    o.window = 16;
    o.deadline_ms = o.slack_ms = 40000;
    o.longest = N;
    CHECK_EQ(px_hub_open(&o, &out, &d), PX_ERR_OK);
    return out;
}

/* The results of the workers, through two leaves or one hub. */
static uint64_t sum_once(int tree, float out[N])
{
    uint64_t closed = 0;
    static const unsigned each[2] = {LEAF, TREE - LEAF};
    px_hub *hubs[3] = {NULL};
    pthread_t threads[TREE];
    px_diag d = {0};
    static unsigned port = 21000;
    char leaf[2][64];
    choose_addresses(); /* of workers, and the hub */
    for (unsigned i = 0; i < 2; i++)
        px_own_address(leaf[i], sizeof leaf[i], port++);
    const char *leaves[2] = {leaf[0], leaf[1]};
    hubs[2] = open_hub((px_hub_options){.workers = tree ? leaves : addresses,
                                        .world = tree ? 2 : TREE,
                                        .leaves = tree ? each : NULL},
                       text[WORLD]);
    for (unsigned i = 0; i < 2 && tree; i++)
        hubs[i] = open_hub((px_hub_options){.workers = addresses + i * LEAF,
                                            .world = each[i],
                                            .above = text[WORLD],
                                            .leaf = i,
                                            .first = i * LEAF,
                                            .total = TREE},
                           leaves[i]);
    memset(workers, 0, sizeof workers);
    for (unsigned i = 0; i < TREE; i++) {
        px_reduce_options o = {.size = sizeof o,
                               .rank = i,
                               .world = TREE,
                               .addresses = addresses,
                               .aggregator = tree ? leaves[i >= LEAF] : text[WORLD],
                               .secret = secret,
                               .job = 3,
                               .values = 256,
                               .window = 16,
                               .silence_ms = 100000,
                               .longest = N};
        workers[i].rank = i;
        CHECK_EQ(px_reduce_open(&o, &workers[i].r, &d), PX_ERR_OK);
    }
    for (unsigned i = 0; i < TREE; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    for (unsigned i = 0; i < TREE; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < TREE; i++) {
        CHECK_EQ(workers[i].err, PX_ERR_OK);
        CHECK(memcmp(workers[i].x, workers[0].x, sizeof workers[0].x) == 0);
        px_reduce_close(workers[i].r);
    }
    memcpy(out, workers[0].x, N * sizeof *out);
    for (unsigned i = 0; i < 3; i++) {
        px_hub_report r = {.size = sizeof r};
        if (hubs[i])
            px_hub_look(hubs[i], &r);
        CHECK(!hubs[i] || r.finished >= ROUNDS * 12);
        closed += r.closed;
        px_hub_close(hubs[i]);
    }
    return closed;
}

/* As train: once more when the machine stalled. */
static void sum_by(int tree, float out[N])
{
    for (unsigned i = 0; i < 10 && sum_once(tree, out); i++)
        printf("# a deadline passed: once more\n");
}

TEST(leaves_and_the_one_above_have_the_bits_of_one)
{
    static float flat[N], tree[N];
    sum_by(0, flat);
    sum_by(1, tree);
    CHECK(memcmp(flat, tree, sizeof flat) == 0);
}

TEST(what_a_tree_cannot_be)
{
    static const unsigned each[2] = {2, 33};
    const char *some[] = {"/ip4/127.0.0.1/udp/1", "/ip4/127.0.0.1/udp/2"};
    px_diag d = {0};
    px_hub_options o = {.size = sizeof o,
                        .address = "/ip4/127.0.0.1/udp/0",
                        .workers = some,
                        .world = 2,
                        .secret = secret,
                        .longest = 100,
                        .leaves = each};
    CHECK_EQ(px_hub_open(&o, &hub, &d), PX_ERR_INVALID);
    o.leaves = NULL;
    o.above = "/ip4/127.0.0.1/udp/3";
    o.first = 3;
    o.total = 4;
    CHECK_EQ(px_hub_open(&o, &hub, &d), PX_ERR_INVALID);
    o.total = 5;
    o.rule = "median";
    CHECK_EQ(px_hub_open(&o, &hub, &d), PX_ERR_INVALID);
    o.rule = NULL;
    CHECK_EQ(px_hub_open(&o, &hub, &d), PX_ERR_OK);
    px_hub_close(hub);
}

TEST(what_cannot_be)
{
    const char *some[] = {"/ip4/127.0.0.1/udp/1", "/ip4/127.0.0.1/udp/2"};
    px_diag d = {0};
    px_hub_options o = {.size = sizeof o,
                        .address = "/ip4/127.0.0.1/udp/0",
                        .workers = some,
                        .world = 2,
                        .secret = secret,
                        .longest = 100,
                        .rule = "root"};
    CHECK_EQ(px_hub_open(&o, &hub, &d), PX_ERR_INVALID); /* trusted data does not come in packets */
    o.rule = "best";
    CHECK_EQ(px_hub_open(&o, &hub, &d), PX_ERR_INVALID);
    o.rule = "median";
    CHECK_EQ(px_hub_open(&o, &hub, &d), PX_ERR_INVALID); /* of two */
    o.rule = NULL;
    CHECK_EQ(px_hub_open(&o, &hub, &d), PX_ERR_OK);
    px_hub_close(hub);
    o.address = "/ip4/127.0.0.1/tcp/0";
    CHECK_EQ(px_hub_open(&o, &hub, &d), PX_ERR_INVALID);
}

/* A training over sockets, as the demo has it. */
TEST(a_liar_ruins_the_mean)
{
    px_poison_data *data = px_poison_data_new(1);
    px_poison_look last;
    px_diag d = {0};
    px_poison_live_options o = {.size = sizeof o,
                                .rule = "mean",
                                .workers = 4,
                                .liars = 1,
                                .times = -10,
                                .rounds = 120,
                                .every = 1000};
    CHECK_EQ(px_poison_live(&o, data, &last, &d), PX_ERR_OK);
    CHECK(last.accuracy < 50 && last.round == 120);
    o.rule = "clip1";
    CHECK_EQ(px_poison_live(&o, data, &last, &d), PX_ERR_OK);
    CHECK(last.accuracy > 80 && last.loss < 2);
    CHECK(last.hub.workers[3].verdicts > 0);
    o.liars = 2;
    CHECK_EQ(px_poison_live(&o, data, &last, &d), PX_ERR_INVALID);
    px_poison_data_free(data);
}

TEST_MAIN()
