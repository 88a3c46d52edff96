/* Pairs that need no judgement: a text of an item stands in the place of the
 * query's text, and the item should be found by another text of its own (the
 * inverse cloze task in its simplest form: Lee et al. 2019, section 3.1; Chang
 * et al. 2020, "Pre-training tasks for embedding-based large-scale retrieval").
 *
 *     - {train: [two], pairs: title_to_body,
 *        loss: {sampled_softmax: {from: in_batch, temperature: 0.5}}}
 *
 * Every item that has both texts is a sample, once an epoch. All texts of the
 * query with the vocabulary of the first one hold it; other fields of the query
 * are missing. Of the item's texts only the second one is there, of candidates
 * too.
 *
 * Threads: read-only once made. */
#ifndef TRAIN_PAIRS_H
#define TRAIN_PAIRS_H

#include "base/yaml.h"
#include "data/batcher.h"

struct text_pairs {
    struct batcher_pairs fields;
    uint32_t *items; // [n] ascending
    uint64_t n;
};

/** @param at what the stage says: "title_to_body"
 * @return FUSOR_EUSAGE with the place in the job; FUSOR_EDATA: no item has both
 *         texts; FUSOR_ENOMEM */
enum fusor_status text_pairs_create(struct yaml_node *at,
                                    const struct dataset *ds,
                                    struct text_pairs **out,
                                    struct fusor_error *err);
void text_pairs_destroy(struct text_pairs *p); // NULL is fine
/** The items of places of a plan over pairs, in their place. */
void text_pairs_items(const struct text_pairs *p, uint32_t *places, uint32_t n);

#endif
