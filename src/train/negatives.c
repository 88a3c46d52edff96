/* Draws negatives and counts what rows become; the header says how. */
#include "train/negatives.h"

#include "base/rng.h"
#include "base/sorted.h"
#include "data/batcher.h"
#include "train/found.h"

uint32_t negatives_samples(const struct negatives *n)
{
    return n->pairwise ? 2 * n->per_row : 1 + n->per_row;
}

int negatives_follow(const struct dataset *ds, enum split split, uint32_t row)
{
    return dataset_label_spec(ds, 0)->map == LABEL_IMPLICIT ||
           dataset_label(ds, 0, split, row) > 0.5f;
}

/* What a query is known to have. A stage on the validation rows leaves those
 * out too, as a judgement of the test rows would. */
struct known {
    const uint32_t *items;
    uint32_t n, own, query;
};

static struct known known_of(const struct dataset *ds, enum split split,
                             uint32_t row)
{
    struct known k = {.own = dataset_item(ds, split, row),
                      .query = dataset_query(ds, split, row)};

    k.items = dataset_seen(ds, split == SPLIT_TRAIN ? SPLIT_TRAIN : SPLIT_TEST,
                           k.query, &k.n);
    return k;
}

static uint32_t any_item(const struct negatives *n, const struct dataset *ds,
                         const struct known *k, struct rng *r)
{
    const struct found *f = n->from == NEGATIVES_FOUND ? n->found : NULL;

    if (f && k->query < f->n_queries && f->n[k->query])
        return f->documents[f->first[k->query] + rng_below(r, f->n[k->query])];
    if (n->from == NEGATIVES_POPULARITY)
        return dataset_item(ds, SPLIT_TRAIN,
                            rng_below(r, dataset_rows(ds, SPLIT_TRAIN)));
    return (uint32_t)(1 + rng_below(r, dataset_n_items(ds) - 1));
}

static uint32_t draw(const struct negatives *n, const struct dataset *ds,
                     struct rng *r, const struct known *k)
{
    uint32_t item = 0;

    for (int i = 0; i <= NEGATIVE_REDRAWS; i++) {
        item = any_item(n, ds, k, r);
        if (item != VOCAB_UNKNOWN && item != k->own &&
            sorted_place(k->items, k->n, item) == k->n)
            break;
    }
    return item;
}

/* One positive: itself once (pointwise) or before each negative. */
static uint32_t expand_positive(const struct negatives *negatives,
                                const struct dataset *ds, const struct known *k,
                                struct rng *r, uint32_t row, uint32_t *out_rows,
                                uint32_t *out_items)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < negatives->per_row; i++) {
        if (negatives->pairwise || i == 0) {
            out_rows[at] = row;
            out_items[at++] = BATCHER_OWN_ITEM;
        }
        out_rows[at] = row;
        out_items[at++] = draw(negatives, ds, r, k);
    }
    return at;
}

uint32_t negatives_expand(const struct negatives *negatives,
                          const struct dataset *ds, enum split split,
                          uint64_t seed, uint64_t epoch, const uint32_t *rows,
                          uint32_t n, uint32_t *out_rows, uint32_t *out_items)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (negatives->per_row && negatives_follow(ds, split, rows[i])) {
            struct known k = known_of(ds, split, rows[i]);
            struct rng r = rng_stream(seed, RNG_NEGATIVE, epoch,
                                      dataset_sample_id(ds, split, rows[i]));

            at += expand_positive(negatives, ds, &k, &r, rows[i], out_rows + at,
                                  out_items + at);
        } else if (!negatives->pairwise) {
            out_rows[at] = rows[i];
            out_items[at++] = BATCHER_OWN_ITEM;
        }
    }
    return at;
}

double negatives_weight(const struct negatives *negatives,
                        const struct dataset *ds, enum split split,
                        const uint32_t *rows, uint32_t n)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t samples = negatives->pairwise ? 0 : 1;

        if (negatives->per_row && negatives_follow(ds, split, rows[i]))
            samples = negatives_samples(negatives);
        sum += samples * (double)dataset_weight(ds, split, rows[i]);
    }
    return sum;
}
