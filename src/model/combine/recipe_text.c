/* A recipe as JSON and back. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "model/combine/recipe.h"

#define HEAD_VERSION 1
#define KNOTS_MAX ((size_t)1 << 20)

static void write_numbers(struct json *j, const char *key, const double *x,
                          size_t n)
{
    json_begin_array(j, key);
    for (size_t i = 0; i < n; i++)
        json_number(j, NULL, x[i]);
    json_end_array(j);
}

void recipe_write(const struct recipe *r, const char *const *towers,
                  struct strbuf *out)
{
    const struct calibration *c = &r->calibration;
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_int(&j, "fusor_head", HEAD_VERSION);
    json_begin_array(&j, "towers");
    for (size_t i = 0; i < r->model.m; i++)
        json_string(&j, NULL, towers[i]);
    json_end_array(&j);
    json_string(&j, "normalise", normaliser_name(&r->normaliser));
    write_numbers(&j, "shift", r->normaliser.shift, r->model.m);
    write_numbers(&j, "scale", r->normaliser.scale, r->model.m);
    json_string(&j, "method", r->model.ops->name);
    write_numbers(&j, "weights", r->model.weights, r->model.m);
    json_number(&j, "constant", r->model.bias);
    json_string(&j, "calibrate", c->ops->name);
    json_number(&j, "a", c->a);
    json_number(&j, "b", c->b);
    write_numbers(&j, "x", c->x, c->n_knots);
    write_numbers(&j, "y", c->y, c->n_knots);
    json_end_object(&j);
    if (j.text.failed || !j.text.s)
        out->failed = 1;
    else
        strbuf_add(out, j.text.s);
    strbuf_add(out, "\n");
    json_clear(&j);
}

static enum fusor_status want(struct yaml_node *root, const char *key,
                              struct yaml_node **out, struct fusor_error *err)
{
    *out = yaml_get(root, key);
    if (!*out)
        return yaml_fail(root, err,
                         "the head has no \"%s\": take a file that fusor fuse "
                         "--save wrote",
                         key);
    return FUSOR_OK;
}

static enum fusor_status read_number(struct yaml_node *root, const char *key,
                                     double *out, struct fusor_error *err)
{
    struct yaml_node *at;

    FUSOR_TRY(want(root, key, &at, err));
    FUSOR_TRY(yaml_to_double(at, out, err));
    return isfinite(*out) ? FUSOR_OK
                          : yaml_fail(at, err, "%s is not finite", key);
}

/* @param n items the list must have */
static enum fusor_status read_numbers(struct yaml_node *root, const char *key,
                                      double *out, size_t n,
                                      struct fusor_error *err)
{
    struct yaml_node *at;

    FUSOR_TRY(want(root, key, &at, err));
    if (at->kind != YAML_LIST || at->n != n)
        return yaml_fail(at, err, "%s must be a list of %zu numbers", key, n);
    for (size_t i = 0; i < n; i++) {
        FUSOR_TRY(yaml_to_double(at->items[i], &out[i], err));
        if (!isfinite(out[i]))
            return yaml_fail(at->items[i], err, "%s is not finite", key);
    }
    return FUSOR_OK;
}

static enum fusor_status read_calibration(struct yaml_node *root,
                                          struct calibration *c,
                                          struct fusor_error *err)
{
    struct yaml_node *kind, *x;
    const char *name;

    FUSOR_TRY(want(root, "calibrate", &kind, err));
    FUSOR_TRY(yaml_to_text(kind, &name, err));
    c->ops = calibration_find(name, err);
    if (!c->ops)
        return FUSOR_EUSAGE;
    FUSOR_TRY(read_number(root, "a", &c->a, err));
    FUSOR_TRY(read_number(root, "b", &c->b, err));
    FUSOR_TRY(want(root, "x", &x, err));
    if (x->kind != YAML_LIST || x->n > KNOTS_MAX ||
        (x->n == 0 && c->ops == &calibration_isotonic))
        return yaml_fail(x, err, "x must be the list of the curve's knots");
    c->n_knots = x->n;
    c->x = mem_alloc(x->n + 1, sizeof(*c->x));
    c->y = mem_alloc(x->n + 1, sizeof(*c->y));
    if (!c->x || !c->y)
        return mem_fail(err, "calibration", x->n * sizeof(*c->x));
    FUSOR_TRY(read_numbers(root, "x", c->x, x->n, err));
    FUSOR_TRY(read_numbers(root, "y", c->y, x->n, err));
    for (size_t i = 1; i < x->n; i++)
        if (!(c->x[i] > c->x[i - 1] && c->y[i] >= c->y[i - 1]))
            return yaml_fail(x, err, "the curve's knots do not rise");
    return FUSOR_OK;
}

static enum fusor_status read_all(struct yaml_node *root, struct recipe *r,
                                  struct fusor_error *err)
{
    struct yaml_node *at;
    const char *name;
    int64_t version;
    size_t m;

    FUSOR_TRY(want(root, "fusor_head", &at, err));
    FUSOR_TRY(yaml_to_i64(at, &version, err));
    if (version != HEAD_VERSION)
        return yaml_fail(at, err,
                         "a head of version %lld, this program reads "
                         "version %d",
                         (long long)version, HEAD_VERSION);
    FUSOR_TRY(want(root, "weights", &at, err));
    m = at->kind == YAML_LIST ? at->n : 0;
    if (m < 1 || m > COMBINE_MAX)
        return yaml_fail(at, err, "weights must be a list of 1 to %d numbers",
                         COMBINE_MAX);
    FUSOR_TRY(want(root, "normalise", &at, err));
    FUSOR_TRY(yaml_to_text(at, &name, err));
    FUSOR_TRY(normaliser_init(&r->normaliser, name, m, err));
    FUSOR_TRY(read_numbers(root, "shift", r->normaliser.shift, m, err));
    FUSOR_TRY(read_numbers(root, "scale", r->normaliser.scale, m, err));
    for (size_t j = 0; j < m; j++)
        if (!(r->normaliser.scale[j] > 0))
            return yaml_fail(at, err, "scale of tower %zu is not above 0",
                             j + 1);
    FUSOR_TRY(want(root, "method", &at, err));
    FUSOR_TRY(yaml_to_text(at, &name, err));
    r->model.ops = combine_find(name, err);
    if (!r->model.ops)
        return FUSOR_EUSAGE;
    r->model.m = m;
    r->model.loss = NAN;
    FUSOR_TRY(read_numbers(root, "weights", r->model.weights, m, err));
    FUSOR_TRY(read_number(root, "constant", &r->model.bias, err));
    return read_calibration(root, &r->calibration, err);
}

enum fusor_status recipe_read(const char *text, size_t size, const char *file,
                              struct recipe *out, struct fusor_error *err)
{
    struct recipe r;
    struct yaml *y;
    enum fusor_status rc;

    memset(&r, 0, sizeof(r));
    FUSOR_TRY(yaml_parse(text, size, file, &y, err));
    rc = read_all(yaml_root(y), &r, err);
    yaml_destroy(y);
    if (rc == FUSOR_OK)
        *out = r;
    else
        recipe_clear(&r);
    return rc;
}
