/* Leave one out against drawn candidates: the last row of each user is the test
 * row, and --negatives items that the user has in no row are drawn with the
 * seed, without replacement: all alike (loo-sampled), or in proportion to how
 * often an item stands in the train part (loo-popular). Metrics over few drawn
 * candidates order models differently than those over all items (Krichene and
 * Rendle 2020): compare only results of one protocol and candidate hash. */

#include "base/mem.h"
#include "base/rng.h"
#include "data/protocol/all.h"

/* Rejection needs this many tries on average before a scan takes over. */
#define MAX_TRIES 16

struct sampler {
    const struct split_facts *facts;
    struct by_query rows;
    uint64_t *ends;   // [items] sum of the weights of items 1..i
    uint64_t *mark;   // [items] list that has the item, or whose query has it
    uint64_t n_items; // unknown one included
};

static uint64_t weight(const struct sampler *s, uint64_t item)
{
    return s->ends[item] - s->ends[item - 1];
}

static enum fusor_status make_weights(struct sampler *s, const uint8_t *part,
                                      int by_popularity,
                                      struct fusor_error *err)
{
    const struct split_facts *f = s->facts;

    s->n_items = vocab_size(f->items);
    s->ends = mem_alloc(s->n_items, sizeof(*s->ends));
    s->mark = mem_alloc(s->n_items, sizeof(*s->mark));
    if (!s->ends || !s->mark)
        return mem_fail(err, "candidates", s->n_items * 16);
    for (uint64_t row = 0; row < f->n; row++) {
        uint64_t *n = &s->ends[f->item[row]];

        *n = by_popularity ? *n + (part[row] == ROW_TRAIN) : 1;
    }
    s->ends[0] = 0; // never the unknown one
    for (uint64_t i = 1; i < s->n_items; i++)
        s->ends[i] += s->ends[i - 1];
    return FUSOR_OK;
}

/* The item whose share of [0, all) holds x. */
static uint64_t item_at(const struct sampler *s, uint64_t x)
{
    uint64_t low = 1, high = s->n_items - 1;

    while (low < high) {
        uint64_t middle = (low + high) / 2;

        if (s->ends[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* One item that has no mark, in proportion to the weights.
 * @param left sum of the weights of such items; > 0 */
static uint64_t draw_one(const struct sampler *s, struct rng *r, uint64_t left,
                         uint64_t mark)
{
    uint64_t all = s->ends[s->n_items - 1], item = 0, x;

    if (left >= all / MAX_TRIES) {
        do
            item = item_at(s, rng_below(r, all));
        while (s->mark[item] == mark);
        return item;
    }
    x = rng_below(r, left);
    for (;;) {
        item++;
        if (s->mark[item] == mark)
            continue;
        if (x < weight(s, item))
            return item;
        x -= weight(s, item);
    }
}

/* @return the weight that the query's own items take away */
static uint64_t mark_seen(struct sampler *s, uint32_t query, uint64_t mark)
{
    uint64_t sum = 0;

    for (uint64_t i = s->rows.start[query]; i < s->rows.start[query + 1]; i++) {
        uint32_t item = s->facts->item[s->rows.rows[i]];

        if (item && s->mark[item] != mark) {
            s->mark[item] = mark;
            sum += weight(s, item);
        }
    }
    return sum;
}

static enum fusor_status draw_list(struct sampler *s, uint32_t query,
                                   struct split_result *out,
                                   struct fusor_error *err)
{
    struct rng r = rng_stream(s->facts->seed, RNG_SPLIT, 3, query);
    uint64_t mark, left;

    FUSOR_TRY(split_add_list(s->facts, out, query, err));
    mark = out->n_lists;
    left = s->ends[s->n_items - 1] - mark_seen(s, query, mark);
    for (uint64_t i = 0; i < s->facts->negatives && left > 0; i++) {
        uint64_t item = draw_one(s, &r, left, mark);

        s->mark[item] = mark;
        left -= weight(s, item);
        FUSOR_TRY(split_add_candidate(out, (uint32_t)item, err));
    }
    return FUSOR_OK;
}

static enum fusor_status draw_all(struct sampler *s, struct split_result *out,
                                  int by_popularity, struct fusor_error *err)
{
    FUSOR_TRY(by_query_make(s->facts, &s->rows, err));
    FUSOR_TRY(make_weights(s, out->part, by_popularity, err));
    for (uint64_t row = 0; row < s->facts->n; row++)
        if (out->part[row] == ROW_TEST)
            FUSOR_TRY(draw_list(s, s->facts->query[row], out, err));
    return FUSOR_OK;
}

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out, int by_popularity,
                                struct fusor_error *err)
{
    struct sampler s = {.facts = facts};
    enum fusor_status rc;

    if (facts->candidates_given)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: this protocol draws its candidates: leave "
                          "candidates out, or take protocol loo-given",
                          facts->candidates);
    FUSOR_TRY(split_leave_last(facts, out->part, 1, facts->validation, err));
    rc = draw_all(&s, out, by_popularity, err);
    by_query_clear(&s.rows);
    mem_free(s.ends);
    mem_free(s.mark);
    return rc;
}

static enum fusor_status assign_uniform(const struct split_facts *facts,
                                        struct split_result *out,
                                        struct fusor_error *err)
{
    return assign(facts, out, 0, err);
}

static enum fusor_status assign_popular(const struct split_facts *facts,
                                        struct split_result *out,
                                        struct fusor_error *err)
{
    return assign(facts, out, 1, err);
}

const struct protocol_ops protocol_loo_sampled = {
    .name = "loo-sampled",
    .version = 1,
    .flags = PROTOCOL_QUERY | PROTOCOL_ITEM | PROTOCOL_RANKS_ROWS,
    .help = "leave one out against --negatives items drawn alike, by --seed",
    .assign = assign_uniform};

const struct protocol_ops protocol_loo_popular = {
    .name = "loo-popular",
    .version = 1,
    .flags = PROTOCOL_QUERY | PROTOCOL_ITEM | PROTOCOL_RANKS_ROWS,
    .help = "leave one out against --negatives items drawn by their train rows",
    .assign = assign_popular};
