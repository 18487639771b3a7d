/* The loader: orders that do not depend on ranks, threads and batches; rows of every packing; what
 * damaged samples become; states. */
#include <fcntl.h>
#include <stdbool.h>

#include "base/mem.h"
#include "base/rng.h"
#include "plexus/data.h"
#include "px_test.h"

enum { SAMPLES = 1000, ROW = 64 };

static char folder[64];

static const char *path_of(const char *name)
{
    static char path[128];
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/px-loader-XXXXXX");
        CHECK(mkdtemp(folder));
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void clean(const char *name)
{
    unlink(path_of(name));
    rmdir(folder);
}

/* Sample i has 1 + 7 i % 100 tokens: i * 128, i * 128 + 1, ... */
static uint32_t length_of(uint64_t i)
{
    return (uint32_t)(1 + 7 * i % 100);
}

static void make_store(const char *name, unsigned samples, unsigned token_bytes, uint8_t src)
{
    px_data_writer_options o = {
        .size = sizeof o, .token_bytes = token_bytes, .bos = -1, .eos = -1, .pad = -1};
    px_data_writer *w;
    px_diag d = {0};
    CHECK_EQ(px_data_writer_new(path_of(name), &o, &w, &d), PX_ERR_OK);
    for (unsigned i = 0; i < samples; i++) {
        int32_t tokens[128];
        for (unsigned k = 0; k < 128; k++)
            tokens[k] = (int32_t)(token_bytes == 2 ? (i * 128 + k) % 65536 : i * 128 + k);
        CHECK_EQ(px_data_write(w, src, 1, tokens, length_of(i), 0), PX_ERR_OK);
        if (i % 400 == 399)
            CHECK_EQ(px_data_commit(w), PX_ERR_OK);
    }
    CHECK_EQ(px_data_commit(w), PX_ERR_OK);
    px_data_writer_free(w);
}

static px_data *open_data(const char *name)
{
    px_data *data;
    px_diag d = {0};
    px_err err = px_data_open(path_of(name), NULL, &data, &d);
    if (err)
        PX_FAIL("%s: %s, expected %s, found %s", px_err_name(err), d.field, d.expected, d.found);
    return data;
}

static px_loader_options options(const px_loader_source *s, unsigned n)
{
    return (px_loader_options){.size = sizeof(px_loader_options),
                               .sources = s,
                               .source_count = n,
                               .batch = 8,
                               .row_tokens = ROW,
                               .epochs = 1,
                               .seed = 7,
                               .world = 1,
                               .threads = 2,
                               .pad = -7};
}

static px_loader *open_loader(const px_loader_options *o)
{
    px_loader *l;
    px_diag d = {0};
    px_err err = px_loader_new(o, &l, &d);
    if (err)
        PX_FAIL("%s: %s, expected %s, found %s", px_err_name(err), d.field, d.expected, d.found);
    return l;
}

static const px_batch *next(px_loader *l)
{
    const px_batch *b;
    px_diag d = {0};
    CHECK_EQ(px_loader_next(l, &b, &d), PX_ERR_OK);
    return b;
}

static const int32_t *ids_of(const px_batch *b, uint32_t row)
{
    return (const int32_t *)b->ids + (size_t)row * b->row_tokens;
}

/* The numbers of all rows that a loader gives, from where it is. */
static size_t numbers(px_loader *l, uint64_t *out, size_t cap)
{
    const px_batch *b;
    size_t n = 0;
    while ((b = next(l))) {
        for (uint32_t i = 0; i < b->rows; i++, n++) {
            CHECK(n < cap);
            out[n] = b->numbers[i];
            CHECK_EQ(ids_of(b, i)[0], out[n] * 128);
        }
        px_loader_give_back(l, b);
    }
    return n;
}

TEST(order_is_of_no_ranks_threads_or_batches)
{
    static uint64_t one[SAMPLES];
    make_store("a", SAMPLES, 4, 1);
    px_data *data = open_data("a");
    px_loader_source s = {.data = data};
    px_loader_options o = options(&s, 1);
    px_loader *l = open_loader(&o);
    CHECK_EQ(numbers(l, one, SAMPLES), SAMPLES);
    px_loader_free(l);
    uint8_t seen[SAMPLES] = {0};
    for (unsigned i = 0; i < SAMPLES; i++)
        CHECK(!seen[one[i]]++);
    static const unsigned worlds[] = {1, 2, 3, 5, 8};
    for (unsigned k = 0; k < 5; k++)
        for (unsigned threads = 0; threads < 4; threads += 3) {
            size_t got = 0;
            o.world = worlds[k];
            o.threads = threads;
            o.batch = 1 + k;
            for (o.rank = 0; o.rank < o.world; o.rank++) {
                const px_batch *b;
                l = open_loader(&o);
                while ((b = next(l))) {
                    for (uint32_t i = 0; i < b->rows; i++, got++)
                        CHECK_EQ(b->numbers[i], one[b->position + i]);
                    px_loader_give_back(l, b);
                }
                px_loader_free(l);
            }
            CHECK_EQ(got, SAMPLES);
        }
    px_data_close(data);
    clean("a");
}

TEST(a_state_goes_on_anywhere)
{
    static uint64_t one[3 * SAMPLES], rest[3 * SAMPLES];
    make_store("a", SAMPLES, 2, 1);
    px_data *data = open_data("a");
    px_loader_source s = {.data = data};
    px_diag d = {0};
    for (int packing = PX_PACK_PAD; packing <= PX_PACK_BEST_FIT; packing++) {
        px_loader_options o = options(&s, 1);
        uint8_t state[PX_LOADER_STATE];
        size_t n = 0, m = 0;
        o.packing = packing;
        o.epochs = 2;
        const px_batch *b;
        px_loader *l = open_loader(&o);
        for (; (b = next(l)); px_loader_give_back(l, b))
            for (uint32_t i = 0; i < b->rows; i++)
                one[n++] = b->numbers[i];
        px_loader_free(l);
        l = open_loader(&o);
        for (unsigned k = 0; k < 17; k++) {
            b = next(l);
            m += b->rows;
            px_loader_give_back(l, b);
        }
        px_loader_state(l, state);
        px_loader_free(l);
        o.batch = 13;
        o.threads = 0;
        l = open_loader(&o);
        CHECK_EQ(px_loader_resume(l, state, &d), PX_ERR_OK);
        for (; (b = next(l)); px_loader_give_back(l, b))
            for (uint32_t i = 0; i < b->rows; i++)
                rest[m++] = b->numbers[i];
        CHECK_EQ(m, n);
        CHECK(memcmp(one + 17 * 8, rest + 17 * 8, (n - 17 * 8) * sizeof *one) == 0);
        px_loader_free(l);
        o.seed++;
        l = open_loader(&o);
        CHECK_EQ(px_loader_resume(l, state, &d), PX_ERR_INVALID);
        state[20] ^= 1;
        CHECK_EQ(px_loader_resume(l, state, &d), PX_ERR_CORRUPT);
        CHECK_EQ(px_loader_skip(l, 100), PX_ERR_OK);
        b = next(l);
        CHECK(packing > PX_PACK_CHUNK || b->position == 100);
        px_loader_free(l);
    }
    px_data_close(data);
    clean("a");
}

/* Every token that rows may hold comes once; labels are those of the token and its document. */
static void packed(px_packing packing, px_labels labels, int cross)
{
    static uint8_t seen[SAMPLES][128];
    px_loader_source s = {.data = open_data("a")};
    px_loader_options o = options(&s, 1);
    uint64_t tokens = 0, cut = 0, slots = 0;
    const px_batch *b;
    memset(seen, 0, sizeof seen);
    o.packing = packing;
    o.labels = labels;
    o.labels64 = 1;
    o.documents = o.positions = 1;
    o.cross = cross;
    px_loader *l = open_loader(&o);
    for (; (b = next(l)); px_loader_give_back(l, b))
        for (uint32_t r = 0; r < b->rows; r++) {
            const int32_t *ids = ids_of(b, r), *docs = b->documents + (size_t)r * ROW,
                          *at = b->positions + (size_t)r * ROW;
            const int64_t *label = (const int64_t *)b->labels + (size_t)r * ROW;
            slots += ROW;
            for (uint32_t i = 0; i < ROW; i++) {
                if (i >= b->lengths[r]) {
                    CHECK(ids[i] == -7 && docs[i] == -1 && label[i] == PX_LABEL_IGNORED);
                    continue;
                }
                uint32_t sample = (uint32_t)ids[i] / 128, k = (uint32_t)ids[i] % 128;
                CHECK(sample < SAMPLES && k < length_of(sample));
                CHECK(!seen[sample][k]++);
                bool same = i && docs[i] == docs[i - 1];
                CHECK(same ? at[i] == at[i - 1] + 1 : at[i] == 0);
                CHECK(!same || ids[i] == ids[i - 1] + 1);
                if (labels == PX_LABELS_SAME)
                    CHECK(label[i] == (i && !same && !cross ? PX_LABEL_IGNORED : ids[i]));
                else if (i + 1 < b->lengths[r])
                    CHECK(label[i] ==
                          (docs[i + 1] == docs[i] || cross ? ids[i + 1] : PX_LABEL_IGNORED));
                else
                    CHECK(label[i] == PX_LABEL_IGNORED || label[i] == ids[i] + 1 || cross);
                tokens++;
            }
        }
    px_loader_free(l);
    px_data_info info;
    px_data_get_info(s.data, &info);
    for (unsigned i = 0; i < SAMPLES; i++)
        cut += length_of(i) > ROW ? length_of(i) - ROW : 0;
    if (packing == PX_PACK_CHUNK) /* with the next token as label, the last of a segment is none */
        CHECK(tokens == info.tokens || (labels == PX_LABELS_NEXT && tokens + 8 > info.tokens));
    else
        CHECK_EQ(tokens, info.tokens - cut);
    printf("# packing %d: %.2f %% filled up\n", packing,
           100.0 * (double)(slots - tokens) / (double)slots);
    px_data_close(s.data);
}

TEST(every_token_of_every_packing_comes_once)
{
    make_store("a", SAMPLES, 4, 1);
    for (int packing = PX_PACK_PAD; packing <= PX_PACK_BEST_FIT; packing++)
        for (int labels = PX_LABELS_SAME; labels <= PX_LABELS_NEXT; labels++)
            for (int cross = 0; cross < 2; cross++)
                packed(packing, labels, cross);
    clean("a");
}

/* The same rows, whatever the file, the dtype and the pass that reads them. */
static void same_rows(px_loader_options o, const px_loader_source *store,
                      const px_loader_source *packets)
{
    const px_batch *a, *b;
    o.sources = store;
    o.ids64 = o.labels64 = 0;
    o.threads = 0;
    px_loader *la = open_loader(&o);
    o.sources = packets;
    for (unsigned wide = 0; wide < 4; wide++) {
        px_loader_counts c;
        uint8_t state[PX_LOADER_STATE];
        o.ids64 = wide & 1;
        o.labels64 = wide >> 1;
        px_loader *lb = open_loader(&o);
        px_loader_state(la, state);
        while ((a = next(la))) {
            size_t cells = (size_t)a->rows * ROW;
            b = next(lb);
            CHECK(b && a->rows == b->rows && a->tokens == b->tokens);
            CHECK(memcmp(a->lengths, b->lengths, 4 * a->rows) == 0);
            for (size_t i = 0; i < cells; i++) {
                int64_t id = o.ids64 ? ((const int64_t *)b->ids)[i] : ((const int32_t *)b->ids)[i],
                        label = o.labels64 ? ((const int64_t *)b->labels)[i]
                                           : ((const int32_t *)b->labels)[i];
                CHECK_EQ(((const int32_t *)a->ids)[i], id);
                CHECK_EQ(((const int32_t *)a->labels)[i], label);
            }
            px_loader_give_back(la, a);
            px_loader_give_back(lb, b);
        }
        CHECK(!next(lb));
        px_loader_get_counts(lb, &c);
        CHECK_EQ(c.damaged, 0);
        px_loader_free(lb);
        px_diag d = {0};
        CHECK_EQ(px_loader_resume(la, state, &d), PX_ERR_OK);
    }
    px_loader_free(la);
}

TEST(packets_give_what_stores_give)
{
    char packets[128];
    px_data_convert_report report;
    px_diag d = {0};
    make_store("a", 300, 2, 1);
    snprintf(packets, sizeof packets, "%s", path_of("a.qubgpu"));
    CHECK_EQ(px_data_convert(path_of("a"), packets, NULL, &report, &d), PX_ERR_OK);
    px_loader_source store = {.data = open_data("a")}, file = {.data = open_data("a.qubgpu")};
    for (int packing = PX_PACK_PAD; packing <= PX_PACK_BEST_FIT; packing++)
        for (int labels = PX_LABELS_SAME; labels <= PX_LABELS_NEXT; labels++) {
            px_loader_options o = options(&store, 1);
            o.packing = packing;
            o.labels = labels;
            same_rows(o, &store, &file);
        }
    px_data_close(store.data);
    px_data_close(file.data);
    unlink(packets);
    clean("a");
}

TEST(damaged_packets_are_not_given)
{
    char packets[128];
    px_data_convert_report report;
    px_diag d = {0};
    px_sample s;
    make_store("a", 300, 4, 1);
    snprintf(packets, sizeof packets, "%s", path_of("a.qubgpu"));
    CHECK_EQ(px_data_convert(path_of("a"), packets, NULL, &report, &d), PX_ERR_OK);
    px_loader_source file = {.data = open_data("a.qubgpu")};
    px_loader_options o = options(&file, 1);
    o.ids64 = o.labels64 = 1;
    o.labels = PX_LABELS_SAME;
    o.damage = PX_DAMAGE_DROP;
    px_loader *l = open_loader(&o);
    /* After the file was opened, so that the loader must see it. */
    CHECK_EQ(px_data_sample(file.data, 7, &s), PX_ERR_OK);
    px_sample first;
    CHECK_EQ(px_data_sample(file.data, 0, &first), PX_ERR_OK);
    int fd = open(packets, O_RDWR);
    uint8_t x = 0x77;
    CHECK(pwrite(fd, &x, 1, 6 + (s.bytes.p - first.bytes.p) + 3) == 1);
    close(fd);
    px_loader_counts c;
    const px_batch *b;
    uint64_t rows = 0;
    while ((b = next(l))) {
        for (uint32_t i = 0; i < b->rows; i++)
            CHECK(b->numbers[i] != 7);
        rows += b->rows;
        px_loader_give_back(l, b);
    }
    px_loader_get_counts(l, &c);
    CHECK(rows == 299 && c.damaged == 1);
    px_loader_free(l);
    px_data_close(file.data);
    unlink(packets);
    clean("a");
}

static void as_packets(const char *store, const char *packets)
{
    char from[128];
    px_data_convert_options o = {.size = sizeof o, .to = "ndp"};
    px_data_convert_report report;
    px_diag d = {0};
    snprintf(from, sizeof from, "%s", path_of(store));
    CHECK_EQ(px_data_convert(from, path_of(packets), &o, &report, &d), PX_ERR_OK);
}

/* In the steady state nothing is allocated, and no byte of a batch is written twice. */
static void move_once(const px_loader_options *o)
{
    px_loader_counts c;
    px_loader *l = open_loader(o);
    const px_batch *all[4]; /* the plan of a slot grows with its first batch */
    for (unsigned i = 0; i < 4; i++)
        all[i] = next(l);
    for (unsigned i = 0; i < 4; i++)
        px_loader_give_back(l, all[i]);
    uint64_t before = pxi_mem_count();
    for (unsigned i = 0; i < 500; i++)
        px_loader_give_back(l, next(l));
    CHECK_EQ(pxi_mem_count(), before);
    px_loader_get_counts(l, &c);
    CHECK_EQ(c.moved, c.rows * ROW * (o->ids64 ? 16 : 4));
    CHECK_EQ(c.slots, 0);
    px_loader_free(l);
}

TEST(bytes_are_moved_once)
{
    make_store("once.ndp3", SAMPLES, 4, 1);
    as_packets("once.ndp3", "once.qubgpu");
    for (unsigned i = 0; i < 8; i++) {
        px_loader_source s = {.data = open_data(i & 1 ? "once.qubgpu" : "once.ndp3")};
        px_loader_options o = options(&s, 1);
        o.epochs = 0;
        o.threads = i >> 2;
        o.ids64 = o.labels64 = i >> 1 & 1;
        o.labels = o.ids64 ? PX_LABELS_SAME : PX_LABELS_NONE;
        move_once(&o);
        px_data_close(s.data);
    }
    unlink(path_of("once.qubgpu"));
    clean("once.ndp3");
}

TEST(batches_may_all_be_kept)
{
    const px_batch *kept[200];
    unsigned n = 0;
    make_store("a", SAMPLES, 4, 1);
    px_loader_source s = {.data = open_data("a")};
    px_loader_options o = options(&s, 1);
    o.ahead = 2;
    for (o.threads = 0; o.threads < 3; o.threads++) {
        px_loader *l = open_loader(&o);
        for (n = 0; (kept[n] = next(l)); n++)
            ;
        CHECK_EQ(n, SAMPLES / 8);
        for (unsigned i = 0; i < n; i++)
            for (uint32_t r = 0; r < kept[i]->rows; r++)
                CHECK_EQ(ids_of(kept[i], r)[0], kept[i]->numbers[r] * 128);
        while (n--)
            px_loader_give_back(l, kept[n]);
        px_loader_free(l);
    }
    px_data_close(s.data);
    clean("a");
}

TEST(a_child_goes_on_by_itself)
{
#ifdef __SANITIZE_THREAD__
    PX_SKIP("ThreadSanitizer knows no threads after a fork");
#endif
    static uint64_t one[SAMPLES], two[SAMPLES];
    make_store("a", SAMPLES, 4, 1);
    px_loader_source s = {.data = open_data("a")};
    px_loader_options o = options(&s, 1);
    px_loader *l = open_loader(&o);
    CHECK_EQ(numbers(l, one, SAMPLES), SAMPLES);
    px_loader_free(l);
    l = open_loader(&o);
    px_loader_give_back(l, next(l));
    pid_t pid = fork();
    CHECK_EQ(numbers(l, two, SAMPLES), SAMPLES - 8);
    for (unsigned i = 0; i < SAMPLES - 8; i++)
        if (one[i + 8] != two[i])
            PX_FAIL("%u: row %u is %llu, not %llu", pid, i, (unsigned long long)two[i],
                    (unsigned long long)one[i + 8]);
    px_loader_free(l);
    if (!pid)
        _exit(0);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    px_data_close(s.data);
    clean("a");
}

TEST(sources_are_mixed_and_filtered)
{
    make_store("a", SAMPLES, 4, 1);
    make_store("b", SAMPLES / 2, 4, 2);
    px_loader_source s[2] = {{open_data("a"), 3, 0}, {open_data("b"), 1, 0}};
    px_loader_options o = options(s, 2);
    uint64_t count[2] = {0}, all = 0;
    const px_batch *b;
    o.epochs = 4;
    px_loader *l = open_loader(&o);
    for (; (b = next(l)); px_loader_give_back(l, b))
        for (uint32_t i = 0; i < b->rows; i++) {
            count[b->numbers[i] >> 56]++;
            all++;
            CHECK(fabs((double)count[1] - (double)all / 4) < 1);
        }
    CHECK_EQ(all, 4 * SAMPLES * 3 / 2);
    px_loader_free(l);
    uint8_t only[32] = {1 << 2}; /* source 2 */
    o = options(s + 1, 1);
    o.src = only;
    l = open_loader(&o);
    px_loader_give_back(l, next(l));
    px_loader_free(l);
    o = options(s, 2);
    o.src = only;
    px_diag d = {0};
    CHECK_EQ(px_loader_new(&o, &l, &d), PX_ERR_NOT_FOUND);
    px_data_close(s[0].data);
    px_data_close(s[1].data);
    unlink(path_of("b"));
    clean("a");
}

/* Change a byte of every sample of which `at` says so, in the file. */
static void damage(const char *name, unsigned every)
{
    px_data *data = open_data(name);
    int fd = open(path_of(name), O_RDWR);
    px_sample first, s;
    CHECK_EQ(px_data_sample(data, 0, &first), PX_ERR_OK);
    for (uint64_t i = 3; px_data_sample(data, i, &s) == PX_ERR_OK; i += every) {
        off_t at = 8192 + (s.bytes.p - first.bytes.p);
        uint8_t x;
        CHECK(pread(fd, &x, 1, at) == 1);
        x ^= 0x40;
        CHECK(pwrite(fd, &x, 1, at) == 1);
    }
    close(fd);
    px_data_close(data);
}

TEST(damaged_samples_are_not_given)
{
    make_store("a", 300, 4, 1); /* one segment */
    damage("a", 10);
    px_loader_source s = {.data = open_data("a")};
    for (int what = PX_DAMAGE_REFILL; what <= PX_DAMAGE_QUARANTINE; what++) {
        px_loader_options o = options(&s, 1);
        px_loader_counts c;
        const px_batch *b;
        px_diag d = {0};
        uint64_t rows = 0;
        px_err err;
        o.damage = what;
        px_loader *l = open_loader(&o);
        while (!(err = px_loader_next(l, &b, &d)) && b) {
            for (uint32_t i = 0; i < b->rows; i++)
                CHECK(b->numbers[i] % 10 != 3);
            rows += b->rows;
            px_loader_give_back(l, b);
        }
        px_loader_get_counts(l, &c);
        CHECK_EQ(err, what == PX_DAMAGE_ERROR ? PX_ERR_CORRUPT : PX_ERR_OK);
        if (what == PX_DAMAGE_ERROR)
            CHECK(strstr(d.field, "sample"));
        else
            CHECK_EQ(rows, what == PX_DAMAGE_DROP ? 270 : 300);
        CHECK(what == PX_DAMAGE_ERROR || c.damaged >= 30);
        CHECK((px_loader_quarantined(l, 29) != UINT64_MAX) == (what == PX_DAMAGE_QUARANTINE));
        px_loader_free(l);
    }
    px_data_close(s.data);
    clean("a");
}

TEST(samples_are_dropped_by_the_seed)
{
    make_store("a", SAMPLES, 4, 1);
    px_loader_source s = {.data = open_data("a")};
    px_loader_options o = options(&s, 1);
    px_loader_counts c[2];
    o.epochs = 10;
    o.drop_rate = 0.05;
    o.damage = PX_DAMAGE_DROP;
    for (unsigned i = 0; i < 2; i++) {
        const px_batch *b;
        o.threads = i;
        px_loader *l = open_loader(&o);
        while ((b = next(l)))
            px_loader_give_back(l, b);
        px_loader_get_counts(l, &c[i]);
        px_loader_free(l);
    }
    CHECK(c[0].dropped > 350 && c[0].dropped < 650);
    CHECK_EQ(c[0].dropped, c[1].dropped);
    CHECK_EQ(c[0].rows, 10 * SAMPLES - c[0].dropped);
    px_data_close(s.data);
    clean("a");
}

TEST(options_are_checked)
{
    make_store("a", 10, 4, 1);
    px_loader_source s = {.data = open_data("a")};
    px_loader *l;
    px_diag d = {0};
    for (unsigned i = 0; i < 6; i++) {
        px_loader_options o = options(&s, 1);
        o.source_count = i == 0 ? 0 : 1;
        o.batch = i == 1 ? 0 : 1;
        o.row_tokens = i == 2 ? 0 : 1;
        o.rank = i == 3 ? 1 : 0;
        o.drop_rate = i == 4 ? 1 : 0;
        o.batch = i == 5 ? UINT32_MAX : o.batch;
        o.row_tokens = i == 5 ? 1 << 24 : o.row_tokens;
        CHECK_EQ(px_loader_new(&o, &l, &d), PX_ERR_INVALID);
    }
    px_data_close(s.data);
    clean("a");
}

TEST_MAIN()
