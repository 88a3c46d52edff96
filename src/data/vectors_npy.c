/* The header of a .npy file (NumPy, numpy.lib.format): magic, version, length,
 * and a Python dict with descr, fortran_order and shape. */
#include "data/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

#define HEADER_MAX 4096 /* of two dimensions: some 120 bytes, padded to 64 */

static enum fusor_status not_this(const struct vectors *v, const char *what,
                                  struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "%s: %s: want a two-dimensional array of "
                      "little-endian f2, f4 or f8 in C order, as "
                      "numpy.save(path, x.astype('f4')) writes it",
                      v->path, what);
}

/* What follows 'key': in the dict, or NULL. */
static const char *find(const char *header, const char *key)
{
    const char *at = strstr(header, key);

    if (!at)
        return NULL;
    at += strlen(key);
    while (*at == ' ' || *at == ':')
        at++;
    return at;
}

static int read_type(const char *at, enum vectors_type *out)
{
    static const struct {
        const char *text;
        enum vectors_type type;
    } types[] = {
        {"'<f2'", VECTORS_F16}, {"'<f4'", VECTORS_F32}, {"'<f8'", VECTORS_F64}};

    for (size_t i = 0; at && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strncmp(at, types[i].text, 5))
            continue;
        *out = types[i].type;
        return 0;
    }
    return -1;
}

/* A number of digits and what must follow it. */
static const char *read_number(const char *at, char after, uint64_t *out)
{
    char *end;

    if (*at < '0' || *at > '9' || strspn(at, "0123456789") > 18)
        return NULL;
    *out = strtoull(at, &end, 10);
    while (*end == ' ')
        end++;
    if (*end != after)
        return NULL;
    end++;
    while (*end == ' ')
        end++;
    return end;
}

static int read_shape(const char *at, struct vectors *v)
{
    uint64_t width;

    if (!at || *at != '(')
        return -1;
    at = read_number(at + 1, ',', &v->n_rows);
    if (at)
        at = read_number(at, ')', &width);
    if (!at || width > VECTORS_WIDTH_MAX)
        return -1;
    v->width = (uint32_t)width;
    return 0;
}

static enum fusor_status parse(struct vectors *v, const char *header,
                               struct fusor_error *err)
{
    const char *order = find(header, "'fortran_order'");

    if (read_type(find(header, "'descr'"), &v->type))
        return not_this(v, "another type of number", err);
    if (!order || strncmp(order, "False", 5))
        return not_this(v, "not in C order", err);
    if (read_shape(find(header, "'shape'"), v))
        return not_this(v, "another shape", err);
    return FUSOR_OK;
}

enum fusor_status vectors_open_npy(struct vectors *v, uint64_t file_bytes,
                                   struct fusor_error *err)
{
    unsigned char start[12];
    char header[HEADER_MAX + 1];
    uint32_t length, head;

    if (file_bytes < sizeof(start))
        return not_this(v, "too short", err);
    FUSOR_TRY(fs_pread(v->fd, start, sizeof(start), 0, v->path, err));
    if (memcmp(start, "\x93NUMPY", 6) || start[6] < 1 || start[6] > 3)
        return not_this(v, "no .npy file of version 1 to 3", err);
    head = start[6] == 1 ? 10 : 12;
    length = start[8] | (uint32_t)start[9] << 8;
    if (start[6] > 1)
        length |= (uint32_t)start[10] << 16 | (uint32_t)start[11] << 24;
    if (length > HEADER_MAX || head + (uint64_t)length > file_bytes)
        return not_this(v, "a header that does not fit", err);
    FUSOR_TRY(fs_pread(v->fd, header, length, head, v->path, err));
    header[length] = '\0';
    v->offset = head + (uint64_t)length;
    FUSOR_TRY(parse(v, header, err));
    return vectors_check(v, file_bytes - v->offset, err);
}
