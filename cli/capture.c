/* plexus capture decode, encode */
#include "json.h"

#include <arpa/inet.h>
#include <string.h>

enum { SHOWN = 16384 };

static const px_capture_field *field_of(const px_capture_packet *p, const char *name)
{
    for (unsigned i = 0; i < p->field_count; i++)
        if (strcmp(p->fields[i].name, name) == 0)
            return &p->fields[i];
    return NULL;
}

static size_t shown_tokens(const struct cli *c, const px_capture_packet *p, int32_t *out)
{
    px_sample s = {
        .bytes = p->payload, .tokens = p->tokens, .token_bytes = sizeof *out, .big_endian = 1};
    uint64_t most = opt_uint(c, OPT_CAPTURE_TOKENS);
    return px_sample_tokens(&s, 0, out, most < SHOWN ? (size_t)most : SHOWN);
}

static const char *address(const px_capture_packet *p, const uint8_t *bytes, char *out, size_t cap)
{
    return inet_ntop(p->ip == 6 ? AF_INET6 : AF_INET, bytes, out, (socklen_t)cap);
}

/* --------------------------------------------------------------------- JSON */

static json_t *field_json(const px_capture_field *f)
{
    char hex[24];
    snprintf(hex, sizeof hex, "0x%016llx", (unsigned long long)f->value);
    return f->bytes == 8 ? json_text(hex) : json_integer((json_int_t)f->value);
}

static json_t *packet_json(const struct cli *c, const px_capture_packet *p)
{
    static int32_t ids[SHOWN];
    char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN];
    json_t *o = json_object(), *head = json_object(), *names = json_object();
    json_object_set_new(o, "record", json_u64(p->record));
    json_object_set_new(o, "offset", json_u64(p->offset));
    json_object_set_new(o, "time_ns", json_integer(p->time_ns));
    json_object_set_new(o, "kind", json_text(p->kind));
    json_object_set_new(o, "part", json_integer(p->part));
    json_object_set_new(o, "bytes", json_u64(p->bytes.n));
    json_object_set_new(o, "drop", json_text(p->drop));
    json_object_set_new(o, "from",
                        p->ip ? json_text(address(p, p->src, a, sizeof a)) : json_null());
    json_object_set_new(o, "to", p->ip ? json_text(address(p, p->dst, b, sizeof b)) : json_null());
    json_object_set_new(o, "port_from", p->ip ? json_integer(p->src_port) : json_null());
    json_object_set_new(o, "port_to", p->ip ? json_integer(p->dst_port) : json_null());
    for (unsigned i = 0; i < p->field_count; i++) {
        json_object_set_new(head, p->fields[i].name, field_json(&p->fields[i]));
        if (*p->fields[i].text)
            json_object_set_new(names, p->fields[i].name, json_text(p->fields[i].text));
    }
    json_object_set_new(o, "head", head);
    json_object_set_new(o, "names", names);
    json_object_set_new(o, "crc", p->has_crc ? json_integer(p->crc) : json_null());
    json_object_set_new(o, "expected", p->has_crc ? json_integer(p->right_crc) : json_null());
    json_object_set_new(o, "tokens",
                        p->tokens ? json_ids(ids, shown_tokens(c, p, ids)) : json_null());
    return o;
}

static json_t *counts_json(const px_capture *capture, int records)
{
    json_t *all = json_object();
    px_capture_count n;
    for (unsigned i = 0; px_capture_count_at(capture, i, &n); i++) {
        if ((strcmp(n.kind, "record") == 0) != records)
            continue;
        if (records) {
            json_object_set_new(all, n.drop, json_u64(n.count));
            continue;
        }
        if (!n.drop)
            json_object_set_new(all, n.kind,
                                json_pack("{s:o,s:{}}", "packets", json_u64(n.count), "dropped"));
        else
            json_object_set_new(json_object_get(json_object_get(all, n.kind), "dropped"), n.drop,
                                json_u64(n.count));
    }
    return all;
}

/* --------------------------------------------------------------------- text */

static void put_code(const px_capture_packet *p, const char *name, const char *before)
{
    const px_capture_field *f = field_of(p, name);
    if (f && *f->text)
        printf("%s%s", before, f->text);
    else if (f)
        printf("%s%lld", before, (long long)f->value);
}

static void put_ndp(const struct cli *c, const px_capture_packet *p)
{
    static int32_t ids[SHOWN];
    put_code(p, "src", "");
    put_code(p, "dst", " > ");
    put_code(p, "typ", " ");
    put_code(p, "length", " ");
    printf("%s", p->field_count ? " bytes" : "bytes");
    if (p->has_crc)
        printf(", crc %04x", p->crc);
    if (p->has_crc && p->crc != p->right_crc)
        printf(" not %04x", p->right_crc);
    size_t n = shown_tokens(c, p, ids);
    for (size_t i = 0; i < n; i++)
        printf("%s%d", i ? " " : ": ", ids[i]);
    if (n && n < p->tokens)
        printf(" ...");
}

static void put_gradient(const px_capture_packet *p)
{
    static const char *const shown[] = {"job", "epoch", "shard", "worker", "slot", "seq", "count"};
    put_code(p, "kind", "");
    put_code(p, "format", " ");
    for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++) {
        char before[24];
        snprintf(before, sizeof before, ", %s ", shown[i]);
        put_code(p, shown[i], before);
    }
    const px_capture_field *flags = field_of(p, "flags");
    if (flags && flags->value)
        put_code(p, "flags", ", ");
}

static void put_packet(const struct cli *c, const px_capture_packet *p)
{
    char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN];
    long long s = p->time_ns / 1000000000, ns = p->time_ns % 1000000000;
    if (ns < 0) { /* before 1970 */
        s--;
        ns += 1000000000;
    }
    printf("%6llu  %lld.%09lld  ", (unsigned long long)p->record, s, ns);
    if (p->ip)
        printf(p->ip == 6 ? "[%s]:%u > [%s]:%u  " : "%s:%u > %s:%u  ",
               address(p, p->src, a, sizeof a), p->src_port, address(p, p->dst, b, sizeof b),
               p->dst_port);
    printf("%s  ", p->kind);
    if (p->drop)
        printf("%sdropped, %s%s (%zu bytes)  ", ink(31), p->drop, ink(0), p->bytes.n);
    if (strcmp(p->kind, "ndp") != 0)
        put_gradient(p);
    else if (p->field_count)
        put_ndp(c, p);
    putchar('\n');
}

static void put_counts(const px_capture *capture)
{
    px_capture_count n;
    printf("%llu records", (unsigned long long)px_capture_records(capture));
    for (unsigned i = 0; px_capture_count_at(capture, i, &n); i++) {
        if (!n.drop)
            printf("; %llu %s", (unsigned long long)n.count, n.kind);
        else if (n.count && strcmp(n.kind, "record") == 0)
            printf("; %llu skipped (%s)", (unsigned long long)n.count, n.drop);
        else if (n.count)
            printf(", %llu dropped (%s)", (unsigned long long)n.count, n.drop);
    }
    putchar('\n');
}

/* --------------------------------------------------------------------- verb */

static px_err decode(struct cli *c, px_capture *capture, json_t *packets, px_diag *d)
{
    px_capture_packet p;
    px_err err;
    while ((err = px_capture_next(capture, &p, d)) == PX_ERR_OK) {
        if (interrupted())
            return PX_ERR_INTERRUPTED;
        if (opt_on(c, OPT_JSON))
            json_array_append_new(packets, packet_json(c, &p));
        else if (opt_on(c, OPT_JSON_LINES)) {
            json_t *line = packet_json(c, &p);
            json_object_set_new(line, "event", json_text("packet"));
            line_print(line);
        } else
            put_packet(c, &p);
    }
    return err == PX_ERR_NOT_FOUND ? PX_ERR_OK : err;
}

static int conclude(struct cli *c, const px_capture *capture, json_t *packets, int rc)
{
    if (!opt_on(c, OPT_JSON) && !opt_on(c, OPT_JSON_LINES)) {
        put_counts(capture);
        return rc;
    }
    json_t *doc = opt_on(c, OPT_JSON) ? doc_new(c) : json_object();
    if (opt_on(c, OPT_JSON))
        json_object_set(doc, "packets", packets);
    else
        json_object_set_new(doc, "event", json_text("done"));
    json_object_set_new(doc, "records", json_u64(px_capture_records(capture)));
    json_object_set_new(doc, "counts", counts_json(capture, 0));
    json_object_set_new(doc, "skipped", counts_json(capture, 1));
    if (opt_on(c, OPT_JSON))
        return doc_print(doc, rc);
    line_print(doc);
    return rc;
}

int verb_capture_decode(struct cli *c)
{
    const char *format = opt_text(c, OPT_CAPTURE_FORMAT);
    px_capture_options o = {.size = sizeof o,
                            .format = strcmp(format, "auto") == 0 ? NULL : format,
                            .port = (unsigned)opt_uint(c, OPT_CAPTURE_PORT),
                            .crc = opt_text(c, OPT_CAPTURE_CRC),
                            .cover = opt_text(c, OPT_CAPTURE_COVER)};
    px_file *f = NULL;
    px_capture *capture = NULL;
    px_diag d = {0};
    px_err err = px_file_open(c->arg[0], &f, &d);
    if (!err)
        err = px_capture_new(px_file_bytes(f), &o, &capture, &d);
    if (err) {
        px_file_close(f);
        return fail(err, c->arg[0], &d);
    }
    json_t *packets = json_array();
    interrupt_poll(1);
    err = decode(c, capture, packets, &d);
    if (!err && px_file_changed(f))
        err = PX_ERR_CHANGED;
    int rc = conclude(c, capture, packets, err ? fail(err, c->arg[0], &d) : 0);
    json_decref(packets);
    px_capture_free(capture);
    px_file_close(f);
    return rc;
}

/* ------------------------------------------------------------------- encode */

static int on_progress(void *ctx, uint64_t done, uint64_t all)
{
    struct progress *p = ctx;
    p->total = all;
    progress_set(p, done);
    return interrupted();
}

int verb_capture_encode(struct cli *c)
{
    px_capture_written w = {0};
    struct progress p;
    px_diag d = {0};
    interrupt_poll(1);
    progress_begin(&p, c, "writing", "bytes", 0);
    px_err err = px_capture_encode(c->arg[0], c->arg[1], on_progress, &p, &w, &d);
    progress_end(&p);
    if (err)
        return fail(err, c->arg[0], &d);
    if (!opt_on(c, OPT_JSON)) {
        printf("%llu records, %llu of them no packets, %llu bytes\n", (unsigned long long)w.records,
               (unsigned long long)w.dropped, (unsigned long long)w.bytes);
        return 0;
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "records", json_u64(w.records));
    json_object_set_new(doc, "dropped", json_u64(w.dropped));
    json_object_set_new(doc, "bytes", json_u64(w.bytes));
    return doc_print(doc, 0);
}
