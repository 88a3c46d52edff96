/* Builds data, model, rules and plan from one job file, and checks that they
 * fit each other. */
#include "train/workload_private.h"

#include <string.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "train/build.h"
#include "train/catalogue.h"
#include "train/rules.h"
#include "train/shortlist.h"
#include "train/slicing.h"

#define LOG_MODULE "train"
#include "base/log.h"

#define MICRO_SAMPLES_MAX (1 << 26) /* 16 of them are counted in 32 bits */

static const char *const job_keys[] = {
    "data",    "label",      "labels",  "fields", "tables",    "encoders",
    "towers",  "fusion",     "output",  "loss",   "optimizer", "train",
    "stages",  "evaluate",   "cluster", "memory", "name",      "init_from",
    "privacy", "candidates", NULL,
};

/* What is not constant about a workload. */
struct workload_share {
    struct workload *self;
    struct workload *without; // the fold asked for last, or NULL
    uint32_t n_users;         // of self, when it leaves a fold out
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
                                   int outline, struct fusor_error *err)
{
    struct dataset_options options = {.fold = -1};
    const char *protocol = NULL;

    FUSOR_TRY(
        dataset_options_read(yaml_get(root, "data"), &options, &protocol, err));
    options.seed = w->options.train.seed;
    options.outline = outline;
    options.labels = yaml_get(root, "labels");
    options.towers = yaml_get(root, "towers");
    if (w->fold >= 0) {
        options.n_held = w->options.n_folds;
        options.held = (uint32_t)w->fold;
    }
    if (!options.exclude_seen)
        FUSOR_TRY(has_both_keys(options.dir, &options.exclude_seen, err));
    FUSOR_TRY(dataset_open(&options, yaml_get(root, "fields"),
                           yaml_get(root, "label"), &w->data, err));
    strbuf_add(&w->warnings, dataset_warnings(w->data));
    return dataset_check_protocol(w->data, protocol, err);
}

static enum fusor_status build_model(struct workload *w, struct yaml_node *root,
                                     struct fusor_error *err)
{
    size_t n;
    const struct field_spec *fields = dataset_fields(w->data, &n);

    FUSOR_TRY(
        model_create(root, fields, n, w->options.train.seed, &w->model, err));
    w->params = model_params(w->model);
    for (uint32_t f = 0; f < n; f++)
        if (!model_reads_field(w->model, f))
            dataset_leave_out(w->data, f);
    return FUSOR_OK;
}

static enum fusor_status read_rules(struct workload *w, struct yaml_node *root,
                                    struct fusor_error *err)
{
    uint32_t n_tables = w->params->n_tables, n_blocks = w->params->n_blocks;

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

/* Every process that trains asks, so that all compute alike or none starts. */
static enum fusor_status ask_for_arithmetic(struct workload *w,
                                            struct yaml_node *root,
                                            struct fusor_error *err)
{
    enum gemm_arithmetic how = (enum gemm_arithmetic)w->options.train.matmul;
    struct yaml_node *train = yaml_get(root, "train");
    struct fusor_error why;

    if (how == GEMM_F32)
        return FUSOR_OK;
    if (gemm_ask(how, &why) != FUSOR_OK)
        return yaml_fail(yaml_get(train, "matmul"), err, "train.matmul: %s",
                         why.text);
    strbuf_addf(&w->warnings,
                "train.matmul: %s: products of dense layers round their "
                "factors to 8 bits in every step; evaluation does not\n",
                gemm_arithmetic_names[how]);
    return FUSOR_OK;
}

/* What a model's shape and its update rules follow from. */
static enum fusor_status fill_shape(struct workload *w, struct yaml_node *root,
                                    int outline, struct fusor_error *err)
{
    FUSOR_TRY(option_check_keys(root, job_keys, "the job", err));
    FUSOR_TRY(train_options_read(root, &w->options, err));
    if (!outline)
        FUSOR_TRY(ask_for_arithmetic(w, root, err));
    FUSOR_TRY(open_data(w, root, outline, err));
    FUSOR_TRY(build_model(w, root, err));
    FUSOR_TRY(workload_read_builds(w, root, err));
    FUSOR_TRY(workload_read_frozen(w, root, err));
    return read_rules(w, root, err);
}

/* What needs the rows. */
static enum fusor_status fill_work(struct workload *w, struct yaml_node *root,
                                   struct fusor_error *err)
{
    FUSOR_TRY(workload_read_objectives(w, root, err));
    FUSOR_TRY(workload_check_head(w, root, err));
    FUSOR_TRY(guarantee_check(w, root, err));
    if (w->fold < 0)
        FUSOR_TRY(shortlist_create(yaml_get(root, "candidates"), w->data,
                                   w->model, &w->shortlist, err));
    FUSOR_TRY(workload_read_metrics(w, yaml_get(root, "evaluate"), err));
    return workload_check_queries(w, root, err);
}

static enum fusor_status create(struct yaml *job, int outline, int fold,
                                struct workload **out, struct fusor_error *err)
{
    struct workload *w = mem_alloc(1, sizeof(*w));
    enum fusor_status rc;

    if (!w)
        return mem_fail(err, "workload", sizeof(*w));
    w->share = mem_alloc(1, sizeof(*w->share));
    if (!w->share) {
        mem_free(w);
        return mem_fail(err, "workload", sizeof(*w->share));
    }
    blas_init();
    w->share->self = w;
    w->job = job;
    w->fold = fold;
    rc = fill_shape(w, yaml_root(job), outline, err);
    if (rc == FUSOR_OK && !outline)
        rc = fill_work(w, yaml_root(job), err);
    if (rc != FUSOR_OK) {
        workload_destroy(w);
        return rc;
    }
    *out = w;
    return FUSOR_OK;
}

enum fusor_status workload_create(struct yaml *job, struct workload **out,
                                  struct fusor_error *err)
{
    return create(job, 0, -1, out, err);
}

enum fusor_status workload_create_outline(struct yaml *job,
                                          struct workload **out,
                                          struct fusor_error *err)
{
    return create(job, 1, -1, out, err);
}

enum fusor_status workload_without(const struct workload *w, int fold,
                                   const struct workload **out,
                                   struct fusor_error *err)
{
    struct workload_share *share = w->share;
    const struct workload *before = *out;

    if (fold >= 0 && (!share->without || share->without->fold != fold)) {
        workload_done_without(share->without);
        share->without = NULL;
        FUSOR_TRY(create(w->job, 0, fold, &share->without, err));
        share->without->share->n_users = 1;
    }
    *out = fold < 0 ? w : share->without;
    if (fold >= 0)
        share->without->share->n_users++;
    workload_done_without(before);
    return FUSOR_OK;
}

void workload_done_without(const struct workload *w)
{
    if (w && w->fold >= 0 && --w->share->n_users == 0)
        workload_destroy(w->share->self);
}

void workload_destroy(struct workload *w)
{
    if (!w)
        return;
    workload_done_without(w->share->without);
    mem_free(w->share);
    shortlist_destroy(w->shortlist);
    slicing_destroy(w->slicing);
    catalogue_destroy(w->catalogue);
    model_destroy(w->model);
    dataset_close(w->data);
    mem_free(w->table_optim);
    mem_free(w->block_optim);
    mem_free(w->whole_blocks);
    mem_free(w->frozen);
    objectives_clear(&w->objectives);
    strbuf_clear(&w->warnings);
    mem_free(w);
}

/* A loss over lists wants the rows of a query together, whatever the order. */
static enum plan_order_kind plan_kind(const struct train_section *t,
                                      const struct objective *o,
                                      enum split split)
{
    if (o->listwise)
        return PLAN_BY_USER;
    return split == SPLIT_TRAIN && !o->every && !o->pairs
               ? (enum plan_order_kind)t->order
               : PLAN_RANDOM;
}

enum fusor_status workload_plan(const struct workload *w, uint32_t stage,
                                struct plan *out, struct fusor_error *err)
{
    const struct train_section *t = &w->options.train;
    const struct objective *o = &w->objectives.stages[stage];
    enum split split = (enum split)w->options.stages[stage].split;
    uint64_t n = o->every   ? w->objectives.n_ends
                 : o->pairs ? o->pairs->n
                            : dataset_rows(w->data, split);

    if (w->options.stages[stage].build)
        return build_plan(w, stage, out, err);
    if (n == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "stage %u trains on the %s rows, but the prepared "
                          "folder has none; set data.valid, such as 5%%",
                          w->options.stages[stage].number + 1,
                          split == SPLIT_TRAIN ? "train" : "validation");
    *out = (struct plan){
        .seed = t->seed,
        .n_rows = n,
        .global_batch = (uint32_t)(t->global_batch < n ? t->global_batch : n),
        .micro_batches = (uint32_t)t->micro_batches,
        .kind = plan_kind(t, o, split),
        .run = (uint32_t)t->run,
        .split = split,
    };
    if (!out->micro_batches)
        out->micro_batches = plan_micro_batches((uint32_t)t->global_batch);
    if (out->micro_batches > out->global_batch)
        out->micro_batches = out->global_batch;
    if ((uint64_t)plan_capacity(out) * negatives_samples(&o->negatives) >
        MICRO_SAMPLES_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "train: %u rows with %u samples each in one "
                          "micro-batch; at most %d samples are possible: "
                          "lower global_batch or negatives",
                          plan_capacity(out), negatives_samples(&o->negatives),
                          MICRO_SAMPLES_MAX);
    return plan_check(out, err);
}

uint32_t workload_capacity(const struct workload *w, uint32_t stage,
                           const struct plan *p)
{
    return plan_capacity(p) *
           negatives_samples(&w->objectives.stages[stage].negatives);
}

const unsigned char *workload_frozen_blocks(const struct workload *w,
                                            uint32_t stage)
{
    return w->frozen +
           (size_t)stage * (w->params->n_blocks + w->params->n_tables);
}

const unsigned char *workload_frozen_tables(const struct workload *w,
                                            uint32_t stage)
{
    return workload_frozen_blocks(w, stage) + w->params->n_blocks;
}

uint64_t workload_candidates_hash(const struct workload *w)
{
    return dataset_schema(w->data)->candidates_hash ^
           shortlist_hash(w->shortlist, w->model);
}

void workload_warn(const struct workload *w)
{
    const char *line = w->warnings.s ? w->warnings.s : "";

    for (; *line; line += strcspn(line, "\n") + 1)
        log_warn("%.*s", (int)strcspn(line, "\n"), line);
}
