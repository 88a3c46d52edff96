/* Encoded texts as parts of tower `dot`, see the header; two-tower models of
 * texts: Huang et al. 2013 (DSSM), with convolutions Shen et al. 2014. */
#include "model/tower/dot_text.h"

#include <string.h>

#include "base/mem.h"
#include "tensor/vec.h"

#define MAX_KEYS 64

static const struct {
    const char *name;
    const struct sequence_encoder *encoder;
} encoders[] = {
    {"cnn", &sequence_encoder_cnn},
    {"gru", &sequence_encoder_gru},
    {"lstm", &sequence_encoder_lstm},
    {"rnn", &sequence_encoder_rnn},
    {"transformer", &sequence_encoder_transformer},
};
#define N_ENCODERS (sizeof(encoders) / sizeof(encoders[0]))

struct dot_text_state {
    struct sequence_code code;
    const float **rows; // [most] the vectors in code
    float **grads;      // [most]
    uint32_t *place;    // [most] 0, 1, ...
    int whole;          // the texts were encoded together
};

/* ---- build ---- */

static const struct sequence_encoder *find_encoder(struct yaml_node *at,
                                                   const char **name)
{
    struct yaml_node *pool = at->kind == YAML_MAP ? yaml_get(at, "pool") : NULL;

    if (!pool || pool->kind != YAML_SCALAR)
        return NULL;
    for (size_t i = 0; i < N_ENCODERS; i++)
        if (!strcmp(pool->text, encoders[i].name)) {
            *name = encoders[i].name;
            return encoders[i].encoder;
        }
    return NULL;
}

int dot_text_is(struct yaml_node *at)
{
    const char *name;

    return find_encoder(at, &name) != NULL;
}

static int is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(*words, word))
        words++;
    return *words != NULL;
}

/* What of a tower's settings has a meaning for its encoder alone. */
static enum fusor_status check_keys(struct yaml_node *at, const char *name,
                                    const struct sequence_encoder *e,
                                    struct fusor_error *err)
{
    static const char *const of_towers[] = {SEQUENCE_KEYS, "mask", NULL};
    const char *allowed[MAX_KEYS] = {"text", "sequence", "pool", "table",
                                     "max"};
    size_t n = 5;

    for (size_t i = 0; e->keys[i] && n + 1 < MAX_KEYS; i++)
        if (!is_one_of(e->keys[i], of_towers))
            allowed[n++] = e->keys[i];
    return build_keys(at, name, allowed, err);
}

static int reads(const struct dot_texts *texts, uint32_t field)
{
    for (uint32_t i = 0; i < texts->n; i++)
        if (texts->items[i]->ids.field == field)
            return 1;
    return 0;
}

/* The look-up of one field, by the inputs' own rules of tables. */
static enum fusor_status find_ids(struct model *m, struct yaml_node *name,
                                  const char *table, struct embedding *out,
                                  struct fusor_error *err)
{
    struct inputs in = {0};
    enum field_type type;
    enum fusor_status rc;

    rc = inputs_parse(m, name, &(struct inputs_from){.table = table}, &in, err);
    if (rc == FUSOR_OK && (in.n != 1 || in.items[0].kind != INPUT_IDS))
        rc = yaml_fail(name, err, "want the name of a text or a sequence");
    if (rc == FUSOR_OK) {
        *out = in.items[0].ids;
        type = m->fields[out->field].type;
        if (type != FIELD_TEXT && type != FIELD_SEQUENCE)
            rc = yaml_fail(name, err,
                           "field %s is %s: a network reads a text or a "
                           "sequence",
                           m->fields[out->field].name, field_type_name(type));
    }
    inputs_clear(&in);
    return rc;
}

static enum fusor_status add_text(struct model *m, struct yaml_node *at,
                                  struct yaml_node *name, const char *table,
                                  const struct sequence_encoder *e,
                                  struct dot_texts *out,
                                  const struct dot_texts *other,
                                  struct fusor_error *err)
{
    struct embedding ids;
    struct sequence *q;
    enum fusor_status rc;

    FUSOR_TRY(find_ids(m, name, table, &ids, err));
    if (reads(out, ids.field) || reads(other, ids.field))
        return yaml_fail(name, err, "field %s has a network in this tower",
                         m->fields[ids.field].name);
    if (out->n == DOT_PARTS_MAX)
        return yaml_fail(name, err, "more than %d texts", DOT_PARTS_MAX);
    q = mem_alloc(1, sizeof(*q));
    if (!q)
        return mem_fail(err, "text", sizeof(*q));
    out->items[out->n++] = q;
    m->of_owner = m->fields[ids.field].name;
    rc = sequence_build_encoder(m, at, e, &ids, q, err);
    m->of_owner = NULL;
    return rc;
}

enum fusor_status dot_texts_parse(struct model *m, struct yaml_node *at,
                                  const char *table, struct dot_texts *out,
                                  const struct dot_texts *other,
                                  struct fusor_error *err)
{
    struct yaml_node *name = yaml_get(at, "text");
    const struct sequence_encoder *e;
    const char *pool;

    e = find_encoder(at, &pool);
    FUSOR_TRY(check_keys(at, pool, e, err));
    if (!name)
        name = yaml_get(at, "sequence");
    if (!name || (name->kind == YAML_LIST && name->n == 0))
        return yaml_fail(at, err, "%s reads no field: name a text or sequence",
                         pool);
    if (yaml_get(at, "table"))
        FUSOR_TRY(yaml_to_text(yaml_get(at, "table"), &table, err));
    if (name->kind != YAML_LIST)
        return add_text(m, at, name, table, e, out, other, err);
    for (size_t i = 0; i < name->n; i++)
        FUSOR_TRY(add_text(m, at, name->items[i], table, e, out, other, err));
    return FUSOR_OK;
}

void dot_texts_clear(struct dot_texts *texts)
{
    for (uint32_t i = 0; i < texts->n; i++) {
        sequence_clear(texts->items[i]);
        mem_free(texts->items[i]);
    }
    texts->n = 0;
}

static void take(const struct sequence *q, struct model_run *r, uint32_t most,
                 struct dot_text_state *st)
{
    uint32_t was = r->max_batch;

    r->max_batch = most; // candidates may be more than samples
    sequence_code_take(q, r, &st->code);
    r->max_batch = was;
    st->rows = run_take(r, most, sizeof(*st->rows));
    st->grads = run_take(r, most, sizeof(*st->grads));
    st->place = run_take(r, most, sizeof(*st->place));
    for (uint32_t i = 0; !r->failed && i < most; i++) {
        st->rows[i] = st->code.q + (size_t)i * q->dim;
        st->grads[i] = st->code.dq + (size_t)i * q->dim;
        st->place[i] = i;
    }
}

struct dot_text_state *dot_texts_take(const struct dot_texts *texts,
                                      struct model_run *r, uint32_t most)
{
    struct dot_text_state *st = run_take(r, texts->n, sizeof(*st));

    for (uint32_t k = 0; st && k < texts->n; k++)
        take(texts->items[k], r, most, &st[k]);
    return st;
}

/* ---- one step ---- */

void dot_texts_encode(const struct dot_texts *texts, struct dot_text_state *st,
                      const struct model *m, const struct model_step *s,
                      int train)
{
    for (uint32_t k = 0; k < texts->n; k++) {
        st[k].whole = s->training;
        if (st[k].whole)
            sequence_encode(texts->items[k], &st[k].code, m, s, train);
        else
            sequence_encode_each(texts->items[k], &st[k].code, m, s);
    }
}

struct embedding_view dot_texts_view(const struct dot_texts *texts,
                                     const struct dot_text_state *st,
                                     uint32_t k)
{
    return (struct embedding_view){
        .rows = st[k].rows,
        .grads = st[k].grads,
        .position = st[k].place,
        .dim = texts->items[k]->dim,
        .pool = POOL_SUM,
    };
}

void dot_texts_begin(const struct dot_texts *texts, struct dot_text_state *st,
                     const struct model *m, const struct model_step *s)
{
    for (uint32_t k = 0; k < texts->n; k++) {
        const struct sequence *q = texts->items[k];

        if (!st[k].whole) // a pass that did not train is differentiated
            sequence_encode(q, &st[k].code, m, s, 0);
        vec_ops()->fill(st[k].code.dq, 0.0f,
                        (size_t)st[k].code.pack.n_all * q->dim);
    }
}

void dot_texts_backward(const struct dot_texts *texts,
                        struct dot_text_state *st, const struct model *m,
                        const struct model_step *s, float l2)
{
    for (uint32_t k = 0; k < texts->n; k++)
        sequence_decode_all(texts->items[k], &st[k].code, m, s, l2);
}

void dot_texts_add(const struct dot_texts *texts,
                   const struct dot_text_state *st, const struct model *m,
                   const struct model_step *s, float *x)
{
    for (uint32_t k = 0; k < texts->n; k++) {
        const struct sequence *q = texts->items[k];

        for (uint32_t i = 0; i < s->batch->n; i++) {
            float *to = x + (size_t)i * q->dim;
            uint32_t row = run_field_row(m, s->batch, q->ids.field, i);

            vec_ops()->add(to, to, st[k].rows[row], q->dim);
        }
    }
}

void dot_texts_add_grad(const struct dot_texts *texts,
                        struct dot_text_state *st, const struct model *m,
                        const struct model_step *s, const float *dx)
{
    for (uint32_t k = 0; k < texts->n; k++) {
        const struct sequence *q = texts->items[k];

        for (uint32_t i = 0; i < s->batch->n; i++) {
            uint32_t row = run_field_row(m, s->batch, q->ids.field, i);
            float *to = st[k].grads[row];

            vec_ops()->add(to, to, dx + (size_t)i * q->dim, q->dim);
        }
    }
}

/* ---- telling ---- */

unsigned dot_texts_sides(const struct dot_texts *texts, const struct model *m)
{
    unsigned sides = 0;

    for (uint32_t k = 0; k < texts->n; k++)
        sides |= 1u << m->fields[texts->items[k]->ids.field].side;
    return sides;
}

void dot_texts_describe(const struct dot_texts *texts, const struct model *m,
                        int first, struct strbuf *out)
{
    for (uint32_t k = 0; k < texts->n; k++) {
        const struct sequence *q = texts->items[k];

        strbuf_addf(
            out, "%s%s->%s, %s %u: ", first && k == 0 ? "" : ", ",
            m->fields[q->ids.field].name, m->table_specs[q->ids.table].name,
            m->fields[q->ids.field].type == FIELD_TEXT ? "first" : "last",
            q->pack.max);
        q->encoder->describe(q, out);
    }
}
