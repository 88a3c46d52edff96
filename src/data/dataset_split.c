/* Parts of a prepared folder and which of their rows train, validate and test.
 * Knows nothing of the job's fields. */

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/dataset_private.h"

static enum fusor_status need_column(const struct row_part *p, const char *file,
                                     const char *name, enum column_type type,
                                     const struct column_view **out,
                                     struct fusor_error *err)
{
    *out = part_find(p->part, name);
    if (*out && (*out)->spec.type == type)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EDATA,
                      "%s: column \"%s\" is %s: run fusor prepare again", file,
                      name, *out ? "of another type" : "missing");
}

/* The key's ids in the rows. A key hashed to 64 bits joins no table and makes
 * no queries: its field is then an ordinary one of the row. */
static enum fusor_status bind_key(const struct dataset *ds, int key,
                                  const struct row_part *p, const char *file,
                                  const uint32_t **out, int *joins,
                                  struct fusor_error *err)
{
    const struct column_view *c;
    const char *name;

    *out = NULL;
    *joins = 0;
    if (key < 0)
        return FUSOR_OK;
    name = ds->schema.fields[key].spec.name;
    c = part_find(p->part, name);
    if (c && c->spec.type == COLUMN_U64)
        return FUSOR_OK;
    FUSOR_TRY(need_column(p, file, name, COLUMN_U32, &c, err));
    *out = c->u32;
    *joins = 1;
    return FUSOR_OK;
}

static enum fusor_status bind_columns(const struct dataset *ds,
                                      struct row_part *p, const char *file,
                                      struct fusor_error *err)
{
    const struct column_view *c;

    FUSOR_TRY(bind_key(ds, ds->schema.query_key, p, file, &p->query,
                       &p->joins_queries, err));
    FUSOR_TRY(bind_key(ds, ds->schema.item_key, p, file, &p->item,
                       &p->joins_items, err));
    FUSOR_TRY(need_column(p, file, "label", COLUMN_F32, &c, err));
    p->labels[0] = c->f32; // unless a field is learnt in its place
    if (ds->schema.has_weight) {
        FUSOR_TRY(need_column(p, file, "weight", COLUMN_F32, &c, err));
        p->weight = c->f32;
    }
    if (ds->schema.has_time) {
        FUSOR_TRY(need_column(p, file, "time", COLUMN_I64, &c, err));
        p->time = c->i64;
    }
    return FUSOR_OK;
}

static enum fusor_status open_rows(struct dataset *ds, int index,
                                   const char *file, uint64_t expected,
                                   struct fusor_error *err)
{
    struct row_part *p = &ds->parts[index];
    char path[FS_PATH_MAX];

    fs_join(path, ds->dir, file);
    if (index == 0)
        dataset_choose_cache(ds, path);
    if (ds->options.outline)
        FUSOR_TRY(part_open_outline(path, &p->part, err));
    else if (ds->options.cache == CACHE_STREAM)
        FUSOR_TRY(part_open_some(path, dataset_keeps, ds, &p->part, err));
    else
        FUSOR_TRY(part_open(path, &p->part, err));
    p->n = part_rows(p->part);
    if (p->n != expected)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: %llu rows, schema.yaml says %llu: run fusor "
                          "prepare again",
                          path, (unsigned long long)p->n,
                          (unsigned long long)expected);
    if (p->n >= UINT32_MAX)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: %llu rows, a part takes fewer than %lu", path,
                          (unsigned long long)p->n, (unsigned long)UINT32_MAX);
    return bind_columns(ds, p, path, err);
}

static enum fusor_status open_table(const struct dataset *ds, const char *file,
                                    uint64_t n_ids, struct part **out,
                                    struct fusor_error *err)
{
    char path[FS_PATH_MAX];

    fs_join(path, ds->dir, file);
    if (!fs_exists(path))
        return FUSOR_OK;
    FUSOR_TRY(ds->options.outline ? part_open_outline(path, out, err)
                                  : part_open(path, out, err));
    if (part_rows(*out) != n_ids)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: %llu rows for %llu ids: run fusor prepare again",
                          path, (unsigned long long)part_rows(*out),
                          (unsigned long long)n_ids);
    return FUSOR_OK;
}

static uint64_t key_ids(const struct schema *s, int key, uint64_t n_rows)
{
    if (key < 0)
        return 0;
    return n_rows ? n_rows : s->fields[key].spec.cardinality;
}

/* A table without a key that joins it has no ids. */
static void count_keys(struct dataset *ds)
{
    const struct schema *s = &ds->schema;

    ds->n_queries = key_ids(s, s->query_key, s->n_queries);
    ds->n_items = key_ids(s, s->item_key, s->n_items);
    if (!ds->parts[0].joins_queries)
        ds->n_queries = 0;
    if (!ds->parts[0].joins_items)
        ds->n_items = 0;
}

static enum fusor_status open_candidates(struct dataset *ds,
                                         struct fusor_error *err)
{
    const struct column_view *c;
    char path[FS_PATH_MAX];

    fs_join(path, ds->dir, "candidates.part");
    if (!fs_exists(path))
        return FUSOR_OK;
    FUSOR_TRY(part_open(path, &ds->candidates, err));
    c = part_find(ds->candidates, "candidates");
    if (!c || c->spec.type != COLUMN_LIST ||
        part_rows(ds->candidates) != ds->parts[SPLIT_TEST].n)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: no list of candidates for each of %llu test "
                          "rows: run fusor prepare again",
                          path, (unsigned long long)ds->parts[SPLIT_TEST].n);
    for (uint64_t i = 0; i < c->n_values; i++)
        if (c->u32[i] >= ds->n_items)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: item %lu, expected below %llu: run fusor "
                              "prepare again",
                              path, (unsigned long)c->u32[i],
                              (unsigned long long)ds->n_items);
    return FUSOR_OK;
}

enum fusor_status dataset_open_parts(struct dataset *ds,
                                     struct fusor_error *err)
{
    const struct schema *s = &ds->schema;

    if (s->n_folds) {
        FUSOR_TRY(open_rows(ds, 0, "rows.part", s->n_train, err));
    } else {
        FUSOR_TRY(open_rows(ds, 0, "train.part", s->n_train, err));
        if (s->n_valid)
            FUSOR_TRY(open_rows(ds, 1, "valid.part", s->n_valid, err));
        if (s->n_test)
            FUSOR_TRY(open_rows(ds, 2, "test.part", s->n_test, err));
    }
    count_keys(ds);
    if (!ds->options.outline)
        FUSOR_TRY(open_candidates(ds, err));
    FUSOR_TRY(
        open_table(ds, "query.part", ds->n_queries, &ds->query_table, err));
    return open_table(ds, "item.part", ds->n_items, &ds->item_table, err);
}

/* Which split a row of the first part belongs to. */
struct chooser {
    const uint8_t *fold; // NULL: no folds
    int64_t test_fold;
    double valid;
    uint64_t seed;
    uint32_t n_held, held;
};

#define SPLIT_NONE N_SPLITS /* a test row whose place a held fold takes */
#define HELD_STREAM 1       /* of RNG_SPLIT, where 0 chooses valid rows */

static enum split choose(const struct chooser *c, uint64_t row)
{
    struct rng r;

    if (c->fold && c->fold[row] == c->test_fold)
        return c->n_held ? SPLIT_NONE : SPLIT_TEST;
    if (c->valid > 0) {
        r = rng_stream(c->seed, RNG_SPLIT, 0, row);
        if (rng_double(&r) < c->valid)
            return SPLIT_VALID;
    }
    if (c->n_held == 0)
        return SPLIT_TRAIN;
    r = rng_stream(c->seed, RNG_SPLIT, HELD_STREAM, row);
    return rng_below(&r, c->n_held) == c->held ? SPLIT_TEST : SPLIT_TRAIN;
}

/* Give every row of part 0 to its split. */
static enum fusor_status select_rows(struct dataset *ds,
                                     const struct chooser *c,
                                     struct fusor_error *err)
{
    uint64_t n[N_SPLITS + 1] = {0}, rows = ds->parts[0].n;

    for (uint64_t i = 0; i < rows; i++)
        n[choose(c, i)]++;
    for (int s = 0; s < N_SPLITS; s++) {
        struct split_rows *split = &ds->splits[s];

        if (n[s] == 0 && s != SPLIT_TRAIN)
            continue;
        split->select = mem_alloc_raw(n[s], sizeof(*split->select));
        if (!split->select)
            return mem_fail(err, "split", n[s] * sizeof(*split->select));
        split->part = 0;
        split->n = 0;
    }
    for (uint64_t i = 0; i < rows; i++) {
        enum split s = choose(c, i);

        if (s != SPLIT_NONE)
            ds->splits[s].select[ds->splits[s].n++] = (uint32_t)i;
    }
    return FUSOR_OK;
}

static enum fusor_status check_fold(const struct dataset *ds,
                                    struct fusor_error *err)
{
    int64_t fold = ds->options.fold;
    uint32_t n = ds->schema.n_folds;

    if (n == 0 && fold >= 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: fold %lld asked for, but protocol %s has no "
                          "folds",
                          ds->dir, (long long)fold, ds->schema.protocol);
    if (n && (fold < 0 || fold >= n))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: protocol %s has folds 0 to %u: write data: "
                          "{fold: 0}",
                          ds->dir, ds->schema.protocol, n - 1);
    return FUSOR_OK;
}

static enum fusor_status check_valid(const struct dataset *ds,
                                     struct fusor_error *err)
{
    double valid = ds->options.valid;

    if (!(valid >= 0 && valid < 1))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: valid is %g, expected a share from 0 to below "
                          "1, such as 5%%",
                          ds->dir, valid);
    if (valid > 0 && ds->schema.n_valid)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: protocol %s has its own valid part of %llu "
                          "rows: delete \"valid\" from the job",
                          ds->dir, ds->schema.protocol,
                          (unsigned long long)ds->schema.n_valid);
    return FUSOR_OK;
}

enum fusor_status dataset_split(struct dataset *ds, struct fusor_error *err)
{
    struct chooser c = {.test_fold = ds->options.fold,
                        .valid = ds->options.valid,
                        .seed = ds->options.seed,
                        .n_held = ds->options.n_held,
                        .held = ds->options.held};
    const struct column_view *fold;

    FUSOR_TRY(check_fold(ds, err));
    FUSOR_TRY(check_valid(ds, err));
    for (uint32_t s = 0; s < N_SPLITS; s++) {
        ds->splits[s].part = s;
        ds->splits[s].n = ds->parts[s].n;
    }
    if (ds->schema.n_folds) {
        FUSOR_TRY(
            need_column(&ds->parts[0], ds->dir, "fold", COLUMN_U8, &fold, err));
        c.fold = fold->u8;
    }
    if (c.fold || c.valid > 0 || c.n_held)
        FUSOR_TRY(select_rows(ds, &c, err));
    if (c.n_held &&
        (ds->splits[SPLIT_TRAIN].n == 0 || ds->splits[SPLIT_TEST].part != 0))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: too few train rows for %u folds: one would have "
                          "none",
                          ds->dir, c.n_held);
    if (ds->splits[SPLIT_TRAIN].n == 0)
        return fusor_fail(err, FUSOR_EDATA, "%s: no train rows", ds->dir);
    return FUSOR_OK;
}
