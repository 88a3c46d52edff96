/* One thread's workspace for micro-batches of a model, as towers, fusions and
 * layers see it. Private to src/model.
 *
 * Everything is taken in model_run_create(); forward and backward allocate
 * nothing. */
#ifndef MODEL_RUN_H
#define MODEL_RUN_H

#include "model/build.h"

struct encoder_state;
struct matrix_state;
struct contrast;
struct list_room;

/* Of one label. */
struct head_state {
    void *fusion_state;
    float *fusion_weights; // [n, its towers] or NULL
    float *shared_weights; // [its towers] of all samples, or NULL
    float *score;          // [n]
    float *output;         // [n] after the output function
    float *loss_grad;      // [n] weight * d loss / d score, from model_loss()
    float *score_grad;     // [n] the same * grad_scale, used up by backward
};

struct model_run {
    const struct model *model;
    uint32_t max_batch;
    uint32_t n;                     // samples of the last forward pass
    struct matrix_state *matrices;  // [n_matrices]
    struct encoder_state *encoders; // [n_encoders]
    float **tower_out;              // [n_towers] -> [n, width]
    float **tower_grad;       // [n_towers] -> [n, width] d loss / d tower_out
    void **tower_state;       // [n_towers] each kind's
    struct head_state *heads; // [n_heads]
    uint32_t label;           // whose scores are told
    unsigned char *has_grad;  // [n_towers] tower_grad was written
    float **aux_grad;         // [n_towers] -> [n] of auxiliary losses, or NULL
    float *aux_output;        // [n]
    float *label_values;      // [n] of one label, with labels
    float *label_weights;     // [n]
    struct list_room *lists;  // of losses over lists
    unsigned char *missing;   // [n_towers]
    uint32_t n_missing;
    enum model_tops tops_state;
    float tops[BATCH_MAX_LABELS][MAX_TOWERS]; // of each fusion's towers
    uint32_t unheard; // sample about which no tower of a fusion says anything;
                      // UINT32_MAX: there is none
    struct contrast *contrast; // [n_towers] of a loss over candidates
    float *contrast_scratch;
    void **taken; // what run_take() gave
    size_t n_taken, taken_cap;
    int failed;              // a run_take() found no memory
    struct profile *profile; // of the step under way
};

/** n * size zeroed bytes that live as long as the run. On exhaustion the run is
 * marked failed and NULL comes back; model_run_create() looks once. */
void *run_take(struct model_run *r, size_t n, size_t size);

/** What the run holds for the head of this fusion. */
static inline struct head_state *run_head(const struct model_run *r,
                                          const struct fusion *f)
{
    return &r->heads[f->head];
}

/** Row of a field that sample i reads. */
static inline uint32_t run_field_row(const struct model *m,
                                     const struct batch *b, uint32_t field,
                                     uint32_t i)
{
    return m->fields[field].side == SIDE_QUERY ? b->query_of[i] : i;
}

/** Sum of the sample weights of the batch times grad_scale: the batch's share
 * of the global batch. */
float run_share(const struct model_step *s);

#endif
