/* generate: made data in the form of MovieLens CSV, with something in it for
 * every kind of tower to find, so that examples and tests need no download.
 *
 *   ratings.csv  user,item,rating,timestamp: each user's events in time order
 *                with `finished`: user,item,rating,finished,timestamp, which
 *                says whether the user saw it to the end: 1, 0, or nothing
 *                where that is not known, one time in ten
 *   movies.csv   item,title,genres
 *   users.csv    user,age,gender,occupation
 *   queries.tsv  qid, query, item, relevance (2 same series, 1 shares words)
 *
 * Built in: biases of users and items; eight latent factors; a taste in genres;
 * titles made of words of their genres; series whose parts are watched one
 * after the other. Users of group A choose and rate by genre, users of group
 * B by latent factors, so that no one tower is best for all; occupation tells
 * the group four times out of five.
 *
 * A pure function of the options: same seed, same bytes (on one libm). Memory:
 * some 100 bytes an item; users and events stream. */
#ifndef DATA_GENERATE_H
#define DATA_GENERATE_H

#include <stdint.h>

#include "base/option.h"
#include "fusor/status.h"

struct generate_options {
    const char *out;
    uint64_t users, items, events, seed;
    int finished; // a second label in ratings.csv
};

extern const struct option_spec generate_option_specs[];

/** Write the four files; each appears whole or not at all.
 * @return FUSOR_EUSAGE: more events than users could have (half of the items
 *         each), or fewer than two each */
enum fusor_status generate_run(const struct generate_options *options,
                               struct fusor_error *err);

#endif
