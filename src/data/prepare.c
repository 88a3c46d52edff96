/* prepare: the options, the order of the passes, the schema, the report. */
#include "data/prepare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "data/prepare_private.h"
#include "data/text.h"

#define T struct prepare_options

const struct option_spec prepare_option_specs[] = {
    OPTION_TEXT(T, input, NULL, "file or folder to read; - is standard input"),
    OPTION_TEXT(T, valid, "", "file of valid rows (protocol given)"),
    OPTION_TEXT(T, test, "", "file of test rows (protocol given)"),
    OPTION_TEXT(T, format, "auto",
                "auto, movielens, criteo, csv, tsv, libfm, libffm, libsvm, "
                "ncf, sasrec, s3rec, recbole or beir"),
    OPTION_TEXT(T, schema, "", "YAML that says what the columns are"),
    OPTION_TEXT(T, fields, "", "libfm: file of (id, field, value)"),
    OPTION_TEXT(T, out, NULL, "folder to write"),
    OPTION_TEXT(T, protocol, "none",
                "none, given, kfold-official, kfold-random, loo-full, "
                "loo-given, loo-sampled, loo-popular, qrels, time-split "
                "or user-split"),
    OPTION_TEXT(T, candidates, "", "loo-given: file of user item n1 n2 ..."),
    OPTION_SIZE(T, folds, "5", 2, SCHEMA_MAX_FOLDS, "kfold-random: how many"),
    OPTION_SIZE(T, seed, "1", 0, 9e15, "of the split and of drawn candidates"),
    OPTION_SIZE(T, negatives, "99", 1, 1e6,
                "loo: candidates to draw for a test row"),
    OPTION_DOUBLE(T, train_share, "0.8", 0, 1, "time-split, user-split, qrels"),
    OPTION_DOUBLE(T, valid_share, "0.1", 0, 1, "the rest is the test part"),
    OPTION_TEXT(T, valid_last, "",
                "5%: the last rows of the file are valid rows, the others "
                "train"),
    OPTION_TEXT(T, split_at, "",
                "time-split: 2015-01-01,2016-01-01: where valid and test "
                "rows begin; one date: no valid part"),
    OPTION_BOOL(T, validation, "true", "loo: the row before the last is valid"),
    OPTION_SIZE(T, min_count, "1", 1, 1e9,
                "rarer values become unknown (keys do not)"),
    OPTION_SIZE(T, min_query_rows, "1", 1, 1e9,
                "leave out users with fewer rows, until none has"),
    OPTION_SIZE(T, min_item_rows, "1", 1, 1e9, "the same of items"),
    OPTION_SIZE(T, max_values, "512", 1, 1e6, "longest list of a field"),
    OPTION_SIZE(T, threads, "0", 0, 1024,
                "for rows that need no dictionary; 0: all processors"),
    OPTION_SIZE(T, max_bad, "100", 0, 1e15, "more bad rows end the run"),
    OPTION_BOOL(T, dedupe, "false", "keep the last row of a user and item"),
    OPTION_TEXT(T, label, "", "column to learn, instead of the format's"),
    OPTION_TEXT(T, hash, "", "fields to hash: no vocabulary, any value"),
    OPTION_TEXT(T, hash_ids, "",
                "store user ids as keyed hashes (HMAC-SHA-256, 128 bits); a "
                "secret text, or @FILE with one"),
    OPTION_END};

#undef T

const char *prepare_cause_text(enum bad_cause cause)
{
    static const char *const texts[] = {
        [BAD_MISSING] = "missing value",
        [BAD_NUMBER] = "not a number",
        [BAD_RANGE] = "out of range",
        [BAD_COLUMNS] = "wrong column count",
        [BAD_FORMAT] = "unreadable",
        [BAD_DUPLICATE] = "duplicate",
        [BAD_RARE] = "rare user or item",
        [BAD_UNKNOWN] = "not in the catalogue",
    };

    return (unsigned)cause < BAD_CAUSES ? texts[cause] : "?";
}

static void fill_stats(const struct prep *p, const struct prep_field *f,
                       struct schema_field *out)
{
    out->std = 1;
    if (f->stats.n == 0 || p->split.n_folds)
        return; // with folds there is no one train part
    out->min = f->stats.min;
    out->max = f->stats.max;
    out->mean = f->stats.mean;
    out->std = sqrt(f->stats.m2 / (double)f->stats.n);
    if (!(out->std > 0))
        out->std = 1;
}

static void fill_field(const struct prep *p, uint32_t i,
                       struct schema_field *out)
{
    const struct prep_field *f = &p->fields[i];
    const struct source_field *s = f->source;

    memcpy(out->spec.name, s->name, sizeof(out->spec.name));
    out->spec.type = s->type;
    out->spec.side = s->side;
    out->spec.width = f->spec.width;
    out->spec.max_values = f->spec.type == COLUMN_LIST ? f->longest : 1;
    out->is_key = s->is_key;
    out->weighted = f->spec.weighted;
    out->analysis = s->analysis;
    memcpy(out->transform, s->transform, sizeof(out->transform));
    fill_stats(p, f, out);
    if (f->vocab >= 0) {
        const struct prep_vocab *v = &p->vocabs[f->vocab];

        memcpy(out->vocab_name, v->name, sizeof(out->vocab_name));
        out->spec.cardinality = vocab_size(v->kept);
        out->spec.vocab = (uint32_t)f->vocab + 1;
    } else if (s->hashed) {
        out->spec.cardinality = s->hash_size ? s->hash_size + 1 : 0;
        out->spec.vocab = p->n_vocabs + 1 + i; // shares ids with nobody
    }
}

static uint64_t final_size(const struct prep *p, int side)
{
    int key = p->sides[side].key;

    return key < 0 ? 0 : vocab_size(p->vocabs[p->fields[key].vocab].kept);
}

static void fill_schema(struct prep *p)
{
    struct schema *s = p->schema;

    s->version = SCHEMA_VERSION;
    snprintf(s->protocol, sizeof(s->protocol), "%s", p->protocol->name);
    s->protocol_version = p->protocol->version;
    s->n_folds = p->split.n_folds;
    s->n_train = p->report->rows[ROW_TRAIN];
    s->n_valid = p->report->rows[ROW_VALID];
    s->n_test = p->report->rows[ROW_TEST];
    s->has_time = p->has_time;
    s->has_weight = p->has_weight;
    if (p->hides_ids)
        privacy_check(&p->key, s->ids_check);
    s->label_min = p->label_stats.min;
    s->label_max = p->label_stats.max;
    s->seed = p->options->seed;
    s->query_key = p->sides[0].key;
    s->item_key = p->sides[1].key;
    s->n_queries = final_size(p, 0);
    s->n_items = final_size(p, 1);
    s->n_fields = p->n_fields;
    for (uint32_t i = 0; i < p->n_fields; i++)
        fill_field(p, i, &s->fields[i]);
    p->report->n_queries = s->n_queries ? s->n_queries - 1 : 0;
    p->report->n_items = s->n_items ? s->n_items - 1 : 0;
}

/* An older folder's files that this run may not write again would lie. */
static enum fusor_status clear_folder(const char *dir, struct fusor_error *err)
{
    static const char *const names[] = {
        "schema.yaml", "rows.part", "train.part", "valid.part", "test.part"};
    char path[FS_PATH_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        FUSOR_TRY(fs_remove_tree(fs_join(path, dir, names[i]), err));
    return FUSOR_OK;
}

static enum fusor_status write_vocabs(const struct prep *p,
                                      struct fusor_error *err)
{
    char path[FS_PATH_MAX], file[FIELD_NAME_MAX + 8];

    for (uint32_t i = 0; i < p->n_vocabs; i++) {
        snprintf(file, sizeof(file), "%s.vocab", p->vocabs[i].name);
        FUSOR_TRY(vocab_write(p->vocabs[i].kept,
                              fs_join(path, p->options->out, file), err));
    }
    return FUSOR_OK;
}

static enum fusor_status write_folder(struct prep *p, struct fusor_error *err)
{
    FUSOR_TRY(clear_folder(p->options->out, err));
    if (p->direct)
        FUSOR_TRY(prep_direct(p, err));
    else
        FUSOR_TRY(prep_write_rows(p, err));
    FUSOR_TRY(prep_write_candidates(p, err));
    FUSOR_TRY(prep_side_write(p, &p->sides[0], "query.part", err));
    FUSOR_TRY(prep_side_write(p, &p->sides[1], "item.part", err));
    FUSOR_TRY(prep_names_write(p, err));
    FUSOR_TRY(write_vocabs(p, err));
    fill_schema(p);
    return schema_write(p->schema, p->options->out, err);
}

/* "5%" or 0.05. */
static int parse_share(const char *text, double *out)
{
    char number[32];
    size_t n = strlen(text);
    int percent = n && text[n - 1] == '%';

    if (n - (size_t)percent >= sizeof(number))
        return -1;
    snprintf(number, sizeof(number), "%.*s", (int)n - percent, text);
    if (str_to_double(number, out))
        return -1;
    if (percent)
        *out /= 100;
    return *out > 0 && *out < 1 ? 0 : -1;
}

static enum fusor_status read_shares(struct prep *p, struct fusor_error *err)
{
    const struct prepare_options *o = p->options;

    p->train_share = o->train_share;
    p->valid_share = o->valid_share;
    if (!o->valid_last[0]) {
        if (o->train_share + o->valid_share > 1 + 1e-9)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "train_share %g and valid_share %g are more than "
                              "all",
                              o->train_share, o->valid_share);
        return FUSOR_OK;
    }
    if (strcmp(o->protocol, "none") && strcmp(o->protocol, "time-split"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "valid_last splits by order: leave protocol %s out",
                          o->protocol);
    if (parse_share(o->valid_last, &p->valid_share))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "valid_last: a share such as 5%% or 0.05, not %s",
                          o->valid_last);
    p->train_share = 1 - p->valid_share;
    return FUSOR_OK;
}

/* "2015-01-01" or "2015-01-01,2016-01-01". */
static enum fusor_status read_dates(struct prep *p, struct fusor_error *err)
{
    const char *text = p->options->split_at, *comma;
    size_t n;

    if (!text || !text[0])
        return FUSOR_OK;
    comma = strchr(text, ',');
    n = comma ? (size_t)(comma - text) : strlen(text);
    if (strcmp(p->options->protocol, "time-split") || p->options->valid_last[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "split_at is for protocol time-split, without "
                          "valid_last");
    p->n_dates = comma ? 2 : 1;
    if (text_to_time(text, n, &p->dates[0]) ||
        (comma && text_to_time(comma + 1, strlen(comma + 1), &p->dates[1])) ||
        (comma && p->dates[1] <= p->dates[0]))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "split_at: one date or two in order, such as "
                          "2015-01-01,2016-01-01, not %s",
                          text);
    return FUSOR_OK;
}

static enum fusor_status open_source(struct prep *p, struct fusor_error *err)
{
    const struct prepare_options *o = p->options;
    struct reader_input in = {.paths = {o->input, o->valid, o->test},
                              .schema = o->schema,
                              .fields = o->fields};
    const char *format;

    FUSOR_TRY(read_shares(p, err));
    FUSOR_TRY(read_dates(p, err));
    p->hides_ids = o->hash_ids && o->hash_ids[0];
    if (p->hides_ids)
        FUSOR_TRY(privacy_key_read(o->hash_ids, &p->key, err));
    p->protocol =
        protocol_find(o->valid_last[0] ? "time-split" : o->protocol, err);
    if (!p->protocol)
        return FUSOR_EUSAGE;
    FUSOR_TRY(source_open(o->format, &in, &p->source, &format, err));
    snprintf(p->report->format, sizeof(p->report->format), "%s", format);
    return FUSOR_OK;
}

static enum fusor_status read_side_files(struct prep *p,
                                         struct fusor_error *err)
{
    FUSOR_TRY(prep_side_read_file(p, &p->sides[0], err));
    return prep_side_read_file(p, &p->sides[1], err);
}

static enum fusor_status run(struct prep *p, struct fusor_error *err)
{
    p->schema = mem_alloc(1, sizeof(*p->schema));
    if (!p->schema)
        return mem_fail(err, "schema", sizeof(*p->schema));
    FUSOR_TRY(open_source(p, err));
    FUSOR_TRY(fs_mkdirs(p->options->out, err));
    FUSOR_TRY(prep_plan(p, err));
    p->direct = prep_is_direct(p) && !p->n_dates;
    if (p->direct)
        return write_folder(p, err);
    if (p->source.spec.catalogue) // which rows are checked against
        FUSOR_TRY(read_side_files(p, err));
    FUSOR_TRY(prep_read_rows(p, err));
    FUSOR_TRY(prep_split(p, err));
    if (!p->source.spec.catalogue)
        FUSOR_TRY(read_side_files(p, err));
    FUSOR_TRY(prep_count(p, err));
    return write_folder(p, err);
}

static void clear_field(struct prep_field *f)
{
    mem_free(f->value.numbers);
    mem_free(f->value.list);
    mem_free(f->value.weights);
    side_values_clear(&f->side);
}

static void clear(struct prep *p)
{
    source_close(&p->source);
    stage_destroy(p->stage);
    for (uint32_t i = 0; p->fields && i < p->n_fields; i++)
        clear_field(&p->fields[i]);
    for (uint32_t i = 0; i < p->n_vocabs; i++) {
        vocab_destroy(p->vocabs[i].vocab);
        vocab_destroy(p->vocabs[i].kept);
        mem_free(p->vocabs[i].counts);
        mem_free(p->vocabs[i].final);
        mem_free(p->vocabs[i].gone);
    }
    prep_side_clear(&p->sides[0]);
    prep_side_clear(&p->sides[1]);
    split_result_clear(&p->split);
    mem_free(p->facts.part);
    mem_free(p->facts.query);
    mem_free(p->facts.item);
    mem_free(p->facts.time);
    mem_free(p->facts.line);
    mem_free(p->fields);
    mem_free(p->vocabs);
    mem_free(p->schema);
    mem_free(p);
}

enum fusor_status prepare_run(const struct prepare_options *options,
                              struct prepare_report *report,
                              struct fusor_error *err)
{
    struct prep *p = mem_alloc(1, sizeof(*p));
    double start = clock_seconds();
    enum fusor_status rc;

    memset(report, 0, sizeof(*report));
    if (!p)
        return mem_fail(err, "prepare", sizeof(*p));
    p->options = options;
    p->report = report;
    rc = run(p, err);
    clear(p);
    report->seconds = clock_seconds() - start;
    return rc;
}

static void print_bad(const struct prepare_report *r, struct strbuf *out)
{
    for (int i = 0; i < BAD_CAUSES; i++)
        if (r->bad[i])
            strbuf_addf(out, "  left out: %llu (%s)\n",
                        (unsigned long long)r->bad[i],
                        prepare_cause_text((enum bad_cause)i));
    for (uint32_t i = 0; i < r->n_examples; i++)
        strbuf_addf(out, "    %s\n", r->examples[i]);
}

void prepare_report_print(const struct prepare_report *r, struct strbuf *out)
{
    char rate[16];

    strbuf_addf(out, "%s: %llu rows read, %llu kept, %.2f s, %s rows/s\n",
                r->format, (unsigned long long)r->rows_read,
                (unsigned long long)r->rows_kept, r->seconds,
                str_count((double)r->rows_read /
                              (r->seconds > 1e-9 ? r->seconds : 1e-9),
                          rate));
    print_bad(r, out);
    if (r->n_folds)
        strbuf_addf(out, "  %u folds of %llu rows\n", r->n_folds,
                    (unsigned long long)r->rows[0]);
    else
        strbuf_addf(out, "  train %llu, valid %llu, test %llu rows\n",
                    (unsigned long long)r->rows[0],
                    (unsigned long long)r->rows[1],
                    (unsigned long long)r->rows[2]);
    if (r->n_queries || r->n_items)
        strbuf_addf(out, "  %llu queries, %llu items\n",
                    (unsigned long long)r->n_queries,
                    (unsigned long long)r->n_items);
    if (r->added)
        strbuf_addf(out, "  %llu test rows are in the candidates file only\n",
                    (unsigned long long)r->added);
    if (r->side_unused)
        strbuf_addf(out, "  %llu side rows that no row names\n",
                    (unsigned long long)r->side_unused);
    if (r->cut)
        strbuf_addf(out, "  %llu values beyond the longest list\n",
                    (unsigned long long)r->cut);
}
