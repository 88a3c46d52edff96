/* Rows of towers over neighbours: of items by who had them, of queries by what
 * they had, of items by what they are made of. */

#include "base/mem.h"
#include "data/batcher.h"
#include "index/similar.h"
#include "train/build.h"

#define ITEMS_AT_ONCE 512 /* of which fields are asked for together */

struct job {
    struct similar similar;
    const struct built *spec;
    const struct csr *events; // by query: what a neighbour had
    struct similar_scratch **scratch;
    uint32_t **ids;  // [threads] -> [most]
    float **weights; // [threads] -> [most]
    uint32_t width;
    float *values;
};

/* A list: ids as floats, then weights; id 0 is nobody. */
static enum fusor_status list_row(void *context, unsigned thread,
                                  uint64_t piece, struct fusor_error *err)
{
    const struct job *j = context;
    float *out = j->values + piece * j->width;
    uint32_t most = j->spec->most, *ids = j->ids[thread], n;

    (void)err;
    n = similar_top(&j->similar, j->scratch[thread], (uint32_t)piece, most, ids,
                    j->weights[thread]);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (float)ids[i];
        out[most + i] = j->weights[thread][i];
    }
    return FUSOR_OK;
}

/* What the neighbours of a query had, each times its weight. */
static enum fusor_status score_row(void *context, unsigned thread,
                                   uint64_t piece, struct fusor_error *err)
{
    const struct job *j = context;
    const struct csr *e = j->events;
    float *out = j->values + piece * j->width;
    uint32_t *ids = j->ids[thread], n;

    (void)err;
    n = similar_top(&j->similar, j->scratch[thread], (uint32_t)piece,
                    j->spec->most, ids, j->weights[thread]);
    for (uint32_t i = 0; i < n; i++)
        for (uint64_t k = e->offsets[ids[i]]; k < e->offsets[ids[i] + 1]; k++)
            out[e->cols[k]] += j->weights[thread][i] * e->values[k];
    return FUSOR_OK;
}

static enum fusor_status take(struct job *j, unsigned n_threads,
                              struct fusor_error *err)
{
    j->scratch = mem_alloc(n_threads, sizeof(*j->scratch));
    j->ids = mem_alloc(n_threads, sizeof(*j->ids));
    j->weights = mem_alloc(n_threads, sizeof(*j->weights));
    if (!j->scratch || !j->ids || !j->weights)
        return mem_fail(err, "neighbours", n_threads * 24);
    for (unsigned t = 0; t < n_threads; t++) {
        FUSOR_TRY(similar_scratch_create(&j->similar, &j->scratch[t], err));
        j->ids[t] = mem_alloc_raw(j->spec->most, sizeof(uint32_t));
        j->weights[t] = mem_alloc_raw(j->spec->most, sizeof(float));
        if (!j->ids[t] || !j->weights[t])
            return mem_fail(err, "neighbours", (size_t)j->spec->most * 8);
    }
    return FUSOR_OK;
}

static void give_back(struct job *j, unsigned n_threads)
{
    for (unsigned t = 0; t < n_threads; t++) {
        if (j->scratch)
            similar_scratch_destroy(j->scratch[t]);
        if (j->ids)
            mem_free(j->ids[t]);
        if (j->weights)
            mem_free(j->weights[t]);
    }
    mem_free(j->scratch);
    mem_free(j->ids);
    mem_free(j->weights);
    similar_clear(&j->similar);
}

/* Neighbours of the rows of m. */
static enum fusor_status run(const struct csr *m, const struct csr *turned,
                             const struct built *spec, const struct crew *crew,
                             float *values, struct fusor_error *err)
{
    struct job j = {.similar = {.rows = m,
                                .by_col = turned,
                                .kind = (enum similar_kind)spec->similarity,
                                .shrink = spec->shrink,
                                .least = spec->overlap},
                    .spec = spec,
                    .events = m,
                    .width = spec->width[0],
                    .values = values};
    unsigned n_threads = crew->n_threads ? crew->n_threads : 1;
    enum fusor_status rc = similar_init(&j.similar, err);

    if (rc == FUSOR_OK)
        rc = take(&j, n_threads, err);
    if (rc == FUSOR_OK)
        rc = crew_run(crew, m->n_rows, spec->by_query ? score_row : list_row,
                      &j, err);
    give_back(&j, n_threads);
    return rc;
}

enum fusor_status build_knn(const struct csr *events, const struct built *spec,
                            const struct crew *crew, float *values,
                            struct fusor_error *err)
{
    struct csr by_item;
    enum fusor_status rc;

    FUSOR_TRY(csr_transpose(events, &by_item, err));
    rc = spec->by_query ? run(events, &by_item, spec, crew, values, err)
                        : run(&by_item, events, spec, crew, values, err);
    csr_clear(&by_item);
    return rc;
}

/* ---- content: items as sparse vectors ---- */

struct features {
    const struct built *spec;
    uint64_t at[BUILT_MAX_FIELDS]; // first column of each field
    struct csr_entry *entries;
    uint64_t n;
    size_t cap;
};

static enum fusor_status add(struct features *f, uint32_t item, uint64_t col,
                             float value, struct fusor_error *err)
{
    if (value == 0)
        return FUSOR_OK;
    if (mem_reserve((void **)&f->entries, f->n, &f->cap, sizeof(*f->entries)))
        return mem_fail(err, "features", f->n * sizeof(*f->entries));
    f->entries[f->n++] = (struct csr_entry){item, (uint32_t)col, value};
    return FUSOR_OK;
}

static enum fusor_status add_field(struct features *f,
                                   const struct field_spec *spec,
                                   const struct batch_field *b, uint64_t at,
                                   uint32_t row, uint32_t item,
                                   struct fusor_error *err)
{
    uint32_t first = b->offsets ? b->offsets[row] : row;
    uint32_t last = b->offsets ? b->offsets[row + 1] : row + 1;

    if (spec->type == FIELD_DENSE || spec->type == FIELD_VECTOR) {
        for (uint32_t k = 0; k < spec->width; k++)
            FUSOR_TRY(add(f, item, at + k,
                          b->dense[(size_t)row * spec->width + k], err));
        return FUSOR_OK;
    }
    for (uint32_t k = first; k < last; k++)
        if (b->ids[k] != BATCH_NO_ID && b->ids[k] != VOCAB_UNKNOWN)
            FUSOR_TRY(add(f, item, at + b->ids[k],
                          b->weights ? b->weights[k] : 1.0f, err));
    return FUSOR_OK;
}

/* Where the columns of each field begin. */
static enum fusor_status lay_out(struct features *f,
                                 const struct field_spec *fields,
                                 uint32_t *n_cols, struct fusor_error *err)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < f->spec->n_fields; i++) {
        const struct field_spec *s = &fields[f->spec->fields[i]];
        int numbers = s->type == FIELD_DENSE || s->type == FIELD_VECTOR;

        if (!numbers && s->cardinality == 0)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "field %s is hashed: content wants a vocabulary",
                              s->name);
        f->at[i] = n;
        n += numbers ? s->width : s->cardinality;
    }
    if (n > UINT32_MAX)
        return fusor_fail(err, FUSOR_EUSAGE, "fields have %llu ids in all",
                          (unsigned long long)n);
    *n_cols = (uint32_t)n;
    return FUSOR_OK;
}

static enum fusor_status read_items(struct features *f,
                                    const struct dataset *ds,
                                    const struct field_spec *fields,
                                    struct fusor_error *err)
{
    struct batcher_query query = {.row = BATCHER_NO_ROW};
    struct batcher *batcher;
    uint32_t items[ITEMS_AT_ONCE], n;
    struct batch batch;
    enum fusor_status rc;

    FUSOR_TRY(batcher_create(ds, ITEMS_AT_ONCE, &batcher, err));
    rc = FUSOR_OK;
    for (uint32_t i = 1; rc == FUSOR_OK && i < f->spec->n_items; i += n) {
        n = f->spec->n_items - i;
        if (n > ITEMS_AT_ONCE)
            n = ITEMS_AT_ONCE;
        for (uint32_t k = 0; k < n; k++)
            items[k] = i + k;
        rc = batcher_fill_pairs(batcher, &query, items, n, &batch, err);
        for (uint32_t k = 0; rc == FUSOR_OK && k < n; k++)
            for (uint32_t c = 0; rc == FUSOR_OK && c < f->spec->n_fields; c++)
                rc = add_field(f, &fields[f->spec->fields[c]],
                               &batch.fields[f->spec->fields[c]], f->at[c], k,
                               i + k, err);
    }
    batcher_destroy(batcher);
    return rc;
}

enum fusor_status build_content(const struct dataset *ds,
                                const struct built *spec,
                                const struct crew *crew, float *values,
                                struct fusor_error *err)
{
    struct features f = {.spec = spec};
    struct csr items = {0}, turned = {0};
    size_t n_fields;
    const struct field_spec *fields = dataset_fields(ds, &n_fields);
    uint32_t n_cols = 0;
    enum fusor_status rc = lay_out(&f, fields, &n_cols, err);

    if (rc == FUSOR_OK)
        rc = read_items(&f, ds, fields, err);
    if (rc == FUSOR_OK)
        rc = csr_build(f.entries, f.n, spec->n_items, n_cols, 0, &items, err);
    if (rc == FUSOR_OK && spec->idf)
        rc = csr_weigh_idf(&items, err);
    if (rc == FUSOR_OK)
        rc = csr_transpose(&items, &turned, err);
    if (rc == FUSOR_OK)
        rc = run(&items, &turned, spec, crew, values, err);
    csr_clear(&items);
    csr_clear(&turned);
    mem_free(f.entries);
    return rc;
}
