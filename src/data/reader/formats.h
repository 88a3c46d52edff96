/* The formats that are registered, and the table of delimited lines that
 * several of them are made of. Private to reader.c, reader/
 * and scores.c. */
#ifndef DATA_READER_FORMATS_H
#define DATA_READER_FORMATS_H

#include "data/input.h"
#include "data/reader.h"

extern const struct reader_ops reader_movielens;
extern const struct reader_ops reader_criteo;
extern const struct reader_ops reader_beir;
extern const struct reader_ops reader_csv;
extern const struct reader_ops reader_tsv;
extern const struct reader_ops reader_libfm;
extern const struct reader_ops reader_libsvm;
extern const struct reader_ops reader_libffm;
extern const struct reader_ops reader_sasrec;
extern const struct reader_ops reader_s3rec;
extern const struct reader_ops reader_ncf;
extern const struct reader_ops reader_recbole;

#define READER_HEAD_MAX 4096

/** The first line, unpacked and cut to what fits; "" for a folder. */
enum fusor_status reader_head(const char *path, char out[READER_HEAD_MAX],
                              struct fusor_error *err);

/** The next token between blanks and tabs at or after *at.
 * @return 0 when there is none left */
int reader_next_token(const struct input_line *line, size_t *at,
                      struct cell *out);

#define ATTRIBUTES_SEPARATOR "\n" /* stands in no attribute */

/** Open an item side table {"item": [attribute, ...], ...}; columns item and
 * attributes, which are separated by ATTRIBUTES_SEPARATOR. */
enum fusor_status attributes_open(const char *path, struct table **out,
                                  struct fusor_error *err);

struct delimited_options {
    const char *separator; // one or more bytes
    int quotes;            // RFC 4180: "a ""quoted"" cell, with anything"
    int latin1;            // turn cells into UTF-8; else bad UTF-8 is a fault
    const char *const *header; // names, or NULL: the first line has them
    size_t n_header;
};

/** Open a file of delimited lines. Lines with another number of cells, quotes
 * that do not close and bytes that are no UTF-8 are faults; empty lines are
 * skipped. */
enum fusor_status delimited_open(const char *path,
                                 const struct delimited_options *o,
                                 struct table **out, struct fusor_error *err);

#endif
