/* The hand-over queue: a ring under a mutex, and a condition for the consumer.
 */
#include "base/queue.h"

#include <pthread.h>
#include <time.h>

#include "base/mem.h"

struct queue {
    pthread_mutex_t lock; // guards all below
    pthread_cond_t filled;
    void **ring; // [capacity]
    size_t capacity;
    size_t first;
    size_t n;
    int closed;
};

static int cond_init_monotonic(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);

    if (rc)
        return rc;
    rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (!rc)
        rc = pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
    return rc;
}

struct queue *queue_create(size_t capacity, struct fusor_error *err)
{
    struct queue *q = mem_alloc(1, sizeof(*q));

    if (capacity == 0) {
        fusor_fail(err, FUSOR_EINVAL, "queue: a capacity of 0");
        goto fail;
    }
    if (!q || !(q->ring = mem_alloc(capacity, sizeof(*q->ring)))) {
        mem_fail(err, "queue", sizeof(*q) + capacity * sizeof(void *));
        goto fail;
    }
    q->capacity = capacity;
    if (cond_init_monotonic(&q->filled)) {
        fusor_fail(err, FUSOR_ENOMEM, "queue: no condition variable");
        goto fail;
    }
    pthread_mutex_init(&q->lock, NULL);
    return q;
fail:
    if (q)
        mem_free(q->ring);
    mem_free(q);
    return NULL;
}

void queue_destroy(struct queue *q)
{
    if (!q)
        return;
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->filled);
    mem_free(q->ring);
    mem_free(q);
}

int queue_put(struct queue *q, void *item)
{
    int rc = -1;

    pthread_mutex_lock(&q->lock);
    if (!q->closed && q->n < q->capacity) {
        q->ring[(q->first + q->n++) % q->capacity] = item;
        if (q->n == 1)
            pthread_cond_signal(&q->filled);
        rc = 0;
    }
    pthread_mutex_unlock(&q->lock);
    return rc;
}

static struct timespec deadline_after(int timeout_ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Until there is an item, the queue is closed or the time is over. */
static void wait_filled(struct queue *q, int timeout_ms)
{
    struct timespec end;

    if (timeout_ms > 0)
        end = deadline_after(timeout_ms);
    while (q->n == 0 && !q->closed && timeout_ms != 0) {
        if (timeout_ms < 0)
            pthread_cond_wait(&q->filled, &q->lock);
        else if (pthread_cond_timedwait(&q->filled, &q->lock, &end))
            break;
    }
}

void *queue_take(struct queue *q, int timeout_ms)
{
    void *item = NULL;

    pthread_mutex_lock(&q->lock);
    wait_filled(q, timeout_ms);
    if (q->n > 0) {
        item = q->ring[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->n--;
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = 1;
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&q->lock);
}
