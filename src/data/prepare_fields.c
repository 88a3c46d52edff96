/* The plan of a preparation: which field comes from which column and goes
 * where; which vocabularies there are; the columns of the stage. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/prepare_private.h"

struct vocab *prep_key_vocab(struct prep *p, int side)
{
    int key = p->sides[side].key;

    return key < 0 ? NULL : p->vocabs[p->fields[key].vocab].vocab;
}

static enum fusor_status no_column(const struct table *t, const char *column,
                                   struct fusor_error *err)
{
    struct strbuf names = {0};

    for (size_t i = 0; i < t->n_columns && i < 12; i++)
        strbuf_addf(&names, "%s%s", i ? ", " : "", t->columns[i]);
    fusor_fail(err, FUSOR_EUSAGE, "%s: no column \"%s\"; there is: %s%s",
               t->path, column, names.s ? names.s : "",
               t->n_columns > 12 ? ", ..." : "");
    strbuf_clear(&names);
    return FUSOR_EUSAGE;
}

/* The column in each table of rows. */
static enum fusor_status find_columns(const struct prep *p, const char *column,
                                      int out[SOURCE_PARTS],
                                      struct fusor_error *err)
{
    for (int i = 0; i < SOURCE_PARTS; i++) {
        out[i] = NO_COLUMN;
        if (!p->source.rows[i])
            continue;
        out[i] = table_column(p->source.rows[i], column);
        if (out[i] < 0)
            return no_column(p->source.rows[i], column, err);
    }
    return FUSOR_OK;
}

static enum fusor_status optional_columns(const struct prep *p,
                                          const char *column,
                                          int out[SOURCE_PARTS], int *has,
                                          struct fusor_error *err)
{
    *has = column[0] != '\0';
    for (int i = 0; i < SOURCE_PARTS; i++)
        out[i] = NO_COLUMN;
    return *has ? find_columns(p, column, out, err) : FUSOR_OK;
}

static int in_list(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = list; (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ',') && (at[n] == '\0' || at[n] == ','))
            return 1;
    return 0;
}

/* --hash makes categoricals of the named fields 64-bit hashes. */
static enum fusor_status apply_hash_option(struct prep *p,
                                           struct fusor_error *err)
{
    const char *list = p->options->hash;
    size_t asked = list[0] != '\0', found = 0;

    for (const char *s = list; *s; s++)
        asked += *s == ',';
    for (uint32_t i = 0; i < p->source.spec.n_fields; i++) {
        struct source_field *f = &p->source.spec.fields[i];

        if (!in_list(list, f->name))
            continue;
        found++;
        if (f->type != FIELD_CATEGORICAL || f->is_key)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "hash: %s is no categorical field, or is a key",
                              f->name);
        f->hashed = 1;
    }
    if (found != asked)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "hash: \"%s\" names fields that are not there", list);
    return FUSOR_OK;
}

static enum fusor_status add_vocab(struct prep *p, struct prep_field *f,
                                   struct fusor_error *err)
{
    const struct source_field *s = f->source;
    uint64_t min_count = s->min_count ? s->min_count
                         : s->is_key  ? 1
                                      : p->options->min_count;
    struct prep_vocab *v;
    uint32_t i = 0;

    while (i < p->n_vocabs && strcmp(p->vocabs[i].name, s->vocab))
        i++;
    v = &p->vocabs[i];
    f->vocab = (int)i;
    if (i == p->n_vocabs) {
        v->vocab = vocab_create(err);
        if (!v->vocab)
            return FUSOR_ENOMEM;
        memcpy(v->name, s->vocab, sizeof(v->name));
        v->min_count = min_count;
        p->n_vocabs++;
    }
    v->is_key |= s->is_key;
    if (min_count < v->min_count)
        v->min_count = min_count;
    return FUSOR_OK;
}

/* No field may carry the ids of the query key past their hashing. */
static enum fusor_status hide_ids(struct prep *p, struct fusor_error *err)
{
    int key = p->sides[0].key;
    const struct prep_field *k;

    if (!p->hides_ids)
        return FUSOR_OK;
    if (key < 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "hash_ids: there is no key on the query side: a "
                          "categorical field with side: query");
    k = &p->fields[key];
    for (uint32_t i = 0; i < p->n_fields; i++) {
        const struct prep_field *f = &p->fields[i];

        if (!strcmp(f->source->column, k->source->column) &&
            f->vocab != k->vocab)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "hash_ids: field %s reads the ids of %s too: "
                              "give it vocab: %s",
                              f->spec.name, k->spec.name, k->source->vocab);
    }
    vocab_hide(p->vocabs[k->vocab].vocab, &p->key);
    return FUSOR_OK;
}

static void set_column_spec(struct prep_field *f)
{
    const struct source_field *s = f->source;

    memcpy(f->spec.name, s->name, sizeof(f->spec.name));
    f->spec.width = 1;
    switch (s->type) {
    case FIELD_DENSE:
    case FIELD_VECTOR:
        f->spec.type = COLUMN_F32;
        f->spec.width = s->width;
        break;
    case FIELD_CATEGORICAL:
        f->spec.type = s->hashed && !s->hash_size ? COLUMN_U64 : COLUMN_U32;
        break;
    default:
        f->spec.type = COLUMN_LIST;
        f->spec.weighted = s->weighted;
        f->longest = 1;
        break;
    }
}

static enum fusor_status plan_place(struct prep *p, struct prep_field *f,
                                    struct fusor_error *err)
{
    const struct source_field *s = f->source;
    struct table *t = s->side == SIDE_ITEM ? p->source.item : p->source.query;

    f->place = PLACE_ROW;
    f->stage = -1;
    f->side_column = NO_COLUMN;
    if (s->side != SIDE_ROW && !s->is_key) {
        if (t)
            f->side_column = table_column(t, s->column);
        f->place = f->side_column >= 0 ? PLACE_SIDE_FILE : PLACE_SIDE_ROW;
    }
    if (f->place == PLACE_SIDE_FILE)
        return FUSOR_OK;
    return find_columns(p, s->column, f->column, err);
}

static enum fusor_status plan_field(struct prep *p, uint32_t i,
                                    struct fusor_error *err)
{
    struct prep_field *f = &p->fields[i];

    f->source = &p->source.spec.fields[i];
    f->vocab = -1;
    f->max_values =
        f->source->max ? f->source->max : (uint32_t)p->options->max_values;
    set_column_spec(f);
    FUSOR_TRY(plan_place(p, f, err));
    f->value.numbers = mem_alloc(f->spec.width, sizeof(float));
    if (!f->value.numbers)
        return mem_fail(err, f->spec.name, f->spec.width * sizeof(float));
    if (f->spec.type == COLUMN_F32 || f->source->hashed)
        return FUSOR_OK;
    return add_vocab(p, f, err);
}

static enum fusor_status plan_side(struct prep *p, int which,
                                   struct fusor_error *err)
{
    struct prep_side *s = &p->sides[which];
    const char *names = p->source.spec.names;

    s->key = source_spec_key(&p->source.spec, which ? SIDE_ITEM : SIDE_QUERY);
    s->table = which ? p->source.item : p->source.query;
    s->names_column = NO_COLUMN;
    for (int i = 0; i < SOURCE_PARTS; i++)
        s->names_in_rows[i] = NO_COLUMN;
    if (s->key < 0)
        s->table = NULL;
    if (s->table) {
        s->key_column =
            table_column(s->table, p->fields[s->key].source->column);
        if (s->key_column < 0)
            return no_column(s->table, p->fields[s->key].source->column, err);
    }
    if (!which || !names[0] || s->key < 0)
        return FUSOR_OK;
    if (s->table)
        s->names_column = table_column(s->table, names);
    return s->names_column >= 0 ? FUSOR_OK
                                : find_columns(p, names, s->names_in_rows, err);
}

/* The stage holds the row fields, then label, weight, time. */
static enum fusor_status make_stage(struct prep *p, struct fusor_error *err)
{
    struct column_spec specs[SCHEMA_MAX_FIELDS + 3];
    char path[1024];
    size_t n = 0;

    for (uint32_t i = 0; i < p->n_fields; i++) {
        if (p->fields[i].place != PLACE_ROW)
            continue;
        p->fields[i].stage = (int)n;
        specs[n++] = p->fields[i].spec;
    }
    p->stage_label = (int)n;
    specs[n++] = (struct column_spec){"label", COLUMN_F32, 1, 0};
    p->stage_weight = (int)n;
    if (p->has_weight)
        specs[n++] = (struct column_spec){"weight", COLUMN_F32, 1, 0};
    p->stage_time = (int)n;
    if (p->has_time)
        specs[n++] = (struct column_spec){"time", COLUMN_I64, 1, 0};
    if (snprintf(path, sizeof(path), "%s/rows", p->options->out) >=
        (int)sizeof(path))
        return fusor_fail(err, FUSOR_EUSAGE, "path too long: %s",
                          p->options->out);
    return stage_create(path, specs, n, &p->stage, err);
}

static enum fusor_status check_needs(const struct prep *p,
                                     struct fusor_error *err)
{
    unsigned flags = p->protocol->flags;
    int files = p->options->valid[0] || p->options->test[0];

    if ((flags & PROTOCOL_QUERY || p->options->dedupe) && p->sides[0].key < 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s needs a key on the query side: a categorical "
                          "field with side: query",
                          p->options->dedupe ? "dedupe" : p->protocol->name);
    if ((flags & PROTOCOL_ITEM || p->options->dedupe) && p->sides[1].key < 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s needs a key on the item side: a categorical "
                          "field with side: item",
                          p->options->dedupe ? "dedupe" : p->protocol->name);
    if (p->source.spec.catalogue &&
        (p->options->min_query_rows > 1 || p->options->min_item_rows > 1))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "min_query_rows and min_item_rows would leave out "
                          "what the catalogue keeps: remove them");
    if ((p->options->min_query_rows > 1 && p->sides[0].key < 0) ||
        (p->options->min_item_rows > 1 && p->sides[1].key < 0))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "min_query_rows and min_item_rows need a key on "
                          "their side");
    if (!(flags & PROTOCOL_FILES) != !files)
        return fusor_fail(err, FUSOR_EUSAGE,
                          files ? "protocol %s splits the rows itself: leave "
                                  "valid and test out, or take protocol given"
                                : "protocol %s needs a file of its own for "
                                  "valid or test rows",
                          p->protocol->name);
    return FUSOR_OK;
}

enum fusor_status prep_plan(struct prep *p, struct fusor_error *err)
{
    const struct source_spec *s = &p->source.spec;
    const char *label = p->options->label[0] ? p->options->label : s->label;

    FUSOR_TRY(apply_hash_option(p, err));
    p->n_fields = s->n_fields;
    p->fields = mem_alloc(p->n_fields, sizeof(*p->fields));
    p->vocabs = mem_alloc(p->n_fields, sizeof(*p->vocabs));
    if (!p->fields || !p->vocabs)
        return mem_fail(err, "fields", p->n_fields * sizeof(*p->fields));
    for (uint32_t i = 0; i < p->n_fields; i++)
        FUSOR_TRY(plan_field(p, i, err));
    FUSOR_TRY(plan_side(p, 0, err));
    FUSOR_TRY(plan_side(p, 1, err));
    FUSOR_TRY(check_needs(p, err));
    FUSOR_TRY(hide_ids(p, err));
    FUSOR_TRY(optional_columns(p, label, p->label_column, &p->has_label, err));
    FUSOR_TRY(
        optional_columns(p, s->weight, p->weight_column, &p->has_weight, err));
    FUSOR_TRY(optional_columns(p, s->time, p->time_column, &p->has_time, err));
    snprintf(p->schema->label, sizeof(p->schema->label), "%.*s",
             FIELD_NAME_MAX - 1, label);
    return make_stage(p, err);
}
