/* EASE: a linear model between items in closed form (Steck 2019,
 * "Embarrassingly shallow autoencoders", algorithm 1). score = sum over the
 * history of B[h][i].
 *
 *   ease: {type: ease, item: item, history: rated, lambda: 500}
 *
 * Row i of the table is column i of B: n items wide. */
#include "model/tower/built.h"

static const char *const keys[] = {"type", "item", "history", "lambda", NULL};

static enum fusor_status ease_build(struct model *m, struct tower *t,
                                    struct yaml_node *at,
                                    struct fusor_error *err)
{
    struct built_tower *b;

    FUSOR_TRY(built_begin(t, at, BUILT_EASE, keys, err));
    b = t->self;
    FUSOR_TRY(
        built_id_field(m, t, at, "item", &b->item, &b->spec.n_items, err));
    FUSOR_TRY(built_history(m, t, at, err));
    b->spec.lambda = 500;
    FUSOR_TRY(build_float(at, "lambda", 1e-3, 1e9, &b->spec.lambda, err));
    return built_table(m, t, "weights", b->item, b->spec.n_items,
                       b->spec.n_items, at, err);
}

static void ease_describe(const struct tower *t, const struct model *m,
                          struct strbuf *out)
{
    const struct built_tower *b = t->self;

    strbuf_addf(out, "built: %u x %u items, lambda %g, over %s",
                b->spec.n_items, b->spec.n_items, (double)b->spec.lambda,
                m->fields[b->history].name);
}

const struct tower_kind tower_ease = {
    .name = "ease",
    .build = ease_build,
    .destroy = built_destroy,
    .run_create = built_run_create,
    .forward = built_forward,
    .backward = built_backward,
    .describe = ease_describe,
    .built = built_spec,
};
