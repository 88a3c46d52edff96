/* The state machine of a job's course: the command of each phase, and what is
 * made of the results. */
#include "train/course_private.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "train/breakdown.h"
#include "train/evaluate.h"
#include "train/fold.h"
#include "train/mined.h"

static struct course *course_of(struct script *s)
{
    return (struct course *)s;
}

/* The command of a phase. */

static enum fusor_status begin_epoch(struct course *c, struct command *out,
                                     struct fusor_error *err)
{
    struct plan p;
    char label[96], name[48];

    FUSOR_TRY(
        workload_without(c->workload, course_stage(c)->fold, &c->fold, err));
    FUSOR_TRY(workload_plan(c->fold, c->position.stage, &p, err));
    c->n_units = plan_units(&p);
    out->n_units = c->n_units;
    if (c->phase == PHASE_BEGIN) {
        memset(&c->epoch, 0, sizeof(c->epoch));
        memset(&c->cut, 0, sizeof(c->cut));
        memset(c->load, 0, sizeof(*c->load));
        c->has_cut = 0;
        return FUSOR_OK;
    }
    snprintf(label, sizeof(label), "%s epoch %llu/%lld",
             train_stage_text(&c->workload->options, c->position.stage, name),
             (unsigned long long)c->position.epoch + 1,
             (long long)course_stage(c)->epochs);
    progress_begin(&c->progress, label,
                   p.n_rows * negatives_samples(course_negatives(c)));
    c->epoch_started = clock_seconds();
    return FUSOR_OK;
}

static enum fusor_status begin_evaluation(struct course *c, struct command *out,
                                          struct fusor_error *err)
{
    out->split = c->phase == PHASE_TEST ? SPLIT_TEST : SPLIT_VALID;
    metric_set_destroy(c->judged);
    c->judged = NULL;
    return evaluate_set_create(c->workload, &c->judged, err);
}

static enum fusor_status begin_mining(struct course *c, struct fusor_error *err)
{
    const struct negatives *n = course_negatives(c);
    char name[48];

    progress_say(
        &c->progress, "%s draws negatives of rank %u to %u by %s",
        train_stage_text(&c->workload->options, c->position.stage, name),
        n->first, n->last, model_tower_name(c->workload->model, n->tower));
    return mined_clear(c->workload, c->config.run_dir, c->position.stage, err);
}

static enum fusor_status fill_command(struct course *c, struct command *out,
                                      struct fusor_error *err)
{
    static const enum command_kind kinds[] = {
        [PHASE_INITIAL] = COMMAND_SAVE,      [PHASE_SCORE] = COMMAND_SCORE,
        [PHASE_ANEW] = COMMAND_LOAD,         [PHASE_LOAD] = COMMAND_LOAD,
        [PHASE_MINE] = COMMAND_MINE,         [PHASE_BEGIN] = COMMAND_BEGIN,
        [PHASE_EPOCH] = COMMAND_EPOCH,       [PHASE_CUT] = COMMAND_CUT,
        [PHASE_VALIDATE] = COMMAND_EVALUATE, [PHASE_SAVE] = COMMAND_SAVE,
        [PHASE_RESTORE] = COMMAND_LOAD,      [PHASE_WARM] = COMMAND_WARM,
        [PHASE_TEST] = COMMAND_EVALUATE,     [PHASE_FINISH] = COMMAND_FINISH,
    };

    *out = (struct command){
        .kind = kinds[c->phase],
        .stage = c->position.stage,
        .epoch = c->position.epoch,
        .clock = c->position.clock,
        .samples_done = c->position.samples_done,
        .n_workers = c->config.n_workers,
        .lr_factor = c->position.lr_factor,
    };
    switch (c->phase) {
    case PHASE_LOAD:
        return course_read_position(c, "latest", out, err);
    case PHASE_RESTORE:
        return course_read_position(c, "best", out, err);
    case PHASE_WARM:
        return course_begin_warm(c, out, err);
    case PHASE_BEGIN:
    case PHASE_EPOCH:
        return begin_epoch(c, out, err);
    case PHASE_VALIDATE:
    case PHASE_TEST:
        return begin_evaluation(c, out, err);
    case PHASE_SAVE:
    case PHASE_INITIAL:
        return course_begin_save(c, out, err);
    case PHASE_ANEW:
        FUSOR_TRY(course_begin_anew(c, out, err));
        out->clock = c->position.clock;
        out->samples_done = c->position.samples_done;
        return FUSOR_OK;
    case PHASE_MINE:
        return begin_mining(c, err);
    case PHASE_SCORE:
        return fold_clear(c->workload, c->config.run_dir,
                          (uint32_t)course_stage(c)->fold, err);
    default:
        return FUSOR_OK;
    }
}

/* The judged set by group, as JSON. */
static enum fusor_status read_groups(const struct course *c, struct strbuf *out,
                                     struct fusor_error *err)
{
    struct json j = {0};
    struct breakdown *b;
    enum fusor_status rc;

    strbuf_clear(out);
    if (!c->workload->slicing)
        return FUSOR_OK;
    b = mem_alloc(1, sizeof(*b));
    if (!b)
        return mem_fail(err, "groups", sizeof(*b));
    rc = breakdown_read(c->workload->slicing, c->judged, b, err);
    if (rc == FUSOR_OK) {
        breakdown_json(b, &j, NULL);
        *out = j.text;
        if (out->failed)
            rc = mem_fail(err, "groups", sizeof(*b));
    }
    breakdown_clear(b);
    mem_free(b);
    return rc;
}

static enum fusor_status end_evaluation(struct course *c,
                                        struct fusor_error *err)
{
    int test = c->phase == PHASE_TEST;
    struct metric_result *results = test ? c->test : c->valid;

    FUSOR_TRY(metric_set_results(c->judged, results, err));
    /* Names that outlive the set. */
    for (uint32_t i = 0; i < c->workload->n_metrics; i++)
        results[i].name = c->workload->metrics[i].name;
    *(test ? &c->has_test : &c->has_valid) = 1;
    return read_groups(c, test ? &c->groups_test : &c->groups_valid, err);
}

static enum fusor_status course_next(struct script *s, struct command *out,
                                     struct fusor_error *err)
{
    struct course *c = course_of(s);

    if (c->phase == PHASE_EPOCH) {
        c->epoch_seconds = clock_seconds() - c->epoch_started;
        progress_end(&c->progress);
    }
    if (c->phase == PHASE_VALIDATE || c->phase == PHASE_TEST)
        FUSOR_TRY(end_evaluation(c, err));
    profile_enter(&c->profile, PROFILE_OTHER);
    if (c->phase == PHASE_CUT)
        FUSOR_TRY(course_keep_trace(c, err));
    FUSOR_TRY(course_follow(c, &c->phase, err));
    FUSOR_TRY(fill_command(c, out, err));
    profile_enter(&c->profile, course_phase_profiled(out->kind));
    if (c->phase != PHASE_FINISH)
        return FUSOR_OK;
    course_say_load(c);
    course_say_privacy(c);
    course_say_profile(c);
    return course_keep_trace(c, err);
}

static enum fusor_status course_on_result(struct script *s,
                                          const struct command *cmd,
                                          uint32_t process, const void *data,
                                          size_t size, struct fusor_error *err)
{
    return course_join(course_of(s), cmd, process, data, size, err);
}

static void course_progress(struct script *s, const struct command *cmd,
                            uint64_t samples, double loss_sum)
{
    struct course *c = course_of(s);

    if (cmd->kind == COMMAND_EPOCH)
        progress_show(&c->progress, samples, loss_sum, c->metric_text);
}

static const struct script_ops course_ops = {
    .next = course_next,
    .result = course_on_result,
    .progress = course_progress,
};

enum fusor_status course_create(const struct course_config *config,
                                struct course **out, struct fusor_error *err)
{
    struct course *c = mem_alloc(1, sizeof(*c));
    enum fusor_status rc;

    if (!c)
        return mem_fail(err, "course", sizeof(*c));
    c->script.ops = &course_ops;
    c->config = *config;
    c->workload = config->workload;
    c->position.lr_factor = 1;
    c->saved = mem_alloc(config->n_shards, sizeof(*c->saved));
    c->load = mem_alloc(1, sizeof(*c->load));
    c->load_costs = mem_alloc(config->n_shards, sizeof(*c->load_costs));
    if (!c->saved || !c->load || !c->load_costs) {
        course_destroy(c);
        return mem_fail(err, "course", config->n_shards * sizeof(*c->saved));
    }
    progress_init(&c->progress, config->quiet);
    rc = course_begin_trace(c, err);
    profile_begin(&c->profile);
    if (rc == FUSOR_OK)
        *out = c;
    else
        course_destroy(c);
    return rc;
}

void course_destroy(struct course *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; c->saved && i < c->config.n_shards; i++)
        strbuf_clear(&c->saved[i]);
    mem_free(c->saved);
    mem_free(c->load);
    mem_free(c->load_costs);
    strbuf_clear(&c->groups_valid);
    strbuf_clear(&c->groups_best);
    strbuf_clear(&c->groups_test);
    metric_set_destroy(c->judged);
    trace_part_close(&c->trace);
    workload_done_without(c->fold);
    mem_free(c);
}

struct script *course_script(struct course *c)
{
    return &c->script;
}
