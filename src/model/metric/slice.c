/* Slices of a set: made on demand, merged and written with it. */
#include "model/metric/ops.h"

#include "base/mem.h"

void metric_slices_clear(struct metric_set *set)
{
    for (uint32_t i = 0; i < set->n_slices; i++)
        metric_set_destroy(set->slices[i]);
    mem_free(set->slices);
    set->slices = NULL;
    set->n_slices = 0;
}

static enum fusor_status reserve(struct metric_set *set, uint32_t number,
                                 struct fusor_error *err)
{
    struct metric_set **slices;

    if (number < set->n_slices)
        return FUSOR_OK;
    if (number >= METRIC_SLICES_MAX)
        return fusor_fail(err, FUSOR_EINVAL,
                          "metrics: slice %u: at most %d are possible", number,
                          METRIC_SLICES_MAX);
    slices = mem_grow(set->slices, set->n_slices, (size_t)number + 1,
                      sizeof(struct metric_set *));
    if (!slices)
        return mem_fail(err, "metric slices", number * sizeof(void *));
    set->slices = slices;
    set->n_slices = number + 1;
    return FUSOR_OK;
}

enum fusor_status metric_set_slice(struct metric_set *set, uint32_t number,
                                   struct metric_set **out,
                                   struct fusor_error *err)
{
    struct metric_options options = set->options;

    options.exact = 1;
    FUSOR_TRY(reserve(set, number, err));
    if (!set->slices[number]) {
        FUSOR_TRY(metric_set_create(set->specs, set->n, &options,
                                    &set->slices[number], err));
        metric_set_items(set->slices[number], set->items);
    }
    *out = set->slices[number];
    (*out)->about = set->about;
    return FUSOR_OK;
}

const struct metric_set *metric_set_sliced(const struct metric_set *set,
                                           uint32_t number)
{
    return number < set->n_slices ? set->slices[number] : NULL;
}

enum fusor_status metric_slices_merge(struct metric_set *into,
                                      const struct metric_set *from,
                                      struct fusor_error *err)
{
    for (uint32_t i = 0; i < from->n_slices; i++) {
        struct metric_set *mine;

        if (!from->slices[i])
            continue;
        FUSOR_TRY(metric_set_slice(into, i, &mine, err));
        FUSOR_TRY(metric_set_merge(mine, from->slices[i], err));
    }
    return FUSOR_OK;
}

enum fusor_status metric_slices_write(const struct metric_set *set,
                                      struct strbuf *out,
                                      struct fusor_error *err)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < set->n_slices; i++)
        n += set->slices[i] != NULL;
    bytes_put(out, n, 4);
    for (uint32_t i = 0; i < set->n_slices; i++) {
        struct strbuf part = {0};
        enum fusor_status rc;

        if (!set->slices[i])
            continue;
        rc = metric_set_serialise(set->slices[i], &part, err);
        bytes_put(out, i, 4);
        bytes_put(out, part.len, 8);
        if (rc == FUSOR_OK)
            strbuf_add_n(out, part.s, part.len);
        strbuf_clear(&part);
        FUSOR_TRY(rc);
    }
    return FUSOR_OK;
}

static int same_metrics(const struct metric_set *a, const struct metric_set *b)
{
    if (a->n != b->n || !b->options.exact ||
        !a->options.logits != !b->options.logits)
        return 0;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->specs[i].name, b->specs[i].name))
            return 0;
    return 1;
}

enum fusor_status metric_slices_read(struct metric_set *set, struct bytes *in,
                                     struct fusor_error *err)
{
    uint64_t n = bytes_get(in, 4), next = 0;

    for (uint64_t i = 0; i < n && !in->bad; i++) {
        uint32_t number = (uint32_t)bytes_get(in, 4);
        size_t size = bytes_get(in, 8);
        const void *part = bytes_take(in, size);

        if (!part || number < next || number >= METRIC_SLICES_MAX)
            return fusor_fail(err, FUSOR_EPROTO, "metric bytes: slice order");
        next = (uint64_t)number + 1;
        FUSOR_TRY(reserve(set, number, err));
        FUSOR_TRY(metric_wire_read(part, size, 0, &set->slices[number], err));
        if (!same_metrics(set, set->slices[number]))
            return fusor_fail(err, FUSOR_EPROTO,
                              "metric bytes: a slice has other metrics");
    }
    return FUSOR_OK;
}
