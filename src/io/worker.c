/* A thread and its two mailboxes: a lock for each, a semaphore for the thread, an eventfd for the
 * loop (a uv_async makes the loop spin until the thread that woke it runs again). */
#include "io/worker.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/loop.h"

struct box {
    uv_mutex_t lock;
    struct pxi_list mails;
};

struct pxi_worker {
    const struct pxi_worker_events *on;
    void *ctx;
    struct pxi_loop *loop;
    uv_thread_t thread;
    uv_poll_t wake;
    int wake_fd;
    uv_sem_t come; /* posted for each message, and at the end */
    struct box in, out;
    bool stop; /* under in.lock */
};

static void box_put(struct box *b, struct pxi_mail *m)
{
    uv_mutex_lock(&b->lock);
    pxi_list_add(&b->mails, &m->link);
    uv_mutex_unlock(&b->lock);
}

/* The first message, or NULL; the lock is held. */
static struct pxi_mail *first(struct box *b)
{
    if (pxi_list_empty(&b->mails))
        return NULL;
    struct pxi_mail *m = PXI_OF(b->mails.next, struct pxi_mail, link);
    pxi_list_remove(&m->link);
    return m;
}

static void hear(struct pxi_worker *w)
{
    for (;;) {
        uv_mutex_lock(&w->out.lock);
        struct pxi_mail *m = first(&w->out);
        uv_mutex_unlock(&w->out.lock);
        if (!m)
            return;
        w->on->heard(w->ctx, m);
    }
}

static void on_wake(uv_poll_t *p, int status, int events)
{
    struct pxi_worker *w = p->data;
    uint64_t times;
    (void)status;
    (void)events;
    if (read(w->wake_fd, &times, sizeof times) < 0)
        return; /* somebody else heard it */
    pxi_loop_now(w->loop);
    hear(w);
}

static void thread_main(void *arg)
{
    struct pxi_worker *w = arg;
    w->on->main(w->ctx, w);
}

static bool locks(struct pxi_worker *w)
{
    if (uv_mutex_init(&w->in.lock))
        return false;
    if (uv_mutex_init(&w->out.lock) == 0) {
        if (uv_sem_init(&w->come, 0) == 0)
            return true;
        uv_mutex_destroy(&w->out.lock);
    }
    uv_mutex_destroy(&w->in.lock);
    return false;
}

static void on_closed(uv_handle_t *h)
{
    struct pxi_worker *w = h->data;
    close(w->wake_fd);
    pxi_free(w);
}

/* Everything but the thread. */
static void take_apart(struct pxi_worker *w)
{
    uv_sem_destroy(&w->come);
    uv_mutex_destroy(&w->in.lock);
    uv_mutex_destroy(&w->out.lock);
    uv_close((uv_handle_t *)&w->wake, on_closed);
}

px_err pxi_worker_open(struct pxi_loop *l, const struct pxi_worker_events *on, void *ctx,
                       struct pxi_worker **out)
{
    struct pxi_worker *w = *out = pxi_calloc(1, sizeof *w);
    if (!w)
        return PX_ERR_NOMEM;
    *w = (struct pxi_worker){.on = on, .ctx = ctx, .loop = l};
    pxi_list_init(&w->in.mails);
    pxi_list_init(&w->out.mails);
    *out = NULL;
    if (!locks(w)) {
        pxi_free(w);
        return PX_ERR_IO;
    }
    w->wake.data = w;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd < 0 || uv_poll_init(pxi_loop_uv(l), &w->wake, w->wake_fd)) {
        if (w->wake_fd >= 0)
            close(w->wake_fd);
        uv_sem_destroy(&w->come);
        uv_mutex_destroy(&w->in.lock);
        uv_mutex_destroy(&w->out.lock);
        pxi_free(w);
        return PX_ERR_IO;
    }
    uv_poll_start(&w->wake, UV_READABLE, on_wake);
    if (uv_thread_create(&w->thread, thread_main, w)) {
        take_apart(w);
        return PX_ERR_IO;
    }
    *out = w;
    return PX_ERR_OK;
}

void pxi_worker_send(struct pxi_worker *w, struct pxi_mail *m)
{
    box_put(&w->in, m);
    uv_sem_post(&w->come);
}

struct pxi_mail *pxi_worker_take(struct pxi_worker *w, bool wait)
{
    for (;;) {
        uv_mutex_lock(&w->in.lock);
        bool stop = w->stop;
        struct pxi_mail *m = stop ? NULL : first(&w->in);
        uv_mutex_unlock(&w->in.lock);
        if (m)
            uv_sem_trywait(&w->come); /* its own; when it is another's, that is seen in the box */
        if (m || stop || !wait)
            return m;
        uv_sem_wait(&w->come);
    }
}

bool pxi_worker_stopping(struct pxi_worker *w)
{
    uv_mutex_lock(&w->in.lock);
    bool stop = w->stop;
    uv_mutex_unlock(&w->in.lock);
    return stop;
}

void pxi_worker_tell(struct pxi_worker *w, struct pxi_mail *m)
{
    uint64_t one = 1;
    box_put(&w->out, m);
    while (write(w->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void pxi_worker_close(struct pxi_worker *w, void (*drop)(void *ctx, struct pxi_mail *m))
{
    if (!w)
        return;
    uv_mutex_lock(&w->in.lock);
    w->stop = true;
    uv_mutex_unlock(&w->in.lock);
    uv_sem_post(&w->come);
    uv_thread_join(&w->thread);
    hear(w);
    for (struct pxi_mail *m; (m = first(&w->in));)
        drop(w->ctx, m);
    take_apart(w);
}
