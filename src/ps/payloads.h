/* The payloads of keys, values and push, written and read in one place.
 *
 *   KEYS    per table: u64s keys
 *           With PS_HELD: then u64s [n_tables], how many of each table's last
 *           keys are held by the reader already: their rows are looked up, for
 *           the push, but their values are not wanted. header.index is the
 *           oldest clock that held values were read at
 *   VALUES  per table: f32s [n_wanted, width]; then f32s the shard's dense
 * floats (empty when flags lack PS_WANT_DENSE) PUSH    u64 n_nodes; per node:
 * u64 lo, u64 span, f32s dense or empty, per table: u64s keys, f32s gradients
 * [n, width] With a ticket (header.a is the request of the KEYS of its step):
 *           u32s places among that step's keys in place of the keys; empty when
 *           they are all of them in order
 *   KEYS with PS_RENEW: the keys of an earlier pull (header.a) again, because
 *           the shard has forgotten where their rows are; nothing is answered,
 *           the push that needs them comes behind
 */
#ifndef PS_PAYLOADS_H
#define PS_PAYLOADS_H

#include "base/params.h"
#include "wire/encoding.h"
#include "wire/payload.h"

#define PS_PEEK 1u       // header.flags of KEYS: pull mode
#define PS_WANT_DENSE 2u // header.flags of KEYS
#define PS_RENEW 4u      // header.flags of KEYS: only remember the rows
#define PS_DENSE_F32 8u  // header.flags of PUSH: only its rows are encoded
#define PS_HELD 64u      // header.flags of KEYS: some values are not wanted
/* Bits 4 and 5 of header.flags of KEYS (wanted), VALUES and PUSH: how floats
 * are encoded, recode.h. */

/* One table of one node of a push, in place in the payload: where its sections
 * begin. */
struct push_rows {
    uint32_t n;
    int all;                // with a ticket: no places, all are in order
    size_t names;           // u64 keys [n], or with a ticket u32 places [n]
    size_t grads;           // f32 [n, width], or as the push is encoded
    const uint32_t *places; // [n] the server's, with a ticket: or NULL
    const uint32_t *refs;   // [n] the server's: the rows
};

struct push_node {
    uint32_t lo, span;
    int has_dense;
    size_t dense; // where its floats begin, or what stands for them
    struct push_rows *tables;
};

/* A push read from a payload. tables is one array for all nodes. */
struct push_view {
    struct payload_view of;
    enum encoding encoding; // of rows
    uint32_t flags;         // the server's: how floats are encoded, recode.h
    uint32_t n_nodes;
    struct push_node nodes[PARAM_MAX_NODES];
    struct push_rows *tables; // [PARAM_MAX_NODES * n_tables], the caller's
};

/** Read a push.
 * @param in must stay as long as the view is used
 * @param ticket it has places instead of keys
 * @param e how its rows are encoded
 * @param dense_size floats a dense section must have; bytes, unless e is f32
 * @return FUSOR_EPROTO: sizes do not fit, nodes not aligned or not ascending */
enum fusor_status push_view_read(const struct param_spec *params,
                                 const struct payload_view *in, int ticket,
                                 enum encoding e, uint64_t dense_size,
                                 struct push_view *out,
                                 struct fusor_error *err);

#endif
