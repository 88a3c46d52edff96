/* The variations of a model: encoders, towers, fusions and losses, each one
 * file and one line in the const tables of registry.c. Private to src/model. */
#ifndef MODEL_REGISTRY_H
#define MODEL_REGISTRY_H

#include "model/loss/candidates.h"
#include "model/run.h"

struct built;
struct encoder;
struct stack_spec;

/* A kind of encoder (encoder.h), whose vectors have e->width floats. */
struct experts;
struct experts_state;

struct encoder_kind {
    const char *name;
    int by_label;            // a vector for each label, not one
    const char *const *keys; // settings of its own, NULL-terminated
    /** Declare its blocks over the matrix e->matrix; sets e->self and e->width.
     * On failure e->self may be set; destroy() is called anyway.
     * @param layers what the encoder's units say; at least one */
    enum fusor_status (*build)(struct model *m, struct encoder *e,
                               struct yaml_node *at,
                               const struct stack_spec *layers,
                               struct fusor_error *err);
    void (*destroy)(struct encoder *e);
    /** The workspace; taken with run_take(), may be NULL. */
    void *(*run_create)(const struct encoder *e, struct model_run *r);
    /** Set out of its state to its vectors of x [n, inputs]. */
    void (*forward)(const struct encoder *e, struct model_run *r,
                    const struct model_step *s, const float *x, int train);
    /** From grad of its state, used up, write its blocks' gradients and, unless
     * NULL, dx [n, inputs]. */
    void (*backward)(const struct encoder *e, struct model_run *r,
                     const struct model_step *s, const float *x, float *dx);
    void (*describe)(const struct encoder *e, struct strbuf *out);
    /** Its experts and gates of a level, from 0, and what a run holds of them;
     * NULL: there is no such level. NULL functions: it has none. */
    const struct experts *(*experts)(const struct encoder *e, uint32_t level);
    const struct experts_state *(*experts_state)(const struct encoder *e,
                                                 const struct model_run *r,
                                                 uint32_t level);
};

/* The query vectors that a loss over candidates is about. */
struct query_set {
    uint32_t n;
    const float *q;     // [n, query_width]
    uint32_t *item;     // [n] id of the item each should find; UINT32_MAX: none
    uint32_t *sample;   // [n] of the batch
    const float *share; // [n] how much each counts; NULL: 1
    const uint64_t *had;     // ids of what was had before; NULL: not known
    uint32_t *first, *until; // [n] had: where its own begin and end
};

/* A kind of tower. All functions get the tower whose self build() made. */
struct tower_kind {
    const char *name;
    int given; // its scores come from outside: nothing to train or to build
    /** Read the tower's map and declare what it needs; sets t->self and
     * t->width. On failure t->self may be set; destroy() is called anyway. */
    enum fusor_status (*build)(struct model *m, struct tower *t,
                               struct yaml_node *at, struct fusor_error *err);
    void (*destroy)(struct tower *t);
    /** The workspace; taken with run_take(), may be NULL. */
    void *(*run_create)(const struct tower *t, struct model_run *r);
    /** Fill r->tower_out[t->index], [n, width]. train: dropout and batch
     * statistics. */
    void (*forward)(const struct tower *t, struct model_run *r,
                    const struct model_step *s, int train);
    /** After forward(): is anything wrong with what it read? NULL: never. */
    enum fusor_status (*check)(const struct tower *t, const struct model_run *r,
                               const struct model_step *s,
                               struct fusor_error *err);
    /** From r->tower_grad[t->index] add to the gradient rows and write the
     * tower's blocks in s->dense_grad (zero before). Follows forward() of the
     * same step. */
    void (*backward)(const struct tower *t, struct model_run *r,
                     const struct model_step *s);
    /** One line of text about it. */
    void (*describe)(const struct tower *t, const struct model *m,
                     struct strbuf *out);
    /** The query vector of sample i after forward(), [query_width]; NULL: has
     * none. */
    const float *(*query)(const struct tower *t, const struct model_run *r,
                          const struct model_step *s, uint32_t i);
    uint32_t (*query_width)(const struct tower *t);
    /** What a stage computes for it, in t->self; NULL: it is trained. */
    const struct built *(*built)(const struct tower *t);

    /* What a loss over candidates needs, instead of forward() and backward(),
     * of a tower that factorises: score = query vector . item vector + biases.
     */
    /** Most query vectors of a micro-batch. */
    size_t (*queries_most)(const struct tower *t, const struct model_run *r);
    /** The query vectors of the samples, or of every position of their
     * sequences when s->candidates->every.
     * @param out arrays of queries_most() to fill; q is set */
    void (*queries)(const struct tower *t, struct model_run *r,
                    const struct model_step *s, int train,
                    struct query_set *out);
    /** @param dq [n, query_width] used up */
    void (*queries_backward)(const struct tower *t, struct model_run *r,
                             const struct model_step *s, float *dq);
    /** Vectors and biases of items: the samples of s, of which only fields of
     * the item side count.
     * @param v [n, query_width] @param bias [n], left alone where it has none
     * @param part [n, query_width] scratch
     * @return has it biases? */
    int (*items)(const struct tower *t, const struct model_run *r,
                 const struct model_step *s, float *v, float *bias,
                 float *part);
    void (*items_backward)(const struct tower *t, const struct model_run *r,
                           const struct model_step *s, const float *dv,
                           float *dbias, float *part);
    /** Does the tower know a sample's item by what items() makes alone, and
     * its query without the item? NULL function: no. Needs items(). */
    int (*ranks)(const struct tower *t, const struct model *m);
    /** What forward() would have said of the first sample of its last batch
     * with other items, in the same bits.
     * @param v, bias of items() @param which [n] of them @param out [n] */
    void (*rank)(const struct tower *t, const struct model_run *r,
                 const struct model_step *s, const float *v, const float *bias,
                 const uint32_t *which, uint32_t n, float *out);
    /** The field whose every position can be trained; -1, with the reason, when
     * there is none. NULL: the tower reads no sequence. */
    int (*every_field)(const struct tower *t, const struct model *m,
                       const char **why_not);
    /** Can the first item of that field be what a query vector should find?
     * NULL: no. */
    int (*finds_first)(const struct tower *t);
};

/* A kind of fusion, of the towers and the label that f names (head.h). Its
 * inputs are these towers' outputs after the link, see fusion/mix.h. */
struct fusion_kind {
    const char *name;
    enum fusor_status (*build)(struct model *m, struct fusion *f,
                               struct yaml_node *at, struct fusor_error *err);
    void (*destroy)(struct fusion *f);
    void *(*run_create)(const struct fusion *f, struct model_run *r);
    /** r->tower_out -> the head's score. */
    void (*forward)(const struct fusion *f, struct model_run *r,
                    const struct model_step *s, int train);
    /** The head's score_grad -> r->tower_grad and, when trained, its own
     * blocks. */
    void (*backward)(const struct fusion *f, struct model_run *r,
                     const struct model_step *s);
    /** model_contributions() */
    void (*contributions)(const struct fusion *f, struct model_run *r,
                          const struct model_step *s, float *out);
    void (*describe)(const struct fusion *f, const struct model *m,
                     struct strbuf *out);
    /** Does forward() read fields of the samples? NULL function: no, only what
     * the towers said. */
    int (*reads_samples)(const struct fusion *f);
};

struct loss_list;

/* A kind of loss over the rows of one micro-batch, over lists of rows of one
 * query (see loss/lists.h), over candidates (loss/candidates.h), or over rows
 * and candidates. */
struct loss_kind {
    const char *name;
    int pairwise;  // rows come in pairs: wanted at 2i, not wanted at 2i + 1
    int on_logits; // takes scores before the output function
    /* The same number added to all scores of a query changes nothing: scores
     * order its items and estimate no label. */
    int only_orders;
    const char *param; // name of its one number, or NULL
    float param_default;
    /** @param x [n] predictions: scores, or outputs of a sigmoid when
     * on_logits is 0
     * @param grad [n] set to weight * d loss / d x
     * @return the weighted sum; labels were checked */
    double (*eval)(float param, const float *x, const float *label,
                   const float *weight, uint32_t n, float *grad);
    /** Of one list, which has at least two rows; weighs 1. */
    double (*list)(float param, const struct loss_list *l);
    /** model_list_share(); NULL: all of it. */
    float (*share)(float param, uint32_t n);
    float label_low, label_high; // labels outside are refused
    /** The loss over candidates of a micro-batch; NULL: it has no such form.
     * eval is NULL when it has no other. The rest are defaults of its settings.
     */
    double (*over)(const struct candidates *c);
    enum candidates_from from;
    uint32_t n;
    int logq;
    float calibrate; // 0: has none
    float temperature;
};

/** Does it judge the rows of a micro-batch? Else only candidates. */
static inline int loss_judges_rows(const struct loss_kind *l)
{
    return l->eval || l->list;
}

const struct encoder_kind *registry_encoder(const char *name);
const struct tower_kind *registry_tower(const char *name);
const struct fusion_kind *registry_fusion(const char *name);
const struct loss_kind *registry_loss(const char *name);
/** All names, NULL-terminated. */
const char *const *registry_encoder_names(void);
const char *const *registry_tower_names(void);
const char *const *registry_fusion_names(void);
const char *const *registry_loss_names(void);

#endif
