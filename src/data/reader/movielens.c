/* MovieLens as GroupLens ships it (100K: u.*; 1M, 10M: *.dat; later: *.csv) and
 * as `fusor generate` writes it. Given a folder or its file of ratings, the
 * side tables beside it are found; official folds (u1.base ... u5.test) are
 * read by the protocol kfold-official. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"

/* One generation of the files. */
struct layout {
    const char *ratings, *items, *users;
    const char *separator;
    int quotes, latin1;
    const char *const *ratings_header; // NULL: in the first line
    const char *const *items_header;
    const char *const *users_header;
    size_t n_ratings, n_items, n_users;
};

static const char *const ratings_columns[] = {"user", "item", "rating",
                                              "timestamp"};
static const char *const dat_items[] = {"item", "title", "genres"};
static const char *const dat_users[] = {"user", "gender", "age", "occupation",
                                        "zip"};
static const char *const u_users[] = {"user", "age", "gender", "occupation",
                                      "zip"};

static const struct layout layouts[] = {
    {"u.data", "u.item", "u.user", "\t", 0, 1, ratings_columns, NULL, u_users,
     4, 0, 5},
    {"ratings.dat", "movies.dat", "users.dat", "::", 0, 1, ratings_columns,
     dat_items, dat_users, 4, 3, 5},
    {"ratings.csv", "movies.csv", "users.csv", ",", 1, 0, NULL, NULL, NULL, 0,
     0, 0}};
#define N_LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

/* u.item: id, title, two dates, address, then a flag for each of these. */
#define U_ITEM_FIRST_FLAG 5
static const char *const u_genres[] = {
    "unknown",   "Action",   "Adventure",   "Animation", "Children's",
    "Comedy",    "Crime",    "Documentary", "Drama",     "Fantasy",
    "Film-Noir", "Horror",   "Musical",     "Mystery",   "Romance",
    "Sci-Fi",    "Thriller", "War",         "Western"};
#define N_U_GENRES (sizeof(u_genres) / sizeof(u_genres[0]))
#define N_U_ITEM (U_ITEM_FIRST_FLAG + N_U_GENRES)

/* u.item as item, title, genres. */
struct flag_table {
    struct table table;
    struct table *inner;
    struct strbuf genres;
    struct cell cells[3];
};

static enum fusor_status flags_next(struct table *t, struct table_row *row,
                                    int *end, struct fusor_error *err)
{
    struct flag_table *f = (struct flag_table *)t;

    FUSOR_TRY(table_next(f->inner, row, end, err));
    if (*end || row->fault)
        return FUSOR_OK;
    f->genres.len = 0;
    strbuf_add(&f->genres, "");
    for (size_t g = 0; g < N_U_GENRES; g++) {
        const struct cell *flag = &row->cells[U_ITEM_FIRST_FLAG + g];

        if (flag->n != 1 || *flag->text != '1')
            continue;
        strbuf_add(&f->genres, f->genres.len ? "|" : "");
        strbuf_add(&f->genres, u_genres[g]);
    }
    if (f->genres.failed)
        return mem_fail(err, t->path, 256);
    f->cells[0] = row->cells[0];
    f->cells[1] = row->cells[1];
    f->cells[2] = row->cells[U_ITEM_FIRST_FLAG];
    f->cells[2].text = f->genres.s;
    f->cells[2].n = f->genres.len;
    row->cells = f->cells;
    return FUSOR_OK;
}

static void flags_close(struct table *t)
{
    struct flag_table *f = (struct flag_table *)t;

    table_close(f->inner);
    strbuf_clear(&f->genres);
    mem_free(f);
}

static const struct table_ops flag_ops = {.next = flags_next,
                                          .close = flags_close};

static enum fusor_status open_u_item(const char *path, struct table **out,
                                     struct fusor_error *err)
{
    const char *names[N_U_ITEM] = {"item", "title", "date", "video", "address"};
    struct delimited_options o = {
        .separator = "|", .latin1 = 1, .header = names, .n_header = N_U_ITEM};
    struct flag_table *f = mem_alloc(1, sizeof(*f));
    enum fusor_status rc;

    if (!f)
        return mem_fail(err, path, sizeof(*f));
    for (size_t g = 0; g < N_U_GENRES; g++)
        names[U_ITEM_FIRST_FLAG + g] = u_genres[g];
    f->table.ops = &flag_ops;
    rc = delimited_open(path, &o, &f->inner, err);
    if (rc == FUSOR_OK)
        rc = table_name(&f->table, path, dat_items, 3, err);
    if (rc == FUSOR_OK)
        *out = &f->table;
    else
        table_close(&f->table);
    return rc;
}

/* dir/name, or with .gz or .zst behind it. @return 0 when there is one */
static int find_packed(char out[FS_PATH_MAX], const char *dir, const char *name)
{
    static const char *const endings[] = {"", ".gz", ".zst"};

    for (int i = 0; i < 3; i++) {
        char full[FS_PATH_MAX];

        snprintf(full, sizeof(full), "%.200s%s", name, endings[i]);
        if (fs_exists(fs_join(out, dir, full)))
            return 0;
    }
    return -1;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Official folds have the form of u.data: u1.base, ua.test. */
static int is_official_fold(const char *name)
{
    return name[0] == 'u' && name[1] && name[2] == '.' &&
           (!strncmp(name + 3, "base", 4) || !strncmp(name + 3, "test", 4));
}

/* Which generation is this; its file of ratings and its folder. */
static const struct layout *
find_layout(const char *path, char ratings[FS_PATH_MAX], char dir[FS_PATH_MAX])
{
    const char *name = base_name(path);

    if (fs_is_dir(path)) {
        fs_join(dir, path, "");
        for (size_t i = 0; i < N_LAYOUTS; i++)
            if (!find_packed(ratings, dir, layouts[i].ratings))
                return &layouts[i];
        return NULL;
    }
    fs_join(ratings, path, "");
    fs_join(dir, path, "");
    if (name == path)
        strcpy(dir, ".");
    else
        dir[name - path] = '\0';
    for (size_t i = 0; i < N_LAYOUTS; i++)
        if (!strncmp(name, layouts[i].ratings, strlen(layouts[i].ratings)))
            return &layouts[i];
    return is_official_fold(name) ? &layouts[0] : NULL;
}

/* ratings.dat and u.data come without time stamps too. */
static enum fusor_status count_columns(const char *path, const char *separator,
                                       size_t *n, struct fusor_error *err)
{
    struct input_line line;
    struct input *in = NULL;
    enum fusor_status rc;
    int end = 0;

    FUSOR_TRY(input_open(path, &in, err));
    rc = input_next_line(in, &line, &end, err);
    *n = 1;
    if (rc == FUSOR_OK && !end)
        for (const char *s = line.text; (s = strstr(s, separator)); ++*n)
            s += strlen(separator);
    input_close(in);
    if (rc == FUSOR_OK && (*n < 2 || *n > 4))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:1: %zu columns; expected user, item and perhaps "
                          "rating and time",
                          path, *n);
    return rc;
}

static enum fusor_status open_ratings(const struct layout *l, const char *path,
                                      struct table **out,
                                      struct fusor_error *err)
{
    struct delimited_options o = {.separator = l->separator,
                                  .quotes = l->quotes,
                                  .latin1 = l->latin1,
                                  .header = l->ratings_header};

    if (l->ratings_header)
        FUSOR_TRY(count_columns(path, l->separator, &o.n_header, err));
    return delimited_open(path, &o, out, err);
}

static enum fusor_status open_sides(const struct layout *l, const char *dir,
                                    struct source *out, struct fusor_error *err)
{
    // u.user separates by '|', unlike u.data.
    const char *separator = l->separator[0] == '\t' ? "|" : l->separator;
    struct delimited_options o = {
        .separator = separator, .quotes = l->quotes, .latin1 = l->latin1};
    char path[FS_PATH_MAX];

    if (!find_packed(path, dir, l->items)) {
        o.header = l->items_header;
        o.n_header = l->n_items;
        if (l->separator[0] == '\t')
            FUSOR_TRY(open_u_item(path, &out->item, err));
        else
            FUSOR_TRY(delimited_open(path, &o, &out->item, err));
    }
    if (!find_packed(path, dir, l->users)) {
        o.header = l->users_header;
        o.n_header = l->n_users;
        FUSOR_TRY(delimited_open(path, &o, &out->query, err));
    }
    return FUSOR_OK;
}

/* The first of these names that the table has. */
static const char *column_among(const struct table *t, const char *const *names)
{
    for (; t && *names; names++)
        if (table_column(t, *names) >= 0)
            return *names;
    return NULL;
}

static void add_side_field(struct source_spec *s, const struct table *t,
                           const char *name, enum field_type type,
                           enum field_side side)
{
    if (t && table_column(t, name) >= 0)
        source_spec_add(s, name, type, side);
}

static enum fusor_status make_spec(struct source *out, struct fusor_error *err)
{
    static const char *const users[] = {"user", "userId", "user_id", NULL};
    static const char *const items[] = {"item", "movieId", "item_id", NULL};
    static const char *const labels[] = {"rating", NULL};
    static const char *const times[] = {"timestamp", "time", NULL};
    struct source_spec *s = &out->spec;
    const struct table *t = out->rows[0];
    const char *user = column_among(t, users), *item = column_among(t, items);
    const char *label = column_among(t, labels), *time = column_among(t, times);
    struct source_field *f;

    if (!user || !item)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: no column user (userId) or item (movieId)",
                          t->path);
    f = source_spec_add(s, "user", FIELD_CATEGORICAL, SIDE_QUERY);
    f->is_key = 1;
    strcpy(f->column, user);
    f = source_spec_add(s, "item", FIELD_CATEGORICAL, SIDE_ITEM);
    f->is_key = 1;
    strcpy(f->column, item);
    add_side_field(s, out->item, "genres", FIELD_MULTI, SIDE_ITEM);
    add_side_field(s, out->item, "title", FIELD_TEXT, SIDE_ITEM);
    add_side_field(s, out->query, "age", FIELD_CATEGORICAL, SIDE_QUERY);
    add_side_field(s, out->query, "gender", FIELD_CATEGORICAL, SIDE_QUERY);
    add_side_field(s, out->query, "occupation", FIELD_CATEGORICAL, SIDE_QUERY);
    add_side_field(s, t, "finished", FIELD_DENSE, SIDE_ROW);
    strcpy(s->label, label ? label : "");
    strcpy(s->time, time ? time : "");
    strcpy(s->names,
           out->item && table_column(out->item, "title") >= 0 ? "title" : "");
    s->label_has_range = label != NULL;
    s->label_low = 0.5; // half stars since 2003
    s->label_high = 5;
    return FUSOR_OK;
}

static enum fusor_status open_movielens(const struct reader_input *in,
                                        struct source *out,
                                        struct fusor_error *err)
{
    char ratings[FS_PATH_MAX], dir[FS_PATH_MAX];
    const struct layout *l = find_layout(in->paths[0], ratings, dir);

    if (in->schema[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: movielens knows its own fields: leave --schema "
                          "out, or read the file as csv or tsv",
                          in->schema);
    if (!l)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: no MovieLens data: expected u.data, ratings.dat "
                          "or ratings.csv",
                          in->paths[0]);
    FUSOR_TRY(open_ratings(l, ratings, &out->rows[0], err));
    for (int i = 1; i < SOURCE_PARTS; i++)
        if (in->paths[i][0])
            FUSOR_TRY(open_ratings(l, in->paths[i], &out->rows[i], err));
    FUSOR_TRY(open_sides(l, dir, out, err));
    return make_spec(out, err);
}

static int sniff_movielens(const char *path, const char *head)
{
    char ratings[FS_PATH_MAX], dir[FS_PATH_MAX];
    const struct layout *l = find_layout(path, ratings, dir);

    if (!l || fs_is_dir(path))
        return l != NULL;
    if (l->ratings_header)
        return strstr(head, l->separator) != NULL;
    return strstr(head, "user") && (strstr(head, "item") || // a header
                                    strstr(head, "movie"));
}

const struct reader_ops reader_movielens = {
    .name = "movielens",
    .help = "a MovieLens folder (u.*, *.dat, *.csv) or its ratings file",
    .own_fields = 1,
    .has_header = 1,
    .sniff = sniff_movielens,
    .open = open_movielens};
