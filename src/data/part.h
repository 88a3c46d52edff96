/* Part files: one prepared file, binary, columnar, checksummed, versioned.
 *
 * Layout, little-endian, every section aligned to 64 bytes:
 *   header    magic "FUSRPART", u32 version, u32 feature bits, u64 n_rows,
 *             u32 n_columns, u64 directory offset, XXH3 of the directory
 *   sections  raw arrays
 *   directory per column: name, type, width, then for each of its sections
 *             (offsets, values, weights) {offset, bytes, XXH3}
 *
 * The writer streams: columns grow in spill files beside the target and are
 * joined at the end, so memory stays bounded for any number of rows. The target
 * appears by rename when it is whole.
 *
 * Threads: one writer per thread; an opened part is read-only and shared. */
#ifndef DATA_PART_H
#define DATA_PART_H

#include "base/batch.h"
#include "fusor/status.h"

enum column_type {
    COLUMN_F32, // [n_rows, width] floats
    COLUMN_U8,  // [n_rows]
    COLUMN_U32, // [n_rows] ids of a vocabulary
    COLUMN_U64, // [n_rows] hashed ids
    COLUMN_I64, // [n_rows] time stamps, seconds
    COLUMN_LIST // offsets u64 [n_rows + 1], values u32, optional f32 weights
};

struct column_spec {
    char name[FIELD_NAME_MAX];
    enum column_type type;
    uint32_t width; // F32 only, else 1
    int weighted;   // LIST only
};

struct part_writer;

enum fusor_status part_create(const char *path, const struct column_spec *specs,
                              size_t n, struct part_writer **out,
                              struct fusor_error *err);
/** Add n_rows values of column c. Columns may be filled in any order and step,
 * but must be equally long at the end. */
enum fusor_status part_add(struct part_writer *w, size_t column,
                           const void *values, size_t n_rows,
                           struct fusor_error *err);
/** Add one row of a LIST column. @param weights NULL unless weighted */
enum fusor_status part_add_list(struct part_writer *w, size_t column,
                                const uint32_t *values, const float *weights,
                                size_t n, struct fusor_error *err);
/* Told of values on their way into a part: n_bytes of a plain column, whole
 * numbers, in row order. */
struct part_watch {
    void (*see)(void *self, size_t column, const void *values, size_t n_bytes);
    void *self;
};

/** Write rows first to first + n - 1 of what was added as a part of its own;
 * may be done more than once. Plain columns only, unless all rows are meant.
 * @param watch or NULL */
enum fusor_status part_write_rows(struct part_writer *w, const char *path,
                                  uint64_t first, uint64_t n,
                                  const struct part_watch *watch,
                                  struct fusor_error *err);
/** Join, checksum, fsync, rename. The writer is gone afterwards either way. */
enum fusor_status part_finish(struct part_writer *w, struct fusor_error *err);
/** Give up and remove what was written. */
void part_abandon(struct part_writer *w);

struct part; // an opened part, in memory

struct column_view {
    struct column_spec spec;
    const float *f32;
    const uint8_t *u8;
    const uint32_t *u32; // U32, and the values of LIST
    const uint64_t *u64; // U64, and the offsets of LIST
    const int64_t *i64;
    const float *weights; // LIST, or NULL
    uint64_t n_values;    // LIST
    int held;             // 0: the values are in the file only
};

/** Read a part and verify every checksum. Offsets of lists are checked to be
 * ascending and inside, so that readers need no checks of their own. */
enum fusor_status part_open(const char *path, struct part **out,
                            struct fusor_error *err);
/** Like part_open(), but a plain column that keep() refuses stays in the file:
 * its checksum is verified, its view has no values, part_read() reads them. The
 * file stays open. */
enum fusor_status
part_open_some(const char *path,
               int (*keep)(const void *self, const struct column_spec *spec),
               const void *self, struct part **out, struct fusor_error *err);
/** Only what the directory says: names, types and rows; no column has values,
 * and none can be read. */
enum fusor_status part_open_outline(const char *path, struct part **out,
                                    struct fusor_error *err);
/** Read values of rows first to first + n - 1 of a column that is not held.
 * Threads: any. */
enum fusor_status part_read(const struct part *p, size_t column, uint64_t first,
                            uint64_t n, void *out, struct fusor_error *err);
/** Give back the values of a plain column that is held; its view loses them. */
void part_drop(struct part *p, const struct column_view *column);
void part_close(struct part *p);
/** Index of the column of this name, or part_columns(). */
size_t part_index(const struct part *p, const char *name);
/** Bytes of one row of a plain column. */
size_t part_row_bytes(const struct part *p, size_t column);
uint64_t part_rows(const struct part *p);
size_t part_columns(const struct part *p);
const struct column_view *part_column(const struct part *p, size_t i);
/** @return NULL when there is none of this name */
const struct column_view *part_find(const struct part *p, const char *name);

#endif
