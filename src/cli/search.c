/* fusor search: the best documents for some words. The words become terms as
 * the texts of queries were prepared, candidates are found by bm25 towers or as
 * the job says, and the whole model scores these. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/scoring.h"
#include "cli/verb.h"
#include "train/shortlist.h"

#define TOP_MAX 100000
#define TEXTS_MAX 64 /* fields of the query */

static const struct arg_spec specs[] = {
    {"top", 'k', "N", "how many documents (default 10)"},
    {"candidates", 'c', "N",
     "the so many best by each bm25 tower are scored (default: as the job's "
     "candidates, else 1000)"},
    {"label", 'l', "NAME", "by whose score, in a run of several labels"},
    {"json", 0, NULL, "as JSON on stdout"},
    ARG_END,
};

struct search {
    struct opened *opened;
    struct scoring *scoring;
    struct recommender *recommender;
    struct finder *finder;
    struct listing listing;
    struct batcher_text texts[TEXTS_MAX];
    uint32_t *terms[TEXTS_MAX];
    uint32_t n_texts, n_terms; // n_terms: known ones, of all texts
    uint32_t *candidates, n_candidates;
    struct recommended *top; // [k]
    uint32_t k, n;
};

/* A text on its way to the ids of a field. */
struct term_list {
    const struct vocab *vocab;
    uint32_t *terms;
    size_t n, cap;
    uint32_t n_known;
};

static enum fusor_status add_term(void *context, const char *term, size_t n,
                                  struct fusor_error *err)
{
    struct term_list *l = context;
    void *terms = l->terms;

    if (mem_reserve(&terms, l->n, &l->cap, sizeof(*l->terms)))
        return mem_fail(err, "search", 2 * l->cap * sizeof(*l->terms));
    l->terms = terms;
    l->terms[l->n] = vocab_find(l->vocab, term, n);
    l->n_known += l->terms[l->n++] != VOCAB_UNKNOWN;
    return FUSOR_OK;
}

/* The words as field number `field` would have them. */
static enum fusor_status add_text(struct search *s, size_t field,
                                  const char *name, const char *words,
                                  struct fusor_error *err)
{
    struct dataset *ds = s->opened->workload->data;
    const struct schema *schema = dataset_schema(ds);
    const struct schema_field *f = &schema->fields[schema_find(schema, name)];
    struct batcher_text *text = &s->texts[s->n_texts];
    struct term_list l = {0};
    enum fusor_status rc;

    FUSOR_TRY(dataset_vocab(ds, f->vocab_name, &l.vocab, err));
    rc = analysis_run(&f->analysis, words, strlen(words), add_term, &l, err);
    s->terms[s->n_texts++] = l.terms;
    *text = (struct batcher_text){field, l.terms, (uint32_t)l.n};
    s->n_terms += l.n_known;
    return rc;
}

static enum fusor_status add_texts(struct search *s, const char *words,
                                   struct fusor_error *err)
{
    size_t n;
    const struct field_spec *fields =
        dataset_fields(s->opened->workload->data, &n);

    for (size_t i = 0; i < n && s->n_texts < TEXTS_MAX; i++)
        if (fields[i].side == SIDE_QUERY && fields[i].type == FIELD_TEXT &&
            fields[i].cardinality)
            FUSOR_TRY(add_text(s, i, fields[i].name, words, err));
    if (s->n_texts == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "search: the run reads no text of a query");
    if (s->n_terms == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "search: no word of \"%.60s\" stands in any document",
                          words);
    return FUSOR_OK;
}

static enum fusor_status open_all(struct search *s, const struct args *a,
                                  struct fusor_error *err)
{
    struct opened_options options = {.run_dir = a->rest[0], .n_threads = 1};
    struct recommend_scorer scorer;
    const struct schema *schema;
    struct dataset *ds;

    FUSOR_TRY(opened_create(&options, &s->opened, err));
    ds = s->listing.data = s->opened->workload->data;
    schema = dataset_schema(ds);
    if (!s->opened->workload->shortlist || args_value(a, "candidates"))
        FUSOR_TRY(fusor_wrap(
            err, finder_create(ds, s->opened->workload->model, &s->finder, err),
            "search"));
    FUSOR_TRY(scoring_create(s->opened, args_value(a, "label"), &s->scoring,
                             &scorer, err));
    FUSOR_TRY(recommender_create(ds, &scorer, &s->recommender, err));
    if (!schema->fields[schema->item_key].vocab_name[0])
        return FUSOR_OK;
    return dataset_vocab(ds, schema->fields[schema->item_key].vocab_name,
                         &s->listing.items, err);
}

static void close_all(struct search *s)
{
    recommender_destroy(s->recommender);
    scoring_destroy(s->scoring);
    finder_destroy(s->finder);
    opened_destroy(s->opened);
    for (uint32_t i = 0; i < s->n_texts; i++)
        mem_free(s->terms[i]);
    mem_free(s->candidates);
    mem_free(s->top);
}

/* By each bm25 tower, or as the job says. */
static enum fusor_status find_candidates(struct search *s,
                                         const struct batcher_query *query,
                                         uint32_t most, struct fusor_error *err)
{
    uint32_t room = s->finder ? finder_room(s->finder, most)
                              : shortlist_room(s->opened->workload->shortlist);

    s->candidates = mem_alloc_raw(room, sizeof(*s->candidates));
    if (!s->candidates)
        return mem_fail(err, "search", room * sizeof(*s->candidates));
    if (s->finder)
        return finder_find(s->finder, s->texts, s->n_texts, most, s->candidates,
                           &s->n_candidates, err);
    return scoring_shortlist(s->scoring, query, s->candidates, &s->n_candidates,
                             err);
}

static enum fusor_status find(struct search *s, uint32_t n_candidates,
                              struct fusor_error *err)
{
    struct batcher_query query = {
        .row = BATCHER_NO_ROW, .texts = s->texts, .n_texts = s->n_texts};
    uint32_t n_bad;

    s->top = mem_alloc(s->k, sizeof(*s->top));
    if (!s->top)
        return mem_fail(err, "search", s->k * sizeof(*s->top));
    FUSOR_TRY(find_candidates(s, &query, n_candidates, err));
    FUSOR_TRY(recommender_among(s->recommender, &query, s->candidates,
                                s->n_candidates, s->k, s->top, &s->n, &n_bad,
                                err));
    if (n_bad)
        output_say("warning: %u documents got no number as score", n_bad);
    return FUSOR_OK;
}

static enum fusor_status print_json(const struct search *s, const char *words,
                                    struct fusor_error *err)
{
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_string(&j, "query", words);
    json_uint(&j, "candidates", s->n_candidates);
    listing_json(&s->listing, "documents", s->top, s->n, &j);
    json_end_object(&j);
    return output_json(&j, err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct search *s;
    int64_t top = 10, candidates = 1000;
    enum fusor_status rc;

    FUSOR_TRY(args_integer(a, "top", 1, TOP_MAX, &top, err));
    FUSOR_TRY(args_integer(a, "candidates", 1, FOUND_MAX, &candidates, err));
    s = mem_alloc(1, sizeof(*s));
    if (!s)
        return mem_fail(err, "search", sizeof(*s));
    s->k = (uint32_t)top;
    rc = open_all(s, a, err);
    if (rc == FUSOR_OK)
        rc = add_texts(s, a->rest[1], err);
    if (rc == FUSOR_OK)
        rc = find(s, (uint32_t)candidates, err);
    if (rc == FUSOR_OK)
        rc = args_flag(a, "json")
                 ? print_json(s, a->rest[1], err)
                 : listing_print(&s->listing, s->top, s->n, err);
    close_all(s);
    mem_free(s);
    return rc;
}

const struct verb verb_search = {
    .name = "search",
    .help = "the best documents for some words",
    .synopsis = "RUN \"some words\" [--top N]",
    .about = "The whole model scores candidates: those that the job's "
             "`candidates` says, else\nwhat the words find by each bm25 tower, "
             "of which there must be one then. Other\nfields of the query "
             "than its texts are unknown.\n",
    .examples = "  fusor search runs/scifact \"vitamin d and the heart\"\n"
                "  fusor search runs/scifact \"zinc\" --top 3 --json\n",
    .args = {"search", specs, NULL, "RUN \"some words\"", 2, 2},
    .run = run,
};
