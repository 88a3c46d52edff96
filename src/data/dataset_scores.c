/* A field for each tower of type scores: its settings, and its files. What the
 * settings mean is said in dataset.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/dataset_private.h"

static const char *const part_names[] = {"train", "valid", "test", NULL};

/* What a tower says besides. */
struct words {
    struct yaml_node *at, *file;
    const char *column;
    int probabilities;
};

static enum fusor_status read_missing(struct yaml_node *at, struct foreign *f,
                                      struct fusor_error *err)
{
    const char *text = "error";
    double value = 0;

    if (at)
        FUSOR_TRY(yaml_to_text(at, &text, err));
    if (!strcmp(text, "error") || !strcmp(text, "drop_tower"))
        f->missing = SCORES_NONE;
    else if (!str_to_double(text, &value) && isfinite(value))
        f->missing = SCORES_VALUE;
    else
        return yaml_fail(
            at, err, "missing is \"%s\": error, drop_tower or a number", text);
    f->value = (float)value;
    return FUSOR_OK;
}

static enum fusor_status read_words(struct yaml_node *at, struct foreign *f,
                                    struct words *out, struct fusor_error *err)
{
    struct yaml_node *values = yaml_get(at, "values");
    struct yaml_node *column = yaml_get(at, "column");
    const char *text = "logits";

    *out = (struct words){.at = at, .file = yaml_get(at, "file")};
    if (!out->file)
        return yaml_fail(at, err, "tower %s: no file of scores", f->tower);
    if (column)
        FUSOR_TRY(yaml_to_text(column, &out->column, err));
    if (values)
        FUSOR_TRY(yaml_to_text(values, &text, err));
    out->probabilities = !strcmp(text, "probabilities");
    if (!out->probabilities && strcmp(text, "logits"))
        return yaml_fail(values, err,
                         "values are \"%s\": logits or probabilities", text);
    return read_missing(yaml_get(at, "missing"), f, err);
}

/* Which file each part has. */
static enum fusor_status read_files(const struct words *w, struct foreign *f,
                                    struct fusor_error *err)
{
    if (w->file->kind != YAML_MAP) {
        FUSOR_TRY(yaml_to_text(w->file, &f->path[0], err));
        f->path[1] = f->path[2] = f->path[0];
        return FUSOR_OK;
    }
    for (size_t i = 0; i < w->file->n; i++) {
        int p = 0;

        while (part_names[p] && strcmp(part_names[p], w->file->keys[i]))
            p++;
        if (!part_names[p])
            return yaml_fail(w->file->items[i], err,
                             "file: a name, or {train: NAME, valid: NAME, "
                             "test: NAME}, not \"%s\"",
                             w->file->keys[i]);
        FUSOR_TRY(yaml_to_text(w->file->items[i], &f->path[p], err));
    }
    return FUSOR_OK;
}

static enum fusor_status find_names(struct dataset *ds, int key,
                                    const struct vocab **out,
                                    struct fusor_error *err)
{
    if (key < 0 || !ds->schema.fields[key].vocab_name[0])
        return FUSOR_OK;
    return dataset_vocab(ds, ds->schema.fields[key].vocab_name, out, err);
}

static int n_parts(const struct dataset *ds)
{
    int n = 0;

    for (int p = 0; p < N_SPLITS; p++)
        n += ds->parts[p].part != NULL;
    return n;
}

static void count_unknown(struct dataset *ds, const struct foreign *f, int part)
{
    uint64_t n = scores_unknown(f->file[part]);

    if (n)
        strbuf_addf(&ds->warnings,
                    "tower %s: %llu lines of %s are of users or items that "
                    "were not prepared; %llu scores are left\n",
                    f->tower, (unsigned long long)n, f->path[part],
                    (unsigned long long)scores_count(f->file[part]));
}

static enum fusor_status open_part(struct dataset *ds, struct foreign *f,
                                   const struct words *w, int part,
                                   struct fusor_error *err)
{
    const struct schema *s = &ds->schema;
    struct scores_source source = {
        .path = f->path[part],
        .column = w->column,
        .probabilities = w->probabilities,
        .query = s->query_key < 0 ? NULL : s->fields[s->query_key].spec.name,
        .item = s->item_key < 0 ? NULL : s->fields[s->item_key].spec.name,
        .queries = f->queries,
        .items = f->items,
        .n_rows = ds->parts[part].n,
    };

    FUSOR_TRY(scores_read(&source, &f->file[part], err));
    if (w->file->kind != YAML_MAP && n_parts(ds) > 1 &&
        scores_by_row(f->file[part]))
        return yaml_fail(w->file, err,
                         "%s is keyed by rows, which each part numbers: say of "
                         "which, as in file: {test: %s}",
                         f->path[part], f->path[part]);
    count_unknown(ds, f, part);
    return FUSOR_OK;
}

/* A file of pairs that stands for all parts is read once. */
static enum fusor_status open_files(struct dataset *ds, struct foreign *f,
                                    const struct words *w,
                                    struct fusor_error *err)
{
    if (ds->n_queries && ds->n_items) {
        FUSOR_TRY(find_names(ds, ds->schema.query_key, &f->queries, err));
        FUSOR_TRY(find_names(ds, ds->schema.item_key, &f->items, err));
    }
    if (ds->schema.ids_check[0])
        f->queries = NULL; // what is known of users are hashes
    for (int p = 0; p < N_SPLITS; p++) {
        if (!f->path[p] || !ds->parts[p].part)
            continue;
        if (p > 0 && f->path[p] == f->path[0])
            f->file[p] = f->file[0];
        else
            FUSOR_TRY(open_part(ds, f, w, p, err));
        f->without_row = p;
    }
    if (!f->file[f->without_row])
        return yaml_fail(w->file, err,
                         "tower %s: the prepared folder has no part that its "
                         "files are of",
                         f->tower);
    return FUSOR_OK;
}

static enum fusor_status add(struct dataset *ds, const char *tower,
                             struct yaml_node *at, struct fusor_error *err)
{
    struct dataset_field *f = &ds->fields[ds->n_fields];
    struct field_spec *spec = &ds->specs[ds->n_fields];
    struct words w;

    if (ds->n_fields == SCHEMA_MAX_FIELDS)
        return yaml_fail(at, err, "fields: more than %d", SCHEMA_MAX_FIELDS);
    *spec = (struct field_spec){
        .type = FIELD_SCORE, .side = SIDE_ROW, .width = 1, .max_values = 1};
    field_score_name(tower, spec->name);
    if (field_find(ds->specs, ds->n_fields, spec->name) >= 0)
        return yaml_fail(at, err, "tower %s: a field is named %s: rename it",
                         tower, spec->name);
    f->origin = ORIGIN_SCORES;
    f->foreign = mem_alloc(1, sizeof(*f->foreign));
    if (!f->foreign)
        return mem_fail(err, "scores", sizeof(*f->foreign));
    snprintf(f->foreign->tower, FIELD_NAME_MAX, "%s", tower);
    FUSOR_TRY(read_words(at, f->foreign, &w, err));
    FUSOR_TRY(read_files(&w, f->foreign, err));
    ds->n_fields++;
    return ds->options.outline ? FUSOR_OK : open_files(ds, f->foreign, &w, err);
}

enum fusor_status dataset_add_scores(struct dataset *ds,
                                     struct fusor_error *err)
{
    struct yaml_node *towers = ds->options.towers;

    for (size_t i = 0; towers && towers->kind == YAML_MAP && i < towers->n;
         i++) {
        struct yaml_node *at = towers->items[i], *type = yaml_get(at, "type");

        if (type && type->kind == YAML_SCALAR && !strcmp(type->text, "scores"))
            FUSOR_TRY(add(ds, towers->keys[i], at, err));
    }
    return ds->warnings.failed ? mem_fail(err, "warnings", ds->warnings.len)
                               : FUSOR_OK;
}

void dataset_clear_scores(struct foreign *f)
{
    if (!f)
        return;
    for (int p = N_SPLITS - 1; p >= 0; p--)
        if (p == 0 || f->file[p] != f->file[0])
            scores_destroy(f->file[p]);
    mem_free(f);
}
