/* Least squares with w >= 0 and sum w = 1, exact: the active-set method of
 * Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23) with one
 * equality constraint. On the set P of positive weights the minimiser of
 * w'Gw/2 - c'w subject to 1'w = 1 is H^-1 (c - lambda 1) with H = G + mu 11':
 * the added term is constant where 1'w = 1, and makes H definite whenever the
 * minimiser is unique. */
#include <math.h>
#include <string.h>

#include "model/combine/spd.h"

#define DUAL_TOLERANCE 1e-13 // of a gradient, relative to the largest entry

struct face {
    size_t n;
    size_t member[COMBINE_MAX]; // in P
    int in[COMBINE_MAX];        // by tower
    int refused[COMBINE_MAX];   // dependent on members: not tried again until
                                // the face changes otherwise
};

static void face_add(struct face *p, size_t j)
{
    p->member[p->n++] = j;
    p->in[j] = 1;
}

static void face_remove(struct face *p, size_t j)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        if (p->member[i] != j)
            p->member[n++] = p->member[i];
    p->n = n;
    p->in[j] = 0;
    memset(p->refused, 0, sizeof(p->refused));
}

/* The minimiser on the face, zero elsewhere.
 * @return 0, or -1: not unique */
static int face_minimise(const struct face *p, const struct gram *q, double mu,
                         double *s)
{
    double h[SPD_MAX][SPD_MAX], c[SPD_MAX], one[SPD_MAX];
    double sum_c = 0, sum_one = 0;
    struct spd f;
    size_t column;

    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = 0; j < p->n; j++)
            h[i][j] = q->g[p->member[i]][p->member[j]] + mu;
        c[i] = q->c[p->member[i]];
        one[i] = 1;
    }
    if (spd_factor(&f, h, p->n, &column))
        return -1;
    spd_solve(&f, c, c);
    spd_solve(&f, one, one);
    for (size_t i = 0; i < p->n; i++) {
        sum_c += c[i];
        sum_one += one[i];
    }
    memset(s, 0, q->m * sizeof(*s));
    for (size_t i = 0; i < p->n; i++)
        s[p->member[i]] = c[i] - (sum_c - 1) / sum_one * one[i];
    return 0;
}

/* The tower outside P whose gradient falls furthest below that of P. */
static size_t entering(const struct face *p, const struct gram *q,
                       const double *w, double tolerance)
{
    double g[COMBINE_MAX], level = 0, best = -tolerance;
    size_t found = q->m;

    for (size_t j = 0; j < q->m; j++) {
        g[j] = -q->c[j];
        for (size_t k = 0; k < q->m; k++)
            g[j] += q->g[j][k] * w[k];
        level += w[j] * g[j];
    }
    for (size_t j = 0; j < q->m; j++) {
        if (!p->in[j] && !p->refused[j] && g[j] - level < best) {
            best = g[j] - level;
            found = j;
        }
    }
    return found;
}

/* Walk from w towards s as far as the simplex allows, dropping the tower that
 * stops us. @return 1 when s was reached */
static int walk(struct face *p, double *w, const double *s, size_t m)
{
    double step = 1;
    size_t stop = m;

    for (size_t j = 0; j < m; j++) {
        if (p->in[j] && s[j] <= 0 && w[j] / (w[j] - s[j]) < step) {
            step = w[j] / (w[j] - s[j]);
            stop = j;
        }
    }
    for (size_t j = 0; j < m; j++)
        w[j] += step * (s[j] - w[j]);
    if (stop == m)
        return 1;
    w[stop] = 0;
    face_remove(p, stop);
    return 0;
}

static double largest(const struct gram *q)
{
    double best = 0;

    for (size_t j = 0; j < q->m; j++) {
        best = fmax(best, fabs(q->c[j]));
        best = fmax(best, q->g[j][j]);
    }
    return best;
}

/* The best single tower. */
static size_t best_vertex(const struct gram *q)
{
    size_t best = 0;

    for (size_t j = 1; j < q->m; j++)
        if (q->g[j][j] / 2 - q->c[j] < q->g[best][best] / 2 - q->c[best])
            best = j;
    return best;
}

static enum fusor_status simplex_fit(const struct combine_data *data,
                                     const struct combine_options *options,
                                     struct combine_model *model,
                                     struct fusor_error *err)
{
    double s[COMBINE_MAX], *w = model->weights, scale;
    struct face p = {0};
    struct gram q;
    size_t j;

    gram_compute(&q, data, 0);
    for (j = 0; j < q.m; j++)
        q.g[j][j] += options->ridge;
    scale = largest(&q);
    j = best_vertex(&q);
    face_add(&p, j);
    w[j] = 1;
    while ((j = entering(&p, &q, w, DUAL_TOLERANCE * scale)) < q.m) {
        face_add(&p, j);
        if (face_minimise(&p, &q, scale, s) || s[j] <= 0) {
            p.n--; // the member added last
            p.in[j] = 0;
            p.refused[j] = 1;
            continue;
        }
        while (!walk(&p, w, s, q.m))
            if (face_minimise(&p, &q, scale, s))
                break;
        if (++model->n_steps > 100 * COMBINE_MAX)
            return fusor_fail(err, FUSOR_EDIVERGED,
                              "simplex: no end after %d changes of the face: "
                              "scores nearly dependent: give ridge: 1e-6",
                              model->n_steps);
    }
    return FUSOR_OK;
}

const struct combine_ops combine_simplex = {
    .name = "simplex",
    .help = "the same with weights of at least 0 and sum 1",
    .needs_targets = 1,
    .fit = simplex_fit,
};
