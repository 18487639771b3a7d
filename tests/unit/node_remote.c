/* Stores on a web server in this process, which says what each case wants: pieces of answers at any
 * place, silence, lies; and no more memory than the cache. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/rng.h"
#include "io/pager.h"
#include "plexus/data.h"
#include "px_test.h"

enum { LINES = 1024 };

/* What to do wrong with an answer. */
enum wrong {
    RIGHT,
    SPLIT,
    CUT,
    SILENT,
    LONGER,
    OTHER_RANGE,
    OTHER_SIZE,
    NO_TAG,
    FLIP,
    GARBAGE,
    WRONGS
};

struct server {
    int fd;
    uint16_t port;
    const uint8_t *bytes;
    uint64_t n;
    _Atomic bool stop;
    _Atomic unsigned requests;
    enum wrong (*wrong)(unsigned request, uint64_t first);
    pthread_t thread, lines[LINES];
    unsigned line_count;
};

struct line {
    struct server *s;
    int fd;
};

static void say(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        n -= (size_t)sent;
    }
}

/* Sleeps until the other side goes away, or the server ends. */
static void be_silent(struct server *s, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (!atomic_load(&s->stop) && poll(&p, 1, 20) == 0)
        ;
}

/* false: the connection is of no more use. */
static bool answer(struct server *s, int fd, uint64_t first, uint64_t last)
{
    char head[256];
    enum wrong w = s->wrong ? s->wrong(atomic_fetch_add(&s->requests, 1), first) : RIGHT;
    last = last < s->n ? last : s->n - 1;
    uint64_t n = last - first + 1, size = w == OTHER_SIZE ? s->n - 1 : s->n;
    if (w == SILENT) {
        be_silent(s, fd);
        return false;
    }
    if (w == GARBAGE) {
        const char *text = "HTTP/1.1 206\r\n\x01: x\r\n\r\n";
        say(fd, text, strlen(text));
        return false;
    }
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 206 Partial Content\r\nContent-Length: %llu\r\n"
                       "Content-Range: bytes %llu-%llu/%llu\r\n%s\r\n",
                       (unsigned long long)n, (unsigned long long)(first + (w == OTHER_RANGE)),
                       (unsigned long long)last, (unsigned long long)size,
                       w == NO_TAG ? "" : "ETag: \"1\"\r\n");
    for (int i = 0; i < len; i += w == SPLIT ? 1 : len)
        say(fd, head + i, (size_t)(w == SPLIT ? 1 : len));
    if (w == FLIP) {
        uint8_t byte = s->bytes[first] ^ 0x10;
        say(fd, &byte, 1);
        say(fd, s->bytes + first + 1, n - 1);
        return true;
    }
    say(fd, s->bytes + first, w == CUT ? n / 2 : n);
    if (w == LONGER)
        say(fd, "more than was asked for", 23);
    return w != CUT;
}

static void *serve_line(void *arg)
{
    struct line l = *(struct line *)arg;
    char in[8192];
    size_t n = 0;
    free(arg);
    for (;;) {
        ssize_t got = recv(l.fd, in + n, sizeof in - 1 - n, 0);
        if (got <= 0)
            break;
        in[n += (size_t)got] = 0;
        char *end = strstr(in, "\r\n\r\n"), *range = strstr(in, "Range: bytes=");
        unsigned long long first, last;
        if (!end)
            continue;
        CHECK(range && sscanf(range, "Range: bytes=%llu-%llu", &first, &last) == 2);
        CHECK(first <= last && first < l.s->n);
        n = 0;
        if (!answer(l.s, l.fd, first, last))
            break;
    }
    close(l.fd);
    return NULL;
}

static void *serve(void *arg)
{
    struct server *s = arg;
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    while (!atomic_load(&s->stop)) {
        if (poll(&p, 1, 20) <= 0)
            continue;
        struct line *l = malloc(sizeof *l);
        CHECK(l && s->line_count < LINES);
        *l = (struct line){s, accept(s->fd, NULL, NULL)};
        CHECK(l->fd >= 0);
        CHECK(pthread_create(&s->lines[s->line_count++], NULL, serve_line, l) == 0);
    }
    return NULL;
}

static void start(struct server *s, const uint8_t *bytes, uint64_t n,
                  enum wrong (*wrong)(unsigned, uint64_t))
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *s = (struct server){.bytes = bytes, .n = n, .wrong = wrong};
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&a, len) == 0 && listen(s->fd, LINES) == 0);
    CHECK(getsockname(s->fd, (struct sockaddr *)&a, &len) == 0);
    s->port = ntohs(a.sin_port);
    CHECK(pthread_create(&s->thread, NULL, serve, s) == 0);
}

/* After its clients are gone. */
static void stop(struct server *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    for (unsigned i = 0; i < s->line_count; i++)
        pthread_join(s->lines[i], NULL);
    close(s->fd);
}

static uint8_t *noise(size_t n)
{
    struct pxi_rng r;
    uint8_t *p = malloc(n);
    CHECK(p);
    r.state = 3;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)pxi_rng_u64(&r);
    return p;
}

static px_err open_pager(const struct server *s, uint64_t cache, uint32_t timeout_ms,
                         struct pxi_pager **out, px_diag *d)
{
    struct pxi_url url = {.host = "127.0.0.1", .port = s->port, .path = "/x"};
    struct pxi_pager_options o = {cache, timeout_ms};
    return pxi_pager_open(&url, &o, out, d);
}

/* ------------------------------------------------------------------- the pager */

enum { BYTES = 3 * 1000 * 1000, CACHE = 1 << 20 };

TEST(what_is_held_is_right_and_the_rest_goes)
{
    struct server s;
    struct pxi_pager *p;
    struct pxi_pager_counts c;
    struct pxi_rng r;
    uint8_t *bytes = noise(BYTES);
    start(&s, bytes, BYTES, NULL);
    CHECK_EQ(open_pager(&s, CACHE, 0, &p, NULL), PX_ERR_OK);
    px_view w = pxi_pager_window(p);
    struct pxi_far *far = pxi_pager_far(p);
    CHECK_EQ(w.n, BYTES);
    r.state = 1;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t at = pxi_rng_u64(&r) % BYTES, n = pxi_rng_u64(&r) % 200000;
        n = n < BYTES - at ? n : BYTES - at;
        if (i % 3 == 0)
            pxi_far_ahead(far, pxi_rng_u64(&r) % (BYTES - 200000), 200000);
        CHECK_EQ(pxi_far_hold(far, at, n), PX_ERR_OK);
        CHECK(memcmp(w.p + at, bytes + at, n) == 0);
        pxi_far_let_go(far, at, n);
        pxi_pager_counts(p, &c);
        CHECK(c.here <= CACHE + 2 * PXI_PAGER_JOIN);
    }
    CHECK(c.evicted > 100 && c.hits && c.misses && c.ahead);
    CHECK_EQ(c.retries + c.wrong, 0);
    CHECK_EQ(pxi_far_hold(far, 0, CACHE + 1), PX_ERR_LIMIT);
    pxi_pager_close(p);
    stop(&s);
    free(bytes);
}

struct reader {
    struct pxi_pager *p;
    const uint8_t *bytes;
    uint64_t seed;
};

static void *read_at_random(void *arg)
{
    struct reader *a = arg;
    struct pxi_rng r;
    px_view w = pxi_pager_window(a->p);
    struct pxi_far *far = pxi_pager_far(a->p);
    r.state = a->seed;
    for (unsigned i = 0; i < 300; i++) {
        uint64_t at = pxi_rng_u64(&r) % (BYTES - 100000);
        CHECK_EQ(pxi_far_hold(far, at, 100000), PX_ERR_OK);
        CHECK(memcmp(w.p + at, a->bytes + at, 100000) == 0);
        pxi_far_let_go(far, at, 100000);
    }
    return NULL;
}

static enum wrong now_and_then(unsigned request, uint64_t first)
{
    static const enum wrong some[] = {SPLIT, CUT, LONGER, OTHER_RANGE, GARBAGE};
    return request && request % 7 == 0 ? some[request / 7 % 5] : RIGHT;
}

TEST(threads_and_faults_that_pass)
{
    struct server s;
    struct pxi_pager *p;
    struct pxi_pager_counts c;
    pthread_t t[3];
    struct reader a[3];
    uint8_t *bytes = noise(BYTES);
    start(&s, bytes, BYTES, now_and_then);
    CHECK_EQ(open_pager(&s, CACHE, 0, &p, NULL), PX_ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        a[i] = (struct reader){p, bytes, i};
        CHECK(pthread_create(&t[i], NULL, read_at_random, &a[i]) == 0);
    }
    for (unsigned i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    pxi_pager_counts(p, &c);
    CHECK(c.retries > 0);
    pxi_pager_close(p);
    stop(&s);
    free(bytes);
}

static enum wrong always;

static enum wrong after_the_first(unsigned request, uint64_t first)
{
    return request ? always : RIGHT;
}

TEST(faults_that_stay_are_named)
{
    static const struct {
        enum wrong wrong;
        px_err err;
    } rows[] = {{SILENT, PX_ERR_TIMEOUT},       {CUT, PX_ERR_RESET},
                {OTHER_RANGE, PX_ERR_PROTOCOL}, {GARBAGE, PX_ERR_PROTOCOL},
                {OTHER_SIZE, PX_ERR_CHANGED},   {NO_TAG, PX_ERR_CHANGED}};
    uint8_t *bytes = noise(BYTES);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct server s;
        struct pxi_pager *p;
        px_diag d = {0};
        always = rows[i].wrong;
        start(&s, bytes, BYTES, after_the_first);
        CHECK_EQ(open_pager(&s, CACHE, 50, &p, NULL), PX_ERR_OK);
        CHECK_EQ(pxi_far_hold(pxi_pager_far(p), 1000000, 10), rows[i].err);
        pxi_pager_why(p, &d);
        CHECK(d.expected[0] && d.found[0]);
        /* The beginning is here; another file is not read on, even so. */
        CHECK_EQ(pxi_far_hold(pxi_pager_far(p), 0, 10),
                 rows[i].err == PX_ERR_CHANGED ? PX_ERR_CHANGED : PX_ERR_OK);
        pxi_pager_close(p);
        stop(&s);
    }
    free(bytes);
}

/* ------------------------------------------------------------------- a store */

static char path[64];

static uint8_t *make_store(size_t *n)
{
    px_data_writer_options o = {
        .size = sizeof o, .token_bytes = 4, .bos = -1, .eos = -1, .pad = -1};
    px_data_writer *w;
    int32_t tokens[200];
    snprintf(path, sizeof path, "/tmp/px-remote-%ld.ndp3", (long)getpid());
    CHECK_EQ(px_data_writer_new(path, &o, &w, NULL), PX_ERR_OK);
    for (int i = 0; i < 3000; i++) {
        for (int k = 0; k < 200; k++)
            tokens[k] = i * 200 + k;
        CHECK_EQ(px_data_write(w, 1, 1, tokens, 1 + (size_t)i % 200, 0), PX_ERR_OK);
        if (i % 700 == 0)
            CHECK_EQ(px_data_commit(w), PX_ERR_OK);
    }
    CHECK_EQ(px_data_commit(w), PX_ERR_OK);
    px_data_writer_free(w);
    FILE *f = fopen(path, "rb");
    CHECK(f && fseek(f, 0, SEEK_END) == 0);
    *n = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*n);
    CHECK(bytes && fread(bytes, 1, *n, f) == *n);
    fclose(f);
    return bytes;
}

static px_data *open_store(const struct server *s, uint64_t cache)
{
    char url[64];
    px_data_options o = {.size = sizeof o, .cache_bytes = cache};
    px_data *d;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/x.ndp3", s->port);
    CHECK_EQ(px_data_open(url, &o, &d, NULL), PX_ERR_OK);
    return d;
}

/* A hash of all rows of a loader, tokens and numbers. */
static uint64_t all_rows(px_data *data, px_packing packing)
{
    const px_loader_source source = {.data = data};
    px_loader_options o = {.size = sizeof o,
                           .sources = &source,
                           .source_count = 1,
                           .batch = 8,
                           .row_tokens = 128,
                           .packing = packing,
                           .epochs = 1,
                           .seed = 5,
                           .threads = 2};
    px_loader *l;
    const px_batch *b;
    uint64_t hash = 0xcbf29ce484222325u;
    CHECK_EQ(px_loader_new(&o, &l, NULL), PX_ERR_OK);
    while (px_loader_next(l, &b, NULL) == PX_ERR_OK && b) {
        const uint8_t *p = b->ids;
        for (size_t i = 0; i < (size_t)b->rows * 128 * 4; i++)
            hash = (hash ^ p[i]) * 0x100000001b3u;
        px_loader_give_back(l, b);
    }
    px_loader_free(l);
    return hash;
}

static _Atomic uint64_t flipped;

/* Each block at most once. */
static enum wrong flip_once(unsigned request, uint64_t first)
{
    uint64_t bit = 1ull << (first / 65536 % 64);
    return first >= 8192 && !(atomic_fetch_or(&flipped, bit) & bit) ? FLIP : RIGHT;
}

TEST(a_store_gives_the_rows_of_its_file)
{
    struct server s;
    size_t n;
    px_data *here;
    uint8_t *bytes = make_store(&n);
    CHECK_EQ(px_data_open(path, NULL, &here, NULL), PX_ERR_OK);
    start(&s, bytes, n, flip_once);
    for (px_packing k = PX_PACK_PAD; k <= PX_PACK_BEST_FIT; k++) {
        px_data *there = open_store(&s, 1 << 20);
        flipped = 0;
        CHECK_EQ(all_rows(there, k), all_rows(here, k));
        px_data_traffic t;
        px_data_get_traffic(there, &t);
        CHECK(t.elsewhere && t.wrong && !t.damaged);
        px_data_close(there);
    }
    stop(&s);
    /* Damage where it lies is the same damage. */
    bytes[8192 + 100000] ^= 1;
    FILE *f = fopen(path, "r+b");
    CHECK(f && fseek(f, 8192 + 100000, SEEK_SET) == 0 && fputc(bytes[8192 + 100000], f) != EOF);
    fclose(f);
    start(&s, bytes, n, NULL);
    px_data *there = open_store(&s, 0);
    CHECK_EQ(all_rows(there, PX_PACK_PAD), all_rows(here, PX_PACK_PAD));
    px_data_traffic t;
    px_data_get_traffic(there, &t);
    CHECK_EQ(t.damaged, 1);
    CHECK(t.first_damaged <= 8192 + 100000 && 8192 + 100000 < t.first_damaged + 65536);
    px_data_close(there);
    px_data_close(here);
    stop(&s);
    unlink(path);
    free(bytes);
}

TEST_MAIN()
