/* Runs a command on all compute threads of this process and joins what they
 * found. Threads are started for each command: an epoch lasts long enough. */
#include "train/trainer.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "train/build_push.h"
#include "train/evaluate.h"
#include "train/fold.h"
#include "train/mined.h"
#include "train/trace.h"
#include "train/worker.h"

#define LOG_MODULE "train"
#include "base/log.h"

struct thread { // one compute thread during a command
    struct trainer *trainer;
    struct worker worker;
    struct metric_set *set; // evaluation
    struct evaluate_sink *sink;
    struct strbuf found; // of its share of a fold, or of mining
    pthread_t handle;
    int started;
    enum fusor_status status;
    struct fusor_error err;
};

struct trainer {
    struct trainer_config config;
    const struct workload *work; // the config's, or that without a fold
    struct fold_scores given;    // of a stage out of fold
    struct found *mined;         // by a tower, for the stage mined_stage
    uint32_t mined_stage;
    pthread_mutex_t lock; // threads are not made anew meanwhile
    uint64_t steps;       // of threads that were
    struct thread *threads;
    struct profile *profiles; // [n_threads] the store tells phases to them
    struct trace_part trace;  // of them; no threads: none is wanted
    uint32_t n_ready;         // workers initialised
    struct plan_order *order;
    struct plan plan;
    struct build build;           // of a build stage under way
    struct evaluate_order judged; // of the split evaluated last
    const struct command *command;
};

/* Most micro-batches of one step of this worker, over all stages. */
static enum fusor_status worker_micros(const struct trainer *t, uint32_t number,
                                       uint32_t *out, struct fusor_error *err)
{
    const struct workload *w = t->work;
    struct plan p;

    *out = 1;
    for (uint32_t s = 0; s < w->options.n_stages; s++) {
        struct lease l;

        if (w->options.stages[s].build)
            continue; // has no batches
        FUSOR_TRY(workload_plan(w, s, &p, err));
        l = lease_make(t->config.first_worker + number, t->config.n_workers,
                       p.micro_batches, t->config.staleness, 0, plan_units(&p));
        if (l.micro_hi - l.micro_lo > *out)
            *out = l.micro_hi - l.micro_lo;
    }
    return FUSOR_OK;
}

static enum fusor_status init_threads(struct trainer *t,
                                      struct fusor_error *err)
{
    const struct workload *w = t->work;
    uint32_t capacity = 1, micros;
    struct plan p;

    for (uint32_t s = 0; s < w->options.n_stages; s++) {
        FUSOR_TRY(workload_plan(w, s, &p, err));
        FUSOR_TRY(lease_check(t->config.n_workers, p.micro_batches,
                              t->config.staleness, err));
        if (w->options.stages[s].build)
            p.global_batch = p.micro_batches * PLAN_MICRO_ROWS; // evaluation
        if (workload_capacity(w, s, &p) > capacity)
            capacity = workload_capacity(w, s, &p);
    }
    if (t->config.judges_only && capacity > PLAN_MICRO_ROWS)
        capacity = PLAN_MICRO_ROWS;
    for (unsigned i = 0; i < t->config.n_threads; i++) {
        t->threads[i].trainer = t;
        FUSOR_TRY(worker_micros(t, i, &micros, err));
        FUSOR_TRY(worker_init(&t->threads[i].worker, w, t->config.store, i,
                              micros, capacity, err));
        t->n_ready++;
    }
    return FUSOR_OK;
}

static void clear_threads(struct trainer *t)
{
    while (t->n_ready > 0)
        worker_clear(&t->threads[--t->n_ready].worker);
}

/* Threads are bound to the rows they read. */
static enum fusor_status work_without(struct trainer *t, int fold,
                                      struct fusor_error *err)
{
    enum fusor_status rc;

    if (t->work->fold == fold)
        return FUSOR_OK;
    pthread_mutex_lock(&t->lock);
    for (uint32_t i = 0; i < t->n_ready; i++)
        t->steps += atomic_load(&t->threads[i].worker.steps);
    clear_threads(t);
    evaluate_order_clear(&t->judged);
    t->judged.split = N_SPLITS;
    rc = workload_without(t->config.workload, fold, &t->work, err);
    if (rc == FUSOR_OK)
        rc = init_threads(t, err);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

/* Marks of a step: a few phases around, a few in each micro-batch, and two a
 * pass of a tower with its inputs. */
static enum fusor_status init_trace(struct trainer *t, struct fusor_error *err)
{
    const struct workload *w = t->config.workload;
    const struct train_section *o = &w->options.train;
    struct trace_part part = {.run_dir = t->config.run_dir,
                              .workload = w,
                              .process = "workers",
                              .kind = TRACE_WORKERS,
                              .first = t->config.first_worker,
                              .n = t->config.n_threads,
                              .profiles = t->profiles};
    size_t towers = model_n_towers(w->model), most = 1;

    if (!part.run_dir || !o->trace[0])
        return FUSOR_OK;
    for (unsigned i = 0; i < t->config.n_threads; i++)
        if (t->threads[i].worker.max_micros > most)
            most = t->threads[i].worker.max_micros;
    t->trace = part;
    return trace_part_open(&t->trace, o->trace_steps,
                           32 + most * (24 + 8 * towers), err);
}

enum fusor_status trainer_create(const struct trainer_config *config,
                                 struct trainer **out, struct fusor_error *err)
{
    struct trainer *t = mem_alloc(1, sizeof(*t));
    enum fusor_status rc;

    if (!t)
        return mem_fail(err, "trainer", sizeof(*t));
    t->config = *config;
    t->work = config->workload;
    pthread_mutex_init(&t->lock, NULL);
    t->judged.split = N_SPLITS;
    t->threads = mem_alloc(config->n_threads, sizeof(*t->threads));
    t->profiles = mem_alloc(config->n_threads, sizeof(*t->profiles));
    if (!t->threads || !t->profiles)
        rc = mem_fail(err, "trainer", config->n_threads * sizeof(*t->threads));
    else
        rc = init_threads(t, err);
    if (rc == FUSOR_OK)
        rc = init_trace(t, err);
    config->store->profiles = rc == FUSOR_OK ? t->profiles : NULL;
    if (rc != FUSOR_OK) {
        trainer_destroy(t);
        return rc;
    }
    *out = t;
    return FUSOR_OK;
}

void trainer_destroy(struct trainer *t)
{
    if (!t)
        return;
    clear_threads(t);
    workload_done_without(t->work);
    fold_scores_clear(&t->given);
    found_destroy(t->mined);
    pthread_mutex_destroy(&t->lock);
    plan_order_destroy(t->order);
    evaluate_order_clear(&t->judged);
    trace_part_close(&t->trace);
    if (t->profiles && t->config.store->profiles == t->profiles)
        t->config.store->profiles = NULL;
    mem_free(t->profiles);
    mem_free(t->threads);
    mem_free(t);
}

static void train_share(struct thread *th, unsigned number)
{
    struct trainer *t = th->trainer;
    struct lease lease = lease_make(
        t->config.first_worker + number, t->config.n_workers,
        t->plan.micro_batches, t->config.staleness, 0, t->command->n_units);

    if (t->config.set_lease)
        t->config.set_lease(t->config.context, number, &lease,
                            t->command->epoch);
    if (t->build.n_parts)
        th->status =
            build_push(&th->worker, &lease, &t->plan, &t->build, &th->err);
    else
        th->status = worker_train(&th->worker, &lease, &t->plan, t->order,
                                  t->command, &th->err);
}

static void *thread_main(void *arg)
{
    struct thread *th = arg;
    struct trainer *t = th->trainer;
    unsigned number = (unsigned)(th - t->threads);

    if (affinity_enter(t->config.bind, number) != 0)
        log_warn("cannot bind compute thread %u: %s", number, strerror(errno));
    if (t->command->kind == COMMAND_EPOCH)
        train_share(th, number);
    else if (t->command->kind == COMMAND_SCORE)
        th->status = fold_share(&th->worker, t->config.workload,
                                t->config.first_worker + number,
                                t->config.n_workers, &th->found, &th->err);
    else if (t->command->kind == COMMAND_MINE)
        th->status = mined_share(&th->worker, t->command->stage,
                                 t->config.first_worker + number,
                                 t->config.n_workers, &th->found, &th->err);
    else
        th->status = evaluate_share(
            &th->worker, &t->judged, t->config.first_worker + number,
            t->config.n_workers, th->set, th->sink, &th->err);
    if (th->status != FUSOR_OK && t->config.on_failure)
        t->config.on_failure(t->config.context, &th->err);
    return NULL;
}

/* Run all threads, this one being number 0, and give the first failure. One
 * that failed because another had broken the barrier comes last. */
static enum fusor_status run_threads(struct trainer *t, struct fusor_error *err)
{
    unsigned n = t->config.n_threads;
    struct thread *worst = NULL;

    for (unsigned i = 0; i < n; i++) {
        struct thread *th = &t->threads[i];

        th->status = FUSOR_OK;
        atomic_store(&th->worker.samples, 0);
        atomic_store(&th->worker.loss, 0);
        th->started =
            i > 0 && pthread_create(&th->handle, NULL, thread_main, th) == 0;
        if (i > 0 && !th->started) {
            th->status =
                fusor_fail(&th->err, FUSOR_ENOMEM,
                           "cannot start compute thread %u of %u", i + 1, n);
            if (t->config.on_failure)
                t->config.on_failure(t->config.context, &th->err);
        }
    }
    thread_main(&t->threads[0]);
    (void)affinity_leave(t->config.bind); // what this thread starts inherits
    for (unsigned i = 0; i < n; i++) {
        struct thread *th = &t->threads[i];

        if (th->started)
            pthread_join(th->handle, NULL);
        if (th->status != FUSOR_OK &&
            (!worst || worst->status == FUSOR_ECLOSED))
            worst = th;
    }
    if (!worst)
        return FUSOR_OK;
    if (err)
        *err = worst->err;
    return worst->status;
}

/* Before the first thread pushes. Progress shows as steps of the first. */
static enum fusor_status compute_build(struct trainer *t,
                                       const struct command *c,
                                       struct fusor_error *err)
{
    struct crew crew = {.n_threads = t->config.n_threads,
                        .done = &t->threads[0].worker.steps};
    enum fusor_status rc =
        build_compute(t->work, c->stage, &crew, &t->build, err);

    if (rc != FUSOR_OK && t->config.on_failure)
        t->config.on_failure(t->config.context, err);
    return rc;
}

/* Scores out of fold, as long as the stage on them lasts. */
static enum fusor_status prepare_given(struct trainer *t,
                                       const struct command *c,
                                       struct fusor_error *err)
{
    const struct train_options *o = &t->work->options;
    int wanted = o->n_folds && c->stage == o->head;

    if (!wanted)
        fold_scores_clear(&t->given);
    else if (!t->given.values)
        FUSOR_TRY(fold_read(t->config.run_dir, t->work, &t->given, err));
    for (unsigned i = 0; i < t->config.n_threads; i++)
        t->threads[i].worker.given = wanted ? &t->given : NULL;
    return FUSOR_OK;
}

/* What a tower has found for the stage, as long as it lasts. A rehearsal has no
 * run directory: it draws uniformly. */
static enum fusor_status prepare_mined(struct trainer *t,
                                       const struct command *c,
                                       struct fusor_error *err)
{
    int wanted = t->work->objectives.stages[c->stage].negatives.mined &&
                 t->config.run_dir;

    if (t->mined && (!wanted || t->mined_stage != c->stage)) {
        found_destroy(t->mined);
        t->mined = NULL;
    }
    if (wanted && !t->mined)
        FUSOR_TRY(
            mined_read(t->work, t->config.run_dir, c->stage, &t->mined, err));
    t->mined_stage = c->stage;
    for (unsigned i = 0; i < t->config.n_threads; i++)
        t->threads[i].worker.mined = t->mined;
    return FUSOR_OK;
}

static enum fusor_status prepare_epoch(struct trainer *t,
                                       const struct command *c,
                                       struct fusor_error *err)
{
    const struct workload *w = t->work;
    const struct stage *stage = &w->options.stages[c->stage];

    FUSOR_TRY(prepare_given(t, c, err));
    FUSOR_TRY(prepare_mined(t, c, err));
    FUSOR_TRY(workload_plan(w, c->stage, &t->plan, err));
    FUSOR_TRY(model_set_trained(w->model, stage->names[0] ? stage->names : NULL,
                                err));
    FUSOR_TRY(model_set_apart(w->model, stage->apart, err));
    FUSOR_TRY(model_set_loss(w->model, stage->loss, err));
    plan_order_destroy(t->order);
    t->order = NULL;
    if (stage->build)
        return compute_build(t, c, err);
    return plan_order_build(&t->plan, w->data,
                            c->epoch + ((uint64_t)stage->number << 32),
                            &t->order, err);
}

static enum fusor_status train_epoch(struct trainer *t, const struct command *c,
                                     struct strbuf *result,
                                     struct fusor_error *err)
{
    const struct dataset *data = t->work->data;
    uint64_t stalled = dataset_waited_ns(data);
    struct epoch_result total = {0};
    enum fusor_status rc;

    FUSOR_TRY(prepare_epoch(t, c, err));
    rc = run_threads(t, err);
    if (rc != FUSOR_OK) {
        (void)trace_part_write(&t->trace, NULL); // as far as it came
        return rc;
    }
    FUSOR_TRY(trace_part_write(&t->trace, err));
    for (unsigned i = 0; i < t->config.n_threads; i++)
        epoch_result_add(&total, &t->threads[i].worker.result);
    profile_total_move(&total.profile, PROFILE_DATA, PROFILE_STALL,
                       dataset_waited_ns(data) - stalled);
    epoch_result_encode(&total, result);
    return FUSOR_OK;
}

static enum fusor_status prepare_judged(struct trainer *t, enum split split,
                                        struct fusor_error *err)
{
    if (t->judged.split == split)
        return FUSOR_OK;
    evaluate_order_clear(&t->judged);
    t->judged.split = N_SPLITS;
    return evaluate_order_build(t->work->data, split, &t->judged, err);
}

static enum fusor_status join_sets(struct trainer *t, struct strbuf *result,
                                   struct fusor_error *err)
{
    for (unsigned i = 1; i < t->config.n_threads; i++)
        FUSOR_TRY(metric_set_merge(t->threads[0].set, t->threads[i].set, err));
    strbuf_clear(result);
    return metric_set_serialise(t->threads[0].set, result, err);
}

enum fusor_status trainer_evaluate(struct trainer *t, const struct command *c,
                                   struct evaluate_sink *sink,
                                   struct strbuf *result,
                                   struct fusor_error *err)
{
    enum fusor_status rc = prepare_judged(t, (enum split)c->split, err);

    t->command = c;
    for (unsigned i = 0; rc == FUSOR_OK && i < t->config.n_threads; i++) {
        rc = evaluate_set_create(t->config.workload, &t->threads[i].set, err);
        t->threads[i].sink = sink;
    }
    if (rc == FUSOR_OK)
        rc = run_threads(t, err);
    if (rc == FUSOR_OK)
        rc = join_sets(t, result, err);
    for (unsigned i = 0; i < t->config.n_threads; i++) {
        metric_set_destroy(t->threads[i].set);
        t->threads[i].set = NULL;
    }
    return rc;
}

/* SCORE and MINE: threads find records, which one file keeps. */
static enum fusor_status write_found(struct trainer *t, const struct command *c,
                                     const struct strbuf *const *parts,
                                     struct fusor_error *err)
{
    int fold = t->work->options.stages[c->stage].fold;

    if (c->kind == COMMAND_MINE)
        return mined_write(t->work, t->config.run_dir, c->stage,
                           t->config.first_worker, parts, t->config.n_threads,
                           err);
    return fold_write(t->config.run_dir, t->config.workload, (uint32_t)fold,
                      t->config.first_worker, parts, t->config.n_threads, err);
}

static enum fusor_status find(struct trainer *t, const struct command *c,
                              struct strbuf *result, struct fusor_error *err)
{
    unsigned n = t->config.n_threads;
    const struct strbuf **parts = mem_alloc(n, sizeof(*parts));
    enum fusor_status rc;

    strbuf_clear(result);
    if (!parts)
        return mem_fail(err, command_name(c->kind), n * sizeof(*parts));
    rc = run_threads(t, err);
    for (unsigned i = 0; i < n; i++)
        parts[i] = &t->threads[i].found;
    if (rc == FUSOR_OK)
        rc = write_found(t, c, parts, err);
    for (unsigned i = 0; i < n; i++)
        strbuf_clear(&t->threads[i].found);
    mem_free(parts);
    return rc;
}

enum fusor_status trainer_run(struct trainer *t, const struct command *c,
                              struct strbuf *result, struct fusor_error *err)
{
    const struct train_options *o = &t->config.workload->options;

    t->command = c;
    if (c->stage < o->n_stages)
        FUSOR_TRY(work_without(t, o->stages[c->stage].fold, err));
    /* What stands apart is judged apart while its stage lasts. */
    if (c->kind == COMMAND_SCORE || c->kind == COMMAND_MINE ||
        c->stage == o->n_stages)
        FUSOR_TRY(model_set_apart(t->work->model, 0, err));
    if (c->kind == COMMAND_SCORE || c->kind == COMMAND_MINE)
        return find(t, c, result, err);
    if (c->kind == COMMAND_EPOCH) {
        enum fusor_status rc = train_epoch(t, c, result, err);

        build_clear(&t->build);
        return rc;
    }
    if (c->kind == COMMAND_EVALUATE)
        return trainer_evaluate(t, c, NULL, result, err);
    return fusor_fail(err, FUSOR_EINVAL, "a worker cannot do %s",
                      command_name(c->kind));
}

void trainer_progress(struct trainer *t, uint64_t *samples, double *loss_sum,
                      uint64_t *steps)
{
    long long loss = 0;

    pthread_mutex_lock(&t->lock);
    *samples = 0;
    *steps = t->steps;
    for (uint32_t i = 0; i < t->n_ready; i++) {
        const struct worker *w = &t->threads[i].worker;

        *samples += atomic_load_explicit(&w->samples, memory_order_relaxed);
        *steps += atomic_load_explicit(&w->steps, memory_order_relaxed);
        loss += atomic_load_explicit(&w->loss, memory_order_relaxed);
    }
    pthread_mutex_unlock(&t->lock);
    *loss_sum = (double)loss / RESULT_LOSS_ONE;
}
