/* The hand-over queue: a ring under a mutex, a condition for the consumer that
 * waits here and an eventfd for the one that waits in poll(2). The eventfd is
 * set when the ring stops being empty and cleared when it is found empty, so a
 * busy queue makes no system call, and one that nobody polls never does. */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

struct queue {
    pthread_mutex_t lock; // guards all below
    pthread_cond_t filled;
    void **ring; // [capacity]
    size_t capacity;
    size_t first;
    size_t n;
    int fd;
    int watched; // somebody has asked for fd
    int lit;     // fd is readable
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
    q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q->fd < 0) {
        fusor_fail(err, FUSOR_EIO, "queue: eventfd: %s", strerror(errno));
        goto fail;
    }
    if (cond_init_monotonic(&q->filled)) {
        fusor_fail(err, FUSOR_ENOMEM, "queue: no condition variable");
        close(q->fd);
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
    close(q->fd);
    mem_free(q->ring);
    mem_free(q);
}

static void fd_set_readable(struct queue *q)
{
    uint64_t one = 1;

    if (!q->watched || q->lit)
        return;
    q->lit = 1;
    while (write(q->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

static void fd_clear(struct queue *q)
{
    uint64_t count;

    if (!q->lit)
        return;
    q->lit = 0;
    while (read(q->fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}

int queue_put(struct queue *q, void *item)
{
    int rc = -1;

    pthread_mutex_lock(&q->lock);
    if (!q->closed && q->n < q->capacity) {
        q->ring[(q->first + q->n++) % q->capacity] = item;
        if (q->n == 1) {
            fd_set_readable(q);
            pthread_cond_signal(&q->filled);
        }
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
    if (q->n == 0)
        fd_clear(q);
    pthread_mutex_unlock(&q->lock);
    return item;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = 1;
    fd_set_readable(q);
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

int queue_is_closed(struct queue *q)
{
    int closed;

    pthread_mutex_lock(&q->lock);
    closed = q->closed;
    pthread_mutex_unlock(&q->lock);
    return closed;
}

int queue_fd(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    if (!q->watched) {
        q->watched = 1;
        if (q->n > 0 || q->closed)
            fd_set_readable(q);
    }
    pthread_mutex_unlock(&q->lock);
    return q->fd;
}
