#include "io/spin.h"

enum {
    STREAK_LEAST = 4, /* short waits that show a ping-pong */
    STREAK_MOST = 64, /* after looking in vain, twice as many each time, up to this */
    MISS_COSTS = 8,   /* unless as many hits have paid for it */
};
/* Between two looks nothing happens; if it took this long, somebody else ran. */
#define TAKEN_NS      200000ull
#define REST_LEAST_NS 50000000ull
#define REST_MOST_NS  1600000000ull

/* Others need the processor: sleep for a while, longer each time that it happens again soon. */
static void rest(struct pxi_spin *s, uint64_t now_ns)
{
    bool again = s->rest_ns && now_ns < s->rest_until_ns + s->rest_ns;
    s->rest_ns = again ? s->rest_ns * 2 : REST_LEAST_NS;
    if (s->rest_ns > REST_MOST_NS)
        s->rest_ns = REST_MOST_NS;
    s->rest_until_ns = now_ns + s->rest_ns;
    s->n.taken++;
}

/* A wait counts as short when it could have been spent looking, or was lengthened by two wake-ups;
 * after much work a wake-up is a small thing. */
static bool short_wait(const struct pxi_spin *s, uint64_t event_ns, uint64_t now_ns)
{
    return event_ns - s->began_ns <= 2 * s->most_ns && now_ns - event_ns <= s->most_ns;
}

bool pxi_spin_wait(struct pxi_spin *s, uint64_t event_ns, uint64_t now_ns)
{
    s->n.waits++;
    if (!s->most_ns)
        return false;
    if (s->spinning && event_ns - s->looked_ns > TAKEN_NS) {
        rest(s, now_ns);
    } else if (s->spinning) {
        s->n.hits++;
        s->wanted -= s->wanted > 0;
        s->credit += s->credit < STREAK_MOST;
    }
    if (!short_wait(s, event_ns, now_ns))
        s->streak = 0;
    else if (s->streak < STREAK_MOST)
        s->streak++;
    s->began_ns = s->looked_ns = now_ns;
    s->spinning = s->streak >= STREAK_LEAST + s->wanted && now_ns >= s->rest_until_ns;
    s->n.spins += s->spinning;
    return s->spinning;
}

bool pxi_spin_look(struct pxi_spin *s, uint64_t now_ns)
{
    bool taken = now_ns - s->looked_ns > TAKEN_NS, over = now_ns - s->began_ns >= s->most_ns;
    s->looked_ns = now_ns;
    if (!s->spinning || (!taken && !over))
        return s->spinning;
    s->spinning = false;
    s->streak = 0;
    if (taken) {
        rest(s, now_ns);
        return false;
    }
    s->n.misses++;
    if (s->credit >= MISS_COSTS) {
        s->credit -= MISS_COSTS;
        return false;
    }
    s->wanted = s->wanted ? s->wanted * 2 : STREAK_LEAST;
    if (s->wanted > STREAK_MOST - STREAK_LEAST)
        s->wanted = STREAK_MOST - STREAK_LEAST;
    return false;
}
