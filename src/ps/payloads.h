/* The payloads of keys, values and push, written and read in one place.
 *
 *   KEYS    per table: u64s keys
 *   VALUES  per table: f32s [n_keys, width]; then f32s the shard's dense floats
 *           (empty when flags lack PS_WANT_DENSE)
 *   PUSH    u64 n_nodes; per node: u64 lo, u64 span, f32s dense or empty, per
 *           table: u64s keys, f32s gradients [n, width]
 */
#ifndef PS_PAYLOADS_H
#define PS_PAYLOADS_H

#include "base/params.h"
#include "wire/payload.h"

#define PS_PEEK 1u       // header.flags of KEYS: pull mode
#define PS_WANT_DENSE 2u // header.flags of KEYS

/* One table of one node of a push, in place in the payload. */
struct push_rows {
    uint32_t n;
    const uint64_t *keys;
    const uint32_t *refs; // [n] the server's: the rows of keys; else NULL
    float *grads;         // [n, width]
};

struct push_node {
    uint32_t lo, span;
    const float *dense; // NULL: none
    struct push_rows *tables;
};

/* A push read from a payload. tables is one array for all nodes. */
struct push_view {
    uint32_t n_nodes;
    struct push_node nodes[PARAM_MAX_NODES];
    struct push_rows *tables; // [PARAM_MAX_NODES * n_tables], the caller's
};

/** Read a push.
 * @param data writable: gradients may be combined in place
 * @param dense_size floats a dense section must have
 * @return FUSOR_EPROTO: sizes do not fit, nodes not aligned or not ascending */
enum fusor_status push_view_read(const struct param_spec *params, void *data,
                                 size_t size, uint64_t dense_size,
                                 struct push_view *out,
                                 struct fusor_error *err);

#endif
