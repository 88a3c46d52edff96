/* Counts train rows, and reads one item field for every item. */
#include "train/catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/field.h"

#define CHUNK 1024 /* items of a batch */

static enum fusor_status count_rows(const struct workload *w,
                                    struct catalogue *c,
                                    struct fusor_error *err)
{
    uint64_t n = dataset_n_items(w->data);
    uint64_t n_rows = dataset_rows(w->data, SPLIT_TRAIN);

    if (n < 2 || n > UINT32_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "metrics of lists (coverage, gini, novelty, "
                          "diversity) need an item key, which the data lack");
    c->counts = mem_alloc(n, sizeof(*c->counts));
    if (!c->counts)
        return mem_fail(err, "items", n * sizeof(*c->counts));
    for (uint64_t i = 0; i < n_rows; i++)
        c->counts[dataset_item(w->data, SPLIT_TRAIN, i)]++;
    c->counts[VOCAB_UNKNOWN] = 0;
    for (uint64_t i = 1; i < n; i++)
        c->items.total += c->counts[i];
    c->items.n = (uint32_t)n;
    c->items.counts = c->counts;
    return FUSOR_OK;
}

/* How well a field tells items apart; 0: not at all. */
static int fitness(const struct schema *s, uint32_t i)
{
    const struct field_spec *f = &s->fields[i].spec;

    if (f->side != SIDE_ITEM || (int)i == s->item_key)
        return 0;
    switch (f->type) {
    case FIELD_MULTI:
    case FIELD_SEQUENCE:
    case FIELD_TEXT:
        return 3;
    case FIELD_VECTOR:
        return 2;
    case FIELD_CATEGORICAL:
        return 1;
    default:
        return 0;
    }
}

static enum fusor_status check_field(const struct schema *s, const char *name,
                                     struct fusor_error *err)
{
    int i = schema_find(s, name);

    if (i >= 0 && fitness(s, (uint32_t)i) == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "diversity: field \"%s\" is no set, vector or "
                          "category of the items",
                          name);
    return FUSOR_OK; // one that is not there: field_open() says so
}

/* The field that diversity is by; NULL: it is not asked for. */
static enum fusor_status choose_field(const struct workload *w,
                                      const char **out, struct fusor_error *err)
{
    const struct schema *s = dataset_schema(w->data);
    const char *asked = NULL;
    int wanted = 0, best = 0;

    *out = NULL;
    for (uint32_t i = 0; i < w->n_metrics; i++) {
        const struct metric_spec *m = &w->metrics[i];

        wanted |= metric_takes_field(m);
        if (!m->field[0])
            continue;
        if (asked && strcmp(asked, m->field))
            return fusor_fail(err, FUSOR_EUSAGE,
                              "diversity: one evaluation takes one field, not "
                              "%s and %s",
                              asked, m->field);
        asked = m->field;
    }
    if (asked)
        FUSOR_TRY(check_field(s, asked, err));
    for (uint32_t i = 0; wanted && !asked && i < s->n_fields; i++)
        if (fitness(s, i) > best) {
            best = fitness(s, i);
            *out = s->fields[i].spec.name;
        }
    if (asked)
        *out = asked;
    if (wanted && !*out)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "diversity: the items have no field that is a set, a "
                          "vector or a category, to tell them apart");
    return FUSOR_OK;
}

static int compare_values(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Room for n more values. */
static int reserve(struct catalogue *c, size_t used, size_t n, size_t *cap)
{
    while (*cap < used + n) {
        size_t more = *cap ? 2 * *cap : 4096;
        uint64_t *grown = mem_grow(c->values, *cap, more, sizeof(*grown));

        if (!grown)
            return -1;
        c->values = grown;
        *cap = more;
    }
    return 0;
}

/* The ids [n] of one item, each once, ascending; missing ones left out. */
static void add_set(struct catalogue *c, size_t *used, const uint64_t *ids,
                    size_t n)
{
    uint64_t *to = c->values + *used;
    size_t kept = 0, distinct = 0;

    for (size_t i = 0; i < n; i++)
        if (ids[i] != BATCH_NO_ID)
            to[kept++] = ids[i];
    if (kept)
        qsort(to, kept, sizeof(*to), compare_values);
    for (size_t i = 0; i < kept; i++)
        if (i == 0 || to[i] != to[i - 1])
            to[distinct++] = to[i];
    *used += distinct;
}

static enum fusor_status take_sets(struct catalogue *c, const struct batch *b,
                                   uint32_t first, size_t *used, size_t *cap,
                                   struct fusor_error *err)
{
    const struct batch_field *f = &b->fields[0];

    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t from = f->offsets ? f->offsets[i] : i;
        uint32_t n = f->offsets ? f->offsets[i + 1] - from : 1;

        if (reserve(c, *used, n, cap))
            return mem_fail(err, "items", 2 * *cap * sizeof(*c->values));
        c->begin[first + i] = *used;
        add_set(c, used, f->ids + from, n);
        c->begin[first + i + 1] = *used;
    }
    return FUSOR_OK;
}

static enum fusor_status take_items(struct catalogue *c, const struct field *f,
                                    struct batcher *b, struct fusor_error *err)
{
    static const struct batcher_query nobody = {.row = BATCHER_NO_ROW};
    uint32_t items[CHUNK], n, width = f->spec->width;
    size_t used = 0, cap = 0;

    for (uint32_t at = 1; at < c->items.n; at += n) {
        struct batch batch;

        n = c->items.n - at < CHUNK ? c->items.n - at : CHUNK;
        for (uint32_t i = 0; i < n; i++)
            items[i] = at + i;
        FUSOR_TRY(batcher_fill_pairs(b, &nobody, items, n, &batch, err));
        if (c->vectors)
            memcpy(c->vectors + (size_t)at * width, batch.fields[0].dense,
                   (size_t)n * width * sizeof(*c->vectors));
        else
            FUSOR_TRY(take_sets(c, &batch, at, &used, &cap, err));
    }
    return FUSOR_OK;
}

static enum fusor_status read_field(const struct workload *w, const char *name,
                                    struct catalogue *c,
                                    struct fusor_error *err)
{
    struct field f;
    struct batcher *b = NULL;
    size_t n = c->items.n;
    enum fusor_status rc;

    FUSOR_TRY(field_open(w, name, &f, err));
    c->items.width = f.spec->width;
    if (f.spec->type == FIELD_VECTOR)
        c->vectors = mem_alloc(n * f.spec->width, sizeof(*c->vectors));
    else
        c->begin = mem_alloc(n + 1, sizeof(*c->begin));
    rc = c->vectors || c->begin ? batcher_create(f.data, CHUNK, &b, err)
                                : mem_fail(err, "items", n * sizeof(size_t));
    if (rc == FUSOR_OK)
        rc = take_items(c, &f, b, err);
    batcher_destroy(b);
    field_close(&f);
    c->items.begin = c->begin;
    c->items.values = c->values;
    c->items.vectors = c->vectors;
    return rc;
}

enum fusor_status catalogue_create(const struct workload *w,
                                   struct catalogue **out,
                                   struct fusor_error *err)
{
    const char *name = NULL;
    struct catalogue *c;
    enum fusor_status rc;
    int wanted = 0;

    *out = NULL;
    for (uint32_t i = 0; i < w->n_metrics; i++)
        wanted |= metric_over_lists(&w->metrics[i]);
    if (!wanted)
        return FUSOR_OK;
    c = mem_alloc(1, sizeof(*c));
    if (!c)
        return mem_fail(err, "items", sizeof(*c));
    rc = count_rows(w, c, err);
    if (rc == FUSOR_OK)
        rc = choose_field(w, &name, err);
    if (rc == FUSOR_OK && name)
        rc = read_field(w, name, c, err);
    if (rc != FUSOR_OK) {
        catalogue_destroy(c);
        return rc;
    }
    *out = c;
    return FUSOR_OK;
}

void catalogue_destroy(struct catalogue *c)
{
    if (!c)
        return;
    mem_free(c->counts);
    mem_free(c->begin);
    mem_free(c->values);
    mem_free(c->vectors);
    mem_free(c);
}
