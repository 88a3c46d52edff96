/* Where the cells of a text end: the first step of reading a delimited file
 * block by block. Pure functions; threads: any. */
#ifndef DATA_SCAN_H
#define DATA_SCAN_H

#include <stddef.h>
#include <stdint.h>

struct scan {
    uint32_t *ends;  // [n_ends] places of separators and newlines, ascending
    uint32_t *lines; // [n_lines] of each newline, its index in ends
    size_t n_ends, n_lines;
    int high; // a byte above 127 is in the text
};

/** Find every separator and newline of text[n].
 * @param out its arrays have room for n + 1 numbers each; n below 2^32 */
void scan_cells(const char *text, size_t n, char separator, struct scan *out);
/** The same by a plain loop: what scan_cells() is tested against. */
void scan_cells_plain(const char *text, size_t n, char separator,
                      struct scan *out);

#endif
