/* A JSON writer: commas and quoting are its business. Numbers are printed so
 * that they read back the same (9 digits for float, 17 for double when
 * needed); NaN and infinities become null; bytes that are no UTF-8 become
 * U+FFFD. Values on the outermost level stand on lines of their own. Reading
 * JSON: yaml.h, whose language contains it. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdint.h>

#include "base/str.h"

struct json {
    struct strbuf text;
    uint64_t has_item; // bit per level: a comma is due
    int level;
    int pretty; // two blanks a level
};

void json_begin_object(struct json *j, const char *key); // key NULL in arrays
void json_end_object(struct json *j);
void json_begin_array(struct json *j, const char *key);
void json_end_array(struct json *j);
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, double value);
void json_int(struct json *j, const char *key, int64_t value);
void json_uint(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, int value);
/** value is JSON already and is put in as it is. */
void json_raw(struct json *j, const char *key, const char *value);
void json_clear(struct json *j);

#endif
