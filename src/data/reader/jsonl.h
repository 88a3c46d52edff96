/* A table whose rows are lines of JSON objects. Private to reader/. */
#ifndef DATA_READER_JSONL_H
#define DATA_READER_JSONL_H

#include "data/reader.h"

/** Open a file of JSON lines, perhaps packed.
 * @param members [n] of the objects that are read; borrowed while it is open
 * @param columns [n] what they are called in the table; copied
 * @return FUSOR_EIO, FUSOR_ENOMEM */
enum fusor_status jsonl_open(const char *path, const char *const *members,
                             const char *const *columns, size_t n,
                             struct table **out, struct fusor_error *err);

#endif
