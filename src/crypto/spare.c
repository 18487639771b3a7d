/* The spare key pair, and when the next is made. */
#include "crypto/spare.h"

#include <openssl/crypto.h>
#include <string.h>

/* The first turn of the loop after a taking sends what the taker has made; the second is idle. */
static void on_timer(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_spare *s =
        (struct pxi_spare *)(void *)((char *)t - offsetof(struct pxi_spare, timer));
    if (!s->turned) {
        s->turned = true;
        pxi_timer_after(s->timers, t, 0);
        return;
    }
    pxi_x25519_keypair(s->random, s->secret, s->pub);
    s->have = true;
}

void pxi_spare_init(struct pxi_spare *s, struct pxi_timers *timers, struct pxi_random *random)
{
    *s = (struct pxi_spare){.timers = timers, .random = random, .timer.fire = on_timer};
}

void pxi_spare_deinit(struct pxi_spare *s)
{
    pxi_timer_disarm(s->timers, &s->timer);
    OPENSSL_cleanse(s->secret, sizeof s->secret);
    s->have = false;
}

void pxi_spare_take(struct pxi_spare *s, uint8_t secret[PXI_X25519], uint8_t pub[PXI_X25519])
{
    if (s->have) {
        memcpy(secret, s->secret, PXI_X25519);
        memcpy(pub, s->pub, PXI_X25519);
        OPENSSL_cleanse(s->secret, sizeof s->secret);
        s->have = false;
    } else {
        pxi_x25519_keypair(s->random, secret, pub);
    }
    s->turned = false;
    if (!s->timer.armed)
        pxi_timer_after(s->timers, &s->timer, 0);
}
