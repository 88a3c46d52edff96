/* Tables of vectors that others computed (embeddings of texts, images), as two
 * formats keep them:
 *
 *   .npy          NumPy, versions 1 to 3, one two-dimensional array in C order
 *                 (numpy.lib.format); f2, f4, f8, little-endian
 *   .safetensors  named tensors (its README, "Format"); F16, BF16, F32, F64
 *
 * A header is not trusted: sizes are checked against each other and against the
 * file before anything is allocated. Owner: one thread at a time. */
#ifndef DATA_VECTORS_H
#define DATA_VECTORS_H

#include <stdint.h>

#include "fusor/status.h"

#define VECTORS_WIDTH_MAX 65536
#define VECTORS_HEADER_MAX (16u << 20)

enum vectors_type { VECTORS_F16, VECTORS_BF16, VECTORS_F32, VECTORS_F64 };

struct vectors {
    const char *path; // the caller's
    int fd;
    uint64_t n_rows;
    uint32_t width;
    enum vectors_type type;
    uint64_t offset; // of the first value
};

/** Open by the path's ending and read the header.
 * @param tensor which one of a .safetensors file; NULL: the only one. EUSAGE
 *        for .npy, which has no names
 * @return FUSOR_EIO, FUSOR_EUSAGE: no such tensor, another ending;
 *         FUSOR_EDATA: a header that is damaged or means something else */
enum fusor_status vectors_open(const char *path, const char *tensor,
                               struct vectors *out, struct fusor_error *err);
/** One row as floats.
 * @param out [width]
 * @return FUSOR_EIO; FUSOR_EDATA: a value that is not finite */
enum fusor_status vectors_read(const struct vectors *v, uint64_t row,
                               float *out, struct fusor_error *err);
void vectors_close(struct vectors *v);

/* The formats, private to vectors*.c; v->path and v->fd are set. */
enum fusor_status vectors_open_npy(struct vectors *v, uint64_t file_bytes,
                                   struct fusor_error *err);
enum fusor_status vectors_open_safetensors(struct vectors *v,
                                           uint64_t file_bytes,
                                           const char *tensor,
                                           struct fusor_error *err);
/** n_rows, width and type against the bytes there are. */
enum fusor_status vectors_check(const struct vectors *v, uint64_t bytes,
                                struct fusor_error *err);

#endif
