/* Payloads of values and pushes with their floats in fewer bytes, and back
 * (wire/encoding.h), when cluster.wire says so. Else payloads are of f32
 * (payloads.h). Pushes and values are turned back here; a push that is applied
 * by itself is not, its rows are read as they are applied. A shard writes
 * values as they travel at once. In them each f32s section is a section of
 * bytes: rows of a table as encoding_write() leaves them; dense blocks segment
 * by segment, each piece filled up to 8 bytes.
 *
 * Rows do not depend on how keys are cut over shards, nor do dense blocks:
 * segments are cut at multiples of 16 floats, and so many share one scale.
 * Dense values travel as bf16 at the least; batch statistics always as f32,
 * because a variance must not fall below zero.
 *
 * Dense gradients keep what rounding took (error feedback, Seide et al. 2014,
 * 1-bit SGD) and add it to the next ones; the last push of a lease brings all
 * of it in f32, so that nothing is left over at a cut.
 *
 * Threads: any; no state. */
#ifndef PS_RECODE_H
#define PS_RECODE_H

#include "ps/payloads.h"
#include "store/block_slice.h"
#include "wire/encoding.h"

struct recode { // of one shard; all borrowed
    const struct param_spec *params;
    const struct block_segment *segments;
    size_t n_segments;
    uint64_t dense_size;
};

/* What a push is rounded by. */
struct recode_push {
    enum encoding encoding;
    uint64_t epoch, unit;
    float *residual;  // [dense_size] kept from push to push
    int flush;        // dense in f32, with all of the residual
    const void *keys; // the payload of the KEYS whose ticket it names
    size_t keys_size;
};

/** header.flags of an encoding, and back; ENCODING_END: none of ours. */
uint32_t recode_flags(enum encoding e);
enum encoding recode_encoding(uint32_t flags);

/** @param in a push of f32 with a ticket
 * @return FUSOR_ENOMEM: the pool; FUSOR_OK with *out the caller's */
enum fusor_status
recode_push_encode(const struct recode *r, const struct recode_push *how,
                   const struct payload_buffer *in, struct payload_pool *pool,
                   struct payload_buffer **out, struct fusor_error *err);
/* Encoded rows, as encoding_write() left them, in a payload. */
struct recode_rows {
    struct payload_view of;
    size_t at; // where they begin in it
    size_t n, width;
    enum encoding encoding;
};
/** Rows [first, first + n) as floats.
 * @param out [n, width] */
void recode_rows_read(const struct recode_rows *in, size_t first, size_t n,
                      float *out);
/** The dense section of a push of these header.flags, not f32: its bytes. */
size_t recode_gradient_bytes(const struct recode *r, uint32_t flags);
/** @param at where it begins in the payload
 * @param x [dense_size] */
void recode_gradient_read(const struct recode *r, uint32_t flags,
                          const struct payload_view *in, size_t at, float *x);

/** What an encoded payload of so many bytes is given to be turned back in. */
size_t recode_decoded_bytes(const struct recode *r, enum encoding e,
                            size_t size);
/** A push of f32 from an encoded one.
 * @param flags of its header
 * @return also FUSOR_EPROTO: sizes do not fit */
enum fusor_status recode_push_decode(const struct recode *r, uint32_t flags,
                                     int ticket, const struct payload_view *in,
                                     struct payload_pool *pool,
                                     struct payload_buffer **out,
                                     struct fusor_error *err);
/** The section of dense values in VALUES of this encoding, not f32: its bytes.
 * The rows of a table are as encoding_write() leaves them. */
size_t recode_dense_bytes(const struct recode *r, enum encoding e);
/** Bytes of VALUES.
 * @param wanted [n_tables] rows of each table
 * @param dense are there dense values? */
size_t recode_values_bytes(const struct recode *r, enum encoding e,
                           const size_t *wanted, int dense);
/** @param x [dense_size] @param out [recode_dense_bytes()] */
void recode_dense_write(const struct recode *r, enum encoding e, const float *x,
                        void *out);
/** VALUES of this encoding, not f32, as f32. */
enum fusor_status recode_values_decode(const struct recode *r, enum encoding e,
                                       const struct payload_view *in,
                                       struct payload_pool *pool,
                                       struct payload_buffer **out,
                                       struct fusor_error *err);

#endif
