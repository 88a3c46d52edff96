/* Threads over a shared counter of pieces. */
#include "base/crew.h"

#include <pthread.h>

#include "base/mem.h"

struct work {
    const struct crew *crew;
    crew_fn *run;
    void *context;
    uint64_t n;
    atomic_ullong next;
    atomic_int failed;
};

struct member {
    struct work *work;
    unsigned number;
    pthread_t handle;
    int started;
    enum fusor_status status;
    struct fusor_error err;
};

static void *member_main(void *arg)
{
    struct member *m = arg;
    struct work *w = m->work;

    while (m->status == FUSOR_OK && !atomic_load(&w->failed)) {
        uint64_t piece = atomic_fetch_add(&w->next, 1);

        if (piece >= w->n)
            break;
        m->status = w->run(w->context, m->number, piece, &m->err);
        if (m->status != FUSOR_OK)
            atomic_store(&w->failed, 1);
        if (w->crew->done)
            atomic_fetch_add_explicit(w->crew->done, 1, memory_order_relaxed);
    }
    return NULL;
}

enum fusor_status crew_run(const struct crew *crew, uint64_t n, crew_fn *run,
                           void *context, struct fusor_error *err)
{
    struct work w = {.crew = crew, .run = run, .context = context, .n = n};
    unsigned wanted = crew->n_threads < n ? crew->n_threads : (unsigned)n;
    unsigned n_members = wanted ? wanted : 1;
    struct member *members = mem_alloc(n_members, sizeof(*members));
    enum fusor_status rc = FUSOR_OK;

    if (!members)
        return mem_fail(err, "threads", n_members * sizeof(*members));
    for (unsigned i = 0; i < n_members; i++) {
        members[i].work = &w;
        members[i].number = i;
        members[i].started =
            i > 0 && pthread_create(&members[i].handle, NULL, member_main,
                                    &members[i]) == 0;
    }
    member_main(&members[0]);
    for (unsigned i = 0; i < n_members; i++) {
        if (members[i].started)
            pthread_join(members[i].handle, NULL);
        if (members[i].status != FUSOR_OK && rc == FUSOR_OK) {
            rc = members[i].status;
            if (err)
                *err = members[i].err;
        }
    }
    mem_free(members);
    return rc;
}
