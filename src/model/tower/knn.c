/* Nearest neighbours. By item (Sarwar et al. 2001; Aiolli 2013): score = sum
 * over the history's items that are neighbours of the candidate. By query:
 * score = sum over the neighbours of the query who had the candidate.
 *
 *   knn: {type: knn, item: item, history: rated, neighbours: 200,
 *         similarity: cosine, shrink: 10}
 *   uu:  {type: knn, by: query, query: user, item: item, neighbours: 100}
 *
 * By item a row is a list of neighbours and their weights, for the candidate;
 * by query it is the query's score for each item.
 *
 * With `centre` the score is an expected rating (Resnick et al. 1994; Herlocker
 * et al. 1999): the mean of the query's ratings, and by how much its neighbours
 * rated the item above their own means, weighed by likeness; of those who did
 * rate it the nearest. By item the same with items in the place of queries.
 * baseline: instead of means, mean of all + b_query + b_item (Koren 2010,
 * section 2.1).
 *
 *   uu: {type: knn, by: query, query: user, item: item, centre: mean,
 *        neighbours: 40, similarity: pearson, shrink: 25, overlap: 3}
 *   tt: {type: knn, by: query, query: user, item: item, centre: mean,
 *        edges: trust.tsv}
 *
 * edges: lines "user, user, weight": whom the first takes for neighbours, in
 * the place of those who are alike. */
#include "model/tower/built.h"

static const char *const keys[] = {
    "type",       "by",     "query",  "item",    "history", "neighbours",
    "similarity", "shrink", "centre", "overlap", "edges",   NULL};
static const char *const by_names[] = {"item", "query", NULL};
static const char *const centre_names[] = {"none", "mean", "baseline", NULL};
static const char *const similarity_names[] = {"cosine", "pearson", NULL};

#define NEIGHBOURS_MAX 8000 /* half a row: ids and weights */

static enum fusor_status by_item(struct model *m, struct tower *t,
                                 struct yaml_node *at, struct fusor_error *err)
{
    struct built_tower *b = t->self;

    if (yaml_get(at, "query"))
        return yaml_fail(yaml_get(at, "query"), err,
                         "tower %s: neighbours are items, so query means "
                         "nothing: write by: query or centre: mean, or delete "
                         "it",
                         t->name);
    FUSOR_TRY(built_history(m, t, at, err));
    return built_table(m, t, "neighbours", b->item, b->spec.n_items,
                       2 * b->spec.most, at, err);
}

/* A row for each query: its scores, or what it is expected to rate. */
static enum fusor_status by_query(struct model *m, struct tower *t,
                                  struct yaml_node *at, struct fusor_error *err)
{
    struct built_tower *b = t->self;

    if (yaml_get(at, "history"))
        return yaml_fail(yaml_get(at, "history"), err,
                         "tower %s: %s: delete history", t->name,
                         b->spec.by_query
                             ? "neighbours are queries, whose "
                               "rows are their history"
                             : "what a query rated is its history");
    FUSOR_TRY(
        built_id_field(m, t, at, "query", &b->query, &b->spec.n_queries, err));
    return built_table(m, t, "scores", b->query, b->spec.n_queries,
                       b->spec.n_items, at, err);
}

static enum fusor_status read_edges(struct tower *t, struct yaml_node *at,
                                    struct fusor_error *err)
{
    static const char *const without[] = {"similarity", "shrink", "overlap"};
    struct built_tower *b = t->self;
    struct yaml_node *edges = yaml_get(at, "edges");

    if (!edges)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_text(edges, &b->spec.edges, err));
    if (!b->spec.by_query || b->spec.centre == CENTRE_NONE)
        return yaml_fail(edges, err,
                         "tower %s: edges join users who tell what they would "
                         "rate: write by: query and centre: mean",
                         t->name);
    for (int i = 0; i < 3; i++)
        if (yaml_get(at, without[i]))
            return yaml_fail(yaml_get(at, without[i]), err,
                             "tower %s: edges say who is near: delete %s",
                             t->name, without[i]);
    return FUSOR_OK;
}

static enum fusor_status knn_build(struct model *m, struct tower *t,
                                   struct yaml_node *at,
                                   struct fusor_error *err)
{
    struct built_tower *b;

    FUSOR_TRY(built_begin(t, at, BUILT_KNN, keys, err));
    b = t->self;
    FUSOR_TRY(build_choice(at, "by", by_names, &b->spec.by_query, err));
    FUSOR_TRY(
        built_id_field(m, t, at, "item", &b->item, &b->spec.n_items, err));
    b->spec.most = 100;
    FUSOR_TRY(
        build_count(at, "neighbours", 1, NEIGHBOURS_MAX, &b->spec.most, err));
    FUSOR_TRY(build_choice(at, "similarity", similarity_names,
                           &b->spec.similarity, err));
    FUSOR_TRY(build_float(at, "shrink", 0, 1e9, &b->spec.shrink, err));
    FUSOR_TRY(
        build_count(at, "overlap", 0, BUILT_MAX_ID, &b->spec.overlap, err));
    FUSOR_TRY(build_choice(at, "centre", centre_names, &b->spec.centre, err));
    FUSOR_TRY(read_edges(t, at, err));
    return b->spec.by_query || b->spec.centre != CENTRE_NONE
               ? by_query(m, t, at, err)
               : by_item(m, t, at, err);
}

static void *knn_run_create(const struct tower *t, struct model_run *r)
{
    const struct built_tower *b = t->self;

    return b->query != BUILT_NO_FIELD ? NULL : built_run_create(t, r);
}

static void knn_forward(const struct tower *t, struct model_run *r,
                        const struct model_step *s, int train)
{
    const struct built_tower *b = t->self;
    float *out = r->tower_out[t->index];

    if (b->query == BUILT_NO_FIELD) {
        built_forward(t, r, s, train);
        return;
    }
    for (uint32_t i = 0; i < s->batch->n; i++) {
        const float *row = built_row(b, 0, r->model, s, i);
        uint64_t item = s->batch->fields[b->item]
                            .ids[run_field_row(r->model, s->batch, b->item, i)];

        out[i] = row && item < b->spec.n_items ? row[item] : 0.0f;
    }
}

static void knn_describe(const struct tower *t, const struct model *m,
                         struct strbuf *out)
{
    const struct built_tower *b = t->self;

    strbuf_addf(out, "built: the %u nearest of %u %s", b->spec.most,
                b->spec.by_query ? b->spec.n_queries : b->spec.n_items,
                b->spec.by_query ? "queries" : "items");
    if (b->spec.edges)
        strbuf_addf(out, " by the edges of %s", b->spec.edges);
    else
        strbuf_addf(out, " by %s, shrink %g",
                    similarity_names[b->spec.similarity],
                    (double)b->spec.shrink);
    if (b->spec.overlap)
        strbuf_addf(out, ", %u in common", b->spec.overlap);
    if (b->spec.centre != CENTRE_NONE)
        strbuf_addf(out, ", ratings about the %s",
                    centre_names[b->spec.centre]);
    else if (!b->spec.by_query)
        strbuf_addf(out, ", over %s", m->fields[b->history].name);
}

const struct tower_kind tower_knn = {
    .name = "knn",
    .build = knn_build,
    .destroy = built_destroy,
    .run_create = knn_run_create,
    .forward = knn_forward,
    .backward = built_backward,
    .describe = knn_describe,
    .built = built_spec,
};
