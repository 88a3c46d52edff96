/* Ranks items for the queries of a stage by one tower, to files and back. A
 * record is the query, how many items, and room for as many as the ranks say,
 * 32 bits each. */
#include "train/mined.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/sorted.h"
#include "train/ranker.h"
#include "train/shares.h"
#include "train/shortlist.h"

static const struct negatives *negatives_of(const struct workload *w,
                                            uint32_t stage)
{
    return &w->objectives.stages[stage].negatives;
}

/* Most items of one query. */
static uint32_t room_of(const struct negatives *n)
{
    return n->last - n->first + 1;
}

static struct shares files_of(const struct workload *w, uint32_t stage)
{
    const struct negatives *n = negatives_of(w, stage);
    uint64_t facts[6] = {
        w->options.train.seed,    stage,    dataset_n_queries(w->data),
        dataset_n_items(w->data), n->tower, n->first};

    return (struct shares){
        .folder = "negatives",
        .suffix = ".found",
        .magic = "fusorNEG",
        .what = "negatives of a tower",
        .job = hash_bytes(facts, sizeof(facts), 0),
        .shape = {1, room_of(n)},
        .entry = ((size_t)room_of(n) + 2) * sizeof(uint32_t),
    };
}

enum fusor_status mined_clear(const struct workload *w, const char *run_dir,
                              uint32_t stage, struct fusor_error *err)
{
    struct shares files = files_of(w, stage);

    return shares_clear(&files, run_dir, stage, err);
}

enum fusor_status mined_write(const struct workload *w, const char *run_dir,
                              uint32_t stage, uint32_t first,
                              const struct strbuf *const *parts, size_t n,
                              struct fusor_error *err)
{
    struct shares files = files_of(w, stage);

    return shares_write(&files, run_dir, stage, first, parts, n, err);
}

/* A share under way. */
struct mining {
    const struct workload *work;
    const struct negatives *negatives;
    enum split split;
    struct ranker ranker;
    uint32_t *rows;   // [queries] the last positive row of each, or UINT32_MAX
    uint32_t *best;   // [last] of the query under way
    uint32_t *record; // [room + 2]
    struct strbuf *out;
};

static void find_rows(struct mining *m)
{
    const struct dataset *ds = m->work->data;
    uint64_t n = dataset_rows(ds, m->split);

    memset(m->rows, 0xff, dataset_n_queries(ds) * sizeof(*m->rows));
    for (uint64_t i = 0; i < n; i++)
        if (negatives_follow(ds, m->split, (uint32_t)i))
            m->rows[dataset_query(ds, m->split, i)] = (uint32_t)i;
}

/* Rank all items for one query and write down those of the ranks. */
static enum fusor_status mine(struct mining *m, uint32_t query,
                              struct fusor_error *err)
{
    const struct negatives *how = m->negatives;
    struct batcher_query at = {.split = m->split, .row = m->rows[query]};
    uint32_t n_best, n_seen, n = 0;
    const uint32_t *seen = dataset_seen(
        m->work->data, m->split == SPLIT_TRAIN ? SPLIT_TRAIN : SPLIT_TEST,
        query, &n_seen);

    FUSOR_TRY(shortlist_best(&m->ranker, &at, how->tower, how->last, m->best,
                             &n_best, err));
    memset(m->record, 0, ((size_t)room_of(how) + 2) * sizeof(*m->record));
    for (uint32_t i = how->first - 1; i < n_best; i++)
        if (sorted_place(seen, n_seen, m->best[i]) == n_seen)
            m->record[2 + n++] = m->best[i];
    m->record[0] = query;
    m->record[1] = n;
    strbuf_add_n(m->out, (const char *)m->record,
                 ((size_t)room_of(how) + 2) * sizeof(*m->record));
    return m->out->failed ? mem_fail(err, "negatives of a tower", m->out->len)
                          : FUSOR_OK;
}

static enum fusor_status mine_share(struct mining *m, struct worker *w,
                                    uint64_t begin, uint64_t end,
                                    struct fusor_error *err)
{
    uint64_t n = dataset_n_queries(m->work->data);

    m->rows = mem_alloc_raw(n, sizeof(*m->rows));
    m->best = mem_alloc_raw(m->negatives->last, sizeof(*m->best));
    m->record =
        mem_alloc((size_t)room_of(m->negatives) + 2, sizeof(*m->record));
    if (!m->rows || !m->best || !m->record)
        return mem_fail(err, "negatives of a tower", n * sizeof(*m->rows));
    find_rows(m);
    FUSOR_TRY(ranker_create_for(&m->ranker, w, m->negatives->tower, err));
    for (uint64_t q = begin; q < end; q++)
        if (q != VOCAB_UNKNOWN && m->rows[q] != UINT32_MAX)
            FUSOR_TRY(mine(m, (uint32_t)q, err));
    return FUSOR_OK;
}

enum fusor_status mined_share(struct worker *w, uint32_t stage, uint32_t worker,
                              uint32_t n_workers, struct strbuf *out,
                              struct fusor_error *err)
{
    struct mining m = {.work = w->workload,
                       .negatives = negatives_of(w->workload, stage),
                       .split = w->workload->options.stages[stage].split,
                       .out = out};
    uint64_t n = dataset_n_queries(w->workload->data);
    enum fusor_status rc = mine_share(&m, w, n * worker / n_workers,
                                      n * (worker + 1) / n_workers, err);

    ranker_clear(&m.ranker);
    mem_free(m.rows);
    mem_free(m.best);
    mem_free(m.record);
    return rc;
}

struct reading {
    struct shares_sink sink; // first
    const struct dataset *data;
    struct found *found;
    uint32_t room;
    uint32_t *items; // [room]
};

static enum fusor_status take(struct shares_sink *self, const char *path,
                              const char *record, struct fusor_error *err)
{
    struct reading *r = (struct reading *)(void *)self;
    uint32_t head[2];

    memcpy(head, record, sizeof(head));
    if (head[0] >= r->found->n_queries || head[1] > r->room)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: %u items of query %u, but there are %u of %llu "
                          "at most",
                          path, head[1], head[0], r->room,
                          (unsigned long long)r->found->n_queries);
    memcpy(r->items, record + sizeof(head), head[1] * sizeof(*r->items));
    for (uint32_t i = 0; i < head[1]; i++)
        if (r->items[i] >= dataset_n_items(r->data))
            return fusor_fail(err, FUSOR_EDATA, "%s: item %u of %llu", path,
                              r->items[i],
                              (unsigned long long)dataset_n_items(r->data));
    return found_add(r->found, head[0], r->items, head[1], err);
}

enum fusor_status mined_read(const struct workload *w, const char *run_dir,
                             uint32_t stage, struct found **out,
                             struct fusor_error *err)
{
    struct shares files = files_of(w, stage);
    struct reading r = {.sink = {take},
                        .data = w->data,
                        .room = room_of(negatives_of(w, stage))};
    enum fusor_status rc =
        found_create_empty(dataset_n_queries(w->data), &r.found, err);

    if (rc != FUSOR_OK)
        return rc;
    r.items = mem_alloc_raw(r.room, sizeof(*r.items));
    rc = r.items ? shares_read(&files, run_dir, stage, &r.sink, err)
                 : mem_fail(err, files.what, r.room * sizeof(*r.items));
    if (rc == FUSOR_OK && r.found->used == 0)
        rc = fusor_fail(err, FUSOR_EDATA,
                        "%s/%s: no file of stage %u finds anything: train in a "
                        "new run directory, or lower the first rank",
                        run_dir, files.folder, stage + 1);
    mem_free(r.items);
    if (rc != FUSOR_OK) {
        found_destroy(r.found);
        return rc;
    }
    *out = r.found;
    return FUSOR_OK;
}
