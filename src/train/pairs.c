/* Reads which texts make a pair, and finds the items that have both. */
#include "train/pairs.h"

#include <string.h>

#include "base/mem.h"

#define WORD "_to_"

static int find_text(const struct dataset *ds, const char *name, size_t n)
{
    size_t n_fields;
    const struct field_spec *f = dataset_fields(ds, &n_fields);

    for (size_t i = 0; i < n_fields; i++)
        if (f[i].type == FIELD_TEXT && f[i].side == SIDE_ITEM &&
            strlen(f[i].name) == n && !strncmp(f[i].name, name, n))
            return (int)i;
    return -1;
}

/* Fields may have the word in their names: any cut that leaves two will do. */
static int read_names(const struct dataset *ds, const char *text,
                      struct batcher_pairs *out)
{
    for (const char *at = strstr(text, WORD); at; at = strstr(at + 1, WORD)) {
        const char *second = at + strlen(WORD);
        int from = find_text(ds, text, (size_t)(at - text));
        int to = find_text(ds, second, strlen(second));

        if (from >= 0 && to >= 0 && from != to) {
            *out = (struct batcher_pairs){(size_t)from, (size_t)to};
            return 0;
        }
    }
    return -1;
}

/* Is there a text of the query that the first text can stand for? */
static enum fusor_status check_query(struct yaml_node *at,
                                     const struct dataset *ds, size_t from,
                                     struct fusor_error *err)
{
    size_t n;
    const struct field_spec *f = dataset_fields(ds, &n);

    for (size_t i = 0; i < n; i++)
        if (f[i].side == SIDE_QUERY && f[i].type == FIELD_TEXT &&
            f[i].vocab == f[from].vocab)
            return FUSOR_OK;
    return yaml_fail(at, err,
                     "pairs: no text of the query has the vocabulary of %s, "
                     "which could stand in its place: prepare them with one "
                     "vocab",
                     f[from].name);
}

static enum fusor_status find_items(struct text_pairs *p,
                                    const struct dataset *ds,
                                    struct fusor_error *err)
{
    uint64_t n = dataset_n_items(ds);

    p->items = mem_alloc_raw(n + 1, sizeof(*p->items));
    if (!p->items)
        return mem_fail(err, "pairs", n * sizeof(*p->items));
    for (uint32_t i = VOCAB_UNKNOWN + 1; i < n; i++) {
        uint32_t n_from, n_to;

        (void)dataset_list(ds, p->fields.from, i, &n_from);
        (void)dataset_list(ds, p->fields.to, i, &n_to);
        if (n_from && n_to)
            p->items[p->n++] = i;
    }
    if (p->n == 0)
        return fusor_fail(err, FUSOR_EDATA,
                          "pairs: no item has a text in both fields");
    return FUSOR_OK;
}

enum fusor_status text_pairs_create(struct yaml_node *at,
                                    const struct dataset *ds,
                                    struct text_pairs **out,
                                    struct fusor_error *err)
{
    struct text_pairs *p;
    const char *text;
    enum fusor_status rc;

    FUSOR_TRY(yaml_to_text(at, &text, err));
    p = mem_alloc(1, sizeof(*p));
    if (!p)
        return mem_fail(err, "pairs", sizeof(*p));
    if (read_names(ds, text, &p->fields))
        rc =
            yaml_fail(at, err,
                      "pairs is \"%.60s\", but must be judged, or ONE_to_OTHER "
                      "of two texts of the item, such as title_to_body",
                      text);
    else
        rc = check_query(at, ds, p->fields.from, err);
    if (rc == FUSOR_OK)
        rc = find_items(p, ds, err);
    if (rc != FUSOR_OK) {
        text_pairs_destroy(p);
        return rc;
    }
    *out = p;
    return FUSOR_OK;
}

void text_pairs_destroy(struct text_pairs *p)
{
    if (!p)
        return;
    mem_free(p->items);
    mem_free(p);
}

void text_pairs_items(const struct text_pairs *p, uint32_t *places, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        places[i] = p->items[places[i]];
}
