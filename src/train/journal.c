/* Lines of metrics.jsonl and the position of a course. */
#include "train/journal.h"

#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "train/phases.h"

void journal_position_json(const struct course_position *p, struct strbuf *out)
{
    struct json j = {0};

    json_begin_object(&j, NULL);
    json_uint(&j, "stage", p->stage);
    json_uint(&j, "epoch", p->epoch);
    json_uint(&j, "clock", p->clock);
    json_uint(&j, "samples_done", p->samples_done);
    json_number(&j, "lr_factor", p->lr_factor);
    if (p->has_best) {
        json_number(&j, "best", p->best);
        json_uint(&j, "best_epoch", p->best_epoch);
    }
    json_uint(&j, "stop_waits", p->stop_waits);
    json_uint(&j, "plateau_waits", p->plateau_waits);
    json_number(&j, "seconds", p->seconds);
    json_end_object(&j);
    strbuf_add(out, j.text.s ? j.text.s : "{}");
    json_clear(&j);
}

static enum fusor_status read_uint(struct yaml_node *map, const char *key,
                                   uint64_t *out, struct fusor_error *err)
{
    struct yaml_node *n = yaml_get(map, key);

    if (!n)
        return fusor_fail(err, FUSOR_EDATA, "checkpoint: no %s", key);
    return yaml_to_size(n, out, err);
}

static enum fusor_status read_all(struct yaml_node *root,
                                  struct course_position *p,
                                  struct fusor_error *err)
{
    uint64_t stage, stop_waits, plateau_waits;

    FUSOR_TRY(read_uint(root, "stage", &stage, err));
    FUSOR_TRY(read_uint(root, "epoch", &p->epoch, err));
    FUSOR_TRY(read_uint(root, "clock", &p->clock, err));
    FUSOR_TRY(read_uint(root, "samples_done", &p->samples_done, err));
    FUSOR_TRY(read_uint(root, "stop_waits", &stop_waits, err));
    FUSOR_TRY(read_uint(root, "plateau_waits", &plateau_waits, err));
    p->stage = (uint32_t)stage;
    p->stop_waits = (uint32_t)stop_waits;
    p->plateau_waits = (uint32_t)plateau_waits;
    if (yaml_get(root, "best")) {
        p->has_best = 1;
        FUSOR_TRY(yaml_to_double(yaml_get(root, "best"), &p->best, err));
        FUSOR_TRY(read_uint(root, "best_epoch", &p->best_epoch, err));
    }
    p->lr_factor = 1;
    if (yaml_get(root, "lr_factor"))
        FUSOR_TRY(
            yaml_to_double(yaml_get(root, "lr_factor"), &p->lr_factor, err));
    if (yaml_get(root, "seconds"))
        FUSOR_TRY(yaml_to_double(yaml_get(root, "seconds"), &p->seconds, err));
    return FUSOR_OK;
}

enum fusor_status journal_position_read(const char *text,
                                        struct course_position *out,
                                        struct fusor_error *err)
{
    struct course_position p = {0};
    struct yaml *y;
    enum fusor_status rc;

    FUSOR_TRY(yaml_parse(text, strlen(text), "checkpoint", &y, err));
    rc = read_all(yaml_root(y), &p, err);
    yaml_destroy(y);
    if (rc == FUSOR_OK)
        *out = p;
    return rc;
}

void journal_results_json(struct json *j, const char *key,
                          const struct metric_result *results, size_t n)
{
    json_begin_object(j, key);
    for (size_t i = 0; i < n; i++)
        json_number(j, results[i].name, results[i].value);
    json_end_object(j);
}

void journal_results_text(const struct metric_result *results, size_t n,
                          struct strbuf *out)
{
    for (size_t i = 0; i < n; i++) {
        strbuf_add(out, i ? "  " : "");
        if (results[i].defined)
            strbuf_addf(out, "%s %.5f", results[i].name, results[i].value);
        else
            strbuf_addf(out, "%s undefined", results[i].name);
    }
}

double journal_mean_loss(const struct epoch_result *e, int pairwise)
{
    double n = (double)e->samples / (pairwise ? 2 : 1);

    return e->samples ? (double)e->loss / RESULT_LOSS_ONE / n : NAN;
}

/* Counts of staleness 0, 1, ... up to the largest there was. */
static void add_servers(struct json *j, const struct cut_result *cut)
{
    int n = CUT_STALENESS_MAX;

    while (n > 0 && cut->staleness_count[n - 1] == 0)
        n--;
    json_begin_object(j, "servers");
    json_uint(j, "rows", cut->rows);
    json_uint(j, "pulls", cut->pulls);
    json_uint(j, "pushes", cut->pushes);
    json_uint(j, "duplicates", cut->duplicates);
    json_uint(j, "rows_evicted", cut->evicted);
    json_uint(j, "rows_refused", cut->refused);
    json_begin_array(j, "staleness");
    for (int i = 0; i < n; i++)
        json_uint(j, NULL, cut->staleness_count[i]);
    json_end_array(j);
    phases_json(j, "profile", NULL, &cut->profile);
    json_end_object(j);
}

void journal_course_json(struct json *j, const struct profile_total *t)
{
    json_number(j, "evaluate_s", (double)t->ns[PROFILE_EVALUATE] * 1e-9);
    json_number(j, "checkpoint_s", (double)t->ns[PROFILE_CHECKPOINT] * 1e-9);
}

void journal_load_json(struct json *j, const struct load *l, double imbalance)
{
    json_number(j, "imbalance", imbalance);
    if (!l->rows_held)
        return;
    json_number(j, "cache_hits", (double)l->rows_held / (double)l->rows_asked);
    json_uint(j, "cache_bytes_saved", l->bytes_held);
}

static void add_towers(struct json *j, const char *name,
                       const struct journal_line *line, double divisor)
{
    const struct epoch_result *e = line->epoch;

    json_begin_object(j, name);
    for (uint32_t t = 0; t < e->n_towers; t++)
        json_number(j, model_tower_name(line->workload->model, t),
                    (double)e->weights[t] / divisor);
    json_end_object(j);
}

/* The mean weight of each tower over the epoch's samples; and, because a loss
 * over lists sets their common scale by how far apart it wants the items of a
 * list, their shares of the sum of sizes. Labels share no scale. */
static void add_weights(struct json *j, const struct journal_line *line)
{
    const struct epoch_result *e = line->epoch;
    double sum = 0;

    if (!line->workload || !e->weighed ||
        e->n_towers != model_n_towers(line->workload->model))
        return;
    add_towers(j, "fusion_weights", line, RESULT_LOSS_ONE * (double)e->weighed);
    for (uint32_t t = 0; t < e->n_towers; t++)
        sum += fabs((double)e->weights[t]);
    if (sum > 0 && model_n_labels(line->workload->model) == 1)
        add_towers(j, "fusion_shares", line, sum);
}

/* By its place in the job's list, with the fold it is trained without. */
static void add_stage(struct json *j, const struct journal_line *line)
{
    const struct stage *s;

    if (!line->workload) {
        json_uint(j, "stage", line->position->stage + 1);
        return;
    }
    s = &line->workload->options.stages[line->position->stage];
    json_uint(j, "stage", s->number + 1);
    if (s->fold >= 0)
        json_uint(j, "fold", (uint64_t)s->fold + 1);
}

enum fusor_status journal_append(const char *run_dir,
                                 const struct journal_line *line,
                                 struct fusor_error *err)
{
    const struct epoch_result *e = line->epoch;
    double spent = (double)(e->busy_ns + e->wait_ns);
    struct json j = {0};
    char path[FS_PATH_MAX];
    enum fusor_status rc;

    json_begin_object(&j, NULL);
    add_stage(&j, line);
    json_uint(&j, "epoch", line->position->epoch);
    json_uint(&j, "clock", line->position->clock);
    json_uint(&j, "samples", e->samples);
    json_number(&j, "loss", journal_mean_loss(e, line->pairwise));
    json_number(&j, "seconds", line->seconds);
    json_number(&j, "samples_per_s",
                line->seconds > 0 ? (double)e->samples / line->seconds : NAN);
    json_number(&j, "waiting", spent > 0 ? (double)e->wait_ns / spent : 0);
    json_number(&j, "lr_factor", line->position->lr_factor);
    phases_counts_json(&j, line->workload, &e->profile);
    if (line->course)
        journal_course_json(&j, line->course);
    add_weights(&j, line);
    if (line->cut)
        add_servers(&j, line->cut);
    if (line->load)
        journal_load_json(&j, line->load, line->imbalance);
    if (line->valid)
        journal_results_json(&j, "valid", line->valid, line->n_valid);
    if (line->groups)
        json_raw(&j, "valid_by", line->groups);
    if (line->workload)
        guarantee_json(&j, line->workload, line->position->samples_done);
    json_end_object(&j);
    strbuf_add(&j.text, "\n");
    fs_join(path, run_dir, "metrics.jsonl");
    rc = j.text.failed ? mem_fail(err, "metrics line", 256)
                       : fs_append(path, j.text.s, j.text.len, err);
    json_clear(&j);
    return rc;
}

int journal_judge(struct course_position *p, double value, int higher_is_better)
{
    int better =
        !p->has_best || (higher_is_better ? value > p->best : value < p->best);

    if (!isfinite(value) || !better) {
        p->stop_waits++;
        p->plateau_waits++;
        return 0;
    }
    p->has_best = 1;
    p->best = value;
    p->best_epoch = p->epoch;
    p->stop_waits = 0;
    p->plateau_waits = 0;
    return 1;
}
