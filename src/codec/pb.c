/*
 * Protocol buffers by table. Decoding walks a message twice: once to count what repeats, so that
 * every list is allocated at its size, and once to fill the structure. Nothing is copied.
 */
#include "codec/pb.h"

#include <endian.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/math.h"
#include "codec/utf8.h"
#include "codec/varint.h"

#define COLD __attribute__((noinline, cold)) /* keeps faults out of the way of what is fast */

enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

enum {
    FIELDS_MAX = 24,                /* in one table */
    NUMBER_MAX = (1 << 29) - 1,     /* of a field */
    WIRE_VARINT_MAX = 10,           /* bytes; protobuf also takes longer forms than needed */
    DEPTH_MAX = PXI_LIMIT_PB_DEPTH, /* of messages in messages */
    CONTINUES = 0x80,               /* bit of a byte that another one follows */
};

/* Where a decoder is: a message, and the way to it from the outermost one (for a diagnosis). */
struct level {
    const struct level *up;
    const struct pxi_pb_message *m;
    const struct pxi_pb_field *f; /* the field being read */
    size_t index;                 /* of the element, when f repeats */
    unsigned depth;
};

struct decoder {
    const uint8_t *base;
    struct pxi_arena *arena;
    px_diag *diag;
};

/* One field as it lies on the wire. */
struct item {
    const struct pxi_pb_field *f; /* NULL when the table does not know it */
    const uint8_t *at;            /* its first byte */
    uint64_t v;                   /* of a varint, a fixed64 or a fixed32 */
    px_view bytes;                /* of a length-delimited one */
};

struct reader {
    const uint8_t *p, *end;
};

/* ---------------------------------------------------------------------------- diagnosis */

static size_t path_write(const struct level *l, char *out, size_t cap)
{
    size_t n = l->up ? path_write(l->up, out, cap) : (size_t)snprintf(out, cap, "%s", l->m->name);
    if (!l->f || n >= cap)
        return n;
    if (l->f->repeated)
        return n + (size_t)snprintf(out + n, cap - n, ".%s[%zu]", l->f->name, l->index);
    return n + (size_t)snprintf(out + n, cap - n, ".%s", l->f->name);
}

static COLD px_err fault(const struct decoder *d, const struct level *l, const uint8_t *at,
                         px_err err, const char *expected, const char *found)
{
    char path[96];
    if (!d->diag)
        return err;
    path_write(l, path, sizeof path);
    pxi_diag_field(d->diag, "%s", path);
    return pxi_diag_set(d->diag, err, d->base ? (uint64_t)(at - d->base) : 0, expected, "%s",
                        found);
}

static COLD px_err fault_number(const struct decoder *d, const struct level *l, const uint8_t *at,
                                px_err err, const char *expected, uint64_t found)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)found);
    return fault(d, l, at, err, expected, text);
}

/* ---------------------------------------------------------------------------- one field */

static px_err read_long_varint(struct reader *r, uint64_t *v)
{
    const uint8_t *p = r->p;
    uint64_t x = 0;
    for (unsigned i = 0; i < WIRE_VARINT_MAX; i++) {
        if (p + i == r->end)
            return PX_ERR_TRUNCATED;
        x |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] & CONTINUES)
            continue;
        if (i == WIRE_VARINT_MAX - 1 && p[i] > 1)
            return PX_ERR_CORRUPT;
        *v = x;
        r->p = p + i + 1;
        return PX_ERR_OK;
    }
    return PX_ERR_CORRUPT;
}

/* A varint of up to 64 bits. PX_ERR_TRUNCATED or PX_ERR_CORRUPT, without a diagnosis. */
static inline px_err read_varint(struct reader *r, uint64_t *v)
{
    if (r->p == r->end || *r->p & CONTINUES)
        return read_long_varint(r, v);
    *v = *r->p++;
    return PX_ERR_OK;
}

static const struct pxi_pb_field *search_field(const struct pxi_pb_message *m, unsigned *hint,
                                               uint64_t number)
{
    for (unsigned i = 0; i < m->field_count; i++)
        if (m->fields[i].number == number)
            return &m->fields[*hint = i];
    return NULL;
}

/* The row with this number. Fields come in order as a rule: the last row again, or the next one. */
static inline const struct pxi_pb_field *find_field(const struct pxi_pb_message *m, unsigned *hint,
                                                    uint64_t number)
{
    const struct pxi_pb_field *f = &m->fields[*hint];
    if (f->number == number)
        return f;
    if (*hint + 1 < m->field_count && f[1].number == number) {
        ++*hint;
        return f + 1;
    }
    return search_field(m, hint, number);
}

static inline unsigned wire_of(const struct pxi_pb_field *f)
{
    return f->kind == PXI_PB_FIXED64   ? FIXED64
           : f->kind == PXI_PB_FIXED32 ? FIXED32
           : f->kind >= PXI_PB_BYTES   ? LENGTH
                                       : VARINT;
}

static inline px_err read_value(const struct decoder *d, const struct level *l, struct reader *r,
                                unsigned wire, struct item *it)
{
    const uint8_t *at = r->p;
    uint64_t n = wire == FIXED64 ? 8 : 4;
    if (wire == VARINT || wire == LENGTH) {
        px_err err = read_varint(r, &n);
        if (err != PX_ERR_OK)
            return fault(d, l, at, err, "a varint of at most 10 bytes",
                         err == PX_ERR_CORRUPT ? "a longer one" : "the end");
        it->v = n;
        if (wire == VARINT)
            return PX_ERR_OK;
    }
    if (n > (uint64_t)(r->end - r->p))
        return fault_number(d, l, at, PX_ERR_TRUNCATED, "a length within the message", n);
    it->bytes = px_view_of(r->p, (size_t)n);
    r->p += n;
    if (wire == FIXED64) {
        memcpy(&it->v, it->bytes.p, sizeof it->v);
        it->v = le64toh(it->v);
    } else if (wire == FIXED32) {
        uint32_t v;
        memcpy(&v, it->bytes.p, sizeof v);
        it->v = le32toh(v);
    }
    return PX_ERR_OK;
}

/* Read one field, known or not. */
static inline px_err read_item(const struct decoder *d, struct level *l, struct reader *r,
                               unsigned *hint, struct item *it)
{
    uint64_t key;
    it->at = r->p;
    it->f = l->f = NULL;
    px_err err = read_varint(r, &key);
    if (err != PX_ERR_OK)
        return fault(d, l, it->at, err, "the key of a field",
                     err == PX_ERR_CORRUPT ? "a varint of more than 10 bytes" : "the end");
    unsigned wire = key & 7;
    if (key >> 3 == 0 || key >> 3 > NUMBER_MAX)
        return fault_number(d, l, it->at, PX_ERR_CORRUPT, "a field number of 1 to 2^29-1",
                            key >> 3);
    it->f = l->f = find_field(l->m, hint, key >> 3);
    if (wire > LENGTH && wire != FIXED32)
        return fault_number(d, l, it->at, PX_ERR_CORRUPT, "wire type 0, 1, 2 or 5", wire);
    if (it->f && wire != wire_of(it->f))
        return fault_number(d, l, it->at, PX_ERR_CORRUPT, "the wire type of the field", wire);
    return read_value(d, l, r, wire, it);
}

/* ---------------------------------------------------------------------------- filling */

static px_err decode_message(const struct decoder *d, const struct level *up, unsigned depth,
                             const struct pxi_pb_message *m, px_view in, void *out);

static bool is_utf8(px_view v)
{
    for (size_t at = 0, n; at < v.n; at += n) {
        n = pxi_utf8_length(v.p + at, v.n - at);
        if (!n)
            return false;
    }
    return true;
}

static px_err store(const struct decoder *d, const struct level *l, const struct item *it, void *to)
{
    const struct pxi_pb_field *f = it->f;
    switch (f->kind) {
    case PXI_PB_UINT:
    case PXI_PB_FIXED32:
    case PXI_PB_FIXED64: *(uint64_t *)to = it->v; return PX_ERR_OK;
    case PXI_PB_BOOL: *(uint64_t *)to = it->v != 0; return PX_ERR_OK;
    case PXI_PB_MESSAGE: return decode_message(d, l, l->depth + 1, f->sub, it->bytes, to);
    default: break;
    }
    if (f->max && !f->repeated && it->bytes.n > f->max)
        return fault_number(d, l, it->at, PX_ERR_LIMIT, "a shorter field", it->bytes.n);
    if (f->kind == PXI_PB_STRING && !is_utf8(it->bytes))
        return fault(d, l, it->at, PX_ERR_CORRUPT, "text in UTF-8", "other bytes");
    *(px_view *)to = it->bytes;
    return PX_ERR_OK;
}

static size_t element_size(const struct pxi_pb_field *f)
{
    return f->kind == PXI_PB_MESSAGE ? f->sub->size
           : f->kind >= PXI_PB_BYTES ? sizeof(px_view)
                                     : sizeof(uint64_t);
}

static px_err store_field(const struct decoder *d, struct level *l, const struct item *it,
                          void *out)
{
    const struct pxi_pb_field *f = it->f;
    uint8_t *member = (uint8_t *)out + f->offset;
    if (f->has)
        *(bool *)((uint8_t *)out + f->has) = true;
    if (f->repeated) {
        struct pxi_pb_list *list = (struct pxi_pb_list *)(void *)member;
        l->index = list->n;
        px_err err = store(d, l, it, (uint8_t *)list->p + list->n * element_size(f));
        list->n++;
        return err;
    }
    if (f->kind != PXI_PB_MESSAGE)
        return store(d, l, it, member);
    void **sub = (void **)(void *)member;
    if (!*sub && !(*sub = pxi_arena_alloc(d->arena, 1, f->sub->size)))
        return fault(d, l, it->at, PX_ERR_NOMEM, "memory", "none");
    return store(d, l, it, *sub);
}

/* First walk: count what repeats and make its lists. */
static px_err make_lists(const struct decoder *d, struct level *l, px_view in, void *out)
{
    uint32_t counts[FIELDS_MAX] = {0};
    struct reader r = {in.p, in.p + in.n};
    struct item it;
    unsigned hint = 0;
    while (r.p < r.end) {
        px_err err = read_item(d, l, &r, &hint, &it);
        if (err != PX_ERR_OK)
            return err;
        if (!it.f || !it.f->repeated)
            continue;
        l->index = counts[hint]++;
        if (it.f->max && counts[hint] > it.f->max)
            return fault_number(d, l, it.at, PX_ERR_LIMIT, "fewer elements", counts[hint]);
    }
    for (unsigned i = 0; i < l->m->field_count; i++) {
        const struct pxi_pb_field *f = &l->m->fields[i];
        if (!counts[i])
            continue;
        struct pxi_pb_list *list = (struct pxi_pb_list *)(void *)((uint8_t *)out + f->offset);
        list->p = pxi_arena_alloc(d->arena, counts[i], element_size(f));
        if (!list->p)
            return fault(d, l, in.p, PX_ERR_NOMEM, "memory", "none");
    }
    return PX_ERR_OK;
}

static bool has_lists(const struct pxi_pb_message *m)
{
    for (unsigned i = 0; i < m->field_count; i++)
        if (m->fields[i].repeated)
            return true;
    return false;
}

static px_err decode_message(const struct decoder *d, const struct level *up, unsigned depth,
                             const struct pxi_pb_message *m, px_view in, void *out)
{
    struct level l = {up, m, NULL, 0, depth};
    struct reader r = {in.p, in.p + in.n};
    struct item it;
    unsigned hint = 0;
    memset(out, 0, m->size);
    if (depth > DEPTH_MAX || m->field_count > FIELDS_MAX)
        return fault(d, &l, in.p, PX_ERR_LIMIT, "fewer messages in messages", "more");
    px_err err = has_lists(m) ? make_lists(d, &l, in, out) : PX_ERR_OK;
    while (err == PX_ERR_OK && r.p < r.end) {
        err = read_item(d, &l, &r, &hint, &it);
        if (err == PX_ERR_OK && it.f)
            err = store_field(d, &l, &it, out);
    }
    return err;
}

px_err pxi_pb_decode(const struct pxi_pb_message *m, px_view in, struct pxi_arena *a, void *out,
                     px_diag *d)
{
    static const uint8_t nothing;
    if (!in.p)
        in = px_view_of(&nothing, 0);
    struct decoder dec = {in.p, a, d};
    return decode_message(&dec, NULL, 0, m, in, out);
}

/* ---------------------------------------------------------------------------- encoding */

/* Elements of a field: p and n, whether it repeats or not; none when it is absent. */
static struct pxi_pb_list elements(const struct pxi_pb_field *f, const void *in)
{
    const uint8_t *member = (const uint8_t *)in + f->offset;
    struct pxi_pb_list one = {(void *)(uintptr_t)member, 1}, none = {NULL, 0};
    if (f->repeated)
        return *(const struct pxi_pb_list *)(const void *)member;
    if (f->kind == PXI_PB_MESSAGE) {
        one.p = *(void *const *)(const void *)member;
        return one.p ? one : none;
    }
    if (f->always || (f->has && *(const bool *)((const uint8_t *)in + f->has)))
        return one;
    bool set = f->kind >= PXI_PB_BYTES ? ((const px_view *)(const void *)member)->n != 0
                                       : *(const uint64_t *)(const void *)member != 0;
    return set ? one : none;
}

static const void *element(const struct pxi_pb_field *f, const struct pxi_pb_list *list, size_t i)
{
    return (const uint8_t *)list->p + i * element_size(f);
}

static inline size_t varint_size(uint64_t v)
{
    return v < CONTINUES ? 1 : pxi_varint_size(v);
}

static size_t element_bytes(const struct pxi_pb_field *f, const void *p)
{
    size_t n;
    switch (f->kind) {
    case PXI_PB_UINT: return varint_size(*(const uint64_t *)p);
    case PXI_PB_BOOL: return 1;
    case PXI_PB_FIXED64: return 8;
    case PXI_PB_FIXED32: return 4;
    case PXI_PB_MESSAGE: n = pxi_pb_size(f->sub, p); break;
    default: n = ((const px_view *)p)->n; break;
    }
    return varint_size(n) + n;
}

size_t pxi_pb_size(const struct pxi_pb_message *m, const void *in)
{
    size_t total = 0;
    for (unsigned i = 0; i < m->field_count; i++) {
        const struct pxi_pb_field *f = &m->fields[i];
        struct pxi_pb_list list = elements(f, in);
        for (size_t k = 0; k < list.n; k++)
            total += varint_size((uint64_t)f->number << 3) + element_bytes(f, element(f, &list, k));
    }
    return total;
}

/* ---------------------------------------------------------------------------- into sized room */

static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= CONTINUES; v >>= 7)
        *p++ = (uint8_t)(v | CONTINUES);
    *p = (uint8_t)v;
    return p + 1;
}

static uint8_t *put_message(const struct pxi_pb_message *m, const void *in, uint8_t *p);

static uint8_t *put_element(const struct pxi_pb_field *f, const void *in, uint8_t *p)
{
    uint64_t v;
    uint32_t v32;
    px_view bytes;
    p = put_varint(p, (uint64_t)f->number << 3 | wire_of(f));
    switch (f->kind) {
    case PXI_PB_UINT: return put_varint(p, *(const uint64_t *)in);
    case PXI_PB_BOOL: return put_varint(p, *(const uint64_t *)in != 0);
    case PXI_PB_FIXED64:
        v = htole64(*(const uint64_t *)in);
        memcpy(p, &v, sizeof v);
        return p + sizeof v;
    case PXI_PB_FIXED32:
        v32 = htole32((uint32_t) * (const uint64_t *)in);
        memcpy(p, &v32, sizeof v32);
        return p + sizeof v32;
    case PXI_PB_MESSAGE:
        p = put_varint(p, pxi_pb_size(f->sub, in));
        return put_message(f->sub, in, p);
    default:
        bytes = *(const px_view *)in;
        p = put_varint(p, bytes.n);
        if (bytes.n)
            memcpy(p, bytes.p, bytes.n);
        return p + bytes.n;
    }
}

/* Write the pxi_pb_size(m, in) bytes of a message; returns their end. */
static uint8_t *put_message(const struct pxi_pb_message *m, const void *in, uint8_t *p)
{
    for (unsigned i = 0; i < m->field_count; i++) {
        const struct pxi_pb_field *f = &m->fields[i];
        struct pxi_pb_list list = elements(f, in);
        for (size_t k = 0; k < list.n; k++)
            p = put_element(f, element(f, &list, k), p);
    }
    return p;
}

/* Room for n bytes, which fit b->max, at the end of a buffer. */
static uint8_t *make_room(struct pxi_buf *b, size_t n)
{
    enum { LEAST = 256 };
    if (n > b->cap - b->n) {
        size_t cap = pxi_min(b->max, pxi_max(b->n + n, pxi_max(2 * b->cap, LEAST)));
        uint8_t *q = pxi_realloc(b->p, cap, 1);
        if (!q)
            return NULL;
        b->p = q;
        b->cap = cap;
    }
    return b->p + b->n;
}

static px_err encode(const struct pxi_pb_message *m, const void *in, struct pxi_buf *out,
                     bool framed)
{
    size_t body = pxi_pb_size(m, in);
    size_t all = body + (framed ? pxi_varint_size(body) : 0);
    if (all > out->max - out->n)
        return PX_ERR_LIMIT;
    if (all == 0)
        return PX_ERR_OK;
    uint8_t *p = make_room(out, all);
    if (!p)
        return PX_ERR_NOMEM;
    put_message(m, in, framed ? put_varint(p, body) : p);
    out->n += all;
    return PX_ERR_OK;
}

px_err pxi_pb_encode(const struct pxi_pb_message *m, const void *in, struct pxi_buf *out)
{
    return encode(m, in, out, false);
}

px_err pxi_pb_encode_framed(const struct pxi_pb_message *m, const void *in, struct pxi_buf *out)
{
    return encode(m, in, out, true);
}
