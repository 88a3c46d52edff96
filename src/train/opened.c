/* Opens a run directory for reading: checkpoint -> job -> workload -> store. */
#include "train/opened.h"

#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/checkpoint.h"
#include "store/local.h"
#include "train/course.h"
#include "train/journal.h"

static void forget(struct yaml_node *map, const char *key)
{
    for (size_t i = 0; map && map->kind == YAML_MAP && i < map->n; i++) {
        if (strcmp(map->keys[i], key))
            continue;
        map->n--;
        for (size_t k = i; k < map->n; k++) {
            map->keys[k] = map->keys[k + 1];
            map->items[k] = map->items[k + 1];
        }
    }
}

/* Stop rules name metrics of the job, but nothing is trained here. */
static void forget_stops(struct yaml_node *job)
{
    struct yaml_node *stages = yaml_get(job, "stages");

    forget(yaml_get(job, "train"), "stop");
    for (size_t i = 0; stages && stages->kind == YAML_LIST && i < stages->n;
         i++)
        forget(stages->items[i], "stop");
}

static enum fusor_status read_job(struct opened *o, struct checkpoint *cp,
                                  const struct opened_options *options,
                                  const char *dir, struct fusor_error *err)
{
    const char *config = checkpoint_info(cp)->config;

    if (!config)
        return fusor_fail(err, FUSOR_EDATA, "%s: holds no job", dir);
    FUSOR_TRY(yaml_parse(config, strlen(config), dir, &o->job, err));
    if (options->prepared)
        FUSOR_TRY(yaml_set(o->job, "data.prepared", options->prepared,
                           "--prepared", err));
    if (options->candidates)
        FUSOR_TRY(yaml_set(o->job, "candidates", options->candidates,
                           "--candidates", err));
    if (!options->metrics)
        return FUSOR_OK;
    forget_stops(yaml_root(o->job));
    return yaml_set(o->job, "evaluate", options->metrics, "--metrics", err);
}

static enum fusor_status make_store(struct opened *o, struct checkpoint *cp,
                                    unsigned n_threads, struct fusor_error *err)
{
    const struct workload *w = o->workload;
    struct local_store_config store = {
        .params = w->params,
        .table_optim = w->table_optim,
        .block_optim = w->block_optim,
        .job_id = checkpoint_info(cp)->job_id,
    };
    struct trainer_config trainer = {
        .workload = w,
        .n_threads = n_threads,
        .n_workers = n_threads,
        .staleness = -1, // nothing is trained: units need not be shared
        .judges_only = 1,
    };

    FUSOR_TRY(local_store_create(&store, n_threads, &o->store, err));
    for (unsigned i = 0; i < n_threads; i++)
        FUSOR_TRY(checkpoint_load_shard(cp, local_store_shard(o->store, i),
                                        CHECKPOINT_RESUME, err));
    trainer.store = o->store;
    return trainer_create(&trainer, &o->trainer, err);
}

/* Where the training of a checkpoint's stage stood, and where it got to: the
 * folder "<stage>-<epoch>" that is the newest. */
static void read_place(struct opened *o, const struct checkpoint_info *info,
                       const char *run_dir)
{
    char root[FS_PATH_MAX], newest[FS_PATH_MAX];
    struct course_position p;
    unsigned long long epoch;
    const char *name;
    unsigned stage;

    o->epoch = info->epoch;
    o->clock = info->clock;
    o->samples_done = info->samples_done;
    o->stage = info->stage_number;
    if (info->metrics &&
        journal_position_read(info->metrics, &p, NULL) == FUSOR_OK)
        o->is_best = p.has_best && p.best_epoch == info->epoch;
    fs_join(root, run_dir, "checkpoints");
    if (checkpoint_latest(root, newest, NULL) != FUSOR_OK)
        return;
    name = strrchr(newest, '/');
    if (name && sscanf(name, "/%u-%llu", &stage, &epoch) == 2 &&
        stage == o->stage + 1)
        o->last = epoch;
}

enum fusor_status opened_create(const struct opened_options *options,
                                struct opened **out, struct fusor_error *err)
{
    struct opened *o = mem_alloc(1, sizeof(*o));
    struct checkpoint *cp = NULL;
    char dir[FS_PATH_MAX];
    enum fusor_status rc;

    if (!o)
        return mem_fail(err, "run", sizeof(*o));
    rc = course_find_checkpoint(options->run_dir, dir, err);
    if (rc == FUSOR_OK)
        rc = checkpoint_open(dir, &cp, err);
    if (rc == FUSOR_OK) {
        read_place(o, checkpoint_info(cp), options->run_dir);
        rc = read_job(o, cp, options, dir, err);
    }
    if (rc == FUSOR_OK)
        rc = workload_create(o->job, &o->workload, err);
    if (rc == FUSOR_OK)
        rc = make_store(o, cp,
                        options->n_threads ? options->n_threads
                                           : (unsigned)cpu_count(),
                        err);
    checkpoint_close(cp);
    if (rc != FUSOR_OK) {
        opened_destroy(o);
        return rc;
    }
    *out = o;
    return FUSOR_OK;
}

void opened_destroy(struct opened *o)
{
    if (!o)
        return;
    trainer_destroy(o->trainer);
    if (o->store)
        o->store->ops->destroy(o->store);
    workload_destroy(o->workload);
    yaml_destroy(o->job);
    mem_free(o);
}
