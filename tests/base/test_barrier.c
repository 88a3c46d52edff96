/* Threads that meet. */
#include <pthread.h>

#include "base/barrier.h"

#include "harness.h"

#define THREADS 4
#define ROUNDS 1000

struct crowd {
    struct barrier barrier;
    int value[THREADS]; // plain on purpose: the barrier orders them
    int wrong[THREADS];
    int broken[THREADS];
};

struct member {
    struct crowd *crowd;
    int me;
};

static void *count_rounds(void *arg)
{
    struct member *m = arg;
    struct crowd *c = m->crowd;

    for (int round = 1; round <= ROUNDS; round++) {
        c->value[m->me] = round;
        barrier_wait(&c->barrier);
        for (int i = 0; i < THREADS; i++)
            c->wrong[m->me] += c->value[i] != round;
        barrier_wait(&c->barrier);
    }
    return NULL;
}

static void run_crowd(struct crowd *c, void *(*run)(void *), int n)
{
    struct member members[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < n; i++) {
        members[i] = (struct member){c, i};
        REQUIRE(pthread_create(&threads[i], NULL, run, &members[i]) == 0);
    }
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

static void nobody_passes_early(void)
{
    struct crowd c = {0};

    barrier_init(&c.barrier, THREADS);
    run_crowd(&c, count_rounds, THREADS);
    for (int i = 0; i < THREADS; i++)
        CHECK(c.wrong[i] == 0);
}

static void one_thread_never_waits(void)
{
    struct barrier b;

    barrier_init(&b, 1);
    for (int i = 0; i < 100; i++)
        CHECK(barrier_wait(&b) == 0);
}

static void *wait_or_break(void *arg)
{
    struct member *m = arg;

    if (m->me == THREADS - 1) {
        barrier_break(&m->crowd->barrier);
        return NULL;
    }
    m->crowd->broken[m->me] = barrier_wait(&m->crowd->barrier);
    return NULL;
}

static void broken_frees_everybody(void)
{
    for (int turn = 0; turn < 100; turn++) {
        struct crowd c = {0};

        barrier_init(&c.barrier, THREADS);
        run_crowd(&c, wait_or_break, THREADS);
        for (int i = 0; i < THREADS - 1; i++)
            CHECK(c.broken[i] == -1);
        CHECK(barrier_wait(&c.barrier) == -1);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"nobody passes before all have come", nobody_passes_early},
        {"a thread alone never waits", one_thread_never_waits},
        {"a broken barrier frees everybody", broken_frees_everybody},
    };

    return TEST_RUN("base.barrier", cases);
}
