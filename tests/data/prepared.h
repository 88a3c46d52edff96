/* A small prepared folder for tests: users and items with their side tables,
 * written as `fusor prepare` would. */
#ifndef TESTS_DATA_PREPARED_H
#define TESTS_DATA_PREPARED_H

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "data/part.h"
#include "data/schema.h"
#include "harness.h"

struct event {
    uint32_t user, item;
    float label;
    int64_t time;
    uint8_t fold;
};

/* user (query key), age (dense, query), item (item key), genres (multi with
 * weights, item), price (dense, item), hour (categorical, row); when asked for,
 * bought (dense, row): 1 for a label above 3, else 0, missing for item 1. */
enum {
    F_USER,
    F_AGE,
    F_ITEM,
    F_GENRES,
    F_PRICE,
    F_HOUR,
    N_FIELDS,
    F_BOUGHT = N_FIELDS
};

struct prepared {
    const char *dir;
    uint32_t n_users, n_items; // id 0 included
    const struct event *train, *valid, *test;
    uint64_t n_train, n_valid, n_test;
    uint32_t n_folds;
    int no_time, weighted; // weight of a row: its item's id
    int bought;            // that field is there
    const char *transform; // of price, or NULL
};

static inline void prepared_field(struct schema *s, int i, const char *name,
                                  enum field_type type, enum field_side side,
                                  uint64_t cardinality)
{
    struct schema_field *f = &s->fields[i];

    snprintf(f->spec.name, sizeof(f->spec.name), "%s", name);
    f->spec.type = type;
    f->spec.side = side;
    f->spec.width = 1;
    f->spec.cardinality = cardinality;
    f->spec.max_values = type == FIELD_MULTI ? 2 : 1;
    f->spec.vocab = (uint32_t)i;
    f->std = 1;
}

static inline void prepared_schema(const struct prepared *p)
{
    struct schema *s = mem_alloc(1, sizeof(*s));

    REQUIRE(s != NULL);
    s->version = SCHEMA_VERSION;
    snprintf(s->protocol, sizeof(s->protocol), "%s",
             p->n_folds ? "kfold-official" : "loo-full");
    s->protocol_version = 1;
    s->n_folds = p->n_folds;
    s->n_train = p->n_train;
    s->n_valid = p->n_valid;
    s->n_test = p->n_test;
    s->has_time = !p->no_time;
    s->has_weight = p->weighted;
    snprintf(s->label, sizeof(s->label), "rating");
    s->label_min = 1;
    s->label_max = 5;
    s->n_fields = N_FIELDS;
    if (p->bought)
        prepared_field(s, (int)s->n_fields++, "bought", FIELD_DENSE, SIDE_ROW,
                       0);
    prepared_field(s, F_USER, "user", FIELD_CATEGORICAL, SIDE_QUERY,
                   p->n_users);
    prepared_field(s, F_AGE, "age", FIELD_DENSE, SIDE_QUERY, 0);
    prepared_field(s, F_ITEM, "item", FIELD_CATEGORICAL, SIDE_ITEM, p->n_items);
    prepared_field(s, F_GENRES, "genres", FIELD_MULTI, SIDE_ITEM, 1000);
    prepared_field(s, F_PRICE, "price", FIELD_DENSE, SIDE_ITEM, 0);
    prepared_field(s, F_HOUR, "hour", FIELD_CATEGORICAL, SIDE_ROW, 24);
    s->fields[F_USER].is_key = s->fields[F_ITEM].is_key = 1;
    s->fields[F_GENRES].weighted = 1;
    snprintf(s->fields[F_PRICE].transform, sizeof(s->fields[0].transform), "%s",
             p->transform ? p->transform : "");
    snprintf(s->fields[F_ITEM].vocab_name, FIELD_NAME_MAX, "item");
    s->query_key = F_USER;
    s->item_key = F_ITEM;
    s->n_queries = p->n_users;
    s->n_items = p->n_items;
    REQUIRE(schema_write(s, p->dir, NULL) == FUSOR_OK);
    mem_free(s);
}

static inline void prepared_rows(const struct prepared *p, const char *file,
                                 const struct event *e, uint64_t n)
{
    static const struct column_spec specs[] = {
        {"user", COLUMN_U32, 1, 0},   {"item", COLUMN_U32, 1, 0},
        {"hour", COLUMN_U32, 1, 0},   {"label", COLUMN_F32, 1, 0},
        {"time", COLUMN_I64, 1, 0},   {"fold", COLUMN_U8, 1, 0},
        {"weight", COLUMN_F32, 1, 0}, {"bought", COLUMN_F32, 1, 0}};
    struct part_writer *w;
    char path[FS_PATH_MAX];

    REQUIRE(part_create(fs_join(path, p->dir, file), specs, 8, &w, NULL) ==
            FUSOR_OK);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t hour = (uint32_t)(e[i].time % 24);
        float weight = (float)e[i].item;
        float bought = e[i].item == 1 ? NAN : e[i].label > 3 ? 1.0f : 0.0f;

        if (e[i].time < 0)
            hour = UINT32_MAX; // missing
        part_add(w, 0, &e[i].user, 1, NULL);
        part_add(w, 1, &e[i].item, 1, NULL);
        part_add(w, 2, &hour, 1, NULL);
        part_add(w, 3, &e[i].label, 1, NULL);
        part_add(w, 4, &e[i].time, 1, NULL);
        part_add(w, 5, &e[i].fold, 1, NULL);
        part_add(w, 6, &weight, 1, NULL);
        part_add(w, 7, &bought, 1, NULL);
    }
    REQUIRE(part_finish(w, NULL) == FUSOR_OK);
}

/* age of user u: 10 u; missing for the unknown one. Item i has genres i and
 * i + 1 (none for id 0) weighing 0.5 and 2, and price i * i. */
static inline void prepared_tables(const struct prepared *p)
{
    static const struct column_spec age[] = {{"age", COLUMN_F32, 1, 0}};
    static const struct column_spec item[] = {{"genres", COLUMN_LIST, 1, 1},
                                              {"price", COLUMN_F32, 1, 0}};
    static const float weights[] = {0.5f, 2.0f};
    struct part_writer *w;
    char path[FS_PATH_MAX];

    REQUIRE(part_create(fs_join(path, p->dir, "query.part"), age, 1, &w,
                        NULL) == FUSOR_OK);
    for (uint32_t u = 0; u < p->n_users; u++) {
        float v = u ? 10.0f * (float)u : NAN;

        part_add(w, 0, &v, 1, NULL);
    }
    REQUIRE(part_finish(w, NULL) == FUSOR_OK);
    REQUIRE(part_create(fs_join(path, p->dir, "item.part"), item, 2, &w,
                        NULL) == FUSOR_OK);
    for (uint32_t i = 0; i < p->n_items; i++) {
        uint32_t genres[2] = {i, i + 1};
        float price = (float)(i * i);

        part_add_list(w, 0, genres, weights, i ? 2 : 0, NULL);
        part_add(w, 1, &price, 1, NULL);
    }
    REQUIRE(part_finish(w, NULL) == FUSOR_OK);
}

static inline void prepared_names(const struct prepared *p)
{
    struct vocab *v = vocab_create(NULL);
    char path[FS_PATH_MAX], text[32];

    REQUIRE(v != NULL);
    for (uint32_t i = 1; i < p->n_items; i++) {
        snprintf(text, sizeof(text), "item %u", i);
        vocab_add(v, text, strlen(text));
    }
    REQUIRE(vocab_write(v, fs_join(path, p->dir, "item.vocab"), NULL) ==
            FUSOR_OK);
    vocab_destroy(v);
}

/** Write the folder anew at <tmpdir>/name; p->dir is set. */
static inline void prepared_write(struct prepared *p, const char *name)
{
    static char dir[FS_PATH_MAX];

    p->dir = fs_join(dir, test_tmpdir(), name);
    REQUIRE(fs_remove_tree(dir, NULL) == FUSOR_OK);
    REQUIRE(fs_mkdirs(dir, NULL) == FUSOR_OK);
    prepared_rows(p, p->n_folds ? "rows.part" : "train.part", p->train,
                  p->n_train);
    if (p->n_valid)
        prepared_rows(p, "valid.part", p->valid, p->n_valid);
    if (p->n_test)
        prepared_rows(p, "test.part", p->test, p->n_test);
    prepared_tables(p);
    prepared_names(p);
    prepared_schema(p);
}

/** Parse a piece of a job; the caller destroys it. */
static inline struct yaml *prepared_yaml(const char *text)
{
    struct fusor_error err = {0};
    struct yaml *y = NULL;

    if (yaml_parse(text, strlen(text), "job.yaml", &y, &err) != FUSOR_OK)
        fprintf(stderr, "%s\n", err.text);
    REQUIRE(y != NULL);
    return y;
}

#endif
