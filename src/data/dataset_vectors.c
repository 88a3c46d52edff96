/* Fields whose values stand in a file of vectors beside the prepared folder,
 * joined by the id of the query or the item:
 *
 *   emb: {side: item, type: vector, file: emb.npy, ids: emb.ids}
 *
 * Row k belongs to the id on line k + 1 of `ids`; without ids, to the key that
 * is the number k. Ids that the folder does not know are left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/dataset_private.h"
#include "data/vectors.h"

#define IDS_MAX ((size_t)4 << 30) /* bytes of an id list */

struct join {
    struct yaml_node *at;
    const char *file, *ids, *tensor;
    int must_have; // missing: error
    struct vectors vectors;
    const struct vocab *vocab;
    uint32_t n; // ids of the side
    uint8_t *found;
    float *values;
};

static enum fusor_status text_of(struct yaml_node *node, const char *key,
                                 const char **out, struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(node, key);

    return at ? yaml_to_text(at, out, err) : FUSOR_OK;
}

static enum fusor_status read_settings(struct yaml_node *node, struct join *j,
                                       struct fusor_error *err)
{
    const char *missing = "zeros", *type = "vector";

    j->at = node;
    FUSOR_TRY(text_of(node, "file", &j->file, err));
    FUSOR_TRY(text_of(node, "ids", &j->ids, err));
    FUSOR_TRY(text_of(node, "tensor", &j->tensor, err));
    FUSOR_TRY(text_of(node, "type", &type, err));
    FUSOR_TRY(text_of(node, "missing", &missing, err));
    j->must_have = strcmp(missing, "error") == 0;
    if (strcmp(type, "vector"))
        return yaml_fail(yaml_get(node, "type"), err,
                         "a field with a file is of type vector, not %s", type);
    if (!j->must_have && strcmp(missing, "zeros"))
        return yaml_fail(yaml_get(node, "missing"), err,
                         "missing is zeros or error, not %s", missing);
    return FUSOR_OK;
}

static enum fusor_status put(struct join *j, uint64_t row, const char *id,
                             size_t length, struct fusor_error *err)
{
    uint32_t key = vocab_find(j->vocab, id, length);

    if (key == VOCAB_UNKNOWN || key >= j->n)
        return FUSOR_OK;
    if (j->found[key])
        return fusor_fail(err, FUSOR_EDATA, "%s: line %llu: id %.*s again",
                          j->ids, (unsigned long long)row + 1, (int)length, id);
    j->found[key] = 1;
    return vectors_read(&j->vectors, row,
                        j->values + (size_t)key * j->vectors.width, err);
}

static enum fusor_status join_list(struct join *j, struct fusor_error *err)
{
    uint64_t row = 0;
    enum fusor_status rc;
    char *text, *at;
    size_t n;

    FUSOR_TRY(fs_read(j->ids, IDS_MAX, &text, &n, err));
    rc = FUSOR_OK;
    for (at = text; rc == FUSOR_OK && at < text + n; row++) {
        size_t length = strcspn(at, "\n"), used = length;

        if (used && at[used - 1] == '\r')
            used--;
        if (row < j->vectors.n_rows)
            rc = put(j, row, at, used, err);
        at += length + 1;
    }
    if (rc == FUSOR_OK && row != j->vectors.n_rows)
        rc = fusor_fail(err, FUSOR_EDATA,
                        "%s holds %llu ids, %s %llu vectors: want one for each",
                        j->ids, (unsigned long long)row, j->file,
                        (unsigned long long)j->vectors.n_rows);
    mem_free(text);
    return rc;
}

/* Keys that are numbers name their rows. */
static enum fusor_status join_numbers(struct join *j, struct fusor_error *err)
{
    for (uint32_t key = 1; key < j->n && key < vocab_size(j->vocab); key++) {
        char number[24];
        size_t n;
        const char *text = vocab_text(j->vocab, key, &n);
        uint64_t row;

        if (n == 0 || n > 18)
            continue;
        memcpy(number, text, n);
        number[n] = '\0';
        if (strspn(number, "0123456789") != n)
            continue;
        row = strtoull(number, NULL, 10);
        if (row >= j->vectors.n_rows)
            continue;
        j->found[key] = 1;
        FUSOR_TRY(vectors_read(
            &j->vectors, row, j->values + (size_t)key * j->vectors.width, err));
    }
    return FUSOR_OK;
}

static enum fusor_status check_found(const struct join *j, const char *name,
                                     struct fusor_error *err)
{
    uint32_t n = 0, first = 0;

    for (uint32_t key = 1; key < j->n; key++) {
        n += j->found[key];
        if (!j->found[key] && !first)
            first = key;
    }
    if (n == 0)
        return yaml_fail(j->at, err,
                         "field \"%s\": no id of %s is known to the prepared "
                         "folder",
                         name, j->ids ? j->ids : j->file);
    if (j->must_have && first) {
        size_t length;
        const char *text = vocab_text(j->vocab, first, &length);

        return yaml_fail(j->at, err,
                         "field \"%s\": %u of %u ids have no vector, the first "
                         "is \"%.*s\" (missing: error)",
                         name, j->n - 1 - n, j->n - 1, (int)length, text);
    }
    return FUSOR_OK;
}

static enum fusor_status fill(struct dataset *ds, struct join *j, int key,
                              const char *name, struct fusor_error *err)
{
    size_t floats = (size_t)j->n * j->vectors.width;

    FUSOR_TRY(
        dataset_vocab(ds, ds->schema.fields[key].vocab_name, &j->vocab, err));
    j->found = mem_alloc(j->n, 1);
    j->values = mem_alloc(floats, sizeof(float));
    if (!j->found || !j->values)
        return mem_fail(err, "vectors", floats * sizeof(float));
    FUSOR_TRY(j->ids ? join_list(j, err) : join_numbers(j, err));
    return check_found(j, name, err);
}

static enum fusor_status add(struct dataset *ds, struct join *j,
                             const char *name, enum field_side side,
                             struct fusor_error *err)
{
    struct dataset_field *f = &ds->fields[ds->n_fields];
    struct field_spec *spec = &ds->specs[ds->n_fields];
    int query = side == SIDE_QUERY;
    int key = query ? ds->schema.query_key : ds->schema.item_key;

    if (key < 0)
        return yaml_fail(j->at, err,
                         "field \"%s\": the folder has no key of the %s to "
                         "join vectors by",
                         name, query ? "query" : "item");
    j->n = (uint32_t)(query ? ds->n_queries : ds->n_items);
    *spec = (struct field_spec){.type = FIELD_VECTOR,
                                .side = side,
                                .width = j->vectors.width,
                                .max_values = 1};
    snprintf(spec->name, sizeof(spec->name), "%s", name);
    f->origin = query ? ORIGIN_QUERY : ORIGIN_ITEM;
    if (!ds->options.outline) { // else shapes are all that is asked for
        FUSOR_TRY(fill(ds, j, key, name, err));
        f->owned_dense[0] = j->values;
        f->dense[0] = j->values;
        j->values = NULL;
    }
    ds->n_fields++;
    return FUSOR_OK;
}

enum fusor_status dataset_add_vectors(struct dataset *ds, const char *name,
                                      struct yaml_node *node,
                                      enum field_side side,
                                      struct fusor_error *err)
{
    struct join j = {.vectors = {.fd = -1}};
    enum fusor_status rc;

    if (side == SIDE_ROW)
        return yaml_fail(node, err,
                         "field \"%s\": vectors belong to a query or an item: "
                         "give it side: query or side: item",
                         name);
    FUSOR_TRY(read_settings(node, &j, err));
    rc = vectors_open(j.file, j.tensor, &j.vectors, err);
    if (rc == FUSOR_OK)
        rc = add(ds, &j, name, side, err);
    vectors_close(&j.vectors);
    mem_free(j.found);
    mem_free(j.values);
    return rc;
}
