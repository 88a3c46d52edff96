/* A first schema for a CSV or TSV file, to be read and corrected by its owner:
 * types, sides, distinct and missing values, from the first million rows. */
#ifndef DATA_GUESS_H
#define DATA_GUESS_H

#include <stdint.h>

#include "base/str.h"
#include "fusor/status.h"

/** Append the YAML of data/source.h with a comment for each column.
 * @param path file with a header, comma or tab separated, maybe packed
 * @param max_rows rows to look at; 0: a million
 * @return FUSOR_EDATA: no header, no rows, or more columns than fields can be
 */
enum fusor_status guess_schema(const char *path, uint64_t max_rows,
                               struct strbuf *out, struct fusor_error *err);

#endif
