/* A folder of the BEIR benchmark (Thakur et al. 2021): corpus.jsonl with the
 * documents (_id, title, text), queries.jsonl (_id, text), and judgements in
 * qrels/train.tsv, dev.tsv and test.tsv (query-id, corpus-id, score), those of
 * them that are there. Rows are judgements; texts stand in the side tables,
 * which name all queries and documents there are.
 *
 * Without a schema every text is there twice: as stems of words, and as runs of
 * 4 characters. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "data/reader/formats.h"
#include "data/reader/jsonl.h"

static const char own_schema[] =
    "label: score\n"
    "names: title\n"
    "catalogue: true\n"
    "fields:\n"
    "  query: {side: query, type: categorical, column: query-id}\n"
    "  query_words: {side: query, type: text, column: text, stem: english,\n"
    "                stop: english, vocab: words, max: 4096}\n"
    "  query_chars: {side: query, type: text, column: text, ngram: 4,\n"
    "                vocab: chars, max: 65536}\n"
    "  doc: {side: item, type: categorical, column: corpus-id}\n"
    "  title: {side: item, type: text, stem: english, stop: english,\n"
    "          vocab: words, max: 4096}\n"
    "  body: {side: item, type: text, column: text, stem: english,\n"
    "         stop: english, vocab: words, max: 65536}\n"
    "  title_chars: {side: item, type: text, column: title, ngram: 4,\n"
    "                vocab: chars, max: 65536}\n"
    "  body_chars: {side: item, type: text, column: text, ngram: 4,\n"
    "               vocab: chars, max: 500000}\n";

/* dir/name, or packed. @return NULL: not there */
static const char *find_file(const char *dir, const char *name,
                             char path[FS_PATH_MAX])
{
    static const char *const endings[] = {"", ".gz", ".zst"};
    char file[64];

    for (int i = 0; i < 3; i++) {
        snprintf(file, sizeof(file), "%s%s", name, endings[i]);
        if (fs_exists(fs_join(path, dir, file)))
            return path;
    }
    return NULL;
}

static enum fusor_status open_texts(const char *dir, const char *name,
                                    const char *key, struct table **out,
                                    struct fusor_error *err)
{
    static const char *const members[] = {"_id", "text", "title"};
    const char *columns[] = {key, "text", "title"};
    char path[FS_PATH_MAX];

    if (!find_file(dir, name, path))
        return fusor_fail(err, FUSOR_EIO,
                          "%s: no %s in it: a BEIR folder has "
                          "corpus.jsonl, queries.jsonl and qrels/*.tsv",
                          dir, name);
    return jsonl_open(path, members, columns, 3, out, err);
}

/* The judgements there are: the first file stands in the place of the train
 * rows. */
static enum fusor_status open_judgements(const char *dir, struct source *out,
                                         struct fusor_error *err)
{
    static const char *const names[] = {"qrels/train.tsv", "qrels/dev.tsv",
                                        "qrels/test.tsv"};
    const struct delimited_options o = {.separator = "\t"};
    char path[FS_PATH_MAX];

    for (int i = 0; i < SOURCE_PARTS; i++)
        if (find_file(dir, names[i], path))
            FUSOR_TRY(delimited_open(path, &o, &out->rows[out->rows[0] ? i : 0],
                                     err));
    if (!out->rows[0])
        return fusor_fail(err, FUSOR_EIO,
                          "%s: no judgements: qrels/train.tsv, dev.tsv or "
                          "test.tsv",
                          dir);
    return FUSOR_OK;
}

static enum fusor_status open_beir(const struct reader_input *in,
                                   struct source *out, struct fusor_error *err)
{
    const char *dir = in->paths[0];

    FUSOR_TRY(open_texts(dir, "corpus.jsonl", "corpus-id", &out->item, err));
    FUSOR_TRY(open_texts(dir, "queries.jsonl", "query-id", &out->query, err));
    FUSOR_TRY(open_judgements(dir, out, err));
    if (out->spec.n_fields)
        return FUSOR_OK; // the user's schema
    return source_spec_parse(own_schema, "beir", &out->spec, err);
}

static int sniff_beir(const char *path, const char *head)
{
    char file[FS_PATH_MAX];

    (void)head;
    return fs_is_dir(path) && find_file(path, "corpus.jsonl", file) &&
           find_file(path, "queries.jsonl", file);
}

const struct reader_ops reader_beir = {
    .name = "beir",
    .help = "folder with corpus.jsonl, queries.jsonl and qrels/*.tsv",
    .sniff = sniff_beir,
    .open = open_beir};
