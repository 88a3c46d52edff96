/* Tests of the tree of micro-batches: any cut over workers and shards gives the
 * bits of the direct recursive sum. */
#include "store/tree.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/combine.h"

#include "harness.h"

#define WIDTH 3
#define KEYS 7

static void nodes_of_a_range(void)
{
    struct tree_node n[PARAM_MAX_NODES];

    CHECK(tree_nodes(0, 16, n) == 1 && n[0].lo == 0 && n[0].span == 16);
    CHECK(tree_nodes(0, 1, n) == 1 && n[0].span == 1);
    CHECK(tree_nodes(5, 5, n) == 0);
    REQUIRE(tree_nodes(1, 15, n) == 6);
    CHECK(n[0].lo == 1 && n[0].span == 1);
    CHECK(n[1].lo == 2 && n[1].span == 2);
    CHECK(n[2].lo == 4 && n[2].span == 4);
    CHECK(n[3].lo == 8 && n[3].span == 4);
    CHECK(n[4].lo == 12 && n[4].span == 2);
    CHECK(n[5].lo == 14 && n[5].span == 1);
}

/* One unit: which micro-batch touched which key, with what. */
struct unit {
    unsigned m;
    int touched[TREE_LEAVES_MAX][KEYS];
    float grad[TREE_LEAVES_MAX][KEYS][WIDTH];
    float dense[TREE_LEAVES_MAX][WIDTH];
    int has_dense[TREE_LEAVES_MAX];
};

static void unit_make(struct unit *u, struct rng *r)
{
    u->m = 1 + (unsigned)rng_below(r, TREE_LEAVES_MAX);
    for (unsigned i = 0; i < u->m; i++) {
        u->has_dense[i] = rng_below(r, 5) != 0;
        for (int k = 0; k < KEYS; k++) {
            u->touched[i][k] = u->has_dense[i] && rng_below(r, 2);
            for (int j = 0; j < WIDTH; j++)
                u->grad[i][k][j] = (float)rng_normal(r);
        }
        for (int j = 0; j < WIDTH; j++)
            u->dense[i][j] = (float)rng_normal(r);
    }
}

/* key < 0: the dense vector.
 * @return is anything there? */
static int direct_sum(const struct unit *u, int key, unsigned lo, unsigned span,
                      float out[WIDTH])
{
    float right[WIDTH];
    int a, b;

    if (lo >= u->m)
        return 0;
    if (span == 1) {
        if (key < 0 ? !u->has_dense[lo] : !u->touched[lo][key])
            return 0;
        memcpy(out, key < 0 ? u->dense[lo] : u->grad[lo][key], sizeof(right));
        return 1;
    }
    a = direct_sum(u, key, lo, span / 2, out);
    b = direct_sum(u, key, lo + span / 2, span / 2, right);
    for (int j = 0; a && b && j < WIDTH; j++)
        out[j] += right[j];
    if (!a && b)
        memcpy(out, right, sizeof(right));
    return a || b;
}

/* What the shard sees: partial sums of each key with their node's lo. */
struct partials {
    size_t n;
    uint32_t lo[TREE_LEAVES_MAX];
    const float *grad[TREE_LEAVES_MAX];
};

struct worker {
    struct grad_tree rows;
    struct dense_tree dense;
};

static void worker_run(struct worker *w, const struct unit *u, unsigned lo,
                       unsigned hi, struct partials p[KEYS + 1])
{
    struct tree_node nodes[PARAM_MAX_NODES];
    unsigned n = tree_nodes(lo, hi, nodes);

    grad_tree_reset(&w->rows);
    dense_tree_reset(&w->dense);
    for (unsigned i = 0; i < n; i++) {
        struct node_rows rows;
        const float *dense;

        for (unsigned m = nodes[i].lo; m < nodes[i].lo + nodes[i].span; m++) {
            if (m >= u->m || !u->has_dense[m])
                continue;
            grad_tree_begin(&w->rows, m);
            memcpy(dense_tree_begin(&w->dense, m), u->dense[m],
                   sizeof(u->dense[m]));
            for (int twice = 0; twice < 2; twice++)
                for (uint32_t k = 0; k < KEYS; k++)
                    for (int j = 0; u->touched[m][k] && !twice && j < WIDTH;
                         j++)
                        grad_tree_touch(&w->rows, k)[j] += u->grad[m][k][j];
        }
        rows = grad_tree_finish(&w->rows);
        for (uint32_t r = 0; r < rows.n; r++) {
            struct partials *to = &p[rows.index[r]];

            to->lo[to->n] = nodes[i].lo;
            to->grad[to->n++] = rows.grads[r];
        }
        dense = dense_tree_finish(&w->dense);
        if (dense) {
            p[KEYS].lo[p[KEYS].n] = nodes[i].lo;
            p[KEYS].grad[p[KEYS].n++] = dense;
        }
    }
}

static void check_unit(struct worker *workers, const struct unit *u,
                       struct rng *r)
{
    struct partials p[KEYS + 1] = {0};
    unsigned lo = 0, n = 0;

    while (lo < u->m) { // cut into ranges, the last may reach beyond
        unsigned hi = lo + 1 + (unsigned)rng_below(r, u->m - lo);

        worker_run(&workers[n++], u, lo, hi, p);
        lo = hi;
    }
    for (int k = 0; k <= KEYS; k++) {
        float want[WIDTH], got[WIDTH];
        int any = direct_sum(u, k == KEYS ? -1 : k, 0, TREE_LEAVES_MAX, want);

        CHECK(any == (p[k].n > 0));
        if (!any || p[k].n == 0)
            continue;
        combine_vectors(p[k].grad, p[k].lo, p[k].n, got, WIDTH);
        CHECK(memcmp(got, want, sizeof(want)) == 0);
    }
}

static void any_cut_gives_the_same_bits(void)
{
    struct worker workers[TREE_LEAVES_MAX];
    struct rng r = rng_stream(1, RNG_TEST, 0, 0);
    static struct unit u;

    for (int i = 0; i < TREE_LEAVES_MAX; i++) {
        REQUIRE(!grad_tree_init(&workers[i].rows, WIDTH, KEYS, TREE_LEAVES_MAX,
                                NULL));
        REQUIRE(
            !dense_tree_init(&workers[i].dense, WIDTH, TREE_LEAVES_MAX, NULL));
    }
    for (int i = 0; i < 3000; i++) {
        unit_make(&u, &r);
        check_unit(workers, &u, &r);
    }
    for (int i = 0; i < TREE_LEAVES_MAX; i++) {
        grad_tree_clear(&workers[i].rows);
        dense_tree_clear(&workers[i].dense);
    }
}

static void rows_are_reused(void)
{
    struct grad_tree t;

    REQUIRE(!grad_tree_init(&t, 1, 2, 16, NULL));
    for (unsigned m = 0; m < 16; m++) {
        grad_tree_begin(&t, m);
        CHECK(grad_tree_touch(&t, 0)[0] == 0.0f);
        grad_tree_touch(&t, 0)[0] += 1.0f;
        grad_tree_touch(&t, 1)[0] += 2.0f;
    }
    CHECK(t.n_pool <= 2 * TREE_DEPTH_MAX);
    struct node_rows rows = grad_tree_finish(&t);

    REQUIRE(rows.n == 2);
    CHECK(rows.grads[0][0] == 16.0f && rows.grads[1][0] == 32.0f);
    grad_tree_reset(&t);
    CHECK(grad_tree_finish(&t).n == 0);
    grad_tree_clear(&t);
}

static void a_step_given_up_leaves_nothing(void)
{
    struct grad_tree t;

    REQUIRE(!grad_tree_init(&t, 2, 2, 2, NULL));
    grad_tree_begin(&t, 0);
    grad_tree_touch(&t, 1)[0] = 5.0f;
    grad_tree_reset(&t);
    grad_tree_begin(&t, 0);
    CHECK(grad_tree_touch(&t, 1)[0] == 0.0f);
    CHECK(grad_tree_finish(&t).n == 1);
    grad_tree_clear(&t);
}

static void exhaustion_is_an_error(void)
{
    struct grad_tree t;
    struct dense_tree d;

    for (long i = 1; i <= 4; i++) {
        mem_fail_after(i);
        CHECK(grad_tree_init(&t, 2, 2, 2, NULL) == FUSOR_ENOMEM);
    }
    mem_fail_after(1);
    CHECK(dense_tree_init(&d, 2, 2, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a range is cut into maximal aligned nodes", nodes_of_a_range},
        {"any cut over workers gives the same bits",
         any_cut_gives_the_same_bits},
        {"merged rows are used again", rows_are_reused},
        {"a step given up leaves nothing", a_step_given_up_leaves_nothing},
        {"exhaustion is an error", exhaustion_is_an_error},
    };

    return TEST_RUN("store.tree", cases);
}
