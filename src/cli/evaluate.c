/* fusor evaluate: how good a finished run is on one split. */
#include <stdio.h>

#include "cli/verb.h"
#include "cli/judge.h"
#include "cli/output.h"

static const struct arg_spec specs[] = {
    {"split", 0, "NAME", "test (default), valid or train"},
    {"metrics", 'm', "M,...", "instead of the job's: auc,ndcg@10"},
    {"protocol", 0, "NAME", "stop unless the folder has this protocol"},
    {"prepared", 0, "DIR", "judge on this prepared folder instead"},
    {"candidates", 'c', "YAML", "instead of the job's: all, or '{bm25: 200}'"},
    {"by", 'b', "FIELD,...", "each metric for each value of a field, and gaps"},
    {"bins", 0, "N", "groups of a number in --by, of equal size (default 4)"},
    {"min-group", 0, "N", "rows or queries of a group that tells (default 10)"},
    {"threads", 't', "N", "compute threads (default: all processors)"},
    {"out", 'o', "FILE", "write each unit's values, for fusor compare"},
    {"json", 0, NULL, "results as JSON on stdout"},
    ARG_END,
};

static enum fusor_status print_table(const struct judged *j,
                                     struct fusor_error *err)
{
    static const char *const columns[] = {"metric", ">value",    ">exact to",
                                          ">n",     ">left out", NULL};
    struct texttab *tab = texttab_create(columns);
    char title[UNITS_TITLE_MAX];

    for (size_t i = 0; i < j->n_metrics; i++) {
        const struct metric_result *r = &j->results[i];
        char value[32] = "undefined", error[32] = "", n[24], skipped[24];
        const char *cells[5] = {r->name, value, error, n, skipped};

        if (r->defined) {
            snprintf(value, sizeof(value), "%.6f", r->value);
            snprintf(error, sizeof(error), "%.1e", r->error);
        }
        snprintf(n, sizeof(n), "%llu", (unsigned long long)r->n);
        snprintf(skipped, sizeof(skipped), "%llu",
                 (unsigned long long)r->n_skipped);
        texttab_row(tab, cells);
        if (r->n_bad)
            output_say("warning: %s: %llu scores are no numbers", r->name,
                       (unsigned long long)r->n_bad);
    }
    output_say("%s, %s",
               units_title(judge_split_name(j->split), j->protocol,
                           j->protocol_version, j->candidates, j->ranked,
                           title),
               j->values);
    FUSOR_TRY(output_table(tab, err));
    return j->by.n ? output_table(breakdown_table(&j->by), err) : FUSOR_OK;
}

static enum fusor_status print_json(const struct judged *j, const char *run,
                                    struct fusor_error *err)
{
    struct json out = {.pretty = 1};
    char hash[24];

    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)j->candidates);
    json_begin_object(&out, NULL);
    json_string(&out, "run", run);
    json_string(&out, "split", judge_split_name(j->split));
    json_string(&out, "protocol", j->protocol);
    json_uint(&out, "protocol_version", j->protocol_version);
    json_string(&out, "candidates", hash);
    if (j->ranked[0])
        json_string(&out, "ranked", j->ranked);
    json_uint(&out, "stage", j->stage);
    json_uint(&out, "epoch", j->epoch);
    json_bool(&out, "best", j->is_best);
    if (j->last)
        json_uint(&out, "last_epoch", j->last);
    json_begin_object(&out, "metrics");
    for (size_t i = 0; i < j->n_metrics; i++) {
        const struct metric_result *r = &j->results[i];

        json_begin_object(&out, r->name);
        json_number(&out, "value", r->value);
        json_number(&out, "error", r->error);
        json_uint(&out, "n", r->n);
        json_uint(&out, "left_out", r->n_skipped);
        json_uint(&out, "bad", r->n_bad);
        json_end_object(&out);
    }
    json_end_object(&out);
    if (j->by.n)
        breakdown_json(&j->by, &out, "by");
    json_end_object(&out);
    return output_json(&out, err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct judge_options options = {
        .run = a->rest[0],
        .split = args_value(a, "split"),
        .metrics = args_value(a, "metrics"),
        .protocol = args_value(a, "protocol"),
        .prepared = args_value(a, "prepared"),
        .candidates = args_value(a, "candidates"),
        .want_units = args_flag(a, "out"),
        .by = args_value(a, "by"),
    };
    int64_t threads = 0, bins = 4, min_group = 10;
    struct judged j;
    enum fusor_status rc;

    FUSOR_TRY(args_integer(a, "threads", 1, 256, &threads, err));
    FUSOR_TRY(args_integer(a, "bins", 2, SLICING_BINS_MAX, &bins, err));
    FUSOR_TRY(args_integer(a, "min-group", 1, INT64_MAX, &min_group, err));
    options.n_threads = (unsigned)threads;
    options.bins = (uint32_t)bins;
    options.min_group = (uint64_t)min_group;
    FUSOR_TRY(judge_run(&options, &j, err));
    if (j.misjudged[0])
        output_say("warning: %s", j.misjudged);
    rc = args_flag(a, "json") ? print_json(&j, options.run, err)
                              : print_table(&j, err);
    if (rc == FUSOR_OK && options.want_units)
        rc = units_write(&j.units, args_value(a, "out"), err);
    judged_clear(&j);
    return rc;
}

const struct verb verb_evaluate = {
    .name = "evaluate",
    .help = "measure a run on its test (or valid, train) rows",
    .synopsis = "RUN [options]",
    .about =
        "A tie counts against the model. The protocol is the prepared "
        "folder's; it stands in the result.\n\"exact to\" is what rounding and "
        "bins may have moved a value by; what chance may, fusor\ncompare says. "
        "Of the run's epochs that is "
        "judged which its validation rows found best, the last\nwhere none "
        "were judged; a folder below RUN/checkpoints is judged as it is.\n"
        "With --by each metric is also "
        "given for each value of a field, which the model need not read.\n\n"
        "Metrics, also of a job's evaluate:\n",
    .describe = metric_list,
    .examples = "  fusor evaluate runs/demo\n"
                "  fusor evaluate runs/demo --metrics hr@10,ndcg@10 --json\n"
                "  fusor evaluate runs/demo --metrics auc,ece --by gender,age\n"
                "  fusor evaluate runs/demo --out demo.units\n",
    .args = {"evaluate", specs, NULL, "RUN", 1, 1},
    .run = run,
};
