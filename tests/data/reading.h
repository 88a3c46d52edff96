/* What the tests of the readers share: sources opened, rows as text. */
#ifndef TESTS_DATA_READING_H
#define TESTS_DATA_READING_H

#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/reader.h"

static struct fusor_error err;

/* A fresh folder below the test's. */
static const char *folder(const char *name)
{
    static char dir[FS_PATH_MAX];

    fs_join(dir, test_tmpdir(), name);
    REQUIRE(fs_mkdirs(dir, &err) == FUSOR_OK);
    return dir;
}

static struct source *opened(const char *format, const char *input,
                             const char *schema)
{
    struct reader_input in = {
        .paths = {input, "", ""}, .schema = schema, .fields = ""};
    struct source *s = mem_alloc(1, sizeof(*s));
    const char *found;

    REQUIRE(s != NULL);
    if (source_open(format, &in, s, &found, &err) != FUSOR_OK) {
        mem_free(s);
        return NULL;
    }
    return s;
}

static void done(struct source *s)
{
    source_close(s);
    mem_free(s);
}

/* The next row as "a|b|c", or "fault@column: why", or "end". */
static const char *next(struct table *t)
{
    static char text[512];
    struct table_row row = {0};
    size_t at = 0;
    int end;

    REQUIRE(table_next(t, &row, &end, &err) == FUSOR_OK);
    if (end)
        return "end";
    if (row.fault) {
        snprintf(text, sizeof(text), "%llu@%u: %s",
                 (unsigned long long)row.line, row.fault_column, row.fault);
        return text;
    }
    text[0] = '\0';
    for (size_t c = 0; c < t->n_columns; c++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s",
                               c ? "|" : "", (int)row.cells[c].n,
                               row.cells[c].text);
    return text;
}

#define CHECK_NEXT(t, want)                                  \
    do {                                                     \
        const char *got_ = next(t);                          \
        if (strcmp(got_, want)) {                            \
            printf("got \"%s\", want \"%s\"\n", got_, want); \
            CHECK(0);                                        \
        }                                                    \
    } while (0)

#endif
