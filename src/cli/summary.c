/* Gathers the results of several runs. */
#include "cli/summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"

static const char *const over_names[] = {"folds", "seeds"};

static struct summary_value *find_value(struct summary *s, const char *split,
                                        const char *name)
{
    struct summary_value *v;

    for (size_t i = 0; i < s->n_values; i++)
        if (!strcmp(s->values[i].split, split) &&
            !strcmp(s->values[i].name, name))
            return &s->values[i];
    if (s->n_values == SUMMARY_VALUES_MAX)
        return NULL;
    v = &s->values[s->n_values++];
    snprintf(v->split, sizeof(v->split), "%s", split);
    snprintf(v->name, sizeof(v->name), "%s", name);
    for (size_t i = 0; i < SUMMARY_MAX; i++)
        v->values[i] = NAN;
    return v;
}

static void take_split(struct yaml_node *map, const char *split,
                       struct summary *s, size_t run)
{
    for (size_t i = 0; map && map->kind == YAML_MAP && i < map->n; i++) {
        struct summary_value *v = find_value(s, split, map->keys[i]);

        if (v &&
            yaml_to_double(map->items[i], &v->values[run], NULL) != FUSOR_OK)
            v->values[run] = NAN; // null: not defined
    }
}

enum fusor_status summary_result(const char *path, struct summary *s,
                                 size_t run, struct fusor_error *err)
{
    struct yaml *y;

    FUSOR_TRY(yaml_read(path, &y, err));
    take_split(yaml_get(yaml_root(y), "valid"), "valid", s, run);
    take_split(yaml_get(yaml_root(y), "test"), "test", s, run);
    yaml_destroy(y);
    return FUSOR_OK;
}

void summary_say_judged(struct yaml_node *result, struct strbuf *out)
{
    struct yaml_node *judged = yaml_get(result, "judged");
    struct yaml_node *best = yaml_get(result, "best");
    int64_t stage = 0, epoch = 0, better = 0;
    const char *metric = "";

    if (!judged || yaml_to_i64(yaml_get(judged, "stage"), &stage, NULL) ||
        yaml_to_i64(yaml_get(judged, "epoch"), &epoch, NULL))
        return;
    strbuf_addf(out, "judged: epoch %lld of stage %lld", (long long)epoch,
                (long long)stage);
    if (!best || yaml_to_i64(yaml_get(best, "epoch"), &better, NULL) ||
        yaml_to_text(yaml_get(best, "metric"), &metric, NULL))
        return;
    if (better == epoch)
        strbuf_addf(out, ", its best by %s of the validation rows", metric);
    else
        strbuf_addf(out,
                    ", its last; fusor evaluate, recommend and others open "
                    "epoch %lld, its best by %s of the validation rows: "
                    "train.stop ends with that one",
                    (long long)better, metric);
}

enum fusor_status summary_add(struct summary *s, const char *base,
                              const char *dir, struct fusor_error *err)
{
    char inside[FS_PATH_MAX], path[FS_PATH_MAX];

    if (s->n == SUMMARY_MAX)
        return fusor_fail(err, FUSOR_EUSAGE, "more than %d runs in one",
                          SUMMARY_MAX);
    snprintf(s->dirs[s->n], sizeof(s->dirs[0]), "%s", dir);
    fs_join(path, fs_join(inside, base, dir), "result.json");
    FUSOR_TRY(summary_result(path, s, s->n, err));
    s->n++;
    return FUSOR_OK;
}

struct stats_summary summary_of(const struct summary *s,
                                const struct summary_value *v)
{
    double have[SUMMARY_MAX];
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        if (!isnan(v->values[i]))
            have[n++] = v->values[i];
    return stats_summarise(have, n);
}

static void json_value(const struct summary *s, const struct summary_value *v,
                       struct json *j)
{
    struct stats_summary sum = summary_of(s, v);

    json_begin_object(j, NULL);
    json_string(j, "split", v->split);
    json_string(j, "metric", v->name);
    json_number(j, "mean", sum.mean);
    json_number(j, "sd", sum.sd);
    json_begin_array(j, "values");
    for (size_t i = 0; i < s->n; i++)
        json_number(j, NULL, v->values[i]);
    json_end_array(j);
    json_end_object(j);
}

void summary_json(const struct summary *s, struct json *j, const char *key)
{
    json_begin_object(j, key);
    json_string(j, "over", over_names[s->over]);
    json_begin_array(j, "runs");
    for (size_t i = 0; i < s->n; i++)
        json_string(j, NULL, s->dirs[i]);
    json_end_array(j);
    json_number(j, "seconds", s->seconds);
    json_begin_array(j, "results");
    for (size_t i = 0; i < s->n_values; i++)
        json_value(s, &s->values[i], j);
    json_end_array(j);
    json_end_object(j);
}

enum fusor_status summary_write(const struct summary *s, const char *base,
                                struct fusor_error *err)
{
    struct json j = {.pretty = 1};
    char path[FS_PATH_MAX];
    enum fusor_status rc;

    summary_json(s, &j, NULL);
    strbuf_add(&j.text, "\n");
    rc = j.text.failed ? mem_fail(err, SUMMARY_FILE, sizeof(*s))
                       : fs_write_atomic(fs_join(path, base, SUMMARY_FILE),
                                         j.text.s, j.text.len, err);
    json_clear(&j);
    return rc;
}

static enum fusor_status read_runs(struct yaml_node *root, const char *path,
                                   struct summary *out, struct fusor_error *err)
{
    struct yaml_node *runs = yaml_get(root, "runs");
    const char *text = "";

    if (yaml_get(root, "over"))
        FUSOR_TRY(yaml_to_text(yaml_get(root, "over"), &text, err));
    out->over =
        strcmp(text, over_names[SUMMARY_SEEDS]) ? SUMMARY_FOLDS : SUMMARY_SEEDS;
    if (!runs || runs->kind != YAML_LIST || runs->n == 0 ||
        runs->n > SUMMARY_MAX)
        return fusor_fail(err, FUSOR_EDATA, "%s: names no runs", path);
    for (size_t i = 0; i < runs->n; i++) {
        FUSOR_TRY(yaml_to_text(runs->items[i], &text, err));
        snprintf(out->dirs[out->n++], sizeof(out->dirs[0]), "%s", text);
    }
    return FUSOR_OK;
}

enum fusor_status summary_read(const char *base, struct summary *out,
                               struct fusor_error *err)
{
    char path[FS_PATH_MAX];
    struct yaml *y;
    enum fusor_status rc;

    memset(out, 0, sizeof(*out));
    FUSOR_TRY(yaml_read(fs_join(path, base, SUMMARY_FILE), &y, err));
    rc = read_runs(yaml_root(y), path, out, err);
    yaml_destroy(y);
    return rc;
}
