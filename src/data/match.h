/* How two texts fit each other, as a few numbers: what a network or a linear
 * tower learns relevance from (Liu 2009, "Learning to rank for information
 * retrieval", section 1.3.1).
 *
 *   overlap      share of the query's terms that the item has
 *   idf_overlap  the same, rare terms counting more
 *   bigram       share of the query's neighbouring terms that the item has side
 *                by side
 *   first, last  does the item have the query's first, last term?
 *   rarest       does it have the query's rarest term?
 *   missing      idf of what it lacks, over ten
 *   count        log(1 + how often the query's terms stand in the item)
 *   jaccard      terms of both over terms of either
 *   place        1 / (1 + place in the item of the first term found)
 *   order        share of neighbours of the query that the item has in the same
 *                order
 *   query_length, item_length   log(1 + terms)
 *   unknown      share of the query's terms that no item has
 *   cosine       of both texts' counts times idf
 *   longest      longest run of the query that the item has, share of the query
 *   tail         overlap, the i-th term of the query counting i times
 *   window       terms found over the length of the piece of the item that has
 *                the first place of each
 *   head         place of the query's last term in the item over its length; 0
 *                when it is not there: what is sought stands near a title's end
 *   spread       idf of the rarest term it lacks, over ten
 *   rarity, commonest   mean and least idf of the query's terms, over ten
 *   numbers      numbers it has less those it lacks, over numbers of the query;
 *                0 when the query has none
 *   best         idf of its different terms found, over the most any item has:
 *                a word that no item has beside the others is not missed
 *   ahead        log(1 + items that have more, in steps of 1 / 16 of the most)
 *   rivals       log(1 + items that have the most)
 *   explained    idf of the item's terms that the query has, over that of all
 *   kin          as idf_overlap, but a term the item lacks counts as the item
 *                is like those that have it (match_kin.h)
 *   kin_worst    the least of them
 *   kin_last     that of the query's last term
 *   like         cosine of the item and the sum of the others that have nearly
 *                the most of the query
 *   unity        how alike those are: length of the mean of their texts
 *
 * Of texts of characters (ngram in analysis.h) there are words again: one
 * begins with each term that begins with a blank. How well a word of the query
 * fits is its best Dice coefficient with a word of the item, 2 common / (terms
 * of both), so that a word with a slip of the pen still fits:
 *   word_fit     mean over the words of the query
 *   word_idf     the same, by the idf of their terms
 *   word_worst   the least of them
 *   word_last    that of the query's last word
 *   word_hits    share of the words that fit by a half or more
 *   word_place   place among the item's words of what fits the last word best,
 *                over their number
 *   words        log(1 + words of the query)
 * A text without such terms is one word.
 *
 * A term no item has is id 0. Features of an empty query are 0. Threads: a
 * struct match is read-only once made. */
#ifndef DATA_MATCH_H
#define DATA_MATCH_H

#include <stddef.h>
#include <stdint.h>

#define MATCH_MAX 64 /* features of one field */

extern const char *const match_features[]; // NULL-terminated

enum match_kind {
    MATCH_BEGINS = 1, // a word: its text begins with a blank
    MATCH_NUMBER = 2  // its text has a digit
};

#define MATCH_KIN 32 /* largest terms that are kept of a sum of texts */

/* The sum of some texts. */
struct match_kin {
    uint32_t n, terms[MATCH_KIN]; // ascending
    float values[MATCH_KIN];
    float square; // of the whole sum's length
    float weight; // of the texts together
};

struct match {
    const float *idf;            // [n_terms]
    const uint8_t *kind;         // [n_terms] enum match_kind, or NULL: none
    const struct match_kin *kin; // [n_terms] items that have it, or NULL
    uint32_t n_terms;
    uint32_t n_features;
    int features[MATCH_MAX]; // numbers in match_features
};

struct match_text {
    const uint32_t *terms;
    uint32_t n;
};

#define MATCH_LEVELS 16

/* What of a query the items have, a query without a row: all 0. */
struct match_field {
    float most; // idf of its different terms in one item
    /* Items of a level above this; at 16 those of level 16. */
    uint32_t above[MATCH_LEVELS + 1];
    const struct match_kin *kin; // items of the upper levels, or NULL
};

/** Is a feature asked for that needs a struct match_field? */
int match_needs_field(const struct match *m);
/** Is one that needs the sums of the items that have a term? */
int match_needs_kin(const struct match *m);
/** Is one that needs those of the items that have nearly the most of it? */
int match_needs_field_kin(const struct match *m);
/** The term's idf; 0 for one that no item has. */
double match_idf(const struct match *m, uint32_t term);
/** Square of the length of the text by tf-idf. */
double match_square(const struct match *m, struct match_text t);
/** Its level, 0 to 16, in steps of 1 / 16 of the most. */
uint32_t match_level(double found, double most);
/** The weight of an item of this level in the sum of nearly the most, 0: is not
 * in it. */
double match_level_weight(uint32_t level);
/** @param field what other items have of the query, or NULL
 * @param out [m->n_features] */
void match_compute(const struct match *m, struct match_text query,
                   struct match_text item, const struct match_field *field,
                   float *out);

#endif
