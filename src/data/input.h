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
void input_close(struct input *in);

#endif
