/* Little-endian numbers to and from bytes. */
#include "model/metric/bytes.h"

#include <string.h>

__extension__ typedef unsigned __int128 bytes_u128;

void bytes_put(struct strbuf *out, uint64_t value, unsigned n_bytes)
{
    char b[8];

    for (unsigned i = 0; i < n_bytes; i++)
        b[i] = (char)(unsigned char)(value >> 8 * i);
    strbuf_add_n(out, b, n_bytes);
}

void bytes_put_double(struct strbuf *out, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    bytes_put(out, bits, 8);
}

void bytes_put_i128(struct strbuf *out, metric_i128 value)
{
    bytes_put(out, (uint64_t)value, 8);
    bytes_put(out, (uint64_t)((bytes_u128)value >> 64), 8);
}

void bytes_put_varint(struct strbuf *out, uint64_t value)
{
    char b[10];
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        b[n++] = (char)(unsigned char)(value | 0x80);
    b[n++] = (char)value;
    strbuf_add_n(out, b, n);
}

const void *bytes_take(struct bytes *in, size_t n)
{
    const void *p = in->p;

    if (n > in->left) {
        in->bad = 1;
        in->left = 0;
        return NULL;
    }
    in->p += n;
    in->left -= n;
    return p;
}

uint64_t bytes_get(struct bytes *in, unsigned n_bytes)
{
    const unsigned char *p = bytes_take(in, n_bytes);
    uint64_t value = 0;

    for (unsigned i = 0; p && i < n_bytes; i++)
        value |= (uint64_t)p[i] << 8 * i;
    return value;
}

double bytes_get_double(struct bytes *in)
{
    uint64_t bits = bytes_get(in, 8);
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

metric_i128 bytes_get_i128(struct bytes *in)
{
    uint64_t low = bytes_get(in, 8), high = bytes_get(in, 8);

    return (metric_i128)((bytes_u128)high << 64 | low);
}

uint64_t bytes_get_varint(struct bytes *in)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t b = bytes_get(in, 1);

        if (shift == 63 && b > 1)
            break; // more than 64 bits
        value |= (b & 0x7f) << shift;
        if (!(b & 0x80))
            return value;
    }
    in->bad = 1;
    return 0;
}
