/* FlatBuffers. */
#include "codec/flat.h"

#include "codec/ndp.gen.h"

/* `width` bytes at a place, 0 and `failed` where there are fewer. */
static uint64_t number(struct pxi_flat *f, uint64_t at, unsigned width)
{
    if (at > f->bytes.n || width > f->bytes.n - at) {
        f->failed = true;
        return 0;
    }
    return pxi_ndp_le(f->bytes.p + at, width);
}

static bool inside(struct pxi_flat *f, uint64_t at, uint64_t n)
{
    bool in = at <= f->bytes.n && n <= f->bytes.n - at;
    f->failed |= !in;
    return in;
}

/* The table at a place: i32 back to its list of fields, which begins with its own bytes and those
 * of the table. */
static struct pxi_flat_table open_table(struct pxi_flat *f, uint64_t at)
{
    struct pxi_flat_table none = {f, 0, 0, 0, 0};
    int64_t list = (int64_t)at - (int32_t)(uint32_t)number(f, at, 4);
    if (f->failed || !inside(f, (uint64_t)list, 4))
        return none;
    uint64_t own = number(f, (uint64_t)list, 2), bytes = number(f, (uint64_t)list + 2, 2);
    if (own < 4 || own % 2 || !inside(f, (uint64_t)list, own) || !inside(f, at, bytes)) {
        f->failed = true;
        return none;
    }
    return (struct pxi_flat_table){f, (size_t)at, (size_t)bytes, (size_t)list + 4,
                                   (unsigned)(own - 4) / 2};
}

struct pxi_flat_table pxi_flat_root(struct pxi_flat *f)
{
    return open_table(f, number(f, 0, 4));
}

/* Where field `id` of `bytes` bytes lies; 0: it is absent. */
static size_t field(const struct pxi_flat_table *t, unsigned id, unsigned bytes)
{
    if (id >= t->count)
        return 0;
    uint64_t at = number(t->f, t->fields + 2 * (uint64_t)id, 2);
    if (!at)
        return 0;
    if (at > t->bytes || bytes > t->bytes - at) {
        t->f->failed = true;
        return 0;
    }
    return t->at + (size_t)at;
}

uint64_t pxi_flat_number(const struct pxi_flat_table *t, unsigned id, unsigned bytes,
                         uint64_t absent)
{
    size_t at = field(t, id, bytes);
    return at ? number(t->f, at, bytes) : absent;
}

/* Where the offset in a field leads; 0: it is absent. */
static uint64_t follow(const struct pxi_flat_table *t, unsigned id)
{
    size_t at = field(t, id, 4);
    return at ? at + number(t->f, at, 4) : 0;
}

struct pxi_flat_table pxi_flat_table(const struct pxi_flat_table *t, unsigned id)
{
    uint64_t at = follow(t, id);
    return at ? open_table(t->f, at) : (struct pxi_flat_table){t->f, 0, 0, 0, 0};
}

struct pxi_flat_vector pxi_flat_vector(const struct pxi_flat_table *t, unsigned id, unsigned bytes)
{
    struct pxi_flat_vector v = {t->f, 0, 0};
    uint64_t at = follow(t, id), n = at ? number(t->f, at, 4) : 0;
    if (at && inside(t->f, at + 4, n * bytes)) {
        v.at = (size_t)at + 4;
        v.n = (uint32_t)n;
    }
    return v;
}

px_view pxi_flat_string(const struct pxi_flat_table *t, unsigned id)
{
    struct pxi_flat_vector v = pxi_flat_vector(t, id, 1);
    return px_view_of(v.n ? t->f->bytes.p + v.at : NULL, v.n);
}

struct pxi_flat_table pxi_flat_element(const struct pxi_flat_vector *v, uint32_t i)
{
    uint64_t at = v->at + 4 * (uint64_t)i;
    return open_table(v->f, at + number(v->f, at, 4));
}

uint64_t pxi_flat_at(const struct pxi_flat_vector *v, uint32_t i, unsigned bytes, unsigned from,
                     unsigned width)
{
    return number(v->f, v->at + (uint64_t)i * bytes + from, width);
}
