/* What each stage of a workload trains, leaves alone or builds. */
#include "train/workload_private.h"

#include <string.h>

#include "base/mem.h"
#include "train/build.h"

static int was_trained_before(const struct workload *w, uint32_t stage,
                              uint32_t table)
{
    while (stage--)
        if (w->options.stages[stage].fold < 0 &&
            !workload_frozen_tables(w, stage)[table])
            return 1;
    return 0;
}

/* A table that a trained and a frozen part both read moves under the frozen
 * one: a tower that is done gives other scores from then on. */
static void warn_of_shared(struct workload *w, uint32_t stage)
{
    uint32_t n;
    const struct model_lookup *lookups = model_lookups(w->model, &n);
    const unsigned char *frozen = workload_frozen_tables(w, stage);
    unsigned char told[PARAM_MAX_TABLES] = {0};

    for (uint32_t l = 0; l < n; l++) {
        uint32_t t = lookups[l].table;

        if (!model_lookup_is_frozen(w->model, l) || frozen[t] || told[t] ||
            !was_trained_before(w, stage, t))
            continue;
        told[t] = 1;
        strbuf_addf(&w->warnings,
                    "stage %u trains rows of table \"%s\" that a frozen tower "
                    "reads too: its scores will move; give one of them a "
                    "table of its own\n",
                    w->options.stages[stage].number + 1,
                    w->params->tables[t].name);
    }
}

/* What each stage leaves alone. Told once, so that nobody has to ask the model
 * while others read it. */
enum fusor_status workload_read_frozen(struct workload *w,
                                       struct yaml_node *root,
                                       struct fusor_error *err)
{
    struct yaml_node *stages = yaml_get(root, "stages");
    uint32_t n_blocks = w->params->n_blocks, n_lookups;
    const struct model_lookup *lookups = model_lookups(w->model, &n_lookups);
    size_t width = (size_t)n_blocks + w->params->n_tables;
    struct fusor_error why;

    w->frozen = mem_alloc(w->options.n_stages * width + 1, 1);
    if (!w->frozen)
        return mem_fail(err, "frozen parts", w->options.n_stages * width);
    for (uint32_t s = 0; s < w->options.n_stages; s++) {
        const struct stage *stage = &w->options.stages[s];
        unsigned char *frozen = w->frozen + s * width;

        if (model_set_trained(w->model, stage->names[0] ? stage->names : NULL,
                              &why) != FUSOR_OK)
            return yaml_fail(yaml_get(stages->items[stage->number], "train"),
                             err, "stages: %s", why.text);
        if (model_set_apart(w->model, stage->apart, &why) != FUSOR_OK)
            return yaml_fail(yaml_get(stages->items[stage->number], "apart"),
                             err, "stages: %s", why.text);
        memset(frozen, 1, width);
        for (uint32_t b = 0; b < n_blocks; b++)
            frozen[b] = (unsigned char)!model_block_trained(w->model, b);
        for (uint32_t l = 0; l < n_lookups; l++)
            if (model_lookup_is_trained(w->model, l))
                frozen[n_blocks + lookups[l].table] = 0;
        if (stage->fold < 0)
            warn_of_shared(w, s);
    }
    if (w->warnings.failed)
        return mem_fail(err, "warnings", w->warnings.len);
    return model_set_trained(w->model, NULL, err);
}

/* A job of nothing but built towers needs no stages: they are built. */
enum fusor_status workload_read_builds(struct workload *w,
                                       struct yaml_node *root,
                                       struct fusor_error *err)
{
    uint32_t n = model_n_towers(w->model), n_built = 0;
    struct stage *only = &w->options.stages[0];

    for (uint32_t t = 0; t < n; t++)
        n_built += model_built(w->model, t) != NULL;
    if (n_built == 0)
        return build_check_stages(w, root, err);
    if (!yaml_get(root, "stages") && n_built == n && n <= TRAIN_MAX_NAMES) {
        *only = (struct stage){.build = 1,
                               .split = SPLIT_TRAIN,
                               .epochs = 1,
                               .plateau = {1, 0},
                               .fold = -1};
        for (uint32_t t = 0; t < n; t++)
            only->names[t] = model_tower_name(w->model, t);
    }
    if (dataset_n_queries(w->data) == 0 || dataset_n_items(w->data) == 0)
        return yaml_fail(yaml_get(root, "towers"), err,
                         "towers that are built want rows with a query and an "
                         "item: prepare with categorical fields of both sides");
    return build_check_stages(w, root, err);
}
