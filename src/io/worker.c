#include "io/worker.h"

#include <pthread.h>

#include "base/mem.h"

struct thread {
    struct pxi_worker base;
    struct pxi_loop *loop;
    uv_async_t wake; /* the loop: something is done */
    pthread_t id;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct pxi_list waiting, over; /* struct pxi_work; under the lock */
    bool stop;
};

static struct pxi_work *first(struct pxi_list *l)
{
    struct pxi_work *w = PXI_OF(l->next, struct pxi_work, link);
    pxi_list_remove(&w->link);
    return w;
}

static void *compute(void *arg)
{
    struct thread *t = arg;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (pxi_list_empty(&t->waiting) && !t->stop)
            pthread_cond_wait(&t->more, &t->lock);
        if (pxi_list_empty(&t->waiting))
            break;
        struct pxi_work *w = first(&t->waiting);
        pthread_mutex_unlock(&t->lock);
        w->run(w);
        pthread_mutex_lock(&t->lock);
        pxi_list_add(&t->over, &w->link);
        uv_async_send(&t->wake);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void submit(struct pxi_worker *base, struct pxi_work *w)
{
    struct thread *t = PXI_OF(base, struct thread, base);
    pthread_mutex_lock(&t->lock);
    pxi_list_add(&t->waiting, &w->link);
    pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->lock);
}

/* Tell the owners, without the lock: they may submit more. */
static void deliver(struct thread *t)
{
    pthread_mutex_lock(&t->lock);
    while (!pxi_list_empty(&t->over)) {
        struct pxi_work *w = first(&t->over);
        pthread_mutex_unlock(&t->lock);
        w->done(w);
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

static void on_wake(uv_async_t *a)
{
    struct thread *t = a->data;
    pxi_loop_now(t->loop);
    deliver(t);
}

struct pxi_worker *pxi_worker_new(struct pxi_loop *l)
{
    struct thread *t = pxi_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->base.submit = submit;
    t->loop = l;
    t->wake.data = t;
    pxi_list_init(&t->waiting);
    pxi_list_init(&t->over);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->more, NULL);
    if (uv_async_init(pxi_loop_uv(l), &t->wake, on_wake) != 0) {
        pxi_free(t);
        return NULL;
    }
    if (pthread_create(&t->id, NULL, compute, t) == 0)
        return &t->base;
    t->stop = true;
    t->id = pthread_self();
    pxi_worker_free(&t->base);
    return NULL;
}

static void closed(uv_handle_t *h)
{
    pxi_free(h->data);
}

void pxi_worker_free(struct pxi_worker *w)
{
    if (!w)
        return;
    struct thread *t = PXI_OF(w, struct thread, base);
    if (!pthread_equal(t->id, pthread_self())) {
        pthread_mutex_lock(&t->lock);
        t->stop = true;
        pthread_cond_signal(&t->more);
        pthread_mutex_unlock(&t->lock);
        pthread_join(t->id, NULL);
        deliver(t);
    }
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->more);
    uv_close((uv_handle_t *)&t->wake, closed);
}
