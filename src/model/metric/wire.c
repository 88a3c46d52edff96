/* A metric set as bytes and back. Layout, little-endian: "FUSM", version u16,
 * feature bits u16, exact u8, logits u8, range 2 f64, metrics u16; for each:
 * name length u8, name, size u64, its accumulator; the number of slices u32,
 * for each: its number u32, size u64, its set; at the end the XXH3 of all
 * before. The checksum finds accidents; every field is checked all the same,
 * because a sender may lie. */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/metric/ops.h"

#define WIRE_MAGIC 0x4d535546u // "FUSM"
#define WIRE_VERSION 2

static void put_metric(struct strbuf *out, const struct metric_set *set,
                       size_t i)
{
    const char *name = set->specs[i].name;
    size_t at, size;

    bytes_put(out, strlen(name), 1);
    strbuf_add(out, name);
    at = out->len;
    bytes_put(out, 0, 8);
    metric_state_of(set, i)->write(set->states[i], out);
    size = out->len - at - 8;
    for (unsigned b = 0; b < 8 && !out->failed; b++)
        out->s[at + b] = (char)(unsigned char)(size >> 8 * b);
}

enum fusor_status metric_set_serialise(const struct metric_set *set,
                                       struct strbuf *out,
                                       struct fusor_error *err)
{
    size_t start = out->len;

    bytes_put(out, WIRE_MAGIC, 4);
    bytes_put(out, WIRE_VERSION, 2);
    bytes_put(out, 0, 2);
    bytes_put(out, set->options.exact != 0, 1);
    bytes_put(out, set->options.logits != 0, 1);
    bytes_put_double(out, set->options.score_lo);
    bytes_put_double(out, set->options.score_hi);
    bytes_put(out, set->n, 2);
    for (size_t i = 0; i < set->n; i++)
        put_metric(out, set, i);
    FUSOR_TRY(metric_slices_write(set, out, err));
    if (!out->failed)
        bytes_put(out, hash_bytes(out->s + start, out->len - start, 0), 8);
    return out->failed ? mem_fail(err, "metric bytes", 0) : FUSOR_OK;
}

static enum fusor_status check_frame(const void *bytes, size_t size,
                                     struct bytes *in, struct fusor_error *err)
{
    struct bytes tail;

    if (size < 8)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: only %zu bytes",
                          size);
    *in = (struct bytes){bytes, size - 8, 0};
    tail = (struct bytes){in->p + size - 8, 8, 0};
    if (bytes_get(in, 4) != WIRE_MAGIC)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: not a metric set");
    if (bytes_get(in, 2) != WIRE_VERSION || bytes_get(in, 2) != 0)
        return fusor_fail(err, FUSOR_EPROTO,
                          "metric bytes: version or feature unknown to this "
                          "build (it reads version %d)",
                          WIRE_VERSION);
    if (bytes_get(&tail, 8) != hash_bytes(bytes, size - 8, 0))
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: wrong checksum");
    return FUSOR_OK;
}

/* The names come between the accumulators: they are read first, in a walk of
 * its own, so that nothing is made before the set is known to be sound. */
static enum fusor_status get_names(struct bytes in, int sliceable,
                                   struct metric_spec *specs, size_t n,
                                   struct fusor_error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t length = bytes_get(&in, 1);
        const char *name = bytes_take(&in, length);
        char text[METRIC_NAME_MAX] = {0};

        if (!name || length >= METRIC_NAME_MAX || length == 0)
            return fusor_fail(err, FUSOR_EPROTO, "metric bytes: a bad name");
        memcpy(text, name, length);
        if (metric_parse(text, &specs[i], NULL))
            return fusor_fail(err, FUSOR_EPROTO,
                              "metric bytes: metric %zu is unknown to this "
                              "build",
                              i);
        bytes_take(&in, bytes_get(&in, 8));
    }
    if (in.bad || (!sliceable && (in.left != 4 || bytes_get(&in, 4) != 0)))
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: wrong length");
    return FUSOR_OK;
}

static enum fusor_status get_states(struct bytes *in, struct metric_set *set,
                                    struct fusor_error *err)
{
    for (size_t i = 0; i < set->n; i++) {
        struct bytes part = {0};

        bytes_take(in, bytes_get(in, 1));
        part.left = bytes_get(in, 8);
        part.p = bytes_take(in, part.left);
        FUSOR_TRY(metric_state_of(set, i)->read(set->states[i], &part, err));
        if (part.bad || part.left)
            return fusor_fail(err, FUSOR_EPROTO,
                              "metric bytes: %s: wrong length",
                              set->specs[i].name);
    }
    FUSOR_TRY(metric_slices_read(set, in, err));
    if (in->bad || in->left)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: wrong length");
    return FUSOR_OK;
}

enum fusor_status metric_set_deserialise(const void *bytes, size_t size,
                                         struct metric_set **out,
                                         struct fusor_error *err)
{
    return metric_wire_read(bytes, size, 1, out, err);
}

enum fusor_status metric_wire_read(const void *bytes, size_t size,
                                   int sliceable, struct metric_set **out,
                                   struct fusor_error *err)
{
    struct metric_spec specs[METRIC_SET_MAX];
    struct metric_options o = {0};
    struct metric_set *set = NULL;
    struct bytes in;
    enum fusor_status rc;
    size_t n;

    FUSOR_TRY(check_frame(bytes, size, &in, err));
    o.exact = bytes_get(&in, 1) != 0;
    o.logits = bytes_get(&in, 1) != 0;
    o.score_lo = bytes_get_double(&in);
    o.score_hi = bytes_get_double(&in);
    n = bytes_get(&in, 2);
    if (n > METRIC_SET_MAX)
        return fusor_fail(err, FUSOR_EPROTO, "metric bytes: %zu metrics", n);
    FUSOR_TRY(get_names(in, sliceable, specs, n, err));
    rc = metric_set_create(specs, n, &o, &set, err);
    if (rc != FUSOR_OK)
        return rc == FUSOR_ENOMEM
                   ? rc
                   : fusor_fail(err, FUSOR_EPROTO,
                                "metric bytes: repeated metric or bad range");
    rc = get_states(&in, set, err);
    if (rc != FUSOR_OK) {
        metric_set_destroy(set);
        return rc;
    }
    *out = set;
    return FUSOR_OK;
}
