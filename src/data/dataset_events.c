/* Events of each query when a data set is opened: ordered, counted before each
 * row, their ids gathered; and the items that were seen. Which events a row may
 * see is said in history.h. */
#include "base/mem.h"
#include "data/dataset_private.h"

/* The split that a set of events is. */
static const enum split split_of[] = {SPLIT_TRAIN, SPLIT_VALID};

/* Rows of a split as history.h wants them. */
static struct history_rows history_rows_of(const struct dataset *ds,
                                           enum split split)
{
    const struct split_rows *s = &ds->splits[split];
    const struct row_part *p = &ds->parts[s->part];

    return (struct history_rows){p->query, p->time, s->select, s->n};
}

/* The column of a part that events are made of. */
static enum fusor_status find_source(const struct dataset *ds,
                                     const struct dataset_field *f,
                                     uint32_t part,
                                     const struct column_view **out,
                                     struct fusor_error *err)
{
    const struct field_spec *spec = &ds->schema.fields[f->of].spec;
    const struct column_view *c = part_find(ds->parts[part].part, spec->name);

    if (!c || (c->spec.type != COLUMN_U32 && c->spec.type != COLUMN_U64))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: column \"%s\" of the rows holds no ids: run "
                          "fusor prepare again",
                          ds->dir, spec->name);
    if (!c->held)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: events of \"%s\" need its column in memory: "
                          "write data: {cache: memory}",
                          ds->dir, spec->name);
    *out = c;
    return dataset_check_column(ds, c, ds->parts[part].n, spec, err);
}

/* The ids of a set's events in the timeline's order, for one source column. */
static enum fusor_status gather_events(struct dataset *ds,
                                       struct dataset_field *f,
                                       enum event_set set,
                                       struct fusor_error *err)
{
    const struct split_rows *s = &ds->splits[split_of[set]];
    const struct history *h = ds->history[set];
    const struct column_view *c = NULL;
    uint64_t n = h->offsets[ds->n_queries], *ids;

    FUSOR_TRY(find_source(ds, f, s->part, &c, err));
    f->owned_events[set] = ids = mem_alloc_raw(n, sizeof(*ids));
    if (!ids)
        return mem_fail(err, "history", n * sizeof(*ids));
    for (uint64_t i = 0; i < n; i++) {
        uint32_t row = split_row(s, h->events[i]);

        if (c->u32)
            ids[i] = c->u32[row] == UINT32_MAX ? BATCH_NO_ID : c->u32[row];
        else
            ids[i] = c->u64[row];
    }
    f->events[set] = ids;
    return FUSOR_OK;
}

static int is_derived(const struct dataset_field *f)
{
    return f->origin == ORIGIN_HISTORY || f->origin == ORIGIN_BAG;
}

/* Does the field take events of the set? */
static int takes(const struct dataset_field *f, enum event_set set)
{
    return set == EVENTS_TRAIN ? is_derived(f) : f->origin == ORIGIN_HISTORY;
}

/* Fields of the same column share its events. */
static enum fusor_status derive_field(struct dataset *ds, size_t i,
                                      enum event_set set,
                                      struct fusor_error *err)
{
    struct dataset_field *f = &ds->fields[i];

    for (size_t j = 0; j < i && !f->events[set]; j++)
        if (takes(&ds->fields[j], set) && ds->fields[j].of == f->of)
            f->events[set] = ds->fields[j].events[set];
    return f->events[set] ? FUSOR_OK : gather_events(ds, f, set, err);
}

/* A bag is as long as its longest. A sequence has the job's `max`, so that the
 * shape of a model does not hang on the rows. */
static void set_longest(struct dataset *ds, size_t i)
{
    const uint64_t *offsets = ds->history[EVENTS_TRAIN]->offsets;
    const struct dataset_field *f = &ds->fields[i];
    uint64_t most = 0;

    for (uint64_t q = 0; q < ds->n_queries; q++)
        if (offsets[q + 1] - offsets[q] > most)
            most = offsets[q + 1] - offsets[q];
    if (f->max == 0 || f->max > most)
        ds->specs[i].max_values = (uint32_t)most;
}

/* How many events of the set come before each row of the split. */
static enum fusor_status count_events(struct dataset *ds, enum split split,
                                      enum event_set set,
                                      struct fusor_error *err)
{
    struct split_rows *s = &ds->splits[split];
    const struct split_rows *of = &ds->splits[split_of[set]];
    struct history_rows events = history_rows_of(ds, split_of[set]);
    struct history_rows rows = history_rows_of(ds, split);
    uint32_t *before;

    if (s->n == 0)
        return FUSOR_OK;
    s->before[set] = before = mem_alloc_raw(s->n, sizeof(*before));
    if (!before)
        return mem_fail(err, "history", s->n * sizeof(*before));
    if (s == of)
        history_count_own(ds->history[set], s->n, before);
    else
        history_count_before(ds->history[set], &events, &rows,
                             s->part == of->part, before);
    return FUSOR_OK;
}

/* Where each valid event stands among the train events of its query. */
static enum fusor_status rank_valid(struct dataset *ds, struct fusor_error *err)
{
    const struct history *h = ds->history[EVENTS_VALID];
    const uint32_t *before = ds->splits[SPLIT_VALID].before[EVENTS_TRAIN];
    uint64_t n = h->offsets[ds->n_queries];

    ds->valid_rank = mem_alloc_raw(n, sizeof(*ds->valid_rank));
    if (!ds->valid_rank)
        return mem_fail(err, "history", n * sizeof(*ds->valid_rank));
    for (uint64_t i = 0; i < n; i++)
        ds->valid_rank[i] = before[h->events[i]];
    return FUSOR_OK;
}

/* Order a set and take its ids into all fields that want them. */
static enum fusor_status derive_set(struct dataset *ds, enum event_set set,
                                    struct fusor_error *err)
{
    struct history_rows rows = history_rows_of(ds, split_of[set]);

    FUSOR_TRY(history_build(&rows, ds->n_queries, &ds->history[set], err));
    for (size_t i = 0; i < ds->n_fields; i++)
        if (takes(&ds->fields[i], set))
            FUSOR_TRY(derive_field(ds, i, set, err));
    return FUSOR_OK;
}

enum fusor_status dataset_derive(struct dataset *ds, struct fusor_error *err)
{
    int bags = 0, sequences = 0;

    for (size_t i = 0; i < ds->n_fields; i++) {
        bags += ds->fields[i].origin == ORIGIN_BAG;
        sequences += ds->fields[i].origin == ORIGIN_HISTORY;
    }
    if (bags + sequences == 0)
        return FUSOR_OK;
    FUSOR_TRY(derive_set(ds, EVENTS_TRAIN, err));
    for (size_t i = 0; i < ds->n_fields; i++)
        if (ds->fields[i].origin == ORIGIN_BAG)
            set_longest(ds, i);
    for (int s = 0; s < N_SPLITS && sequences; s++)
        FUSOR_TRY(count_events(ds, (enum split)s, EVENTS_TRAIN, err));
    /* Rows of a held fold stand for train rows. */
    if (!sequences || ds->splits[SPLIT_VALID].n == 0 || ds->options.n_held)
        return FUSOR_OK;
    FUSOR_TRY(derive_set(ds, EVENTS_VALID, err));
    FUSOR_TRY(rank_valid(ds, err));
    return count_events(ds, SPLIT_TEST, EVENTS_VALID, err);
}

enum fusor_status dataset_find_seen(struct dataset *ds, struct fusor_error *err)
{
    struct seen_rows sets[2];
    size_t n_sets = ds->splits[SPLIT_VALID].n ? 2 : 1;

    if (!ds->options.exclude_seen)
        return FUSOR_OK;
    if (ds->n_queries == 0 || ds->n_items == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: exclude: seen needs a query and an item of each "
                          "row: prepare with categorical fields of both sides",
                          ds->dir);
    for (size_t i = 0; i < n_sets; i++) {
        sets[i].rows = history_rows_of(ds, (enum split)i);
        sets[i].item = ds->parts[ds->splits[i].part].item;
    }
    FUSOR_TRY(seen_build(sets, 1, ds->n_queries, &ds->seen[SPLIT_TRAIN], err));
    if (n_sets == 1)
        return FUSOR_OK;
    return seen_build(sets, n_sets, ds->n_queries, &ds->seen[SPLIT_TEST], err);
}
