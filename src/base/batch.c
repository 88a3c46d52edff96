/* Names of field types and the search by name. */
#include "base/batch.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
    [FIELD_DENSE] = "dense",   [FIELD_CATEGORICAL] = "categorical",
    [FIELD_MULTI] = "multi",   [FIELD_SEQUENCE] = "sequence",
    [FIELD_BAG] = "bag",       [FIELD_TEXT] = "text",
    [FIELD_VECTOR] = "vector", [FIELD_SCORE] = "score",
};
#define N_TYPES (sizeof(type_names) / sizeof(type_names[0]))

const char *field_score_name(const char *tower, char out[FIELD_NAME_MAX])
{
    snprintf(out, FIELD_NAME_MAX, "%.40s.score", tower);
    return out;
}

int field_find(const struct field_spec *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *field_type_name(enum field_type type)
{
    return (size_t)type < N_TYPES ? type_names[type] : "?";
}

int field_type_from_name(const char *name)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcmp(type_names[i], name) == 0 && i != FIELD_SCORE)
            return (int)i;
    return -1;
}
