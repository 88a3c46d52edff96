/* What travels behind a header: pooled, reference-counted buffers, and bounded
 * cursors that write and read little-endian sections in them.
 *
 * A section is [u64 count][elements][zeros up to a multiple of 8]. A cursor
 * that runs over its end sets failed, writes or reads nothing more and gives
 * zeros and NULLs; look at it once, at the end. Cursors start at an address
 * that is a multiple of 8 (buffers and deliveries do), so sections are used in
 * place, without a copy.
 *
 * Threads: a cursor belongs to one; pool and references: any (the network
 * thread drops the last one). */
#ifndef WIRE_PAYLOAD_H
#define WIRE_PAYLOAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

struct payload_pool;

/* Memory that other processes may map and read: a sealed memfd. */
struct payload_region {
    int fd;
    unsigned char *base; // NULL: none
    size_t size;         // reserved; pages come as they are touched
};

struct payload_buffer {
    uint8_t *data; // aligned to MEM_ALIGN
    size_t size;   // bytes in use, set by who fills it
    size_t capacity;
    atomic_uint refs;
    unsigned size_class;
    /* Memory of somebody else's: called once, when the last reference is
     * dropped. NULL: the pool's own. */
    void (*give_back)(void *data, void *hint);
    void *hint;
    int read_only; // others see the same bytes
    struct payload_pool *pool;
    struct payload_buffer *next;
};

/** Make a pool that never holds more than max_bytes, idle buffers included. */
enum fusor_status payload_pool_create(size_t max_bytes,
                                      struct payload_pool **out,
                                      struct fusor_error *err);
/** Buffers still in use stay valid; the last one takes the pool along. NULL is
 * fine. */
void payload_pool_destroy(struct payload_pool *pool);
/** From now on larger buffers lie in memory that other processes can map.
 * Before the first is taken.
 * @param out the pool's; lives as long as it and its buffers do
 * @return FUSOR_ENOMEM: a limit of this process, or no such memory here; the
 * pool goes on without */
enum fusor_status payload_pool_share(struct payload_pool *pool,
                                     struct payload_region *out,
                                     struct fusor_error *err);
/** The most it ever holds. */
size_t payload_pool_bound(const struct payload_pool *pool);
/** What a buffer of this size takes of any pool's bound; no message of this
 * size takes more, in however many pieces it lies. */
size_t payload_buffer_cost(size_t size);
/** Bytes of buffers in use and idle. */
size_t payload_pool_bytes(struct payload_pool *pool);

/** Take a buffer of at least capacity bytes with one reference and size 0; its
 * bytes are not zeroed.
 * @return FUSOR_OK, or FUSOR_ENOMEM: the pool's bound or the machine's */
enum fusor_status payload_buffer_take(struct payload_pool *pool,
                                      size_t capacity,
                                      struct payload_buffer **out,
                                      struct fusor_error *err);
/** A buffer around memory of somebody else's, of this size, with one
 * reference. It may only be read, and counts nothing towards the bound.
 * @param give_back see struct payload_buffer; not called on failure
 * @return FUSOR_ENOMEM */
enum fusor_status payload_buffer_borrow(struct payload_pool *pool,
                                        const void *data, size_t size,
                                        void (*give_back)(void *, void *),
                                        void *hint, struct payload_buffer **out,
                                        struct fusor_error *err);
/** The same for memory that is handed over for good: it counts towards the
 * bound, and may be written to. */
enum fusor_status payload_buffer_adopt(struct payload_pool *pool, void *data,
                                       size_t size,
                                       void (*give_back)(void *, void *),
                                       void *hint, struct payload_buffer **out,
                                       struct fusor_error *err);
struct payload_buffer *payload_buffer_ref(struct payload_buffer *b);
/** Drop one reference; NULL is fine. */
void payload_buffer_unref(struct payload_buffer *b);
/** payload_buffer_unref(hint), in the shape of struct payload's release. */
void payload_buffer_release(void *data, void *hint);

struct payload_writer {
    uint8_t *data;
    size_t size; // room
    size_t used;
    int failed;
};

/** Bytes that n elements of this size take as a section. */
size_t payload_section_bytes(size_t n, size_t element);

void payload_writer_init(struct payload_writer *w, void *data, size_t size);
/** Write into all of b's capacity; payload_writer_finish() sets b->size. */
void payload_writer_init_buffer(struct payload_writer *w,
                                struct payload_buffer *b);
/** @return FUSOR_OK with b->size set, or FUSOR_EINVAL: it did not fit */
enum fusor_status payload_writer_finish(const struct payload_writer *w,
                                        struct payload_buffer *b,
                                        struct fusor_error *err);
/* One scalar, 8 bytes each so that what follows stays aligned. */
void payload_put_u64(struct payload_writer *w, uint64_t v);
/* One section, copied from v[n]. */
void payload_put_bytes(struct payload_writer *w, const void *v, size_t n);
void payload_put_u32s(struct payload_writer *w, const uint32_t *v, size_t n);
void payload_put_u64s(struct payload_writer *w, const uint64_t *v, size_t n);
void payload_put_f32s(struct payload_writer *w, const float *v, size_t n);
/* One section to be filled in place, all of it, by the caller.
 * Return its elements, or NULL when it does not fit. */
void *payload_reserve_bytes(struct payload_writer *w, size_t n);
uint32_t *payload_reserve_u32s(struct payload_writer *w, size_t n);
uint64_t *payload_reserve_u64s(struct payload_writer *w, size_t n);
float *payload_reserve_f32s(struct payload_writer *w, size_t n);

/* A payload as it came: in one place, or in pieces of WIRE_CHUNK_BYTES (the
 * last may be shorter) that stay where they arrived. Elements of 8 bytes and
 * less are never cut. Borrowed. */
struct payload_view {
    const uint8_t *data;                  // when pieces is NULL
    struct payload_buffer *const *pieces; // [n_pieces]
    uint32_t n_pieces;
    size_t size;
};

/** Where byte `at` (below size) stands.
 * @param n set to the bytes that follow it in the same place */
const uint8_t *payload_view_at(const struct payload_view *v, size_t at,
                               size_t *n);
/** Copy bytes [at, at + n), which are there. */
void payload_view_copy(const struct payload_view *v, size_t at, size_t n,
                       void *out);
/** All of it in one buffer of the pool.
 * @return FUSOR_ENOMEM */
enum fusor_status payload_view_join(const struct payload_view *v,
                                    struct payload_pool *pool,
                                    struct payload_buffer **out,
                                    struct fusor_error *err);

struct payload_reader {
    struct payload_view of;
    size_t used;
    int failed;
};

/** @param data a multiple of 8, or the reader fails at once */
void payload_reader_init(struct payload_reader *r, const void *data,
                         size_t size);
/** The same in pieces: scalars and payload_skip_section() only. */
void payload_reader_init_view(struct payload_reader *r,
                              const struct payload_view *v);
uint64_t payload_get_u64(struct payload_reader *r);
/* One section, borrowed from the payload; *n is its count. */
const void *payload_get_bytes(struct payload_reader *r, size_t *n);
const uint32_t *payload_get_u32s(struct payload_reader *r, size_t *n);
const uint64_t *payload_get_u64s(struct payload_reader *r, size_t *n);
const float *payload_get_f32s(struct payload_reader *r, size_t *n);
/** Go over one section. @return where its elements begin, counted from the
 * payload's beginning */
size_t payload_skip_section(struct payload_reader *r, size_t element,
                            size_t *n);
/** @return FUSOR_OK when nothing failed and all bytes were read, else
 * FUSOR_EPROTO naming what */
enum fusor_status payload_reader_finish(const struct payload_reader *r,
                                        const char *what,
                                        struct fusor_error *err);

#endif
