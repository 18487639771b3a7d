#include "io/loop.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/team.h"

struct pxi_loop {
    uv_loop_t uv;
    uv_poll_t wake;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t awake; /* while it is started the loop does not sleep */
    struct pxi_timers timers;
    struct pxi_list tasks;
    struct pxi_spin spin;
    uint64_t armed_ns; /* what the timerfd is set to */
    uint64_t event_ns; /* the first event since the last wait began */
    struct pxi_loop_counts n;
    int fd;
    bool stopped;
    bool event; /* there was one */
    uint8_t *in, *out;
};

uint64_t pxi_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * PXI_SECOND + (uint64_t)t.tv_nsec;
}

uint64_t pxi_clock_wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec > 0 ? (uint64_t)t.tv_sec : 0;
}

uint64_t pxi_loop_now(struct pxi_loop *l)
{
    uint64_t now = pxi_clock_ns();
    if (now > l->timers.now_ns)
        l->timers.now_ns = now;
    if (!l->event) {
        l->event = true;
        l->event_ns = l->timers.now_ns;
    }
    return l->timers.now_ns;
}

/* Due timers, then tasks; what those queue is done in this round too, but not for ever. */
static void turn(struct pxi_loop *l)
{
    pxi_timers_run(&l->timers, pxi_clock_ns());
    for (int round = 0; round < 4 && !pxi_list_empty(&l->tasks); round++) {
        struct pxi_list now;
        pxi_list_init(&now);
        while (!pxi_list_empty(&l->tasks)) {
            struct pxi_list *first = l->tasks.next;
            pxi_list_remove(first);
            pxi_list_add(&now, first);
        }
        while (!pxi_list_empty(&now)) {
            struct pxi_task *t = PXI_OF(now.next, struct pxi_task, link);
            pxi_list_remove(&t->link);
            t->queued = false;
            t->run(t);
        }
    }
}

/* Deadlines mostly move away, message by message: the kernel is told of earlier ones only, and one
 * that has moved is seen when the alarm comes. */
static void set_alarm(struct pxi_loop *l, uint64_t at)
{
    if (at >= l->armed_ns)
        return;
    l->armed_ns = at;
    at = at ? at : 1;
    struct itimerspec t = {
        .it_value = {.tv_sec = (time_t)(at / PXI_SECOND), .tv_nsec = (long)(at % PXI_SECOND)}};
    timerfd_settime(l->fd, TFD_TIMER_ABSTIME, &t, NULL);
    l->n.alarms++;
}

static void on_alarm(uv_poll_t *p, int status, int events)
{
    struct pxi_loop *l = p->data;
    uint64_t count;
    if (read(l->fd, &count, sizeof count) == sizeof count)
        l->armed_ns = PXI_NEVER;
}

static void on_awake(uv_idle_t *i) {}

static void stay_awake(struct pxi_loop *l, bool on)
{
    if (on == (bool)uv_is_active((uv_handle_t *)&l->awake))
        return;
    if (on)
        uv_idle_start(&l->awake, on_awake);
    else
        uv_idle_stop(&l->awake);
}

/* Everything is done: sleep, unless there is work left, or an event is likely to come at once. */
static void on_prepare(uv_prepare_t *p)
{
    struct pxi_loop *l = p->data;
    turn(l);
    uint64_t now = l->timers.now_ns, at = pxi_timers_next(&l->timers);
    bool spin = l->event ? pxi_spin_wait(&l->spin, l->event_ns, now) : pxi_spin_look(&l->spin, now);
    bool awake = spin || at <= now || !pxi_list_empty(&l->tasks);
    l->event = false;
    l->n.rounds++;
    stay_awake(l, awake);
    if (!awake)
        set_alarm(l, at);
}

static void on_check(uv_check_t *c)
{
    turn(c->data);
}

px_err pxi_loop_open(struct pxi_loop **out)
{
    struct pxi_loop *l = pxi_calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return PX_ERR_NOMEM;
    l->in = pxi_calloc(1, PXI_LOOP_BUFFER);
    l->out = pxi_calloc(1, PXI_LOOP_BUFFER);
    l->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (!l->in || !l->out || l->fd < 0 || uv_loop_init(&l->uv)) {
        if (l->fd >= 0)
            close(l->fd);
        pxi_free(l->in);
        pxi_free(l->out);
        pxi_free(l);
        return PX_ERR_IO;
    }
    l->armed_ns = PXI_NEVER;
    pxi_list_init(&l->tasks);
    l->wake.data = l->prepare.data = l->check.data = l->awake.data = l;
    uv_poll_init(&l->uv, &l->wake, l->fd);
    uv_poll_start(&l->wake, UV_READABLE, on_alarm);
    uv_prepare_init(&l->uv, &l->prepare);
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_init(&l->uv, &l->check);
    uv_check_start(&l->check, on_check);
    uv_idle_init(&l->uv, &l->awake);
    pxi_loop_now(l);
    *out = l;
    return PX_ERR_OK;
}

void pxi_loop_close(struct pxi_loop *l)
{
    if (!l)
        return;
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->awake, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    uv_loop_close(&l->uv);
    close(l->fd);
    pxi_free(l->in);
    pxi_free(l->out);
    pxi_free(l);
}

uv_loop_t *pxi_loop_uv(struct pxi_loop *l)
{
    return &l->uv;
}
struct pxi_timers *pxi_loop_timers(struct pxi_loop *l)
{
    return &l->timers;
}
uint8_t *pxi_loop_in(struct pxi_loop *l)
{
    return l->in;
}
uint8_t *pxi_loop_out(struct pxi_loop *l)
{
    return l->out;
}

void pxi_loop_soon(struct pxi_loop *l, struct pxi_task *t)
{
    if (t->queued)
        return;
    t->queued = true;
    pxi_list_add(&l->tasks, &t->link);
}

void pxi_loop_forget(struct pxi_task *t)
{
    if (t->queued)
        pxi_list_remove(&t->link);
    t->queued = false;
}

void pxi_loop_spin(struct pxi_loop *l, uint64_t most_ns)
{
    l->spin.most_ns = pxi_team_processors() > 1 ? most_ns : 0;
}

struct pxi_loop_counts *pxi_loop_counts(struct pxi_loop *l)
{
    l->n.spin = l->spin.n;
    return &l->n;
}

void pxi_loop_run(struct pxi_loop *l)
{
    l->stopped = false;
    while (!l->stopped)
        uv_run(&l->uv, UV_RUN_ONCE);
}

void pxi_loop_once(struct pxi_loop *l)
{
    uv_run(&l->uv, UV_RUN_ONCE);
}

void pxi_loop_stop(struct pxi_loop *l)
{
    l->stopped = true;
    uv_stop(&l->uv);
}
