/* Interactions in the order of time, whole numbers or words between blanks:
 * "user item", one pair a line (SASRec, Kang and McAuley 2018), and "user item1
 * item2 ...", one user a line (S3-Rec, Zhou et al. 2020), with the attributes
 * of the items in NAME_item2attributes.json beside NAME.txt. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/input.h"
#include "data/reader/formats.h"
#include "data/text.h"

#define SNIFF_LINES 64
#define ATTRIBUTES "_item2attributes.json"

struct sequences {
    struct table table;
    struct input *in;
    struct input_line line; // of the user at hand
    size_t at;
    int pairs;            // one a line
    struct cell cells[2]; // user, item
};

static const char *const columns[] = {"user", "item"};

/* Go to the next line that has anything, and take its user. */
static enum fusor_status next_user(struct sequences *s, int *end,
                                   struct fusor_error *err)
{
    do {
        FUSOR_TRY(input_next_line(s->in, &s->line, end, err));
        if (*end)
            return FUSOR_OK;
        s->at = 0;
    } while (!reader_next_token(&s->line, &s->at, &s->cells[0]));
    return FUSOR_OK;
}

static void fault_at(struct sequences *s, struct table_row *row,
                     const char *why, uint32_t column)
{
    row->fault = why;
    row->fault_column = column;
    s->line.n = s->at = 0; // nothing more of this line
}

static enum fusor_status sequences_next(struct table *t, struct table_row *row,
                                        int *end, struct fusor_error *err)
{
    struct sequences *s = (struct sequences *)t;
    struct cell rest;
    size_t after;

    row->cells = s->cells;
    row->line = s->line.number;
    if (!s->pairs && reader_next_token(&s->line, &s->at, &s->cells[1]))
        return FUSOR_OK;
    FUSOR_TRY(next_user(s, end, err));
    if (*end)
        return FUSOR_OK;
    row->line = s->line.number;
    if (!text_is_utf8(s->line.text, s->line.n))
        fault_at(s, row, "bytes that are no UTF-8", 1);
    else if (!reader_next_token(&s->line, &s->at, &s->cells[1]))
        fault_at(s, row, s->pairs ? "wrong number of columns" : "no items",
                 s->cells[1].column);
    after = s->at;
    if (!row->fault && s->pairs && reader_next_token(&s->line, &after, &rest))
        fault_at(s, row, "wrong number of columns", rest.column);
    return FUSOR_OK;
}

static void sequences_close(struct table *t)
{
    struct sequences *s = (struct sequences *)t;

    input_close(s->in);
    mem_free(s);
}

static const struct table_ops sequences_ops = {.next = sequences_next,
                                               .close = sequences_close};

static enum fusor_status open_table(const char *path, int pairs,
                                    struct table **out, struct fusor_error *err)
{
    struct sequences *s = mem_alloc(1, sizeof(*s));
    enum fusor_status rc;

    if (!s)
        return mem_fail(err, path, sizeof(*s));
    s->table.ops = &sequences_ops;
    s->pairs = pairs;
    rc = input_open(path, &s->in, err);
    if (rc == FUSOR_OK)
        rc = table_name(&s->table, path, columns, 2, err);
    if (rc == FUSOR_OK)
        *out = &s->table;
    else
        table_close(&s->table);
    return rc;
}

/* The key fields of both sides; every row's label is 1. */
static void add_keys(struct source_spec *spec)
{
    source_spec_add(spec, "user", FIELD_CATEGORICAL, SIDE_QUERY)->is_key = 1;
    source_spec_add(spec, "item", FIELD_CATEGORICAL, SIDE_ITEM)->is_key = 1;
}

static enum fusor_status open_pairs(const struct reader_input *in, int pairs,
                                    struct source *out, struct fusor_error *err)
{
    for (int i = 0; i < SOURCE_PARTS; i++)
        if (in->paths[i][0])
            FUSOR_TRY(open_table(in->paths[i], pairs, &out->rows[i], err));
    if (!out->spec.n_fields) // else the user's schema
        add_keys(&out->spec);
    return FUSOR_OK;
}

static enum fusor_status open_sasrec(const struct reader_input *in,
                                     struct source *out,
                                     struct fusor_error *err)
{
    return open_pairs(in, 1, out, err);
}

/* Beauty.txt, Beauty.txt.gz: Beauty_item2attributes.json, packed or not.
 * @return 0 when there is one */
static int find_attributes(const char *rows, char out[FS_PATH_MAX])
{
    static const char *const endings[] = {"", ".gz", ".zst"};
    const char *slash = strrchr(rows, '/');
    size_t n = slash ? (size_t)(slash - rows) + 1 : 0;

    n += strcspn(rows + n, ".");
    for (int i = 0; i < 3; i++) {
        int len = snprintf(out, FS_PATH_MAX, "%.*s" ATTRIBUTES "%s", (int)n,
                           rows, endings[i]);

        if (len < FS_PATH_MAX && fs_exists(out))
            return 0;
    }
    return -1;
}

static enum fusor_status open_s3rec(const struct reader_input *in,
                                    struct source *out, struct fusor_error *err)
{
    int own = out->spec.n_fields == 0;
    char path[FS_PATH_MAX];
    struct source_field *f;

    FUSOR_TRY(open_pairs(in, 0, out, err));
    if (find_attributes(in->paths[0], path))
        return FUSOR_OK;
    FUSOR_TRY(attributes_open(path, &out->item, err));
    if (own) {
        f = source_spec_add(&out->spec, "attributes", FIELD_MULTI, SIDE_ITEM);
        strcpy(f->separator, ATTRIBUTES_SEPARATOR);
    }
    return FUSOR_OK;
}

/* What the first lines look like. */
struct looks {
    int lines, pairs, ascending;
    uint64_t last;
};

/* @return 0 when the line is empty, or two or more whole numbers */
static int look_at(const struct input_line *line, struct looks *l)
{
    struct cell c;
    size_t at = 0, n = 0;
    uint64_t number;

    while (reader_next_token(line, &at, &c)) {
        if (str_parse_u64(c.text, c.n, &number))
            return -1;
        if (n++ == 0) {
            l->ascending += l->lines == 0 || number > l->last;
            l->last = number;
        }
    }
    l->pairs += n == 2;
    l->lines += n > 0;
    return n != 1 && !memchr(line->text, '\t', line->n) ? 0 : -1;
}

static int look(const char *path, const char *head, struct looks *l)
{
    struct input_line line;
    struct input *in = NULL;
    int end = 0, bad = 0;

    memset(l, 0, sizeof(*l));
    if (!head[0] || head[strspn(head, " 0123456789")] ||
        input_open(path, &in, NULL) != FUSOR_OK)
        return -1;
    while (!bad && l->lines < SNIFF_LINES) {
        bad = input_next_line(in, &line, &end, NULL) != FUSOR_OK;
        if (bad || end)
            break;
        bad = look_at(&line, l);
    }
    input_close(in);
    return bad;
}

/* A user a line: new users, in order. libFM without values looks alike, but
 * its labels repeat. */
static int sniff_s3rec(const char *path, const char *head)
{
    struct looks l;

    return !look(path, head, &l) && l.lines >= 3 && l.ascending == l.lines &&
           l.pairs < l.lines;
}

static int sniff_sasrec(const char *path, const char *head)
{
    struct looks l;

    return !look(path, head, &l) && l.pairs == l.lines;
}

const struct reader_ops reader_s3rec = {
    .name = "s3rec",
    .help = "user item1 item2 ... in the order of time; attributes of items "
            "from NAME_item2attributes.json beside it",
    .own_fields = 1,
    .sniff = sniff_s3rec,
    .open = open_s3rec};

const struct reader_ops reader_sasrec = {
    .name = "sasrec",
    .help = "user item, one pair a line, in the order of time",
    .own_fields = 1,
    .sniff = sniff_sasrec,
    .open = open_sasrec};
