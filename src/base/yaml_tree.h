/* What the parts of yaml share: the memory of a tree and the making of nodes.
 * Only yaml*.c includes this. */
#ifndef BASE_YAML_TREE_H
#define BASE_YAML_TREE_H

#include "base/yaml.h"

#define YAML_MAX_DEPTH 64
#define YAML_MAX_NODES 1000000
#define YAML_MAX_BYTES ((size_t)64 << 20)

struct yaml_chunk;

struct yaml {
    struct yaml_node *root;
    struct yaml_chunk *chunks; // newest first
    size_t n_nodes;
};

/** n zeroed bytes that live as long as the tree; NULL: no memory. */
void *yaml_take(struct yaml *y, size_t n);

/** A copy of n bytes and a NUL. */
char *yaml_take_text(struct yaml *y, const char *s, size_t n);

/** Make a node that stands nowhere yet, within the budget of nodes.
 * @param file lives as long as the tree */
enum fusor_status yaml_node_make(struct yaml *y, enum yaml_kind kind,
                                 const char *file, struct yaml_node **out,
                                 struct fusor_error *err);

/** Parse one document into y's memory without touching its root.
 * @param file where the text is from; copied
 * @param placed 0: the text is no file, its nodes have no line
 * @return in *out NULL when the document is empty */
enum fusor_status yaml_parse_into(struct yaml *y, const char *text, size_t n,
                                  const char *file, int placed,
                                  struct yaml_node **out,
                                  struct fusor_error *err);

#endif
