/* A model: towers over fields, joined by a fusion into one score per sample.
 *
 * struct model is the immutable description (graph, shapes, parameters wanted),
 * shared by all threads. struct model_run is one thread's workspace for
 * micro-batches of up to max_batch samples. A step over one micro-batch:
 *
 *   for each lookup: positions (made by the worker from the field's ids)
 *   model_forward()  -> scores (logits) and outputs
 *   model_loss()     -> sum of the loss, gradient of the scores
 *   model_backward() -> one gradient row per touched key, one dense gradient
 *
 * The model opens no file, knows no rank, and draws randomness only from
 * (seed, purpose, epoch, sample id). */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/batch.h"
#include "base/params.h"
#include "base/yaml.h"

/* One way a table is read by a field. Equal pairs are shared by all towers. */
struct model_lookup {
    uint32_t table;
    uint32_t field;
    uint64_t salt; // key = id + salt (fields of one table told apart), or 0
};

struct model;

/** Build from the job's tables, towers, fusion, output and loss.
 * @param job the root of the job file; reads those keys only
 * @param fields what batches will hold; borrowed while the model lives */
enum fusor_status model_create(struct yaml_node *job,
                               const struct field_spec *fields, size_t n_fields,
                               uint64_t seed, struct model **out,
                               struct fusor_error *err);
void model_destroy(struct model *m);
const struct param_spec *model_params(const struct model *m);
const struct model_lookup *model_lookups(const struct model *m, uint32_t *n);
/** The graph with shapes, rows and bytes, for --check. */
void model_describe(const struct model *m, struct strbuf *out);

/** Which part a stage trains: parameters of other towers are read, not pushed
 * (their gradients are not even computed). Names of towers, or "fusion".
 * @param names NULL-terminated; NULL: everything */
enum fusor_status model_set_trained(struct model *m, const char *const *names,
                                    struct fusor_error *err);

/** Towers, in the job's order. */
uint32_t model_n_towers(const struct model *m);
const char *model_tower_name(const struct model *m, uint32_t i);
/** Does the tower factorise: score = query vector . item vector + biases? */
int model_tower_factorises(const struct model *m, uint32_t i);

struct model_run;

enum fusor_status model_run_create(const struct model *m, uint32_t max_batch,
                                   struct model_run **out,
                                   struct fusor_error *err);
void model_run_destroy(struct model_run *r);

/* What one micro-batch reads and writes. */
struct model_tables {
    const float *const *rows; // [n_keys] values of the step's distinct keys
    float *const *grads;      // [n_keys] gradient rows, zero at first touch;
                              // only those of keys in this batch are written
};

struct model_step {
    const struct batch *batch;
    const uint32_t *const *positions; // [n_lookups][n_values]: value -> index
                                      // of its key in the table, or UINT32_MAX
                                      // for BATCH_NO_ID
    const struct model_tables *tables; // [n_tables]
    const float *dense;  // [n_dense]
    float *dense_grad;   // [n_dense], written whole (zeros where untouched)
    float grad_scale;    // 1 / samples (weights) of the global batch
    int training;        // dropout, batch statistics
    uint64_t epoch;
};

/** @param scores [n] logits; outputs [n] after the output function; either may
 * be NULL. The run keeps what backward needs. */
enum fusor_status model_forward(struct model_run *r, const struct model_step *s,
                                float *scores, float *outputs,
                                struct fusor_error *err);
/** Scores of each tower, [n_towers][n], of the last forward pass. */
const float *model_tower_scores(const struct model_run *r, uint32_t tower);
/** Fusion weights of the last forward pass, [n][n_towers], or NULL when the
 * fusion has none per sample. */
const float *model_fusion_weights(const struct model_run *r);
/** Loss of the last forward pass. @param sum set to the weighted sum */
enum fusor_status model_loss(struct model_run *r, const struct model_step *s,
                             double *sum, struct fusor_error *err);
enum fusor_status model_backward(struct model_run *r,
                                 const struct model_step *s,
                                 struct fusor_error *err);

#endif
