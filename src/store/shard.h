/* One shard: the rows of the buckets it owns, its segments of the dense blocks,
 * and the optimizer state of both. The same code stands behind the messages of
 * a parameter server and inside the local store.
 *
 * All parameters live in the shard's slab (slab.h); the index of the rows is
 * private memory and can be rebuilt from the rows. Rows never move: a reference
 * (slab offset / 16, 0 = no row) and a pointer to values stay valid until the
 * row is evicted, if the config allows that at all.
 *
 * Memory is bounded by three means. Admission: a table may give a key its row
 * only in the n-th unit that trains it, or with a chance in each; until then
 * the reference is 0, the key reads as its initial values, and its gradients
 * are dropped and counted. A key is counted once a unit however many workers
 * bring it, when it is pushed, so at staleness 0 who is admitted when does not
 * depend on the number of workers or shards. Eviction: rows that no unit asked
 * for in the last config.idle units go at cuts; under the cap the oldest or the
 * lowest go, or else the cap is an error. Which rows the cap drives out depends
 * on the shard they lie in, hence on the number of shards.
 *
 * No row goes that a unit at or above the floor asked for: whoever holds
 * references of a unit (a ticket, a push under way) keeps the floor at or below
 * that unit, shard_set_floor().
 *
 * Dense values: with config.dense the shard works in place on its segments of a
 * flat vector of n_dense floats that somebody else owns (it fills them at the
 * start), and dense gradients are flat vectors too. Without, values lie packed
 * in the slab, segment after segment, and dense gradients are packed vectors of
 * shard_dense_size() floats.
 *
 * Threads: one owner calls everything. Others may call shard_resolve() with
 * RESOLVE_PEEK and shard_row_values() while the owner changes nothing.
 */
#ifndef STORE_SHARD_H
#define STORE_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/affinity.h"
#include "base/params.h"
#include "optim/optim.h"
#include "store/block_slice.h"
#include "store/bucket.h"
#include "store/tree.h"

#define ROW_HEAD_BYTES 16
#define ROW_WIDTH_MAX 16000  /* floats of a row's value */
#define SHARD_SPANS_MAX 8192 /* epochs and plateau strikes of one job */

struct shard;
struct budget;

/* What makes room under the cap. */
enum store_when_full {
    STORE_FULL_ERROR,
    STORE_EVICT_OLDEST, // rows that were asked for longest ago
    STORE_EVICT_LOWEST  // rows whose values have the least L2 norm
};

struct shard_config {
    const struct param_spec
        *params; // outlives the shard, with all it points to
    const struct optim_spec *table_optim; // [n_tables], copied
    const struct optim_spec *block_optim; // [n_blocks], copied
    unsigned shard;                       // 0..n_shards-1
    unsigned n_shards;
    const uint16_t *bucket_map; // [BUCKET_COUNT] copied; NULL: the default one
    uint64_t cap_bytes;         // slab + index + scratch; 0: no cap
    float *dense;               // [n_dense] the caller's; NULL: own, packed
    int fd;   // slab to go on with (taken over), or -1: a new one
    int huge; // try for huge pages
    const struct affinity_place *near; // whose memory the rows want; NULL: any
    uint64_t job_id;
    enum store_when_full when_full;
    uint64_t idle; // units after which a row that nobody asked for goes; 0: no
};

enum resolve_mode {
    RESOLVE_PEEK,  // unknown keys give 0; changes nothing
    RESOLVE_TRAIN, // unknown keys are created, or give 0 if their table admits
    RESOLVE_PUSH   // keys of a push: admission counts them and makes rows
};

/* Gradient rows that become floats when they are needed. */
struct shard_source {
    /* Rows [first, first + n), packed; out may be scribbled on. */
    void (*read)(const struct shard_source *s, uint32_t first, uint32_t n,
                 float *out);
};

/* Gradient rows of one table in one push; refs of this shard, no repeats. */
struct shard_rows {
    uint32_t n;
    const uint32_t *refs; // [n]; a 0 (not admitted) is dropped and counted
    float *const *grads;  // [n] each [width], or NULL: see packed. Scribbled on
    float *packed;        // [n, width] when grads is NULL. Scribbled on
    /* Where both are NULL, and a unit of one push only. */
    const struct shard_source *source;
    const struct shard_rows *more; // of the same table, elsewhere; or NULL
};

/* Some of the floats of a dense gradient that lies in several places. */
struct shard_part {
    const float *at;
    uint64_t n; // > 0
};

/* One node of the tree of micro-batches (params.h) as one shard sees it. */
struct shard_push {
    uint32_t lo;                     // first micro-batch of the node
    const float *dense;              // flat or packed (above), or NULL: none
    const struct shard_rows *tables; // [n_tables]
    /* Or, with dense NULL, a packed one in parts, in order. */
    const struct shard_part *parts;
    size_t n_parts; // 0: none
};

struct shard_counters {
    uint64_t rows; // alive
    uint64_t rows_created;
    uint64_t rows_resolved; // keys looked up to train
    uint64_t rows_applied;  // optimizer steps on rows
    uint64_t rows_dropped;  // gradients of reference 0: keys without a row
    uint64_t rows_evicted;
    uint64_t stubs;         // keys counted that have no row
    uint64_t units_applied; // calls of shard_apply()
    uint64_t slab_bytes, index_bytes, scratch_bytes;
    uint64_t huge_wanted, huge_got; // extents of 2 MiB
};

/** Make a shard, or go on with the slab of config.fd: rows are scanned, the
 * index is rebuilt.
 * @return FUSOR_ENOMEM (cap: the text names memory.per_server), FUSOR_EINVAL,
 * FUSOR_ESHAPE (a row over ROW_WIDTH_MAX), FUSOR_EDATA (the slab is of another
 * job or shape) */
enum fusor_status shard_create(const struct shard_config *config,
                               struct shard **out, struct fusor_error *err);
void shard_destroy(struct shard *s);

/** From span->from_clock on, this epoch and this plateau factor hold. Must be
 * called before the first unit; later calls with ascending clocks. A span of
 * the same clock as the last one replaces it.
 * @return FUSOR_EINVAL (clock goes back), FUSOR_EUSAGE (over SHARD_SPANS_MAX)
 */
enum fusor_status shard_begin_span(struct shard *s,
                                   const struct optim_span *span,
                                   uint64_t units_per_epoch,
                                   struct fusor_error *err);

/** Find the rows of keys that this shard owns, by batches with prefetch.
 * @param keys [n] any order; repeats are fine
 * @param clock of the unit the keys are for: the birthday of new rows
 * @param refs [n] filled; on failure its contents mean nothing
 * @return FUSOR_ENOMEM (cap), FUSOR_EINVAL (a new key of another shard) */
enum fusor_status shard_resolve(struct shard *s, uint32_t table,
                                const uint64_t *keys, size_t n,
                                enum resolve_mode mode, uint64_t clock,
                                uint32_t *refs, struct fusor_error *err);

/** Before values are read for a unit: bring these rows up to its clock where
 * the table's l2 covers rows nobody touched; nothing otherwise. Apart from
 * shard_resolve() because keys travel ahead of the units before them. */
void shard_catch_up(struct shard *s, uint32_t table, const uint32_t *refs,
                    size_t n, uint64_t clock);

/** Units below this clock (the optimizer's) hold no references any more: rows
 * that only they asked for may be evicted. Never goes back; 0 at first, which
 * lets nothing go. */
void shard_set_floor(struct shard *s, uint64_t clock);

/** Does the table keep keys out? Then references and keys of a step belong
 * together: a reference 0 is looked up again (RESOLVE_TRAIN) when its values
 * are read, because a unit before may have admitted it since, and its key
 * resolved by RESOLVE_PUSH before the unit is applied. A ticket keeps the keys
 * of its zeros, or the push brings keys. */
int shard_table_admits(const struct shard *s, uint32_t table);
/** May values be read in place, by shard_row_values()? */
int shard_table_is_plain(const struct shard *s, uint32_t table);
/** Ask for the cache lines of a row's values. @param ref 0 is fine */
void shard_prefetch_values(const struct shard *s, uint32_t table, uint32_t ref);
/** Values of rows as floats, of any table.
 * @param keys [n] those of refs: reference 0 of a table that admits reads as
 *        the key's initial values; of another table as zeros. NULL where
 *        shard_table_admits() is false
 * @param out [n, width] packed */
void shard_read_rows(const struct shard *s, uint32_t table,
                     const uint64_t *keys, const uint32_t *refs, size_t n,
                     float *out);

/** What references count from; constant for the life of the shard. */
unsigned char *shard_base(const struct shard *s);

/** [width] values of a row of a plain table; reference 0 gives zeros. */
static inline float *shard_row_values(unsigned char *base, uint32_t ref)
{
    return (float *)(void *)(base + (size_t)ref * 16 + ROW_HEAD_BYTES);
}

/** Is this a reference shard_resolve() gave out for this table? For references
 * that came back over the network. */
int shard_ref_is_valid(const struct shard *s, uint32_t table, uint32_t ref);

/** Apply one unit: combine the pushes per key in the order of the tree of
 * micro-batches, then one optimizer step per key and per segment.
 * Segments without a dense gradient in any push stay as they are.
 * @param pushes [n] ascending lo, disjoint nodes of one tree of at most
 *        TREE_LEAVES_MAX leaves, n <= TREE_LEAVES_MAX
 * @param clock of the unit
 * @return FUSOR_ENOMEM before anything was changed */
enum fusor_status shard_apply(struct shard *s, const struct shard_push *pushes,
                              size_t n, uint64_t clock,
                              struct fusor_error *err);

/** Leave some blocks, values and state, as they are whatever the pushes say:
 * a stage trains only part of a model. Holds until the next call.
 * @param frozen [n_blocks] copied; NULL: none */
void shard_set_frozen(struct shard *s, const unsigned char *frozen);
/** The same for tables: an l2 that covers the table does not go on while it is
 * frozen. Pushes are expected to leave such tables out. Call at a cut, after
 * shard_catch_up_all().
 * @param frozen [n_tables] copied; NULL: none */
void shard_set_frozen_tables(struct shard *s, const unsigned char *frozen);

/** Drop all rows; their room is used again. Before an older checkpoint is
 * loaded: rows made after it must begin anew.
 * @return FUSOR_ENOMEM, after which the shard is of no more use */
enum fusor_status shard_forget_rows(struct shard *s, struct fusor_error *err);

/** At cuts, when nobody holds references: bring rows whose l2 covers the table
 * up to the clock and evict those that were idle for too long. */
void shard_catch_up_all(struct shard *s, uint64_t clock);

/** Segments of blocks this shard owns; packed positions are in order. */
const struct block_segment *shard_segments(const struct shard *s, size_t *n);
/** Floats of all segments. */
uint64_t shard_dense_size(const struct shard *s);
/** Packed values of all segments, or NULL with an external vector. */
const float *shard_dense(const struct shard *s);

/** Which descriptor holds the slab; stays the shard's. */
int shard_fd(const struct shard *s);
/** What the slab's header carries for whoever resumes. */
struct shard_position {
    uint64_t epoch, clock, samples_done;
};
struct shard_position shard_position(const struct shard *s);
void shard_set_position(struct shard *s, struct shard_position position);
struct shard_counters shard_counters(const struct shard *s);
/** What counts the shard's memory, for what others keep on its behalf
 * (ticket.h); the shard's. */
struct budget *shard_budget(struct shard *s);

#endif
