/* Reading single settings of the job's maps, with errors that say where. */
#include "model/build.h"

#include <string.h>

enum fusor_status build_unknown(const struct yaml_node *at, const char *what,
                                const char *word, const char *const *names,
                                struct fusor_error *err)
{
    const char *near = str_nearest(word, names);

    if (near)
        return yaml_fail(at, err, "no %s is named %s: did you mean %s?", what,
                         word, near);
    return yaml_fail(at, err, "no %s is named %s", what, word);
}

static int listed(const char *word, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(word, names[i]))
            return i;
    return -1;
}

enum fusor_status build_keys(const struct yaml_node *map, const char *what,
                             const char *const *allowed,
                             struct fusor_error *err)
{
    if (map->kind != YAML_MAP)
        return yaml_fail(map, err, "%s: expected a map", what);
    for (size_t i = 0; i < map->n; i++) {
        const char *near;

        if (listed(map->keys[i], allowed) >= 0)
            continue;
        near = str_nearest(map->keys[i], allowed);
        return yaml_fail(map->items[i], err, "%s has no setting %s%s%s%s", what,
                         map->keys[i], near ? ": did you mean " : "",
                         near ? near : "", near ? "?" : "");
    }
    return FUSOR_OK;
}

enum fusor_status build_tower_keys(const struct yaml_node *map,
                                   const char *what, const char *const *allowed,
                                   struct fusor_error *err)
{
    const char *all[64];
    size_t n = 0;

    while (allowed[n] && n + 2 < sizeof(all) / sizeof(all[0])) {
        all[n] = allowed[n];
        n++;
    }
    all[n++] = "aux";
    all[n] = NULL;
    return build_keys(map, what, all, err);
}

enum fusor_status build_float(struct yaml_node *map, const char *key,
                              double low, double high, float *out,
                              struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(map, key);
    double v;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_double(at, &v, err));
    if (!(v >= low && v <= high))
        return yaml_fail(at, err, "%s is %g..%g, not %g", key, low, high, v);
    *out = (float)v;
    return FUSOR_OK;
}

enum fusor_status build_count(struct yaml_node *map, const char *key,
                              uint32_t low, uint32_t high, uint32_t *out,
                              struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(map, key);
    int64_t v;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_i64(at, &v, err));
    if (v < (int64_t)low || v > (int64_t)high)
        return yaml_fail(at, err, "%s is %u..%u, not %lld", key, low, high,
                         (long long)v);
    *out = (uint32_t)v;
    return FUSOR_OK;
}

enum fusor_status build_bool(struct yaml_node *map, const char *key, int *out,
                             struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(map, key);

    return at ? yaml_to_bool(at, out, err) : FUSOR_OK;
}

enum fusor_status build_choice(struct yaml_node *map, const char *key,
                               const char *const *names, int *out,
                               struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(map, key);
    const char *word;
    int i;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_text(at, &word, err));
    i = listed(word, names);
    if (i < 0)
        return build_unknown(at, key, word, names, err);
    *out = i;
    return FUSOR_OK;
}
