/* The `privacy` section: what it asks, what it forbids, what it costs. */
#include "train/guarantee.h"

#include <math.h>
#include <string.h>

#include "base/option.h"
#include "train/accountant.h"
#include "train/workload.h"

static const struct option_spec specs[] = {
    OPTION_DOUBLE(struct guarantee, clip, "1", 1e-6, 1e6,
                  "most L2 norm of one sample's gradient"),
    OPTION_DOUBLE(struct guarantee, noise, "1", 0.05, 1e4,
                  "deviation of the noise over clip"),
    OPTION_DOUBLE(struct guarantee, delta, "1.0e-5", 1e-15, 0.5,
                  "chance that the promise fails; below 1 / rows"),
    OPTION_END,
};

enum fusor_status guarantee_read(struct yaml_node *node, struct guarantee *out,
                                 struct fusor_error *err)
{
    memset(out, 0, sizeof(*out));
    return node ? option_read(specs, node, "privacy", out, err) : FUSOR_OK;
}

/* Why a stage cannot keep the promise, or NULL. */
static const char *why_not_stage(const struct workload *w, uint32_t s)
{
    const struct objective *o = &w->objectives.stages[s];

    if (w->options.stages[s].build)
        return "a built tower is made of all rows at once";
    if (w->options.stages[s].fold >= 0)
        return "out of fold towers see a row several times";
    if (w->options.stages[s].init_from)
        return "init_from begins with what other rows have taught";
    if (w->options.stages[s].split != SPLIT_TRAIN)
        return "rows: validation are counted apart from the train rows";
    if (o->over)
        return "a loss over candidates compares a sample with others";
    if (o->listwise)
        return "a loss over lists compares a sample with others";
    if (o->negatives.per_row)
        return "a row with sampled negatives makes several samples: take a "
               "loss over rows without train.negatives";
    return NULL;
}

/* Why the model cannot, or NULL. */
static const char *why_not_model(const struct workload *w)
{
    const struct param_spec *p = w->params;

    if (model_n_labels(w->model) > 1)
        return "a sample's gradient is taken by one label: take label instead "
               "of labels";
    for (uint32_t b = 0; b < p->n_blocks; b++)
        if (p->blocks[b].bn_momentum > 0)
            return "batch statistics mix samples: take norm: none";
    for (uint32_t t = 0; t < p->n_tables; t++) {
        if (model_table_rows(w->model, t) == 0)
            return "a table with hashed keys has no end of rows to hide";
        if (p->tables[t].admit_count > 1 || p->tables[t].admit_probability > 0)
            return "who is admitted to a table depends on the rows";
    }
    return NULL;
}

static const char *why_not_data(const struct workload *w)
{
    size_t n;
    const struct field_spec *fields = dataset_fields(w->data, &n);

    for (size_t i = 0; i < n; i++) {
        if (fields[i].type == FIELD_SCORE)
            return "a tower of scores shows the rows its model was trained on";
        if (dataset_is_events(w->data, i) || fields[i].type == FIELD_BAG)
            return "a field made of a query's other rows shows them";
    }
    if (dataset_schema(w->data)->has_weight)
        return "weights of rows change what the others count";
    return NULL;
}

enum fusor_status guarantee_check(const struct workload *w,
                                  struct yaml_node *root,
                                  struct fusor_error *err)
{
    const struct guarantee *p = &w->options.privacy;
    double n = (double)dataset_rows(w->data, SPLIT_TRAIN);
    const char *full = NULL, *why;

    if (p->clip == 0)
        return FUSOR_OK;
    why = why_not_model(w);
    if (!why)
        why = why_not_data(w);
    for (uint32_t s = 0; !why && s < w->options.n_stages; s++)
        why = why_not_stage(w, s);
    if (!why && yaml_path(root, "memory.when_full"))
        FUSOR_TRY(
            yaml_to_text(yaml_path(root, "memory.when_full"), &full, err));
    if (full && strcmp(full, "error") != 0)
        why = "which rows are evicted depends on the rows: memory.when_full: "
              "error";
    if (!why && yaml_path(root, "memory.idle"))
        why = "which rows are idle depends on the rows: leave memory.idle away";
    if (!why && p->delta >= 1 / n)
        why = "delta is not below 1 / train rows";
    if (!why)
        return FUSOR_OK;
    return yaml_fail(yaml_get(root, "privacy"), err, "privacy: %s", why);
}

struct guarantee_spent guarantee_spent(const struct workload *w,
                                       uint64_t samples_done)
{
    const struct guarantee *p = &w->options.privacy;
    double n = (double)dataset_rows(w->data, SPLIT_TRAIN);
    double batch = (double)w->options.train.global_batch;
    double epochs = ceil((double)samples_done / n), q;

    if (batch > n)
        batch = n;
    q = batch / n;
    return (struct guarantee_spent){
        accountant_epsilon(q, p->noise, epochs * ceil(n / batch), p->delta),
        accountant_epsilon(1, p->noise, epochs, p->delta)};
}

void guarantee_json(struct json *j, const struct workload *w,
                    uint64_t samples_done)
{
    const struct guarantee *p = &w->options.privacy;
    struct guarantee_spent spent;

    if (p->clip == 0)
        return;
    spent = guarantee_spent(w, samples_done);
    json_begin_object(j, "privacy");
    json_number(j, "epsilon", spent.epsilon);
    json_number(j, "epsilon_shuffled", spent.epsilon_shuffled);
    json_number(j, "delta", p->delta);
    json_number(j, "clip", p->clip);
    json_number(j, "noise", p->noise);
    json_end_object(j);
}
