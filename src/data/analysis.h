/* From a text to its terms: what a field of type text means, and what is done
 * to the words somebody searches for, so that both meet.
 *
 *   stem: english   words (text.h) without their endings (stem.h)
 *   stop: english   without the 33 commonest words
 *   ngram: 4        in place of words the runs of 4 characters of each word
 *                   between two blanks: " sea", "sear", "earc", "arch", "rch ";
 *                   a shorter word is one run
 *
 * Pure; threads: any. */
#ifndef DATA_ANALYSIS_H
#define DATA_ANALYSIS_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

#define ANALYSIS_NGRAM_MAX 8 /* characters */

enum analysis_language { ANALYSIS_NONE, ANALYSIS_ENGLISH };

extern const char *const analysis_languages[]; // NULL-terminated, by value

struct analysis {
    int stem, stop; // enum analysis_language
    uint32_t ngram; // 0: words
};

/** Told of each term in the order of the text. */
typedef enum fusor_status analysis_fn(void *context, const char *term, size_t n,
                                      struct fusor_error *err);

/** @return the first failure of term() */
enum fusor_status analysis_run(const struct analysis *a, const char *text,
                               size_t n, analysis_fn *term, void *context,
                               struct fusor_error *err);

#endif
