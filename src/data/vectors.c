/* Opens tables of vectors and turns their values into floats. */
#include "data/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

static const uint32_t type_bytes[] = {2, 2, 4, 8};

static int ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);

    return n >= k && strcmp(text + n - k, end) == 0;
}

enum fusor_status vectors_check(const struct vectors *v, uint64_t bytes,
                                struct fusor_error *err)
{
    if (v->n_rows == 0 || v->n_rows > UINT32_MAX || v->width == 0 ||
        v->width > VECTORS_WIDTH_MAX)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: %llu vectors of %u numbers: want 1 to 2^32 - 1 "
                          "of 1 to %d",
                          v->path, (unsigned long long)v->n_rows, v->width,
                          VECTORS_WIDTH_MAX);
    /* Below 2^32 * 2^16 * 2^3: no overflow. */
    if (v->n_rows * v->width * type_bytes[v->type] != bytes)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: the header tells of %llu x %u numbers of %u "
                          "bytes, but %llu bytes are there: the file is cut "
                          "off or damaged",
                          v->path, (unsigned long long)v->n_rows, v->width,
                          type_bytes[v->type], (unsigned long long)bytes);
    return FUSOR_OK;
}

enum fusor_status vectors_open(const char *path, const char *tensor,
                               struct vectors *out, struct fusor_error *err)
{
    struct vectors v = {.path = path, .fd = -1};
    int64_t bytes = fs_size(path);
    int npy = ends_with(path, ".npy");
    enum fusor_status rc;

    if (!npy && !ends_with(path, ".safetensors"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: vectors are read from .npy and .safetensors",
                          path);
    if (npy && tensor)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: a .npy file holds one array without a name: "
                          "delete tensor",
                          path);
    v.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (v.fd < 0 || bytes < 0) {
        rc = fusor_fail(err, FUSOR_EIO, "%s: %s", path, strerror(errno));
        vectors_close(&v);
        return rc;
    }
    rc = npy ? vectors_open_npy(&v, (uint64_t)bytes, err)
             : vectors_open_safetensors(&v, (uint64_t)bytes, tensor, err);
    if (rc != FUSOR_OK) {
        vectors_close(&v);
        return rc;
    }
    *out = v;
    return FUSOR_OK;
}

void vectors_close(struct vectors *v)
{
    if (v->fd >= 0)
        close(v->fd);
    v->fd = -1;
}

/* IEEE 754 binary16, subnormals too. */
static float from_half(uint16_t h)
{
    uint32_t exponent = (h >> 10) & 31, fraction = h & 1023;
    float sign = h & 0x8000 ? -1.0f : 1.0f;

    if (exponent == 31)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexpf((float)fraction, -24);
    return sign * ldexpf((float)(fraction + 1024), (int)exponent - 25);
}

static float value_at(enum vectors_type type, const unsigned char *p)
{
    uint16_t half;
    uint32_t bits;
    float f;
    double d;

    switch (type) {
    case VECTORS_F16:
        memcpy(&half, p, 2);
        return from_half(half);
    case VECTORS_BF16:
        memcpy(&half, p, 2);
        bits = (uint32_t)half << 16;
        memcpy(&f, &bits, 4);
        return f;
    case VECTORS_F32:
        memcpy(&f, p, 4);
        return f;
    case VECTORS_F64:
        memcpy(&d, p, 8);
        return (float)d;
    }
    return NAN;
}

enum fusor_status vectors_read(const struct vectors *v, uint64_t row,
                               float *out, struct fusor_error *err)
{
    unsigned char buffer[4096];
    uint32_t each = type_bytes[v->type];
    uint32_t at_once = (uint32_t)sizeof(buffer) / each;
    uint64_t at = v->offset + row * v->width * each;

    for (uint32_t i = 0; i < v->width; i += at_once) {
        uint32_t n = v->width - i < at_once ? v->width - i : at_once;

        FUSOR_TRY(fs_pread(v->fd, buffer, (size_t)n * each,
                           at + (uint64_t)i * each, v->path, err));
        for (uint32_t k = 0; k < n; k++) {
            out[i + k] = value_at(v->type, buffer + (size_t)k * each);
            if (!isfinite(out[i + k]))
                return fusor_fail(err, FUSOR_EDATA,
                                  "%s: row %llu, number %u is not finite as a "
                                  "float",
                                  v->path, (unsigned long long)row, i + k);
        }
    }
    return FUSOR_OK;
}
