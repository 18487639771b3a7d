/* Any text as an invite: what is accepted gives its own words back, what is not names its word. */
#include "codec/invite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pxi_invite v, back;
    char text[PXI_INVITE_TEXT];
    px_diag d = {.offset = 0};
    px_err err = pxi_invite_parse(px_view_of(data, size), &v, &d);
    if (err != PX_ERR_OK) {
        MUST(err == PX_ERR_CORRUPT || err == PX_ERR_TRUNCATED || err == PX_ERR_VERSION);
        MUST(d.offset <= size && d.field[0] && d.expected[0] && d.found[0]);
        return 0;
    }
    MUST(pxi_invite_text(&v, text) == PX_ERR_OK);
    MUST(pxi_invite_parse(px_view_str(text), &back, NULL) == PX_ERR_OK);
    MUST(memcmp(back.key, v.key, sizeof v.key) == 0 && pxi_peer_equal(&back.at.peer, &v.at.peer));
    return 0;
}
