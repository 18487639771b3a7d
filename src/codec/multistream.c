/* Lines of multistream-select. */
#include "codec/multistream.h"

#include "base/diag.h"
#include "base/limits.h"
#include "codec/utf8.h"
#include "codec/varint.h"

static int wrong(px_diag *d, size_t at, const char *field, const char *expected, uint64_t found)
{
    pxi_diag_field(d, "%s", field);
    pxi_diag_set(d, PX_ERR_CORRUPT, at, expected, "%llu", (unsigned long long)found);
    return -1;
}

/* Offset of the first byte that may not stand in a line, or v.n. */
static size_t text_fault(px_view v)
{
    for (size_t at = 0, n; at < v.n; at += n) {
        n = pxi_utf8_length(v.p + at, v.n - at);
        if (!n || v.p[at] < ' ' || v.p[at] == 0x7f)
            return at;
    }
    return v.n;
}

int pxi_multistream_next(px_view in, px_view *text, px_diag *d)
{
    uint64_t n = 0;
    int head = pxi_varint_get(in, &n);
    if (head == 0) /* two bytes of length cover the limit */
        return in.n < 2 ? 0 : wrong(d, 0, "length", "1 to net.protocol_bytes", in.p[1]);
    if (head < 0)
        return wrong(d, 0, "length", "a varint in its shortest form", in.p[0]);
    if (n == 0 || n > PXI_LIMIT_NET_PROTOCOL_BYTES)
        return wrong(d, 0, "length", "1 to net.protocol_bytes", n);
    if (n > in.n - (size_t)head)
        return 0;
    px_view line = px_view_of(in.p + head, (size_t)n - 1);
    if (line.p[line.n] != '\n')
        return wrong(d, (size_t)head + line.n, "newline", "10 at the end", line.p[line.n]);
    size_t at = text_fault(line);
    if (at < line.n)
        return wrong(d, (size_t)head + at, "text", "printable UTF-8", line.p[at]);
    *text = line;
    return head + (int)n;
}

bool pxi_multistream_add(struct pxi_buf *out, px_view text)
{
    uint8_t head[PXI_VARINT_MAX];
    size_t n = pxi_varint_put(head, (uint64_t)text.n + 1), before = out->n;
    if (pxi_buf_add(out, head, n) && pxi_buf_add(out, text.p, text.n) && pxi_buf_add(out, "\n", 1))
        return true;
    out->n = before;
    return false;
}
