/* Fields to group by: checked, binned, and looked up row by row. */
#include "train/slicing.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/evaluate.h"

#define SAMPLE_MAX (1u << 20) /* train rows that quantiles are taken of */
#define CHUNK 1024

static enum fusor_status check_type(const struct field_spec *f,
                                    struct fusor_error *err)
{
    if (f->type == FIELD_DENSE && f->width == 1)
        return FUSOR_OK;
    if (f->type != FIELD_CATEGORICAL)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "field \"%s\" (%s) makes no groups: take a "
                          "categorical one or a single number",
                          f->name, field_type_name(f->type));
    if (f->cardinality == 0 || f->cardinality > SLICING_VALUES_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "field \"%s\" has %llu values: groups are made of at "
                          "most %d",
                          f->name, (unsigned long long)f->cardinality,
                          SLICING_VALUES_MAX);
    return FUSOR_OK;
}

/* A group is the rows of one query unless each row is ranked alone. */
static enum fusor_status check_queries(const struct workload *w,
                                       const struct field *f,
                                       struct fusor_error *err)
{
    if (f->schema->spec.side == SIDE_QUERY ||
        evaluate_ranks_candidates(w->data))
        return FUSOR_OK;
    for (uint32_t i = 0; i < w->n_metrics; i++)
        if (metric_over_groups(&w->metrics[i]))
            return fusor_fail(err, FUSOR_EUSAGE,
                              "%s judges the rows of one query together, and "
                              "\"%s\" differs among them: take a field of the "
                              "query side, or other metrics",
                              w->metrics[i].name, f->spec->name);
    return FUSOR_OK;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Values of every stride-th train row; those missing left out. */
static enum fusor_status sample(const struct field *f, float *values, size_t *n,
                                struct fusor_error *err)
{
    uint64_t n_rows = dataset_rows(f->data, SPLIT_TRAIN);
    uint64_t stride = (n_rows + SAMPLE_MAX - 1) / SAMPLE_MAX, at = 0;
    struct batcher *b;
    enum fusor_status rc = batcher_create(f->data, CHUNK, &b, err);

    *n = 0;
    if (rc != FUSOR_OK)
        return rc;
    while (rc == FUSOR_OK && at < n_rows) {
        uint32_t rows[CHUNK], some = 0;
        struct batch batch;

        for (; some < CHUNK && at < n_rows; at += stride)
            rows[some++] = (uint32_t)at;
        rc = batcher_fill(b, SPLIT_TRAIN, rows, some, &batch, err);
        for (uint32_t i = 0; rc == FUSOR_OK && i < some; i++) {
            float x = batch.fields[0].dense[field_row(&batch, f, i)];

            if (x != FIELD_MISSING)
                values[(*n)++] = x;
        }
    }
    batcher_destroy(b);
    return rc;
}

/* Edges at the quantiles, equal ones once: bins are then fewer. */
static enum fusor_status find_edges(struct slicing_field *s, uint32_t bins,
                                    struct fusor_error *err)
{
    float *values = mem_alloc_raw(SAMPLE_MAX, sizeof(*values));
    enum fusor_status rc;
    size_t n;

    if (!values)
        return mem_fail(err, "quantiles", SAMPLE_MAX * sizeof(*values));
    rc = sample(&s->field, values, &n, err);
    if (rc == FUSOR_OK && n) {
        qsort(values, n, sizeof(*values), compare_floats);
        for (uint32_t b = 1; b < bins; b++) {
            float edge = values[n * b / bins];

            if (edge > (s->n_edges ? s->edges[s->n_edges - 1] : values[0]))
                s->edges[s->n_edges++] = edge;
        }
    }
    mem_free(values);
    s->n_slices = s->n_edges + 2;
    return rc;
}

static enum fusor_status check_wish(const struct workload *w,
                                    const struct slicing_wish *wish,
                                    struct fusor_error *err)
{
    const struct slicing *s = w->slicing;

    if ((s && s->n == SLICING_FIELDS_MAX) || wish->bins < 2 ||
        wish->bins > SLICING_BINS_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "at most %d fields, and 2 to %d bins, can make "
                          "groups",
                          SLICING_FIELDS_MAX, SLICING_BINS_MAX);
    for (uint32_t i = 0; s && i < s->n; i++)
        if (strcmp(s->fields[i].field.spec->name, wish->field) == 0)
            return fusor_fail(err, FUSOR_EUSAGE, "field \"%s\" is given twice",
                              wish->field);
    return FUSOR_OK;
}

static enum fusor_status fill_field(struct workload *w,
                                    const struct slicing_wish *wish,
                                    struct slicing_field *f,
                                    struct fusor_error *err)
{
    FUSOR_TRY(check_type(f->field.spec, err));
    FUSOR_TRY(check_queries(w, &f->field, err));
    f->min = wish->min;
    f->metrics = wish->metrics ? wish->metrics : UINT64_MAX;
    if (w->slicing->n > 0)
        f->first = f[-1].first + f[-1].n_slices;
    if (f->field.spec->type == FIELD_DENSE)
        return find_edges(f, wish->bins, err);
    f->n_slices = (uint32_t)f->field.spec->cardinality;
    return FUSOR_OK;
}

enum fusor_status slicing_add(struct workload *w,
                              const struct slicing_wish *wish,
                              struct fusor_error *err)
{
    struct slicing_field *f;
    enum fusor_status rc;

    FUSOR_TRY(check_wish(w, wish, err));
    if (!w->slicing)
        w->slicing = mem_alloc(1, sizeof(*w->slicing));
    if (!w->slicing)
        return mem_fail(err, "groups", sizeof(*w->slicing));
    f = &w->slicing->fields[w->slicing->n];
    rc = field_open(w, wish->field, &f->field, err);
    if (rc == FUSOR_OK) {
        rc = fill_field(w, wish, f, err);
        if (rc != FUSOR_OK)
            field_close(&f->field);
    }
    if (rc == FUSOR_OK) {
        w->slicing->n++;
        return FUSOR_OK;
    }
    memset(f, 0, sizeof(*f));
    if (w->slicing->n == 0)
        slicing_forget(w);
    return rc;
}

void slicing_forget(struct workload *w)
{
    slicing_destroy(w->slicing);
    w->slicing = NULL;
}

void slicing_destroy(struct slicing *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->n; i++)
        field_close(&s->fields[i].field);
    mem_free(s);
}

static void bin_label(const struct slicing_field *f, uint32_t number,
                      struct strbuf *out)
{
    if (f->n_edges == 0)
        strbuf_add(out, "any");
    else if (number == 1)
        strbuf_addf(out, "< %g", (double)f->edges[0]);
    else if (number == f->n_edges + 1)
        strbuf_addf(out, ">= %g", (double)f->edges[f->n_edges - 1]);
    else
        strbuf_addf(out, "[%g, %g)", (double)f->edges[number - 2],
                    (double)f->edges[number - 1]);
}

enum fusor_status slicing_label(const struct slicing_field *f, uint32_t number,
                                struct strbuf *out, struct fusor_error *err)
{
    const char *vocab = f->field.schema->vocab_name;
    const struct vocab *v = NULL;
    const char *text = NULL;

    if (number == 0) {
        strbuf_add(out, "unknown");
    } else if (f->field.spec->type == FIELD_DENSE) {
        bin_label(f, number, out);
    } else {
        if (*vocab)
            FUSOR_TRY(dataset_vocab(f->field.data, vocab, &v, err));
        text = v ? vocab_text(v, number, NULL) : NULL;
        if (text)
            strbuf_add(out, text);
        else
            strbuf_addf(out, "#%u", number);
    }
    return out->failed ? mem_fail(err, "label", out->len) : FUSOR_OK;
}

enum fusor_status slicer_init(struct slicer *r, const struct slicing *s,
                              uint32_t capacity, struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_OK;

    memset(r, 0, sizeof(*r));
    if (!s)
        return FUSOR_OK;
    r->slicing = s;
    r->capacity = capacity;
    r->slices = mem_alloc((size_t)s->n * capacity, sizeof(*r->slices));
    if (!r->slices)
        rc = mem_fail(err, "groups", s->n * capacity * sizeof(*r->slices));
    for (uint32_t f = 0; rc == FUSOR_OK && f < s->n; f++)
        rc = batcher_create(s->fields[f].field.data, capacity, &r->batchers[f],
                            err);
    if (rc != FUSOR_OK)
        slicer_clear(r);
    return rc;
}

void slicer_clear(struct slicer *r)
{
    for (uint32_t f = 0; f < SLICING_FIELDS_MAX; f++)
        batcher_destroy(r->batchers[f]);
    mem_free(r->slices);
    memset(r, 0, sizeof(*r));
}

static uint32_t slice_of(const struct slicing_field *f, const struct batch *b,
                         uint32_t i)
{
    uint32_t at = field_row(b, &f->field, i), bin = 1;

    if (f->field.spec->type != FIELD_DENSE) {
        uint64_t id = b->fields[0].ids[at];

        return id < f->n_slices ? (uint32_t)id : 0;
    }
    if (b->fields[0].dense[at] == FIELD_MISSING)
        return 0;
    for (uint32_t e = 0; e < f->n_edges; e++)
        bin += b->fields[0].dense[at] >= f->edges[e];
    return bin;
}

enum fusor_status slicer_find(struct slicer *r, enum split split,
                              const uint32_t *rows, uint32_t n,
                              struct fusor_error *err)
{
    for (uint32_t f = 0; r->slicing && f < r->slicing->n; f++) {
        const struct slicing_field *field = &r->slicing->fields[f];
        struct batch b;

        FUSOR_TRY(batcher_fill(r->batchers[f], split, rows, n, &b, err));
        for (uint32_t i = 0; i < n; i++)
            r->slices[(size_t)f * r->capacity + i] =
                field->first + slice_of(field, &b, i);
    }
    return FUSOR_OK;
}
