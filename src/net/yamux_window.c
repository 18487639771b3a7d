/* Bytes that a session holds, and the credit that it gives: windows, their growth, round trips. */
#include "base/math.h"
#include "net/limits.h"
#include "net/yamux_impl.h"

/* Reservations in the scope of the connection are made in steps, to ask rarely. */
enum { SCOPE_STEP = 65536 };

static uint64_t held_bytes(const struct pxi_yamux *y)
{
    return y->out_bytes + y->kept_bytes + y->grown;
}

bool pxi_yamux_hold(struct pxi_yamux *y, uint64_t *total, uint64_t max, size_t n)
{
    if (*total > max || n > max - *total)
        return false;
    uint64_t need = held_bytes(y) + n;
    if (y->conn.scope && need > y->scope_bytes) {
        uint64_t step = (need - y->scope_bytes + SCOPE_STEP - 1) / SCOPE_STEP * SCOPE_STEP;
        if (pxi_scope_memory(y->conn.scope, (int64_t)step) != PX_ERR_OK)
            return false;
        y->scope_bytes += step;
    }
    *total += n;
    return true;
}

void pxi_yamux_let_go(struct pxi_yamux *y, uint64_t *total, size_t n)
{
    *total -= n;
    uint64_t need = held_bytes(y), spare = y->scope_bytes - (need < y->scope_bytes ? need : 0);
    if (!y->conn.scope)
        y->scope_bytes = 0; /* the scope is closed, and took it along */
    if (y->scope_bytes && (need == 0 || (need < y->scope_bytes && spare > 16 * SCOPE_STEP))) {
        uint64_t back = need ? spare / SCOPE_STEP * SCOPE_STEP : y->scope_bytes;
        pxi_scope_memory(y->conn.scope, -(int64_t)back);
        y->scope_bytes -= back;
    }
    if (y->out_full && y->out_bytes <= PXI_LIMIT_YAMUX_QUEUED / 2)
        pxi_yamux_later(y);
}

/* What could be announced now. */
static uint32_t delta_of(const struct pxi_ystream *s)
{
    uint64_t used = (uint64_t)s->in.n + s->recv_window;
    return used < s->recv_max ? (uint32_t)(s->recv_max - used) : 0;
}

bool pxi_yamux_window_wants(const struct pxi_ystream *s)
{
    return !s->dead && !s->fin_got && delta_of(s) >= s->recv_max / 2;
}

/* Twice the window, when the last one lasted for less than four round trips. */
static void window_grow(struct pxi_ystream *s)
{
    struct pxi_yamux *y = s->y;
    uint64_t now = y->timers->now_ns;
    bool fast = y->rtt_ns && now - s->epoch_ns < 4 * y->rtt_ns;
    s->epoch_ns = now;
    if (!fast || s->recv_max >= PXI_LIMIT_YAMUX_WINDOW)
        return;
    uint32_t more = (uint32_t)pxi_min(s->recv_max, PXI_LIMIT_YAMUX_WINDOW - s->recv_max);
    if (pxi_yamux_hold(y, &y->grown, PXI_LIMIT_YAMUX_WINDOWS, more))
        s->recv_max += more;
}

uint32_t pxi_yamux_window_due(struct pxi_ystream *s)
{
    if (!pxi_yamux_window_wants(s))
        return 0;
    window_grow(s);
    uint32_t delta = delta_of(s);
    s->recv_window += delta;
    return delta;
}

void pxi_yamux_rtt_add(struct pxi_yamux *y, uint64_t rtt_ns)
{
    if (rtt_ns > PXI_LIMIT_YAMUX_PING_MS * PXI_MS)
        rtt_ns = PXI_LIMIT_YAMUX_PING_MS * PXI_MS;
    if (rtt_ns == 0)
        rtt_ns = 1;
    y->rtt_ns = y->rtt_ns ? y->rtt_ns - y->rtt_ns / 4 + rtt_ns / 4 : rtt_ns;
    if (!y->rtt_ns)
        y->rtt_ns = 1;
}
