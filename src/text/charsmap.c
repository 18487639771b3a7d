/*
 * The precompiled charsmap of SentencePiece: u32 bytes of the tree, the tree, the texts. The tree
 * is a double array of u32 units: bits 0 to 7 the byte that leads here (with bit 31: a value
 * instead), bit 8 whether a value is one step on, bits 10 and up the offset of the children, times
 * 256 when bit 9 is set. A child lies at the place of its parent, exclusive-or the offset,
 * exclusive-or its byte.
 */
#include "base/diag.h"
#include "text/normal.h"

static uint32_t le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t unit_at(const struct pxi_charsmap *m, size_t i)
{
    return le32(m->units + 4 * i);
}

static uint32_t offset_of(uint32_t unit)
{
    return unit >> 10 << ((unit >> 9 & 1) * 8);
}

/* One step down from node *at by a byte; *value is the text there, or -1. False: there is none. */
static bool step(const struct pxi_charsmap *m, size_t *at, uint8_t byte, int64_t *value)
{
    size_t child = *at ^ byte;
    *value = -1;
    if (child >= m->unit_count)
        return false;
    uint32_t unit = unit_at(m, child);
    if ((unit & (1u << 31 | 0xff)) != byte)
        return false;
    *at = child ^ offset_of(unit);
    if (unit >> 8 & 1) {
        if (*at >= m->unit_count)
            return false;
        *value = unit_at(m, *at) & 0x7fffffffu;
    }
    return true;
}

size_t pxi_charsmap_find(const struct pxi_charsmap *m, const uint8_t *p, size_t n, bool first,
                         px_view *to)
{
    size_t longest = 0;
    if (!m->unit_count)
        return 0;
    size_t at = offset_of(unit_at(m, 0));
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        if (!step(m, &at, p[i], &value))
            break;
        if (value < 0 || (uint64_t)value >= m->texts.n)
            continue;
        const uint8_t *text = m->texts.p + value;
        size_t most = m->texts.n - (size_t)value;
        const uint8_t *end = memchr(text, 0, most);
        *to = px_view_of(text, end ? (size_t)(end - text) : most);
        longest = i + 1;
        if (first)
            break;
    }
    return longest;
}

/* Does no rule begin with these ASCII bytes, one or two of them? */
static bool is_inert(const struct pxi_charsmap *m, uint8_t byte)
{
    int64_t value;
    if (!m->unit_count)
        return true;
    size_t first = offset_of(unit_at(m, 0));
    if (!step(m, &first, byte, &value))
        return true;
    if (value >= 0)
        return false;
    for (unsigned next = 0; next < 128; next++) {
        size_t at = first;
        if (step(m, &at, (uint8_t)next, &value))
            return false;
    }
    return true;
}

px_err pxi_charsmap_open(struct pxi_charsmap *m, px_view bytes, uint64_t offset, px_diag *diag)
{
    *m = (struct pxi_charsmap){0};
    if (bytes.n) {
        uint64_t tree = bytes.n >= 4 ? le32(bytes.p) : 0;
        if (bytes.n < 8 || tree % 4 || !tree || tree > bytes.n - 4)
            return pxi_diag_set(diag, PX_ERR_CORRUPT, offset,
                                "a charsmap: the size of its tree, the tree, the texts",
                                "%llu bytes, a tree of %llu", (unsigned long long)bytes.n,
                                (unsigned long long)tree);
        m->units = bytes.p + 4;
        m->unit_count = (size_t)tree / 4;
        m->texts = px_view_of(bytes.p + 4 + tree, bytes.n - 4 - (size_t)tree);
        if (m->texts.n && m->texts.p[m->texts.n - 1])
            return pxi_diag_set(diag, PX_ERR_CORRUPT, offset, "texts that end with a NUL",
                                "one that does not");
    }
    for (unsigned byte = 0; byte < 128; byte++)
        m->inert[byte] = is_inert(m, (uint8_t)byte);
    return PX_ERR_OK;
}
