/*
 * Any bytes as a frame of /omni/tensor-xfer/1, as a request and as a reply: what is read is inside
 * the frame, and written again it reads the same.
 */
#include "base/limits.h"
#include "codec/omni.h"
#include "px_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(px_view v, const uint8_t *data, size_t size)
{
    CHECK(!v.n || (v.p >= data && v.p + v.n <= data + size));
}

static bool same(px_view a, px_view b)
{
    return a.n == b.n && (!a.n || memcmp(a.p, b.p, a.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    px_view in = px_view_of(data, size);
    struct pxi_omni_request m, m2;
    struct pxi_omni_reply r, r2;
    struct pxi_buf b = {.max = (size_t)PXI_LIMIT_OMNI_BYTES + 4};
    (void)px_test_main;
    if (pxi_omni_request_read(in, &m) == PX_ERR_OK) {
        inside(m.session, data, size);
        inside(m.data, data, size);
        CHECK(pxi_omni_request_write(&m, &b));
        CHECK_EQ(pxi_omni_request_read(px_view_of(b.p, b.n), &m2), PX_ERR_OK);
        CHECK(same(m.session, m2.session) && same(m.data, m2.data));
        CHECK(m.micro_batch == m2.micro_batch && m.from == m2.from && m.to == m2.to);
        CHECK(m.seq == m2.seq && m.hidden == m2.hidden && m.dtype == m2.dtype);
    }
    b.n = 0;
    if (pxi_omni_reply_read(in, &r) == PX_ERR_OK) {
        inside(r.session, data, size);
        inside(r.error, data, size);
        CHECK(pxi_omni_reply_write(&r, &b));
        CHECK_EQ(pxi_omni_reply_read(px_view_of(b.p, b.n), &r2), PX_ERR_OK);
        CHECK(same(r.session, r2.session) && same(r.error, r2.error));
        CHECK(r.micro_batch == r2.micro_batch && r.stage == r2.stage);
        CHECK(r.accepted == r2.accepted && !r.error.p == !r2.error.p);
    }
    pxi_buf_deinit(&b);
    return 0;
}
