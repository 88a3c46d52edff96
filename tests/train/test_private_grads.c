/* Gradients sample by sample: the same sum as a whole batch's, no sample longer
 * than the clip, noise as large as it should be and everywhere. */
#include "train/private_grads.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "train/fixture.h"

#define ROWS 24
#define JOB                                                               \
    "tables: {user: 6, item: 6, genres: 5}\n"                             \
    "towers:\n"                                                           \
    "  mf: {type: dot, query: user, item: item, bias: true, l2: 0.1}\n"   \
    "  deep: {type: mlp, inputs: [user, genres, price], units: [8, 1],\n" \
    "         activation: tanh}\n"                                        \
    "fusion: {type: weighted, weights: free}\n"

struct bench {
    struct yaml *job;
    struct workload *w;
    struct step step;
    struct grads grads;
    struct private_grads p;
    struct model_run *run;
    float *values, *dense;
};

static void bench_init(struct bench *b, double clip, double noise)
{
    struct guarantee g = {clip, noise, 1e-5};
    uint32_t rows[ROWS];
    struct step_micro *m;

    b->job = fixture_yaml(
        fixture_text(fixture_data("time-split"), "threshold, at: 3", JOB));
    b->w = fixture_workload(b->job);
    REQUIRE(!step_init(&b->step, b->w->model, b->w->data, 1, ROWS, NULL));
    REQUIRE(!grads_init(&b->grads, b->w->model, 1, NULL));
    REQUIRE(!private_grads_init(&b->p, b->w->model, &g, NULL));
    REQUIRE(!model_run_create(b->w->model, ROWS, &b->run, NULL));
    step_reset(&b->step, 3);
    for (uint32_t k = 0; k < ROWS; k++)
        rows[k] = k * 7 % 701;
    m = step_next_micro(&b->step, 0);
    REQUIRE(
        !batcher_fill(m->batcher, SPLIT_TRAIN, rows, ROWS, &m->batch, NULL));
    REQUIRE(!step_add_keys(&b->step, m, NULL));
    REQUIRE(!private_grads_add_keys(&b->p, &b->step, NULL));
    REQUIRE(!step_seal(&b->step, NULL));
    b->values = mem_alloc(4096, sizeof(float));
    b->dense = mem_alloc(b->w->params->n_dense, sizeof(float));
    for (int i = 0; i < 4096; i++)
        b->values[i] = 0.01f * (float)(i * 37 % 101) - 0.5f;
    for (uint64_t i = 0; i < b->w->params->n_dense; i++)
        b->dense[i] = 0.03f * (float)(i * 13 % 29) - 0.4f;
    for (uint32_t t = 0; t < b->w->params->n_tables; t++)
        for (uint32_t i = 0; i < b->step.sets[t].n; i++)
            b->step.rows[t].rows[i] =
                b->values + (b->step.sets[t].keys[i] * 11 + t) % 4000;
}

static void bench_clear(struct bench *b)
{
    mem_free(b->values);
    mem_free(b->dense);
    model_run_destroy(b->run);
    private_grads_clear(&b->p);
    grads_clear(&b->grads);
    step_clear(&b->step);
    workload_destroy(b->w);
    yaml_destroy(b->job);
}

static void there_and_back(struct bench *b, const struct model_step *s)
{
    double loss;

    REQUIRE(!model_forward(b->run, s, NULL, NULL, NULL));
    REQUIRE(!model_loss(b->run, s, &loss, NULL));
    REQUIRE(!model_backward(b->run, s, NULL));
}

static struct model_step whole_step(struct bench *b)
{
    struct step_micro *m = &b->step.micros[0];
    struct model_step in = {
        .batch = &m->batch,
        .positions = (const uint32_t *const *)m->positions,
        .dense = b->dense,
        .grad_scale = 1.0f / ROWS,
        .training = 1,
    };

    REQUIRE(!grads_begin_step(&b->grads, &b->step, NULL));
    in.tables = grads_begin_micro(&b->grads, &b->step, m, &in.dense_grad);
    grads_touch_all(&b->grads, &b->step);
    memset(in.dense_grad, 0, b->w->params->n_dense * sizeof(float));
    return in;
}

/* All gradients in one array of the caller's, dense first. */
static float *gather(const struct bench *b, const struct model_step *in,
                     size_t *n)
{
    const struct param_spec *p = b->w->params;
    float *all, *at;

    *n = p->n_dense;
    for (uint32_t t = 0; t < p->n_tables; t++)
        *n += (size_t)b->step.sets[t].n * p->tables[t].width;
    all = at = mem_alloc(*n, sizeof(float));
    memcpy(at, in->dense_grad, p->n_dense * sizeof(float));
    at += p->n_dense;
    for (uint32_t t = 0; t < p->n_tables; t++)
        for (uint32_t u = 0; u < b->step.sets[t].n; u++) {
            memcpy(at, in->tables[t].grads[u],
                   p->tables[t].width * sizeof(float));
            at += p->tables[t].width;
        }
    return all;
}

static float *by_sample(struct bench *b, uint32_t from, uint32_t to, size_t *n)
{
    struct model_step in = whole_step(b), one;

    for (uint32_t i = from; i < to; i++) {
        REQUIRE(!private_grads_window(&b->p, &b->step, &b->step.micros[0], &in,
                                      i, &one, NULL));
        there_and_back(b, &one);
        private_grads_add(&b->p, &in);
    }
    return gather(b, &in, n);
}

/* Two orders of the same sums of at most 24 terms below 1. */
static void without_a_clip_the_sum_is_the_batchs(void)
{
    struct bench b;
    struct model_step in;
    size_t n, m;
    float *got, *want;

    bench_init(&b, 1e6, 0);
    in = whole_step(&b);
    there_and_back(&b, &in);
    want = gather(&b, &in, &n);
    got = by_sample(&b, 0, ROWS, &m);
    REQUIRE(n == m);
    for (size_t i = 0; i < n; i++)
        CHECK(test_close((double)got[i], (double)want[i], 2e-6, 1e-5));
    mem_free(got);
    mem_free(want);
    bench_clear(&b);
}

static double norm_of(const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum) * ROWS;
}

static void no_sample_is_longer_than_the_clip(void)
{
    struct bench b;
    uint32_t cut = 0;

    bench_init(&b, 1e6, 0);
    for (uint32_t i = 0; i < ROWS; i++) {
        size_t n;
        float *free_, *clipped;
        double length;

        b.p.privacy.clip = 1e6;
        free_ = by_sample(&b, i, i + 1, &n);
        length = norm_of(free_, n);
        b.p.privacy.clip = 0.7;
        clipped = by_sample(&b, i, i + 1, &n);
        CHECK(test_close(norm_of(clipped, n), length < 0.7 ? length : 0.7, 1e-5,
                         1e-5));
        for (size_t k = 0; k < n; k++) // and points where it did
            CHECK(test_close((double)clipped[k] * (length > .7 ? length : .7),
                             (double)free_[k] * .7, 1e-6, 1e-5));
        cut += length > 0.7;
        mem_free(free_);
        mem_free(clipped);
    }
    CHECK(cut > 0);
    bench_clear(&b);
}

/* Of n normal numbers the mean square is 1 within 4 sqrt(2 / n). */
static void noise_is_everywhere_and_as_large_as_asked(void)
{
    struct bench b;
    struct model_step in;
    double mean = 0, square = 0;
    size_t n, m, zeros = 0;
    float *first, *again, *other;

    bench_init(&b, 0.5, 3);
    in = whole_step(&b);
    private_grads_noise(&b.p, &b.step, 7, &in);
    first = gather(&b, &in, &n);
    in = whole_step(&b);
    private_grads_noise(&b.p, &b.step, 7, &in);
    again = gather(&b, &in, &m);
    CHECK(memcmp(first, again, n * sizeof(*first)) == 0);
    in = whole_step(&b);
    private_grads_noise(&b.p, &b.step, 8, &in);
    other = gather(&b, &in, &m);
    CHECK(n > 300);
    for (size_t i = 0; i < n; i++) {
        double x = (double)first[i] * ROWS / 1.5;

        zeros += first[i] == 0 || first[i] == other[i];
        mean += x / (double)n;
        square += x * x / (double)n;
    }
    CHECK(zeros == 0);
    CHECK(fabs(mean) < 4 / sqrt((double)n));
    CHECK(fabs(square - 1) < 4 * sqrt(2 / (double)n));
    for (uint32_t t = 0; t < b.w->params->n_tables; t++) // every key there is
        CHECK(b.step.sets[t].n == model_table_rows(b.w->model, t));
    mem_free(first);
    mem_free(again);
    mem_free(other);
    bench_clear(&b);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"without a clip the sum is the batch's",
         without_a_clip_the_sum_is_the_batchs},
        {"no sample is longer than the clip",
         no_sample_is_longer_than_the_clip},
        {"noise is everywhere and as large as asked",
         noise_is_everywhere_and_as_large_as_asked},
    };

    return TEST_RUN("train.private_grads", cases);
}
