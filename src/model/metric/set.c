/* A set of metrics: checks what comes in, hands it to each accumulator. */
#include "model/metric/mean.h"

#include "base/mem.h"

#define WEIGHT_MAX 0x1p32

static enum fusor_status check_specs(const struct metric_spec *specs, size_t n,
                                     const struct metric_options *o,
                                     struct fusor_error *err)
{
    if (n > METRIC_SET_MAX)
        return fusor_fail(err, FUSOR_EUSAGE, "%zu metrics: at most %d", n,
                          METRIC_SET_MAX);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(specs[i].name, specs[j].name))
                return fusor_fail(err, FUSOR_EUSAGE,
                                  "metric %s is listed twice", specs[i].name);
    if (!(o->score_lo < o->score_hi) || !isfinite(o->score_hi - o->score_lo))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metrics: score range [%g, %g] is empty", o->score_lo,
                          o->score_hi);
    return FUSOR_OK;
}

static uint32_t longest_list(const struct metric_set *set)
{
    uint32_t k = 0;

    for (size_t i = 0; i < set->n; i++)
        if (set->specs[i].ops->over_lists && set->specs[i].k > k)
            k = set->specs[i].k;
    return k;
}

enum fusor_status metric_set_create(const struct metric_spec *specs, size_t n,
                                    const struct metric_options *options,
                                    struct metric_set **out,
                                    struct fusor_error *err)
{
    struct metric_options o = options ? *options : (struct metric_options){0};
    struct metric_set *set;

    if (o.logits || (o.score_lo == 0 && o.score_hi == 0)) {
        o.score_lo = 0;
        o.score_hi = 1;
    }
    FUSOR_TRY(check_specs(specs, n, &o, err));
    set = mem_alloc(1, sizeof(*set));
    if (!set)
        return mem_fail(err, "metric set", sizeof(*set));
    set->options = o;
    for (; set->n < n; set->n++) {
        set->specs[set->n] = specs[set->n];
        set->states[set->n] =
            metric_state_of(set, set->n)->create(&specs[set->n]);
        if (!set->states[set->n]) {
            metric_set_destroy(set);
            return mem_fail(err, "metric set", 0);
        }
    }
    if (metric_top_init(&set->top, longest_list(set), err)) {
        metric_set_destroy(set);
        return FUSOR_ENOMEM;
    }
    *out = set;
    return FUSOR_OK;
}

void metric_set_about(struct metric_set *set, const char *label)
{
    set->about = label;
}

void metric_set_items(struct metric_set *set, const struct metric_items *items)
{
    set->items = items;
}

void metric_set_destroy(struct metric_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->n; i++)
        metric_state_of(set, i)->destroy(set->states[i]);
    metric_group_space_clear(&set->space);
    metric_top_clear(&set->top);
    metric_slices_clear(set);
    mem_free(set);
}

size_t metric_set_count(const struct metric_set *set)
{
    return set->n;
}

const struct metric_spec *metric_set_spec(const struct metric_set *set,
                                          size_t i)
{
    return &set->specs[i];
}

/* Row of the first label that is not finite or, with binary, not in [0, 1]. */
static size_t first_bad_label(const float *labels, size_t n, int binary)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(labels[i]) ||
            (binary && (labels[i] < 0 || labels[i] > 1)))
            return i;
    return n;
}

static enum fusor_status check_rows(const struct metric_set *set,
                                    const float *labels, const float *weights,
                                    size_t n, struct fusor_error *err)
{
    int binary = 0;
    size_t bad;

    for (size_t i = 0; i < set->n; i++)
        binary |= metric_is_about(set, i) && set->specs[i].ops->labels_01;
    bad = first_bad_label(labels, n, binary);
    if (bad < n)
        return fusor_fail(
            err, FUSOR_EDATA, "metrics: row %zu: label %g is not %s", bad,
            (double)labels[bad],
            binary ? "in [0, 1], as logloss and ece need: map the label"
                   : "a number");
    for (size_t i = 0; weights && i < n; i++)
        if (!(weights[i] >= 0 && weights[i] <= WEIGHT_MAX))
            return fusor_fail(err, FUSOR_EDATA,
                              "metrics: row %zu: weight %g is not in [0, 2^32]",
                              i, (double)weights[i]);
    return FUSOR_OK;
}

enum fusor_status metric_set_rows(struct metric_set *set, const float *scores,
                                  const float *labels, const float *weights,
                                  size_t n, struct fusor_error *err)
{
    FUSOR_TRY(check_rows(set, labels, weights, n, err));
    for (size_t i = 0; i < set->n; i++) {
        const struct metric_spec *spec = &set->specs[i];

        if (metric_ops_over_groups(spec->ops) || !metric_is_about(set, i))
            continue;
        FUSOR_TRY(metric_state_of(set, i)->rows(set->states[i], spec,
                                                &set->options, scores, labels,
                                                weights, n, err));
    }
    return FUSOR_OK;
}

struct group_terms {
    double value[METRIC_SET_MAX]; // NaN: left out
    double weight[METRIC_SET_MAX];
};

static enum fusor_status group_terms(const struct metric_set *set, uint64_t key,
                                     const struct metric_group *g,
                                     struct group_terms *t,
                                     struct fusor_error *err)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct metric_spec *spec = &set->specs[i];

        t->value[i] = NAN;
        if (!metric_is_about(set, i) || !spec->ops->group ||
            (g->n_pos == 0 && !spec->ops->over_lists) ||
            spec->ops->group(spec->k, g, &t->value[i], &t->weight[i]))
            continue;
        if (!isfinite(t->value[i]))
            return fusor_fail(err, FUSOR_EDATA,
                              "metric %s: group %llu: label %g is too high for "
                              "a grade of relevance",
                              spec->name, (unsigned long long)key,
                              (double)g->ideal[0]);
    }
    return FUSOR_OK;
}

static enum fusor_status add_group(struct metric_set *set,
                                   const struct metric_group *g,
                                   const struct group_terms *t,
                                   struct fusor_error *err)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct metric_ops *ops = set->specs[i].ops;
        int left_out = isnan(t->value[i]);

        if (!metric_is_about(set, i))
            continue;
        if (!ops->group && ops->over_lists)
            FUSOR_TRY(metric_state_of(set, i)->list(set->states[i],
                                                    &set->specs[i], g, err));
        if (!ops->group)
            continue;
        if (!left_out)
            FUSOR_TRY(metric_mean_group(set->states[i], &set->specs[i],
                                        t->value[i], t->weight[i], err));
        metric_mean_note(set->states[i], (uint64_t)left_out, g->n_bad);
    }
    return FUSOR_OK;
}

/* The group's list, whose items the caller must have told of. */
static enum fusor_status show_list(struct metric_set *set, const float *scores,
                                   const uint32_t *items, size_t n,
                                   struct metric_group *g,
                                   struct fusor_error *err)
{
    if (set->top.k == 0)
        return FUSOR_OK;
    if (!items || !set->items)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metrics of lists (coverage, gini, novelty, "
                          "diversity) need to know the items: they are not "
                          "known here");
    for (size_t i = 0; i < n; i++)
        if (items[i] >= set->items->n)
            return fusor_fail(err, FUSOR_EDATA,
                              "metrics: candidate %zu is item %u of %u", i,
                              items[i], set->items->n);
    metric_top_fill(&set->top, scores, items, n);
    g->list = set->top.items;
    g->n_list = set->top.n;
    g->items = set->items;
    return FUSOR_OK;
}

enum fusor_status metric_set_group(struct metric_set *set, uint64_t key,
                                   const float *scores, const float *labels,
                                   size_t n, double *values,
                                   struct fusor_error *err)
{
    return metric_set_shown(set, key, scores, labels, NULL, n, values, err);
}

enum fusor_status metric_set_shown(struct metric_set *set, uint64_t key,
                                   const float *scores, const float *labels,
                                   const uint32_t *items, size_t n,
                                   double *values, struct fusor_error *err)
{
    struct metric_group g;
    struct group_terms t;
    size_t bad = first_bad_label(labels, n, 0);

    if (bad < n)
        return fusor_fail(err, FUSOR_EDATA,
                          "metrics: group %llu, candidate %zu: label %g is not "
                          "a number",
                          (unsigned long long)key, bad, (double)labels[bad]);
    if (n >= (size_t)1 << 31)
        return fusor_fail(err, FUSOR_EDATA,
                          "metrics: group %llu has %zu candidates: at most "
                          "2^31",
                          (unsigned long long)key, n);
    FUSOR_TRY(metric_group_rank(&set->space, scores, labels, n, &g, err));
    FUSOR_TRY(show_list(set, scores, items, n, &g, err));
    FUSOR_TRY(group_terms(set, key, &g, &t, err));
    FUSOR_TRY(add_group(set, &g, &t, err));
    if (values)
        memcpy(values, t.value, set->n * sizeof(*values));
    return FUSOR_OK;
}

double metric_row_value(const struct metric_set *set, size_t i, float score,
                        float label)
{
    const struct metric_ops *ops = set->specs[i].ops;
    double term = ops->row ? ops->row(&set->options, score, label) : NAN;

    return isfinite(term) ? term : NAN;
}

static int same_sets(const struct metric_set *a, const struct metric_set *b)
{
    if (a->n != b->n || !a->options.exact != !b->options.exact ||
        !a->options.logits != !b->options.logits ||
        a->options.score_lo != b->options.score_lo ||
        a->options.score_hi != b->options.score_hi)
        return 0;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->specs[i].name, b->specs[i].name))
            return 0;
    return 1;
}

enum fusor_status metric_set_merge(struct metric_set *into,
                                   const struct metric_set *from,
                                   struct fusor_error *err)
{
    if (!same_sets(into, from))
        return fusor_fail(err, FUSOR_EINVAL,
                          "metrics: sets with different metrics or options "
                          "cannot be merged");
    for (size_t i = 0; i < into->n; i++)
        FUSOR_TRY(metric_state_of(into, i)->merge(into->states[i],
                                                  from->states[i], err));
    return metric_slices_merge(into, from, err);
}

enum fusor_status metric_set_results(const struct metric_set *set,
                                     struct metric_result *out,
                                     struct fusor_error *err)
{
    for (size_t i = 0; i < set->n; i++) {
        out[i] = (struct metric_result){
            .name = set->specs[i].name, .value = NAN, .error = NAN};
        FUSOR_TRY(metric_state_of(set, i)->result(
            set->states[i], &set->specs[i], &out[i], err));
    }
    return FUSOR_OK;
}
