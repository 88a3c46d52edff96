/* Drives a course in one process: the commands that servers would carry out are
 * carried out on the shards of a local store. */
#include "train/course_private.h"

#include <pthread.h>
#include <time.h>

#include "store/local.h"

#define TICK_NS 200000000

struct local_run {
    struct course *course;
    struct script *script; // the course's, or one around it
    const struct workload *workload;
    struct param_store *store;
    struct trainer *trainer;
    struct command command;
    struct strbuf result;
    /* The thread that shows progress while the others compute. */
    pthread_t ticker;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    int stop;
};

static void on_failure(void *context, const struct fusor_error *why)
{
    local_store_break(((struct local_run *)context)->store, why->text);
}

static void *ticker_main(void *arg)
{
    struct local_run *r = arg;

    pthread_mutex_lock(&r->mutex);
    while (!r->stop) {
        struct timespec until;
        uint64_t samples, steps;
        double loss;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&r->wake, &r->mutex, &until);
        if (r->stop)
            break;
        trainer_progress(r->trainer, &samples, &loss, &steps);
        r->script->ops->progress(r->script, &r->command, samples, loss);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* EPOCH or EVALUATE, with a thread that shows how far it is. */
static enum fusor_status compute(struct local_run *r, struct fusor_error *err)
{
    enum fusor_status rc;
    int ticking;

    r->stop = 0;
    ticking = r->course->progress.on &&
              pthread_create(&r->ticker, NULL, ticker_main, r) == 0;
    rc = trainer_run(r->trainer, &r->command, &r->result, err);
    if (ticking) {
        pthread_mutex_lock(&r->mutex);
        r->stop = 1;
        pthread_cond_signal(&r->wake);
        pthread_mutex_unlock(&r->mutex);
        pthread_join(r->ticker, NULL);
    }
    if (rc != FUSOR_OK)
        return rc;
    return r->script->ops->result(r->script, &r->command, 0, r->result.s,
                                  r->result.len, err);
}

static enum fusor_status save_all(struct local_run *r, struct fusor_error *err)
{
    struct script *script = r->script;

    for (unsigned i = 0; i < local_store_n_shards(r->store); i++) {
        FUSOR_TRY(course_save_shard(local_store_shard(r->store, i), &r->command,
                                    &r->result, err));
        FUSOR_TRY(script->ops->result(script, &r->command, i, r->result.s,
                                      r->result.len, err));
    }
    return FUSOR_OK;
}

static enum fusor_status load_all(struct local_run *r, struct fusor_error *err)
{
    for (unsigned i = 0; i < local_store_n_shards(r->store); i++)
        FUSOR_TRY(course_load_shard(local_store_shard(r->store, i), &r->command,
                                    err));
    return FUSOR_OK;
}

static enum fusor_status warm_all(struct local_run *r, struct fusor_error *err)
{
    for (unsigned i = 0; i < local_store_n_shards(r->store); i++)
        FUSOR_TRY(course_warm_shard(r->workload, local_store_shard(r->store, i),
                                    &r->command, err));
    return FUSOR_OK;
}

static void cut_all(struct local_run *r)
{
    const struct course_position *p = &r->course->position;
    uint64_t clock = p->clock + r->course->n_units;

    for (unsigned i = 0; i < local_store_n_shards(r->store); i++) {
        struct shard *s = local_store_shard(r->store, i);

        shard_catch_up_all(s, clock);
        shard_set_position(s, (struct shard_position){
                                  p->epoch + 1, clock,
                                  p->samples_done + r->course->epoch.samples});
    }
}

static enum fusor_status begin(struct local_run *r, struct fusor_error *err)
{
    const struct command *c = &r->command;

    local_store_set_frozen(r->store,
                           workload_frozen_blocks(r->workload, c->stage));
    local_store_set_frozen_tables(
        r->store, workload_frozen_tables(r->workload, c->stage));
    return local_store_set_epoch(r->store, c->clock, c->epoch, c->n_units,
                                 c->lr_factor, err);
}

static enum fusor_status carry_out(struct local_run *r, struct fusor_error *err)
{
    switch (r->command.kind) {
    case COMMAND_LOAD:
        return load_all(r, err);
    case COMMAND_WARM:
        return warm_all(r, err);
    case COMMAND_BEGIN:
        return begin(r, err);
    case COMMAND_EPOCH:
    case COMMAND_EVALUATE:
    case COMMAND_SCORE:
    case COMMAND_MINE:
        return compute(r, err);
    case COMMAND_CUT:
        cut_all(r);
        return FUSOR_OK;
    case COMMAND_SAVE:
        return save_all(r, err);
    case COMMAND_FINISH:
        return FUSOR_OK;
    }
    return fusor_fail(err, FUSOR_EINVAL, "command %d", (int)r->command.kind);
}

static enum fusor_status create_parts(struct local_run *r, unsigned n_threads,
                                      struct fusor_error *err)
{
    const struct workload *w = r->workload;
    struct local_store_config store = {
        .params = w->params,
        .table_optim = w->table_optim,
        .block_optim = w->block_optim,
        .huge = 1,
        .job_id = r->course->config.job_id,
        .cap_bytes = r->course->config.cap_bytes,
        .when_full = r->course->config.when_full,
        .idle = r->course->config.idle,
        .bind = r->course->config.bind,
    };
    struct trainer_config trainer = {
        .workload = w,
        .n_threads = n_threads,
        .n_workers = n_threads,
        .bind = r->course->config.bind,
        .run_dir = r->course->config.run_dir,
        .on_failure = on_failure,
        .context = r,
    };

    FUSOR_TRY(local_store_create(&store, n_threads, &r->store, err));
    trainer.store = r->store;
    return trainer_create(&trainer, &r->trainer, err);
}

unsigned course_useful_threads(const struct workload *w, unsigned n_threads)
{
    uint32_t most = 1;
    struct plan p;

    for (uint32_t s = 0; s < w->options.n_stages; s++)
        if (workload_plan(w, s, &p, NULL) == FUSOR_OK && p.micro_batches > most)
            most = p.micro_batches;
    return n_threads < most ? n_threads : most;
}

enum fusor_status course_run_script(struct course *c, struct script *script,
                                    unsigned n_threads, struct fusor_error *err)
{
    struct local_run r = {
        .course = c, .script = script, .workload = c->workload};
    enum fusor_status rc;

    if (n_threads != c->config.n_workers || n_threads != c->config.n_shards)
        return fusor_fail(err, FUSOR_EINVAL,
                          "course: %u threads, made for %u workers and %u "
                          "shards",
                          n_threads, c->config.n_workers, c->config.n_shards);
    pthread_mutex_init(&r.mutex, NULL);
    pthread_cond_init(&r.wake, NULL);
    rc = create_parts(&r, n_threads, err);
    while (rc == FUSOR_OK && r.command.kind != COMMAND_FINISH) {
        rc = script->ops->next(script, &r.command, err);
        if (rc == FUSOR_OK)
            rc = carry_out(&r, err);
    }
    trainer_destroy(r.trainer);
    if (r.store)
        r.store->ops->destroy(r.store);
    strbuf_clear(&r.result);
    pthread_cond_destroy(&r.wake);
    pthread_mutex_destroy(&r.mutex);
    return rc;
}
