/* Optimizers as users write them in YAML, and the help about them. Tables say
 * all; see base/option.h. */
#include <string.h>

#include "optim/rule.h"

static const char *const schedule_names[] = {
    "constant", "step", "exponential", "linear", "cosine", NULL};

const char *optim_schedule_name(enum optim_schedule schedule)
{
    return schedule_names[schedule];
}

static const struct option_spec schedule_options[] = {
    {"kind", OPTION_TYPE_ENUM, offsetof(struct optim_spec, schedule),
     "constant", 0, 0, schedule_names, "how lr goes after the warm-up"},
    OPTION_SIZE(struct optim_spec, warmup, "0", 0, 1e15,
                "units over which lr rises from 0, with any kind"),
    OPTION_SIZE(struct optim_spec, total, "0", 0, 1e15,
                "linear, cosine: units of a stage; 0: all of its epochs"),
    OPTION_DOUBLE(struct optim_spec, floor, "0", 0, 1,
                  "linear, cosine: least factor of lr"),
    OPTION_DOUBLE(struct optim_spec, decay, "1", 1e-6, 1,
                  "step: factor every `every` epochs; exponential: per epoch"),
    OPTION_SIZE(struct optim_spec, every, "1", 1, 1e9, "step: epochs"),
    OPTION_END};

/* An l2 scope as users may write it: none is not among them. */
static const char *const scope_names[] = {"row", "table", NULL};

struct l2_form {
    double value;
    int scope;
};

static const struct option_spec l2_options[] = {
    OPTION_DOUBLE(struct l2_form, value, NULL, 0, 1e6, "factor of the weight"),
    OPTION_ENUM(struct l2_form, scope, "row", scope_names,
                "row: when touched; table: in every unit, touched or not"),
    OPTION_END};

/* Read a group that may be written in short: a scalar stands for a map with
 * that one key, so both forms are checked by the same table. */
static enum fusor_status read_group(const struct option_spec *specs,
                                    struct yaml_node *node, const char *where,
                                    const char *short_key, void *out,
                                    struct fusor_error *err)
{
    const char *keys[] = {short_key};
    struct yaml_node *items[] = {node};
    struct yaml_node map = {
        .kind = YAML_MAP, .n = 1, .keys = keys, .items = items};

    if (!node || node->kind != YAML_SCALAR)
        return option_read(specs, node, where, out, err);
    map.file = node->file;
    map.line = node->line;
    map.column = node->column;
    return option_read(specs, &map, where, out, err);
}

enum fusor_status optim_parse_l2(struct yaml_node *node,
                                 struct optim_spec *spec,
                                 struct fusor_error *err)
{
    struct l2_form form = {0, 0};

    FUSOR_TRY(read_group(l2_options, node, "l2", "value", &form, err));
    spec->l2 = form.value;
    spec->l2_scope = form.scope == 0 ? OPTIM_L2_ROW : OPTIM_L2_TABLE;
    if (form.value == 0)
        spec->l2_scope = OPTIM_L2_NONE;
    return FUSOR_OK;
}

/* Join the rule's short `decay` and its `schedule` to one. */
static enum fusor_status join_schedule(struct yaml_node *at,
                                       struct optim_form *form,
                                       struct fusor_error *err)
{
    struct optim_spec *s = &form->spec;
    int decays;

    if (form->decay != 1 && s->decay != 1)
        return yaml_fail(at, err, "decay is given twice: here and in schedule");
    if (form->decay != 1)
        s->decay = form->decay;
    if (s->decay != 1 && s->schedule == OPTIM_CONSTANT)
        s->schedule = OPTIM_STEP;
    decays = s->schedule == OPTIM_STEP || s->schedule == OPTIM_EXPONENTIAL;
    if (decays && s->decay == 1)
        return yaml_fail(at, err, "schedule %s needs a decay below 1",
                         schedule_names[s->schedule]);
    if (!decays && s->decay != 1)
        return yaml_fail(at, err, "schedule %s takes no decay",
                         schedule_names[s->schedule]);
    return FUSOR_OK;
}

/* The settings of a rule over its defaults and those of a schedule. */
static enum fusor_status read_form(int kind, struct yaml_node *value,
                                   struct optim_form *form,
                                   struct fusor_error *err)
{
    const struct optim_rule *rule = optim_rule_of(kind);

    memset(form, 0, sizeof(*form));
    form->decay = 1;
    form->spec.kind = kind;
    FUSOR_TRY(
        option_read(schedule_options, NULL, "schedule", &form->spec, err));
    return read_group(rule->options, value, rule->name, rule->scalar, form,
                      err);
}

void optim_spec_default(enum optim_kind kind, struct optim_spec *out)
{
    struct optim_form form;

    /* Defaults are ours: a test reads every table without an error. */
    (void)read_form((int)kind, NULL, &form, NULL);
    *out = form.spec;
}

/* @return the kind, or -1 after an error at the name */
static int find_kind(const struct yaml_node *at, const char *name,
                     struct fusor_error *err)
{
    static const char *const names[] = {
#define OPTIM_KIND_NAME(upper, lower) #lower,
        OPTIM_KIND_LIST(OPTIM_KIND_NAME)
#undef OPTIM_KIND_NAME
            NULL};
    const char *near;

    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return i;
    near = str_nearest(name, names);
    if (near)
        yaml_fail(at, err, "no optimizer \"%s\"; did you mean \"%s\"?", name,
                  near);
    else
        yaml_fail(at, err,
                  "no optimizer \"%s\"; there is: sgd, momentum, adagrad, "
                  "rowwise_adagrad, adam, ftrl, ema",
                  name);
    return -1;
}

/* The value beside the rule's name (NULL: none): a number or a map. */
static enum fusor_status parse_value(int kind, struct yaml_node *value,
                                     struct optim_spec *out,
                                     struct fusor_error *err)
{
    struct optim_form form;

    FUSOR_TRY(read_form(kind, value, &form, err));
    if (form.l2)
        FUSOR_TRY(optim_parse_l2(form.l2, &form.spec, err));
    if (form.schedule)
        FUSOR_TRY(read_group(schedule_options, form.schedule, "schedule",
                             "kind", &form.spec, err));
    FUSOR_TRY(join_schedule(value, &form, err));
    *out = form.spec;
    return FUSOR_OK;
}

enum fusor_status optim_parse(struct yaml_node *node, struct optim_spec *out,
                              struct fusor_error *err)
{
    const char *name;
    int kind;

    node->used = 1;
    if (node->kind == YAML_SCALAR) {
        FUSOR_TRY(yaml_to_text(node, &name, err));
        kind = find_kind(node, name, err);
        return kind < 0 ? FUSOR_EUSAGE : parse_value(kind, NULL, out, err);
    }
    if (node->kind != YAML_MAP || node->n != 1)
        return yaml_fail(node, err,
                         "an optimizer is written as `adam`, `{adam: 1.0e-3}` "
                         "or `{adam: {lr: 1.0e-3}}`");
    kind = find_kind(node->items[0], node->keys[0], err);
    if (kind < 0)
        return FUSOR_EUSAGE;
    node->items[0]->used = 1;
    return parse_value(kind, node->items[0], out, err);
}

void optim_help(struct strbuf *out)
{
    for (int i = 0; i < OPTIM_N_KINDS; i++) {
        const struct optim_rule *rule = optim_rule_of(i);

        strbuf_addf(out, "%s: %s\n", rule->name, rule->help);
        option_help(rule->options, out);
    }
    strbuf_add(out, "schedule (of any rule that lists it):\n");
    option_help(schedule_options, out);
    strbuf_add(out, "l2 (of any rule that lists it), a NUMBER or:\n");
    option_help(l2_options, out);
}
