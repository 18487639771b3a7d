/* The byte queue against a flat copy: what goes in comes out, views stay where they are. */
#include "base/queue.h"

#include "base/mem.h"
#include "base/rng.h"
#include "px_test.h"

TEST(first_in_first_out)
{
    enum { TOTAL = 3000000 };
    struct pxi_queue q = {.max = 300000};
    struct pxi_rng r = {px_seed};
    static uint8_t in[200000], out[200000];
    uint64_t put = 0, got = 0;
    while (got < TOTAL) {
        size_t n = pxi_rng_below(&r, pxi_rng_below(&r, 2) ? 100 : sizeof in);
        for (size_t i = 0; i < n; i++)
            in[i] = (uint8_t)((put + i) * 31 >> 3);
        size_t taken = pxi_queue_put(&q, in, n);
        CHECK(taken == n || q.n == q.max);
        put += taken;
        n = pxi_queue_get(&q, out, pxi_rng_below(&r, sizeof out));
        for (size_t i = 0; i < n; i++)
            CHECK_EQ(out[i], (uint8_t)((got + i) * 31 >> 3));
        got += n;
        CHECK_EQ(q.n, put - got);
    }
    pxi_queue_clear(&q);
    CHECK(!q.head && !q.tail && q.n == 0);
}

TEST(views_do_not_move)
{
    struct pxi_queue q = {.max = 1 << 20};
    char block[1000] = {7};
    pxi_queue_put(&q, block, sizeof block);
    const uint8_t *at = pxi_queue_peek(&q, 100).p;
    for (int i = 0; i < 900; i++)
        pxi_queue_put(&q, block, sizeof block);
    CHECK(pxi_queue_peek(&q, 100).p == at);
    CHECK_EQ(pxi_queue_peek(&q, q.n).n, 0);
    size_t seen = 0;
    for (px_view v; (v = pxi_queue_peek(&q, seen)).n; seen += v.n)
        CHECK(v.p != NULL);
    CHECK_EQ(seen, 901000);
    pxi_queue_clear(&q);
}

/* Bytes go out behind the mark and are dropped later, as a transport does that may send again. */
TEST(mark_runs_ahead)
{
    struct pxi_queue q = {.max = 400000};
    struct pxi_rng r = {px_seed};
    static uint8_t in[100000];
    uint64_t put = 0, read = 0, dropped = 0;
    while (dropped < 5000000) {
        size_t n = pxi_rng_below(&r, pxi_rng_below(&r, 2) ? 100 : sizeof in);
        for (size_t i = 0; i < n; i++)
            in[i] = (uint8_t)((put + i) * 31 >> 3);
        put += pxi_queue_put(&q, in, n);
        for (unsigned k = (unsigned)pxi_rng_below(&r, 4); k; k--) {
            px_view v = pxi_queue_peek_unread(&q);
            CHECK((v.n == 0) == (read == put));
            n = pxi_rng_below(&r, v.n + 1);
            for (size_t i = 0; i < n; i++)
                CHECK_EQ(v.p[i], (uint8_t)((read + i) * 31 >> 3));
            pxi_queue_read(&q, n);
            read += n;
        }
        n = pxi_rng_below(&r, pxi_rng_below(&r, 3) ? read - dropped + 1 : put - dropped + 1);
        pxi_queue_drop(&q, n);
        dropped += n;
        read = read < dropped ? dropped : read;
        CHECK_EQ(pxi_queue_unread(&q), put - read);
        CHECK_EQ(q.n, put - dropped);
    }
    pxi_queue_clear(&q);
    CHECK(!q.head && !q.spare && !q.mark && !q.read);
}

/* Some bytes are copied, some lent; at times the lender wants its memory back, or changes its mind
 * about what it lent before and was dropped. */
TEST(lent_bytes_stay_where_they_are)
{
    enum { ROUNDS = 3000, MEMORY = 200000 };
    struct pxi_queue_pool pool = {.max = 1 << 18};
    struct pxi_queue q = {.max = 300000, .pool = px_seed & 1 ? &pool : NULL};
    struct pxi_rng r = {px_seed};
    static uint8_t memory[MEMORY], out[MEMORY];
    uint64_t put = 0, got = 0;
    for (unsigned k = 0; k < ROUNDS; k++) {
        size_t at = pxi_rng_below(&r, MEMORY), n = pxi_rng_below(&r, MEMORY - at + 1);
        if (q.lent)
            CHECK(pxi_queue_own(&q));
        CHECK_EQ(q.lent, 0);
        for (unsigned i = 0; i < n; i++)
            memory[at + i] = (uint8_t)((put + i) * 37 >> 2);
        size_t half = pxi_rng_below(&r, n + 1);
        size_t taken = pxi_queue_lend(&q, memory + at, half);
        if (taken == half)
            taken += pxi_queue_put(&q, memory + at + half, n - half);
        if (taken && put == got && half)
            CHECK(pxi_queue_is_lent(&q) && pxi_queue_peek(&q, 0).p == memory + at);
        CHECK(taken == n || q.n == q.max);
        put += taken;
        pxi_queue_read(&q, pxi_rng_below(&r, q.n + 1));
        size_t unread = pxi_queue_unread(&q);
        if (pxi_rng_below(&r, 3) == 0)
            CHECK(pxi_queue_own(&q));
        CHECK_EQ(pxi_queue_unread(&q), unread);
        px_view v = pxi_queue_peek_unread(&q);
        for (size_t i = 0; i < v.n; i++)
            CHECK_EQ(v.p[i], (uint8_t)((put - unread + i) * 37 >> 2));
        n = pxi_queue_get(&q, out, pxi_rng_below(&r, sizeof out));
        for (size_t i = 0; i < n; i++)
            CHECK_EQ(out[i], (uint8_t)((got + i) * 37 >> 2));
        got += n;
    }
    pxi_queue_clear(&q);
    CHECK_EQ(q.lent, 0);
    pxi_queue_pool_clear(&pool);
}

TEST(lending_without_memory)
{
    struct pxi_queue q = {.max = 1 << 20};
    static uint8_t memory[200000];
    pxi_mem_fail_after(2);
    size_t n = pxi_queue_lend(&q, memory, sizeof memory);
    CHECK(n > 0 && n < sizeof memory && n == q.lent && n == q.n);
    pxi_mem_fail_after(1);
    CHECK(!pxi_queue_own(&q));
    pxi_mem_fail_after(0);
    CHECK(pxi_queue_own(&q));
    CHECK_EQ(q.n, n);
    CHECK(pxi_queue_peek(&q, 0).p != memory);
    pxi_queue_clear(&q);
}

TEST(steady_flow_allocates_nothing)
{
    struct pxi_queue q = {.max = 1 << 20};
    static uint8_t block[50000];
    for (int i = 0; i < 20; i++)
        pxi_queue_put(&q, block, sizeof block);
    uint64_t before = 0;
    for (int i = 0; i < 1000; i++) {
        if (i == 20)
            before = pxi_mem_count();
        pxi_queue_drop(&q, sizeof block);
        CHECK_EQ(pxi_queue_put(&q, block, sizeof block), sizeof block);
    }
    CHECK_EQ(pxi_mem_count() - before, 0);
    pxi_queue_clear(&q);
}

TEST(pool_saves_allocations)
{
    struct pxi_queue_pool pool = {.max = 1 << 20};
    struct pxi_queue a = {.max = 1 << 20, .pool = &pool}, b = a;
    static uint8_t block[200000];
    uint64_t before = 0;
    for (int i = 0; i < 100; i++) {
        if (i == 2)
            before = pxi_mem_count();
        CHECK_EQ(pxi_queue_put(&a, block, sizeof block), sizeof block);
        CHECK_EQ(pxi_queue_put(&b, block, 100), 100);
        pxi_queue_clear(&a);
        pxi_queue_drop(&b, 100);
    }
    CHECK_EQ(pxi_mem_count(), before);
    CHECK(pool.bytes > 200000);
    pxi_queue_pool_trim(&pool);
    pxi_queue_put(&b, block, 100);
    CHECK(pool.bytes > 200000); /* all of them were needed since the start */
    pxi_queue_clear(&b);
    CHECK_EQ(pxi_queue_pool_trim(&pool), 512); /* only the short one was needed */
    CHECK_EQ(pxi_queue_pool_trim(&pool), 0);
    pool.max = 60000; /* too little for a long chunk */
    pxi_queue_put(&a, block, sizeof block);
    pxi_queue_clear(&a);
    CHECK(pool.bytes <= pool.max);
    pxi_queue_pool_clear(&pool);
    CHECK_EQ(pool.bytes, 0);
}

TEST_MAIN()
