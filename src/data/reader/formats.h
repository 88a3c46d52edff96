/* The formats that are registered, and the table of delimited lines that
 * several of them are made of. Private to reader.c and reader/. */
#ifndef DATA_READER_FORMATS_H
#define DATA_READER_FORMATS_H

#include "data/reader.h"

extern const struct reader_ops reader_movielens;
extern const struct reader_ops reader_criteo;
extern const struct reader_ops reader_csv;
extern const struct reader_ops reader_tsv;
extern const struct reader_ops reader_libfm;
extern const struct reader_ops reader_libsvm;

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
