/* The graph of a job in words: what fusor train --check prints. */
#include <string.h>

#include "train/shortlist.h"
#include "train/workload_private.h"

/* How the rate goes, counted from the begin of a stage. */
static void describe_schedule(const struct optim_spec *s, struct strbuf *out)
{
    enum optim_schedule kind = (enum optim_schedule)s->schedule;

    if (s->warmup)
        strbuf_addf(out, ", warm-up of %llu steps",
                    (unsigned long long)s->warmup);
    if (kind != OPTIM_CONSTANT)
        strbuf_addf(out, ", %s", optim_schedule_name(kind));
    switch (kind) {
    case OPTIM_STEP:
        strbuf_addf(out, " (%g every %llu epochs)", s->decay,
                    (unsigned long long)s->every);
        break;
    case OPTIM_EXPONENTIAL:
        strbuf_addf(out, " (%g an epoch)", s->decay);
        break;
    case OPTIM_LINEAR:
    case OPTIM_COSINE:
        strbuf_addf(
            out,
            s->total ? " (to %g at step %llu)" : " (to %g after %llu epochs)",
            s->floor, (unsigned long long)(s->total ? s->total : s->epochs));
        break;
    case OPTIM_CONSTANT:
        break;
    }
}

static void describe_rule(const char *name, const struct optim_spec *s,
                          struct strbuf *out)
{
    strbuf_addf(out, "  %-24s %s, lr %g", name,
                optim_name((enum optim_kind)s->kind), s->lr);
    if (s->l2_scope != OPTIM_L2_NONE)
        strbuf_addf(out, ", l2 %g per %s", s->l2,
                    s->l2_scope == OPTIM_L2_ROW ? "row touched" : "step");
    describe_schedule(s, out);
    strbuf_add(out, "\n");
}

/* ", each positive with 16 negatives of rank 10 to 200 by two" */
static void describe_negatives(const struct workload *w, uint32_t s,
                               struct strbuf *out)
{
    const struct negatives_rule *r = &w->options.stages[s].negatives;
    uint32_t n = w->objectives.stages[s].negatives.per_row;

    if (n == 0)
        return;
    strbuf_addf(out, ", each positive with %u %s ", n,
                n > 1 ? "negatives" : "negative");
    if (negatives_rule_searches(r))
        strbuf_addf(out, "of rank %u to %u by %s", r->first, r->last,
                    strcmp(r->from, "search") ? r->from : "words");
    else
        strbuf_addf(out, "%s %s", strcmp(r->from, "uniform") ? "by" : "drawn",
                    r->from);
}

static const char *samples_name(const struct objective *o)
{
    if (o->pairs)
        return "pairs of an item's texts";
    return o->every ? "sequences, every position," : "samples";
}

static void describe_stage(const struct workload *w, uint32_t s,
                           struct strbuf *out)
{
    const struct stage *stage = &w->options.stages[s];
    struct plan p;

    if (stage->fold >= 0 || workload_plan(w, s, &p, NULL) != FUSOR_OK)
        return;
    if (w->options.n_folds && s == w->options.head)
        strbuf_addf(out,
                    "the stages before are done %u times more, each time "
                    "without a fold of the train rows, which they score: "
                    "stage %u is fitted out of %u folds\n",
                    w->options.n_folds, stage->number + 1, w->options.n_folds);
    if (stage->build) {
        strbuf_addf(out, "stage %u: builds %llu rows, pushed in %llu steps\n",
                    stage->number + 1, (unsigned long long)p.n_rows,
                    (unsigned long long)plan_units(&p));
        return;
    }
    strbuf_addf(out,
                "stage %u: %s%lld epochs of %llu steps of %u %s in %u "
                "micro-batches",
                stage->number + 1, stage->apart ? "towers apart, " : "",
                (long long)stage->epochs, (unsigned long long)plan_units(&p),
                p.global_batch, samples_name(&w->objectives.stages[s]),
                p.micro_batches);
    describe_negatives(w, s, out);
    strbuf_add(out, "\n");
}

void workload_describe(const struct workload *w, struct strbuf *out)
{
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
    for (uint32_t s = 0; s < w->options.n_stages; s++)
        describe_stage(w, s, out);
    if (w->shortlist) {
        strbuf_add(out, "candidates: ");
        shortlist_describe(w->shortlist, w->model, out);
        strbuf_add(out, "\n");
    }
    workload_describe_metrics(w, out);
    if (w->warnings.len)
        strbuf_addf(out, "warnings\n%s", w->warnings.s);
}
