/* A shard's file, version 2, little-endian: for checkpoint_*.c only.
 *
 *   struct file_head      at 0
 *   rows                  table by table, bucket by bucket: key u64,
 *                         last_clock u32, seen u32, values (float or bf16),
 *                         state (float). Only rows alive: no free slots. Stubs
 *                         of a table follow as a table of width 0 and the same
 *                         name, their count in last_clock's place
 *   segments              values, then state (float)
 *   table of contents     struct optim_span [n_spans];
 *                         per table struct file_table, then its n_buckets
 *                         struct file_bucket; struct file_block [n_blocks]
 *
 * Version 1 had no dtype (zeros stood there: float), no stubs, and a count of
 * touches where seen is now.
 */
#ifndef STORE_CHECKPOINT_FORMAT_H
#define STORE_CHECKPOINT_FORMAT_H

#include <stdint.h>

#include "base/params.h"
#include "optim/optim.h"
#include "store/checkpoint.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "checkpoint files are little-endian and read as they lie"
#endif

#define FILE_MAGIC "FUSRSHRD"
#define FILE_VERSION 2
#define FILE_VERSION_MIN 1
#define FILE_TOC_MAX ((uint64_t)256 << 20)

struct file_head {
    char magic[8];
    uint32_t version, features;
    uint64_t job_id, epoch, clock, samples_done, units_per_epoch;
    uint32_t shard, n_shards;
    uint32_t n_tables, n_blocks, n_spans, pad;
    uint64_t toc_offset, toc_bytes, toc_hash;
    uint64_t head_hash; // of all above
};

struct file_table {
    char name[PARAM_NAME_MAX];
    uint32_t width, state_width;
    uint16_t kind, dtype;
    uint32_t n_buckets;
    uint64_t n_rows, offset;
};

struct file_bucket {
    uint32_t bucket, n_rows;
    uint64_t hash; // of its rows
};

struct file_block {
    char name[PARAM_NAME_MAX];
    uint32_t kind, pad;
    uint64_t block_size, in_block, n, state_n, offset;
    uint64_t hash; // of its values and state
};

_Static_assert(sizeof(struct file_head) == 112, "packed by nature");
_Static_assert(sizeof(struct file_table) == 96, "packed by nature");
_Static_assert(sizeof(struct file_bucket) == 16, "packed by nature");
_Static_assert(sizeof(struct file_block) == 120, "packed by nature");
_Static_assert(sizeof(struct optim_span) == 24, "packed by nature");

/* kind of a table of stubs: no rule */
#define FILE_KIND_STUBS 0xffffu

struct file_row {
    uint64_t key;
    uint32_t last_clock, seen;
};

#define FILE_ROW_HEAD sizeof(struct file_row)

static inline uint64_t file_values_bytes(const struct file_table *t)
{
    return (uint64_t)t->width *
           (t->dtype == ROW_BF16 ? sizeof(uint16_t) : sizeof(float));
}

static inline uint64_t file_row_bytes(const struct file_table *t)
{
    return FILE_ROW_HEAD + file_values_bytes(t) +
           (uint64_t)t->state_width * sizeof(float);
}

/* An open file: its table of contents, checked. */
struct checkpoint_file {
    char path[FS_PATH_MAX];
    int fd;
    struct file_head head;
    unsigned char *toc;
    const struct optim_span *spans;
    const struct file_table **tables;   // [n_tables]
    const struct file_bucket **buckets; // [n_tables] each [n_buckets]
    const struct file_block *blocks;    // [n_blocks]
};

/** @param part what the manifest says about it */
enum fusor_status checkpoint_file_open(struct checkpoint_file *f,
                                       const char *dir,
                                       const struct checkpoint_part *part,
                                       struct fusor_error *err);
void checkpoint_file_close(struct checkpoint_file *f);

struct checkpoint {
    struct checkpoint_info info;
    char *config;
    char *metrics;
    size_t n;
    struct checkpoint_file *files;                      // [n]
    const unsigned char *chosen_tables, *chosen_blocks; // NULL: all
};

/** Read and check a manifest.
 * @param parts [*n] the caller's (mem_free) */
enum fusor_status checkpoint_read_manifest(const char *dir,
                                           struct checkpoint *cp,
                                           struct checkpoint_part **parts,
                                           struct fusor_error *err);

#endif
