/* Gathers one field into a micro-batch by plain loops over indices. */
#include "data/gather.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static int is_list(const struct field_spec *f)
{
    return f->type == FIELD_MULTI || f->type == FIELD_SEQUENCE ||
           f->type == FIELD_BAG || f->type == FIELD_TEXT;
}

static int is_dense(const struct field_spec *f)
{
    return f->type == FIELD_DENSE || f->type == FIELD_VECTOR ||
           f->type == FIELD_SCORE;
}

/* May a batch of this field carry weights? */
static int has_weights(const struct dataset_field *f)
{
    for (int p = 0; p < N_SPLITS; p++)
        if (f->column[p] && f->column[p]->weights)
            return 1;
    return 0;
}

int field_buffer_create(const struct dataset *ds, size_t i, uint32_t capacity,
                        struct field_buffer *b)
{
    const struct field_spec *spec = &ds->specs[i];
    const struct dataset_field *f = &ds->fields[i];

    if (is_dense(spec)) {
        b->dense = mem_alloc((size_t)capacity * spec->width, sizeof(*b->dense));
        return b->dense ? 0 : -1;
    }
    b->room = capacity;
    b->ids = mem_alloc(b->room, sizeof(*b->ids));
    if (!b->ids || !is_list(spec))
        return b->ids ? 0 : -1;
    b->offsets = mem_alloc((size_t)capacity + 1, sizeof(*b->offsets));
    if (has_weights(f))
        b->weights = mem_alloc(b->room, sizeof(*b->weights));
    return b->offsets && (b->weights || !has_weights(f)) ? 0 : -1;
}

void field_buffer_clear(struct field_buffer *b)
{
    mem_free(b->dense);
    mem_free(b->ids);
    mem_free(b->offsets);
    mem_free(b->weights);
}

/* Make room for n values; what is in the buffer is not kept. */
static enum fusor_status reserve(struct field_buffer *f, uint64_t n,
                                 struct fusor_error *err)
{
    size_t room = n + n / 2;
    uint64_t *ids;
    float *weights = NULL;

    if (n <= f->room)
        return FUSOR_OK;
    if (n > UINT32_MAX)
        return fusor_fail(err, FUSOR_EINVAL,
                          "batcher: %llu values of one field in a batch: "
                          "lower global_batch or max",
                          (unsigned long long)n);
    ids = mem_alloc_raw(room, sizeof(*ids));
    if (f->weights)
        weights = mem_alloc_raw(room, sizeof(*weights));
    if (!ids || (f->weights && !weights)) {
        mem_free(ids);
        mem_free(weights);
        return mem_fail(err, "batcher", room * sizeof(*ids));
    }
    mem_free(f->ids);
    mem_free(f->weights);
    f->ids = ids;
    f->weights = weights;
    f->room = room;
    f->growths++;
    return FUSOR_OK;
}

static uint64_t wide_id(uint32_t id)
{
    return id == UINT32_MAX ? BATCH_NO_ID : id;
}

/* The unknown key's row of a side table serves a missing key too. */
static uint32_t table_row(uint32_t key)
{
    return key == NO_KEY ? VOCAB_UNKNOWN : key;
}

/* Where a sample's or query's value stands in the columns of a field.
 * @return NO_ROW: nowhere */
static uint32_t place(const struct side *s, enum field_origin origin,
                      uint32_t i)
{
    if (origin == ORIGIN_QUERY)
        return table_row(s->query[i]);
    if (origin == ORIGIN_ITEM)
        return table_row(s->item[i]);
    return s->row[i];
}

static void fill_keys(const uint32_t *keys, uint32_t n, uint64_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = wide_id(keys[i]);
}

static void fill_categorical(const struct column_view *c, const struct side *s,
                             enum field_origin origin, uint64_t *out)
{
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t at = place(s, origin, i);

        if (at == NO_ROW)
            out[i] = BATCH_NO_ID;
        else if (c->u32)
            out[i] = wide_id(c->u32[at]);
        else
            out[i] = c->u64[at];
    }
}

static void fill_dense(const float *column, const struct side *s,
                       enum field_origin origin, uint32_t width, float *out)
{
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t at = place(s, origin, i);

        if (at == NO_ROW)
            memset(out, 0, width * sizeof(*out));
        else if (width == 1)
            *out = column[at];
        else
            memcpy(out, column + (size_t)at * width, width * sizeof(*out));
        out += width;
    }
}

static struct match_text text_of(const struct column_view *c, uint32_t key)
{
    uint32_t at = table_row(key);

    return (struct match_text){c->u32 + c->u64[at],
                               (uint32_t)(c->u64[at + 1] - c->u64[at])};
}

static void match_sample(const struct dataset_field *f, const struct side *s,
                         uint32_t i, float *out)
{
    match_compute(&f->match, text_of(f->texts[0], s->query[i]),
                  text_of(f->texts[1], s->item[i]),
                  f->owned_matches ? f->owned_matches + table_row(s->query[i])
                                   : NULL,
                  out);
}

/* What is kept is of the row's own item. */
static void fill_match(const struct dataset *ds, const struct dataset_field *f,
                       uint32_t part, const struct side *s, float *out)
{
    const uint32_t *item = ds->parts[part].item;
    struct match_memo *kept = f->kept[part];

    for (uint32_t i = 0; i < s->n; i++, out += f->match.n_features) {
        uint32_t row = s->row[i];
        int keeps = kept && row != NO_ROW && s->item[i] == item[row];

        if (keeps && match_memo_find(kept, row, out))
            continue;
        match_sample(f, s, i, out);
        if (keeps)
            match_memo_keep(kept, row, out);
    }
}

/* Which events of its query a row sees: of each set the first n, in one order,
 * less the `skip` oldest. */
struct event_range {
    uint64_t first[N_EVENT_SETS], n[N_EVENT_SETS];
    uint64_t skip;
};

static struct event_range visible_events(const struct dataset *ds,
                                         const struct dataset_field *f,
                                         const struct side *s, uint32_t i)
{
    uint32_t q = table_row(s->query[i]);
    struct event_range r = {{0}, {0}, 0};
    uint64_t n = 0;

    for (int k = 0; k < N_EVENT_SETS; k++) {
        if (!f->events[k])
            continue;
        r.first[k] = ds->history[k]->offsets[q];
        r.n[k] = f->origin == ORIGIN_HISTORY
                     ? s->before[k][i]
                     : ds->history[k]->offsets[q + 1] - r.first[k];
        n += r.n[k];
    }
    if (f->max && n > f->max)
        r.skip = n - f->max;
    return r;
}

static uint64_t count_visible(const struct event_range *r)
{
    return r->n[EVENTS_TRAIN] + r->n[EVENTS_VALID] - r->skip;
}

static void copy_events(const struct dataset *ds, const struct dataset_field *f,
                        const struct event_range *r, uint64_t *out)
{
    const uint64_t *train = f->events[EVENTS_TRAIN] + r->first[EVENTS_TRAIN];
    uint64_t n = r->n[EVENTS_TRAIN], n_valid = r->n[EVENTS_VALID], v = 0;
    const uint64_t *valid;
    const uint32_t *rank;

    if (n_valid == 0) {
        memcpy(out, train + r->skip, (n - r->skip) * sizeof(*out));
        return;
    }
    valid = f->events[EVENTS_VALID] + r->first[EVENTS_VALID];
    rank = ds->valid_rank + r->first[EVENTS_VALID];
    for (uint64_t t = 0; t + v < n + n_valid;) {
        int drop = t + v < r->skip;
        uint64_t id =
            v < n_valid && (t == n || rank[v] <= t) ? valid[v++] : train[t++];

        if (!drop)
            *out++ = id;
    }
}

static enum fusor_status fill_events(const struct dataset *ds,
                                     const struct dataset_field *f,
                                     const struct side *s,
                                     struct field_buffer *out,
                                     struct fusor_error *err)
{
    struct event_range r;
    uint64_t n = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        r = visible_events(ds, f, s, i);
        n += count_visible(&r);
    }
    FUSOR_TRY(reserve(out, n, err));
    n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        r = visible_events(ds, f, s, i);
        out->offsets[i] = (uint32_t)n;
        copy_events(ds, f, &r, out->ids + n);
        n += count_visible(&r);
    }
    out->offsets[s->n] = (uint32_t)n;
    return FUSOR_OK;
}

static enum fusor_status fill_list(const struct column_view *c,
                                   const struct side *s,
                                   enum field_origin origin,
                                   struct field_buffer *out,
                                   struct fusor_error *err)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t at = place(s, origin, i);

        if (at != NO_ROW)
            n += c->u64[at + 1] - c->u64[at];
    }
    FUSOR_TRY(reserve(out, n, err));
    n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t at = place(s, origin, i);
        uint64_t k = at == NO_ROW ? 0 : c->u64[at];
        uint64_t end = at == NO_ROW ? 0 : c->u64[at + 1];

        out->offsets[i] = (uint32_t)n;
        for (; k < end; k++, n++) {
            out->ids[n] = wide_id(c->u32[k]);
            if (out->weights)
                out->weights[n] = c->weights ? c->weights[k] : 1.0f;
        }
    }
    out->offsets[s->n] = (uint32_t)n;
    return FUSOR_OK;
}

/* A row's own item: files keyed by rows say nothing of others. */
static int is_own(const struct score_place *at, uint32_t i)
{
    const uint32_t *item = at->ds->parts[at->part].item;
    const struct side *s = at->side;

    return s->row[i] != NO_ROW &&
           (at->ds->n_items == 0 || s->item[i] == item[s->row[i]]);
}

/* The file that speaks about sample i, or NULL. */
static const struct scores *file_of(const struct score_place *at, uint32_t i)
{
    const struct foreign *f = at->foreign;

    return f->file[at->side->row[i] == NO_ROW ? f->without_row : (int)at->part];
}

/* user "7" and item "12", row 3 of the test part */
static enum fusor_status say_missing(const struct batch_source *self,
                                     uint32_t i, struct fusor_error *err)
{
    static const char *const parts[] = {"train", "valid", "test"};
    const struct score_place *at = (const struct score_place *)self;
    const struct foreign *f = at->foreign;
    const struct side *s = at->side;
    const struct schema *schema = &at->ds->schema;
    const char *query = NULL, *item = NULL;
    char pair[256] = "", row[64] = "";

    if (f->queries && f->items && s->query[i] != NO_KEY) {
        query = vocab_text(f->queries, s->query[i], NULL);
        item = vocab_text(f->items, s->item[i], NULL);
    }
    if (query && item)
        snprintf(pair, sizeof(pair), "%s \"%.60s\" and %s \"%.60s\"",
                 schema->fields[schema->query_key].spec.name, query,
                 schema->fields[schema->item_key].spec.name, item);
    if (s->row[i] != NO_ROW)
        snprintf(row, sizeof(row), "%srow %u of the %s part", *pair ? ", " : "",
                 s->row[i], parts[at->part]);
    return fusor_fail(err, FUSOR_EDATA,
                      "tower %s: no score of %s%s%s: add it, or say missing: "
                      "drop_tower, or a number",
                      f->tower, pair, row,
                      file_of(at, i) ? "" : ", for which no file is given");
}

static void fill_scores(const struct score_place *at, float *out)
{
    const struct side *s = at->side;

    for (uint32_t i = 0; i < s->n; i++) {
        const struct scores *file = file_of(at, i);

        out[i] = NAN;
        if (file && !scores_by_row(file))
            out[i] = scores_of_pair(file, s->query[i], s->item[i]);
        else if (file && is_own(at, i))
            out[i] = scores_of_row(file, s->row[i]);
        if (isnan(out[i]) && at->foreign->missing == SCORES_VALUE)
            out[i] = at->foreign->value;
    }
}

enum fusor_status gather_field(const struct dataset *ds, size_t i,
                               uint32_t part, const struct side *s,
                               struct field_buffer *b, struct batch_field *out,
                               struct fusor_error *err)
{
    const struct field_spec *spec = &ds->specs[i];
    const struct dataset_field *f = &ds->fields[i];
    uint32_t p = f->origin == ORIGIN_ROW ? part : 0;
    uint32_t n = s->n;

    b->place = (struct score_place){{say_missing}, ds, f->foreign, s, part};
    if (f->streamed || f->packed)
        n = s->n; // gather_streamed() or gather_packed() was here
    else if (f->left_out)
        memset(b->offsets, 0, ((size_t)s->n + 1) * sizeof(*b->offsets));
    else if (f->origin == ORIGIN_QUERY_KEY)
        fill_keys(s->query, s->n, b->ids);
    else if (f->origin == ORIGIN_ITEM_KEY)
        fill_keys(s->item, s->n, b->ids);
    else if (f->origin == ORIGIN_HISTORY || f->origin == ORIGIN_BAG)
        FUSOR_TRY(fill_events(ds, f, s, b, err));
    else if (f->origin == ORIGIN_SCORES)
        fill_scores(&b->place, b->dense);
    else if (f->origin == ORIGIN_MATCH)
        fill_match(ds, f, part, s, b->dense);
    else if (is_dense(spec))
        fill_dense(f->dense[p], s, f->origin, spec->width, b->dense);
    else if (is_list(spec))
        FUSOR_TRY(fill_list(f->column[p], s, f->origin, b, err));
    else
        fill_categorical(f->column[p], s, f->origin, b->ids);
    if (is_list(spec))
        n = b->offsets[s->n];
    else if (is_dense(spec))
        n = 0;
    *out = (struct batch_field){
        .dense = b->dense,
        .ids = b->ids,
        .offsets = b->offsets,
        .weights = b->weights,
        .n_values = n,
        .source = f->foreign ? &b->place.source : NULL,
    };
    return FUSOR_OK;
}

enum fusor_status gather_text(struct field_buffer *b, const uint32_t *ids,
                              uint32_t n, struct batch_field *out,
                              struct fusor_error *err)
{
    FUSOR_TRY(reserve(b, n, err));
    for (uint32_t i = 0; i < n; i++)
        b->ids[i] = ids[i];
    b->offsets[0] = 0;
    b->offsets[1] = n;
    *out = (struct batch_field){
        .dense = b->dense, .ids = b->ids, .offsets = b->offsets, .n_values = n};
    return FUSOR_OK;
}

enum fusor_status gather_texts(const struct dataset *ds, size_t from,
                               const uint32_t *keys, uint32_t n,
                               struct field_buffer *b, struct batch_field *out,
                               struct fusor_error *err)
{
    uint64_t n_values = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t some;

        (void)dataset_list(ds, from, keys[i], &some);
        n_values += some;
    }
    FUSOR_TRY(reserve(b, n_values, err));
    n_values = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t some;
        const uint32_t *terms = dataset_list(ds, from, keys[i], &some);

        b->offsets[i] = (uint32_t)n_values;
        for (uint32_t k = 0; k < some; k++)
            b->ids[n_values++] = wide_id(terms[k]);
    }
    b->offsets[n] = (uint32_t)n_values;
    *out = (struct batch_field){.dense = b->dense,
                                .ids = b->ids,
                                .offsets = b->offsets,
                                .n_values = (uint32_t)n_values};
    return FUSOR_OK;
}

uint32_t gather_augment(const struct side *s, struct field_buffer *b,
                        const struct augment *a, uint64_t epoch)
{
    uint32_t n = 0, first = b->offsets[0];

    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t end = b->offsets[i + 1], left;

        left = augment_events(a, epoch, s->row[i], b->ids + first, end - first);
        memmove(b->ids + n, b->ids + first, left * sizeof(*b->ids));
        b->offsets[i] = n;
        n += left;
        first = end;
    }
    b->offsets[s->n] = n;
    return n;
}
