/* Items in the order of their scores, as recommend and search print them.
 *
 * Threads: one. */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "base/json.h"
#include "data/dataset.h"
#include "data/schema.h"
#include "retrieve/recommend.h"

struct listing {
    struct dataset *data;
    const struct vocab *items; // raw ids, or NULL: numbers are printed
};

/** The raw id of an item, or its number in out. */
const char *listing_id(const struct listing *l, uint32_t item, char out[24]);
/** The item's title, NUL-terminated: release with mem_free(); NULL: none. */
char *listing_title(const struct listing *l, uint32_t item);
/** Print rank, title, id and score of each.
 * @param top [n] best first */
enum fusor_status listing_print(const struct listing *l,
                                const struct recommended *top, uint32_t n,
                                struct fusor_error *err);
/** The same as an array of objects called name. */
void listing_json(const struct listing *l, const char *name,
                  const struct recommended *top, uint32_t n, struct json *j);

#endif
