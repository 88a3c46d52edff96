/* Decides how each stage is trained, and finds the sequences. */
#include "train/objective.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/found.h"

static struct yaml_node *stage_node(struct yaml_node *job,
                                    const struct train_options *options,
                                    uint32_t stage)
{
    struct yaml_node *stages = yaml_get(job, "stages");

    return stages ? stages->items[options->stages[stage].number] : job;
}

/* Sequences that are trained must be events of the items themselves. */
static int holds_events(const struct dataset *ds, const unsigned char *field,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (field[i] && !dataset_is_history(ds, i))
            return 0;
    return 1;
}

static enum fusor_status choose_every(struct objective *s, int samples,
                                      enum split split, int pairs,
                                      const struct dataset *ds,
                                      const struct model *model,
                                      struct fusor_error *err)
{
    size_t n;
    const struct field_spec *fields = dataset_fields(ds, &n);
    struct fusor_error why;
    enum fusor_status rc;

    s->field = mem_alloc(n + 1, 1);
    if (!s->field)
        return mem_fail(err, "objective", n);
    if (samples == SAMPLES_EVENTS || pairs)
        return FUSOR_OK;
    rc = model_check_candidates(model, 1, s->field, &why);
    if (rc == FUSOR_OK && !holds_events(ds, s->field, n))
        rc = fusor_fail(&why, FUSOR_EUSAGE,
                        "a sequence is not the history of the items");
    if (rc == FUSOR_OK && split != SPLIT_TRAIN)
        rc = fusor_fail(&why, FUSOR_EUSAGE,
                        "sequences are made of train rows only");
    if (rc != FUSOR_OK && samples == SAMPLES_SEQUENCES)
        return fusor_fail(err, FUSOR_EUSAGE, "train.samples: %s", why.text);
    s->every = rc == FUSOR_OK;
    for (size_t i = 0; s->every && i < n; i++)
        if (s->field[i] && fields[i].max_values > s->longest)
            s->longest = fields[i].max_values;
    return FUSOR_OK;
}

static enum fusor_status choose(struct objective *s,
                                const struct train_options *options,
                                uint32_t stage, const struct dataset *ds,
                                const struct model *model,
                                struct fusor_error *err)
{
    int only, samples = options->train.samples;
    const struct loss_setting *setting = model_loss_setting(model, &only);
    uint32_t n = options->stages[stage].negatives.n;

    s->over = only || (setting && samples == SAMPLES_SEQUENCES);
    if (!s->over) {
        if (samples == SAMPLES_SEQUENCES)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "train.samples: loss %s has no form over "
                              "sequences: take full_softmax, sampled_softmax, "
                              "gbce, bce or bpr",
                              model_loss_name(model, 0));
        s->negatives = (struct negatives){
            .per_row = n, .pairwise = model_loss_is_pairwise(model)};
        if (s->negatives.pairwise && n == 0)
            s->negatives.per_row = 1;
        s->listwise = model_loss_is_listwise(model);
        s->share = model_list_share(model, 1 + s->negatives.per_row);
        if (s->listwise && dataset_n_queries(ds) == 0)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "loss %s compares the rows of a query, but the "
                              "data have no query key",
                              model_loss_name(model, 0));
        return FUSOR_OK;
    }
    s->setting = *setting;
    s->own = n > 1 ? n : 1;
    if (dataset_n_queries(ds) == 0 || dataset_n_items(ds) < 2)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "loss %s compares items, but the data have no query "
                          "or no item key",
                          model_loss_name(model, 0));
    FUSOR_TRY(choose_every(s, samples, (enum split)options->stages[stage].split,
                           options->stages[stage].pairs != NULL, ds, model,
                           err));
    return model_check_candidates(model, s->every, NULL, err);
}

/* Stages that say the same, also without a fold, share what was found. */
static enum fusor_status read_pairs(struct objectives *o, uint32_t stage,
                                    const struct train_options *options,
                                    const struct dataset *ds,
                                    struct fusor_error *err)
{
    struct yaml_node *at = options->stages[stage].pairs;

    if (!at)
        return FUSOR_OK;
    if (!o->stages[stage].over)
        return yaml_fail(at, err,
                         "pairs of texts have no items that are not wanted: "
                         "give the stage a loss over candidates, such as "
                         "sampled_softmax: {from: in_batch}");
    for (uint32_t s = 0; s < stage && !o->stages[stage].pairs; s++)
        if (options->stages[s].pairs == at)
            o->stages[stage].pairs = o->stages[s].pairs;
    if (o->stages[stage].pairs)
        return FUSOR_OK;
    FUSOR_TRY(text_pairs_create(at, ds, &o->pairs[stage], err));
    o->stages[stage].pairs = o->pairs[stage];
    return FUSOR_OK;
}

/* The last train row of each known query that has an earlier one. */
static enum fusor_status find_ends(struct objectives *o,
                                   const struct dataset *ds,
                                   struct fusor_error *err)
{
    uint64_t n_queries = dataset_n_queries(ds);
    uint64_t n = dataset_rows(ds, SPLIT_TRAIN);

    o->ends = mem_alloc_raw(n_queries + 1, sizeof(*o->ends));
    if (!o->ends)
        return mem_fail(err, "sequences", n_queries * sizeof(*o->ends));
    memset(o->ends, 0xff, (n_queries + 1) * sizeof(*o->ends));
    for (uint64_t i = 0; i < n; i++) {
        uint32_t q = dataset_query(ds, SPLIT_TRAIN, i), *end = &o->ends[q];
        uint32_t before = dataset_events_before(ds, SPLIT_TRAIN, i);

        if (before > 0 &&
            (*end == UINT32_MAX ||
             before > dataset_events_before(ds, SPLIT_TRAIN, *end)))
            *end = (uint32_t)i;
    }
    for (uint64_t q = 1; q < n_queries; q++) // 0 is the unknown
        if (o->ends[q] != UINT32_MAX)
            o->ends[o->n_ends++] = o->ends[q];
    if (o->n_ends == 0)
        return fusor_fail(err, FUSOR_EDATA,
                          "train.samples: sequences: no query has two train "
                          "events");
    return FUSOR_OK;
}

static enum fusor_status count_items(struct objectives *o,
                                     const struct dataset *ds,
                                     struct fusor_error *err)
{
    uint64_t n = dataset_n_items(ds);

    o->n_counted = dataset_rows(ds, SPLIT_TRAIN);
    o->counts = mem_alloc(n + 1, sizeof(*o->counts));
    if (!o->counts)
        return mem_fail(err, "item counts", n * sizeof(*o->counts));
    for (uint64_t i = 0; i < o->n_counted; i++)
        o->counts[dataset_item(ds, SPLIT_TRAIN, i)]++;
    return FUSOR_OK;
}

static enum fusor_status
read_stage(struct objectives *o, uint32_t s, struct yaml_node *job,
           const struct train_options *options, const struct dataset *ds,
           struct model *model, struct fusor_error *err)
{
    const struct stage *stage = &options->stages[s];
    struct objective *out = &o->stages[s];
    struct yaml_node *at = stage->loss ? stage->loss : yaml_get(job, "loss");
    struct fusor_error why;
    enum fusor_status rc;

    if (stage->build)
        return FUSOR_OK;
    FUSOR_TRY(
        model_set_trained(model, stage->names[0] ? stage->names : NULL, err));
    FUSOR_TRY(model_set_loss(model, stage->loss, err));
    rc = choose(out, options, s, ds, model, &why);
    if (rc != FUSOR_OK)
        return yaml_fail(at ? at : stage_node(job, options, s), err, "%s",
                         why.text);
    FUSOR_TRY(objective_negatives(o, s, options, ds, model, err));
    FUSOR_TRY(read_pairs(o, s, options, ds, err));
    if (out->every && !o->ends)
        FUSOR_TRY(find_ends(o, ds, err));
    if (out->over && out->setting.from != CANDIDATES_ALL && !o->counts)
        FUSOR_TRY(count_items(o, ds, err));
    return FUSOR_OK;
}

enum fusor_status objectives_read(struct objectives *o, struct yaml_node *job,
                                  const struct train_options *options,
                                  const struct dataset *ds, struct model *model,
                                  struct fusor_error *err)
{
    o->n_stages = options->n_stages;
    o->seed = options->train.seed;
    o->random_window = options->train.window;
    o->augment = options->augment;
    for (uint32_t s = 0; s < options->n_stages; s++)
        FUSOR_TRY(read_stage(o, s, job, options, ds, model, err));
    FUSOR_TRY(model_set_loss(model, NULL, err));
    return model_set_trained(model, NULL, err);
}

void objectives_clear(struct objectives *o)
{
    for (uint32_t s = 0; s < o->n_stages; s++)
        mem_free(o->stages[s].field);
    mem_free(o->ends);
    mem_free(o->counts);
    for (uint32_t s = 0; s < o->n_stages; s++)
        found_destroy(o->found[s]);
    for (uint32_t s = 0; s < o->n_stages; s++)
        text_pairs_destroy(o->pairs[s]);
    memset(o, 0, sizeof(*o));
}

void objectives_expect(struct objectives *o, const struct dataset *ds,
                       uint32_t micro_rows, struct model *model)
{
    uint64_t items = dataset_n_items(ds) - 1;

    for (uint32_t s = 0; s < o->n_stages; s++) {
        const struct objective *stage = &o->stages[s];
        uint64_t most = items;

        if (!stage->over)
            continue;
        if (stage->setting.from != CANDIDATES_ALL)
            most = stage->setting.n +
                   (uint64_t)micro_rows *
                       (stage->every ? (uint64_t)stage->longest + 1 : 1);
        if (most > items)
            most = items;
        if (most > o->most_candidates)
            o->most_candidates = (uint32_t)most;
        o->every |= stage->every;
    }
    if (o->most_candidates)
        model_expect_candidates(model, o->most_candidates, o->every);
}

void objectives_rows(const struct objectives *o, const struct objective *stage,
                     const struct dataset *ds, uint64_t epoch, uint32_t *rows,
                     uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = o->ends[rows[i]], q, before;
        struct rng stream;

        rows[i] = row;
        if (!o->random_window)
            continue;
        before = dataset_events_before(ds, SPLIT_TRAIN, row);
        if (before <= stage->longest)
            continue;
        q = dataset_query(ds, SPLIT_TRAIN, row);
        stream = rng_stream(o->seed, RNG_SHUFFLE, epoch, (uint64_t)q << 32);
        rows[i] = dataset_event(
            ds, q,
            stage->longest +
                (uint32_t)rng_below(&stream, before - stage->longest + 1));
    }
}

double objective_positions(const struct objectives *o,
                           const struct objective *stage,
                           const struct dataset *ds, enum split split,
                           uint64_t epoch, const uint32_t *rows, uint32_t n)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t before = dataset_events_before(ds, split, rows[i]);

        if (before > stage->longest)
            before = stage->longest;
        if (o->augment.probability > 0)
            before =
                augment_length(&o->augment, epoch,
                               dataset_sample_id(ds, split, rows[i]), before);
        sum += (double)dataset_weight(ds, split, rows[i]) * before;
    }
    return sum;
}
