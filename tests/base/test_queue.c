/* Hand-over between threads. */
#include <poll.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"

#include "harness.h"

static void first_in_first_out(void)
{
    struct queue *q = queue_create(3, NULL);
    int items[4];

    REQUIRE(q != NULL);
    for (int turn = 0; turn < 5; turn++) { // around the ring
        for (int i = 0; i < 3; i++)
            CHECK(queue_put(q, &items[i]) == 0);
        CHECK(queue_put(q, &items[3]) == -1);
        for (int i = 0; i < 2; i++)
            CHECK(queue_take(q, 0) == &items[i]);
        CHECK(queue_put(q, &items[3]) == 0);
        CHECK(queue_take(q, -1) == &items[2]);
        CHECK(queue_take(q, 5) == &items[3]);
        CHECK(queue_take(q, 0) == NULL);
    }
    queue_destroy(q);
}

static void empty_times_out(void)
{
    struct queue *q = queue_create(1, NULL);
    int64_t before = clock_now_ns(&clock_real);

    CHECK(queue_take(q, 20) == NULL);
    CHECK(clock_now_ns(&clock_real) - before >= 20000000);
    queue_destroy(q);
}

static void close_lets_the_rest_out(void)
{
    struct queue *q = queue_create(4, NULL);
    int item;

    queue_put(q, &item);
    queue_close(q);
    CHECK(queue_put(q, &item) == -1);
    CHECK(queue_take(q, -1) == &item);
    CHECK(queue_take(q, -1) == NULL);
    queue_destroy(q);
}

static void *close_it(void *q)
{
    queue_close(q);
    return NULL;
}

static void close_wakes_the_consumer(void)
{
    struct queue *q = queue_create(4, NULL);
    pthread_t thread;

    REQUIRE(pthread_create(&thread, NULL, close_it, q) == 0);
    CHECK(queue_take(q, -1) == NULL);
    pthread_join(thread, NULL);
    queue_destroy(q);
}

#define PER_PRODUCER 5000
#define PRODUCERS 3

struct producer {
    struct queue *q;
    int items[PER_PRODUCER];
};

static void *produce(void *arg)
{
    struct producer *p = arg;

    for (int i = 0; i < PER_PRODUCER; i++) {
        p->items[i] = i;
        while (queue_put(p->q, &p->items[i]))
            poll(NULL, 0, 0); // full: let the consumer run
    }
    return NULL;
}

static void each_producers_order_is_kept(void)
{
    static struct producer producers[PRODUCERS];
    struct queue *q = queue_create(64, NULL);
    pthread_t threads[PRODUCERS];
    int next[PRODUCERS] = {0}, wrong = 0;

    for (int i = 0; i < PRODUCERS; i++) {
        producers[i].q = q;
        REQUIRE(!pthread_create(&threads[i], NULL, produce, &producers[i]));
    }
    for (int n = 0; n < PRODUCERS * PER_PRODUCER; n++) {
        int *item = queue_take(q, 10000);
        int who = 0;

        REQUIRE(item != NULL);
        while (item < producers[who].items ||
               item >= producers[who].items + PER_PRODUCER)
            who++;
        wrong += *item != next[who]++;
    }
    CHECK(wrong == 0 && queue_take(q, 0) == NULL);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    queue_destroy(q);
}

static void no_queue_without_room(void)
{
    size_t before = mem_used();
    struct fusor_error err = {0};

    CHECK(queue_create(0, &err) == NULL && err.status == FUSOR_EINVAL);
    for (long n = 1; n <= 2; n++) {
        mem_fail_after(n);
        CHECK(queue_create(4, &err) == NULL && err.status == FUSOR_ENOMEM);
    }
    mem_fail_after(0);
    CHECK(queue_create(SIZE_MAX / 4, &err) == NULL);
    CHECK(mem_used() == before);
    queue_destroy(NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"what comes first leaves first", first_in_first_out},
        {"waiting on an empty queue ends in time", empty_times_out},
        {"a closed queue lets the rest out and nothing in",
         close_lets_the_rest_out},
        {"closing wakes the consumer", close_wakes_the_consumer},
        {"the order of each producer is kept", each_producers_order_is_kept},
        {"no room or no memory gives no queue", no_queue_without_room},
    };

    return TEST_RUN("base.queue", cases);
}
