/* Packets of training data: variants, damage, the search for the next one, and stores that give
 * the bytes back. Checksums are those of their definition, bit by bit. */
#include "base/mem.h"
#include "base/rng.h"
#include "data/packets.h"
#include "memory_file.h"
#include "px_test.h"

static uint16_t crc16(uint16_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint16_t)(b[i] << 8);
        for (unsigned k = 0; k < 8; k++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

static uint16_t crc16_reflected(uint16_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++) {
        crc ^= b[i];
        for (unsigned k = 0; k < 8; k++)
            crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0x8408 : crc >> 1);
    }
    return crc;
}

static uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= b[i];
        for (unsigned k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    }
    return ~crc;
}

static const struct pxi_ndp_sums sums = {crc16, crc16_reflected, crc32c};
static const struct pxi_ndp_variant ours;

static void add_packet(struct pxi_buf *b, struct pxi_ndp_variant v, struct pxi_ndp_packet head,
                       const void *payload, size_t n)
{
    static uint8_t out[70000];
    pxi_ndp_write(&sums, v, head, px_view_of(payload, n), out);
    CHECK(pxi_buf_add(b, out, pxi_ndp_bytes(n)));
}

static void add_tokens(struct pxi_buf *b, struct pxi_ndp_variant v, struct pxi_rng *rng, size_t n)
{
    static uint8_t payload[65536];
    for (size_t i = 0; i < n; i++)
        pxi_ndp_put_be(payload + 4 * i, 4, pxi_rng_below(rng, 50000));
    struct pxi_ndp_packet head = {.src = 1, .dst = 1, .typ = 1};
    add_packet(b, v, head, payload, 4 * n);
}

static px_view view(const struct pxi_buf *b)
{
    return px_view_of(b->p, b->n);
}

TEST(check_values)
{
    const char *s = "123456789";
    uint8_t head[6 + 9] = {PXI_NDP_SYNC};
    uint16_t want[] = {0x29B1, 0x31C3, 0xE5CC, 0x2189, 0x906E};
    memcpy(head + 6, s, 9);
    for (uint8_t i = 0; i < PXI_NDP_CRCS; i++) {
        struct pxi_ndp_variant v = {i, PXI_NDP_COVER_PAYLOAD};
        CHECK_EQ(pxi_ndp_packet_crc(&sums, v, px_view_of(head, sizeof head)), want[i]);
    }
    CHECK_EQ(crc32c(0, s, 9), 0xE3069283);
}

TEST(known_packet)
{
    static const uint8_t want[16] = {0xaa, 1, 1, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0x43, 0xc1};
    uint8_t out[16], payload[8] = {0, 0, 0, 1, 0, 0, 0, 2};
    struct pxi_ndp_packet head = {.src = 1, .dst = 1, .typ = 1};
    pxi_ndp_write(&sums, ours, head, px_view_of(payload, 8), out);
    CHECK(memcmp(out, want, sizeof want) == 0);
}

TEST(every_variant_is_found)
{
    struct pxi_rng rng = {px_seed};
    for (uint8_t c = 0; c < PXI_NDP_CRCS; c++)
        for (uint8_t k = 0; k < PXI_NDP_COVERS; k++) {
            struct pxi_ndp_variant v = {c, k}, found;
            struct pxi_buf b = {.max = 1 << 20};
            unsigned checked;
            pxi_buf_add(&b, "a head of a vendor \xaa\x01", 21);
            for (unsigned i = 0; i < 20; i++)
                add_tokens(&b, v, &rng, 1 + pxi_rng_below(&rng, 40));
            CHECK_EQ(pxi_ndp_detect(&sums, view(&b), &found, &checked), 20);
            CHECK(found.crc == c && found.cover == k);
            pxi_buf_deinit(&b);
        }
}

/* Pieces make up the input, without gaps. */
static void pieces(px_view in, uint64_t *packets, uint64_t dropped[PXI_NDP_DROPS])
{
    struct pxi_ndp_reader r;
    struct pxi_ndp_piece p;
    uint64_t at = 0;
    pxi_ndp_reader_init(&r, &sums, ours, in);
    while (pxi_ndp_next(&r, &p)) {
        CHECK_EQ(p.at, at);
        CHECK(p.bytes.n > 0 && p.bytes.p == in.p + at);
        at += p.bytes.n;
    }
    CHECK_EQ(at, in.n);
    *packets = r.packets;
    memcpy(dropped, r.dropped, sizeof r.dropped);
}

TEST(one_damaged_packet_is_dropped_alone)
{
    struct pxi_rng rng = {px_seed};
    struct pxi_buf b = {.max = 1 << 20};
    size_t at[31];
    for (unsigned i = 0; i < 30; i++) {
        at[i] = b.n;
        add_tokens(&b, ours, &rng, 1 + pxi_rng_below(&rng, 60));
    }
    at[30] = b.n;
    for (unsigned round = 0; round < 500; round++) {
        unsigned k = (unsigned)pxi_rng_below(&rng, 30);
        size_t where = at[k] + pxi_rng_below(&rng, at[k + 1] - at[k]);
        uint8_t flip = (uint8_t)(1 + pxi_rng_below(&rng, 255));
        uint64_t packets, dropped[PXI_NDP_DROPS];
        b.p[where] ^= flip;
        pieces(view(&b), &packets, dropped);
        CHECK_EQ(packets, 29);
        CHECK_EQ(dropped[0] + dropped[1] + dropped[2], 1);
        b.p[where] ^= flip;
    }
    pxi_buf_deinit(&b);
}

TEST(every_short_damage_is_caught)
{
    struct pxi_rng rng = {px_seed};
    struct pxi_buf b = {.max = 1 << 16};
    uint64_t false_ones = 0;
    add_tokens(&b, ours, &rng, 8);
    for (size_t bit = 0; bit + 16 <= b.n * 8; bit++) /* every burst of up to 16 bits */
        for (unsigned pattern = 1; pattern < 65536; pattern += 2 * (1 + bit % 7 * 3)) {
            uint64_t packets, dropped[PXI_NDP_DROPS];
            uint32_t x = pattern << (8 - bit % 8);
            uint8_t *p = b.p + bit / 8, old[3] = {p[0], p[1], bit / 8 + 2 < b.n ? p[2] : 0};
            p[0] ^= (uint8_t)(x >> 16);
            p[1] ^= (uint8_t)(x >> 8);
            if (bit / 8 + 2 < b.n)
                p[2] ^= (uint8_t)x;
            if (memcmp(p, old, 2) != 0 || (bit / 8 + 2 < b.n && p[2] != old[2])) {
                pieces(view(&b), &packets, dropped);
                CHECK(dropped[0] + dropped[1] + dropped[2] > 0);
                false_ones += packets; /* of another length, one in 65536: but bytes are left */
            }
            memcpy(p, old, bit / 8 + 2 < b.n ? 3 : 2);
        }
    CHECK(false_ones < 30);
    pxi_buf_deinit(&b);
}

/* All bursts of up to 16 bits, which are all changes of one byte and of two beside each other. */
TEST(every_burst_changes_the_crc)
{
    struct pxi_rng rng = {px_seed};
    struct pxi_buf b = {.max = 1 << 16};
    unsigned step = getenv("PX_TEST_LIGHT") ? 64 : 2;
    add_tokens(&b, ours, &rng, 8);
    const size_t n = b.n;
    uint8_t p[64];
    CHECK(n + 2 <= sizeof p);
    for (size_t bit = 0; bit < n * 8; bit++)
        for (unsigned pattern = 1; pattern < 65536; pattern += step) {
            const uint32_t x = pattern << (8 - bit % 8);
            size_t at = bit / 8;
            memcpy(p, b.p, n);
            p[at] ^= (uint8_t)(x >> 16);
            p[at + 1] ^= at + 1 < n ? (uint8_t)(x >> 8) : 0;
            p[at + 2] ^= at + 2 < n ? (uint8_t)x : 0;
            if (memcmp(p, b.p, n) != 0)
                CHECK(pxi_ndp_packet_crc(&sums, ours, px_view_of(p, n - 2)) !=
                      pxi_ndp_be(p + n - 2, 2));
        }
    pxi_buf_deinit(&b);
}

TEST(expensive_bytes_are_cheap)
{
    size_t n = 1 << 20;
    uint8_t *p = calloc(1, n);
    uint64_t packets, dropped[PXI_NDP_DROPS];
    for (size_t i = 0; i < n; i++) /* every sixth byte begins a packet of 64 KiB, whose next fits */
        p[i] = i % 6 == 0 || i % 6 > 3 ? PXI_NDP_SYNC : 0;
    pieces(px_view_of(p, n), &packets, dropped);
    CHECK_EQ(packets, 0);
    memset(p, PXI_NDP_SYNC, n);
    pieces(px_view_of(p, n), &packets, dropped);
    CHECK_EQ(packets, 0);
    free(p);
}

/* ------------------------------------------------------------------- stores */

static px_err into(void *ctx, px_view bytes)
{
    return pxi_buf_add(ctx, bytes.p, bytes.n) ? PX_ERR_OK : PX_ERR_NOMEM;
}

static void store_of(px_view file, struct memory_file *f, unsigned dtype, size_t segment)
{
    struct pxi_writer_options o = {.sums = &sums,
                                   .ops = &memory_file_ops,
                                   .file = memory_file_begin(f),
                                   .dtype = dtype,
                                   .bos = -1,
                                   .eos = -1,
                                   .pad = -1,
                                   .segment_bytes = segment};
    struct pxi_writer *w;
    CHECK_EQ(pxi_writer_new(&o, &w), PX_ERR_OK);
    CHECK_EQ(pxi_packets_read(&sums, ours, file, w, NULL, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_writer_commit(w), PX_ERR_OK);
    pxi_writer_free(w);
}

static struct pxi_source *open_source(px_view file)
{
    struct pxi_source_options o = {.sums = &sums};
    struct pxi_source *s = NULL;
    px_diag d = {0};
    px_err err = pxi_source_open(&o, file, &s, &d);
    if (err)
        PX_FAIL("%s at %llu: %s: expected %s, found %s", px_err_name(err),
                (unsigned long long)d.offset, d.field, d.expected, d.found);
    return s;
}

static void round_trip(px_view file, unsigned dtype, size_t segment)
{
    struct memory_file f;
    struct pxi_buf back = {.max = 1 << 28};
    px_diag d = {0};
    store_of(file, &f, dtype, segment);
    struct pxi_source *s = open_source(memory_file_bytes(&f)), *direct = open_source(file);
    CHECK_EQ(pxi_packets_write(&sums, s, into, &back, NULL, NULL, &d), PX_ERR_OK);
    CHECK_EQ(back.n, file.n);
    CHECK(memcmp(back.p, file.p, file.n) == 0);
    CHECK_EQ(pxi_source_info(s)->samples, pxi_source_info(direct)->samples);
    for (uint64_t i = 0; i < pxi_source_info(s)->samples; i++) {
        struct pxi_item a, b;
        CHECK(pxi_source_item(s, i, &a) && pxi_source_right(s, &a));
        CHECK(pxi_source_item(direct, i, &b) && pxi_source_right(direct, &b));
        CHECK(a.src == b.src && a.typ == b.typ);
    }
    pxi_source_close(s);
    pxi_source_close(direct);
    pxi_buf_deinit(&back);
    memory_file_end(&f);
}

TEST(packets_to_store_and_back)
{
    struct pxi_rng rng = {px_seed};
    for (unsigned round = 0; round < 60; round++) {
        struct pxi_buf b = {.max = 1 << 24};
        for (unsigned i = 0; i < 200; i++) {
            uint8_t junk[300];
            struct pxi_ndp_packet head = {.src = (uint8_t)pxi_rng_below(&rng, 256),
                                          .dst = (uint8_t)pxi_rng_below(&rng, 256),
                                          .typ = (uint8_t)pxi_rng_below(&rng, 256)};
            for (unsigned k = 0; k < sizeof junk; k++)
                junk[k] = (uint8_t)pxi_rng_below(&rng, 256);
            size_t n = pxi_rng_below(&rng, sizeof junk);
            if (pxi_rng_below(&rng, 3))
                add_tokens(&b, ours, &rng, pxi_rng_below(&rng, 100));
            else if (pxi_rng_below(&rng, 3))
                add_packet(&b, ours, head, junk, n);
            else
                CHECK(pxi_buf_add(&b, junk, n));
            if (pxi_rng_below(&rng, 20) == 0)
                b.p[pxi_rng_below(&rng, b.n)] ^= 0x10;
        }
        round_trip(view(&b), round % 2, 2000 + 1000 * round);
        pxi_buf_deinit(&b);
    }
}

TEST(hostile_files_to_store_and_back)
{
    static const char *const names[] = {"all_aa", "crc_bad_middle", "cut_crc",     "cut_header",
                                        "len_0",  "sync_lost",      "unknown_src", "three"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char path[100];
        static uint8_t bytes[65536];
        snprintf(path, sizeof path, "data/hostile/dev/ndp/%s.bin", names[i]);
        FILE *f = fopen(PX_SHARED(path), "rb");
        CHECK(f);
        size_t n = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        round_trip(px_view_of(bytes, n), PXI_NDP_DTYPE_I32, 0);
    }
}

TEST_MAIN()
