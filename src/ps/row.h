/* Copying one row of floats without a call: rows are short, and there are a
 * hundred thousand of them in a step. Internal to ps. */
#ifndef PS_ROW_H
#define PS_ROW_H

#include <stdint.h>
#include <string.h>

#define ROW_LINE 64 /* bytes of a cache line */

static inline void row_prefetch(const float *row, uint32_t width)
{
    const char *p = (const char *)row;

    __builtin_prefetch(p);
    if (width > 4) // values begin 16 bytes behind the row
        __builtin_prefetch(p + (width < 16 ? width * 4 - 4 : ROW_LINE - 4));
}

static inline void row_copy(float *out, const float *in, uint32_t width)
{
    uint32_t i = 0;

    for (; i + 4 <= width; i += 4)
        memcpy(out + i, in + i, 4 * sizeof(float)); // one vector
    for (; i < width; i++)
        out[i] = in[i];
}

#endif
