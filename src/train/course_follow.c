/* Which phase of a course follows the one that is done: epochs are counted and
 * judged, stages end and begin. */
#include "train/course_private.h"

#include <stdio.h>
#include <string.h>

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
    const char *name = course_stage(c)->stop.metric;

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
    if (course_stage(c)->fold >= 0 && !course_stage(c)->stop.metric[0] &&
        course_stage(c)->plateau.factor == 1)
        return 0;
    return c->position.epoch % (uint64_t)every == 0 ||
           c->position.epoch >= (uint64_t)course_stage(c)->epochs;
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
    const struct stage *stage = course_stage(c);
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
    const struct stage *stage = course_stage(c);
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
        journal_mean_loss(&c->epoch, course_negatives(c)->pairwise),
        c->metric_text,
        str_count((double)c->epoch.samples / c->epoch_seconds, rate),
        c->is_best ? "  *" : "");
    strbuf_clear(&text);
}

static int stops_early(const struct course *c)
{
    const struct stop_rule *stop = &course_stage(c)->stop;

    return stop->metric[0] && c->position.stop_waits > (uint32_t)stop->patience;
}

static int is_stage_over(const struct course *c)
{
    return is_over(c) ||
           c->position.epoch >= (uint64_t)course_stage(c)->epochs ||
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
        .pairwise = course_negatives(c)->pairwise,
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
    if (c->position.epoch) {
        c->closed.metric = NULL;
        c->closed.stage = c->position.stage;
        c->closed.ended = c->phase == PHASE_RESTORE ? c->position.best_epoch
                                                    : c->position.epoch;
    }
    if (c->position.has_best) {
        c->closed.metric = c->workload->metrics[deciding_metric(c)].name;
        c->closed.best = c->position.best;
        c->closed.epoch = c->position.best_epoch;
    }
    c->best_name[0] = '\0';
    c->has_best_valid = 0;
    do
        c->position.stage++;
    while (!is_over(c) && course_stage(c)->epochs == 0 &&
           !course_stage(c)->init_from);
    c->position.epoch = 0;
    c->position.lr_factor = 1;
    c->position.has_best = 0;
    c->position.best_epoch = 0;
    c->position.stop_waits = 0;
    c->position.plateau_waits = 0;
}

/* What follows the phase that is done. */

/* The stage's values are there. */
static enum course_phase begin_epochs(const struct course *c)
{
    return course_negatives(c)->mined && c->position.epoch == 0 ? PHASE_MINE
                                                                : PHASE_BEGIN;
}

static enum course_phase begin_stage(const struct course *c)
{
    return course_stage(c)->init_from && c->position.epoch == 0
               ? PHASE_WARM
               : begin_epochs(c);
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
    if (course_stage(c)->ends)
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
    if (course_stage(c)->stop.metric[0] && c->position.has_best &&
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
    if (course_stage(c)->epochs > 0)
        return begin_epochs(c);
    next_stage(c);
    /* A job without an epoch still leaves a model: the initial one. */
    return is_over(c) ? PHASE_SAVE : begin_stage(c);
}

static enum course_phase first_stage(struct course *c)
{
    if (course_stage(c)->init_from) // with or without epochs
        return PHASE_WARM;
    return after_warm(c);
}

static enum course_phase after_start(struct course *c)
{
    if (c->config.resume)
        return PHASE_LOAD;
    return c->workload->options.n_folds ? PHASE_INITIAL : first_stage(c);
}

enum fusor_status course_follow(struct course *c, enum course_phase *out,
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
    case PHASE_MINE:
        *out = PHASE_BEGIN;
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
