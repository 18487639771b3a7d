/* Trainings with liars: the same twice, ruined ones end, and a rule makes the difference. */
#include "plexus/poison.h"
#include "px_test.h"

static double train(const px_poison_data *d, const char *rule, const char *attack, unsigned rounds)
{
    px_poison_training t = {.size = sizeof t,
                            .rule = rule,
                            .attack = attack,
                            .workers = 10,
                            .liars = 2,
                            .rounds = rounds};
    double accuracy = -1;
    CHECK(px_poison_train(&t, d, &accuracy) == PX_ERR_OK);
    CHECK(accuracy >= 0 && accuracy <= 100);
    return accuracy;
}

/* One round of every attack against every rule, all of which end; and the same figure twice. */
TEST(all_end_and_repeat)
{
    px_poison_data *d = px_poison_data_new(px_seed);
    for (unsigned r = 0; px_poison_rule(r); r++)
        for (unsigned a = 0; px_poison_attack(a); a++) {
            double once = train(d, px_poison_rule(r), px_poison_attack(a), 2);
            CHECK(once == train(d, px_poison_rule(r), px_poison_attack(a), 2));
        }
    px_poison_data_free(d);
}

TEST(a_rule_makes_the_difference)
{
    px_poison_data *d = px_poison_data_new(px_seed);
    CHECK(train(d, "mean", "none", 100) > 85);
    CHECK(train(d, "mean", "flip x10", 300) < 30); /* until nothing is finite */
    CHECK(train(d, "clip1", "flip x10", 100) > 75);
    CHECK(train(d, "nnm+trim", "flip x10", 100) > 85);
    px_poison_data_free(d);
}

/* The kernel's program adds what the slots add: the same model, to the last bit. */
TEST(the_kernel_trains_the_same)
{
    static const char *const rules[] = {"mean", "clip1", "welford"};
    static const char *const attacks[] = {"none", "flip x10", "NaN/Inf", "exponent", "slow ramp"};
    px_poison_data *d = px_poison_data_new(px_seed);
    for (unsigned r = 0; r < 3; r++)
        for (unsigned a = 0; a < sizeof attacks / sizeof *attacks; a++) {
            px_poison_training t = {.size = sizeof t,
                                    .rule = rules[r],
                                    .attack = attacks[a],
                                    .workers = 10,
                                    .liars = 2,
                                    .rounds = 40,
                                    .kernel = 1};
            double kernel = -1;
            px_err err = px_poison_train(&t, d, &kernel);
            if (err == PX_ERR_PERMISSION || err == PX_ERR_UNSUPPORTED)
                PX_SKIP("the kernel refuses BPF, or this build has none");
            CHECK(err == PX_ERR_OK);
            CHECK(kernel == train(d, rules[r], attacks[a], 40));
        }
    px_poison_data_free(d);
}

TEST(what_cannot_be)
{
    px_poison_data *d = px_poison_data_new(1);
    px_poison_training t = {.size = sizeof t,
                            .rule = "clip1",
                            .attack = "none",
                            .workers = 10,
                            .liars = 5,
                            .rounds = 1};
    double accuracy;
    CHECK(px_poison_train(&t, d, &accuracy) == PX_ERR_INVALID);
    t.liars = 4;
    CHECK(px_poison_train(&t, d, &accuracy) == PX_ERR_OK);
    t.rule = "best";
    CHECK(px_poison_train(&t, d, &accuracy) == PX_ERR_INVALID);
    px_poison_data_free(d);
}

TEST_MAIN()
