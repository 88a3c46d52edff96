/* YAML (and so JSON) read into a tree whose nodes know where they stand;
 * libyaml's only home. Anchors and aliases are expanded within a budget;
 * duplicate keys, tags and several documents are errors; depth, nodes and bytes
 * are bounded, so a hostile file costs an error and nothing else.
 *
 * A tree owns its nodes; they live until yaml_destroy(). */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "fusor/status.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    int quoted;               // scalar: written with quotes, so never a number
    const char *text;         // scalar
    size_t n;                 // list: items; map: entries
    const char **keys;        // map: [n]
    struct yaml_node **items; // list and map: [n]
    const char *file; // where it came from: a path, "--set", "FUSOR_..."
    int line, column; // from 1; 0 when not from a file
    int used;         // set by whoever consumed it (unknown-key check)
    int key_line, key_column; // of its key, for an entry of a map in a file
};

struct yaml;

/** Read one document; an empty one gives an empty map. n <= 64 MB.
 * @param file how to name the text in errors; copied
 * @return FUSOR_EUSAGE with the place, FUSOR_EDATA above a bound */
enum fusor_status yaml_parse(const char *text, size_t n, const char *file,
                             struct yaml **out, struct fusor_error *err);
enum fusor_status yaml_read(const char *path, struct yaml **out,
                            struct fusor_error *err);
void yaml_destroy(struct yaml *y);
struct yaml_node *yaml_root(struct yaml *y);

/** The value of key in a map, or NULL (also when map is NULL or no map).
 * Marks it used. */
struct yaml_node *yaml_get(struct yaml_node *map, const char *key);
/** Walk a dotted path: yaml_path(root, "train.global_batch"). */
struct yaml_node *yaml_path(struct yaml_node *root, const char *path);

/** Put value (YAML text: a scalar, a flow list, a flow map) at a dotted path,
 * making maps on the way; the items of a list are numbered from 0, as in
 * stages.0.epochs. A failure changes nothing that can be read.
 * @param origin how to name this place in errors, e.g. "--set", copied */
enum fusor_status yaml_set(struct yaml *y, const char *path, const char *value,
                           const char *origin, struct fusor_error *err);

/** Fail with FUSOR_EUSAGE and "file:line:column: " in front, "origin: " when
 * the node has no line, nothing when at is NULL. */
enum fusor_status yaml_fail(const struct yaml_node *at, struct fusor_error *err,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** The same with the place of the entry's key: the key is what is wrong. */
enum fusor_status yaml_fail_key(const struct yaml_node *entry,
                                struct fusor_error *err, const char *format,
                                ...) __attribute__((format(printf, 3, 4)));

/* Typed reads of one node; the error says what was expected and what stands
 * there. */
enum fusor_status yaml_to_text(const struct yaml_node *n, const char **out,
                               struct fusor_error *err);
enum fusor_status yaml_to_double(const struct yaml_node *n, double *out,
                                 struct fusor_error *err);
enum fusor_status yaml_to_i64(const struct yaml_node *n, int64_t *out,
                              struct fusor_error *err);
enum fusor_status yaml_to_size(const struct yaml_node *n, uint64_t *out,
                               struct fusor_error *err); // 2M, 24GiB
enum fusor_status yaml_to_bool(const struct yaml_node *n, int *out,
                               struct fusor_error *err);

/** Write the tree back as block YAML; with origins, each scalar is followed by
 * "# file:line" of where its value came from. */
void yaml_print(const struct yaml_node *n, int with_origin, struct strbuf *out);

/** Write a text as a scalar or key that reads back the same: quoted if need
 * be. */
void yaml_add_text(struct strbuf *out, const char *text);

#endif
