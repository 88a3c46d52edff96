/* Who had what, from the train rows of a data set. */
#include <math.h>

#include "base/mem.h"
#include "train/build.h"

static uint64_t collect(const struct dataset *ds, enum build_take take,
                        struct csr_entry *out)
{
    uint64_t n = dataset_rows(ds, SPLIT_TRAIN), n_queries, n_items, kept = 0;

    n_queries = dataset_n_queries(ds);
    n_items = dataset_n_items(ds);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t query = dataset_query(ds, SPLIT_TRAIN, i);
        uint32_t item = dataset_item(ds, SPLIT_TRAIN, i);
        float label = dataset_label(ds, 0, SPLIT_TRAIN, i);

        if (query == 0 || query >= n_queries || item == 0 || item >= n_items ||
            !(take == TAKE_RATED ? isfinite(label) : label > 0))
            continue;
        out[kept++] =
            (struct csr_entry){query, item, take == TAKE_HAD ? 1.0f : label};
    }
    return kept;
}

enum fusor_status build_events(const struct dataset *ds, enum build_take take,
                               struct csr *out, struct fusor_error *err)
{
    uint64_t n = dataset_rows(ds, SPLIT_TRAIN);
    struct csr_entry *entries = mem_alloc_raw(n, sizeof(*entries));
    enum fusor_status rc;

    if (!entries)
        return mem_fail(err, "events", n * sizeof(*entries));
    n = collect(ds, take, entries);
    if (n == 0)
        rc = fusor_fail(err, FUSOR_EDATA,
                        "no train row has a query, an item and a label%s: see "
                        "label.map",
                        take == TAKE_RATED ? "" : " above 0");
    else
        rc = csr_build(entries, n, (uint32_t)dataset_n_queries(ds),
                       (uint32_t)dataset_n_items(ds), 1, out, err);
    mem_free(entries);
    return rc;
}
