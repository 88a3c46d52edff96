/* Builds data, model, rules and plan from one job file, and checks that they
 * fit each other. */
#include "train/workload.h"

#include <string.h>

#include "base/mem.h"
#include "tensor/blas.h"
#include "train/rules.h"

static const char *const job_keys[] = {
    "data",     "label",   "weight", "fields",    "tables", "towers",
    "fusion",   "output",  "loss",   "optimizer", "train",  "stages",
    "evaluate", "cluster", "memory", "name",      NULL,
};

/* What a query has seen can be left out only where rows have both keys. */
static enum fusor_status has_both_keys(const char *dir, int *out,
                                       struct fusor_error *err)
{
    struct schema *s = mem_alloc(1, sizeof(*s));
    enum fusor_status rc;

    if (!s)
        return mem_fail(err, "schema", sizeof(*s));
    rc = schema_read(dir, s, err);
    *out = rc == FUSOR_OK && s->query_key >= 0 && s->item_key >= 0;
    mem_free(s);
    return rc;
}

static enum fusor_status open_data(struct workload *w, struct yaml_node *root,
                                   struct fusor_error *err)
{
    struct dataset_options options = {.fold = -1};
    const char *protocol = NULL;

    FUSOR_TRY(
        dataset_options_read(yaml_get(root, "data"), &options, &protocol, err));
    options.seed = w->options.train.seed;
    if (!options.exclude_seen)
        FUSOR_TRY(has_both_keys(options.dir, &options.exclude_seen, err));
    FUSOR_TRY(dataset_open(&options, yaml_get(root, "fields"),
                           yaml_get(root, "label"), &w->data, err));
    return dataset_check_protocol(w->data, protocol, err);
}

static enum fusor_status build_model(struct workload *w, struct yaml_node *root,
                                     struct fusor_error *err)
{
    size_t n;
    const struct field_spec *fields = dataset_fields(w->data, &n);
    uint32_t n_tables, n_blocks;

    FUSOR_TRY(
        model_create(root, fields, n, w->options.train.seed, &w->model, err));
    w->params = model_params(w->model);
    n_tables = w->params->n_tables;
    n_blocks = w->params->n_blocks;
    w->table_optim = mem_alloc(n_tables + 1, sizeof(*w->table_optim));
    w->block_optim = mem_alloc(n_blocks + 1, sizeof(*w->block_optim));
    w->whole_blocks = mem_alloc(n_blocks + 1, 1);
    if (!w->table_optim || !w->block_optim || !w->whole_blocks)
        return mem_fail(err, "update rules",
                        (n_tables + n_blocks) * sizeof(*w->table_optim));
    FUSOR_TRY(rules_read(root, &w->options, w->model, w->table_optim,
                         w->block_optim, err));
    for (uint32_t b = 0; b < n_blocks; b++)
        w->whole_blocks[b] =
            (unsigned char)!optim_elementwise(&w->block_optim[b]);
    return FUSOR_OK;
}

static enum fusor_status check_loss(const struct workload *w,
                                    struct fusor_error *err)
{
    double lo, hi;

    if (strcmp(model_loss_name(w->model), "bce") != 0)
        return FUSOR_OK;
    dataset_label_range(w->data, &lo, &hi);
    return label_check_for_bce(dataset_label_spec(w->data), lo, hi, err);
}

static enum fusor_status check_metric_name(const struct workload *w,
                                           const char *name, const char *where,
                                           struct fusor_error *err)
{
    if (!name[0])
        return FUSOR_OK;
    for (uint32_t i = 0; i < w->n_metrics; i++)
        if (strcmp(w->metrics[i].name, name) == 0)
            return FUSOR_OK;
    return fusor_fail(err, FUSOR_EUSAGE,
                      "%s: metric \"%s\" is not among those of evaluate", where,
                      name);
}

static enum fusor_status read_metrics(struct workload *w,
                                      struct fusor_error *err)
{
    w->n_metrics = w->options.n_metrics;
    for (uint32_t i = 0; i < w->n_metrics; i++)
        FUSOR_TRY(fusor_wrap(
            err, metric_parse(w->options.metrics[i], &w->metrics[i], err),
            "evaluate"));
    for (uint32_t i = 0; i < w->options.n_stages; i++)
        FUSOR_TRY(check_metric_name(w, w->options.stages[i].stop.metric, "stop",
                                    err));
    return FUSOR_OK;
}

static enum fusor_status fill(struct workload *w, struct yaml_node *root,
                              struct fusor_error *err)
{
    struct plan p;

    FUSOR_TRY(option_check_keys(root, job_keys, "the job", err));
    FUSOR_TRY(train_options_read(root, &w->options, err));
    FUSOR_TRY(open_data(w, root, err));
    FUSOR_TRY(build_model(w, root, err));
    FUSOR_TRY(check_loss(w, err));
    for (uint32_t s = 0; s < w->options.n_stages; s++)
        FUSOR_TRY(workload_plan(w, s, &p, err));
    return read_metrics(w, err);
}

enum fusor_status workload_create(struct yaml *job, struct workload **out,
                                  struct fusor_error *err)
{
    struct workload *w = mem_alloc(1, sizeof(*w));
    enum fusor_status rc;

    if (!w)
        return mem_fail(err, "workload", sizeof(*w));
    blas_init();
    w->job = job;
    rc = fill(w, yaml_root(job), err);
    if (rc != FUSOR_OK) {
        workload_destroy(w);
        return rc;
    }
    *out = w;
    return FUSOR_OK;
}

void workload_destroy(struct workload *w)
{
    if (!w)
        return;
    model_destroy(w->model);
    dataset_close(w->data);
    mem_free(w->table_optim);
    mem_free(w->block_optim);
    mem_free(w->whole_blocks);
    mem_free(w);
}

enum fusor_status workload_plan(const struct workload *w, uint32_t stage,
                                struct plan *out, struct fusor_error *err)
{
    const struct train_section *t = &w->options.train;
    enum split split = (enum split)w->options.stages[stage].split;
    uint64_t n = dataset_rows(w->data, split);

    if (n == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "stage %u trains on the %s rows, but the prepared "
                          "folder has none; set data.valid, such as 5%%",
                          stage + 1,
                          split == SPLIT_TRAIN ? "train" : "validation");
    *out = (struct plan){
        .seed = t->seed,
        .n_rows = n,
        .global_batch = (uint32_t)(t->global_batch < n ? t->global_batch : n),
        .micro_batches = (uint32_t)t->micro_batches,
        /* Runs of a user are made for the train rows only. */
        .kind =
            split == SPLIT_TRAIN ? (enum plan_order_kind)t->order : PLAN_RANDOM,
        .run = (uint32_t)t->run,
    };
    if (!out->micro_batches)
        out->micro_batches = plan_micro_batches((uint32_t)t->global_batch);
    if (out->micro_batches > out->global_batch)
        out->micro_batches = out->global_batch;
    return plan_check(out, err);
}

enum fusor_status workload_frozen_blocks(const struct workload *w,
                                         const struct stage *stage,
                                         unsigned char **out,
                                         struct fusor_error *err)
{
    const char *const *names = stage->names[0] ? stage->names : NULL;

    FUSOR_TRY(model_set_trained(w->model, names, err));
    *out = mem_alloc(w->params->n_blocks + 1, 1);
    if (!*out)
        return mem_fail(err, "frozen blocks", w->params->n_blocks);
    for (uint32_t b = 0; b < w->params->n_blocks; b++)
        (*out)[b] = (unsigned char)!model_block_trained(w->model, b);
    return FUSOR_OK;
}

static void describe_rule(const char *name, const struct optim_spec *s,
                          struct strbuf *out)
{
    strbuf_addf(out, "  %-24s %s, lr %g", name,
                optim_name((enum optim_kind)s->kind), s->lr);
    if (s->l2_scope != OPTIM_L2_NONE)
        strbuf_addf(out, ", l2 %g per %s", s->l2,
                    s->l2_scope == OPTIM_L2_ROW ? "row touched" : "step");
    strbuf_add(out, "\n");
}

void workload_describe(const struct workload *w, struct strbuf *out)
{
    struct plan p;

    strbuf_addf(out, "rows: %llu train, %llu validation, %llu test\n",
                (unsigned long long)dataset_rows(w->data, SPLIT_TRAIN),
                (unsigned long long)dataset_rows(w->data, SPLIT_VALID),
                (unsigned long long)dataset_rows(w->data, SPLIT_TEST));
    model_describe(w->model, out);
    strbuf_add(out, "update rules\n");
    for (uint32_t t = 0; t < w->params->n_tables; t++)
        describe_rule(w->params->tables[t].name, &w->table_optim[t], out);
    for (uint32_t b = 0; b < w->params->n_blocks; b++)
        describe_rule(w->params->blocks[b].name, &w->block_optim[b], out);
    for (uint32_t s = 0; s < w->options.n_stages; s++) {
        if (workload_plan(w, s, &p, NULL) != FUSOR_OK)
            continue;
        strbuf_addf(out,
                    "stage %u: %lld epochs of %llu steps of %u samples in %u "
                    "micro-batches\n",
                    s + 1, (long long)w->options.stages[s].epochs,
                    (unsigned long long)plan_units(&p), p.global_batch,
                    p.micro_batches);
    }
}
