/* How much of each expert the gates of labels take: sums over samples, a table,
 * JSON. */
#include <stdio.h>

#include "base/mem.h"
#include "cli/explain.h"
#include "cli/output.h"
#include "model/gates.h"

#define GATES_MAX (BATCH_MAX_LABELS + 1)

static const struct model *model_of(const struct explain *x)
{
    return x->opened->workload->model;
}

static size_t size_of(const struct gates_level *l)
{
    return (size_t)l->n_gates * l->n_experts;
}

enum fusor_status explain_take_gates(struct explain *x, struct fusor_error *err)
{
    uint32_t n = gates_n_levels(model_of(x));
    size_t size = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct gates_level l = gates_level(model_of(x), i);

        size += size_of(&l);
    }
    if (size == 0)
        return FUSOR_OK;
    x->gates = mem_alloc(size, sizeof(*x->gates));
    return x->gates ? FUSOR_OK
                    : mem_fail(err, "gates", size * sizeof(*x->gates));
}

void explain_count_gates(struct explain *x, uint32_t n)
{
    uint32_t n_levels = gates_n_levels(model_of(x));
    double *sums = x->gates;

    for (uint32_t i = 0; i < n_levels; i++) {
        struct gates_level l = gates_level(model_of(x), i);

        gates_add(x->worker.run, i, sums);
        sums += size_of(&l);
    }
    x->n_gated += n;
}

/* Gates that some level has. */
static uint32_t most_gates(const struct explain *x, uint32_t n_levels)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < n_levels; i++) {
        struct gates_level l = gates_level(model_of(x), i);

        most = l.n_gates > most ? l.n_gates : most;
    }
    return most;
}

/* @param gates columns of the table */
static void add_level(const struct explain *x, uint32_t level,
                      const double *sums, uint32_t gates, struct texttab *tab)
{
    struct gates_level l = gates_level(model_of(x), level);

    for (uint32_t e = 0; e < l.n_experts; e++) {
        char name[GATES_NAME_MAX], text[GATES_MAX][24];
        const char *cells[GATES_MAX + 1] = {name};

        gates_expert_name(model_of(x), level, e, name);
        for (uint32_t g = 0; g < gates; g++) {
            int has = g < l.n_gates && gates_weigh(model_of(x), level, g, e);

            cells[1 + g] = has ? text[g] : "-";
            if (has)
                snprintf(text[g], sizeof(text[g]), "%.4f",
                         sums[(size_t)g * l.n_experts + e] /
                             (double)x->n_gated);
        }
        texttab_row(tab, cells);
    }
}

enum fusor_status explain_gates_table(const struct explain *x,
                                      struct fusor_error *err)
{
    uint32_t n = gates_n_levels(model_of(x)), gates = most_gates(x, n);
    char heads[GATES_MAX][GATES_NAME_MAX];
    const char *columns[GATES_MAX + 2] = {"expert"};
    const double *sums = x->gates;
    struct texttab *tab;

    if (n == 0)
        return FUSOR_OK;
    for (uint32_t g = 0; g < gates; g++) {
        snprintf(heads[g], sizeof(heads[g]), ">%s",
                 gates_gate_name(model_of(x), g));
        columns[1 + g] = heads[g];
    }
    tab = texttab_create(columns);
    for (uint32_t i = 0; i < n; i++) {
        struct gates_level l = gates_level(model_of(x), i);

        add_level(x, i, sums, gates, tab);
        sums += size_of(&l);
    }
    output_say("how much of each expert the labels' gates take, mean of %llu "
               "sample%s",
               (unsigned long long)x->n_gated, x->n_gated == 1 ? "" : "s");
    return output_table(tab, err);
}

void explain_gates_json(const struct explain *x, struct json *j)
{
    uint32_t n = gates_n_levels(model_of(x));
    const double *sums = x->gates;

    if (n == 0)
        return;
    json_begin_object(j, "gates");
    for (uint32_t i = 0; i < n; i++) {
        struct gates_level l = gates_level(model_of(x), i);

        for (uint32_t e = 0; e < l.n_experts; e++) {
            char name[GATES_NAME_MAX];

            gates_expert_name(model_of(x), i, e, name);
            json_begin_object(j, name);
            for (uint32_t g = 0; g < l.n_gates; g++)
                if (gates_weigh(model_of(x), i, g, e))
                    json_number(j, gates_gate_name(model_of(x), g),
                                sums[(size_t)g * l.n_experts + e] /
                                    (double)x->n_gated);
            json_end_object(j);
        }
        sums += size_of(&l);
    }
    json_end_object(j);
}
