/* One table says all about a group of settings: name, type, range, default and
 * help. Parsing a YAML map into a struct, checking it, printing it back with
 * the origin of each value and the help text all come from it.
 *
 *     struct train_options { uint64_t global_batch; double lr; };
 *     static const struct option_spec specs[] = {
 *         OPTION_SIZE(struct train_options, global_batch, "4096", 1, 1e9,
 *                     "samples in one step over all workers"),
 *         OPTION_END};
 */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/yaml.h"

enum option_type {
    OPTION_TYPE_INT,    // int64_t
    OPTION_TYPE_SIZE,   // uint64_t, with units
    OPTION_TYPE_DOUBLE, // double
    OPTION_TYPE_BOOL,   // int
    OPTION_TYPE_TEXT,   // const char *, owned by the tree or the table
    OPTION_TYPE_ENUM,   // int, index into names
    OPTION_TYPE_NODE    // struct yaml_node *: read by somebody else
};

struct option_spec {
    const char *name;
    enum option_type type;
    size_t offset;
    const char *fallback;     // as written in YAML; NULL: required
    double min, max;          // numbers
    const char *const *names; // enum, NULL-terminated
    const char *help;
};

#define OPTION_INT(T, f, def, lo, hi, h)                          \
    {                                                             \
#f, OPTION_TYPE_INT, offsetof(T, f), def, lo, hi, NULL, h \
    }
#define OPTION_SIZE(T, f, def, lo, hi, h)                          \
    {                                                              \
#f, OPTION_TYPE_SIZE, offsetof(T, f), def, lo, hi, NULL, h \
    }
#define OPTION_DOUBLE(T, f, def, lo, hi, h)                          \
    {                                                                \
#f, OPTION_TYPE_DOUBLE, offsetof(T, f), def, lo, hi, NULL, h \
    }
#define OPTION_BOOL(T, f, def, h)                                \
    {                                                            \
#f, OPTION_TYPE_BOOL, offsetof(T, f), def, 0, 0, NULL, h \
    }
#define OPTION_TEXT(T, f, def, h)                                \
    {                                                            \
#f, OPTION_TYPE_TEXT, offsetof(T, f), def, 0, 0, NULL, h \
    }
#define OPTION_ENUM(T, f, def, names, h)                          \
    {                                                             \
#f, OPTION_TYPE_ENUM, offsetof(T, f), def, 0, 0, names, h \
    }
#define OPTION_NODE(T, f, h)                                    \
    {                                                           \
#f, OPTION_TYPE_NODE, offsetof(T, f), "", 0, 0, NULL, h \
    }
#define OPTION_END                                       \
    {                                                    \
        NULL, OPTION_TYPE_INT, 0, NULL, 0, 0, NULL, NULL \
    }

/** Fill *out from map (NULL: all defaults). Unknown key, wrong type, out of
 * range or a missing required one: file:line:column, what, the nearest name.
 * An absent OPTION_NODE is NULL.
 * @param where names the group in errors about required keys: "train" */
enum fusor_status option_read(const struct option_spec *specs,
                              struct yaml_node *map, const char *where,
                              void *out, struct fusor_error *err);

/** Check that every key of map is one of names (NULL-terminated). */
enum fusor_status option_check_keys(const struct yaml_node *map,
                                    const char *const *names, const char *where,
                                    struct fusor_error *err);

/** One line per option: name, default, range or names, help. */
void option_help(const struct option_spec *specs, struct strbuf *out);

/** "name: value  # origin" lines of the values in *in, indented. An OPTION_NODE
 * is left to whoever reads it. */
void option_print(const struct option_spec *specs, const struct yaml_node *map,
                  const void *in, int indent, struct strbuf *out);

#endif
