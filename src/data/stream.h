/* Columns of a part that does not fit into memory, as blocks of rows read by
 * pread into buffers of its own. One thread reads ahead in the order that was
 * announced; who needs a block that is not there reads it himself, and that
 * time is counted as waiting.
 *
 * Memory: stream_bytes(), fixed at creation. A holder keeps one block at a
 * time and waits for nothing meanwhile, so any number of threads gets on.
 *
 * Threads: any, except creation and destruction. */
#ifndef DATA_STREAM_H
#define DATA_STREAM_H

#include "data/dense.h"
#include "data/part.h"

#define STREAM_WINDOW 16 /* blocks whose rows are mixed with each other */

/* One column to stream. */
struct stream_column {
    size_t column;                       // of the part
    uint64_t limit;                      // ids: below this, or missing; 0: any
    const struct dense_transform *dense; // F32: applied to what was read,
                                         // without statistics; else NULL
    size_t offset;                       // set: bytes from the block's start
};

struct stream;

/** Rows of a block: the same for every run and machine, since the order of
 * samples depends on it. A power of two, so that a block has about 4 MiB.
 * @param row_bytes of all rows' streamed columns together */
uint32_t stream_block_rows(size_t row_bytes);

/** @param p not held columns; borrowed, as is what `dense` points to
 * @param columns [n] copied; offsets are set in the caller's */
enum fusor_status stream_create(const struct part *p,
                                struct stream_column *columns, size_t n,
                                uint32_t block_rows, struct stream **out,
                                struct fusor_error *err);
void stream_destroy(struct stream *s); // NULL is fine

uint32_t stream_blocks(const struct stream *s);
size_t stream_bytes(const struct stream *s);

/** Read ahead in this order from now on.
 * @param blocks [n] copied; at first they come in the order of the file */
enum fusor_status stream_announce(struct stream *s, const uint32_t *blocks,
                                  size_t n, struct fusor_error *err);

/** Take a block. Blocks until it is read.
 * @return its bytes until stream_release(); NULL with *err: FUSOR_EIO,
 *         FUSOR_EDATA: an id outside */
const unsigned char *stream_hold(struct stream *s, uint32_t block,
                                 struct fusor_error *err);
void stream_release(struct stream *s, uint32_t block);

/** Nanoseconds that callers of stream_hold() waited, all threads together. */
uint64_t stream_waited_ns(const struct stream *s);

#endif
