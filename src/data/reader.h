/* Readers: from the files of one format to rows of named text cells, and to
 * the fields those mean. One file a format under reader/, one line in the
 * registry of reader.c.
 *
 * A source has one table of rows for each part that the user named (all rows,
 * or train, valid, test) and perhaps a side table for queries and items. A
 * table streams: its memory is one line.
 *
 * Threads: one source belongs to one thread. */
#ifndef DATA_READER_H
#define DATA_READER_H

#include <stddef.h>
#include <stdint.h>

#include "data/source.h"
#include "fusor/status.h"

struct cell {
    const char *text; // UTF-8; not NUL-terminated
    size_t n;
    uint32_t column; // byte of the line, from 1
};

struct table_row {
    const struct cell *cells; // [n_columns of the table], until the next row
    uint64_t line;
    const char *fault; // NULL, or why the line is no row; cells are not set
    uint32_t fault_column;
};

struct table;

struct table_ops {
    enum fusor_status (*next)(struct table *t, struct table_row *row, int *end,
                              struct fusor_error *err);
    void (*close)(struct table *t);
    /* The next whole lines as they stand in the file (input_read_lines()), for
     * who cuts them himself; NULL: this cannot be done. */
    enum fusor_status (*lines)(struct table *t, char *to, size_t *got,
                               struct fusor_error *err);
};

/* The front of every reader's own structure. */
struct table {
    const struct table_ops *ops;
    const char *path; // for messages; owned by the table
    char **columns;   // [n_columns] names
    size_t n_columns;
    char separator;      // lines() may be cut at this byte and nothing else
                         // (UTF-8, no quotes); 0: they may not
    uint64_t first_line; // lines before the first row
};

/** The next row; a line that is none has row->fault set and is no failure.
 * @param end set to 1 when there was none left */
enum fusor_status table_next(struct table *t, struct table_row *row, int *end,
                             struct fusor_error *err);
void table_close(struct table *t); // NULL is fine
/** @return index of the column, or -1 */
int table_column(const struct table *t, const char *column);
/** Set path and columns (copied). On failure nothing is left behind. */
enum fusor_status table_name(struct table *t, const char *path,
                             const char *const *columns, size_t n,
                             struct fusor_error *err);

enum { SOURCE_TRAIN, SOURCE_VALID, SOURCE_TEST, SOURCE_PARTS };

struct reader_input {
    const char *paths[SOURCE_PARTS]; // [0]: a file or folder; others or ""
    const char *schema;              // YAML of a source, or ""
    const char *fields;              // libfm: file of (id, field, value), or ""
};

struct source {
    struct source_spec spec;
    struct table *rows[SOURCE_PARTS]; // [0] always
    struct table *query, *item;       // side tables, or NULL
    char candidates[1024]; // file of given candidates that the format brings
                           // along, or ""; the user's own wins
};

struct reader_ops {
    const char *name;
    const char *help; // one line
    int own_fields;   // needs no schema; not guessed when one is given
    int has_header;   // cells under names: --guess can say more
    /** Is this file or folder of the format? head is its first line, unpacked;
     * "" for a folder. */
    int (*sniff)(const char *path, const char *head);
    enum fusor_status (*open)(const struct reader_input *in, struct source *out,
                              struct fusor_error *err);
};

/** All formats, one a line, for help. */
void reader_list(struct strbuf *out);
/** The format of this file or folder, the first that knows it.
 * @return FUSOR_EUSAGE: none does */
enum fusor_status reader_find(const char *path, const struct reader_ops **out,
                              struct fusor_error *err);
/** Open a source.
 * @param format a reader's name, or "auto": the first that knows the input
 * @param out large: on the heap; source_close() it after success
 * @return FUSOR_EUSAGE: no such format, none fits, a schema is missing */
enum fusor_status source_open(const char *format, const struct reader_input *in,
                              struct source *out, const char **format_found,
                              struct fusor_error *err);
void source_close(struct source *s);

#endif
