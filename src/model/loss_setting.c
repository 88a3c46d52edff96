/* What a job writes under `loss`: a name, {name: number}, or {name: {setting:
 * value, ..}} for losses over candidates. */

#include "model/build.h"
#include "model/registry.h"

static const char *const from_names[] = {"all", "uniform", "popularity",
                                         "in_batch", NULL};

#define MOST_DRAWN (1 << 20)

static enum fusor_status parse_setting(struct label_head *h,
                                       struct yaml_node *at,
                                       struct fusor_error *err)
{
    static const char *const all[] = {"temperature", "exclude", NULL};
    static const char *const sampled[] = {"temperature", "n",       "from",
                                          "logq",        "exclude", NULL};
    static const char *const exclude[] = {"none", "seen", NULL};
    static const char *const calibrated[] = {"temperature", "n", "from", "t",
                                             NULL};
    struct loss_setting *s = &h->setting;
    const char *const *keys = s->from == CANDIDATES_ALL ? all : sampled;
    int from = (int)s->from;

    if (s->calibrate > 0)
        keys = calibrated;
    FUSOR_TRY(build_keys(at, h->loss->name, keys, err));
    FUSOR_TRY(build_float(at, "temperature", 1e-3, 1e3, &s->temperature, err));
    FUSOR_TRY(build_count(at, "n", 1, MOST_DRAWN, &s->n, err));
    FUSOR_TRY(build_bool(at, "logq", &s->logq, err));
    FUSOR_TRY(build_float(at, "t", 0, 1, &s->calibrate, err));
    FUSOR_TRY(build_choice(at, "from", from_names, &from, err));
    s->from = (enum candidates_from)from;
    return build_choice(at, "exclude", exclude, &s->exclude, err);
}

static enum fusor_status parse_param(struct label_head *h,
                                     struct yaml_node *param,
                                     struct fusor_error *err)
{
    double v;

    if (!h->loss->param)
        return yaml_fail(param, err, "loss %s takes no number", h->loss->name);
    FUSOR_TRY(yaml_to_double(param, &v, err));
    if (!(v > 0 && v < 1e6))
        return yaml_fail(param, err, "%s is above 0, not %g", h->loss->param,
                         v);
    h->loss_param = (float)v;
    return FUSOR_OK;
}

enum fusor_status loss_parse(struct label_head *h, struct yaml_node *at,
                             struct fusor_error *err)
{
    const char *name = "mse";
    struct yaml_node *more = NULL;
    const struct loss_kind *l;

    if (at && at->kind == YAML_MAP) {
        if (at->n != 1)
            return yaml_fail(at, err,
                             "loss is a name, {name: number} or {name: {..}}");
        name = at->keys[0];
        more = yaml_get(at, name);
    } else if (at) {
        FUSOR_TRY(yaml_to_text(at, &name, err));
    }
    l = h->loss = registry_loss(name);
    if (!l)
        return build_unknown(at, "loss", name, registry_loss_names(), err);
    h->loss_param = l->param_default;
    h->setting = (struct loss_setting){.from = l->from,
                                       .n = l->n,
                                       .logq = l->logq,
                                       .temperature = l->temperature,
                                       .calibrate = l->calibrate};
    if (more && !loss_judges_rows(l))
        return parse_setting(h, more, err);
    return more ? parse_param(h, more, err) : FUSOR_OK;
}

enum fusor_status model_set_loss(struct model *m, struct yaml_node *at,
                                 struct fusor_error *err)
{
    if (at && m->labelled)
        return yaml_fail(at, err,
                         "the job has labels: each has its loss, and a stage "
                         "none of its own");
    return m->labelled ? FUSOR_OK
                       : loss_parse(&m->heads[0], at ? at : m->loss_node, err);
}

const struct loss_setting *model_loss_setting(const struct model *m, int *only)
{
    if (only)
        *only = !loss_judges_rows(m->heads[0].loss);
    return m->heads[0].loss->over ? &m->heads[0].setting : NULL;
}

float model_list_share(const struct model *m, uint32_t n)
{
    const struct label_head *h = &m->heads[0];

    return h->loss->share ? h->loss->share(h->loss_param, n) : 1.0f;
}

static enum fusor_status check_tower(const struct model *m,
                                     const struct tower *t, int every,
                                     unsigned char *fields,
                                     struct fusor_error *err)
{
    const char *why = "it reads no sequence";
    int field;

    if (!t->kind->queries || t->kind->query_width(t) == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "loss %s compares items, but tower %s does not "
                          "factorise: train it with a loss over rows, such as "
                          "bce",
                          m->heads[0].loss->name, t->name);
    if (t->aux.loss)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "loss %s compares items and leaves no score for the "
                          "auxiliary loss of tower %s: delete its aux",
                          m->heads[0].loss->name, t->name);
    if (!every)
        return FUSOR_OK;
    field = t->kind->every_field ? t->kind->every_field(t, m, &why) : -1;
    if (field < 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "tower %s cannot be trained at every position: %s; "
                          "write train: {samples: events}",
                          t->name, why);
    if (fields)
        fields[field] |= t->kind->finds_first && t->kind->finds_first(t)
                             ? EVERY_FROM_FIRST
                             : EVERY_NEXT;
    return FUSOR_OK;
}

enum fusor_status model_check_candidates(const struct model *m, int every,
                                         unsigned char *fields,
                                         struct fusor_error *err)
{
    uint32_t n = 0;

    if (m->heads[0].setting.exclude && !every)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "loss %s: exclude: seen leaves out what stands "
                          "before each position of a sequence: write train: "
                          "{samples: sequences} or delete it",
                          m->heads[0].loss->name);
    for (uint32_t t = 0; t < m->n_towers; t++) {
        if (!m->towers[t].trained)
            continue;
        n++;
        FUSOR_TRY(check_tower(m, &m->towers[t], every, fields, err));
    }
    if (n == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "loss %s trains towers that factorise, and the stage "
                          "names none: train the fusion with a loss over rows, "
                          "such as listnet beside negatives: 20",
                          m->heads[0].loss->name);
    return FUSOR_OK;
}

void model_expect_candidates(struct model *m, uint32_t most, int every)
{
    if (most > m->most_candidates)
        m->most_candidates = most;
    m->every |= every;
}
