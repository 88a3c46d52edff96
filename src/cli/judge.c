/* Opens a run, carries out one EVALUATE, and reads its result. */
#include "cli/judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/args.h"
#include "coord/command.h"
#include "train/evaluate.h"
#include "train/shortlist.h"

static const char *const split_names[] = {"train", "valid", "test", NULL};

const char *judge_split_name(enum split split)
{
    return split_names[split];
}

enum fusor_status judge_choose_split(const char *wish, const struct workload *w,
                                     enum split *out, struct fusor_error *err)
{
    if (wish && strcmp(wish, "validation") == 0)
        wish = "valid";
    *out = dataset_rows(w->data, SPLIT_TEST) ? SPLIT_TEST : SPLIT_VALID;
    for (int s = 0; wish && split_names[s]; s++)
        if (strcmp(split_names[s], wish) == 0) {
            *out = (enum split)s;
            wish = NULL;
        }
    if (wish)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "--split is \"%s\", but must be train, valid or test",
                          wish);
    if (dataset_rows(w->data, *out) == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the prepared folder has no %s rows to judge: its "
                          "protocol is %s",
                          split_names[*out], dataset_schema(w->data)->protocol);
    return FUSOR_OK;
}

/* Names with commas as a YAML list; every name is one the registry knows. */
enum fusor_status judge_list_metrics(const char *text, struct strbuf *out,
                                     struct fusor_error *err)
{
    const char *at = text;

    strbuf_add(out, "[");
    while (*at) {
        size_t n = strcspn(at, ",");
        struct metric_spec spec;
        char name[METRIC_NAME_MAX];

        snprintf(name, sizeof(name), "%.*s", (int)n, at);
        FUSOR_TRY(fusor_wrap(err, metric_parse(name, &spec, err), "--metrics"));
        strbuf_addf(out, "%s%s", at == text ? "" : ", ", spec.name);
        at += n + (at[n] == ',');
    }
    strbuf_add(out, "]");
    return out->failed ? mem_fail(err, "metrics", strlen(text)) : FUSOR_OK;
}

static enum fusor_status open_run(const struct judge_options *o,
                                  struct opened **out, struct fusor_error *err)
{
    struct strbuf metrics = {0}, prepared = {0};
    struct opened_options options = {
        .run_dir = o->run, .n_threads = o->want_units ? 1 : o->n_threads};
    enum fusor_status rc = FUSOR_OK;

    if (o->metrics)
        rc = judge_list_metrics(o->metrics, &metrics, err);
    if (o->prepared)
        yaml_add_text(&prepared, o->prepared);
    options.metrics = metrics.s;
    options.prepared = prepared.s;
    options.candidates = o->candidates;
    if (rc == FUSOR_OK)
        rc = opened_create(&options, out, err);
    strbuf_clear(&metrics);
    strbuf_clear(&prepared);
    return rc;
}

static uint32_t fold_of(struct opened *o)
{
    struct yaml_node *n = yaml_path(yaml_root(o->job), "data.fold");
    int64_t fold = 0;

    if (n && yaml_to_i64(n, &fold, NULL) == FUSOR_OK && fold > 0)
        return (uint32_t)fold;
    return 0;
}

struct collector {
    struct evaluate_sink sink; // first
    struct units *units;
    uint32_t fold;
    enum unit_kind kind;
    size_t place[TRAIN_MAX_METRICS]; // of each evaluated metric in the units
    size_t n;
    const struct slicing_field *by; // what makes the groups, or NULL
    uint32_t *groups;               // [slices of by] UNITS_NO_GROUP: not asked
};

/* The group that a slice stands for. */
static uint32_t group_of(struct collector *c, uint32_t slice)
{
    uint32_t number = slice - c->by->first;
    struct strbuf label = {0};

    if (c->groups[number] == UNITS_NO_GROUP) {
        if (slicing_label(c->by, number, &label, NULL) == FUSOR_OK)
            c->groups[number] = units_group(c->units, label.s);
        else
            c->units->failed = 1;
        strbuf_clear(&label);
    }
    return c->groups[number];
}

static void collect(struct evaluate_sink *s, uint64_t key,
                    const uint32_t *slices, const double *values)
{
    struct collector *c = (struct collector *)(void *)s;
    double all[TRAIN_MAX_METRICS];
    uint32_t group = c->by ? group_of(c, slices[0]) : UNITS_NO_GROUP;

    for (size_t i = 0; i < c->units->n_metrics; i++)
        all[i] = NAN;
    for (size_t i = 0; i < c->n; i++)
        all[c->place[i]] = values[i];
    units_add(c->units, c->fold, c->kind, key, group, all);
}

/* With slices of a field units are told their group. */
static enum fusor_status make_groups(struct collector *c,
                                     const struct workload *w,
                                     struct fusor_error *err)
{
    if (!w->slicing)
        return FUSOR_OK;
    c->by = &w->slicing->fields[0];
    snprintf(c->units->by, sizeof(c->units->by), "%s", c->by->field.spec->name);
    c->groups = mem_alloc(c->by->n_slices, sizeof(*c->groups));
    if (!c->groups)
        return mem_fail(err, "groups", c->by->n_slices * sizeof(*c->groups));
    for (uint32_t i = 0; i < c->by->n_slices; i++)
        c->groups[i] = UNITS_NO_GROUP;
    return FUSOR_OK;
}

static struct collector make_collector(struct opened *o, struct units *units)
{
    const struct workload *w = o->workload;
    struct collector c = {.sink = {collect},
                          .units = units,
                          .fold = fold_of(o),
                          .kind = UNIT_ROW};

    for (uint32_t i = 0; i < w->n_metrics; i++) {
        /* The trainer gives queries as soon as one metric is over them. */
        if (metric_over_groups(&w->metrics[i]))
            c.kind = UNIT_QUERY;
        c.place[c.n++] = (size_t)units_metric(units, w->metrics[i].name);
    }
    return c;
}

/* Which epoch is judged: a run keeps the best of its validation rows. */
static void describe_values(const struct opened *o, struct judged *out)
{
    const struct train_options *options = &o->workload->options;
    char stage[48], last[80] = "";

    out->epoch = o->epoch;
    out->last = o->last;
    out->is_best = o->is_best;
    if (o->stage >= options->n_stages) // not one of this job's
        return;
    out->stage = options->stages[o->stage].number + 1;
    if (o->last > o->epoch)
        snprintf(last, sizeof(last), " (training went on to epoch %llu)",
                 (unsigned long long)o->last);
    snprintf(out->values, sizeof(out->values), "epoch %llu of %s%s%s",
             (unsigned long long)o->epoch,
             train_stage_text(options, o->stage, stage),
             o->is_best ? ", its best by the validation rows" : "", last);
}

static void describe(const struct workload *w, struct judged *out)
{
    const struct schema *s = dataset_schema(w->data);
    struct units *u = &out->units;
    struct strbuf ranked = {0};

    snprintf(out->protocol, sizeof(out->protocol), "%s", s->protocol);
    out->protocol_version = s->protocol_version;
    out->candidates = workload_candidates_hash(w);
    out->n_metrics = w->n_metrics;
    memcpy(out->specs, w->metrics, sizeof(out->specs));
    snprintf(u->protocol, sizeof(u->protocol), "%s", s->protocol);
    snprintf(u->split, sizeof(u->split), "%s", split_names[out->split]);
    u->protocol_version = s->protocol_version;
    u->candidates = s->candidates_hash;
    if (w->shortlist)
        shortlist_describe(w->shortlist, w->model, &ranked);
    snprintf(u->ranked, sizeof(u->ranked), "%s", ranked.s ? ranked.s : "");
    memcpy(out->ranked, u->ranked, sizeof(out->ranked));
    strbuf_clear(&ranked);
    u->n_metrics = w->n_metrics;
    for (uint32_t i = 0; i < w->n_metrics; i++)
        snprintf(u->metrics[i], METRIC_NAME_MAX, "%s", w->metrics[i].name);
}

static enum fusor_status read_results(const struct workload *w,
                                      const struct strbuf *bytes,
                                      struct judged *out,
                                      struct fusor_error *err)
{
    struct metric_set *set;
    enum fusor_status rc;

    FUSOR_TRY(metric_set_deserialise(bytes->s, bytes->len, &set, err));
    rc = metric_set_results(set, out->results, err);
    for (size_t i = 0; rc == FUSOR_OK && i < out->n_metrics; i++) {
        snprintf(out->names[i], METRIC_NAME_MAX, "%s", out->results[i].name);
        out->results[i].name = out->names[i];
    }
    if (rc == FUSOR_OK && w->slicing)
        rc = breakdown_read(w->slicing, set, &out->by, err);
    metric_set_destroy(set);
    return rc;
}

static enum fusor_status slice(struct workload *w,
                               const struct judge_options *options,
                               struct fusor_error *err)
{
    const char *names[SLICING_FIELDS_MAX];
    char *copy = NULL;
    size_t n;
    enum fusor_status rc = FUSOR_OK;

    if (!options->by)
        return FUSOR_OK;
    FUSOR_TRY(args_split(options->by, "by", &copy, names, SLICING_FIELDS_MAX,
                         &n, err));
    slicing_forget(w); // the job's own
    for (size_t i = 0; rc == FUSOR_OK && i < n; i++)
        rc = slicing_add(w,
                         &(struct slicing_wish){.field = names[i],
                                                .bins = options->bins,
                                                .min = options->min_group},
                         err);
    mem_free(copy);
    return fusor_wrap(err, rc, "--by");
}

static enum fusor_status judge(const struct judge_options *options,
                               struct opened *o, struct judged *out,
                               struct fusor_error *err)
{
    struct collector c;
    struct command command = {.kind = COMMAND_EVALUATE};
    struct strbuf result = {0};
    enum fusor_status rc;

    if (o->workload->n_metrics == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the job of %s names no metrics: give --metrics "
                          "auc,logloss",
                          options->run);
    FUSOR_TRY(
        dataset_check_protocol(o->workload->data, options->protocol, err));
    FUSOR_TRY(
        judge_choose_split(options->split, o->workload, &out->split, err));
    FUSOR_TRY(slice(o->workload, options, err));
    describe(o->workload, out);
    describe_values(o, out);
    workload_say_misjudged(o->workload, &result);
    snprintf(out->misjudged, sizeof(out->misjudged), "%s",
             result.s ? result.s : "");
    strbuf_clear(&result);
    c = make_collector(o, &out->units);
    command.split = (uint32_t)out->split;
    command.n_workers = 1;
    rc = options->want_units && options->by ? make_groups(&c, o->workload, err)
                                            : FUSOR_OK;
    if (rc == FUSOR_OK)
        rc = trainer_evaluate(o->trainer, &command,
                              options->want_units ? &c.sink : NULL, &result,
                              err);
    if (rc == FUSOR_OK)
        rc = read_results(o->workload, &result, out, err);
    mem_free(c.groups);
    strbuf_clear(&result);
    return rc;
}

/* Metrics over rows, when those over queries have taken the units. */
static void left_metrics(const struct judged *j, struct strbuf *out)
{
    int has_groups = 0;

    for (size_t i = 0; i < j->n_metrics; i++)
        has_groups |= metric_over_groups(&j->specs[i]);
    for (size_t i = 0; has_groups && i < j->n_metrics; i++)
        if (!metric_over_groups(&j->specs[i]))
            strbuf_addf(out, "%s%s", out->len ? "," : "", j->names[i]);
}

static enum fusor_status judge_rows(const struct judge_options *options,
                                    const char *metrics, struct judged *out,
                                    struct fusor_error *err)
{
    struct judge_options o = *options;
    struct command command = {.kind = COMMAND_EVALUATE,
                              .split = (uint32_t)out->split,
                              .n_workers = 1};
    struct opened *run = NULL;
    struct strbuf result = {0};
    struct collector c;
    enum fusor_status rc;

    o.metrics = metrics;
    FUSOR_TRY(open_run(&o, &run, err));
    c = make_collector(run, &out->units);
    rc = slice(run->workload, &o, err);
    if (rc == FUSOR_OK && o.by)
        rc = make_groups(&c, run->workload, err);
    if (rc == FUSOR_OK)
        rc = trainer_evaluate(run->trainer, &command, &c.sink, &result, err);
    mem_free(c.groups);
    strbuf_clear(&result);
    opened_destroy(run);
    return rc;
}

enum fusor_status judge_run(const struct judge_options *options,
                            struct judged *out, struct fusor_error *err)
{
    struct opened *o = NULL;
    struct strbuf left = {0};
    enum fusor_status rc;

    memset(out, 0, sizeof(*out));
    rc = open_run(options, &o, err);
    if (rc == FUSOR_OK)
        rc = judge(options, o, out, err);
    opened_destroy(o);
    if (rc == FUSOR_OK && options->want_units)
        left_metrics(out, &left);
    if (rc == FUSOR_OK && left.len)
        rc = judge_rows(options, left.s, out, err);
    strbuf_clear(&left);
    if (rc == FUSOR_OK)
        rc = units_sort(&out->units, err);
    if (rc != FUSOR_OK)
        judged_clear(out);
    return rc;
}

void judged_clear(struct judged *j)
{
    units_clear(&j->units);
    breakdown_clear(&j->by);
}
