/* fusor prepare: a thin door to data/prepare.h and data/guess.h. */
#include "data/prepare.h"

#include <stdio.h>

#include "cli/verb.h"
#include "cli/output.h"
#include "data/guess.h"
#include "data/protocol.h"
#include "data/reader.h"

static const struct arg_spec specs[] = {
    {"guess", 0, "FILE", "write a first schema for this CSV or TSV to stdout"},
    {"json", 0, NULL, "the report as JSON on stdout"},
    {"quiet", 'q', NULL, "no report on stderr"},
    ARG_END,
};

static enum fusor_status guess(const char *path, struct fusor_error *err)
{
    struct strbuf text = {0};
    enum fusor_status rc = guess_schema(path, 0, &text, err);

    if (rc == FUSOR_OK)
        return output_text(&text, err);
    strbuf_clear(&text);
    return rc;
}

static enum fusor_status read_options(struct args *a,
                                      struct prepare_options *out,
                                      struct fusor_error *err)
{
    struct strbuf text = {0};
    enum fusor_status rc;

    if (a->n_rest == 1) {
        yaml_add_text(&text, a->rest[0]);
        rc = text.failed ? fusor_fail(err, FUSOR_ENOMEM, "prepare: no memory")
                         : yaml_set(a->settings, "input", text.s, "input", err);
        strbuf_clear(&text);
        FUSOR_TRY(rc);
    }
    if (!yaml_get(yaml_root(a->settings), "input"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "prepare: INPUT is missing; see fusor prepare "
                          "--help");
    if (!yaml_get(yaml_root(a->settings), "out"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "prepare: -o DIR is missing: where the prepared "
                          "folder goes");
    return option_read(prepare_option_specs, yaml_root(a->settings), "prepare",
                       out, err);
}

static enum fusor_status print_json(const struct prepare_report *r,
                                    const char *dir, struct fusor_error *err)
{
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_string(&j, "prepared", dir);
    json_string(&j, "format", r->format);
    json_uint(&j, "rows_read", r->rows_read);
    json_uint(&j, "rows_kept", r->rows_kept);
    json_begin_object(&j, "bad");
    for (int i = 0; i < BAD_CAUSES; i++)
        json_uint(&j, prepare_cause_text((enum bad_cause)i), r->bad[i]);
    json_end_object(&j);
    json_begin_array(&j, "examples");
    for (uint32_t i = 0; i < r->n_examples; i++)
        json_string(&j, NULL, r->examples[i]);
    json_end_array(&j);
    json_begin_object(&j, "rows");
    json_uint(&j, r->n_folds ? "all" : "train", r->rows[0]);
    json_uint(&j, "valid", r->rows[1]);
    json_uint(&j, "test", r->rows[2]);
    json_end_object(&j);
    json_uint(&j, "folds", r->n_folds);
    json_uint(&j, "queries", r->n_queries);
    json_uint(&j, "items", r->n_items);
    json_number(&j, "seconds", r->seconds);
    json_number(&j, "rows_per_s",
                r->seconds > 0 ? (double)r->rows_read / r->seconds : 0);
    json_end_object(&j);
    return output_json(&j, err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct prepare_options options;
    struct prepare_report report = {.seconds = 0};
    struct strbuf text = {0};
    enum fusor_status rc;

    if (args_value(a, "guess"))
        return guess(args_value(a, "guess"), err);
    FUSOR_TRY(read_options(a, &options, err));
    rc = prepare_run(&options, &report, err);
    /* Bad rows are worth a report even when there were too many. */
    if (!args_flag(a, "quiet") && report.rows_read) {
        prepare_report_print(&report, &text);
        fputs(text.s ? text.s : "", stderr);
        strbuf_clear(&text);
    }
    if (rc == FUSOR_OK && args_flag(a, "json"))
        rc = print_json(&report, options.out, err);
    if (rc == FUSOR_OK && !args_flag(a, "quiet"))
        output_say("next: fusor train JOB.yaml with data: {prepared: %s}",
                   options.out);
    return rc;
}

static void describe(struct strbuf *out)
{
    strbuf_add(out, "\nFormats, of which auto takes the first that knows the "
                    "input:\n");
    reader_list(out);
    strbuf_add(out, "\nProtocols, which part train from test rows:\n");
    protocol_list(out);
}

const struct verb verb_prepare = {
    .name = "prepare",
    .help = "turn raw files into a prepared folder: clean, encode, split",
    .synopsis = "INPUT -o DIR [--protocol NAME] [options]\n"
                "       fusor prepare --guess FILE",
    .about = "INPUT is a file, a folder (MovieLens) or - for standard input;\n"
             ".gz and .zst are unpacked on the way.\n",
    .describe = describe,
    .examples =
        "  fusor prepare ml-100k/ --protocol kfold-official -o parts/ml100k\n"
        "  fusor prepare day_0.gz --format criteo --valid-last 5% -o parts/ad\n"
        "  fusor prepare --guess mine.csv > mine.yaml\n"
        "  fusor prepare mine.csv --schema mine.yaml --protocol time-split "
        "-o parts/mine\n",
    .args = {"prepare", specs, prepare_option_specs, "INPUT", 0, 1},
    .run = run,
};
