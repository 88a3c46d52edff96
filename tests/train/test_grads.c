/* Gradients of a step: the flat way against the tree, and steps before them. */
#include "train/grads.h"

#include <string.h>

#include "base/mem.h"
#include "data/prepared.h"
#include "train/fixture.h"

#define ROWS 48

struct bench {
    struct yaml *job;
    struct workload *w;
    struct step step;
    struct grads grads;
    struct model_run *run;
    float *values; // of every row of every table: one long ramp
    float *dense;
};

static void bench_init(struct bench *b, const char *rest, uint32_t n_micros)
{
    struct step_micro *m;
    uint32_t rows[ROWS];

    b->job = fixture_yaml(
        fixture_text(fixture_data("time-split"), "threshold, at: 3", rest));
    b->w = fixture_workload(b->job);
    REQUIRE(step_init(&b->step, b->w->model, b->w->data, n_micros, ROWS,
                      NULL) == FUSOR_OK);
    REQUIRE(grads_init(&b->grads, b->w->model, n_micros, NULL) == FUSOR_OK);
    REQUIRE(model_run_create(b->w->model, ROWS, &b->run, NULL) == FUSOR_OK);
    step_reset(&b->step, 3);
    for (uint32_t i = 0; i < n_micros; i++) {
        for (uint32_t k = 0; k < ROWS; k++)
            rows[k] = (i * ROWS + k * 7) % 701;
        m = step_next_micro(&b->step, i);
        REQUIRE(batcher_fill(m->batcher, SPLIT_TRAIN, rows, ROWS, &m->batch,
                             NULL) == FUSOR_OK);
        REQUIRE(step_add_keys(&b->step, m, NULL) == FUSOR_OK);
    }
    REQUIRE(step_seal(&b->step, NULL) == FUSOR_OK);
    b->values = mem_alloc(4096, sizeof(float));
    b->dense = mem_alloc(b->w->params->n_dense, sizeof(float));
    for (int i = 0; i < 4096; i++)
        b->values[i] = 0.001f * (float)(i * 37 % 101) - 0.05f;
    for (uint64_t i = 0; i < b->w->params->n_dense; i++)
        b->dense[i] = 0.01f * (float)(i * 13 % 29) + 0.01f;
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
    grads_clear(&b->grads);
    step_clear(&b->step);
    workload_destroy(b->w);
    yaml_destroy(b->job);
}

/* One pass over all micro-batches, one node. */
static void pass(struct bench *b, int force_tree, struct step_grads *out)
{
    *out = (struct step_grads){0};
    REQUIRE(grads_begin_step(&b->grads, &b->step, NULL) == FUSOR_OK);
    if (force_tree)
        b->grads.single = 0;
    for (uint32_t i = 0; i < b->step.n_micros; i++) {
        struct step_micro *m = &b->step.micros[i];
        struct model_step in = {
            .batch = &m->batch,
            .positions = (const uint32_t *const *)m->positions,
            .dense = b->dense,
            .grad_scale = 1.0f / ROWS,
            .training = 1,
        };
        double loss;

        in.tables = grads_begin_micro(&b->grads, &b->step, m, &in.dense_grad);
        REQUIRE(model_forward(b->run, &in, NULL, NULL, NULL) == FUSOR_OK);
        REQUIRE(model_loss(b->run, &in, &loss, NULL) == FUSOR_OK);
        REQUIRE(model_backward(b->run, &in, NULL) == FUSOR_OK);
    }
    grads_finish_node(&b->grads, &b->step, 0, 1, out);
}

/* The gradients by key, so that two ways can be compared. */
static float *gather(struct bench *b, const struct step_grads *g, size_t *n)
{
    const struct param_spec *p = b->w->params;
    float *all, *at;

    *n = p->n_dense;
    for (uint32_t t = 0; t < p->n_tables; t++)
        *n += (size_t)b->step.sets[t].n * p->tables[t].width;
    all = at = mem_alloc(*n, sizeof(float));
    memcpy(at, g->nodes[0].dense, p->n_dense * sizeof(float));
    at += p->n_dense;
    for (uint32_t t = 0; t < p->n_tables; t++) {
        const struct node_rows *rows = &g->nodes[0].tables[t];

        for (uint32_t i = 0; i < rows->n; i++)
            memcpy(at + (size_t)rows->index[i] * p->tables[t].width,
                   rows->grads[i], p->tables[t].width * sizeof(float));
        at += (size_t)b->step.sets[t].n * p->tables[t].width;
    }
    return all;
}

static void the_flat_way_gives_the_bits_of_the_tree(void)
{
    struct step_grads g;
    struct bench b;
    float *flat, *tree;
    size_t n, n_tree, n_set = 0;

    bench_init(&b, FIXTURE_DEEP, 1);
    for (int round = 0; round < 3; round++) { // buffers are used again
        pass(&b, 0, &g);
        CHECK(g.n_nodes == 1);
        flat = gather(&b, &g, &n);
        pass(&b, 1, &g);
        tree = gather(&b, &g, &n_tree);
        CHECK(n == n_tree && memcmp(flat, tree, n * sizeof(float)) == 0);
        for (size_t i = 0; i < n; i++)
            n_set += flat[i] != 0;
        mem_free(flat);
        mem_free(tree);
    }
    CHECK(n_set > n); // not zeros against zeros
    bench_clear(&b);
}

static void frozen_lookups_bring_no_rows(void)
{
    static const char *const only[] = {"mf", NULL};
    struct step_grads g;
    struct bench b;

    bench_init(&b, FIXTURE_DEEP, 2);
    REQUIRE(model_set_trained(b.w->model, only, NULL) == FUSOR_OK);
    grads_set_trained(&b.grads);
    pass(&b, 0, &g);
    for (uint32_t t = 0; t < b.w->params->n_tables; t++) {
        int trained = strcmp(b.w->params->tables[t].name, "genres") != 0;

        CHECK((g.nodes[0].tables[t].n > 0) == trained);
        for (uint32_t i = 0; i < g.nodes[0].tables[t].n; i++)
            CHECK(g.nodes[0].tables[t].index[i] < b.step.sets[t].n);
    }
    bench_clear(&b);
}

static void every_failed_allocation_is_an_error(void)
{
    enum fusor_status rc = FUSOR_ENOMEM;
    struct step_grads g;
    struct bench b;
    size_t used;

    bench_init(&b, FIXTURE_DEEP, 2);
    used = mem_used();
    for (long n = 1; rc != FUSOR_OK && n < 1000; n++) {
        struct grads other;

        mem_fail_after(n);
        rc = grads_init(&other, b.w->model, 2, NULL);
        if (rc == FUSOR_OK)
            rc = grads_begin_step(&other, &b.step, NULL);
        mem_fail_after(0);
        CHECK(rc == FUSOR_OK || rc == FUSOR_ENOMEM);
        if (mem_used() > used)
            grads_clear(&other);
        CHECK(mem_used() == used);
    }
    CHECK(rc == FUSOR_OK);
    pass(&b, 0, &g);
    bench_clear(&b);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the flat way gives the bits of the tree",
         the_flat_way_gives_the_bits_of_the_tree},
        {"frozen lookups bring no rows", frozen_lookups_bring_no_rows},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("train.grads", cases);
}
