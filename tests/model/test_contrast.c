/* Losses over candidates through whole towers: gradients against central
 * differences, what each position should find, what is refused. */
#include "harness.h"

#include <string.h>

#include "contract/golden.h"
#include "model/fixture.h"

#define N 5
#define TABLES "tables: {item: {dim: 4, init: zero}}, "
#define SEQ_BY(loss, more)                                                  \
    "{" TABLES "loss: " loss ", towers: {t: {query: seq, item: item, " more \
    "}}}"
#define SEQ(more) SEQ_BY("full_softmax", more)
#define UNSEEN(more) SEQ_BY("{full_softmax: {exclude: seen}}", more)

static const uint64_t ids[N] = {1, 2, 3, 5, 6};
static const uint32_t place[7] = {UINT32_MAX, 0, 1, 2, UINT32_MAX, 3, 4};
static const uint32_t target[6] = {2, 5, 2, 6, 1, 5};
static const uint32_t query_of[N] = {0, 0, 0, 0, 0};
static const uint64_t sample_id[N];
static const uint64_t words[] = {3, 1, 2, 2, 4, 5, 0, 1};
static const uint32_t words_at[N + 1] = {0, 2, 3, 3, 6, 8}; // one empty
#define N_WORDS 8

struct contrast_fixture {
    struct fixture f;
    struct batch items;
    struct batch_field fields[FIXTURE_N_FIELDS];
    uint32_t positions[8][N_WORDS];
    const uint32_t *lists[8];
    struct model_candidates candidates;
};

/* The candidates are items 1 2 3 5 6, of which the first n are negatives. */
static void begin(struct contrast_fixture *c, const char *job, int every,
                  uint32_t n)
{
    uint32_t n_lookups;
    const struct model_lookup *l;

    memset(c, 0, sizeof(*c));
    if (fixture_init(&c->f, job) != FUSOR_OK) {
        fprintf(stderr, "%s\n", c->f.err.text);
        REQUIRE(0);
    }
    model_expect_candidates(c->f.model, N, every);
    model_run_destroy(c->f.run);
    REQUIRE(model_run_create(c->f.model, 6, &c->f.run, NULL) == FUSOR_OK);
    c->fields[FIXTURE_ITEM] = (struct batch_field){.ids = ids, .n_values = N};
    c->fields[FIXTURE_TITLE] = (struct batch_field){
        .ids = words, .offsets = words_at, .n_values = N_WORDS};
    c->items = (struct batch){.n = N,
                              .n_queries = 1,
                              .query_of = query_of,
                              .n_fields = FIXTURE_N_FIELDS,
                              .fields = c->fields,
                              .sample_id = sample_id};
    l = model_lookups(c->f.model, &n_lookups);
    for (uint32_t i = 0; i < n_lookups; i++) {
        const struct fixture_table *t = &c->f.tables[l[i].table];
        const struct batch_field *f = &c->fields[l[i].field];

        for (uint32_t j = 0; j < f->n_values; j++)
            for (uint32_t u = 0; u < t->n; u++)
                if (t->keys[u] == f->ids[j] + l[i].salt)
                    c->positions[i][j] = u;
        c->lists[i] = c->positions[i];
    }
    c->candidates = (struct model_candidates){.batch = &c->items,
                                              .positions = c->lists,
                                              .n_negatives = n,
                                              .place = place,
                                              .target = target,
                                              .every = every,
                                              .own = 2,
                                              .n_items = 6};
    c->f.step.candidates = &c->candidates;
}

static const char *const jobs[] = {
    SEQ("type: transformer, blocks: 2, heads: 2, ff: 8, activation: gelu"),
    SEQ("type: transformer, norm: post, bias: true, activation: gelu"),
    SEQ("type: gru"),
    SEQ("type: lstm, units: 3, layers: 2"),
    SEQ("type: rnn, max: 3"),
    SEQ("type: transformer, mask: 0.4, heads: 2, activation: gelu, norm: post"),
    SEQ("type: transformer, mask: 0.4, blocks: 2, ff: 8, activation: gelu"),
    UNSEEN("type: transformer, blocks: 2, ff: 8, activation: gelu"),
    SEQ("type: transformer, blocks: 2, norm: query, heads: 2, activation: "
        "gelu"),
    UNSEEN("type: transformer, mask: 0.4, activation: gelu"),
    SEQ_BY("{sampled_softmax: {exclude: seen}}", "type: gru, max: 3"),
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void gradients_are_differences_at_every_position(void)
{
    struct contrast_fixture c;

    for (size_t i = 0; i < N_JOBS; i++) {
        begin(&c, jobs[i], 1, N);
        CHECK(golden_differences(&c.f) < GOLDEN_DIFFERENCE);
        fixture_clear(&c.f);
    }
}

static void gradients_are_differences_for_samples(void)
{
    static const char *const more[] = {
        "{tables: {user: 4, item: 4}, loss: full_softmax, towers: "
        "{t: {type: dot, query: user, item: item, bias: true}}}",
        "{tables: {user: 4, item: 4}, loss: {gbce: {t: 0.5}}, towers: "
        "{t: {type: dot, query: [user, {bag: hist, table: item}], "
        "item: item}}}",
        "{tables: {token: {dim: 4, by_field: true}}, loss: {sampled_softmax: "
        "{temperature: 0.5}}, "
        "towers: {t: {type: dot, query: {sequence: seq, pool: gru}, item: "
        "{text: title, pool: cnn, activation: tanh}, table: token}}}",
        "{tables: {token: {dim: 4, by_field: true}, item: 4}, loss: "
        "full_softmax, towers: {t: {type: "
        "dot, query: [user, {sequence: seq, pool: mean}], item: [{field: item, "
        "table: item}, {text: title, pool: transformer, ff: 8, activation: "
        "gelu}], table: token, bias: true}}}",
    };
    struct contrast_fixture c;

    for (size_t i = 0; i < N_JOBS; i++) {
        begin(&c, jobs[i], 0, 3);
        CHECK(golden_differences(&c.f) < GOLDEN_DIFFERENCE);
        fixture_clear(&c.f);
    }
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        begin(&c, more[i], 0, 4);
        CHECK(golden_differences(&c.f) < GOLDEN_DIFFERENCE);
        fixture_clear(&c.f);
    }
}

/* With rows of zeros every softmax is uniform: log 5 for each position whose
 * target is a candidate. The sequences are 2 5 1 2 6, none, 3 (missing) 2. */
static void every_position_finds_the_next_item(void)
{
    struct contrast_fixture c;
    struct fixture_table *t;

    begin(&c, jobs[2], 1, N);
    t = &c.f.tables[0];
    for (uint32_t u = 0; u < t->n; u++)
        memset(t->rows[u], 0, 4 * sizeof(float));
    CHECK_CLOSE(fixture_loss(&c.f), 7 * log(5), 1e-6);
    fixture_clear(&c.f);
}

/* Likewise, among the target and those that do not stand up to the position:
 * 4 3 3 2 2 and 4 3 of the candidates. */
static void what_was_had_is_no_negative(void)
{
    struct contrast_fixture c;
    struct fixture_table *t;

    begin(&c, UNSEEN("type: gru"), 1, N);
    t = &c.f.tables[0];
    for (uint32_t u = 0; u < t->n; u++)
        memset(t->rows[u], 0, 4 * sizeof(float));
    CHECK_CLOSE(fixture_loss(&c.f), 2 * log(4) + 3 * log(3) + 2 * log(2), 1e-6);
    fixture_clear(&c.f);
}

/* The same sum with some hidden: a sequence counts as its ids, of which 2 5 1 2
 * 6 and 3 (missing) 2 have 5 and 3. */
static void hidden_positions_count_as_their_sequence(void)
{
    struct contrast_fixture c;
    struct fixture_table *t;

    begin(&c, jobs[5], 1, N);
    t = &c.f.tables[0];
    for (uint32_t u = 0; u < t->n; u++)
        memset(t->rows[u], 0, 4 * sizeof(float));
    for (c.f.step.epoch = 0; c.f.step.epoch < 8; c.f.step.epoch++)
        CHECK_CLOSE(fixture_loss(&c.f), 8 * log(5), 1e-6);
    fixture_clear(&c.f);
}

/* Samples of events hide nothing but the place behind. */
static void a_sample_finds_its_item_behind_the_others(void)
{
    struct contrast_fixture c;
    double first;

    begin(&c, jobs[5], 0, N);
    first = fixture_loss(&c.f);
    for (c.f.step.epoch = 1; c.f.step.epoch < 8; c.f.step.epoch++)
        CHECK(fixture_loss(&c.f) == first);
    fixture_clear(&c.f);
}

static void refuses(const char *job, int every, const char *why)
{
    struct fixture f;
    struct fusor_error err = {0};

    if (fixture_init(&f, job) != FUSOR_OK) {
        CHECK(strstr(f.err.text, why) != NULL);
    } else {
        CHECK(model_check_candidates(f.model, every, NULL, &err) ==
              FUSOR_EUSAGE);
        CHECK(strstr(err.text, why) != NULL);
    }
    fixture_clear(&f);
}

static void what_cannot_be_trained_so_is_refused(void)
{
    refuses(SEQ("type: transformer, causal: false"), 1, "not causal");
    refuses(SEQ("type: transformer, read: mean"), 1, "mean");
    refuses(SEQ("type: transformer, read: mean, mask: 0.2"), 1, "read: mean");
    refuses(SEQ("type: transformer, causal: true, mask: 0.2"), 1, "causal");
    refuses(SEQ("type: transformer, mask: 1"), 1, "mask");
    refuses(SEQ("type: transformer, mask: 0.2, max: 1"), 1, "no place");
    refuses(SEQ("type: gru, mask: 0.2"), 1, "mask");
    refuses(SEQ("type: gru, direction: both"), 1, "both ways");
    refuses(SEQ("type: lstm, direction: back"), 1, "direction");
    refuses(UNSEEN("type: gru"), 0, "samples: sequences");
    refuses(SEQ_BY("{full_softmax: {exclude: all}}", "type: gru"), 1, "all");
    refuses(SEQ_BY("{gbce: {exclude: seen}}", "type: gru"), 1, "exclude");
    refuses("{loss: full_softmax, towers: {t: {type: linear, "
            "inputs: item}}}",
            0, "does not factorise");
    refuses("{" TABLES "loss: {full_softmax: {n: 3}}, towers: {t: {type: "
            "linear, inputs: item}}}",
            0, "n");
    refuses("{" TABLES "loss: {sampled_softmax: {from: nowhere}}, towers: {t: "
            "{type: linear, inputs: item}}}",
            0, "nowhere");
    refuses("{" TABLES "loss: {gbce: {t: 2}}, towers: {t: {type: linear, "
            "inputs: item}}}",
            0, "t");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"gradients are differences at every position",
         gradients_are_differences_at_every_position},
        {"gradients are differences for samples",
         gradients_are_differences_for_samples},
        {"every position finds the next item",
         every_position_finds_the_next_item},
        {"what was had is no negative", what_was_had_is_no_negative},
        {"hidden positions count as their sequence",
         hidden_positions_count_as_their_sequence},
        {"a sample finds its item behind the others",
         a_sample_finds_its_item_behind_the_others},
        {"what cannot be trained so is refused",
         what_cannot_be_trained_so_is_refused},
    };

    return TEST_RUN("model.contrast", cases);
}
