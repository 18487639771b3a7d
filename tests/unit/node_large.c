/* Stores and packets of more than 4 GiB, with samples on both sides of the line and across it: a
 * file with a hole, where the file system has those. */
#include <fcntl.h>
#include <inttypes.h>

#include "crypto/hash.h"
#include "memory_file.h"
#include "node/data.h"
#include "px_test.h"

enum { SAMPLES = 400, TOKENS = 200, SEGMENT = 40000 };
#define LINE (1ull << 32)

static char folder[] = "/tmp/px-large-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];
    if (folder[strlen(folder) - 1] == 'X')
        CHECK(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void clean(const char *name)
{
    unlink(path_of(name));
    rmdir(folder);
}

/* Sample i, of 1 + 7 i % TOKENS tokens. */
static size_t sample_of(unsigned i, int32_t *tokens)
{
    for (unsigned k = 0; k < TOKENS; k++)
        tokens[k] = (int32_t)(i * 1000 + k);
    return 1 + 7 * i % TOKENS;
}

static void put(int fd, uint64_t at, px_view bytes)
{
    CHECK_EQ(pwrite(fd, bytes.p, bytes.n, (off_t)at), (ssize_t)bytes.n);
}

/* A file of so many bytes in which nothing is; skips where that takes room on the disk. */
static int open_hole(const char *name, uint64_t bytes)
{
    static const uint8_t one = 1;
    struct stat st;
    int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    bool made = ftruncate(fd, (off_t)bytes) == 0 && pwrite(fd, &one, 1, (off_t)bytes - 1) == 1 &&
                fstat(fd, &st) == 0 && (uint64_t)st.st_blocks * 512 < LINE / 64;
    if (!made) {
        close(fd);
        clean(name);
        PX_SKIP("no sparse files of 4 GiB in /tmp");
    }
    return fd;
}

static void check_samples(const px_data *data, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int32_t want[TOKENS], got[TOKENS];
        px_sample s;
        CHECK_EQ(px_data_sample(data, i, &s), PX_ERR_OK);
        size_t tokens = sample_of(i, want);
        CHECK_EQ(px_sample_tokens(&s, 0, got, TOKENS), tokens);
        CHECK(memcmp(got, want, tokens * sizeof *got) == 0);
        px_data_give_back(data, &s);
    }
}

/* All rows of a loader, in the order of the file. */
static void check_rows(px_data *data)
{
    px_loader_source source = {.data = data};
    px_loader_options o = {.size = sizeof o,
                           .sources = &source,
                           .source_count = 1,
                           .batch = 32,
                           .row_tokens = TOKENS,
                           .epochs = 1,
                           .sequential = 1,
                           .damage = PX_DAMAGE_ERROR};
    px_loader *l;
    const px_batch *b;
    px_diag d = {0};
    unsigned i = 0;
    CHECK_EQ(px_loader_new(&o, &l, &d), PX_ERR_OK);
    while (px_loader_next(l, &b, &d) == PX_ERR_OK && b) {
        for (unsigned r = 0; r < b->rows; r++, i++) {
            int32_t want[TOKENS];
            size_t n = sample_of(i, want);
            CHECK_EQ(b->lengths[r], (uint32_t)n);
            CHECK(memcmp((const int32_t *)b->ids + r * TOKENS, want, n * sizeof *want) == 0);
        }
        px_loader_give_back(l, b);
    }
    CHECK_EQ(i, (unsigned)SAMPLES);
    px_loader_free(l);
}

/* -------------------------------------------------------------------- store */

static struct pxi_ndp_sums sums;

static void make_store(struct memory_file *f)
{
    static struct pxi_kernels kernels;
    px_diag d = {0};
    CHECK_EQ(pxi_kernels_choose(&kernels, NULL, &d), PX_ERR_OK);
    sums = pxi_data_sums(&kernels);
    struct pxi_writer_options o = {.sums = &sums,
                                   .ops = &memory_file_ops,
                                   .file = memory_file_begin(f),
                                   .dtype = PXI_NDP_DTYPE_I32,
                                   .bos = -1,
                                   .eos = -1,
                                   .pad = -1,
                                   .segment_bytes = SEGMENT};
    struct pxi_writer *w;
    CHECK_EQ(pxi_writer_new(&o, &w), PX_ERR_OK);
    for (unsigned i = 0; i < SAMPLES; i++) {
        int32_t tokens[TOKENS];
        struct pxi_writer_sample s = {.src = 1, .dst = 1, .typ = 1, .tokens = tokens};
        s.count = sample_of(i, tokens);
        CHECK_EQ(pxi_writer_add(w, &s), PX_ERR_OK);
    }
    CHECK_EQ(pxi_writer_commit(w), PX_ERR_OK);
    pxi_writer_free(w);
}

/* The store with its later segments moved on, so that one lies across the line. */
static void write_moved(const char *name)
{
    struct memory_file f;
    uint8_t head[PXI_NDP_HEAD_BYTES];
    unsigned copy;
    px_diag d = {0};
    struct pxi_ndp_head h;
    make_store(&f);
    CHECK_EQ(pxi_ndp_head_open(&sums, memory_file_bytes(&f), f.n, &h, &copy, &d), PX_ERR_OK);
    uint8_t *directory = f.p + h.directory_at;
    struct pxi_ndp_directory dir = pxi_ndp_directory_read(directory);
    CHECK(dir.segments >= 4);
    unsigned middle = dir.segments / 2;
    uint8_t *row = directory + PXI_NDP_DIRECTORY_BYTES + middle * PXI_NDP_SEGMENT_BYTES;
    uint64_t from = pxi_ndp_segment_read(row).at, move = LINE - 5 * PXI_NDP_PAGE - from;
    int fd = open_hole(name, h.file_bytes + move);
    for (unsigned i = middle; i < dir.segments; i++, row += PXI_NDP_SEGMENT_BYTES) {
        struct pxi_ndp_segment s = pxi_ndp_segment_read(row);
        put(fd, s.at + move, px_view_of(f.p + s.at, s.bytes));
        CHECK(i > middle || s.at + move + s.bytes > LINE);
        s.at += move;
        pxi_ndp_segment_write(&s, row);
    }
    pxi_blake3(px_view_of(directory, h.directory_bytes), h.hash);
    put(fd, h.directory_at + move, px_view_of(directory, h.directory_bytes));
    put(fd, PXI_NDP_HEADS, px_view_of(f.p + PXI_NDP_HEADS, from - PXI_NDP_HEADS));
    h.directory_at += move;
    h.file_bytes += move;
    pxi_ndp_head_seal(&sums, h, head);
    put(fd, copy * PXI_NDP_PAGE, px_view_of(head, sizeof head));
    CHECK_EQ(close(fd), 0);
    memory_file_end(&f);
}

TEST(a_store_across_4_gib)
{
    px_data *data;
    px_data_info info;
    px_diag d = {0};
    write_moved("a.ndp3");
    CHECK_EQ(px_data_open(path_of("a.ndp3"), NULL, &data, &d), PX_ERR_OK);
    px_data_get_info(data, &info);
    CHECK_EQ(info.samples, (uint64_t)SAMPLES);
    CHECK(info.bytes > LINE);
    check_samples(data, SAMPLES);
    check_rows(data);
    CHECK_EQ(px_data_verify(data, NULL, NULL, &d), PX_ERR_OK);
    px_data_close(data);
    /* One more, behind all that. */
    px_data_writer_options o = {.size = sizeof o, .append = 1};
    px_data_writer *w;
    int32_t tokens[TOKENS];
    size_t n = sample_of(SAMPLES, tokens);
    CHECK_EQ(px_data_writer_new(path_of("a.ndp3"), &o, &w, &d), PX_ERR_OK);
    CHECK_EQ(px_data_write(w, 1, 1, tokens, n, 0), PX_ERR_OK);
    CHECK_EQ(px_data_commit(w), PX_ERR_OK);
    px_data_writer_free(w);
    CHECK_EQ(px_data_open(path_of("a.ndp3"), NULL, &data, &d), PX_ERR_OK);
    check_samples(data, SAMPLES + 1);
    px_data_close(data);
    clean("a.ndp3");
}

/* ------------------------------------------------------------------ packets */

/* Packets of the samples first .. end - 1 at a place; returns where the last one ends. */
static uint64_t put_packets(int fd, uint64_t at, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        uint8_t out[PXI_NDP_PACKET_BYTES + 4 * TOKENS + PXI_NDP_TAIL];
        int32_t tokens[TOKENS];
        size_t n = sample_of(i, tokens);
        struct pxi_ndp_packet head = {.src = 1, .dst = 1, .typ = PXI_NDP_TYP_TOKEN_IDS};
        for (size_t k = 0; k < n; k++)
            pxi_ndp_put_be(out + PXI_NDP_PACKET_BYTES + 4 * k, 4, (uint32_t)tokens[k]);
        pxi_ndp_write(&sums, (struct pxi_ndp_variant){0}, head,
                      px_view_of(out + PXI_NDP_PACKET_BYTES, 4 * n), out);
        put(fd, at, px_view_of(out, pxi_ndp_bytes(4 * n)));
        at += pxi_ndp_bytes(4 * n);
    }
    return at;
}

TEST(packets_across_4_gib)
{
    struct memory_file f;
    px_data *data;
    px_data_info info;
    px_diag d = {0};
    make_store(&f); /* for the sums */
    memory_file_end(&f);
    int fd = open_hole("a.qubgpu", LINE);
    uint64_t begin = put_packets(fd, 0, 0, SAMPLES / 2), again = LINE - 1000;
    uint64_t end = put_packets(fd, again, SAMPLES / 2, SAMPLES);
    CHECK(end > LINE);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(px_data_open(path_of("a.qubgpu"), NULL, &data, &d), PX_ERR_OK);
    px_data_get_info(data, &info);
    CHECK_EQ(info.samples, (uint64_t)SAMPLES);
    CHECK_EQ(info.dropped_bytes, again - begin); /* the hole */
    check_samples(data, SAMPLES);
    check_rows(data);
    px_data_close(data);
    clean("a.qubgpu");
}

TEST_MAIN()
