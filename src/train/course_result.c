/* The end of a course as JSON. */
#include <math.h>
#include <stdio.h>

#include "train/course_private.h"
#include "train/phases.h"
#include "train/shortlist.h"

/* What a judgement ranks, unless it is all items. */
static void candidates_json(const struct workload *w, struct json *j)
{
    struct strbuf text = {0};
    char hash[24];

    if (w->shortlist) {
        shortlist_describe(w->shortlist, w->model, &text);
        json_string(j, "candidates", text.failed ? "" : text.s);
    }
    strbuf_clear(&text);
    snprintf(hash, sizeof(hash), "%016llx",
             (unsigned long long)workload_candidates_hash(w));
    json_string(j, "candidates_hash", hash);
}

void course_result(const struct course *c, struct strbuf *out)
{
    struct json j = {.pretty = 1};
    const struct schema *schema = dataset_schema(c->workload->data);

    json_begin_object(&j, NULL);
    json_string(&j, "protocol", schema->protocol);
    json_uint(&j, "protocol_version", schema->protocol_version);
    candidates_json(c->workload, &j);
    json_uint(&j, "workers", c->config.n_workers);
    json_uint(&j, "shards", c->config.n_shards);
    json_uint(&j, "epochs", c->n_epochs);
    json_uint(&j, "samples", c->position.samples_done);
    json_number(&j, "seconds", c->position.seconds);
    json_number(&j, "samples_per_s",
                c->train_seconds > 0
                    ? (double)c->train_samples / c->train_seconds
                    : NAN);
    phases_counts_json(&j, c->workload, &c->spent);
    journal_course_json(&j, &c->own);
    if (c->imbalance > 0)
        journal_load_json(&j, c->load, c->imbalance);
    json_string(&j, "checkpoint", c->latest_name);
    if (c->best_name[0])
        json_string(&j, "best_checkpoint", c->best_name);
    if (c->closed.ended) {
        json_begin_object(&j, "judged");
        json_uint(&j, "stage",
                  c->workload->options.stages[c->closed.stage].number + 1);
        json_uint(&j, "epoch", c->closed.ended);
        json_end_object(&j);
    }
    if (c->closed.metric) {
        json_begin_object(&j, "best");
        json_string(&j, "metric", c->closed.metric);
        json_number(&j, "value", c->closed.best);
        json_uint(&j, "epoch", c->closed.epoch);
        json_end_object(&j);
    }
    if (c->has_valid)
        journal_results_json(&j, "valid", c->valid, c->workload->n_metrics);
    if (c->has_valid && c->groups_valid.s)
        json_raw(&j, "valid_by", c->groups_valid.s);
    if (c->has_test)
        journal_results_json(&j, "test", c->test, c->workload->n_metrics);
    if (c->has_test && c->groups_test.s)
        json_raw(&j, "test_by", c->groups_test.s);
    guarantee_json(&j, c->workload, c->position.samples_done);
    json_end_object(&j);
    strbuf_add(out, j.text.s ? j.text.s : "{}");
    json_clear(&j);
}
