/* Several score tables joined by key into one matrix. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/combine/scores_index.h"

enum fusor_status score_missing_parse(const char *text, enum score_missing *out,
                                      struct fusor_error *err)
{
    static const char *const names[] = {"error", "zero", "drop_tower", NULL};
    const char *near;

    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], text)) {
            *out = (enum score_missing)i;
            return FUSOR_OK;
        }
    }
    near = str_nearest(text, names);
    return fusor_fail(err, FUSOR_EUSAGE,
                      "missing: \"%s\" is not one of error, zero, "
                      "drop_tower%s%s",
                      text, near ? ": did you mean " : "", near ? near : "");
}

static enum fusor_status check_kinds(const struct score_table *tables, size_t m,
                                     const struct score_table *wanted,
                                     struct fusor_error *err)
{
    if (m < 1 || m > COMBINE_MAX)
        return fusor_fail(err, FUSOR_EINVAL,
                          "%zu score files: from 1 to %d can be joined", m,
                          COMBINE_MAX);
    if (!wanted)
        wanted = &tables[0];
    for (size_t j = 0; j < m; j++)
        if (tables[j].n_fields != wanted->n_fields)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s has %d fields a line, %s has %d: key both by "
                              "the same",
                              wanted->name, wanted->n_fields, tables[j].name,
                              tables[j].n_fields);
    return FUSOR_OK;
}

/* All keys of all tables in order of first sight; a table without name. */
static enum fusor_status unite(const struct score_table *tables, size_t m,
                               struct score_table *all, struct fusor_error *err)
{
    size_t found;

    all->n_fields = tables[0].n_fields;
    for (size_t j = 0; j < m; j++) {
        size_t i = all->n_fields == 1 ? all->n : 0;

        for (; i < tables[j].n; i++) {
            struct score_row row = tables[j].rows[i];

            row.score = 0;
            if (score_table_add(all, &row, &found) < 0)
                return mem_fail(err, "join of score files",
                                2 * all->n * sizeof(row));
        }
    }
    return FUSOR_OK;
}

static int shown(size_t n)
{
    return n < 60 ? (int)n : 60;
}

static void name_pair(const struct score_row *key, int n_fields, size_t place,
                      struct strbuf *out)
{
    if (n_fields == 3)
        strbuf_addf(out, "(%.*s, %.*s)", shown(key->user_len), key->key,
                    shown(key->key_len - key->user_len - 1),
                    key->key + key->user_len + 1);
    else if (n_fields == 2)
        strbuf_addf(out, "row %.*s", shown(key->key_len), key->key);
    else
        strbuf_addf(out, "line %zu", place + 1);
}

/* @param source the table the pair was seen in */
static enum fusor_status fail_missing(const struct score_table *t,
                                      const struct score_table *source,
                                      const struct score_row *key, size_t place,
                                      struct fusor_error *err)
{
    struct strbuf name = {0};

    name_pair(key, source->n_fields, place, &name);
    fusor_fail(err, FUSOR_EDATA,
               "%s has no score for %s, which is at %s:%zu: add it, or say "
               "missing: zero or missing: drop_tower",
               t->name, name.s ? name.s : "a pair", source->name,
               score_table_find(source, key, place) + 1);
    strbuf_clear(&name);
    return FUSOR_EDATA;
}

/* The first table that has the pair. */
static const struct score_table *source_of(const struct score_table *tables,
                                           const struct score_row *key,
                                           size_t place)
{
    while (score_table_find(tables, key, place) == SIZE_MAX)
        tables++;
    return tables;
}

/* Pairs of wanted that t lacks. @param first the first of them */
static size_t count_missing(const struct score_table *t,
                            const struct score_table *wanted, size_t *first)
{
    size_t n = 0;

    for (size_t i = 0; i < wanted->n; i++) {
        if (score_table_find(t, &wanted->rows[i], i) != SIZE_MAX)
            continue;
        if (n++ == 0)
            *first = i;
    }
    return n;
}

static enum fusor_status
choose_towers(const struct score_table *tables, size_t m,
              const struct score_table *wanted, enum score_missing missing,
              struct score_join *j, struct fusor_error *err)
{
    for (size_t t = 0; t < m; t++) {
        size_t first = 0;

        j->n_missing[t] = count_missing(&tables[t], wanted, &first);
        if (j->n_missing[t] && missing == SCORE_MISSING_ERROR)
            return fail_missing(
                &tables[t],
                wanted->name ? wanted
                             : source_of(tables, &wanted->rows[first], first),
                &wanted->rows[first], first, err);
        if (!j->n_missing[t] || missing == SCORE_MISSING_ZERO)
            j->tower[j->m++] = t;
    }
    if (j->m == 0)
        return fusor_fail(err, FUSOR_EDATA,
                          "missing: drop_tower leaves no tower: %s and all "
                          "others lack pairs",
                          tables[0].name);
    return FUSOR_OK;
}

static enum fusor_status fill(const struct score_table *tables,
                              const struct score_table *wanted,
                              struct score_join *j, struct fusor_error *err)
{
    j->n = wanted->n;
    j->rows = mem_alloc_raw(j->n, sizeof(*j->rows));
    j->scores = mem_alloc(j->n, j->m * sizeof(*j->scores));
    if (!j->rows || !j->scores)
        return mem_fail(err, "join of score files",
                        j->n * j->m * sizeof(*j->scores));
    memcpy(j->rows, wanted->rows, j->n * sizeof(*j->rows));
    for (size_t i = 0; i < j->n; i++) {
        for (size_t c = 0; c < j->m; c++) {
            const struct score_table *t = &tables[j->tower[c]];
            size_t row = score_table_find(t, &wanted->rows[i], i);

            if (row != SIZE_MAX)
                j->scores[i * j->m + c] = t->rows[row].score;
        }
    }
    return FUSOR_OK;
}

/* Number the users in order of first sight. */
static enum fusor_status number_queries(struct score_join *j,
                                        struct fusor_error *err)
{
    struct score_table users = {.name = "users", .n_fields = 2};
    enum fusor_status rc = FUSOR_OK;
    size_t found;

    j->query = mem_alloc_raw(j->n, sizeof(*j->query));
    for (size_t i = 0; i < j->n; i++) {
        struct score_row user = {.key = j->rows[i].key,
                                 .key_len = j->rows[i].user_len};

        if (!j->query || score_table_add(&users, &user, &found) < 0) {
            rc = mem_fail(err, "join of score files", j->n * sizeof(user));
            break;
        }
        j->query[i] = (uint32_t)found;
    }
    j->n_queries = (uint32_t)users.n;
    score_table_clear(&users);
    return rc;
}

enum fusor_status scores_join(const struct score_table *tables, size_t m,
                              const struct score_table *wanted,
                              enum score_missing missing,
                              struct score_join *out, struct fusor_error *err)
{
    struct score_table all = {0};
    struct score_join j = {0};
    enum fusor_status rc;

    FUSOR_TRY(check_kinds(tables, m, wanted, err));
    if (!wanted) {
        rc = unite(tables, m, &all, err);
        if (rc != FUSOR_OK)
            goto out;
        wanted = &all;
    }
    rc = choose_towers(tables, m, wanted, missing, &j, err);
    if (rc == FUSOR_OK)
        rc = fill(tables, wanted, &j, err);
    if (rc == FUSOR_OK && wanted->n_fields == 3)
        rc = number_queries(&j, err);
out:
    score_table_clear(&all);
    if (rc == FUSOR_OK)
        *out = j;
    else
        score_join_clear(&j);
    return rc;
}

void score_join_clear(struct score_join *j)
{
    mem_free(j->scores);
    mem_free(j->rows);
    mem_free(j->query);
    memset(j, 0, sizeof(*j));
}
