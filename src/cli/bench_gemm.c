/* fusor bench gemm: products of the sizes of the benchmarks' models by one
 * thread, ours beside OpenBLAS, in turns. */
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/texttab.h"
#include "cli/bench_report.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "tensor/gemm.h"

#define REPEATS_MAX 1000
#define WORK 1e8 /* operations between two readings of the clock, at least */

static const struct arg_spec specs[] = {
    {"repeats", 'n', "N", "readings of each, in turns (default 15)"},
    {"json", 0, NULL, "as JSON on stdout"},
    ARG_END,
};

/* A layer of width `in` -> `out` over rows samples: forward is nt, the gradient
 * of what goes in nn, that of the weights tn. */
struct layer {
    size_t rows, out, in;
};

static const struct layer layers[] = {
    {64, 100, 100},   {512, 100, 100},  {512, 256, 432}, {512, 128, 256},
    {512, 64, 13},    {512, 16, 64},    {12800, 64, 64}, {12800, 192, 64},
    {12800, 64, 256}, {12800, 256, 64},
};

static const char *const form_names[] = {"nn", "nt", "tn"};

enum { OWN, OPENBLAS, BF16, N_WAYS };

struct product {
    enum blas_form form;
    size_t N, H, M;
    float *a, *b, *out;
    double flops;
    double rate[N_WAYS][REPEATS_MAX]; // operations/s
};

static void product_shape(struct product *p, const struct layer *l, int form)
{
    p->form = (enum blas_form)form;
    p->N = form == BLAS_TN ? l->out : l->rows;
    p->H = form == BLAS_NT ? l->out : l->in;
    p->M = form == BLAS_NN ? l->out : form == BLAS_NT ? l->in : l->rows;
    p->flops = 2.0 * (double)p->N * (double)p->H * (double)p->M;
}

static float *numbers(size_t n, uint64_t stream)
{
    struct rng g = rng_stream(stream, RNG_TEST, n, 0);
    float *x = mem_alloc(n, sizeof(*x));

    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)rng_normal(&g);
    return x;
}

static void multiply(struct product *p, int way)
{
    size_t a_stride = p->form == BLAS_TN ? p->N : p->M;
    size_t b_stride = p->form == BLAS_NT ? p->M : p->H;

    if (way == OPENBLAS)
        blas_gemm_openblas(p->form, p->N, p->H, p->M, 1, p->a, a_stride, p->b,
                           b_stride, 0, p->out, p->H);
    else
        gemm_product(way == BF16 ? GEMM_BF16 : GEMM_F32, p->form, p->N, p->H,
                     p->M, p->a, p->b, p->out);
}

/* Of this process, which has one thread here: neighbours on the machine disturb
 * it less than the time that passes. */
static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void measure(struct product *p, size_t repeats, int n_ways)
{
    size_t calls = (size_t)(WORK / p->flops) + 1;

    for (size_t r = 0; r < repeats; r++)
        for (int way = 0; way < n_ways; way++) {
            double started = cpu_seconds();

            for (size_t i = 0; i < calls; i++)
                multiply(p, way);
            p->rate[way][r] =
                (double)calls * p->flops / (cpu_seconds() - started);
        }
    for (int way = 0; way < n_ways; way++)
        bench_sort(p->rate[way], repeats);
}

static enum fusor_status run_product(struct product *p, size_t repeats,
                                     int n_ways, struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_OK;

    p->a = numbers(p->N * p->M, 1);
    p->b = numbers(p->M * p->H, 2);
    p->out = numbers(p->N * p->H, 3);
    if (p->a && p->b && p->out)
        measure(p, repeats, n_ways);
    else
        rc = mem_fail(err, "bench gemm", p->N * p->H * sizeof(float));
    mem_free(p->a);
    mem_free(p->b);
    mem_free(p->out);
    return rc;
}

static void add_json(struct json *j, const struct product *p, size_t middle,
                     int n_ways)
{
    json_begin_object(j, NULL);
    json_string(j, "form", form_names[p->form]);
    json_uint(j, "n", p->N);
    json_uint(j, "h", p->H);
    json_uint(j, "m", p->M);
    json_bool(j, "ours", gemm_takes(p->form, p->N, p->H, p->M));
    json_number(j, "own_gflops", 1e-9 * p->rate[OWN][middle]);
    json_number(j, "openblas_gflops", 1e-9 * p->rate[OPENBLAS][middle]);
    json_number(j, "ratio", p->rate[OWN][middle] / p->rate[OPENBLAS][middle]);
    if (n_ways > BF16)
        json_number(j, "bf16_gflops", 1e-9 * p->rate[BF16][middle]);
    json_end_object(j);
}

static void add_row(struct texttab *t, const struct product *p, size_t middle,
                    int n_ways)
{
    char shape[48], own[16], openblas[16], ratio[16], bf16[16] = "-";
    const char *cells[] = {shape, form_names[p->form], openblas, own, ratio,
                           bf16};

    snprintf(shape, sizeof(shape), "%zu x %zu x %zu", p->N, p->H, p->M);
    snprintf(own, sizeof(own), "%.0f", 1e-9 * p->rate[OWN][middle]);
    snprintf(openblas, sizeof(openblas), "%.0f",
             1e-9 * p->rate[OPENBLAS][middle]);
    snprintf(ratio, sizeof(ratio), "%.2f",
             p->rate[OWN][middle] / p->rate[OPENBLAS][middle]);
    if (n_ways > BF16)
        snprintf(bf16, sizeof(bf16), "%.0f", 1e-9 * p->rate[BF16][middle]);
    texttab_row(t, cells);
}

static enum fusor_status run_all(size_t repeats, struct texttab *t,
                                 struct json *j, struct fusor_error *err)
{
    int n_ways = gemm_ask(GEMM_BF16, NULL) == FUSOR_OK ? N_WAYS : BF16;
    struct product *p = mem_alloc(1, sizeof(*p));
    enum fusor_status rc = FUSOR_OK;

    if (!p)
        return mem_fail(err, "bench gemm", sizeof(*p));
    for (size_t i = 0; i < 3 * sizeof(layers) / sizeof(layers[0]); i++) {
        product_shape(p, &layers[i / 3], (int)(i % 3));
        rc = run_product(p, repeats, n_ways, err);
        if (rc != FUSOR_OK)
            break;
        add_json(j, p, repeats / 2, n_ways);
        add_row(t, p, repeats / 2, n_ways);
    }
    mem_free(p);
    return rc;
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    static const char *const columns[] = {
        "N x H x M", "form", ">OpenBLAS", ">f32", ">ratio", ">bf16", NULL};
    struct json j = {.pretty = 1};
    struct strbuf text = {0};
    struct texttab *t;
    int64_t repeats = 15;
    enum fusor_status rc;

    FUSOR_TRY(args_integer(a, "repeats", 1, REPEATS_MAX, &repeats, err));
    blas_init();
    t = texttab_create(columns);
    if (!t)
        return mem_fail(err, "bench gemm", 0);
    json_begin_object(&j, NULL);
    json_string(&j, "bench", "gemm");
    json_string(&j, "products", gemm_name());
    json_string(&j, "blas_kernel", blas_kernel_name());
    json_begin_array(&j, "shapes");
    rc = run_all((size_t)repeats, t, &j, err);
    json_end_array(&j);
    json_end_object(&j);
    strbuf_addf(&text, "GFLOP/s of one thread, medians; f32 %s, OpenBLAS %s\n",
                gemm_name(), blas_kernel_name());
    texttab_print(t, &text);
    texttab_destroy(t);
    if (rc == FUSOR_OK && args_flag(a, "json")) {
        strbuf_clear(&text);
        return output_json(&j, err);
    }
    json_clear(&j);
    if (rc == FUSOR_OK)
        return output_text(&text, err);
    strbuf_clear(&text);
    return rc;
}

const struct verb verb_bench_gemm = {
    .name = "bench gemm",
    .help = "matrix products, ours beside OpenBLAS",
    .synopsis = "[options]",
    .examples = "  fusor bench gemm --repeats 31\n",
    .args = {"bench gemm", specs, NULL, NULL, 0, 0},
    .run = run,
};
