/* The memory of one shard: one memfd, mapped shared at a fixed reservation and
 * grown in extents of 2 MiB, so that another process that gets the descriptor
 * finds everything again. Only offsets inside, no pointers. Extent 0 is the
 * head; every other extent belongs to one table or to the dense part, as the
 * directory in the head says.
 *
 * A struct budget bounds all a shard takes: slab, index and scratch.
 *
 * Threads: one owner. */
#ifndef STORE_SLAB_H
#define STORE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/affinity.h"
#include "base/params.h"
#include "fusor/status.h"
#include "optim/optim.h"

#define SLAB_EXTENT_BYTES ((uint64_t)2 << 20)
#define SLAB_EXTENTS_MAX 32768 /* 64 GiB: offset / 16 fits 32 bits */
#define SLAB_SPANS_MAX 8192
#define SLAB_MAGIC "FUSRSLAB"
#define SLAB_VERSION 3 /* 3: values of bf16 rows before their state */
#define SLAB_HEAD_OFFSET (64 * 1024)

struct budget {
    uint64_t cap; // bytes, 0: none
    uint64_t used;
    unsigned shard; // for the text of errors
};

/** Take bytes, or fail naming memory.per_server and what they were for. */
enum fusor_status budget_take(struct budget *b, uint64_t bytes,
                              const char *what, struct fusor_error *err);
void budget_give(struct budget *b, uint64_t bytes);

/* The first 16 bytes. Zeros follow up to SLAB_HEAD_OFFSET: they are the values
 * of row reference 0. */
struct slab_mark {
    char magic[8];
    uint32_t version;
    uint32_t features;
};

enum slab_owner { SLAB_FREE, SLAB_HEAD, SLAB_DENSE, SLAB_TABLE }; // + table

/* At SLAB_HEAD_OFFSET. */
struct slab_head {
    uint64_t job_id;
    uint64_t shape; // hash of what the rows look like
    uint64_t epoch, clock, samples_done;
    uint64_t n_extents;
    uint64_t dense_offset;
    uint64_t units_per_epoch;
    uint64_t n_spans;
    uint64_t n_slots[2 * PARAM_MAX_TABLES]; // rows of tables, then of stubs;
                                            // written after the row is whole
    struct optim_span spans[SLAB_SPANS_MAX];
    uint16_t owner[SLAB_EXTENTS_MAX]; // enum slab_owner
};

struct slab {
    int fd;
    unsigned char *base; // the reservation, 2 MiB aligned
    void *reserved;      // what mmap gave
    size_t reserved_bytes;
    struct slab_head *head;
    struct budget *budget;
    uint64_t max_extents;
    int huge;
    const struct affinity_place *near; // whose memory it wants, or NULL
    unsigned huge_failures;            // in a row
    uint64_t huge_wanted, huge_got;
};

/** @param fd a slab to go on with (taken over on success), or -1: a new one
 * @param huge try to back extents by huge pages
 * @param near the place whose memory node it wants; NULL: any
 * @return FUSOR_ENOMEM, FUSOR_EIO, FUSOR_EDATA (fd is no slab of ours) */
enum fusor_status slab_init(struct slab *s, int fd, int huge,
                            const struct affinity_place *near,
                            struct budget *budget, struct fusor_error *err);
void slab_clear(struct slab *s);
/** Add n neighbouring extents, zeroed, owned by owner.
 * @param offset of the first */
enum fusor_status slab_extend(struct slab *s, unsigned owner, uint64_t n,
                              uint64_t *offset, struct fusor_error *err);
/** Ask for a huge page under the extent at this offset (Linux >= 6.1;
 * MADV_HUGEPAGE does nothing on shared memory). Its 2 MiB become resident. */
void slab_collapse(struct slab *s, uint64_t offset);

#endif
