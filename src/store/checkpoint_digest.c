/* One number for all parameters of a checkpoint, the same however they are cut
 * over shards and files: every row and every float of a block is hashed with
 * its own name and place, and the hashes are added up. */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/checkpoint.h"
#include "store/checkpoint_format.h"

#define READ_BYTES ((size_t)4 << 20)

struct digest {
    unsigned char *buffer; // [cap]
    size_t cap;
    uint64_t sum;
};

static enum fusor_status read_piece(struct digest *d,
                                    const struct checkpoint_file *f,
                                    uint64_t offset, size_t n,
                                    struct fusor_error *err)
{
    if (n > d->cap) {
        mem_free(d->buffer);
        d->cap = 0;
        d->buffer = mem_alloc_raw(n, 1);
        if (!d->buffer)
            return mem_fail(err, f->path, n);
        d->cap = n;
    }
    return fs_pread(f->fd, d->buffer, n, offset, f->path, err);
}

/* Key, values and state count; when a row was seen does not. */
static uint64_t row_hash(const unsigned char *row, size_t bytes, uint64_t seed)
{
    uint64_t key;

    memcpy(&key, row, sizeof(key));
    return hash_bytes(row + FILE_ROW_HEAD, bytes - FILE_ROW_HEAD,
                      hash_mix(key ^ seed));
}

static enum fusor_status add_table(struct digest *d,
                                   const struct checkpoint_file *f,
                                   const struct file_table *t,
                                   struct fusor_error *err)
{
    size_t row = (size_t)file_row_bytes(t);
    uint64_t seed = hash_bytes(t->name, strlen(t->name), 0);
    uint64_t at_once = READ_BYTES / row + 1;

    for (uint64_t done = 0; done < t->n_rows;) {
        uint64_t n = t->n_rows - done;

        if (n > at_once)
            n = at_once;
        FUSOR_TRY(
            read_piece(d, f, t->offset + done * row, (size_t)n * row, err));
        for (uint64_t i = 0; i < n; i++)
            d->sum += row_hash(d->buffer + i * row, row, seed);
        done += n;
    }
    return FUSOR_OK;
}

/* The state holds one or two vectors as long as the slice, one after the
 * other, or a single float of the block. */
static enum fusor_status add_block(struct digest *d,
                                   const struct checkpoint_file *f,
                                   const struct file_block *b,
                                   struct fusor_error *err)
{
    uint64_t seed = hash_bytes(b->name, strlen(b->name), 1);
    uint64_t n = b->n + b->state_n;

    FUSOR_TRY(read_piece(d, f, b->offset, (size_t)n * sizeof(float), err));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t vector = i / b->n, place = b->in_block + i % b->n;
        uint32_t bits;

        memcpy(&bits, d->buffer + i * sizeof(float), sizeof(bits));
        d->sum +=
            hash_mix(seed ^ hash_mix(vector << 56 ^ place) ^ (uint64_t)bits);
    }
    return FUSOR_OK;
}

enum fusor_status checkpoint_digest(struct checkpoint *cp, uint64_t *out,
                                    struct fusor_error *err)
{
    struct digest d = {0};
    enum fusor_status rc = FUSOR_OK;

    for (size_t i = 0; rc == FUSOR_OK && i < cp->n; i++) {
        const struct checkpoint_file *f = &cp->files[i];

        for (uint32_t t = 0; rc == FUSOR_OK && t < f->head.n_tables; t++)
            rc = add_table(&d, f, f->tables[t], err);
        for (uint32_t b = 0; rc == FUSOR_OK && b < f->head.n_blocks; b++)
            rc = add_block(&d, f, &f->blocks[b], err);
    }
    mem_free(d.buffer);
    if (rc == FUSOR_OK)
        *out = d.sum;
    return rc;
}
