/* The state machine of a job's course: which command comes next, and what is
 * made of the results. */
#include "train/course_private.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "train/breakdown.h"
#include "train/evaluate.h"
#include "train/fold.h"
#include "train/phases.h"

static struct course *course_of(struct script *s)
{
    return (struct course *)s;
}

static const struct stage *stage_of(const struct course *c)
{
    return &c->workload->options.stages[c->position.stage];
}

static const struct negatives *negatives_of(const struct course *c)
{
    return &c->workload->objectives.stages[c->position.stage].negatives;
}

static int is_over(const struct course *c)
{
    return c->position.stage >= c->workload->options.n_stages;
}

static uint64_t rows_of(const struct course *c, enum split split)
{
    return dataset_rows(c->workload->data, split);
}

/* The metric that decides about stopping: the stop rule's, or the first. */
static int deciding_metric(const struct course *c)
{
    const char *name = stage_of(c)->stop.metric;

    for (uint32_t i = 0; i < c->workload->n_metrics; i++)
        if (!name[0] || strcmp(c->workload->metrics[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int validation_is_due(const struct course *c)
{
    int64_t every = c->workload->options.train.eval_every;

    if (rows_of(c, SPLIT_VALID) == 0 || c->workload->n_metrics == 0)
        return 0;
    /* Without a fold, only what decides: nobody keeps these towers. */
    if (stage_of(c)->fold >= 0 && !stage_of(c)->stop.metric[0] &&
        stage_of(c)->plateau.factor == 1)
        return 0;
    return c->position.epoch % (uint64_t)every == 0 ||
           c->position.epoch >= (uint64_t)stage_of(c)->epochs;
}

/* Epoch bookkeeping. */

static void count_epoch(struct course *c)
{
    c->position.epoch++;
    c->position.clock += c->n_units;
    c->position.samples_done += c->epoch.samples;
    c->position.seconds += c->epoch_seconds;
    c->train_seconds += c->epoch_seconds;
    c->train_samples += c->epoch.samples;
    profile_total_add(&c->spent, &c->epoch.profile);
    c->n_epochs++;
    c->has_valid = 0;
    c->is_best = 0;
}

static void copy_text(struct strbuf *to, const struct strbuf *from)
{
    strbuf_clear(to);
    if (from->len) // NULL means that there are none
        strbuf_add_n(to, from->s, from->len);
}

static void judge(struct course *c)
{
    const struct stage *stage = stage_of(c);
    int metric = deciding_metric(c);

    if (!c->has_valid || metric < 0)
        return;
    c->is_best =
        journal_judge(&c->position, c->valid[metric].value,
                      metric_higher_is_better(&c->workload->metrics[metric]));
    if (c->is_best) {
        memcpy(c->best_valid, c->valid, sizeof(c->valid));
        copy_text(&c->groups_best, &c->groups_valid);
        c->has_best_valid = 1;
    }
    if (stage->plateau.factor < 1 &&
        c->position.plateau_waits > (uint32_t)stage->plateau.patience) {
        c->position.lr_factor *= stage->plateau.factor;
        c->position.plateau_waits = 0;
        progress_say(&c->progress, "no better %s: learning rate now x %g",
                     c->workload->metrics[metric].name, c->position.lr_factor);
    }
}

static void say_epoch(struct course *c)
{
    const struct stage *stage = stage_of(c);
    struct strbuf text = {0};
    char rate[16], name[48];

    if (c->has_valid)
        journal_results_text(c->valid, c->workload->n_metrics, &text);
    snprintf(c->metric_text, sizeof(c->metric_text), "%s",
             text.s ? text.s : "");
    progress_say(
        &c->progress, "%s epoch %llu/%lld  loss %.5f  %s  %s samples/s%s",
        train_stage_text(&c->workload->options, c->position.stage, name),
        (unsigned long long)c->position.epoch, (long long)stage->epochs,
        journal_mean_loss(&c->epoch, negatives_of(c)->pairwise), c->metric_text,
        str_count((double)c->epoch.samples / c->epoch_seconds, rate),
        c->is_best ? "  *" : "");
    strbuf_clear(&text);
}

static int stops_early(const struct course *c)
{
    const struct stop_rule *stop = &stage_of(c)->stop;

    return stop->metric[0] && c->position.stop_waits > (uint32_t)stop->patience;
}

static int is_stage_over(const struct course *c)
{
    return is_over(c) || c->position.epoch >= (uint64_t)stage_of(c)->epochs ||
           stops_early(c);
}

/* The epoch is trained and, if due, judged: write it down, decide. */
static enum fusor_status close_epoch(struct course *c, struct fusor_error *err)
{
    struct cut_result cut = cut_result_since(&c->cut, &c->cut_before);
    struct journal_line line = {
        .position = &c->position,
        .epoch = &c->epoch,
        .workload = c->workload,
        .seconds = c->epoch_seconds,
        .course = &c->own,
        .pairwise = negatives_of(c)->pairwise,
        .cut = c->has_cut ? &cut : NULL,
        .load = c->has_cut ? c->load : NULL,
        .imbalance = c->imbalance,
        .valid = c->has_valid ? c->valid : NULL,
        .n_valid = c->workload->n_metrics,
        .groups = c->has_valid ? c->groups_valid.s : NULL,
    };

    judge(c);
    say_epoch(c);
    c->cut_before = c->cut;
    profile_read(&c->profile, &c->own);
    return journal_append(c->config.run_dir, &line, err);
}

/* Go to the next stage that has epochs, or values to take. */
static void next_stage(struct course *c)
{
    if (c->position.has_best) {
        c->closed.metric = c->workload->metrics[deciding_metric(c)].name;
        c->closed.best = c->position.best;
        c->closed.epoch = c->position.best_epoch;
    }
    c->best_name[0] = '\0';
    c->has_best_valid = 0;
    do
        c->position.stage++;
    while (!is_over(c) && stage_of(c)->epochs == 0 && !stage_of(c)->init_from);
    c->position.epoch = 0;
    c->position.lr_factor = 1;
    c->position.has_best = 0;
    c->position.best_epoch = 0;
    c->position.stop_waits = 0;
    c->position.plateau_waits = 0;
}

/* What follows the phase that is done. */

static enum course_phase begin_stage(const struct course *c)
{
    return stage_of(c)->init_from && c->position.epoch == 0 ? PHASE_WARM
                                                            : PHASE_BEGIN;
}

static enum course_phase after_stage(const struct course *c)
{
    if (!is_over(c))
        return begin_stage(c);
    return rows_of(c, SPLIT_TEST) > 0 && c->workload->n_metrics > 0 &&
                   !c->config.skip_test
               ? PHASE_TEST
               : PHASE_FINISH;
}

/* Towers without a fold score it before others take their place. */
static enum course_phase leave_stage(struct course *c)
{
    if (stage_of(c)->ends)
        return PHASE_SCORE;
    next_stage(c);
    return after_stage(c);
}

/* The stage goes on, or its best epoch is taken back, or the next begins. Where
 * it stands is all in the position, so a course that resumes decides the same.
 */
static enum course_phase after_save(struct course *c)
{
    if (is_over(c) || !is_stage_over(c))
        return after_stage(c);
    if (stage_of(c)->stop.metric[0] && c->position.has_best &&
        strcmp(c->best_name, c->latest_name) != 0)
        return PHASE_RESTORE;
    return leave_stage(c);
}

/* The best epoch's values are back. */
static enum course_phase after_restore(struct course *c)
{
    if (c->has_best_valid)
        memcpy(c->valid, c->best_valid, sizeof(c->valid));
    if (c->has_best_valid)
        copy_text(&c->groups_valid, &c->groups_best);
    c->has_valid = c->has_best_valid;
    return leave_stage(c);
}

static enum course_phase after_warm(struct course *c)
{
    if (stage_of(c)->epochs > 0)
        return PHASE_BEGIN;
    next_stage(c);
    /* A job without an epoch still leaves a model: the initial one. */
    return is_over(c) ? PHASE_SAVE : begin_stage(c);
}

static enum course_phase first_stage(struct course *c)
{
    if (stage_of(c)->init_from) // with or without epochs
        return PHASE_WARM;
    return after_warm(c);
}

static enum course_phase after_start(struct course *c)
{
    if (c->config.resume)
        return PHASE_LOAD;
    return c->workload->options.n_folds ? PHASE_INITIAL : first_stage(c);
}

static enum fusor_status following_phase(struct course *c,
                                         enum course_phase *out,
                                         struct fusor_error *err)
{
    switch (c->phase) {
    case PHASE_START:
        *out = after_start(c);
        return FUSOR_OK;
    case PHASE_INITIAL:
        FUSOR_TRY(course_end_save(c, err));
        *out = first_stage(c);
        return FUSOR_OK;
    case PHASE_SCORE:
        next_stage(c);
        *out = PHASE_ANEW;
        return FUSOR_OK;
    case PHASE_ANEW:
        *out = begin_stage(c);
        return FUSOR_OK;
    case PHASE_BEGIN:
        *out = PHASE_EPOCH;
        return FUSOR_OK;
    case PHASE_EPOCH:
        *out = PHASE_CUT;
        return FUSOR_OK;
    case PHASE_CUT:
        count_epoch(c);
        FUSOR_TRY(course_keep_load(c, err));
        *out = PHASE_VALIDATE;
        if (validation_is_due(c))
            return FUSOR_OK;
        *out = PHASE_SAVE;
        return close_epoch(c, err);
    case PHASE_VALIDATE:
        *out = PHASE_SAVE;
        return close_epoch(c, err);
    case PHASE_SAVE:
        FUSOR_TRY(course_end_save(c, err));
        *out = after_save(c);
        return FUSOR_OK;
    case PHASE_LOAD:
        *out = after_save(c);
        return FUSOR_OK;
    case PHASE_WARM:
        *out = after_warm(c);
        return FUSOR_OK;
    case PHASE_RESTORE:
        *out = after_restore(c);
        return FUSOR_OK;
    case PHASE_TEST:
    case PHASE_FINISH:
        *out = PHASE_FINISH;
        return FUSOR_OK;
    }
    return fusor_fail(err, FUSOR_EINVAL, "course: phase %d", (int)c->phase);
}

/* The command of a phase. */

static enum fusor_status begin_epoch(struct course *c, struct command *out,
                                     struct fusor_error *err)
{
    struct plan p;
    char label[96], name[48];

    FUSOR_TRY(workload_without(c->workload, stage_of(c)->fold, &c->fold, err));
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
             (long long)stage_of(c)->epochs);
    progress_begin(&c->progress, label,
                   p.n_rows * negatives_samples(negatives_of(c)));
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

static enum fusor_status fill_command(struct course *c, struct command *out,
                                      struct fusor_error *err)
{
    static const enum command_kind kinds[] = {
        [PHASE_INITIAL] = COMMAND_SAVE,  [PHASE_SCORE] = COMMAND_SCORE,
        [PHASE_ANEW] = COMMAND_LOAD,     [PHASE_LOAD] = COMMAND_LOAD,
        [PHASE_BEGIN] = COMMAND_BEGIN,   [PHASE_EPOCH] = COMMAND_EPOCH,
        [PHASE_CUT] = COMMAND_CUT,       [PHASE_VALIDATE] = COMMAND_EVALUATE,
        [PHASE_SAVE] = COMMAND_SAVE,     [PHASE_RESTORE] = COMMAND_LOAD,
        [PHASE_WARM] = COMMAND_WARM,     [PHASE_TEST] = COMMAND_EVALUATE,
        [PHASE_FINISH] = COMMAND_FINISH,
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
    case PHASE_SCORE:
        return fold_clear(c->config.run_dir, (uint32_t)stage_of(c)->fold, err);
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
    FUSOR_TRY(following_phase(c, &c->phase, err));
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
