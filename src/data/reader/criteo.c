/* The format of Criteo's click logs: a label (0 or 1), 13 counts, 26
 * hexadecimal ids, tab separated, no first line; an empty cell is a missing
 * value. (Criteo, "Display Advertising Challenge" and "Terabyte Click Logs".)
 * Without a schema: counts as numbers and as buckets, ids modulo 40 million as
 * in MLPerf's DLRM. */
#include <stdio.h>

#include "data/reader/formats.h"

#define N_COUNTS 13
#define N_IDS 26
#define N_COLUMNS (1 + N_COUNTS + N_IDS)

static const char default_schema[] =
    "label: {column: label, range: [0, 1]}\n"
    "fields:\n"
    "  I: {repeat: 1..13, type: dense,"
    " transform: [{fill: 0}, log1p, {clip: [0, 16]}]}\n"
    "  D: {repeat: 1..13, column: I, type: categorical, buckets: log2sq}\n"
    "  C: {repeat: 1..26, type: categorical, modulo: 40M}\n";

struct names {
    char text[N_COLUMNS][8];
    const char *list[N_COLUMNS];
};

static void fill_names(struct names *n)
{
    snprintf(n->text[0], sizeof(n->text[0]), "label");
    for (int i = 1; i <= N_COUNTS; i++)
        snprintf(n->text[i], sizeof(n->text[i]), "I%d", i);
    for (int i = 1; i <= N_IDS; i++)
        snprintf(n->text[N_COUNTS + i], sizeof(n->text[0]), "C%d", i);
    for (int i = 0; i < N_COLUMNS; i++)
        n->list[i] = n->text[i];
}

static enum fusor_status open_criteo(const struct reader_input *in,
                                     struct source *out,
                                     struct fusor_error *err)
{
    struct names names;
    struct delimited_options o = {
        .separator = "\t", .header = names.list, .n_header = N_COLUMNS};

    fill_names(&names);
    if (!in->schema[0])
        FUSOR_TRY(source_spec_parse(default_schema, "schema of criteo",
                                    &out->spec, err));
    if (out->spec.n_header || out->spec.query_file[0] || out->spec.item_file[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: format criteo names its columns itself (label, "
                          "I1 to I13, C1 to C26) and has no side tables: "
                          "delete header, query_file and item_file",
                          in->schema);
    for (int i = 0; i < SOURCE_PARTS; i++)
        if (in->paths[i][0])
            FUSOR_TRY(delimited_open(in->paths[i], &o, &out->rows[i], err));
    return FUSOR_OK;
}

/* 39 tabs, and a label that is 0 or 1. */
static int sniff(const char *path, const char *head)
{
    int tabs = 0;

    (void)path;
    for (const char *s = head; *s; s++)
        tabs += *s == '\t';
    return tabs == N_COLUMNS - 1 && (head[0] == '0' || head[0] == '1') &&
           head[1] == '\t';
}

const struct reader_ops reader_criteo = {
    .name = "criteo",
    .help = "label, 13 counts, 26 hexadecimal ids, tab separated",
    .own_fields = 1, // with a schema it may be any TSV
    .sniff = sniff,
    .open = open_criteo};
