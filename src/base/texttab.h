/* A text table with aligned columns, for people. */
#ifndef BASE_TEXTTAB_H
#define BASE_TEXTTAB_H

#include "base/str.h"

struct texttab;

/** @param columns NULL-terminated headings; one that begins with '>' is
 * aligned right ('>' is not printed) */
struct texttab *texttab_create(const char *const *columns);
/** Add one row of as many cells as columns; copied. */
void texttab_row(struct texttab *t, const char *const *cells);
void texttab_print(const struct texttab *t, struct strbuf *out);
void texttab_destroy(struct texttab *t);

#endif
