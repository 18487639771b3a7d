/* The parts of gossipsub by themselves: the wire form, ids and caches, scores, signatures. */
#include "net/gossip.h"

#include "base/limits.h"
#include "base/rng.h"
#include "base/timer.h"
#include "codec/messages.h"
#include "px_test.h"

static const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

/* The published vectors are of SipHash-2-4; this is the 1-3 form as others compute it (its input is
 * the bytes 0, 1, 2, ... as there). */
TEST(hash_depends_on_every_byte_and_the_key)
{
    uint8_t in[32];
    uint64_t seen[33], other[2] = {key[0], key[1] ^ 1};
    for (unsigned i = 0; i < 32; i++)
        in[i] = (uint8_t)i;
    for (unsigned n = 0; n <= 32; n++) {
        seen[n] = pxi_siphash(key, px_view_of(in, n));
        CHECK(seen[n] != pxi_siphash(other, px_view_of(in, n)));
        for (unsigned m = 0; m < n; m++)
            CHECK(seen[m] != seen[n]);
        for (unsigned i = 0; i < n; i++) {
            in[i] ^= 0x80;
            CHECK(pxi_siphash(key, px_view_of(in, n)) != seen[n]);
            in[i] ^= 0x80;
        }
    }
    CHECK(seen[0] == 0xabac0158050fc4dcu); /* SipHash-1-3 of nothing under this key */
}

/* --------------------------------------------------------------------- rpc */

static struct pxi_buf sample(void)
{
    struct pxi_buf rpc = {.max = 4096}, control = {.max = 4096}, m = {.max = 4096};
    px_view topic = px_view_str("topic");
    CHECK(pxi_rpc_put_subscription(&rpc, true, topic));
    CHECK(pxi_rpc_put_subscription(&rpc, false, px_view_str("other")));
    CHECK(pxi_gossip_compose(&m, NULL, NULL, 0, topic, px_view_str("data")));
    CHECK(pxi_rpc_put_bytes(&rpc, PXI_RPC_PUBLISH, px_view_of(m.p, m.n)));
    CHECK(pxi_rpc_put_graft(&control, topic));
    CHECK(pxi_rpc_put_prune(&control, topic, UINT64_MAX, px_view_of(NULL, 0)));
    CHECK(pxi_rpc_put_prune(&control, topic, 0, px_view_of(NULL, 0)));
    CHECK(pxi_rpc_put_bytes(&rpc, PXI_RPC_CONTROL, px_view_of(control.p, control.n)));
    pxi_buf_deinit(&control);
    pxi_buf_deinit(&m);
    return rpc;
}

/* What we write is what the table of the codec reads. */
TEST(rpc_agrees_with_the_table)
{
    struct pxi_buf b = sample(), back = {.max = 4096};
    struct pxi_arena a;
    struct pxi_msg_gossip m;
    px_diag d;
    pxi_arena_init(&a, 0);
    CHECK_EQ(pxi_rpc_check(px_view_of(b.p, b.n), &d), PX_ERR_OK);
    CHECK_EQ(pxi_pb_decode(&pxi_pb_gossip, px_view_of(b.p, b.n), &a, &m, &d), PX_ERR_OK);
    CHECK_EQ(m.subscriptions.n, 2);
    CHECK_EQ(m.publish.n, 1);
    CHECK(m.control && m.control->graft.n == 1 && m.control->prune.n == 2);
    const struct pxi_msg_gossip_prune *p = m.control->prune.p;
    CHECK(p[0].backoff == UINT64_MAX && px_view_is(p[0].topic, "topic"));
    const struct pxi_msg_gossip_message *msg = m.publish.p;
    CHECK(px_view_is(msg->data, "data") && px_view_is(msg->topic, "topic"));
    CHECK_EQ(pxi_pb_encode(&pxi_pb_gossip, &m, &back), PX_ERR_OK);
    CHECK_EQ(pxi_rpc_check(px_view_of(back.p, back.n), &d), PX_ERR_OK);
    pxi_arena_deinit(&a);
    pxi_buf_deinit(&b);
    pxi_buf_deinit(&back);
}

TEST(rpc_cut_and_broken)
{
    struct pxi_buf b = sample();
    struct pxi_rng r = {px_seed};
    px_diag d;
    for (size_t n = 0; n < b.n; n++) { /* at the end of a field it is a shorter message */
        uint8_t *p = px_guarded(n, 0);
        memcpy(p, b.p, n);
        px_err err = pxi_rpc_check(px_view_of(p, n), &d);
        CHECK(err == PX_ERR_OK || (err == PX_ERR_CORRUPT && d.offset <= n));
    }
    for (unsigned k = 0; k < 20000; k++) {
        uint8_t *p = malloc(b.n);
        memcpy(p, b.p, b.n);
        for (unsigned i = 0; i < 3; i++)
            p[pxi_rng_below(&r, b.n)] = (uint8_t)pxi_rng_u64(&r);
        if (pxi_rpc_check(px_view_of(p, b.n), &d) != PX_ERR_OK)
            CHECK(d.offset <= b.n && d.field[0]);
        free(p);
    }
    static const uint8_t bad[][4] = {{0x0b, 0, 0, 0},           /* a group */
                                     {0x0a, 0x7f, 0, 0},        /* longer than the rest */
                                     {0x08, 1, 0, 0},           /* a subscription as a number */
                                     {0x12, 2, 0x0a, 5},        /* a message part beyond it */
                                     {0x00, 0, 0, 0},           /* field 0 */
                                     {0x0a, 0xff, 0xff, 0xff}}; /* a length without an end */
    for (unsigned i = 0; i < sizeof bad / 4; i++)
        CHECK_EQ(pxi_rpc_check(px_view_of(bad[i], 4), &d), PX_ERR_CORRUPT);
    pxi_buf_deinit(&b);
}

/* ------------------------------------------------------------------- cache */

static px_view id_of(uint32_t *v)
{
    return px_view_of(v, sizeof *v);
}

TEST(seen_ids_expire_and_have_a_limit)
{
    struct pxi_seen s;
    CHECK(pxi_seen_init(&s, 1024, 100, key));
    for (uint32_t i = 0; i < 5000; i++) {
        CHECK(!pxi_seen_find(&s, id_of(&i), 10));
        CHECK(pxi_seen_add(&s, id_of(&i), 10));
    }
    CHECK_EQ(s.count, 1024);
    for (uint32_t i = 0; i < 5000; i++)
        CHECK((pxi_seen_find(&s, id_of(&i), 50) != NULL) == (i >= 5000 - 1024));
    uint32_t v = 4999;
    struct pxi_seen_entry *e = pxi_seen_find(&s, id_of(&v), 50);
    for (uint16_t i = 0; i < PXI_SEEN_FROM; i++)
        CHECK(pxi_seen_from(e, i) && !pxi_seen_from(e, i));
    CHECK(!pxi_seen_from(e, 99)); /* no room to know */
    CHECK(pxi_seen_find(&s, id_of(&v), 109));
    CHECK(!pxi_seen_find(&s, id_of(&v), 110));
    CHECK_EQ(s.count, 0);
    pxi_seen_deinit(&s);
}

TEST(seen_ids_against_a_model)
{
    enum { N = 300 };
    struct pxi_seen s;
    struct pxi_rng r = {px_seed};
    uint64_t at[N], now = 1;
    memset(at, 0, sizeof at);
    CHECK(pxi_seen_init(&s, 4096, 50, key));
    for (unsigned k = 0; k < 20000; k++) {
        uint32_t v = (uint32_t)pxi_rng_below(&r, N);
        bool known = at[v] && now - at[v] < 50;
        now += pxi_rng_below(&r, 2);
        known = known && now - at[v] < 50;
        CHECK((pxi_seen_find(&s, id_of(&v), now) != NULL) == known);
        if (!known && pxi_rng_below(&r, 2)) {
            CHECK(pxi_seen_add(&s, id_of(&v), now));
            at[v] = now;
        }
    }
    pxi_seen_deinit(&s);
}

static struct pxi_gossip_msg *message(uint32_t v, const char *topic, size_t pad)
{
    struct pxi_gossip_id id = {.n = 4};
    struct pxi_buf b = {.max = pad + 100};
    uint8_t *data = calloc(1, pad + 1);
    memcpy(id.b, &v, 4);
    CHECK(pxi_gossip_compose(&b, NULL, NULL, 0, px_view_str(topic), px_view_of(data, pad)));
    struct pxi_gossip_msg *m = pxi_gossip_msg_new(px_view_of(b.p, b.n), &id);
    pxi_buf_deinit(&b);
    free(data);
    return m;
}

TEST(message_cache_windows_and_limits)
{
    struct pxi_mcache c;
    struct pxi_gossip_msg *out[100];
    CHECK(pxi_mcache_init(&c, 5, 50, 100000, key));
    for (uint32_t v = 0; v < 30; v++) {
        struct pxi_gossip_msg *m = message(v, v % 3 ? "a" : "b", 10);
        pxi_mcache_put(&c, m);
        pxi_gossip_msg_unref(m);
        if (v % 5 == 4)
            pxi_mcache_shift(&c);
    }
    CHECK_EQ(c.count, 20); /* four windows of five are left, and an empty one */
    uint32_t v = 9;
    CHECK(!pxi_mcache_get(&c, id_of(&v)));
    v = 10;
    CHECK(pxi_mcache_get(&c, id_of(&v)));
    CHECK_EQ(pxi_mcache_gossip(&c, px_view_str("b"), 3, out, 100), 3);
    CHECK_EQ(pxi_mcache_gossip(&c, px_view_str("a"), 3, out, 2), 2);
    CHECK_EQ(pxi_mcache_gossip(&c, px_view_str("none"), 3, out, 100), 0);
    for (uint32_t i = 100; i < 300; i++) {
        struct pxi_gossip_msg *m = message(i, "a", 3000);
        pxi_mcache_put(&c, m);
        pxi_gossip_msg_unref(m);
        CHECK(c.count <= 50 && c.bytes <= 100000);
    }
    struct pxi_gossip_msg *m = out[0] = message(7, "a", 0);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(pxi_gossip_msg_serve(m, 1000), i);
    CHECK_EQ(pxi_gossip_msg_serve(m, 3), 0);
    pxi_gossip_msg_unref(m);
    pxi_mcache_deinit(&c);
}

/* ------------------------------------------------------------------ scores */

struct book {
    struct pxi_score_book book;
    struct pxi_score_topic topic;
    struct pxi_score_peer *p[16];
};

/* Looked up each time: a stat that says nothing is forgotten. */
static struct pxi_score_stat *stat_of(struct book *b, unsigned i)
{
    return pxi_score_stat(b->p[i], &b->topic);
}

static struct pxi_peer peer(uint8_t i)
{
    struct pxi_peer p = {.n = 34, .b = {0x12, 32, i}};
    return p;
}

static void open_book(struct book *b, const struct pxi_gossip_score *params)
{
    CHECK(pxi_score_init(&b->book, params, 64, key));
    pxi_score_topic_init(&b->topic);
    for (uint8_t i = 0; i < 16; i++) {
        struct pxi_peer id = peer(i);
        CHECK((b->p[i] = pxi_score_peer(&b->book, &id)) != NULL);
        pxi_score_connected(&b->book, b->p[i], NULL);
    }
}

static void close_book(struct book *b)
{
    pxi_score_topic_deinit(&b->topic);
    pxi_score_deinit(&b->book);
}

static bool near(double a, double b)
{
    return a - b < 1e-9 && b - a < 1e-9;
}

TEST(score_parts)
{
    struct pxi_gossip_score w = pxi_gossip_score_default();
    struct book b;
    open_book(&b, &w);
    b.topic.params = (struct pxi_gossip_topic_score){.weight = 2,
                                                     .mesh_weight = 1,
                                                     .mesh_quantum_s = 2,
                                                     .mesh_cap = 3,
                                                     .first_weight = 1,
                                                     .first_decay = 0.5,
                                                     .first_cap = 4,
                                                     .rate_weight = -1,
                                                     .rate_decay = 0.5,
                                                     .rate_cap = 10,
                                                     .rate_threshold = 3,
                                                     .rate_activation_s = 5,
                                                     .failure_weight = -1,
                                                     .failure_decay = 0.9,
                                                     .invalid_weight = -3,
                                                     .invalid_decay = 0.5};
    pxi_score_graft(stat_of(&b, 0), 0);
    b.book.decayed_ns = 0;
    pxi_score_tick(&b.book, 4 * PXI_SECOND);
    CHECK(near(pxi_score_of(&b.book, b.p[0]), 2 * 2)); /* P1: two quanta */
    pxi_score_tick(&b.book, 100 * PXI_SECOND);
    CHECK(near(pxi_score_of(&b.book, b.p[0]), 2 * (3 - 9))); /* P1 at its cap, P3 of 3 missing */
    for (unsigned i = 0; i < 3; i++)
        pxi_score_duplicate(stat_of(&b, 0));
    CHECK(near(pxi_score_of(&b.book, b.p[0]), 2 * 3));
    for (unsigned i = 0; i < 9; i++)
        pxi_score_first(stat_of(&b, 1)); /* P2, at its cap, outside of the mesh */
    CHECK(near(pxi_score_of(&b.book, b.p[1]), 2 * 4));
    pxi_score_tick(&b.book, 101 * PXI_SECOND); /* rate 1.5: 1.5 missing */
    pxi_score_prune(stat_of(&b, 0));
    CHECK(near(pxi_score_of(&b.book, b.p[0]), 2 * -2.25)); /* P3b */
    for (unsigned i = 0; i < 3; i++)
        pxi_score_invalid(stat_of(&b, 2)); /* P4 squared */
    CHECK(near(pxi_score_of(&b.book, b.p[2]), 2 * -27));
    pxi_score_behaviour(b.p[3], 5); /* P7 over 2, squared */
    CHECK(near(pxi_score_of(&b.book, b.p[3]), -10 * 9));
    b.p[4]->app = -7;
    CHECK(near(pxi_score_of(&b.book, b.p[4]), -7));
    close_book(&b);
}

TEST(score_of_many_from_one_address)
{
    struct pxi_gossip_score w = pxi_gossip_score_default();
    struct pxi_endpoint e = {.family = 4, .ip = {8, 8, 8, 8}}, lan = {.family = 4, .ip = {10}};
    struct pxi_endpoint six = {.family = 6, .ip = {0x26, 1}};
    struct book b;
    w.ip_threshold = 4;
    open_book(&b, &w);
    for (unsigned i = 0; i < 6; i++)
        pxi_score_connected(&b.book, b.p[i], &e);
    CHECK(near(pxi_score_of(&b.book, b.p[0]), -5 * 4));
    pxi_score_disconnected(&b.book, b.p[5], 0);
    CHECK(near(pxi_score_of(&b.book, b.p[0]), -5));
    pxi_score_connected(&b.book, b.p[4], &lan);
    CHECK(near(pxi_score_of(&b.book, b.p[0]), 0));
    for (unsigned i = 0; i < 16; i++)
        pxi_score_connected(&b.book, b.p[i], &lan); /* a LAN behind one address is no crime */
    CHECK(near(pxi_score_of(&b.book, b.p[0]), 0));
    for (unsigned i = 0; i < 6; i++) { /* IPv6: the same /64 */
        six.ip[15] = (uint8_t)i;
        pxi_score_connected(&b.book, b.p[i], &six);
    }
    CHECK(near(pxi_score_of(&b.book, b.p[0]), -5 * 4));
    close_book(&b);
}

TEST(score_outlives_the_connection)
{
    struct pxi_gossip_score w = pxi_gossip_score_default();
    struct pxi_peer id = peer(0);
    struct book b;
    w.retain_s = 100;
    open_book(&b, &w);
    pxi_score_behaviour(b.p[0], 4);
    for (unsigned i = 0; i < 3; i++)
        pxi_score_first(stat_of(&b, 1));
    pxi_score_disconnected(&b.book, b.p[0], PXI_SECOND);
    pxi_score_disconnected(&b.book, b.p[1], PXI_SECOND);
    for (unsigned s = 2; s < 90; s++)
        pxi_score_tick(&b.book, s * PXI_SECOND);
    CHECK(pxi_score_of(&b.book, pxi_score_find(&b.book, &id)) <= -40); /* and does not decay */
    CHECK(near(pxi_score_of(&b.book, b.p[1]), 0));
    pxi_score_tick(&b.book, 102 * PXI_SECOND);
    CHECK(!pxi_score_find(&b.book, &id));
    close_book(&b);
}

TEST(book_is_bounded)
{
    struct pxi_gossip_score w = pxi_gossip_score_default();
    struct book b;
    open_book(&b, &w);
    for (unsigned i = 16; i < 200; i++) {
        struct pxi_peer id = peer((uint8_t)i);
        struct pxi_score_peer *p = pxi_score_peer(&b.book, &id);
        CHECK(p && b.book.count <= 64);
        pxi_score_connected(&b.book, p, NULL);
        pxi_score_disconnected(&b.book, p, i);
    }
    for (uint8_t i = 0; i < 16; i++) { /* those that are connected are still there */
        struct pxi_peer id = peer(i);
        CHECK(pxi_score_find(&b.book, &id) == b.p[i]);
    }
    close_book(&b);
}

TEST(back_offs_are_never_shortened_and_do_not_overflow)
{
    struct pxi_gossip_score w = pxi_gossip_score_default();
    struct book b;
    open_book(&b, &w);
    pxi_score_backoff(stat_of(&b, 0), 1000, 60);
    pxi_score_backoff(stat_of(&b, 0), 1000, 10);
    CHECK(pxi_score_backing_off(stat_of(&b, 0), 1059) &&
          !pxi_score_backing_off(stat_of(&b, 0), 1060));
    pxi_score_backoff(stat_of(&b, 0), 1000, UINT64_MAX);
    CHECK(pxi_score_backing_off(stat_of(&b, 0), UINT64_MAX / 4));
    pxi_score_backoff(NULL, 1, 1);
    close_book(&b);
}

/* -------------------------------------------------------------- signatures */

static struct pxi_rpc_message signed_message(struct pxi_buf *b, const struct pxi_key *k)
{
    struct pxi_peer self = pxi_peer_of_key(pxi_key_public(k));
    b->n = 0;
    CHECK(pxi_gossip_compose(b, k, &self, 0x0102030405060708u, px_view_str("t"),
                             px_view_str("hello")));
    return pxi_rpc_message_of(px_view_of(b->p, b->n));
}

TEST(signatures_of_every_key_type)
{
    struct pxi_random r = pxi_random_seeded(px_seed);
    for (int type = PXI_KEY_RSA; type <= PXI_KEY_ECDSA; type++) {
        struct pxi_key *k = pxi_key_new((enum pxi_key_type)type, &r);
        struct pxi_buf b = {.max = 4096};
        struct pxi_rpc_message m = signed_message(&b, k);
        struct pxi_peer from, self = pxi_peer_of_key(pxi_key_public(k));
        CHECK(k && pxi_gossip_shape(PXI_GOSSIP_STRICT_SIGN, &m, &from) == PX_ERR_OK);
        CHECK(pxi_peer_equal(&from, &self));
        CHECK((m.key.n != 0) == (type == PXI_KEY_RSA || type == PXI_KEY_ECDSA));
        CHECK_EQ(pxi_gossip_verify(&m, &from), PX_ERR_OK);
        CHECK_EQ(pxi_gossip_shape(PXI_GOSSIP_STRICT_NO_SIGN, &m, &from), PX_ERR_PROTOCOL);
        struct pxi_gossip_id id = pxi_gossip_id_of(PXI_GOSSIP_STRICT_SIGN, &m), mine, theirs;
        CHECK_EQ(id.n, self.n + 8);
        uint8_t form[1200];
        px_view pub = pxi_key_public(k);
        memcpy(form, pub.p, pub.n);
        memcpy(form + pub.n, m.seqno.p, 8);
        CHECK(pxi_gossip_id_from_key(px_view_of(form, pub.n + 8), &mine));
        CHECK(px_view_equal(pxi_gossip_id_view(&mine), pxi_gossip_id_view(&id)));
        CHECK(pxi_gossip_id_to_key(pxi_gossip_id_view(&id), &theirs) == (m.key.n == 0));
        if (!m.key.n)
            CHECK(px_view_equal(pxi_gossip_id_view(&theirs), px_view_of(form, pub.n + 8)));
        CHECK(!pxi_gossip_id_from_key(pxi_gossip_id_view(&id), &mine));
        for (size_t n = 0; n < pub.n + 8; n++)
            pxi_gossip_id_from_key(px_view_of(form, n), &mine);
        pxi_buf_deinit(&b);
        pxi_key_free(k);
    }
}

/* Each changed byte is noticed: by the walk, by the shape, or by the signature. */
TEST(tampered_messages)
{
    static const uint8_t seed[32] = {1}, seed2[32] = {2};
    struct pxi_key *k = pxi_key_from_seed(seed), *k2 = pxi_key_from_seed(seed2);
    struct pxi_buf b = {.max = 4096};
    struct pxi_rpc_message m = signed_message(&b, k);
    struct pxi_peer from;
    px_diag d;
    for (size_t i = 0; i < b.n; i++) {
        struct pxi_buf rpc = {.max = 4096};
        b.p[i] ^= 1;
        CHECK(pxi_rpc_put_bytes(&rpc, PXI_RPC_PUBLISH, px_view_of(b.p, b.n)));
        if (pxi_rpc_check(px_view_of(rpc.p, rpc.n), &d) == PX_ERR_OK) {
            m = pxi_rpc_message_of(px_view_of(b.p, b.n));
            CHECK(pxi_gossip_shape(PXI_GOSSIP_STRICT_SIGN, &m, &from) != PX_ERR_OK ||
                  pxi_gossip_verify(&m, &from) != PX_ERR_OK);
        }
        b.p[i] ^= 1;
        pxi_buf_deinit(&rpc);
    }
    /* an unknown field is covered too; a key of somebody else does not help */
    m = signed_message(&b, k);
    CHECK(pxi_rpc_put_uint(&b, 9, 1));
    m = pxi_rpc_message_of(px_view_of(b.p, b.n));
    CHECK(pxi_gossip_shape(PXI_GOSSIP_STRICT_SIGN, &m, &from) == PX_ERR_OK);
    CHECK_EQ(pxi_gossip_verify(&m, &from), PX_ERR_IDENTITY);
    m = signed_message(&b, k);
    CHECK(pxi_rpc_put_bytes(&b, PXI_RPC_MSG_KEY, pxi_key_public(k2)));
    m = pxi_rpc_message_of(px_view_of(b.p, b.n));
    CHECK_EQ(pxi_gossip_verify(&m, &from), PX_ERR_IDENTITY);
    m = signed_message(&b, k);
    CHECK(pxi_rpc_put_bytes(&b, PXI_RPC_MSG_KEY, pxi_key_public(k)));
    m = pxi_rpc_message_of(px_view_of(b.p, b.n));
    CHECK_EQ(pxi_gossip_verify(&m, &from), PX_ERR_OK);
    pxi_buf_deinit(&b);
    pxi_key_free(k);
    pxi_key_free(k2);
}

TEST(missing_parts)
{
    static const uint8_t seed[32] = {1};
    struct pxi_key *k = pxi_key_from_seed(seed);
    struct pxi_buf b = {.max = 4096}, cut = {.max = 4096};
    struct pxi_rpc_message m = signed_message(&b, k);
    struct pxi_peer from;
    for (unsigned drop = 1; drop <= 5; drop++) {
        struct pxi_rpc_field f;
        size_t at = 0, start = 0;
        cut.n = 0;
        for (; pxi_rpc_next(m.raw, &at, &f) == 1; start = at)
            if (f.number != drop)
                CHECK(pxi_buf_add(&cut, m.raw.p + start, at - start));
        struct pxi_rpc_message c = pxi_rpc_message_of(px_view_of(cut.p, cut.n));
        bool shape = pxi_gossip_shape(PXI_GOSSIP_STRICT_SIGN, &c, &from) == PX_ERR_OK;
        CHECK(shape == (drop == PXI_RPC_MSG_DATA || drop == PXI_RPC_MSG_TOPIC));
        CHECK(!shape || pxi_gossip_verify(&c, &from) != PX_ERR_OK);
        CHECK_EQ(pxi_gossip_shape(PXI_GOSSIP_STRICT_NO_SIGN, &c, &from), PX_ERR_PROTOCOL);
    }
    b.n = 0;
    CHECK(pxi_gossip_compose(&b, NULL, NULL, 0, px_view_str("t"), px_view_str("x")));
    m = pxi_rpc_message_of(px_view_of(b.p, b.n));
    CHECK_EQ(pxi_gossip_shape(PXI_GOSSIP_STRICT_NO_SIGN, &m, &from), PX_ERR_OK);
    CHECK_EQ(pxi_gossip_shape(PXI_GOSSIP_STRICT_SIGN, &m, &from), PX_ERR_PROTOCOL);
    CHECK_EQ(pxi_gossip_id_of(PXI_GOSSIP_STRICT_NO_SIGN, &m).n, 32);
    pxi_buf_deinit(&b);
    pxi_buf_deinit(&cut);
    pxi_key_free(k);
}

TEST_MAIN()
