/* Which events of its query a row sees, against the definition: none of the
 * future, of its own fold, or of a test row; and nothing that is counted or
 * fitted knows more than the train rows. */
#include "base/rng.h"
#include "data/batcher.h"
#include "data/dataset_private.h"
#include "data/prepared.h"

enum { N_EVENTS = 600, N_USERS = 9, N_FOLDS = 5 };

/* Each event has an item of its own, so an id tells which event it is. */
static struct event events[N_EVENTS], part_of[N_SPLITS][N_EVENTS];
static uint32_t n_of[N_SPLITS];

/* What became of an event in an opened data set. */
static enum split split_of[N_EVENTS];
static uint32_t row_of[N_EVENTS]; // position in its split
static int used[N_EVENTS];

/* Parts follow each other, whatever the times say. */
static void make_events(uint64_t seed, int parts)
{
    struct rng r = rng_stream(seed, RNG_TEST, 0, 0);
    int p = 0;

    memset(n_of, 0, sizeof(n_of));
    for (uint32_t i = 0; i < N_EVENTS; i++) {
        events[i] = (struct event){1 + (uint32_t)rng_below(&r, N_USERS - 1),
                                   i + 1, 1, (int64_t)rng_below(&r, 40),
                                   (uint8_t)rng_below(&r, N_FOLDS)};
        if (parts && i == (uint32_t)(p + 1) * N_EVENTS / 3)
            p++;
        part_of[p][n_of[p]++] = events[i];
    }
}

static struct prepared write_events(const char *name, uint32_t n_folds)
{
    struct prepared p = {.n_users = N_USERS,
                         .n_items = N_EVENTS + 1,
                         .train = part_of[SPLIT_TRAIN],
                         .n_train = n_of[SPLIT_TRAIN],
                         .valid = part_of[SPLIT_VALID],
                         .n_valid = n_of[SPLIT_VALID],
                         .test = part_of[SPLIT_TEST],
                         .n_test = n_of[SPLIT_TEST],
                         .n_folds = n_folds};

    prepared_write(&p, name);
    return p;
}

static struct dataset *open_with(const struct dataset_options *o,
                                 const char *fields)
{
    struct yaml *f = prepared_yaml(fields);
    struct fusor_error err = {0};
    struct dataset *ds = NULL;

    if (dataset_open(o, yaml_root(f), NULL, &ds, &err) != FUSOR_OK)
        fprintf(stderr, "%s\n", err.text);
    REQUIRE(ds != NULL);
    yaml_destroy(f);
    memset(used, 0, sizeof(used));
    for (int s = 0; s < N_SPLITS; s++)
        for (uint32_t i = 0; i < dataset_rows(ds, (enum split)s); i++) {
            uint32_t e = dataset_item(ds, (enum split)s, i) - 1;

            split_of[e] = (enum split)s;
            row_of[e] = i;
            used[e] = 1;
        }
    return ds;
}

/* Events stand in the order of their parts, then of their rows. */
static int is_earlier(uint32_t a, uint32_t b)
{
    return events[a].time < events[b].time ||
           (events[a].time == events[b].time && a < b);
}

/* May a row of this split know the event, if it is earlier? */
static int may_see(const struct dataset *ds, enum split split, uint32_t event)
{
    if (!used[event])
        return 0;
    return split_of[event] == SPLIT_TRAIN ||
           (split_of[event] == SPLIT_VALID && split == SPLIT_TEST &&
            ds->options.n_held == 0);
}

/* What the definition says that event e sees, oldest first. */
static uint32_t should_see(const struct dataset *ds, uint32_t e, int is_bag,
                           uint32_t max, uint32_t *out)
{
    uint32_t n = 0;

    for (uint32_t j = 0; j < N_EVENTS; j++) {
        uint32_t at = n;

        if (events[j].user != events[e].user)
            continue;
        if (is_bag ? !used[j] || split_of[j] != SPLIT_TRAIN
                   : !may_see(ds, split_of[e], j) || !is_earlier(j, e))
            continue;
        for (; at > 0 && is_earlier(j, out[at - 1]); at--)
            out[at] = out[at - 1];
        out[at] = j;
        n++;
    }
    if (!max || n <= max)
        return n;
    memmove(out, out + n - max, max * sizeof(*out));
    return max;
}

static int sees(const struct batch_field *f, const uint32_t *want, uint32_t n)
{
    if (f->n_values != n)
        return 0;
    for (uint32_t k = 0; k < n; k++)
        if (f->ids[k] != want[k] + 1)
            return 0;
    return 1;
}

/* The fields are: every earlier event; the last three; the bag.
 * @return how many rows saw a valid event */
static uint32_t check_rows(const struct dataset *ds)
{
    static const uint32_t max[] = {0, 3, 0};
    struct batcher *b = NULL;
    uint32_t want[N_EVENTS], rows = 0;

    REQUIRE(batcher_create(ds, 4, &b, NULL) == FUSOR_OK);
    for (uint32_t e = 0; e < N_EVENTS; e++) {
        struct batcher_query q = {.split = split_of[e], .row = row_of[e]};
        struct batch out;
        int saw = 0;

        if (!used[e])
            continue;
        for (int k = 0; k < 3; k++) {
            uint32_t n = should_see(ds, e, k == 2, max[k], want);

            REQUIRE(batcher_fill(b, split_of[e], &row_of[e], 1, &out, NULL) ==
                    FUSOR_OK);
            CHECK(sees(&out.fields[k], want, n));
            REQUIRE(batcher_fill_pairs(b, &q, (uint32_t[]){7}, 1, &out, NULL) ==
                    FUSOR_OK);
            CHECK(sees(&out.fields[k], want, n));
            for (uint32_t i = 0; i < n; i++)
                saw |= split_of[want[i]] == SPLIT_VALID;
        }
        rows += (uint32_t)saw;
    }
    batcher_destroy(b);
    return rows;
}

static const char *const fields = "h: {type: sequence, of: item, max: 1000}\n"
                                  "last: {type: sequence, of: item, max: 3}\n"
                                  "bag: {type: bag, of: item}\n";

static void no_event_of_the_future_or_of_the_fold_is_used(void)
{
    struct prepared p;

    make_events(11, 0);
    p = write_events("folds", N_FOLDS);
    for (int fold = 0; fold < N_FOLDS; fold += 2) {
        struct dataset_options o = {.dir = p.dir, .fold = fold};
        struct dataset *ds = open_with(&o, fields);

        CHECK(dataset_rows(ds, SPLIT_TEST) > 60);
        CHECK(check_rows(ds) == 0);
        dataset_close(ds);
    }
}

static void test_rows_see_earlier_valid_events_too(void)
{
    struct prepared p;
    struct dataset_options o = {.fold = -1};
    struct dataset *ds;

    make_events(12, 1);
    p = write_events("parts", 0);
    o.dir = p.dir;
    ds = open_with(&o, fields);
    CHECK(dataset_rows(ds, SPLIT_VALID) == N_EVENTS / 3);
    CHECK(check_rows(ds) > N_EVENTS / 4);
    dataset_close(ds);
}

static void valid_events_drawn_from_the_train_part_count_too(void)
{
    struct prepared p;

    make_events(13, 0);
    p = write_events("drawn", N_FOLDS);
    for (int fold = 0; fold < 2; fold++) {
        struct dataset_options o = {
            .dir = p.dir, .fold = fold, .valid = 0.3, .seed = 5};
        struct dataset *ds = open_with(&o, fields);

        CHECK(dataset_rows(ds, SPLIT_VALID) > 80);
        CHECK(check_rows(ds) > 60);
        dataset_close(ds);
    }
}

static void rows_of_a_held_fold_see_what_train_rows_see(void)
{
    struct prepared p;

    make_events(14, 1);
    p = write_events("held", 0);
    for (uint32_t held = 0; held < 3; held++) {
        struct dataset_options o = {
            .dir = p.dir, .fold = -1, .seed = 3, .n_held = 3, .held = held};
        struct dataset *ds = open_with(&o, fields);

        CHECK(dataset_rows(ds, SPLIT_TEST) > 40);
        CHECK(check_rows(ds) == 0);
        dataset_close(ds);
    }
}

/* As recommend asks: like a test row after all train and valid events. */
static void a_query_without_a_row_has_all_train_and_valid_events(void)
{
    struct batcher_query q = {
        .split = SPLIT_TRAIN, .row = BATCHER_NO_ROW, .query = 4};
    struct dataset_options o = {.fold = -1};
    uint32_t want[N_EVENTS], n, item = 7;
    struct batcher *b = NULL;
    struct dataset *ds;
    struct prepared p;
    struct batch out;

    make_events(15, 1);
    events[N_EVENTS - 1].user = 4; // a test row that stands behind all
    events[N_EVENTS - 1].time = 1000;
    part_of[SPLIT_TEST][n_of[SPLIT_TEST] - 1] = events[N_EVENTS - 1];
    p = write_events("all", 0);
    o.dir = p.dir;
    ds = open_with(&o, fields);
    REQUIRE(batcher_create(ds, 1, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill_pairs(b, &q, &item, 1, &out, NULL) == FUSOR_OK);
    n = should_see(ds, N_EVENTS - 1, 0, 0, want);
    CHECK(n > 30 && sees(&out.fields[0], want, n));
    n = should_see(ds, N_EVENTS - 1, 0, 3, want);
    CHECK(n == 3 && sees(&out.fields[1], want, n));
    n = should_see(ds, N_EVENTS - 1, 1, 0, want);
    CHECK(sees(&out.fields[2], want, n));
    batcher_destroy(b);
    dataset_close(ds);
}

static void without_times_parts_follow_each_other(void)
{
    struct dataset_options o = {.fold = -1};
    struct prepared p;
    struct dataset *ds;

    make_events(16, 1);
    for (uint32_t i = 0; i < N_EVENTS; i++)
        events[i].time = 0;
    p = write_events("timeless", 0);
    p.no_time = 1;
    prepared_write(&p, "timeless");
    o.dir = p.dir;
    ds = open_with(&o, fields);
    CHECK(check_rows(ds) == n_of[SPLIT_TEST]);
    dataset_close(ds);
}

/* A valid and a test row with an item, a label and a time like no other. */
static void what_is_fitted_knows_the_train_rows_alone(void)
{
    static const char *const more = "h: {type: sequence, of: item, max: 1000}\n"
                                    "bag: {type: bag, of: item}\n"
                                    "price: {transform: minmax}\n";
    struct dataset *ds[2];
    double lo[2], hi[2];
    struct batch out[2];
    struct batcher *b[2] = {NULL, NULL};
    uint32_t row = 0, longest[2], n;
    size_t n_fields;

    for (int k = 0; k < 2; k++) {
        struct dataset_options o = {.fold = -1, .exclude_seen = 1};
        struct prepared p;

        make_events(17, 1);
        for (int s = SPLIT_VALID; k && s < N_SPLITS; s++)
            for (uint32_t i = 0; i < n_of[s]; i++)
                part_of[s][i] =
                    (struct event){1, N_EVENTS, 77, (int64_t)i + 50, 0};
        p = write_events("fitted", 0);
        o.dir = p.dir;
        ds[k] = open_with(&o, more);
        dataset_label_range(ds[k], 0, &lo[k], &hi[k]);
        longest[k] = dataset_fields(ds[k], &n_fields)[1].max_values;
        REQUIRE(batcher_create(ds[k], 1, &b[k], NULL) == FUSOR_OK);
        REQUIRE(batcher_fill(b[k], SPLIT_TRAIN, &row, 1, &out[k], NULL) ==
                FUSOR_OK);
        for (uint32_t q = 1; q < N_USERS; q++) {
            const uint32_t *seen = dataset_seen(ds[k], SPLIT_VALID, q, &n);

            CHECK(n > 0 && seen[n - 1] <= n_of[SPLIT_TRAIN]);
        }
    }
    CHECK(lo[0] == lo[1] && hi[0] == hi[1] && hi[1] < 77);
    CHECK(longest[0] == longest[1]);
    CHECK(out[0].fields[1].n_values == out[1].fields[1].n_values);
    CHECK(out[0].fields[2].dense[0] == out[1].fields[2].dense[0]);
    for (int k = 0; k < 2; k++) {
        batcher_destroy(b[k]);
        dataset_close(ds[k]);
    }
}

static void every_failed_allocation_is_an_error(void)
{
    struct yaml *f = prepared_yaml(fields);
    struct dataset_options o = {.fold = -1};
    struct prepared p;
    size_t at_start;

    make_events(18, 1);
    p = write_events("memory", 0);
    o.dir = p.dir;
    at_start = mem_used();
    for (long k = 1;; k++) {
        struct dataset *ds = NULL;
        enum fusor_status rc;

        mem_fail_after(k);
        rc = dataset_open(&o, yaml_root(f), NULL, &ds, NULL);
        mem_fail_after(0);
        dataset_close(ds);
        CHECK(mem_used() == at_start);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
    }
    yaml_destroy(f);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"no event of the future or of the fold is used",
         no_event_of_the_future_or_of_the_fold_is_used},
        {"test rows see earlier valid events too",
         test_rows_see_earlier_valid_events_too},
        {"valid events drawn from the train part count too",
         valid_events_drawn_from_the_train_part_count_too},
        {"rows of a held fold see what train rows see",
         rows_of_a_held_fold_see_what_train_rows_see},
        {"a query without a row has all train and valid events",
         a_query_without_a_row_has_all_train_and_valid_events},
        {"without times parts follow each other",
         without_times_parts_follow_each_other},
        {"what is fitted knows the train rows alone",
         what_is_fitted_knows_the_train_rows_alone},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("data.events", cases);
}
