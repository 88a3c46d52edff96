/* The folds that GroupLens ships with MovieLens 100K: u1.test ... u5.test
 * beside the ratings; their rows are found in the data by (user, item). Every
 * row must be in exactly one of them. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/protocol/all.h"
#include "data/reader/formats.h"

#define MAX_FOLDS 9 /* u1 to u9 */
#define NO_FOLD 255

/* (query, item) -> row number + 1, open addressing, at most half full. */
struct pair_index {
    uint64_t *rows;
    size_t mask;
    const struct split_facts *facts;
};

static uint64_t *pair_slot(const struct pair_index *x, uint32_t query,
                           uint32_t item)
{
    size_t i = hash_mix((uint64_t)query << 32 | item) & x->mask;

    while (x->rows[i] && (x->facts->query[x->rows[i] - 1] != query ||
                          x->facts->item[x->rows[i] - 1] != item))
        i = (i + 1) & x->mask;
    return &x->rows[i];
}

static enum fusor_status index_pairs(const struct split_facts *facts,
                                     struct pair_index *x,
                                     struct fusor_error *err)
{
    size_t size = 16;

    while (size < 2 * facts->n)
        size *= 2;
    x->facts = facts;
    x->mask = size - 1;
    x->rows = mem_alloc(size, sizeof(*x->rows));
    if (!x->rows)
        return mem_fail(err, "official folds", size * sizeof(*x->rows));
    for (uint64_t row = 0; row < facts->n; row++)
        *pair_slot(x, facts->query[row], facts->item[row]) = row + 1;
    return FUSOR_OK;
}

static enum fusor_status mark_row(const struct pair_index *x,
                                  const struct table_row *row, const char *path,
                                  uint8_t fold, uint8_t *part,
                                  struct fusor_error *err)
{
    const struct cell *c = row->cells;
    uint64_t at = 0;
    uint32_t query, item;

    if (!row->fault) {
        query = vocab_find(x->facts->queries, c[0].text, c[0].n);
        item = vocab_find(x->facts->items, c[1].text, c[1].n);
        at = *pair_slot(x, query, item);
    }
    if (!at || part[at - 1] != NO_FOLD)
        return fusor_fail(err, FUSOR_EDATA, "%s:%llu: %s", path,
                          (unsigned long long)row->line,
                          row->fault ? row->fault
                          : at       ? "this row is in another fold too"
                                     : "no such row in the data");
    part[at - 1] = fold;
    return FUSOR_OK;
}

static enum fusor_status mark_fold(const struct pair_index *x, const char *path,
                                   uint8_t fold, uint8_t *part,
                                   struct fusor_error *err)
{
    static const char *const columns[] = {"user", "item", "rating", "time"};
    struct delimited_options o = {
        .separator = "\t", .header = columns, .n_header = 4};
    struct table *t = NULL;
    enum fusor_status rc;
    int end = 0;

    FUSOR_TRY(delimited_open(path, &o, &t, err));
    for (rc = FUSOR_OK; rc == FUSOR_OK && !end;) {
        struct table_row row = {0};

        rc = table_next(t, &row, &end, err);
        if (rc == FUSOR_OK && !end)
            rc = mark_row(x, &row, path, fold, part, err);
    }
    table_close(t);
    return rc;
}

static enum fusor_status mark_all(const struct split_facts *facts,
                                  const struct pair_index *x,
                                  struct split_result *out,
                                  struct fusor_error *err)
{
    char dir[FS_PATH_MAX], path[FS_PATH_MAX], name[16], *slash;

    fs_join(dir, facts->input, "");
    slash = strrchr(dir, '/');
    if (!fs_is_dir(facts->input))
        strcpy(slash ? slash + 1 : dir, "");
    memset(out->part, NO_FOLD, facts->n);
    for (unsigned k = 1; k <= MAX_FOLDS; k++) {
        snprintf(name, sizeof(name), "u%u.test", k);
        if (!fs_exists(fs_join(path, dir, name)))
            break;
        FUSOR_TRY(mark_fold(x, path, (uint8_t)(k - 1), out->part, err));
        out->n_folds = k;
    }
    if (out->n_folds < 2)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "kfold-official: no u1.test, u2.test ... beside %s: "
                          "take kfold-random",
                          facts->input);
    for (uint64_t row = 0; row < facts->n; row++)
        if (out->part[row] == NO_FOLD)
            return fusor_fail(err, FUSOR_EDATA,
                              "kfold-official: row %llu of the data is in none "
                              "of the %u test files",
                              (unsigned long long)row + 1, out->n_folds);
    return FUSOR_OK;
}

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    struct pair_index x = {0};
    enum fusor_status rc = index_pairs(facts, &x, err);

    if (rc == FUSOR_OK)
        rc = mark_all(facts, &x, out, err);
    mem_free(x.rows);
    return rc;
}

const struct protocol_ops protocol_kfold_official = {
    .name = "kfold-official",
    .version = 1,
    .flags = PROTOCOL_FOLDS | PROTOCOL_QUERY | PROTOCOL_ITEM,
    .help = "the five folds of MovieLens 100K (u1.test to u5.test)",
    .assign = assign};
