/* A field that says how the query's text fits the item's (match.h):
 *
 *     fit: {match: [words, title], features: [overlap, idf_overlap]}
 *
 * Both are prepared texts of one vocabulary; without `features` all there are.
 * How rare a term is, the items' texts say; what other items have of a query is
 * counted once, over the items of its terms. What a row has is computed when it
 * is first asked for and then kept. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/dataset_private.h"
#include "data/match_kin.h"

/* The column of a text field, and its number in the schema. */
static enum fusor_status find_text(const struct dataset *ds,
                                   const struct yaml_node *at,
                                   enum field_side side,
                                   const struct column_view **column,
                                   int *number, struct fusor_error *err)
{
    const struct part *table =
        side == SIDE_ITEM ? ds->item_table : ds->query_table;
    const char *name;

    FUSOR_TRY(yaml_to_text(at, &name, err));
    *number = schema_find(&ds->schema, name);
    if (*number < 0 || ds->schema.fields[*number].spec.type != FIELD_TEXT ||
        ds->schema.fields[*number].spec.side != side)
        return yaml_fail(at, err,
                         "match: %s is no text of the %s: write "
                         "[text of the query, text of the item]",
                         name, side == SIDE_ITEM ? "item" : "query");
    *column = table ? part_find(table, name) : NULL;
    if (!*column || (*column)->spec.type != COLUMN_LIST)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: no column \"%s\" of texts: run fusor prepare "
                          "again",
                          ds->dir, name);
    return FUSOR_OK;
}

static enum fusor_status read_features(struct yaml_node *list,
                                       struct match *out,
                                       struct fusor_error *err)
{
    if (!list) {
        while (match_features[out->n_features]) {
            out->features[out->n_features] = (int)out->n_features;
            out->n_features++;
        }
        return FUSOR_OK;
    }
    if (list->kind != YAML_LIST || list->n == 0 || list->n > MATCH_MAX)
        return yaml_fail(list, err, "features: a list of 1 to %d names",
                         MATCH_MAX);
    for (size_t i = 0; i < list->n; i++) {
        const char *word;
        int f = 0;

        FUSOR_TRY(yaml_to_text(list->items[i], &word, err));
        while (match_features[f] && strcmp(match_features[f], word) != 0)
            f++;
        if (!match_features[f]) {
            const char *near = str_nearest(word, match_features);

            return yaml_fail(list->items[i], err,
                             "features: there is no \"%s\"; did you mean %s?",
                             word, near ? near : match_features[0]);
        }
        out->features[out->n_features++] = f;
    }
    return FUSOR_OK;
}

/* log((1 + items) / (1 + items that have the term)) + 1 */
static enum fusor_status find_idf(const struct column_view *c, uint64_t n_items,
                                  uint32_t n_terms, float **out,
                                  struct fusor_error *err)
{
    uint64_t *last = mem_alloc(n_terms, sizeof(*last));
    float *idf = mem_alloc(n_terms, sizeof(*idf));

    *out = idf;
    if (!last || !idf) {
        mem_free(last);
        return mem_fail(err, "idf", n_terms * 12);
    }
    for (uint64_t item = 1; item < n_items; item++)
        for (uint64_t k = c->u64[item]; k < c->u64[item + 1]; k++)
            if (c->u32[k] < n_terms && last[c->u32[k]] != item) {
                last[c->u32[k]] = item;
                idf[c->u32[k]] += 1;
            }
    for (uint32_t t = 0; t < n_terms; t++)
        idf[t] = (float)(log((double)n_items / (1 + (double)idf[t])) + 1);
    mem_free(last);
    return FUSOR_OK;
}

/* What a term is, its text says; a hidden one (privacy.h) says nothing. */
static enum fusor_status find_kinds(struct dataset *ds, const char *vocab,
                                    uint32_t n_terms, uint8_t **out,
                                    struct fusor_error *err)
{
    const struct vocab *v;
    uint8_t *kind;

    FUSOR_TRY(dataset_vocab(ds, vocab, &v, err));
    *out = kind = mem_alloc(n_terms, 1);
    if (!kind)
        return mem_fail(err, vocab, n_terms);
    for (uint32_t t = 1; t < n_terms; t++) {
        const char *text = vocab_text(v, t, NULL);

        if (text && text[0] == ' ')
            kind[t] |= MATCH_BEGINS;
        if (text && text[strcspn(text, "0123456789")])
            kind[t] |= MATCH_NUMBER;
    }
    return FUSOR_OK;
}

static struct match_text text_at(const struct column_view *c, uint64_t row)
{
    return (struct match_text){c->u32 + c->u64[row],
                               (uint32_t)(c->u64[row + 1] - c->u64[row])};
}

/* The items of each term: those of term t at ends[t - 1] to ends[t]. */
struct places {
    uint64_t *ends; // [n_terms]
    uint32_t *items;
    double *found;   // [n_items] what the item has of the query
    uint32_t *which; // [n_items] items that have any of it
    float *length;   // [n_items] of their texts
};

static void places_release(struct places *p)
{
    mem_free(p->ends);
    mem_free(p->items);
    mem_free(p->found);
    mem_free(p->which);
    mem_free(p->length);
}

static enum fusor_status places_make(const struct dataset_field *f,
                                     uint64_t n_items, struct places *p,
                                     struct fusor_error *err)
{
    const struct column_view *c = f->texts[1];
    uint32_t n_terms = f->match.n_terms;
    uint64_t from = n_items ? c->u64[0] : 0, sum = 0;
    uint64_t n = n_items ? c->u64[n_items] - from : 0;

    *p = (struct places){mem_alloc(n_terms + 1, sizeof(*p->ends)),
                         mem_alloc(n + 1, sizeof(*p->items)),
                         mem_alloc(n_items + 1, sizeof(*p->found)),
                         mem_alloc(n_items + 1, sizeof(*p->which)),
                         mem_alloc(n_items + 1, sizeof(*p->length))};
    if (!p->ends || !p->items || !p->found || !p->which || !p->length)
        return mem_fail(err, "items of terms",
                        n * 4 + n_terms * 8 + n_items * 16);
    for (uint64_t k = from; k < from + n; k++)
        if (c->u32[k] < n_terms)
            p->ends[c->u32[k]]++;
    for (uint32_t t = 0; t < n_terms; t++) {
        uint64_t count = p->ends[t];

        p->ends[t] = sum;
        sum += count;
    }
    for (uint64_t item = 1; item < n_items; item++) {
        p->length[item] =
            (float)sqrt(match_square(&f->match, text_at(c, item)));
        for (uint64_t k = c->u64[item]; k < c->u64[item + 1]; k++)
            if (c->u32[k] < n_terms)
                p->items[p->ends[c->u32[k]]++] = (uint32_t)item;
    }
    return FUSOR_OK;
}

/* What the items have of one query; leaves p->found all 0.
 * @param sum gets the items of the upper levels */
static void find_rivals(const struct dataset_field *f, struct match_text query,
                        struct places *p, struct kin_sum *sum,
                        struct match_field *out)
{
    const struct match *m = &f->match;
    uint32_t n = 0;
    double most = 0;

    for (uint32_t i = 0; i < query.n; i++) {
        uint32_t term = query.terms[i], before = UINT32_MAX, j = 0;

        while (query.terms[j] != term)
            j++;
        if (j < i || term == 0 || term >= m->n_terms)
            continue;
        for (uint64_t k = p->ends[term - 1]; k < p->ends[term]; k++) {
            uint32_t item = p->items[k];

            if (item != before && p->found[item] <= 0)
                p->which[n++] = item;
            if (item != before)
                p->found[item] += (double)m->idf[term];
            before = item;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        most = fmax(most, p->found[p->which[i]]);
    out->most = (float)most;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t level = match_level(p->found[p->which[i]], most);

        for (uint32_t k = 0; k < level; k++)
            out->above[k]++;
        out->above[MATCH_LEVELS] += level == MATCH_LEVELS;
        if (sum->sum)
            kin_sum_add(sum, m, text_at(f->texts[1], p->which[i]),
                        (double)p->length[p->which[i]],
                        match_level_weight(level));
        p->found[p->which[i]] = 0;
    }
}

/* Of each term: the items that have it. */
static enum fusor_status find_kin(struct dataset_field *f,
                                  const struct places *p, struct kin_sum *sum,
                                  struct fusor_error *err)
{
    uint32_t n = f->match.n_terms;

    f->match.kin = f->owned_kin[0] = mem_alloc(n, sizeof(struct match_kin));
    if (!f->owned_kin[0])
        return mem_fail(err, "kin of terms", n * sizeof(struct match_kin));
    for (uint32_t t = 1; t < n; t++) {
        uint32_t before = UINT32_MAX;

        for (uint64_t k = p->ends[t - 1]; k < p->ends[t]; k++) {
            if (p->items[k] != before)
                kin_sum_add(sum, &f->match, text_at(f->texts[1], p->items[k]),
                            (double)p->length[p->items[k]], 1);
            before = p->items[k];
        }
        kin_sum_take(sum, t, &f->owned_kin[0][t]);
    }
    return FUSOR_OK;
}

/* What the items have of each query of the table. */
static enum fusor_status find_fields(struct dataset_field *f,
                                     uint64_t n_queries, struct places *p,
                                     struct kin_sum *sum,
                                     struct fusor_error *err)
{
    int kin = match_needs_field_kin(&f->match);

    f->owned_matches = mem_alloc(n_queries, sizeof(*f->owned_matches));
    if (kin)
        f->owned_kin[1] = mem_alloc(n_queries, sizeof(struct match_kin));
    if (!f->owned_matches || (kin && !f->owned_kin[1]))
        return mem_fail(err, "matches",
                        n_queries * (sizeof(struct match_field) +
                                     sizeof(struct match_kin)));
    for (uint64_t q = 1; q < n_queries; q++) {
        find_rivals(f, text_at(f->texts[0], q), p, sum, &f->owned_matches[q]);
        if (!kin)
            continue;
        kin_sum_take(sum, 0, &f->owned_kin[1][q]);
        f->owned_matches[q].kin = &f->owned_kin[1][q];
    }
    return FUSOR_OK;
}

/* What the features need of the items that have a term. */
static enum fusor_status find_others(const struct dataset *ds,
                                     struct dataset_field *f,
                                     struct fusor_error *err)
{
    int terms = match_needs_kin(&f->match),
        field = match_needs_field(&f->match);
    struct kin_sum sum = {0};
    struct places p;
    enum fusor_status rc;

    if (!terms && !field)
        return FUSOR_OK;
    rc = places_make(f, ds->n_items, &p, err);
    if (!rc && (terms || match_needs_field_kin(&f->match)))
        rc = kin_sum_make(f->match.n_terms, &sum, err);
    if (!rc && terms)
        rc = find_kin(f, &p, &sum, err);
    if (!rc && field)
        rc = find_fields(f, ds->n_queries, &p, &sum, err);
    kin_sum_release(&sum);
    places_release(&p);
    return rc;
}

enum fusor_status dataset_add_match(struct dataset *ds, const char *name,
                                    struct yaml_node *node,
                                    struct fusor_error *err)
{
    struct dataset_field *f = &ds->fields[ds->n_fields];
    struct field_spec *spec = &ds->specs[ds->n_fields];
    struct yaml_node *pair = yaml_get(node, "match");
    int query, item;

    if (pair->kind != YAML_LIST || pair->n != 2)
        return yaml_fail(pair, err,
                         "match: write [text of the query, text of the item]");
    FUSOR_TRY(
        find_text(ds, pair->items[0], SIDE_QUERY, &f->texts[0], &query, err));
    FUSOR_TRY(
        find_text(ds, pair->items[1], SIDE_ITEM, &f->texts[1], &item, err));
    if (ds->schema.fields[query].spec.vocab !=
        ds->schema.fields[item].spec.vocab)
        return yaml_fail(pair, err,
                         "match: %s and %s have vocabularies of their own: "
                         "prepare them with one vocab",
                         ds->schema.fields[query].spec.name,
                         ds->schema.fields[item].spec.name);
    FUSOR_TRY(read_features(yaml_get(node, "features"), &f->match, err));
    f->match.n_terms = (uint32_t)ds->schema.fields[item].spec.cardinality;
    f->origin = ORIGIN_MATCH;
    *spec = (struct field_spec){.type = FIELD_VECTOR,
                                .side = SIDE_ROW,
                                .width = f->match.n_features,
                                .max_values = 1};
    snprintf(spec->name, sizeof(spec->name), "%s", name);
    if (!ds->options.outline) {
        FUSOR_TRY(find_idf(f->texts[1], ds->n_items, f->match.n_terms,
                           &f->owned_dense[0], err));
        FUSOR_TRY(find_kinds(ds, ds->schema.fields[item].vocab_name,
                             f->match.n_terms, &f->owned_kind, err));
    }
    f->match.idf = f->owned_dense[0];
    f->match.kind = f->owned_kind;
    if (!ds->options.outline)
        FUSOR_TRY(find_others(ds, f, err));
    ds->n_fields++;
    return FUSOR_OK;
}

/* Bytes that all rows of a field would take. */
static uint64_t bytes_of_all(const struct dataset *ds, size_t field)
{
    uint64_t sum = 0;

    for (int p = 0; p < N_SPLITS; p++)
        sum += match_memo_bytes(ds->parts[p].n, ds->specs[field].width);
    return sum;
}

/* Fields as the job lists them, as long as they fit. */
enum fusor_status dataset_keep_matches(struct dataset *ds,
                                       struct fusor_error *err)
{
    uint64_t most = ds->options.memory ? ds->options.memory : DATASET_MEMORY;

    most /= DATASET_MATCHES;
    for (size_t i = 0; i < ds->n_fields; i++) {
        struct dataset_field *f = &ds->fields[i];
        uint64_t bytes = bytes_of_all(ds, i);

        if (f->origin != ORIGIN_MATCH || bytes > most)
            continue;
        most -= bytes;
        ds->matches_bytes += bytes;
        for (int p = 0; p < N_SPLITS; p++)
            if (ds->parts[p].n)
                FUSOR_TRY(match_memo_create(ds->parts[p].n, ds->specs[i].width,
                                            &f->kept[p], err));
    }
    return FUSOR_OK;
}

uint64_t dataset_matches_bytes(const struct dataset *ds)
{
    return ds->matches_bytes;
}
