/* A field that says how the query's text fits the item's (match.h):
 *
 *     fit: {match: [words, title], features: [overlap, idf_overlap]}
 *
 * Both are prepared texts of one vocabulary; without `features` all there are.
 * How rare a term is, the items' texts say. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/dataset_private.h"

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
    if (!ds->options.outline)
        FUSOR_TRY(find_idf(f->texts[1], ds->n_items, f->match.n_terms,
                           &f->owned_dense[0], err));
    f->match.idf = f->owned_dense[0];
    ds->n_fields++;
    return FUSOR_OK;
}
