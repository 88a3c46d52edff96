/* Zstandard (RFC 8878) through libzstd; several frames are one stream.
 * libzstd's only home. */
#include "data/input_codec.h"

#ifndef FUSOR_HAVE_ZSTD

const struct input_codec input_codec_zstd = {
    .name = "zstd", .n_magic = 4, .magic = {0x28, 0xb5, 0x2f, 0xfd}};

#else

#include <zstd.h>

#include "base/mem.h"

struct zstd {
    ZSTD_DStream *z;
    size_t wanted; // 0 between two frames
};

static enum fusor_status zstd_open(void **state, const char *name,
                                   struct fusor_error *err)
{
    struct zstd *s = mem_alloc(1, sizeof(*s));

    if (s)
        s->z = ZSTD_createDStream();
    if (!s || !s->z) {
        mem_free(s);
        return mem_fail(err, name, sizeof(*s));
    }
    *state = s;
    return FUSOR_OK;
}

static enum fusor_status zstd_read(void *state, struct input_source *s,
                                   void *to, size_t n, size_t *got,
                                   struct fusor_error *err)
{
    ZSTD_outBuffer out = {to, n, 0};
    struct zstd *z = state;

    while (out.pos == 0) {
        ZSTD_inBuffer in;

        FUSOR_TRY(input_source_fill(s, err));
        // At the end of the file the library may still hold output.
        in = (ZSTD_inBuffer){s->bytes, s->n, s->at};
        if (s->at_end && z->wanted == 0)
            break;
        z->wanted = ZSTD_decompressStream(z->z, &out, &in);
        s->at = in.pos;
        if (ZSTD_isError(z->wanted))
            return fusor_fail(err, FUSOR_EDATA, "%s: damaged zstd stream: %s",
                              s->name, ZSTD_getErrorName(z->wanted));
        if (s->at_end && out.pos == 0 && z->wanted)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: truncated: the zstd stream has no end",
                              s->name);
    }
    *got = out.pos;
    return FUSOR_OK;
}

static void zstd_close(void *state)
{
    struct zstd *s = state;

    ZSTD_freeDStream(s->z);
    mem_free(s);
}

const struct input_codec input_codec_zstd = {.name = "zstd",
                                             .n_magic = 4,
                                             .magic = {0x28, 0xb5, 0x2f, 0xfd},
                                             .open = zstd_open,
                                             .read = zstd_read,
                                             .close = zstd_close};

#endif
