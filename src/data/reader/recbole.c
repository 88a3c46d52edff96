/* RecBole's atomic files (Zhao et al. 2021): tab separated, the first line has
 * "name:type" with the types token, float, token_seq and float_seq. NAME.inter
 * has the rows; NAME.user and NAME.item beside it are side tables. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"

enum atom { ATOM_TOKEN, ATOM_FLOAT, ATOM_TOKENS, ATOM_FLOATS, ATOM_NONE };

static const char *const atom_names[] = {":token", ":float", ":token_seq",
                                         ":float_seq"};

/* A file with what its first line says of the columns. */
struct typed {
    struct table *table;
    enum atom atoms[SCHEMA_MAX_FIELDS];
    uint32_t widths[SCHEMA_MAX_FIELDS]; // float_seq: of the first row
};

/* @param n set to the length of the name */
static enum atom atom_of(const char *column, size_t *n)
{
    const char *colon = strrchr(column, ':');

    for (int i = 0; colon && i < ATOM_NONE; i++) {
        if (!strcmp(colon, atom_names[i])) {
            *n = (size_t)(colon - column);
            return (enum atom)i;
        }
    }
    return ATOM_NONE;
}

/* Vectors have the width that they have in the first row. */
static void measure(struct typed *t, const char *line)
{
    const char *end;

    for (size_t c = 0; c < t->table->n_columns; c++, line = end + (*end != 0)) {
        uint32_t words = 0;

        end = line + strcspn(line, "\t");
        for (const char *s = line; s < end; s++)
            words += *s != ' ' && (s == line || s[-1] == ' ');
        t->widths[c] = words ? words : 1;
    }
}

static enum fusor_status measure_file(struct typed *t, const char *path,
                                      struct fusor_error *err)
{
    struct input_line line;
    struct input *in = NULL;
    enum fusor_status rc;
    int end = 0;

    FUSOR_TRY(input_open(path, &in, err));
    rc = input_next_line(in, &line, &end, err);
    if (rc == FUSOR_OK && !end)
        rc = input_next_line(in, &line, &end, err);
    if (rc == FUSOR_OK && !end)
        measure(t, line.text);
    input_close(in);
    return rc;
}

/* Take the types off the names. */
static enum fusor_status read_types(struct typed *t, const char *path,
                                    struct fusor_error *err)
{
    int vectors = 0;

    if (t->table->n_columns > SCHEMA_MAX_FIELDS)
        return fusor_fail(err, FUSOR_EDATA, "%s:1: %zu columns, at most %d",
                          path, t->table->n_columns, SCHEMA_MAX_FIELDS);
    for (size_t c = 0; c < t->table->n_columns; c++) {
        char *name = t->table->columns[c];
        size_t n = 0;

        t->atoms[c] = atom_of(name, &n);
        if (t->atoms[c] == ATOM_NONE || n == 0)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s:1: column %zu: \"%s\": expected name:type "
                              "with token, float, token_seq or float_seq",
                              path, c + 1, name);
        name[n] = '\0';
        t->widths[c] = 1;
        vectors |= t->atoms[c] == ATOM_FLOATS;
    }
    if (!vectors)
        return FUSOR_OK;
    if (!strcmp(path, "-"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "recbole: the width of a float_seq is read from the "
                          "first row: give a file, not standard input");
    return measure_file(t, path, err);
}

static enum fusor_status open_typed(const char *path, struct typed *t,
                                    struct fusor_error *err)
{
    struct delimited_options o = {.separator = "\t"};

    FUSOR_TRY(delimited_open(path, &o, &t->table, err));
    return read_types(t, path, err);
}

static int is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(name, *names))
            return 1;
    return 0;
}

static enum fusor_status add_field(struct source_spec *s, const struct typed *t,
                                   size_t c, enum field_side side,
                                   struct fusor_error *err)
{
    static const enum field_type types[] = {FIELD_CATEGORICAL, FIELD_DENSE,
                                            FIELD_MULTI, FIELD_VECTOR};
    const char *column = t->table->columns[c];
    enum field_type type = types[t->atoms[c]];
    size_t n = strlen(column);
    struct source_field *f;

    if (type == FIELD_MULTI && n > 5 && !strcmp(column + n - 5, "_list"))
        type = FIELD_SEQUENCE; // RecBole's LIST_SUFFIX: in the order of time
    f = source_spec_add(s, column, type, side);
    if (!f || n >= sizeof(f->column))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:1: column %s: a field's name has 1 to %d "
                          "characters, no '/', and is not weight, time or "
                          "fold; at most %d fields",
                          t->table->path, column, FIELD_NAME_MAX - 1,
                          SCHEMA_MAX_FIELDS);
    strcpy(f->separator, " ");
    f->width = t->widths[c];
    return FUSOR_OK;
}

/* What the columns of the interactions are by RecBole's default names. */
static enum fusor_status add_row_fields(struct source_spec *s,
                                        const struct typed *t,
                                        struct fusor_error *err)
{
    static const char *const users[] = {"user_id", "session_id", NULL};
    static const char *const items[] = {"item_id", NULL};

    strcpy(s->label, table_column(t->table, "label") >= 0    ? "label"
                     : table_column(t->table, "rating") >= 0 ? "rating"
                                                             : "");
    strcpy(s->time,
           table_column(t->table, "timestamp") >= 0 ? "timestamp" : "");
    for (size_t c = 0; c < t->table->n_columns; c++) {
        const char *column = t->table->columns[c];
        enum field_side side = is_one_of(column, users)   ? SIDE_QUERY
                               : is_one_of(column, items) ? SIDE_ITEM
                                                          : SIDE_ROW;

        if (!strcmp(column, s->label) || !strcmp(column, s->time))
            continue;
        if (source_spec_key(s, side) >= 0)
            side = SIDE_ROW; // session_id beside user_id
        FUSOR_TRY(add_field(s, t, c, side, err));
        if (side != SIDE_ROW)
            s->fields[s->n_fields - 1].is_key = 1;
    }
    return FUSOR_OK;
}

static enum fusor_status add_side_fields(struct source_spec *s,
                                         const struct typed *t,
                                         enum field_side side,
                                         struct fusor_error *err)
{
    static const char *const names[] = {"title", "movie_title", "name",
                                        "item_name", NULL};
    int key = source_spec_key(s, side);

    for (size_t c = 0; c < t->table->n_columns; c++) {
        const char *column = t->table->columns[c];

        if (key >= 0 && !strcmp(column, s->fields[key].column))
            continue;
        FUSOR_TRY(add_field(s, t, c, side, err));
        if (side == SIDE_ITEM && !s->names[0] && is_one_of(column, names))
            strcpy(s->names, column);
    }
    return FUSOR_OK;
}

/* NAME.user beside NAME.inter, packed or not. @return 0 when there is one */
static int find_side(const char *rows, const char *ending,
                     char out[FS_PATH_MAX])
{
    static const char *const packed[] = {"", ".gz", ".zst"};
    const char *slash = strrchr(rows, '/');
    const char *name = slash ? slash + 1 : rows;
    const char *at = strchr(name, '.');

    for (int i = 0; at && i < 3; i++) {
        int n = snprintf(out, FS_PATH_MAX, "%.*s%s%s", (int)(at - rows), rows,
                         ending, packed[i]);

        if (n < FS_PATH_MAX && fs_exists(out))
            return 0;
    }
    return -1;
}

/* @param t scratch; its table goes to *out */
static enum fusor_status open_side(const char *rows, enum field_side side,
                                   int own, struct typed *t, struct source *out,
                                   struct fusor_error *err)
{
    struct table **to = side == SIDE_ITEM ? &out->item : &out->query;
    char path[FS_PATH_MAX];
    enum fusor_status rc;

    if (source_spec_key(&out->spec, side) < 0 ||
        find_side(rows, side == SIDE_ITEM ? ".item" : ".user", path))
        return FUSOR_OK;
    t->table = NULL;
    rc = open_typed(path, t, err);
    *to = t->table;
    if (rc == FUSOR_OK && own)
        rc = add_side_fields(&out->spec, t, side, err);
    return rc;
}

static enum fusor_status open_all(const struct reader_input *in,
                                  struct typed *t, struct source *out,
                                  struct fusor_error *err)
{
    int own = out->spec.n_fields == 0; // else the user's schema

    for (int i = SOURCE_PARTS - 1; i >= 0; i--) { // t ends with the first
        enum fusor_status rc;

        if (!in->paths[i][0])
            continue;
        t->table = NULL;
        rc = open_typed(in->paths[i], t, err);
        out->rows[i] = t->table;
        if (rc != FUSOR_OK)
            return rc;
    }
    if (own)
        FUSOR_TRY(add_row_fields(&out->spec, t, err));
    FUSOR_TRY(open_side(in->paths[0], SIDE_QUERY, own, t, out, err));
    return open_side(in->paths[0], SIDE_ITEM, own, t, out, err);
}

static enum fusor_status open_recbole(const struct reader_input *in,
                                      struct source *out,
                                      struct fusor_error *err)
{
    struct typed *t = mem_alloc(1, sizeof(*t));
    enum fusor_status rc;

    if (!t)
        return mem_fail(err, "recbole", sizeof(*t));
    rc = open_all(in, t, out, err);
    mem_free(t);
    return rc;
}

/* Does the first column say its type? */
static int sniff_recbole(const char *path, const char *head)
{
    char first[256];
    size_t n;

    (void)path;
    snprintf(first, sizeof(first), "%.*s", (int)strcspn(head, "\t"), head);
    return atom_of(first, &n) != ATOM_NONE;
}

const struct reader_ops reader_recbole = {
    .name = "recbole",
    .help = "RecBole's NAME.inter, with NAME.user and NAME.item beside it",
    .own_fields = 1,
    .sniff = sniff_recbole,
    .open = open_recbole};
