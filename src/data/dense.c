/* Transforms of dense columns in place. */
#include "data/dense.h"

#include <math.h>
#include <string.h>

static const char *const step_names[] = {"fill",   "log1p",  "clip",
                                         "minmax", "zscore", NULL};

static int step_kind(const char *name)
{
    for (int i = 0; step_names[i]; i++)
        if (!strcmp(step_names[i], name))
            return i;
    return -1;
}

static enum fusor_status read_clip(const struct yaml_node *node,
                                   struct dense_step *s,
                                   struct fusor_error *err)
{
    if (node->kind != YAML_LIST || node->n != 2)
        return yaml_fail(node, err, "transform: write clip: [low, high]");
    FUSOR_TRY(yaml_to_double(node->items[0], &s->a, err));
    FUSOR_TRY(yaml_to_double(node->items[1], &s->b, err));
    if (!(s->a < s->b))
        return yaml_fail(node, err, "transform: clip: %g is not below %g", s->a,
                         s->b);
    return FUSOR_OK;
}

static enum fusor_status read_step(const struct yaml_node *node,
                                   struct dense_step *s,
                                   struct fusor_error *err)
{
    const char *name = "";
    int kind, has_value = node->kind == YAML_MAP;

    if (node->kind == YAML_MAP && node->n == 1)
        name = node->keys[0];
    else if (node->kind == YAML_SCALAR)
        name = node->text;
    kind = step_kind(name);
    if (kind < 0 || has_value != (kind == DENSE_FILL || kind == DENSE_CLIP))
        return yaml_fail(node, err,
                         "transform: expected log1p, minmax, zscore, {fill: "
                         "0} or {clip: [0, 16]}%s%s",
                         *name ? ", not " : "", name);
    s->kind = (enum dense_step_kind)kind;
    if (kind == DENSE_FILL)
        return yaml_to_double(node->items[0], &s->a, err);
    return kind == DENSE_CLIP ? read_clip(node->items[0], s, err) : FUSOR_OK;
}

enum fusor_status dense_read(const struct yaml_node *node,
                             struct dense_transform *out,
                             struct fusor_error *err)
{
    struct dense_transform t = {0};

    if (node->kind != YAML_LIST) {
        if (node->kind != YAML_SCALAR || strcmp(node->text, "none")) {
            FUSOR_TRY(read_step(node, &t.steps[0], err));
            t.n = 1;
        }
        *out = t;
        return FUSOR_OK;
    }
    if (node->n > DENSE_MAX_STEPS)
        return yaml_fail(node, err, "transform: %zu steps, at most %d", node->n,
                         DENSE_MAX_STEPS);
    for (size_t i = 0; i < node->n; i++)
        FUSOR_TRY(read_step(node->items[i], &t.steps[i], err));
    t.n = (uint32_t)node->n;
    *out = t;
    return FUSOR_OK;
}

/* Statistics of component d over the train rows, missing ones left out.
 * Two passes, so that a large mean costs no digits. */
struct range {
    double min, max, mean, std;
};

static struct range component_range(const struct dense_values *arrays,
                                    size_t n_arrays, uint32_t width, uint32_t d)
{
    struct range r = {INFINITY, -INFINITY, 0, 0};
    double sum = 0, squares = 0;
    uint64_t n = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < n_arrays; k++) {
            const struct dense_values *a = &arrays[k];

            for (uint64_t i = 0; a->train && i < a->n; i++) {
                double x = a->v[i * width + d];

                if (!a->train[i] || !isfinite(x))
                    continue;
                if (pass == 1) {
                    squares += (x - r.mean) * (x - r.mean);
                    continue;
                }
                r.min = fmin(r.min, x);
                r.max = fmax(r.max, x);
                sum += x;
                n++;
            }
        }
        if (n)
            r.mean = sum / (double)n;
    }
    if (n)
        r.std = sqrt(squares / (double)n);
    return r;
}

static double step_value(const struct dense_step *s, const struct range *r,
                         double x)
{
    switch (s->kind) {
    case DENSE_FILL:
        return isfinite(x) ? x : s->a;
    case DENSE_LOG1P:
        return isnan(x) ? x : log1p(fmax(x, 0));
    case DENSE_CLIP:
        return isnan(x) ? x : fmin(fmax(x, s->a), s->b);
    case DENSE_MINMAX:
        return r->max > r->min ? (x - r->min) / (r->max - r->min) : 0;
    case DENSE_ZSCORE:
        return r->std > 0 ? (x - r->mean) / r->std : 0;
    }
    return x;
}

static void apply_step(const struct dense_step *s, struct dense_values *arrays,
                       size_t n_arrays, uint32_t width, uint32_t d)
{
    struct range r = {0, 0, 0, 0};

    if (s->kind == DENSE_MINMAX || s->kind == DENSE_ZSCORE)
        r = component_range(arrays, n_arrays, width, d);
    for (size_t k = 0; k < n_arrays; k++)
        for (uint64_t i = 0; i < arrays[k].n; i++) {
            float *x = &arrays[k].v[i * width + d];

            *x = (float)step_value(s, &r, *x);
        }
}

void dense_apply(const struct dense_transform *t, struct dense_values *arrays,
                 size_t n_arrays, uint32_t width)
{
    for (uint32_t i = 0; i < t->n; i++)
        for (uint32_t d = 0; d < width; d++)
            apply_step(&t->steps[i], arrays, n_arrays, width, d);
    for (size_t k = 0; k < n_arrays; k++)
        for (uint64_t i = 0; i < arrays[k].n * width; i++)
            if (!isfinite(arrays[k].v[i]))
                arrays[k].v[i] = 0;
}
