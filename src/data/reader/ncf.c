/* The files of Neural Collaborative Filtering (He et al. 2017): NAME.train.
 * rating and NAME.test.rating with "user item rating [time]", tab separated,
 * and NAME.test.negative with "(user,item) n1 n2 ...", which the protocol
 * loo-given takes for the test rows and their candidates. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "data/reader/formats.h"

static const char *const columns[] = {"user", "item", "rating", "time"};

/* Where the ending .train.rating or .test.rating begins, or NULL. */
static const char *find_ending(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *at = strstr(name, ".train.rating");

    return at ? at : strstr(name, ".test.rating");
}

/* The time may be absent; standard input must have it. */
static enum fusor_status count_columns(const char *path, size_t *n,
                                       struct fusor_error *err)
{
    char head[READER_HEAD_MAX];

    *n = 4;
    if (!strcmp(path, "-"))
        return FUSOR_OK;
    FUSOR_TRY(reader_head(path, head, err));
    *n = 1;
    for (const char *s = head; *s; s++)
        *n += *s == '\t';
    if (*n < 3 || *n > 4)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:1: %zu columns; expected user, item, rating and "
                          "perhaps time, tab separated",
                          path, *n);
    return FUSOR_OK;
}

static enum fusor_status open_rating(const char *path, struct table **out,
                                     struct fusor_error *err)
{
    struct delimited_options o = {.separator = "\t", .header = columns};

    FUSOR_TRY(count_columns(path, &o.n_header, err));
    return delimited_open(path, &o, out, err);
}

/* NAME.test.negative beside NAME.train.rating, packed or not; out is left
 * alone when there is none. */
static void find_negatives(const char *rows, char out[FS_PATH_MAX])
{
    static const char *const endings[] = {"", ".gz", ".zst"};
    const char *ending = find_ending(rows);
    char path[FS_PATH_MAX];

    for (int i = 0; ending && i < 3; i++) {
        int n = snprintf(path, sizeof(path), "%.*s.test.negative%s",
                         (int)(ending - rows), rows, endings[i]);

        if (n < FS_PATH_MAX && fs_exists(path)) {
            memcpy(out, path, (size_t)n + 1);
            return;
        }
    }
}

static enum fusor_status open_ncf(const struct reader_input *in,
                                  struct source *out, struct fusor_error *err)
{
    struct source_spec *s = &out->spec;
    int has_time = 1;

    for (int i = 0; i < SOURCE_PARTS; i++) {
        if (!in->paths[i][0])
            continue;
        FUSOR_TRY(open_rating(in->paths[i], &out->rows[i], err));
        has_time &= out->rows[i]->n_columns == 4;
    }
    find_negatives(in->paths[0], out->candidates);
    if (s->n_fields)
        return FUSOR_OK; // the user's schema
    source_spec_add(s, "user", FIELD_CATEGORICAL, SIDE_QUERY)->is_key = 1;
    source_spec_add(s, "item", FIELD_CATEGORICAL, SIDE_ITEM)->is_key = 1;
    strcpy(s->label, "rating");
    strcpy(s->time, has_time ? "time" : "");
    return FUSOR_OK;
}

static int sniff_ncf(const char *path, const char *head)
{
    return find_ending(path) && strchr(head, '\t');
}

const struct reader_ops reader_ncf = {
    .name = "ncf",
    .help = "NAME.train.rating: user item rating [time]; with --protocol "
            "loo-given, NAME.test.negative beside it",
    .own_fields = 1,
    .sniff = sniff_ncf,
    .open = open_ncf};
