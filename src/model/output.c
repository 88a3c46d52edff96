/* The function between the model's score and what it predicts. */
#include "model/build.h"

#include <string.h>

#include "tensor/vec.h"

static const char *const output_names[] = {"identity", "sigmoid", "range",
                                           NULL};

static enum fusor_status parse_range(struct yaml_node *at, struct output *out,
                                     struct fusor_error *err)
{
    double low, high;

    if (!at || at->kind != YAML_LIST || at->n != 2)
        return yaml_fail(at, err, "range is [lowest, highest]");
    FUSOR_TRY(yaml_to_double(at->items[0], &low, err));
    FUSOR_TRY(yaml_to_double(at->items[1], &high, err));
    if (!(low < high))
        return yaml_fail(at, err, "range [%g, %g] is empty", low, high);
    *out = (struct output){OUTPUT_RANGE, (float)low, (float)high};
    return FUSOR_OK;
}

enum fusor_status output_parse(struct yaml_node *at, struct output *out,
                               struct fusor_error *err)
{
    const char *word;

    if (at->kind == YAML_MAP) {
        static const char *const keys[] = {"range", NULL};

        FUSOR_TRY(build_keys(at, "output", keys, err));
        return parse_range(at->n ? yaml_get(at, "range") : at, out, err);
    }
    FUSOR_TRY(yaml_to_text(at, &word, err));
    if (!strcmp(word, "identity"))
        *out = (struct output){OUTPUT_IDENTITY, 0, 0};
    else if (!strcmp(word, "sigmoid"))
        *out = (struct output){OUTPUT_SIGMOID, 0, 0};
    else if (!strcmp(word, "range"))
        return yaml_fail(at, err, "write output: {range: [lowest, highest]}");
    else
        return build_unknown(at, "output", word, output_names, err);
    return FUSOR_OK;
}

static float clip(const struct output *o, float x)
{
    return x < o->low ? o->low : x > o->high ? o->high : x;
}

void output_apply(const struct output *o, const float *scores, float *out,
                  size_t n)
{
    if (o->kind == OUTPUT_SIGMOID)
        vec_ops()->sigmoid(out, scores, n);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = o->kind == OUTPUT_RANGE ? clip(o, scores[i]) : scores[i];
}

void output_backward(const struct output *o, const float *scores,
                     const float *out, float *grad, size_t n)
{
    if (o->kind == OUTPUT_SIGMOID)
        vec_ops()->sigmoid_backward(grad, grad, out, n);
    for (size_t i = 0; o->kind == OUTPUT_RANGE && i < n; i++)
        if (scores[i] < o->low || scores[i] > o->high)
            grad[i] = 0.0f;
}

void output_describe(const struct output *o, struct strbuf *out)
{
    strbuf_add(out, output_names[o->kind]);
    if (o->kind == OUTPUT_RANGE)
        strbuf_addf(out, " [%g, %g]", (double)o->low, (double)o->high);
}
