/* What a build stage makes, and in which order it is pushed. The methods are
 * files of their own. */
#include "train/build.h"

#include <string.h>

#include "base/mem.h"
#include "train/build_text.h"

#define UNIT_BYTES (8u << 20) /* of rows pushed in one step by all workers */
#define UNIT_ROWS 1024

static const struct built *find_built(const struct workload *w,
                                      const char *name)
{
    for (uint32_t t = 0; t < model_n_towers(w->model); t++)
        if (strcmp(model_tower_name(w->model, t), name) == 0)
            return model_built(w->model, t);
    return NULL;
}

static enum fusor_status check_stage(const struct workload *w,
                                     const struct stage *stage,
                                     const struct yaml_node *at,
                                     struct fusor_error *err)
{
    for (int i = 0; stage->names[i]; i++) {
        int built = find_built(w, stage->names[i]) != NULL;

        if (built && !stage->build)
            return yaml_fail(at, err,
                             "stages: tower %s is built, not trained: give it "
                             "a stage {build: [%s]}",
                             stage->names[i], stage->names[i]);
        if (!built && stage->build)
            return yaml_fail(at, err,
                             "stages: %s is trained, not built: name it under "
                             "train",
                             stage->names[i]);
    }
    return FUSOR_OK;
}

static int times_built(const struct workload *w, const char *name)
{
    int n = 0;

    for (uint32_t s = 0; s < w->options.n_stages; s++)
        for (int i = 0; w->options.stages[s].names[i]; i++)
            n += w->options.stages[s].build && w->options.stages[s].fold < 0 &&
                 strcmp(w->options.stages[s].names[i], name) == 0;
    return n;
}

enum fusor_status build_check_stages(const struct workload *w,
                                     struct yaml_node *root,
                                     struct fusor_error *err)
{
    struct yaml_node *stages = yaml_get(root, "stages");

    for (uint32_t s = 0; stages && s < w->options.n_stages; s++)
        FUSOR_TRY(check_stage(w, &w->options.stages[s],
                              stages->items[w->options.stages[s].number], err));
    for (uint32_t t = 0; t < model_n_towers(w->model); t++) {
        const char *name = model_tower_name(w->model, t);

        if (!model_built(w->model, t) || times_built(w, name) == 1)
            continue;
        return yaml_fail(stages ? stages : root, err,
                         "stages: tower %s is built %s: give it one stage "
                         "{build: [%s]}",
                         name,
                         times_built(w, name) ? "more than once"
                                              : "by "
                                                "none",
                         name);
    }
    return FUSOR_OK;
}

static enum fusor_status add_parts(const struct built *spec, struct build *out,
                                   struct fusor_error *err)
{
    for (uint32_t k = 0; k < spec->n_tables; k++) {
        struct build_part *p = &out->parts[out->n_parts];

        if (out->n_parts == BUILD_MAX_PARTS)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "stages: more than %d tables in one build stage",
                              BUILD_MAX_PARTS);
        *p = (struct build_part){.table = spec->tables[k],
                                 .rows = spec->rows[k],
                                 .width = spec->width[k],
                                 .first = out->n_rows};
        out->n_rows += p->rows;
        out->n_parts++;
    }
    return FUSOR_OK;
}

/* Which rows the stage makes, without their values. */
static enum fusor_status lay_out(const struct workload *w, uint32_t stage,
                                 struct build *out, struct fusor_error *err)
{
    const struct stage *s = &w->options.stages[stage];

    memset(out, 0, sizeof(*out));
    for (int i = 0; s->names[i]; i++) {
        const struct built *spec = find_built(w, s->names[i]);

        if (spec)
            FUSOR_TRY(add_parts(spec, out, err));
    }
    return FUSOR_OK;
}

enum fusor_status build_plan(const struct workload *w, uint32_t stage,
                             struct plan *out, struct fusor_error *err)
{
    struct build b;
    const struct train_section *t = &w->options.train;
    uint32_t widest = 1, rows, micros = (uint32_t)t->micro_batches;

    /* As many as the job's, which is what servers know. */
    if (!micros)
        micros = plan_micro_batches((uint32_t)t->global_batch);
    FUSOR_TRY(lay_out(w, stage, &b, err));
    for (uint32_t p = 0; p < b.n_parts; p++)
        if (b.parts[p].width > widest)
            widest = b.parts[p].width;
    rows = UNIT_BYTES / (widest * (uint32_t)sizeof(float));
    if (rows > UNIT_ROWS)
        rows = UNIT_ROWS;
    if (rows < PLAN_MICRO_BATCHES)
        rows = PLAN_MICRO_BATCHES;
    if (rows > b.n_rows)
        rows = (uint32_t)b.n_rows;
    *out = (struct plan){
        .seed = w->options.train.seed,
        .n_rows = b.n_rows,
        .global_batch = rows,
        .micro_batches = micros < rows ? micros : rows,
        .kind = PLAN_TIME,
        .run = 1,
    };
    return plan_check(out, err);
}

/* The tables of one tower; they start at part `part`. */
static enum fusor_status compute_tower(const struct workload *w,
                                       const struct built *spec,
                                       const struct crew *crew,
                                       struct build_part *part,
                                       struct fusor_error *err)
{
    struct csr events = {0};
    enum fusor_status rc;

    if (spec->method == BUILT_CONTENT)
        return build_content(w->data, spec, crew, part[0].values, err);
    if (spec->method == BUILT_BM25)
        return build_bm25(w->data, spec, part[0].values,
                          spec->n_tables > 1 ? part[1].values : NULL, err);
    if (spec->method == BUILT_LSA)
        return build_lsa(w->data, spec, w->options.train.seed, crew,
                         part[0].values, part[1].values, err);
    if (spec->centre != CENTRE_NONE)
        return build_ratings(w->data, spec, crew, part[0].values, err);
    FUSOR_TRY(build_events(w->data,
                           spec->method == BUILT_KNN ? TAKE_LIKED : TAKE_HAD,
                           &events, err));
    if (spec->method == BUILT_EASE)
        rc = build_ease(&events, spec, crew, part[0].values, err);
    else if (spec->method == BUILT_IALS)
        rc = build_ials(&events, spec, w->options.train.seed, crew,
                        part[0].values, part[1].values, err);
    else
        rc = build_knn(&events, spec, crew, part[0].values, err);
    csr_clear(&events);
    return rc;
}

static enum fusor_status compute_all(const struct workload *w,
                                     const struct stage *s,
                                     const struct crew *crew, struct build *b,
                                     struct fusor_error *err)
{
    uint32_t part = 0;

    for (uint32_t p = 0; p < b->n_parts; p++) {
        struct build_part *at = &b->parts[p];

        at->values = mem_alloc((size_t)at->rows * at->width, sizeof(float));
        if (!at->values)
            return mem_fail(err, "rows of a built tower",
                            (size_t)at->rows * at->width * sizeof(float));
    }
    for (int i = 0; s->names[i]; i++) {
        const struct built *spec = find_built(w, s->names[i]);
        enum fusor_status rc =
            compute_tower(w, spec, crew, &b->parts[part], err);

        if (rc != FUSOR_OK)
            return fusor_wrap(err, rc, "build %s", s->names[i]);
        part += spec->n_tables;
    }
    return FUSOR_OK;
}

enum fusor_status build_compute(const struct workload *w, uint32_t stage,
                                const struct crew *crew, struct build *out,
                                struct fusor_error *err)
{
    enum fusor_status rc;

    FUSOR_TRY(lay_out(w, stage, out, err));
    rc = compute_all(w, &w->options.stages[stage], crew, out, err);
    if (rc != FUSOR_OK)
        build_clear(out);
    return rc;
}

void build_clear(struct build *b)
{
    for (uint32_t p = 0; p < b->n_parts; p++)
        mem_free(b->parts[p].values);
    memset(b, 0, sizeof(*b));
}
