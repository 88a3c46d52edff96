/* What tests of prepare share: a CSV and its schema, prepared with options. */
#ifndef TESTS_DATA_PREPARING_H
#define TESTS_DATA_PREPARING_H

#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/part.h"
#include "data/prepare.h"
#include "data/schema.h"

static struct fusor_error err;
static struct prepare_report report;
static char out[FS_PATH_MAX]; // the prepared folder

static enum fusor_status prepare_csv(const char *rows, const char *schema,
                                     const char *options)
{
    struct prepare_options o;
    struct strbuf text = {0};
    struct yaml *y = NULL;
    enum fusor_status rc;

    fs_join(out, test_tmpdir(), "prepared");
    strbuf_addf(&text, "out: \"%s\"\ninput: \"%s\"\nschema: \"%s\"\n%s", out,
                test_write("in.csv", rows), test_write("in.yaml", schema),
                options);
    rc = yaml_parse(text.s, text.len, "options", &y, &err);
    REQUIRE(rc == FUSOR_OK);
    rc = option_read(prepare_option_specs, yaml_root(y), "prepare", &o, &err);
    if (rc == FUSOR_OK)
        rc = prepare_run(&o, &report, &err);
    yaml_destroy(y);
    strbuf_clear(&text);
    return rc;
}

static void must(enum fusor_status rc)
{
    if (rc != FUSOR_OK)
        puts(err.text);
    REQUIRE(rc == FUSOR_OK);
}

static struct vocab *open_vocab(const char *name)
{
    char path[FS_PATH_MAX];
    struct vocab *v = NULL;

    must(vocab_read(fs_join(path, out, name), &v, &err));
    return v;
}

#endif
