/* Layers by themselves: statistics, masks, activations, pooling, and the same
 * bits from every kind of CPU. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "contract/golden.h"
#include "model/fixture.h"
#include "model/layer/activation.h"
#include "model/layer/dropout.h"
#include "model/layer/layer_norm.h"
#include "model/layer/product.h"

#define NORM                                                              \
    "{tables: {user: 4, item: 6}, loss: bce, towers: {deep: {type: mlp, " \
    "inputs: [user, item], units: [6], norm: batch}}}"
#define DROP                                                              \
    "{tables: {user: 4, item: 6}, loss: bce, towers: {deep: {type: mlp, " \
    "inputs: [user, item], units: [40], activation: tanh, dropout: 0.25}}}"

static uint64_t block_at(const struct fixture *f, const char *name)
{
    const struct param_spec *p = model_params(f->model);

    for (uint32_t b = 0; b < p->n_blocks; b++)
        if (!strcmp(p->blocks[b].name, name))
            return p->blocks[b].offset;
    REQUIRE(0);
    return 0;
}

/* The sum over micro-batches of statistic * share is their weighted mean. */
static void statistics_are_scaled_by_their_share(void)
{
    struct fixture f;
    float whole, part;
    uint64_t at;

    REQUIRE(fixture_init(&f, NORM) == FUSOR_OK);
    at = block_at(&f, "deep.dense0.mean");
    f.step.training = 1;
    fixture_pass(&f);
    whole = f.dense_grad[at];
    f.step.grad_scale = 1.0f / 24.0f; // a quarter of a global batch
    fixture_pass(&f);
    part = f.dense_grad[at];
    CHECK(whole != 0.0f);
    CHECK_CLOSE(part, whole / 4, 1e-6);
    fixture_clear(&f);
}

static void inference_uses_running_statistics(void)
{
    struct fixture f;
    float score;

    REQUIRE(fixture_init(&f, NORM) == FUSOR_OK);
    fixture_loss(&f);
    score = f.scores[0];
    f.dense[block_at(&f, "deep.dense0.var")] += 3.0f;
    fixture_loss(&f);
    CHECK(f.scores[0] != score);
    score = f.scores[0];
    f.step.training = 1;
    fixture_loss(&f);
    CHECK(f.scores[0] != score);
    score = f.scores[0];
    f.dense[block_at(&f, "deep.dense0.var")] += 3.0f;
    fixture_loss(&f);
    CHECK(f.scores[0] == score);
    fixture_clear(&f);
}

static void frozen_statistics_stay(void)
{
    static const char *const only[] = {"fusion", NULL};
    struct fixture f;
    uint64_t at;

    REQUIRE(fixture_init(&f, NORM) == FUSOR_OK);
    REQUIRE(model_set_trained(f.model, only, &f.err) == FUSOR_OK);
    f.step.training = 1;
    fixture_pass(&f);
    at = block_at(&f, "deep.dense0.var");
    CHECK_CLOSE(f.dense_grad[at], f.dense[at], 1e-6); // share 6 / 6
    CHECK(f.dense_grad[block_at(&f, "deep.dense0.gamma")] == 0.0f);
    CHECK(fixture_grad(&f, "user", 3)[0] == 0.0f);
    fixture_clear(&f);
}

static void dropout_belongs_to_epoch_and_sample(void)
{
    struct fixture f;
    double plain, first;
    static const uint64_t other[] = {20, 21, 22, 23, 24, 25};

    REQUIRE(fixture_init(&f, DROP) == FUSOR_OK);
    plain = fixture_loss(&f);
    f.step.training = 1;
    first = fixture_loss(&f);
    CHECK(first != plain);
    CHECK(fixture_loss(&f) == first);
    CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
    f.step.epoch = 1;
    CHECK(fixture_loss(&f) != first);
    f.step.epoch = 0;
    f.batch.sample_id = other;
    CHECK(fixture_loss(&f) != first);
    fixture_clear(&f);
}

/* A quarter of the units at random, the rest scaled: the mean over many
 * epochs of a linear layer's score is the score without dropout. */
static void dropout_keeps_the_mean(void)
{
    struct fixture f;
    double sum = 0, plain;
    enum { EPOCHS = 4000 };

    REQUIRE(fixture_init(&f, DROP) == FUSOR_OK);
    fixture_loss(&f);
    plain = (double)f.scores[0];
    f.step.training = 1;
    for (uint64_t e = 0; e < EPOCHS; e++) {
        f.step.epoch = e;
        fixture_loss(&f);
        sum += (double)f.scores[0];
    }
    /* One epoch's deviation: sqrt(40 (w y)^2 / 3) < sqrt(40 / 3 / 12) / 4. */
    CHECK(fabs(sum / EPOCHS - plain) < 5 * 0.3 / sqrt(EPOCHS));
    fixture_clear(&f);
}

static void activations_have_their_slopes(void)
{
    const float x[] = {-3, -1, -0.25f, 0.3f, 1, 2.5f}, step = 1e-3f;
    float dense[1] = {1.5f}, grad[1];
    struct model_step s = {.dense = dense, .dense_grad = grad};

    for (int k = 0; activation_names[k]; k++) {
        struct activation a = {(enum activation_kind)k, 0};
        float y[6], up[6], down[6], dy[6];

        for (int i = 0; i < 6; i++) {
            up[i] = x[i] + step;
            down[i] = x[i] - step;
            dy[i] = 1.0f;
        }
        activation_forward(&a, &s, x, y, 6);
        activation_backward(&a, &s, x, y, dy, 6, 1);
        activation_forward(&a, &s, up, up, 6);
        activation_forward(&a, &s, down, down, 6);
        for (int i = 0; i < 6; i++) // rounding 3 * 1.2e-7 / 2e-3
            CHECK_CLOSE(dy[i], (up[i] - down[i]) / (2 * step), 5e-4);
    }
}

/* Rows of an odd width against the definition in double, and the gradient of
 * sum_i c_i y_i against central differences of that definition. */
#define LN_ROWS 3
#define LN_WIDTH 37
#define LN_SIZE (LN_ROWS * LN_WIDTH)

static double norm_loss(const double *x, const float *dense, double *y)
{
    double sum = 0;

    for (int i = 0; i < LN_ROWS; i++) {
        const double *row = x + (ptrdiff_t)i * LN_WIDTH;
        double mean = 0, var = 0;

        for (int k = 0; k < LN_WIDTH; k++)
            mean += row[k] / LN_WIDTH;
        for (int k = 0; k < LN_WIDTH; k++)
            var += (row[k] - mean) * (row[k] - mean) / LN_WIDTH;
        for (int k = 0; k < LN_WIDTH; k++) {
            int at = i * LN_WIDTH + k;
            double h = (row[k] - mean) / sqrt(var + 1e-5);

            y[at] = h * (double)dense[k] + (double)dense[LN_WIDTH + k];
            sum += y[at] * (double)fixture_value(7, 1, (uint64_t)at);
        }
    }
    return sum;
}

static void layer_norm_is_its_definition(void)
{
    float x[LN_SIZE], y[LN_SIZE], dy[LN_SIZE], dense[2 * LN_WIDTH];
    float grad[2 * LN_WIDTH], mean[LN_ROWS], inverse[LN_ROWS];
    double exact[LN_SIZE], wide[LN_SIZE];
    struct layer_norm l = {LN_WIDTH, 0, LN_WIDTH};
    struct layer_norm_state st = {mean, inverse};
    struct model_step s = {.dense = dense, .dense_grad = grad};

    for (uint64_t k = 0; k < 2 * LN_WIDTH; k++)
        dense[k] = 1.0f + fixture_value(5, 1, k);
    for (uint64_t k = 0; k < LN_SIZE; k++) {
        x[k] = 3.0f + fixture_value(6, 1, k);
        wide[k] = (double)x[k];
        dy[k] = fixture_value(7, 1, k);
    }
    layer_norm_forward(&l, &st, &s, x, LN_ROWS, y);
    norm_loss(wide, dense, exact);
    for (int k = 0; k < LN_SIZE; k++) // 3 + .5 rounded, over a deviation of .3
        CHECK_CLOSE(y[k], exact[k], 1e-5);
    layer_norm_backward(&l, &st, &s, x, dy, LN_ROWS, dy);
    for (int k = 0; k < LN_SIZE; k++) {
        double up, down, was = wide[k];

        wide[k] = was + 1e-5;
        up = norm_loss(wide, dense, exact);
        wide[k] = was - 1e-5;
        down = norm_loss(wide, dense, exact);
        wide[k] = was;
        CHECK_CLOSE(dy[k], (up - down) / 2e-5, 2e-5);
    }
}

KERNEL(product, (const struct product *p), (p))

/* Every element is the sum of its terms in their order, whatever tile it falls
 * into, with a as it stands and transposed. */
static void small_products_are_plain_sums(void)
{
    enum { N = 7, H = 53, M = 9 };
    static const enum cpu_level levels[] = {CPU_PLAIN, CPU_AVX2, CPU_AVX512};
    float a[N * M], at[M * N], b[M * H], out[N * H];

    for (uint64_t i = 0; i < N; i++)
        for (uint64_t k = 0; k < M; k++)
            a[i * M + k] = at[k * N + i] = fixture_value(3, i, k);
    for (uint64_t e = 0; e < M * H; e++)
        b[e] = fixture_value(4, 1, e);
    for (int turn = 0; turn < 6; turn++) {
        int transposed = turn % 2;
        struct product p = {N, H, M, transposed ? at : a, M, 1, b, H, out, H};

        if (transposed) {
            p.a_row = 1;
            p.a_column = N;
        }
        cpu_limit_level(levels[turn / 2]);
        product(&p);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < H; j++) {
                float sum = 0.0f;

                for (int k = 0; k < M; k++)
                    sum += a[i * M + k] * b[k * H + j];
                CHECK(out[i * H + j] == sum);
            }
    }
    cpu_limit_level(CPU_AVX512);
}

static void check_bits(const char *job)
{
    static const enum cpu_level levels[] = {CPU_PLAIN, CPU_AVX2};
    struct fixture f, g;

    REQUIRE(fixture_init(&f, job) == FUSOR_OK);
    fixture_pass(&f);
    for (int k = 0; k < 2; k++) {
        const struct param_spec *p = model_params(f.model);

        REQUIRE(fixture_init(&g, job) == FUSOR_OK);
        cpu_limit_level(levels[k]);
        fixture_pass(&g);
        cpu_limit_level(CPU_AVX512);
        CHECK(!memcmp(f.scores, g.scores, f.batch.n * sizeof(float)));
        for (uint32_t t = 0; t < p->n_tables; t++)
            for (uint32_t u = 0; u < f.tables[t].n; u++)
                CHECK(!memcmp(f.tables[t].grads[u], g.tables[t].grads[u],
                              p->tables[t].width * sizeof(float)));
        fixture_clear(&g);
    }
    fixture_clear(&f);
}

/* A mask of an odd width: rounds and the rest of one. */
static void check_masks(void)
{
    struct fixture f;
    struct dropout d = {0.3f, 2};
    float a[6 * 139], b[6 * 139];
    int dropped = 0;

    REQUIRE(fixture_init(&f, NORM) == FUSOR_OK);
    dropout_mask(&d, 7, &f.step, 139, a);
    cpu_limit_level(CPU_PLAIN);
    dropout_mask(&d, 7, &f.step, 139, b);
    cpu_limit_level(CPU_AVX512);
    CHECK(!memcmp(a, b, sizeof(a)));
    for (int i = 0; i < 6 * 139; i++) {
        CHECK(a[i] == 0.0f || fabsf(a[i] - 1.0f / 0.7f) < 1e-4f);
        dropped += a[i] == 0.0f;
    }
    CHECK(abs(dropped - 250) < 5 * 14); // sqrt(834 * .3 * .7) = 13.2
    fixture_clear(&f);
}

static void every_cpu_gives_the_same_bits(void)
{
    check_masks();
    check_bits("{tables: {user: 21, item: 21}, loss: bce, towers: {f: {type: "
               "fm, inputs: [user, item], linear: true}}}");
    check_bits("{tables: {user: {dim: 20, by_field: false}, item: {dim: 20, "
               "by_field: true}}, loss: mse, towers: {mf: {type: dot, query: "
               "user, item: [item, {multi: genres, table: item}], bias: true, "
               "l2: 0.1}}}");
    check_bits("{tables: {user: 37, item: 37, imp: 37}, loss: mse, towers: "
               "{mf: {type: dot, query: [user, {bag: hist, pool: rsqrt, "
               "table: imp}], item: item, bias: true, l2: 0.1}}}");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"batch statistics are scaled by the batch's share",
         statistics_are_scaled_by_their_share},
        {"inference uses running statistics, training the batch's",
         inference_uses_running_statistics},
        {"statistics of a frozen tower stay what they are",
         frozen_statistics_stay},
        {"dropout is a function of epoch and sample",
         dropout_belongs_to_epoch_and_sample},
        {"dropout keeps the mean", dropout_keeps_the_mean},
        {"activations have the slopes they return",
         activations_have_their_slopes},
        {"layer normalisation is its definition with its slope",
         layer_norm_is_its_definition},
        {"small products are plain sums", small_products_are_plain_sums},
        {"every kind of CPU gives the same bits",
         every_cpu_gives_the_same_bits},
    };

    return TEST_RUN("contract.layer", cases);
}
