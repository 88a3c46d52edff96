/* English words without their endings, so that "searching" finds "searched".
 * Pure. */
#ifndef DATA_STEM_H
#define DATA_STEM_H

#include <stddef.h>

/** Cut a word to its stem, in place: the English (Porter2) stemmer of Snowball
 * (Porter 1980, revised 2001). Words with anything but the letters a to z and
 * apostrophes stay as they are.
 * @param word [n] in lower case, n at most 64
 * @return its length, at most n */
size_t stem_english(char *word, size_t n);

#endif
