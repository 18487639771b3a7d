/* Requests as they come from strangers, and records that only their writer can make. */
#include "px_test.h"

#include "base/limits.h"
#include "codec/varint.h"
#include "crypto/key.h"
#include "net/kad_impl.h"

enum { WALL = 1800000000 };

static struct pxi_timers timers;
static struct pxi_random random_;
static struct pxi_key *key;
static struct pxi_host *host;
static struct pxi_kad *kad;
static uint64_t wall_now = WALL;

static uint64_t wall(void)
{
    return wall_now;
}

static void begin(bool accept_all)
{
    random_ = pxi_random_seeded(px_seed);
    key = pxi_key_new(PXI_KEY_ED25519, &random_);
    struct pxi_host_options o = {
        .key = key, .timers = &timers, .random = &random_, .agent = "t", .wall_s = wall};
    struct pxi_kad_options ko = {.quiet = true, .accept_all = accept_all};
    host = pxi_host_new(&o);
    kad = pxi_kad_new(host, &ko);
    CHECK(host && kad);
}

static void end(void)
{
    pxi_kad_free(kad);
    pxi_host_free(host);
    pxi_key_free(key);
}

static struct pxi_peer stranger(unsigned n)
{
    uint8_t pub[36] = {8, 1, 18, 32, (uint8_t)n};
    return pxi_peer_of_key(px_view_of(pub, sizeof pub));
}

static px_err ask(const struct pxi_msg_kad *m, struct pxi_msg_kad *answer, struct pxi_arena *a)
{
    static struct pxi_buf out;
    struct pxi_kad_frames f = {0};
    struct pxi_peer from = stranger(1);
    px_view frame, in;
    px_diag d;
    pxi_buf_deinit(&out);
    out = (struct pxi_buf){.max = PXI_LIMIT_KAD_MESSAGE_BYTES};
    px_err err = pxi_kad_answer(kad, &from, PXI_IP_PUBLIC, m, &out);
    if (err == PX_ERR_OK && out.n && answer) {
        in = px_view_of(out.p, out.n);
        pxi_arena_init(a, 1 << 20);
        CHECK_EQ(pxi_kad_frame_next(&f, &in, &frame), 1);
        CHECK_EQ(pxi_kad_decode(frame, a, answer, &d), PX_ERR_OK);
    }
    return err;
}

static px_err put(const char *name, const char *record_name, px_view value)
{
    struct pxi_msg_kad_record r = {px_view_str(record_name), value, {NULL, 0}};
    struct pxi_msg_kad m = {PXI_KAD_PUT_VALUE, px_view_str(name), &r, {0}, {0}};
    return ask(&m, NULL, NULL);
}

TEST(strange_values_are_refused)
{
    static uint8_t big[PXI_LIMIT_KAD_VALUE_BYTES + 1];
    begin(false);
    CHECK_EQ(put("/x/a", "/x/a", px_view_str("v")), PX_ERR_UNSUPPORTED);
    CHECK_EQ(put("/v/a", "/v/a", px_view_str("v")), PX_ERR_UNSUPPORTED);
    CHECK_EQ(put("/ipns/a", "/ipns/a", px_view_str("v")), PX_ERR_UNSUPPORTED);
    CHECK_EQ(put("/v/a", "/v/b", px_view_str("v")), PX_ERR_PROTOCOL);
    CHECK_EQ(put("/v/a", "/v/a", px_view_of(big, sizeof big)), PX_ERR_LIMIT);
    struct pxi_msg_kad none = {.type = PXI_KAD_PUT_VALUE, .key = px_view_str("/v/a")};
    CHECK_EQ(ask(&none, NULL, NULL), PX_ERR_PROTOCOL);
    struct pxi_msg_kad longer = {.type = PXI_KAD_FIND_NODE, .key = px_view_of(big, 4096)};
    CHECK_EQ(ask(&longer, NULL, NULL), PX_ERR_LIMIT);
    CHECK_EQ(pxi_kad_stats_of(kad).records, 0);
    CHECK(pxi_host_faults(host)->n[PXI_FAULT_KAD] >= 4);
    CHECK(pxi_host_faults(host)->n[PXI_FAULT_KAD_RECORD] >= 3);
    end();
}

TEST(the_greatest_of_free_values_wins)
{
    struct pxi_msg_kad m = {.type = PXI_KAD_GET_VALUE, .key = px_view_str("/v/a")}, answer;
    struct pxi_arena a;
    begin(true);
    CHECK_EQ(put("/v/a", "/v/a", px_view_str("b")), PX_ERR_OK);
    CHECK_EQ(put("/v/a", "/v/a", px_view_str("a")), PX_ERR_REFUSED);
    CHECK_EQ(put("/v/a", "/v/a", px_view_str("c")), PX_ERR_OK);
    CHECK_EQ(ask(&m, &answer, &a), PX_ERR_OK);
    CHECK(answer.record && px_view_is(answer.record->value, "c"));
    CHECK(px_view_is(answer.record->time_received, "2027-01-15T08:00:00Z"));
    pxi_arena_deinit(&a);
    timers.now_ns += 49 * 3600 * PXI_SECOND; /* nobody renewed it */
    CHECK_EQ(ask(&m, &answer, &a), PX_ERR_OK);
    CHECK(!answer.record);
    pxi_arena_deinit(&a);
    end();
}

TEST(public_keys_stand_under_their_own_names)
{
    begin(false);
    px_view pub = pxi_key_public(key);
    struct pxi_peer self = *pxi_host_self(host), other = stranger(9);
    uint8_t name[64] = "/pk/";
    struct pxi_msg_kad_record r = {{NULL, 0}, pub, {NULL, 0}};
    struct pxi_msg_kad m = {.type = PXI_KAD_PUT_VALUE, .record = &r};
    memcpy(name + 4, self.b, self.n);
    m.key = r.key = px_view_of(name, 4u + self.n);
    CHECK_EQ(ask(&m, NULL, NULL), PX_ERR_OK);
    memcpy(name + 4, other.b, other.n);
    CHECK_EQ(ask(&m, NULL, NULL), PX_ERR_IDENTITY);
    end();
}

TEST(only_the_peer_itself_provides)
{
    uint8_t hash[34] = {0x12, 0x20, 7};
    struct pxi_peer self = stranger(1), other = stranger(2);
    struct pxi_msg_kad_peer p[2] = {{pxi_peer_view(&other), {0}, 0},
                                    {pxi_peer_view(&self), {0}, 0}};
    struct pxi_msg_kad m = {.type = PXI_KAD_ADD_PROVIDER, .key = px_view_of(hash, 34)};
    begin(false);
    m.providers.p = p;
    m.providers.n = 1;
    CHECK_EQ(ask(&m, NULL, NULL), PX_ERR_IDENTITY);
    CHECK_EQ(pxi_kad_stats_of(kad).providers, 0);
    m.providers.n = 2;
    CHECK_EQ(ask(&m, NULL, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_kad_stats_of(kad).providers, 1);
    m.key.n = 33; /* no multihash any more */
    CHECK_EQ(ask(&m, NULL, NULL), PX_ERR_CORRUPT);
    end();
}

static px_view seal(struct pxi_buf *out, const char *name, uint64_t seq, uint64_t expires)
{
    out->max = 8192;
    out->n = 0;
    CHECK_EQ(pxi_kad_own_seal(key, px_view_str(name), seq, expires, px_view_str("value"), out),
             PX_ERR_OK);
    return px_view_of(out->p, out->n);
}

TEST(own_records_are_written_by_their_peer_alone)
{
    struct pxi_buf name = {.max = 256}, wrong = {.max = 256}, a = {0}, b = {0};
    struct pxi_peer other;
    struct pxi_kad_own own;
    begin(false);
    other = stranger(3);
    CHECK_EQ(pxi_kad_own_key(pxi_host_self(host), "experts", &name), PX_ERR_OK);
    CHECK_EQ(pxi_kad_own_key(&other, "experts", &wrong), PX_ERR_OK);
    CHECK(pxi_buf_add(&name, "", 1) && pxi_buf_add(&wrong, "", 1));
    const char *n = (const char *)name.p, *w = (const char *)wrong.p;
    px_view v = seal(&a, n, 5, WALL + 100);
    CHECK_EQ(pxi_kad_own_open(px_view_str(n), v, &own), PX_ERR_OK);
    CHECK_EQ(own.seq, 5);
    CHECK(px_view_is(own.value, "value"));
    CHECK_EQ(put(n, n, v), PX_ERR_OK);
    CHECK_EQ(put(w, w, v), PX_ERR_IDENTITY); /* another peer's name */
    px_view forged = seal(&b, w, 5, WALL + 100);
    CHECK_EQ(put(w, w, forged), PX_ERR_IDENTITY); /* signed by the wrong key */
    for (size_t i = 0; i < a.n; i += 7) {         /* any change breaks it */
        a.p[i] ^= 1;
        CHECK(pxi_kad_own_open(px_view_str(n), v, &own) != PX_ERR_OK || a.p[i] == 0);
        a.p[i] ^= 1;
    }
    CHECK_EQ(put(n, n, seal(&b, n, 4, WALL + 100)), PX_ERR_REFUSED); /* older */
    CHECK_EQ(put(n, n, seal(&b, n, 6, WALL + 100)), PX_ERR_OK);
    CHECK_EQ(put(n, n, seal(&b, n, 7, WALL)), PX_ERR_TIMEOUT); /* expired */
    CHECK_EQ(put(n, n, seal(&b, n, UINT64_MAX >> 1, UINT64_MAX >> 1)), PX_ERR_OK);
    pxi_buf_deinit(&name);
    pxi_buf_deinit(&wrong);
    pxi_buf_deinit(&a);
    pxi_buf_deinit(&b);
    end();
}

TEST(frames_come_in_pieces)
{
    uint8_t bytes[700];
    struct pxi_kad_frames f = {0};
    px_view frame, in;
    size_t n = 0;
    for (unsigned i = 0; i < 3; i++) {
        size_t len = 100 + 50 * i;
        n += pxi_varint_put(bytes + n, len);
        memset(bytes + n, (int)i, len);
        n += len;
    }
    for (size_t piece = 1; piece < n; piece += 13) {
        unsigned got = 0;
        for (size_t at = 0; at < n; at += piece) {
            in = px_view_of(bytes + at, n - at < piece ? n - at : piece);
            while (pxi_kad_frame_next(&f, &in, &frame) > 0) {
                CHECK_EQ(frame.n, 100 + 50 * got);
                CHECK_EQ(frame.p[0], got);
                CHECK_EQ(frame.p[frame.n - 1], got);
                got++;
            }
            CHECK_EQ(in.n, 0);
        }
        CHECK_EQ(got, 3);
        pxi_kad_frames_clear(&f);
    }
    in = px_view_of("\xff\xff\xff\xff\xff\xff\xff\x7f", 8); /* no allocation from the claim */
    uint64_t before = pxi_mem_count();
    CHECK_EQ(pxi_kad_frame_next(&f, &in, &frame), -1);
    CHECK_EQ(pxi_mem_count(), before);
}

TEST_MAIN()
