/* Between the passes: earlier rows of one query and item are dropped, and the
 * protocol gives the others their part. */

#include "base/hash.h"
#include "base/mem.h"
#include "data/prepare_private.h"

/* Open addressing over row + 1, at most half full. */
struct row_set {
    uint64_t *rows;
    size_t mask;
};

static uint64_t *find_pair(const struct row_set *set,
                           const struct prep_facts *f, uint64_t row)
{
    size_t i =
        hash_mix((uint64_t)f->query[row] << 32 | f->item[row]) & set->mask;

    while (set->rows[i] && (f->query[set->rows[i] - 1] != f->query[row] ||
                            f->item[set->rows[i] - 1] != f->item[row]))
        i = (i + 1) & set->mask;
    return &set->rows[i];
}

/* Later in the file wins; with times, later in time, then in the file. Only
 * rows of one source part are duplicates of each other. */
static enum fusor_status drop_duplicates(struct prep *p,
                                         struct fusor_error *err)
{
    struct prep_facts *f = &p->facts;
    struct row_set set = {NULL, 15};
    enum fusor_status rc = FUSOR_OK;

    while (set.mask + 1 < 2 * f->n)
        set.mask = set.mask * 2 + 1;
    set.rows = mem_alloc(set.mask + 1, sizeof(*set.rows));
    if (!set.rows)
        return mem_fail(err, "duplicates", (set.mask + 1) * 8);
    for (uint64_t row = 0; row < f->n && rc == FUSOR_OK; row++) {
        uint64_t *slot = find_pair(&set, f, row), loser;

        if (!*slot) {
            *slot = row + 1;
            continue;
        }
        loser = *slot - 1;
        if (f->time && f->time[loser] > f->time[row])
            loser = row;
        else
            *slot = row + 1;
        rc = prep_bad_row(p, p->source.rows[f->part[loser]]->path,
                          f->line[loser], 1, BAD_DUPLICATE,
                          "the later row is kept", err);
        f->part[loser] = ROW_DROPPED;
    }
    mem_free(set.rows);
    return rc;
}

/* Close the gaps that dropped rows leave, in the arrays the protocol sees.
 * part[] stays as it is: it says which rows of the stage are dropped. */
static uint64_t close_gaps(struct prep_facts *f)
{
    uint64_t to = 0;

    for (uint64_t row = 0; row < f->n; row++) {
        if (f->part[row] == ROW_DROPPED)
            continue;
        if (f->query)
            f->query[to] = f->query[row];
        if (f->item)
            f->item[to] = f->item[row];
        if (f->time)
            f->time[to] = f->time[row];
        to++;
    }
    return to;
}

static void facts_for_protocol(const struct prep *p, uint64_t n,
                               struct split_facts *out)
{
    const struct prepare_options *o = p->options;
    int query = p->sides[0].key, item = p->sides[1].key;

    *out = (struct split_facts){
        .n = n,
        .query = p->facts.query,
        .item = p->facts.item,
        .time = p->facts.time,
        .input = o->input,
        .candidates = o->candidates[0] ? o->candidates : p->source.candidates,
        .candidates_given = o->candidates[0] != '\0',
        .seed = o->seed,
        .folds = o->folds,
        .negatives = o->negatives,
        .train = p->train_share,
        .valid = p->valid_share,
        .dates = {p->dates[0], p->dates[1]},
        .n_dates = p->n_dates,
        .validation = o->validation,
    };
    if (query >= 0)
        out->queries = p->vocabs[p->fields[query].vocab].vocab;
    if (item >= 0)
        out->items = p->vocabs[p->fields[item].vocab].vocab;
}

enum fusor_status prep_split(struct prep *p, struct fusor_error *err)
{
    struct split_facts facts;
    uint64_t n, at = 0;

    if (p->options->dedupe)
        FUSOR_TRY(drop_duplicates(p, err));
    FUSOR_TRY(prep_drop_rare(p, err));
    n = close_gaps(&p->facts);
    p->split.part = mem_alloc(n, 1);
    if (!p->split.part)
        return mem_fail(err, "parts", n);
    for (uint64_t row = 0; row < p->facts.n; row++)
        if (p->facts.part[row] != ROW_DROPPED)
            p->split.part[at++] = p->facts.part[row];
    at = 0;
    facts_for_protocol(p, n, &facts);
    FUSOR_TRY(p->protocol->assign(&facts, &p->split, err));
    prep_keep_candidates(p);
    for (uint64_t row = 0; row < p->facts.n; row++) {
        if (p->facts.part[row] == ROW_DROPPED)
            continue;
        if (!(p->protocol->flags & PROTOCOL_FILES))
            p->facts.part[row] = p->split.part[at];
        at++;
    }
    p->report->rows_kept = n;
    p->report->added = p->split.n_added;
    p->report->n_folds = p->split.n_folds;
    return FUSOR_OK;
}
