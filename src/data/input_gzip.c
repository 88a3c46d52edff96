/* gzip (RFC 1952) through zlib; several members one after the other are one
 * stream. zlib's only home. */
#include "data/input_codec.h"

#ifndef FUSOR_HAVE_ZLIB

const struct input_codec input_codec_gzip = {
    .name = "gzip", .n_magic = 2, .magic = {0x1f, 0x8b}};

#else

#include <zlib.h>

#include "base/mem.h"

struct gzip {
    z_stream z;
    int in_member; // between a member's header and its end
};

static enum fusor_status gzip_open(void **state, const char *name,
                                   struct fusor_error *err)
{
    struct gzip *g = mem_alloc(1, sizeof(*g));

    if (!g || inflateInit2(&g->z, 15 + 16) != Z_OK) { // 16: gzip, not zlib
        mem_free(g);
        return mem_fail(err, name, sizeof(*g));
    }
    *state = g;
    return FUSOR_OK;
}

static enum fusor_status gzip_step(struct gzip *g, struct input_source *s,
                                   struct fusor_error *err)
{
    int rc;

    g->z.next_in = s->bytes + s->at;
    g->z.avail_in = (uInt)(s->n - s->at);
    g->in_member = 1;
    rc = inflate(&g->z, Z_NO_FLUSH);
    s->at = s->n - g->z.avail_in;
    if (rc == Z_STREAM_END) {
        g->in_member = 0;
        inflateReset(&g->z);
    } else if (rc == Z_MEM_ERROR) {
        return mem_fail(err, s->name, 0);
    } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
        return fusor_fail(err, FUSOR_EDATA, "%s: damaged gzip stream: %s",
                          s->name, g->z.msg ? g->z.msg : "bad data");
    }
    return FUSOR_OK;
}

static enum fusor_status gzip_read(void *state, struct input_source *s,
                                   void *to, size_t n, size_t *got,
                                   struct fusor_error *err)
{
    struct gzip *g = state;
    uInt room = n > SOURCE_BYTES ? SOURCE_BYTES : (uInt)n;

    g->z.next_out = to;
    g->z.avail_out = room;
    while (g->z.avail_out == room) {
        FUSOR_TRY(input_source_fill(s, err));
        if (s->at_end && g->in_member)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: truncated: the gzip stream has no end",
                              s->name);
        if (s->at_end)
            break;
        FUSOR_TRY(gzip_step(g, s, err));
    }
    *got = room - g->z.avail_out;
    return FUSOR_OK;
}

static void gzip_close(void *state)
{
    struct gzip *g = state;

    inflateEnd(&g->z);
    mem_free(g);
}

const struct input_codec input_codec_gzip = {.name = "gzip",
                                             .n_magic = 2,
                                             .magic = {0x1f, 0x8b},
                                             .open = gzip_open,
                                             .read = gzip_read,
                                             .close = gzip_close};

#endif
