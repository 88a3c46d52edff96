/* Maps of the label. It knows no file: the caller brings the range and the
 * rows. */
#include "data/label.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const map_names[] = {"none",     "scale",  "threshold",
                                        "implicit", "binary", NULL};
static const char *const key_names[] = {"field", "map", "min",
                                        "max",   "at",  NULL};
/* Of one of several labels: the model's settings too. */
static const char *const named_keys[] = {"field",  "map",    "min",    "max",
                                         "at",     "loss",   "output", "weight",
                                         "towers", "fusion", NULL};

static enum fusor_status check_keys(const struct yaml_node *node,
                                    const char *const *names,
                                    struct fusor_error *err)
{
    for (size_t i = 0; i < node->n; i++) {
        const char *const *k = names;
        const char *near;

        while (*k && strcmp(*k, node->keys[i]))
            k++;
        if (*k)
            continue;
        near = str_nearest(node->keys[i], names);
        return yaml_fail(node->items[i], err,
                         "label: unknown key \"%s\"%s%s%s (field, map, min, "
                         "max, at)",
                         node->keys[i], near ? ": did you mean \"" : "",
                         near ? near : "", near ? "\"?" : "");
    }
    return FUSOR_OK;
}

static enum fusor_status read_map(struct yaml_node *node,
                                  struct label_spec *spec,
                                  struct fusor_error *err)
{
    const char *text;

    if (!node)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_text(node, &text, err));
    for (int i = 0; map_names[i]; i++) {
        if (strcmp(map_names[i], text))
            continue;
        spec->map = (enum label_map)i;
        return FUSOR_OK;
    }
    return yaml_fail(node, err,
                     "label: unknown map \"%s\": write scale, threshold, "
                     "implicit, binary or none",
                     text);
}

static enum fusor_status read_number(struct yaml_node *map, const char *key,
                                     double *out, int *has,
                                     struct fusor_error *err)
{
    struct yaml_node *node = yaml_get(map, key);

    *has = node != NULL;
    return node ? yaml_to_double(node, out, err) : FUSOR_OK;
}

static enum fusor_status check_numbers(const struct yaml_node *node,
                                       const struct label_spec *s, int has_at,
                                       struct fusor_error *err)
{
    if (s->map == LABEL_THRESHOLD && !has_at)
        return yaml_fail(node, err,
                         "label: map threshold needs a value: write "
                         "{field: %s, map: threshold, at: 4}",
                         s->field);
    if (s->map != LABEL_THRESHOLD && has_at)
        return yaml_fail(node, err, "label: \"at\" belongs to map threshold");
    if (s->map != LABEL_SCALE && (s->has_min || s->has_max))
        return yaml_fail(node, err,
                         "label: \"min\" and \"max\" belong to map scale");
    if (s->has_min && s->has_max && !(s->min < s->max))
        return yaml_fail(node, err, "label: min %g must be below max %g",
                         s->min, s->max);
    return FUSOR_OK;
}

static enum fusor_status read_settings(struct yaml_node *node,
                                       struct label_spec *s,
                                       struct fusor_error *err)
{
    int has_at;

    FUSOR_TRY(read_map(yaml_get(node, "map"), s, err));
    FUSOR_TRY(read_number(node, "min", &s->min, &s->has_min, err));
    FUSOR_TRY(read_number(node, "max", &s->max, &s->has_max, err));
    FUSOR_TRY(read_number(node, "at", &s->at, &has_at, err));
    return check_numbers(node, s, has_at, err);
}

enum fusor_status label_read(struct yaml_node *node, const char *prepared,
                             struct label_spec *out, struct fusor_error *err)
{
    struct label_spec s = {.map = LABEL_NONE};
    struct yaml_node *field;
    const char *text;

    snprintf(s.field, sizeof(s.field), "%s", prepared);
    if (!node) {
        *out = s;
        return FUSOR_OK;
    }
    if (node->kind != YAML_MAP)
        return yaml_fail(node, err, "label: expected {field: ..., map: ...}");
    FUSOR_TRY(check_keys(node, key_names, err));
    field = yaml_get(node, "field");
    if (field) {
        FUSOR_TRY(yaml_to_text(field, &text, err));
        if (strcmp(text, prepared))
            return yaml_fail(field, err,
                             "label: the prepared folder holds the label "
                             "\"%s\", not \"%s\": prepare again with it, or "
                             "write field: %s",
                             prepared, text, prepared);
    }
    FUSOR_TRY(read_settings(node, &s, err));
    *out = s;
    return FUSOR_OK;
}

enum fusor_status label_read_named(struct yaml_node *node, const char *name,
                                   struct label_spec *out,
                                   struct fusor_error *err)
{
    struct label_spec s = {.map = LABEL_NONE};
    struct yaml_node *field = yaml_get(node, "field");

    if (node->kind != YAML_MAP)
        return yaml_fail(node, err,
                         "labels: %s: expected {field: ..., map: ...}", name);
    FUSOR_TRY(check_keys(node, named_keys, err));
    if (field)
        FUSOR_TRY(yaml_to_text(field, &name, err));
    if (strlen(name) >= sizeof(s.field))
        return yaml_fail(field ? field : node, err,
                         "labels: a field's name has at most %zu characters",
                         sizeof(s.field) - 1);
    snprintf(s.field, sizeof(s.field), "%s", name);
    FUSOR_TRY(read_settings(node, &s, err));
    *out = s;
    return FUSOR_OK;
}

enum fusor_status label_fit(struct label_spec *spec, double train_min,
                            double train_max, struct fusor_error *err)
{
    double lo = spec->has_min ? spec->min : train_min;
    double hi = spec->has_max ? spec->max : train_max;

    if (spec->map == LABEL_SCALE && !(lo < hi))
        return fusor_fail(err, FUSOR_EDATA,
                          "label: map scale needs a range, but \"%s\" goes "
                          "from %g to %g over the train rows: write min and "
                          "max, or map: implicit",
                          spec->field, lo, hi);
    spec->min = lo;
    spec->max = hi;
    return FUSOR_OK;
}

enum fusor_status label_check(const struct label_spec *spec, double raw,
                              uint64_t row, struct fusor_error *err)
{
    if (!isfinite(raw))
        return fusor_fail(err, FUSOR_EDATA,
                          "label: \"%s\" of row %llu is %g, no number: remove "
                          "such rows before prepare",
                          spec->field, (unsigned long long)row, raw);
    if (spec->map == LABEL_BINARY && raw != 0 && raw != 1)
        return fusor_fail(err, FUSOR_EDATA,
                          "label: map binary needs 0 or 1, but \"%s\" of row "
                          "%llu is %g: write {field: %s, map: threshold, at: "
                          "%g} or {field: %s, map: scale}",
                          spec->field, (unsigned long long)row, raw,
                          spec->field, raw, spec->field);
    return FUSOR_OK;
}

void label_apply_all(const struct label_spec *spec, float *v, size_t n)
{
    float lo = (float)spec->min, at = (float)spec->at;
    float range = (float)(spec->max - spec->min);

    switch (spec->map) {
    case LABEL_SCALE:
        for (size_t i = 0; i < n; i++)
            v[i] = (v[i] - lo) / range; // exactly 0 and 1 at the ends
        break;
    case LABEL_THRESHOLD:
        for (size_t i = 0; i < n; i++)
            v[i] = isnan(v[i]) ? NAN : v[i] >= at ? 1.0f : 0.0f;
        break;
    case LABEL_IMPLICIT:
        for (size_t i = 0; i < n; i++)
            v[i] = isnan(v[i]) ? NAN : 1.0f;
        break;
    case LABEL_NONE:
    case LABEL_BINARY:
        break;
    }
}

float label_apply(const struct label_spec *spec, float raw)
{
    label_apply_all(spec, &raw, 1);
    return raw;
}

enum fusor_status label_check_for_bce(const struct label_spec *spec, double min,
                                      double max, struct fusor_error *err)
{
    if (min >= 0 && max <= 1)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EDATA,
                      "label: bce needs labels from 0 to 1, but \"%s\" goes "
                      "from %g to %g: write {field: %s, map: scale}, {field: "
                      "%s, map: threshold, at: %g} or {field: %s, map: "
                      "implicit}",
                      spec->field, min, max, spec->field, spec->field, max,
                      spec->field);
}
