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

static inline enum fusor_status prepare(const char *options)
{
    struct prepare_options o;
    struct strbuf text = {0};
    struct yaml *y = NULL;
    enum fusor_status rc;

    fs_join(out, test_tmpdir(), "prepared");
    strbuf_addf(&text, "out: \"%s\"\n%s", out, options);
    rc = yaml_parse(text.s, text.len, "options", &y, &err);
    REQUIRE(rc == FUSOR_OK);
    rc = option_read(prepare_option_specs, yaml_root(y), "prepare", &o, &err);
    if (rc == FUSOR_OK)
        rc = prepare_run(&o, &report, &err);
    yaml_destroy(y);
    strbuf_clear(&text);
    return rc;
}

/* @param options with one %s each for the input and the schema */
static inline enum fusor_status
prepare_csv(const char *rows, const char *schema, const char *options)
{
    struct strbuf text = {0};
    enum fusor_status rc;

    strbuf_addf(&text, "input: \"%s\"\nschema: \"%s\"\n%s",
                test_write("in.csv", rows), test_write("in.yaml", schema),
                options);
    rc = prepare(text.s);
    strbuf_clear(&text);
    return rc;
}

static void must(enum fusor_status rc)
{
    if (rc != FUSOR_OK)
        puts(err.text);
    REQUIRE(rc == FUSOR_OK);
}

static inline struct vocab *open_vocab(const char *name)
{
    char path[FS_PATH_MAX];
    struct vocab *v = NULL;

    must(vocab_read(fs_join(path, out, name), &v, &err));
    return v;
}

static inline struct part *open_part(const char *name)
{
    char path[FS_PATH_MAX];
    struct part *p = NULL;

    must(part_open(fs_join(path, out, name), &p, &err));
    return p;
}

static inline int exists(const char *name)
{
    char path[FS_PATH_MAX];

    return fs_exists(fs_join(path, out, name));
}

static inline struct schema *open_schema(void)
{
    struct schema *s = mem_alloc(1, sizeof(*s));

    REQUIRE(s != NULL);
    must(schema_read(out, s, &err));
    return s;
}

/* Does any file of the folder hold the text? */
static inline int folder_holds(const char *text)
{
    size_t n = strlen(text), n_found = 0;
    struct fs_list list = {0};

    must(fs_list_dir(out, &list, &err));
    for (size_t i = 0; i < list.n; i++) {
        char path[FS_PATH_MAX], *data = NULL;
        size_t size;

        must(fs_read(fs_join(path, out, list.names[i]), 1 << 20, &data, &size,
                     &err));
        for (size_t at = 0; at + n <= size; at++)
            n_found += !memcmp(data + at, text, n);
        mem_free(data);
    }
    fs_list_clear(&list);
    return n_found > 0;
}

#endif
