/* The model in words, for --check. */
#include "model/build.h"

#include "model/encoder.h"
#include "model/head.h"
#include "model/registry.h"

uint64_t model_table_rows(const struct model *m, uint32_t table)
{
    uint64_t rows = 0, most = 0;

    for (uint32_t i = 0; i < m->n_lookups; i++) {
        const struct model_lookup *l = &m->lookups[i];
        int seen = 0;

        if (l->table != table)
            continue;
        for (uint32_t k = 0; k < i; k++) // fields that share ids count once
            seen |= m->lookups[k].table == table &&
                    m->fields[m->lookups[k].field].vocab ==
                        m->fields[l->field].vocab;
        if (m->fields[l->field].cardinality == 0)
            return 0;
        if (m->fields[l->field].cardinality > most)
            most = m->fields[l->field].cardinality;
        if (!seen)
            rows += m->fields[l->field].cardinality;
    }
    return m->tables[table].by_field == 1 ? rows : most;
}

static void describe_table(const struct model *m, uint32_t t,
                           struct strbuf *out)
{
    static const char *const inits[] = {"zero", "one", "normal", "uniform"};
    const struct table_spec *spec = &m->table_specs[t];
    uint64_t rows = model_table_rows(m, t);
    char count[16], bytes[16];

    strbuf_addf(out, "  table   %-16s dim %u", spec->name, m->tables[t].dim);
    if (m->tables[t].n_columns)
        strbuf_addf(out, " + %u", m->tables[t].n_columns);
    if (spec->dtype == ROW_BF16)
        strbuf_add(out, " as bf16");
    if (spec->admit_count > 1)
        strbuf_addf(out, ", a row from step %u on", spec->admit_count);
    if (spec->admit_probability > 0)
        strbuf_addf(out, ", a row with chance %g",
                    (double)spec->admit_probability);
    strbuf_addf(out, ", init %s", inits[spec->init]);
    if (spec->init != INIT_ZERO)
        strbuf_addf(out, " %g", (double)spec->init_scale);
    if (rows)
        strbuf_addf(out, ", up to %s rows, %s", str_count((double)rows, count),
                    str_bytes((double)rows * spec->width *
                                  (spec->dtype == ROW_BF16 ? 2.0 : 4.0),
                              bytes));
    else
        strbuf_add(out, ", rows as keys appear");
    strbuf_add(out, "\n");
}

void model_describe(const struct model *m, struct strbuf *out)
{
    char count[16];

    strbuf_addf(out, "model: %u towers, %u tables, %u look-ups, %s weights\n",
                m->n_towers, m->params.n_tables, m->n_lookups,
                str_count((double)m->params.n_dense, count));
    for (uint32_t t = 0; t < m->params.n_tables; t++)
        describe_table(m, t, out);
    for (uint32_t e = 0; e < m->n_encoders; e++)
        encoder_describe(&m->encoders[e], m, out);
    for (uint32_t t = 0; t < m->n_towers; t++) {
        const struct tower *tower = &m->towers[t];

        strbuf_addf(out, "  tower   %-16s %s: ", tower->name,
                    tower->kind->name);
        tower->kind->describe(tower, m, out);
        strbuf_addf(out, "%s\n", tower->trained ? "" : " (frozen)");
    }
    heads_describe(m, out);
}
