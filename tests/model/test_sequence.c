/* Towers over a sequence: packing, what is computed of it, what is refused. */
#include "harness.h"

#include <string.h>

#include "base/mem.h"
#include "contract/golden.h"
#include "model/fixture.h"
#include "model/layer/attention.h"

#define JOB(settings) \
    "{tables: {item: 32}, loss: mse, towers: {t: {query: seq, " settings "}}}"
#define TRANSFORMER \
    "type: transformer, item: item, heads: 2, ff: 8, activation: gelu"

static void begin(struct fixture *f, const char *job)
{
    if (fixture_init(f, job) != FUSOR_OK) {
        fprintf(stderr, "%s\n", f->err.text);
        REQUIRE(0);
    }
}

/* ---- packing; the fixture's sequences are 2 5 1 2 6, none, 3 (missing) 2 */

static void pack_for(struct fixture *f, struct pack_spec *spec, struct pack *p)
{
    uint32_t n;
    const struct model_lookup *l = model_lookups(f->model, &n);

    for (uint32_t i = 0; i < n; i++)
        if (l[i].field == spec->field)
            spec->lookup = i;
    pack_take(spec, f->run, p);
    pack_make(spec, f->model, &f->step, p);
}

static uint64_t key_at(const struct fixture *f, const char *table,
                       const struct pack *p, uint32_t row)
{
    return f->tables[fixture_table_number(f, table)].keys[p->position[row]];
}

static void sequences_keep_their_newest(void)
{
    static const uint64_t want[] = {1, 2, 6, 0, 3, 2, 0};
    struct fixture f;
    struct pack_spec spec = {.field = FIXTURE_SEQ, .max = 3, .pad = 1};
    struct pack p;

    begin(&f, JOB(TRANSFORMER));
    pack_for(&f, &spec, &p);
    CHECK(p.n == 2 && p.rows == 7 && p.longest == 3 && p.n_all == 3);
    CHECK(p.number[0] == 0 && p.number[1] == UINT32_MAX && p.number[2] == 1);
    CHECK(p.uses[0] == 3 && p.uses[1] == 1);
    CHECK(p.id[0] == 10 && p.id[1] == 15);
    CHECK(p.start[0] == 0 && p.start[1] == 4 && p.length[1] == 2);
    for (uint32_t i = 0; i < p.rows; i++) {
        CHECK((want[i] == 0) == (p.position[i] == UINT32_MAX));
        if (want[i])
            CHECK(key_at(&f, "item", &p, i) == want[i]);
    }
    CHECK(p.slot[0] == 0 && p.slot[2] == 2); // ends at the last place
    CHECK(p.slot[4] == 1 && p.slot[5] == 2);
    fixture_clear(&f);
}

static void texts_keep_their_first(void)
{
    static const uint64_t want[] = {1, 2, 4, 0, 5, 3, 3, 2, 1};
    struct fixture f;
    struct pack_spec spec = {.field = FIXTURE_TITLE, .max = 2};
    struct pack p;

    begin(&f, "{tables: {title: 4}, loss: mse, towers: {t: {type: transformer, "
              "query: title}}}");
    pack_for(&f, &spec, &p);
    CHECK(p.n == 5 && p.rows == 9 && p.longest == 2 && p.n_all == 6);
    CHECK(p.number[2] == UINT32_MAX && p.number[5] == 4);
    for (uint32_t i = 0; i < p.rows; i++)
        CHECK(key_at(&f, "title", &p, i) == want[i]);
    CHECK(p.slot[0] == 0 && p.slot[1] == 1 && p.slot[2] == 0);
    fixture_clear(&f);
}

static void steps_go_by_falling_length(void)
{
    static const uint64_t want[] = {0, 3, 1, 4, 2, 5, 3, 1, 2, 0, 1, 2, 0, 5};
    struct fixture f;
    struct pack_spec spec = {
        .order = PACK_STEPS, .field = FIXTURE_TITLE, .max = 5};
    struct pack p;

    begin(&f, "{tables: {title: 4}, loss: mse, towers: {t: {type: transformer, "
              "query: title}}}");
    pack_for(&f, &spec, &p);
    CHECK(p.n == 5 && p.rows == 14 && p.longest == 4);
    CHECK(p.active[0] == 5 && p.active[1] == 4 && p.active[3] == 2);
    CHECK(p.length[0] == 4 && p.length[2] == 3 && p.length[4] == 1);
    CHECK(p.number[3] == 0 && p.number[5] == 1 && p.number[1] == 4);
    CHECK(key_at(&f, "title", &p, 0) == 0); // 0 5 1 2 of sample 3
    CHECK(key_at(&f, "title", &p, 1) == 2); // 2 . 1 0 5 of sample 5
    CHECK(key_at(&f, "title", &p, 2) == 1); // 1 2 3 of sample 0
    CHECK(key_at(&f, "title", &p, p.start[3]) == 2);
    CHECK(key_at(&f, "title", &p, p.start[3] + 1) == want[13]);
    fixture_clear(&f);
}

/* What is hidden stands behind the two newest ids that still fit. */
static void a_hidden_place_stands_behind(void)
{
    static const uint64_t want[] = {2, 6, 0, 3, 2, 0};
    struct fixture f;
    struct pack_spec spec = {
        .field = FIXTURE_SEQ, .max = 3, .hides = 1, .hide = 0.5f};
    struct pack p;

    begin(&f, JOB(TRANSFORMER));
    pack_for(&f, &spec, &p);
    CHECK(p.n == 2 && p.rows == 6 && p.length[0] == 3 && p.length[1] == 3);
    for (uint32_t i = 0; i < p.rows; i++) {
        CHECK((want[i] == 0) == (p.position[i] == PACK_HIDDEN));
        CHECK((want[i] == 0) == (p.value[i] == PACK_NONE));
        CHECK(p.slot[i] == i % 3);
        if (want[i])
            CHECK(key_at(&f, "item", &p, i) == want[i]);
    }
    fixture_clear(&f);
}

/* Which others are hidden follows from epoch, tower and sample, and is the
 * share asked for: of 5 x 400 draws at 0.3, 600 are expected, 4 deviations are
 * 82. */
static void hidden_places_are_drawn_by_epoch(void)
{
    struct fixture f;
    struct model_candidates c = {.every = 1};
    struct pack_spec spec = {
        .field = FIXTURE_SEQ, .max = 6, .hides = 1, .hide = 0.3f};
    uint32_t n = 0, moved = 0, before[8] = {0};
    struct pack p;

    begin(&f, JOB(TRANSFORMER));
    f.step.candidates = &c;
    pack_for(&f, &spec, &p);
    for (f.step.epoch = 0; f.step.epoch < 400; f.step.epoch++) {
        pack_make(&spec, f.model, &f.step, &p);
        CHECK(p.rows == 9 && p.position[5] == PACK_HIDDEN);
        for (uint32_t i = 0; i < 5; i++) {
            n += p.position[i] == PACK_HIDDEN;
            moved += (p.position[i] == PACK_HIDDEN) != before[i];
            before[i] = p.position[i] == PACK_HIDDEN;
            CHECK(p.value[i] == i);
        }
    }
    CHECK(n > 518 && n < 682 && moved > 200);
    spec.stream = 1;
    f.step.epoch = 399;
    for (moved = 0; f.step.epoch > 300; f.step.epoch--) {
        uint32_t here = 0;

        spec.stream = 0;
        pack_make(&spec, f.model, &f.step, &p);
        for (uint32_t i = 0; i < 5; i++)
            here |= (uint32_t)(p.position[i] == PACK_HIDDEN) << i;
        spec.stream = 1;
        pack_make(&spec, f.model, &f.step, &p);
        for (uint32_t i = 0; i < 5; i++)
            moved += (p.position[i] == PACK_HIDDEN) != (here >> i & 1);
    }
    CHECK(moved > 100); // another tower hides others
    fixture_clear(&f);
}

/* ---- attention ---- */

#define DIM 48
#define ROWS 8

static void attend(struct fixture *f, int last, const struct pack *p,
                   const float *x, const float *d_o, float *o, float *dx,
                   float *grad)
{
    struct attention a = {.dim = DIM, .heads = 3, .causal = 1, .last = last};
    struct attention_state st = {0};
    struct model_step s = f->step;
    float *dense = mem_alloc(3 * DIM * (DIM + 1), sizeof(float));

    for (uint64_t e = 0; e < (uint64_t)3 * DIM * (DIM + 1); e++)
        dense[e] = fixture_value(9, 3, e) / 2;
    a.bias = (uint64_t)3 * DIM * DIM;
    s.dense = dense;
    s.dense_grad = grad;
    attention_take(&a, f->run, ROWS, ROWS, &st);
    attention_forward(&a, &st, 1, &s, p, x, x, 0, o);
    attention_backward(&a, &st, 1, &s, p, x, x, d_o, NULL, dx);
    mem_free(dense);
}

/* With a gradient at last rows only, both ways give the same of everything:
 * sums of some hundred products of numbers around 1, rounded at 6e-8. */
static void last_rows_are_the_last_of_all(void)
{
    enum { WEIGHTS = 3 * DIM * (DIM + 1) };
    static float x[ROWS * DIM], o[2][ROWS * DIM], dx[2][ROWS * DIM];
    static float d_o[2][ROWS * DIM], grad[2][WEIGHTS];
    struct fixture f;
    struct pack_spec spec = {.field = FIXTURE_SEQ, .max = 5};
    struct pack p;

    begin(&f, JOB(TRANSFORMER));
    pack_for(&f, &spec, &p);
    REQUIRE(p.rows == 7 && p.n == 2);
    for (uint64_t i = 0; i < p.rows * DIM; i++)
        x[i] = fixture_value(8, 3, i);
    for (uint32_t k = 0; k < p.n; k++)
        for (uint32_t e = 0; e < DIM; e++) {
            uint32_t row = p.start[k] + p.length[k] - 1;

            d_o[1][k * DIM + e] = fixture_value(7, k, e);
            d_o[0][row * DIM + e] = fixture_value(7, k, e);
        }
    for (int last = 0; last < 2; last++)
        attend(&f, last, &p, x, d_o[last], o[last], dx[last], grad[last]);
    for (uint32_t k = 0; k < p.n; k++)
        for (uint32_t e = 0; e < DIM; e++)
            CHECK_CLOSE(o[1][k * DIM + e],
                        o[0][(p.start[k] + p.length[k] - 1) * DIM + e], 2e-5);
    for (uint32_t i = 0; i < p.rows * DIM; i++)
        CHECK_CLOSE(dx[1][i], dx[0][i], 2e-5);
    for (uint32_t i = 0; i < WEIGHTS; i++)
        CHECK_CLOSE(grad[1][i], grad[0][i], 2e-5);
    fixture_clear(&f);
}

/* ---- gradients where the golden jobs do not go ---- */

static const char *const wide[] = {
    JOB(TRANSFORMER ", blocks: 2"),
    JOB(TRANSFORMER ", norm: post, causal: false, read: mean, dropout: 0.2"),
    JOB(TRANSFORMER ", blocks: 2, dropout: 0.3"),
    JOB(TRANSFORMER ", norm: post, dropout: 0.3, positions: none"),
    JOB("type: gru, item: item, units: 5, layers: 3, dropout: 0.3"),
    JOB("type: lstm, item: item, units: 6, dropout: 0.2"),
    JOB("type: cnn, item: item, widths: [1, 3], filters: 5, activation: "
        "tanh, dropout: 0.3"),
    JOB("type: rnn, item: item, units: 18, layers: 2"),
};

/* Rows of length sqrt(32) in size: third derivatives reach some hundreds, and
 * step^2 / 6 of them counts. */
static void wide_gradients_agree(void)
{
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        struct fixture f;
        double plain, worst;

        begin(&f, wide[i]);
        plain = fixture_loss(&f);
        f.step.training = 1;
        CHECK((fixture_loss(&f) != plain) == (strstr(wide[i], "drop") != NULL));
        worst = golden_differences(&f);
        CHECK(worst < 5 * GOLDEN_DIFFERENCE);
        if (!(worst < 5 * GOLDEN_DIFFERENCE))
            fprintf(stderr, "%s: %g\n", wide[i], worst);
        fixture_clear(&f);
    }
}

static void dropout_belongs_to_epoch_and_sequence(void)
{
    struct fixture f;
    double first;

    begin(&f, wide[2]);
    f.step.training = 1;
    first = fixture_loss(&f);
    CHECK(fixture_loss(&f) == first);
    f.step.epoch = 1;
    CHECK(fixture_loss(&f) != first);
    fixture_clear(&f);
}

static void an_empty_sequence_has_its_vector(void)
{
    struct fixture f;
    const struct param_spec *p;

    begin(&f, JOB(TRANSFORMER));
    p = model_params(f.model);
    for (uint32_t b = 0; b < p->n_blocks; b++)
        if (!strcmp(p->blocks[b].name, "t.empty"))
            memset(f.dense + p->blocks[b].offset, 0, 32 * sizeof(float));
    fixture_loss(&f);
    CHECK(f.scores[0] != 0.0f && f.scores[5] != 0.0f);
    CHECK(f.scores[3] == 0.0f && f.scores[4] == 0.0f);
    fixture_clear(&f);
}

static void vectors_meet_in_the_fusion(void)
{
    struct fixture f;

    begin(&f, "{tables: {item: 4, title: 5}, loss: bce, towers: {a: "
              "{type: transformer, query: seq, item: item, bias: true, ff: 6, "
              "activation: gelu}, b: {type: transformer, query: title, ff: 6, "
              "activation: gelu}}, fusion: {type: concat, over: vectors, "
              "units: [4], activation: tanh}}");
    CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
    fixture_clear(&f);
}

static void dense_layers_begin_as_told(void)
{
    static const struct {
        const char *name;
        int init;
        float scale;
    } want[] = {{"t.block1.attention.weight", INIT_UNIFORM, 0.21650635f},
                {"t.block1.out.weight", INIT_NORMAL, 0.02f},
                {"t.block1.out.bias", INIT_ZERO, -1},
                {"t.block1.up.weight", INIT_NORMAL, 0.02f},
                {"t.block1.down.weight", INIT_NORMAL, 0.02f},
                {"t.block1.down.bias", INIT_ZERO, -1},
                {"t.block1.norm2.gamma", INIT_ONE, -1}};
    struct fixture f;
    const struct param_spec *p;
    size_t found = 0;

    begin(&f, JOB(TRANSFORMER ", blocks: 2, init: 0.02"));
    p = model_params(f.model);
    for (uint32_t b = 0; b < p->n_blocks; b++)
        for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
            if (strcmp(p->blocks[b].name, want[i].name))
                continue;
            found++;
            CHECK((int)p->blocks[b].init == want[i].init);
            if (want[i].scale > 0)
                CHECK_CLOSE(p->blocks[b].init_scale, want[i].scale, 1e-6);
        }
    CHECK(found == sizeof(want) / sizeof(want[0]));
    fixture_clear(&f);
}

static void settings_are_checked(void)
{
    static const struct {
        const char *job, *says;
    } bad[] = {
        {"{tables: {item: 4}, loss: mse, towers: {t: {type: transformer}}}",
         "has no query"},
        {"{tables: {item: 4}, loss: mse, towers: {t: {type: transformer, "
         "query: {field: hist, table: item}}}}",
         "field hist is bag, not sequence or text"},
        {"{tables: {item: 4}, loss: mse, towers: {t: {type: transformer, "
         "query: [seq, hist], table: item}}}",
         "reads one sequence or text field"},
        {"{tables: {item: 4, s: 6}, loss: mse, towers: {t: {type: transformer, "
         "query: {sequence: seq, table: s}, item: item}}}",
         "has dim 4, the sequence's table s has 6"},
        {JOB("type: transformer, item: item, heads: 5"),
         "5 heads do not divide dim 32"},
        {JOB("type: transformer, item: item, blocks: 17"),
         "blocks is 1..16, not 17"},
        {JOB("type: transformer, item: item, activation: tanh"),
         "is relu or gelu"},
        {JOB("type: transformer, item: item, init: 0"), "init"},
        {JOB("type: transformer, item: item, norm: key"), "norm"},
        {JOB("type: cnn, item: item, widths: 3"), "is a list of 1..8 window"},
        {JOB("type: cnn, item: item, widths: [65]"), "a width is 1..64"},
        {JOB("type: cnn, item: item, activation: gelu"),
         "none, relu, tanh or sigmoid"},
        {JOB("type: lstm, item: item, layers: 9"), "layers is 1..8, not 9"},
        {JOB("type: transformer, item: price"), "fields with ids only"},
        {JOB("type: transformer, item: item, blcks: 2"),
         "did you mean blocks?"},
        {"{tables: {title: 4}, loss: mse, towers: {t: {type: transformer, "
         "query: title, bias: true}}}",
         "a bias belongs to a categorical item"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fixture f;
        int said;

        CHECK(fixture_init(&f, bad[i].job) == FUSOR_EUSAGE);
        said = strstr(f.err.text, bad[i].says) != NULL;
        CHECK(said);
        if (!said)
            fprintf(stderr, "got: %s\n", f.err.text);
        fixture_clear(&f);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"sequences keep their newest ids", sequences_keep_their_newest},
        {"texts keep their first words", texts_keep_their_first},
        {"steps go by falling length", steps_go_by_falling_length},
        {"a hidden place stands behind", a_hidden_place_stands_behind},
        {"hidden places are drawn by epoch", hidden_places_are_drawn_by_epoch},
        {"attention of last rows is the last of all rows'",
         last_rows_are_the_last_of_all},
        {"gradients of wide rows agree with differences", wide_gradients_agree},
        {"dropout belongs to epoch and sequence",
         dropout_belongs_to_epoch_and_sequence},
        {"an empty sequence has a vector of its own",
         an_empty_sequence_has_its_vector},
        {"vectors of sequences meet in the fusion", vectors_meet_in_the_fusion},
        {"dense layers begin as told", dense_layers_begin_as_told},
        {"settings are checked", settings_are_checked},
    };

    return TEST_RUN("model.sequence", cases);
}
