/* Words, their stems, or their character n-grams. The stop words are those of
 * Lucene's English analyser, so that results can be put beside published
 * ones. */
#include "data/analysis.h"

#include <string.h>

#include "data/stem.h"
#include "data/text.h"

const char *const analysis_languages[] = {"none", "english", NULL};

static int is_stop_word(const char *word, size_t n)
{
    static const char *const words[] = {
        "a",    "an",  "and",   "are",  "as",    "at",    "be",
        "but",  "by",  "for",   "if",   "in",    "into",  "is",
        "it",   "no",  "not",   "of",   "on",    "or",    "such",
        "that", "the", "their", "then", "there", "these", "they",
        "this", "to",  "was",   "will", "with"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (n == strlen(words[i]) && !memcmp(word, words[i], n))
            return 1;
    return 0;
}

/* Where the next character of UTF-8 begins. */
static size_t next_character(const char *s, size_t n, size_t at)
{
    do {
        at++;
    } while (at < n && ((unsigned char)s[at] & 0xc0) == 0x80);
    return at;
}

static enum fusor_status add_ngrams(const struct analysis *a, const char *word,
                                    size_t n, analysis_fn *term, void *context,
                                    struct fusor_error *err)
{
    char padded[66];
    size_t from = 0, to = 0;

    padded[0] = ' ';
    memcpy(padded + 1, word, n);
    padded[n + 1] = ' ';
    n += 2;
    for (uint32_t k = 0; k < a->ngram && to < n; k++)
        to = next_character(padded, n, to);
    for (;;) {
        FUSOR_TRY(term(context, padded + from, to - from, err));
        if (to >= n)
            return FUSOR_OK;
        from = next_character(padded, n, from);
        to = next_character(padded, n, to);
    }
}

enum fusor_status analysis_run(const struct analysis *a, const char *text,
                               size_t n, analysis_fn *term, void *context,
                               struct fusor_error *err)
{
    char word[64];
    size_t at = 0, len;

    while ((len = text_next_word(text, n, &at, word))) {
        if (a->stop == ANALYSIS_ENGLISH && is_stop_word(word, len))
            continue;
        if (a->stem == ANALYSIS_ENGLISH)
            len = stem_english(word, len);
        if (len == 0)
            continue;
        if (a->ngram)
            FUSOR_TRY(add_ngrams(a, word, len, term, context, err));
        else
            FUSOR_TRY(term(context, word, len, err));
    }
    return FUSOR_OK;
}
