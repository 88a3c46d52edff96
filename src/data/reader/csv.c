/* CSV (RFC 4180) and TSV with a schema that says what the columns mean. */
#include <string.h>

#include "base/fs.h"
#include "data/reader/formats.h"

static void options_of(const struct source_spec *s, const char *separator,
                       int quotes, struct delimited_options *o)
{
    o->separator = s->separator[0] ? s->separator : separator;
    o->quotes = s->quotes >= 0 ? s->quotes : quotes;
    o->latin1 = s->latin1;
    o->header = (const char *const *)s->header;
    o->n_header = s->n_header;
}

/* A side table stands beside the first file of rows, and has a header. */
static enum fusor_status open_side(const char *rows_path, const char *name,
                                   struct delimited_options o,
                                   struct table **out, struct fusor_error *err)
{
    char dir[FS_PATH_MAX], path[FS_PATH_MAX], *slash;

    if (!name[0])
        return FUSOR_OK;
    fs_join(dir, rows_path, "");
    slash = strrchr(dir, '/');
    if (slash)
        slash[1] = '\0';
    else
        dir[0] = '\0';
    o.header = NULL;
    return delimited_open(fs_join(path, dir, name), &o, out, err);
}

static enum fusor_status open_delimited(const struct reader_input *in,
                                        const char *separator, int quotes,
                                        struct source *out,
                                        struct fusor_error *err)
{
    struct delimited_options o;

    if (!in->schema[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: this format needs a schema: write a first one "
                          "with fusor prepare --guess %s, then give --schema",
                          in->paths[0], in->paths[0]);
    options_of(&out->spec, separator, quotes, &o);
    for (int i = 0; i < SOURCE_PARTS; i++)
        if (in->paths[i][0])
            FUSOR_TRY(delimited_open(in->paths[i], &o, &out->rows[i], err));
    FUSOR_TRY(
        open_side(in->paths[0], out->spec.query_file, o, &out->query, err));
    return open_side(in->paths[0], out->spec.item_file, o, &out->item, err);
}

static enum fusor_status open_csv(const struct reader_input *in,
                                  struct source *out, struct fusor_error *err)
{
    return open_delimited(in, ",", 1, out, err);
}

static enum fusor_status open_tsv(const struct reader_input *in,
                                  struct source *out, struct fusor_error *err)
{
    return open_delimited(in, "\t", 0, out, err);
}

static int sniff_csv(const char *path, const char *head)
{
    (void)path;
    return strchr(head, ',') != NULL;
}

static int sniff_tsv(const char *path, const char *head)
{
    (void)path;
    return strchr(head, '\t') != NULL;
}

const struct reader_ops reader_csv = {
    .name = "csv",
    .help = "comma separated, RFC 4180 quotes, header; needs --schema",
    .has_header = 1,
    .sniff = sniff_csv,
    .open = open_csv};

const struct reader_ops reader_tsv = {
    .name = "tsv",
    .help = "tab separated, header; needs --schema",
    .has_header = 1,
    .sniff = sniff_tsv,
    .open = open_tsv};
