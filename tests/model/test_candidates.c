/* Losses over candidates: values against plain sums in double, gradients
 * against central differences, blocks, what does not count. */
#include "harness.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/registry.h"

#define M 5
#define K 7
#define D 4

static const uint32_t targets[M] = {0, 3, CANDIDATES_NONE, 6, 3};
static const float weights[M] = {1, 0.5f, 1, 2, 0.25f};
static const float bias[K] = {0.1f, -0.2f, 0.3f, 0, 0.5f, -0.4f, 0.2f};
static const float log_q[K] = {-1, -0.5f, -2, -1.5f, -0.7f, -1, -3};

struct problem {
    struct candidates c;
    float *q, *v;
    float bias[K];
};

static void fill(float *x, size_t n, uint64_t stream)
{
    struct rng r = rng_stream(1, RNG_TEST, stream, 0);

    for (size_t i = 0; i < n; i++)
        x[i] = 2 * rng_float(&r) - 1;
}

static void begin(struct problem *p, uint32_t m, uint32_t k, uint32_t d,
                  const uint32_t *target)
{
    memset(p, 0, sizeof(*p));
    p->q = mem_alloc((size_t)m * d, sizeof(float));
    p->v = mem_alloc((size_t)k * d, sizeof(float));
    p->c = (struct candidates){
        .m = m,
        .k = k,
        .d = d,
        .n_negatives = k,
        .q = p->q,
        .v = p->v,
        .target = target,
        .scale = 0.5f,
        .temperature = 1,
        .beta = 1,
        .own = 2,
        .stream = rng_stream(1, RNG_TEST, 7, 0),
        .dq = mem_alloc((size_t)m * d, sizeof(float)),
        .dv = mem_alloc((size_t)k * d, sizeof(float)),
        .dbias = mem_alloc(k, sizeof(float)),
        .scratch = mem_alloc(candidates_scratch(k, d), sizeof(float)),
    };
    fill(p->q, (size_t)m * d, 1);
    fill(p->v, (size_t)k * d, 2);
}

static void end(struct problem *p)
{
    mem_free(p->q);
    mem_free(p->v);
    mem_free(p->c.dq);
    mem_free(p->c.dv);
    mem_free(p->c.dbias);
    mem_free(p->c.scratch);
}

/* Biases, weights, corrections, a temperature, two candidates that are targets
 * only. */
static void begin_small(struct problem *p)
{
    begin(p, M, K, D, targets);
    memcpy(p->bias, bias, sizeof(bias));
    p->c.bias = p->bias;
    p->c.log_q = log_q;
    p->c.weight = weights;
    p->c.temperature = 0.5f;
    p->c.beta = 0.3f;
    p->c.n_negatives = 5;
}

static double score(const struct candidates *c, uint32_t i, uint32_t j)
{
    double s = c->bias ? (double)c->bias[j] : 0;

    for (uint32_t e = 0; e < c->d; e++)
        s += (double)c->q[i * c->d + e] * (double)c->v[j * c->d + e];
    return s / (double)c->temperature - (c->log_q ? (double)c->log_q[j] : 0);
}

static double plain_softmax(const struct candidates *c)
{
    double sum = 0;

    for (uint32_t i = 0; i < c->m; i++) {
        uint32_t t = c->target[i];
        double all;

        if (t == CANDIDATES_NONE)
            continue;
        all = exp(score(c, i, t));
        for (uint32_t j = 0; j < c->n_negatives; j++)
            all += j == t ? 0 : exp(score(c, i, j));
        sum += (double)(c->weight ? c->weight[i] : 1) *
               (log(all) - score(c, i, t));
    }
    return sum;
}

static double plain_gbce(const struct candidates *c)
{
    double sum = 0;

    for (uint32_t i = 0; i < c->m; i++) {
        uint32_t t = c->target[i];
        double row;

        if (t == CANDIDATES_NONE)
            continue;
        row = (double)c->beta * log1p(exp(-score(c, i, t)));
        for (uint32_t j = 0; j < c->n_negatives; j++)
            row += j == t ? 0 : log1p(exp(score(c, i, j)));
        sum += (double)c->weight[i] * row / (c->n_negatives + 1);
    }
    return sum;
}

static void values_are_those_of_plain_sums(void)
{
    struct problem p;

    begin_small(&p);
    CHECK_CLOSE(registry_loss("full_softmax")->over(&p.c), plain_softmax(&p.c),
                1e-5);
    CHECK_CLOSE(registry_loss("gbce")->over(&p.c), plain_gbce(&p.c), 1e-5);
    end(&p);
}

/* Step 1e-2 in float: rounding of a sum near 10 gives 1e-6 / 1e-2, the third
 * derivative (temperature^-3 = 8) times step^2 / 6 about 1e-4. */
static double difference_error(struct problem *p, const struct loss_kind *l,
                               float *x, const float *grad, size_t n)
{
    double worst = 0;

    for (size_t i = 0; i < n; i++) {
        float keep = x[i], got;
        double up, down, e;

        l->over(&p->c);
        got = grad[i];
        x[i] = keep + 1e-2f;
        up = l->over(&p->c);
        x[i] = keep - 1e-2f;
        down = l->over(&p->c);
        x[i] = keep;
        e = fabs((double)got - 0.5 * (up - down) / 2e-2);
        worst = e > worst ? e : worst;
    }
    return worst;
}

static void gradients_are_differences_for_every_kind(void)
{
    const char *const *names = registry_loss_names();
    struct problem p;
    int n = 0;

    for (; *names; names++) {
        const struct loss_kind *l = registry_loss(*names);

        CHECK(loss_judges_rows(l) || l->over);
        if (!l->over)
            continue;
        n++;
        begin_small(&p);
        CHECK(difference_error(&p, l, p.q, p.c.dq, (size_t)M * D) < 2e-3);
        CHECK(difference_error(&p, l, p.v, p.c.dv, (size_t)K * D) < 2e-3);
        CHECK(difference_error(&p, l, p.bias, p.c.dbias, K) < 2e-3);
        end(&p);
    }
    CHECK(n == 5);
}

/* Chunks and blocks of rows: the same sums, in pieces. */
static void many_candidates_go_in_chunks(void)
{
    enum { ROWS = CANDIDATES_ROWS + 3, ALL = CANDIDATES_CHUNK + 1500 };
    static uint32_t target[ROWS];
    struct problem p;
    double sum = 0;

    for (uint32_t i = 0; i < ROWS; i++)
        target[i] = i * 70 % ALL;
    begin(&p, ROWS, ALL, 8, target);
    CHECK_CLOSE(candidates_softmax(&p.c), plain_softmax(&p.c), 2e-6);
    for (uint32_t j = 0; j < ALL; j++) // each row's gradients sum to 0
        sum += (double)p.c.dbias[j];
    CHECK(fabs(sum) < 1e-4);
    end(&p);
}

static void rows_without_a_target_leave_no_trace(void)
{
    static const uint32_t none[M] = {CANDIDATES_NONE, CANDIDATES_NONE,
                                     CANDIDATES_NONE, CANDIDATES_NONE,
                                     CANDIDATES_NONE};
    const char *const *names = registry_loss_names();
    struct problem p;

    begin(&p, M, K, D, none);
    for (; *names; names++) {
        const struct loss_kind *l = registry_loss(*names);

        if (!l->over)
            continue;
        CHECK(l->over(&p.c) == 0);
        for (int i = 0; i < M * D; i++)
            CHECK(p.c.dq[i] == 0);
        for (int i = 0; i < K * D; i++)
            CHECK(p.c.dv[i] == 0);
    }
    end(&p);
}

/* Nothing to compare with: softmax of one score is sure. */
static void the_target_alone_costs_nothing(void)
{
    static const uint32_t first[1] = {0};
    struct problem p;

    begin(&p, 1, 1, D, first);
    CHECK(candidates_softmax(&p.c) == 0);
    for (int i = 0; i < D; i++)
        CHECK(p.c.dq[i] == 0);
    end(&p);
}

/* Factors in [-1, 1] are rounded by up to 2^-9 of themselves: scores of 32
 * products move by less than 32 * 2^-8, by far less where errors cancel. */
static void bf16_is_near_single_precision(void)
{
    enum { ROWS = 70, ALL = 90, WIDE = 32 };
    static uint32_t target[ROWS];
    struct problem exact, rough;
    double loss;

    if (gemm_ask(GEMM_BF16, NULL) != FUSOR_OK)
        return;
    for (uint32_t i = 0; i < ROWS; i++)
        target[i] = i;
    begin(&exact, ROWS, ALL, WIDE, target);
    begin(&rough, ROWS, ALL, WIDE, target);
    rough.c.matmul = GEMM_BF16;
    loss = candidates_softmax(&exact.c);
    CHECK_CLOSE(candidates_softmax(&rough.c), loss, 1e-3 * loss);
    for (int i = 0; i < ROWS * WIDE; i++)
        CHECK_CLOSE(rough.c.dq[i], exact.c.dq[i], 4e-3);
    for (int i = 0; i < ALL * WIDE; i++)
        CHECK_CLOSE(rough.c.dv[i], exact.c.dv[i], 8e-3);
    end(&exact);
    end(&rough);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"values are those of plain sums", values_are_those_of_plain_sums},
        {"gradients are differences for every kind",
         gradients_are_differences_for_every_kind},
        {"many candidates go in chunks", many_candidates_go_in_chunks},
        {"rows without a target leave no trace",
         rows_without_a_target_leave_no_trace},
        {"the target alone costs nothing", the_target_alone_costs_nothing},
        {"bf16 is near single precision", bf16_is_near_single_precision},
    };

    return TEST_RUN("model.candidates", cases);
}
