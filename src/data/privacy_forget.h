/* One query (a user) taken out of a prepared folder: its rows of every part,
 * its given candidates, its values in the side table, its id wherever another
 * field names it, and last its text in the vocabulary; the id stays as an empty
 * place, since ids of others are their positions. Files are replaced whole;
 * what a file system keeps of the old ones is beyond this.
 *
 * Statistics of the train part (mean, range of numbers) and what others share
 * with the user (items, words) stay.
 *
 * Memory: the largest part. Threads: one. */
#ifndef DATA_PRIVACY_FORGET_H
#define DATA_PRIVACY_FORGET_H

#include <stdint.h>

#include "data/schema.h"

struct forget_report {
    uint64_t rows;       // removed from the parts
    uint64_t candidates; // lists of candidates removed
    uint64_t mentions;   // of the id in other columns
    uint32_t files;      // written anew
};

/** Find the id of a raw user id.
 * @param s the folder's schema
 * @param hash_ids KEY or @FILE of prepare --hash-ids, or NULL
 * @return FUSOR_EUSAGE: the folder has no query key, no such user, or the key
 * is missing or wrong */
enum fusor_status forget_find(const char *dir, const struct schema *s,
                              const char *user, const char *hash_ids,
                              uint32_t *id, struct fusor_error *err);
/** Take it out. Interrupted, it can be done again.
 * @param s changed: counts of rows, hash of the candidates
 * @return FUSOR_EIO, FUSOR_EDATA (names the file), FUSOR_ENOMEM */
enum fusor_status forget_query(const char *dir, struct schema *s, uint32_t id,
                               struct forget_report *out,
                               struct fusor_error *err);

#endif
