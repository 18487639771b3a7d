/* The multiplexer against raw frames: verdicts, floods, windows, the end; no host around it. */
#include <dirent.h>

#include "base/mem.h"
#include "base/rng.h"
#include "net/yamux_impl.h"
#include "px_test.h"

static struct pxi_timers timers;
static struct pxi_faults faults;
static struct pxi_random seeded;

/* ------------------------------------------------ in place of net/conn.c: owners of all streams */

static struct {
    unsigned opened, closed, conn_closed, writable, over;
    size_t got, take; /* take: most bytes taken at a time */
    px_err why;
    struct pxi_stream *last;
} seen;

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    size_t n = bytes.n < seen.take ? bytes.n : seen.take;
    seen.got += n;
    return n;
}

static void on_ended(struct pxi_stream *s)
{
    pxi_stream_end(s);
}

static void on_writable(struct pxi_stream *s)
{
    seen.writable++;
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    seen.closed++;
    seen.why = why;
    if (seen.last == s)
        seen.last = NULL;
}

static const struct pxi_stream_events events = {NULL, on_data, on_ended, on_writable, on_closed};

void pxi_conn_init(struct pxi_conn *c, const struct pxi_conn_ops *ops, bool outbound)
{
    c->ops = ops;
    c->outbound = outbound;
    pxi_list_init(&c->streams);
}

void pxi_conn_on_stream(struct pxi_conn *c, struct pxi_stream *s)
{
    seen.opened++;
    seen.last = s;
    pxi_stream_own(s, &events, NULL);
}

void pxi_conn_on_closed(struct pxi_conn *c, px_err why)
{
    CHECK(pxi_list_empty(&c->streams));
    seen.conn_closed++;
}

/* ------------------------------------------------ a session and what it says */

static void wake(void *below)
{
    (void)below;
}

static void session_over(void *below)
{
    seen.over++;
}

static const struct pxi_yamux_below below = {wake, session_over};

static struct pxi_yamux *session(bool outbound)
{
    memset(&seen, 0, sizeof seen);
    memset(&faults, 0, sizeof faults);
    seen.take = SIZE_MAX;
    seeded = pxi_random_seeded(px_seed);
    struct pxi_yamux_options o = {&below, NULL, &timers, &seeded, &faults, outbound};
    struct pxi_yamux *y = pxi_yamux_new(&o);
    CHECK(y != NULL);
    return y;
}

static void tick(uint64_t ns)
{
    pxi_timers_run(&timers, timers.now_ns + ns);
}

static void push(struct pxi_yamux *y, uint8_t type, uint16_t flags, uint32_t id, uint32_t length)
{
    uint8_t h[PXI_YAMUX_HEADER];
    struct pxi_yamux_header head = {type, flags, id, length};
    pxi_yamux_put(h, &head);
    pxi_yamux_push(y, h, sizeof h);
}

/* Everything that the session says now; headers are counted by type. */
static struct {
    unsigned frames[4], rst, fin, ack;
    uint64_t data, credit;
    uint32_t reason;
} said;

static void listen_to(struct pxi_yamux *y, size_t cap)
{
    static uint8_t out[1 << 18];
    size_t n;
    memset(&said, 0, sizeof said);
    said.reason = 99;
    while ((n = pxi_yamux_fill(y, out, cap, NULL)) > 0)
        for (size_t at = 0; at < n;) {
            struct pxi_yamux_header h;
            px_diag d;
            CHECK(n - at >= PXI_YAMUX_HEADER);
            CHECK_EQ(pxi_yamux_get(out + at, &h, &d), PX_ERR_OK);
            said.frames[h.type]++;
            said.rst += (h.flags & PXI_YAMUX_RST) != 0;
            said.fin += (h.flags & PXI_YAMUX_FIN) != 0;
            said.ack += (h.flags & PXI_YAMUX_ACK) != 0;
            at += PXI_YAMUX_HEADER;
            if (h.type == PXI_YAMUX_DATA) {
                said.data += h.length;
                at += h.length;
            } else if (h.type == PXI_YAMUX_UPDATE) {
                said.credit += h.length;
            } else if (h.type == PXI_YAMUX_GO_AWAY) {
                said.reason = h.length;
            }
            CHECK(at <= n);
        }
}

static void session_end(struct pxi_yamux *y)
{
    pxi_yamux_free(y);
    CHECK_EQ(seen.conn_closed, 1);
    CHECK_EQ(seen.opened, seen.closed);
    CHECK_EQ(pxi_timers_next(&timers), PXI_NEVER);
}

/* ------------------------------------------------ verdicts of the hostile corpus */

static bool refused(const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    struct pxi_yamux *y = session(false);
    for (size_t at = 0; at < n; at += 1000)
        pxi_yamux_push(y, bytes + at, n - at < 1000 ? n - at : 1000);
    listen_to(y, 4096);
    bool bad = faults.n[PXI_FAULT_YAMUX] == 1;
    CHECK_EQ(bad, said.reason == PXI_YAMUX_PROTOCOL);
    bad |= y->head_n || y->body_left; /* the rest never comes */
    tick(0);
    session_end(y);
    return bad;
}

TEST(hostile_corpus)
{
    char line[512], path[1200], dir[1024];
    snprintf(dir, sizeof dir, "%s", PX_SHARED("data/hostile/dev"));
    snprintf(path, sizeof path, "%s/manifest.tsv", dir);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    unsigned seen_rows = 0;
    while (fgets(line, sizeof line, f)) {
        char *rest = line, *name = strsep(&rest, "\t"), *format = strsep(&rest, "\t"),
             *verdict = strsep(&rest, "\t");
        if (!format || !verdict || strcmp(format, "yamux") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, name);
        bool bad = refused(path);
        if (strcmp(verdict, "either") != 0 && bad != (strcmp(verdict, "reject") == 0))
            PX_FAIL("%s: %s", name, bad ? "refused" : "taken");
        seen_rows++;
    }
    fclose(f);
    CHECK(seen_rows > 10);
}

TEST(violations)
{
    static const struct pxi_yamux_header rows[][2] = {
        {{PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 2, 0}},                  /* our numbers are even */
        {{PXI_YAMUX_UPDATE, 0, 7, 0}},                              /* never opened */
        {{PXI_YAMUX_UPDATE, 0, 2, 0}},                              /* nor by us */
        {{PXI_YAMUX_DATA, PXI_YAMUX_SYN, 1, PXI_YAMUX_WINDOW + 1}}, /* CVE-2026-32314 */
        {{PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 1, UINT32_MAX}},         /* CVE-2026-31814 */
        {{PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 1, 0}, {PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 1, 0}},
        {{PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 1, 5}, {PXI_YAMUX_UPDATE, 0, 1, UINT32_MAX - 5}},
        {{PXI_YAMUX_UPDATE, PXI_YAMUX_SYN | PXI_YAMUX_FIN, 1, 0}, {PXI_YAMUX_DATA, 0, 1, 1}},
        {{PXI_YAMUX_PING, PXI_YAMUX_SYN, 1, 0}},
        {{PXI_YAMUX_GO_AWAY, 0, 0, 3}},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pxi_yamux *y = session(false);
        for (unsigned k = 0; k < 2 && (k == 0 || rows[i][k].stream); k++)
            push(y, rows[i][k].type, rows[i][k].flags, rows[i][k].stream, rows[i][k].length);
        if (faults.n[PXI_FAULT_YAMUX] != 1)
            PX_FAIL("row %u", i);
        push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 99, 0); /* nothing is heard any more */
        tick(0);
        CHECK_EQ(seen.conn_closed, 1);
        CHECK_EQ(seen.over, 0);
        listen_to(y, 4096);
        CHECK_EQ(said.reason, PXI_YAMUX_PROTOCOL);
        tick(0);
        CHECK_EQ(seen.over, 1);
        session_end(y);
    }
}

/* ------------------------------------------------ floods of peers that never read */

TEST(pings_without_reading)
{
    struct pxi_yamux *y = session(false);
    for (unsigned i = 0; i < 100000; i++)
        push(y, PXI_YAMUX_PING, PXI_YAMUX_SYN, 0, i);
    CHECK(y->ctrl.n <= PXI_LIMIT_YAMUX_PONGS * PXI_YAMUX_HEADER);
    listen_to(y, 4096);
    CHECK_EQ(said.frames[PXI_YAMUX_PING], PXI_LIMIT_YAMUX_PONGS + 1); /* and our own */
    push(y, PXI_YAMUX_PING, PXI_YAMUX_SYN, 0, 5);
    listen_to(y, 4096);
    CHECK_EQ(said.ack, 1);
    session_end(y);
}

TEST(opens_without_reading)
{
    struct pxi_yamux *y = session(false);
    for (unsigned i = 0; i < 1000; i++)
        push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 2 * i + 1, 0);
    CHECK_EQ(y->streams, PXI_LIMIT_YAMUX_BACKLOG);
    CHECK_EQ(seen.opened, PXI_LIMIT_YAMUX_BACKLOG);
    CHECK_EQ(faults.n[PXI_FAULT_LIMIT], 1000 - PXI_LIMIT_YAMUX_BACKLOG);
    listen_to(y, 4096);
    CHECK_EQ(said.rst, 1000 - PXI_LIMIT_YAMUX_BACKLOG);
    CHECK_EQ(said.ack, PXI_LIMIT_YAMUX_BACKLOG);
    for (unsigned i = 1000; i < 1000000 && !y->over; i++)
        push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 2 * i + 1, 0);
    CHECK(y->over); /* too many refusals that nobody reads */
    CHECK(y->ctrl.n <= (PXI_LIMIT_YAMUX_CONTROL + 2) * PXI_YAMUX_HEADER);
    session_end(y);
}

TEST(rapid_resets)
{
    struct pxi_yamux *y = session(false);
    for (unsigned i = 0; i < 20000; i++) {
        push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 2 * i + 1, 0);
        push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_RST, 2 * i + 1, 0);
        CHECK(y->held <= PXI_LIMIT_NET_STREAMS_PEER);
        if (i % 100 == 0)
            tick(0);
    }
    tick(0);
    CHECK_EQ(y->held, 0);
    CHECK_EQ(seen.closed, 20000);
    session_end(y);
}

TEST(a_table_that_grew_and_shrank)
{
    struct pxi_yamux *y = session(false);
    for (unsigned round = 0; round < 2; round++) {
        unsigned first = round * 200;
        for (unsigned i = 0; i < 200; i++)
            push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 2 * (first + i) + 1, 0);
        CHECK(y->buckets != y->first_buckets);
        for (unsigned i = 0; i < 200; i++)
            push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_RST, 2 * (first + i) + 1, 0);
        for (unsigned i = 0; i < 4; i++)
            tick(3 * PXI_SECOND);
        CHECK(y->buckets == y->first_buckets);
        for (unsigned i = 0; i < PXI_YAMUX_BUCKETS; i++)
            CHECK(!y->first_buckets[i]);
    }
    session_end(y);
}

TEST(data_that_nobody_takes)
{
    static uint8_t block[65536];
    struct pxi_yamux *y = session(false);
    seen.take = 0;
    for (unsigned i = 0; i < 200; i++) {
        push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 2 * i + 1, 0);
        for (unsigned k = 0; k < 4 && pxi_yamux_find(y, 2 * i + 1); k++) {
            push(y, PXI_YAMUX_DATA, 0, 2 * i + 1, sizeof block);
            pxi_yamux_push(y, block, sizeof block);
            CHECK(y->kept_bytes <= PXI_LIMIT_YAMUX_KEPT);
        }
    }
    CHECK_EQ(faults.n[PXI_FAULT_YAMUX], 0);
    CHECK(faults.n[PXI_FAULT_LIMIT] > 0);
    CHECK(y->kept_bytes > PXI_LIMIT_YAMUX_KEPT - PXI_YAMUX_WINDOW);
    listen_to(y, 65536);
    CHECK(said.rst > 0 && said.credit == 0);
    session_end(y);
}

TEST(writes_that_nobody_reads)
{
    static uint8_t block[1 << 20];
    struct pxi_yamux *y = session(true);
    struct pxi_stream *s[100];
    uint64_t queued = 0;
    for (unsigned i = 0; i < 100; i++) {
        CHECK((s[i] = y->conn.ops->open(&y->conn)));
        pxi_stream_own(s[i], &events, NULL);
        seen.opened++;
        queued += pxi_stream_write(s[i], px_view_of(block, sizeof block));
    }
    CHECK_EQ(queued, PXI_LIMIT_YAMUX_QUEUED);
    CHECK(s[99]->write_short && !s[0]->write_short);
    listen_to(y, 65536);
    CHECK_EQ(said.data, 32 * PXI_YAMUX_WINDOW); /* those that have anything to send */
    for (unsigned i = 0; i < 100; i++)
        push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_ACK, 2 * i + 1, 1 << 20);
    listen_to(y, 65536);
    CHECK_EQ(y->out_bytes, 0);
    tick(0);
    CHECK(seen.writable >= 68); /* who waited for the room of all hears of it */
    session_end(y);
}

/* ------------------------------------------------ ordinary life */

TEST(kept_data_comes_again)
{
    struct pxi_yamux *y = session(false);
    uint8_t block[1000] = {0};
    seen.take = 300;
    push(y, PXI_YAMUX_DATA, PXI_YAMUX_SYN, 1, sizeof block);
    pxi_yamux_push(y, block, sizeof block);
    push(y, PXI_YAMUX_DATA, PXI_YAMUX_FIN, 1, 500);
    pxi_yamux_push(y, block, 500);
    CHECK(seen.got == 300 && y->kept_bytes == 1200 && !seen.last->ended_remote);
    for (unsigned i = 0; i < 3; i++) {
        pxi_stream_resume(seen.last);
        CHECK_EQ(seen.got, 300 + 300 * i); /* never from inside */
        tick(0);
    }
    CHECK_EQ(seen.got, 1200);
    seen.take = SIZE_MAX;
    pxi_stream_resume(seen.last);
    tick(0);
    CHECK_EQ(seen.got, 1500);
    listen_to(y, 4096);
    CHECK_EQ(said.fin, 1);
    tick(0);
    CHECK(seen.closed == 1 && seen.why == PX_ERR_OK && y->held == 0);
    push(y, PXI_YAMUX_DATA, 0, 1, 10); /* late, for a stream that is gone */
    pxi_yamux_push(y, block, 10);
    push(y, PXI_YAMUX_PING, PXI_YAMUX_SYN, 0, 1);
    CHECK(!y->over && y->pongs == 1);
    session_end(y);
}

TEST(windows_grow_with_the_round_trip)
{
    static uint8_t block[65536];
    struct pxi_yamux *y = session(false);
    listen_to(y, 4096); /* our ping */
    tick(50 * PXI_MS);
    push(y, PXI_YAMUX_PING, PXI_YAMUX_ACK, 0, y->ping_value);
    CHECK_EQ(y->conn.ops->rtt_ns(&y->conn), 50 * PXI_MS);
    push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_SYN, 1, 0);
    uint64_t sent = 0, credit = PXI_YAMUX_WINDOW;
    for (unsigned i = 0; i < 40; i++) {
        while (credit - sent >= sizeof block) {
            push(y, PXI_YAMUX_DATA, 0, 1, sizeof block);
            pxi_yamux_push(y, block, sizeof block);
            sent += sizeof block;
        }
        listen_to(y, 4096);
        credit += said.credit;
        tick(50 * PXI_MS);
    }
    CHECK_EQ(pxi_yamux_find(y, 1)->recv_max, PXI_LIMIT_YAMUX_WINDOW);
    CHECK_EQ(y->grown, PXI_LIMIT_YAMUX_WINDOW - PXI_YAMUX_WINDOW);
    CHECK_EQ(seen.got, sent);
    push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_RST, 1, 0);
    CHECK_EQ(y->grown, 0);
    tick(0);
    session_end(y);
}

TEST(streams_take_turns)
{
    static uint8_t block[200000], out[1 << 16];
    struct pxi_yamux *y = session(true);
    uint64_t sent[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        struct pxi_stream *s = y->conn.ops->open(&y->conn);
        CHECK(pxi_stream_write(s, px_view_of(block, sizeof block)) == sizeof block);
    }
    for (unsigned k = 0; k < 6; k++) {
        size_t n = pxi_yamux_fill(y, out, sizeof out, NULL);
        for (size_t at = 0; at < n;) {
            struct pxi_yamux_header h;
            px_diag d;
            CHECK_EQ(pxi_yamux_get(out + at, &h, &d), PX_ERR_OK);
            at += PXI_YAMUX_HEADER + (h.type == PXI_YAMUX_DATA ? h.length : 0);
            if (h.type == PXI_YAMUX_DATA)
                sent[h.stream / 2] += h.length;
        }
        for (unsigned i = 0; i < 3; i++)
            CHECK(sent[i] + 40000 > sent[0] && sent[0] + 40000 > sent[i]);
    }
    pxi_yamux_free(y);
}

TEST(our_opens_wait_for_answers)
{
    struct pxi_yamux *y = session(true);
    for (unsigned i = 0; i < PXI_LIMIT_YAMUX_BACKLOG; i++)
        CHECK(y->conn.ops->open(&y->conn));
    CHECK(!y->conn.ops->open(&y->conn));
    push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_ACK, 1, 0);
    CHECK(y->conn.ops->open(&y->conn));
    CHECK(!y->conn.ops->open(&y->conn));
    push(y, PXI_YAMUX_GO_AWAY, 0, 0, PXI_YAMUX_NORMAL);
    push(y, PXI_YAMUX_UPDATE, PXI_YAMUX_ACK, 3, 0);
    CHECK(!y->conn.ops->open(&y->conn) && !y->over);
    pxi_yamux_free(y);
}

TEST(silence_ends_it)
{
    struct pxi_yamux *y = session(true);
    listen_to(y, 4096);
    tick(PXI_LIMIT_YAMUX_PING_MS * PXI_MS - 1);
    CHECK(!y->over);
    tick(1);
    tick(PXI_LIMIT_YAMUX_PING_MS * PXI_MS);
    tick(0);
    CHECK(y->over && y->why == PX_ERR_TIMEOUT && seen.conn_closed == 1);
    tick(PXI_LIMIT_NET_CLOSE_MS * PXI_MS);
    CHECK_EQ(seen.over, 1);
    pxi_yamux_free(y);
}

TEST(byte_by_byte)
{
    struct pxi_rng r = {px_seed};
    static uint8_t script[200000];
    size_t n = 0;
    for (uint32_t id = 1; id < 40; id += 2) {
        uint32_t len = (uint32_t)pxi_rng_below(&r, 4000);
        struct pxi_yamux_header h = {PXI_YAMUX_DATA, PXI_YAMUX_SYN | PXI_YAMUX_FIN, id, len};
        pxi_yamux_put(script + n, &h);
        n += PXI_YAMUX_HEADER + len;
    }
    size_t want = 0;
    for (size_t step = 4096; step; step /= 3) {
        struct pxi_yamux *y = session(false);
        for (size_t at = 0; at < n; at += step)
            pxi_yamux_push(y, script + at, step < n - at ? step : n - at);
        want = want ? want : seen.got;
        CHECK(seen.got == want && seen.opened == 20);
        listen_to(y, 4096);
        tick(0);
        CHECK_EQ(seen.closed, 20);
        session_end(y);
    }
}

TEST_MAIN()
