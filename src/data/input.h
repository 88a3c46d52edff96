/* Bytes and lines from a plain, .gz or .zst file or from standard input ("-").
 * The packing is recognised by the first bytes, never by the name; several
 * packed streams one after the other are one input. Memory: 1.3 MiB plus the
 * window of the packer.
 *
 * Threads: one input belongs to one thread. */
#ifndef DATA_INPUT_H
#define DATA_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

#define INPUT_LINE_MAX ((size_t)1 << 20)
#define INPUT_LINES_BYTES ((size_t)1 << 19) /* of input_read_lines() */
#define INPUT_LINES_ROOM (INPUT_LINE_MAX + INPUT_LINES_BYTES)

struct input;

struct input_line {
    char *text;      // NUL-terminated, without the end of line; may be changed
    size_t n;        // NULs inside are counted, not hidden
    uint64_t number; // from 1
};

enum fusor_status input_open(const char *path, struct input **out,
                             struct fusor_error *err);
/** The name to use in messages: the path, or "standard input". */
const char *input_name(const struct input *in);
/** Read up to n bytes. @param got 0 at the end
 * @return FUSOR_EDATA: the packed stream is damaged or ends too early */
enum fusor_status input_read(struct input *in, void *to, size_t n, size_t *got,
                             struct fusor_error *err);
/** The next line, without "\n" or "\r\n"; a UTF-8 byte order mark in front of
 * the first is skipped. Do not mix with input_read().
 * @param line valid until the next call
 * @param end set to 1 when there was none left
 * @return FUSOR_EDATA: longer than INPUT_LINE_MAX, or a damaged stream */
enum fusor_status input_next_line(struct input *in, struct input_line *line,
                                  int *end, struct fusor_error *err);
/** The next whole lines, about INPUT_LINES_BYTES of them, as they stand in the
 * file; only the last line of the file may lack its newline. Where they are cut
 * depends on the bytes alone. May follow input_next_line(), not be mixed.
 * @param to INPUT_LINES_ROOM bytes
 * @param got 0 at the end
 * @return FUSOR_EDATA: a line longer than INPUT_LINE_MAX, a damaged stream */
enum fusor_status input_read_lines(struct input *in, char *to, size_t *got,
                                   struct fusor_error *err);
/** Lines that input_next_line() gave. */
uint64_t input_lines_given(const struct input *in);
void input_close(struct input *in);

#endif
