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
 *
 *   output: identity | sigmoid | {range: [low, high]}; default sigmoid for
 *           bce, else identity. range clips the output only: the loss takes the
 *           score before it, so that a sample outside is pulled back.
 *   loss:   bce | mse (half the square) | {huber: delta} | bpr; default mse.
 *           bpr takes rows in pairs, see model_loss_is_pairwise().
 *           {listnet: temperature} | listmle | lambdarank compare the rows of
 *           one query with each other, see model_loss_is_listwise().
 *           labels: several, each with towers, fusion, output, loss and weight
 *           (head.h); a tower's `aux` is a loss of its own beside them.
 *           Over candidates, for towers that factorise, each by itself:
 *           full_softmax: {temperature: 1} |
 *           sampled_softmax: {n: 256, from: uniform | popularity | in_batch,
 *           logq: true, temperature: 1} | gbce: {n: 256, t: 0.75}; so do bce
 *           and bpr at every position of a sequence. A name alone takes these
 *           defaults. Without `loss` the first stage's.
 *
 * @param job the root of the job file; reads those keys only; must live as long
 *        as the model (model_table_node())
 * @param fields what batches will hold; borrowed while the model lives
 * @return EUSAGE with file:line:column, ENOMEM; *out untouched */
enum fusor_status model_create(struct yaml_node *job,
                               const struct field_spec *fields, size_t n_fields,
                               uint64_t seed, struct model **out,
                               struct fusor_error *err);
void model_destroy(struct model *m);
const struct param_spec *model_params(const struct model *m);
/** Look-ups differ in (table, field). */
const struct model_lookup *model_lookups(const struct model *m, uint32_t *n);
/** What the job wrote about a table (a number or a map with, among others,
 * `optimizer` and `l2`, which the model leaves to the store), or NULL for a
 * table that a tower made for itself. */
struct yaml_node *model_table_node(const struct model *m, uint32_t table);
/** Rows a table can get: ids of the fields that read it; 0: unbounded. */
uint64_t model_table_rows(const struct model *m, uint32_t table);
/** Single floats (biases, linear weights) in front of the vector of each row.
 */
uint32_t model_table_columns(const struct model *m, uint32_t table);
/** The fields it was created with. */
const struct field_spec *model_fields(const struct model *m, uint32_t *n);
/** Must batches have the field's values? Not when all that is asked of it was
 * put into tables that are built. */
int model_reads_field(const struct model *m, uint32_t field);
/** Labels it predicts, at least 1. */
uint32_t model_n_labels(const struct model *m);
/** What the job's `labels` calls it; "" for the only `label`. */
const char *model_label_name(const struct model *m, uint32_t label);
/** @return EUSAGE: no such label, with the nearest */
enum fusor_status model_find_label(const struct model *m, const char *name,
                                   uint32_t *label, struct fusor_error *err);
/** Does the tower speak about the label? */
int model_label_has_tower(const struct model *m, uint32_t label,
                          uint32_t tower);
/** Are outputs probabilities (output: sigmoid)? */
int model_output_is_probability(const struct model *m, uint32_t label);
/** Does any trained tower read through this lookup? (model_set_trained) */
int model_lookup_is_trained(const struct model *m, uint32_t lookup);
/** Does any part that stands still read through it? */
int model_lookup_is_frozen(const struct model *m, uint32_t lookup);
/** The graph with shapes, rows and bytes, for --check. */
void model_describe(const struct model *m, struct strbuf *out);

/** Which part a stage trains. Other towers run as in inference (no dropout,
 * running statistics) and compute no gradients: their rows in grads are not
 * written and their blocks' ranges of dense_grad are zero, except batch
 * statistics, whose "gradient" is then their own value. No run may be in a step
 * meanwhile.
 * @param names NULL-terminated names of towers, encoders, or "fusion"; NULL:
 * everything
 * @return EUSAGE: no such part, or an encoder that no trained part reads */
enum fusor_status model_set_trained(struct model *m, const char *const *names,
                                    struct fusor_error *err);

/** Make the towers in training a model of their own: a score is the plain sum
 * of theirs, whatever the fusion says, and the others do not run. Until the
 * next model_set_trained() or model_set_apart(m, 0). No run may be in a step
 * meanwhile.
 * @return EUSAGE: the fusion is in training, or over vectors; no tower of a
 * label is in training */
enum fusor_status model_set_apart(struct model *m, int apart,
                                  struct fusor_error *err);

/** Does the stage train this block? If not, leave it (and its optimizer state)
 * alone. */
int model_block_trained(const struct model *m, uint32_t block);

const char *model_loss_name(const struct model *m, uint32_t label);
/** Does the loss want rows in pairs: row 2i wanted, row 2i + 1 a sampled
 * negative of the same query? Evaluate such a model without model_loss(). */
int model_loss_is_pairwise(const struct model *m);
/** Does some label's loss compare the rows of a query in a micro-batch? */
int model_loss_is_listwise(const struct model *m);
/** How much of the chance to stand first the loss now set wants for the one row
 * with label 1 among n - 1 with label 0. */
float model_list_share(const struct model *m, uint32_t n);
/** Does the label's loss only order the items of a query, so that a score is no
 * estimate of the label? */
int model_loss_only_orders(const struct model *m, uint32_t label);

/** Towers, in the job's order. */
uint32_t model_n_towers(const struct model *m);
const char *model_tower_name(const struct model *m, uint32_t i);
/** @return FUSOR_EUSAGE: no tower is named so; it says which one is near */
enum fusor_status model_find_tower(const struct model *m, const char *name,
                                   uint32_t *tower, struct fusor_error *err);
/** May the tower say nothing about a sample? Its score is then NaN, and the
 * fusion leaves it out there. */
int model_tower_may_be_silent(const struct model *m, uint32_t i);

/* Where the candidates of a loss over candidates come from. */
enum candidates_from {
    CANDIDATES_ALL,
    CANDIDATES_UNIFORM,
    CANDIDATES_POPULARITY, // as often as in the train rows
    CANDIDATES_IN_BATCH    // the targets of the micro-batch
};

struct loss_setting {
    enum candidates_from from;
    uint32_t n; // drawn in a micro-batch
    int logq;   // correct for how likely each was drawn
    float temperature;
    float calibrate; // gbce: t
    int exclude;     // at every position: what came before is no negative
};

/** Take another loss from here on: a stage's. No run may be in a step
 * meanwhile.
 * @param at as the job's `loss`; NULL: the job's own
 * @return EUSAGE too when there are labels: a stage cannot change theirs */
enum fusor_status model_set_loss(struct model *m, struct yaml_node *at,
                                 struct fusor_error *err);
/** How the loss now set finds its candidates, or NULL: it has no form over
 * candidates.
 * @param only set to 1 when it has no form over rows; may be NULL */
const struct loss_setting *model_loss_setting(const struct model *m, int *only);
/* Which items of a sequence its positions should find, besides the sample's. */
enum {
    EVERY_NEXT = 1,      // all but the first
    EVERY_FROM_FIRST = 3 // all of them
};

/** Can the parts now in training be trained by a loss over candidates? Each
 * must be a tower that factorises.
 * @param every at every position of its sequence
 * @param fields [n_fields] zeros, set to EVERY_.. for the sequences read so;
 * may be NULL
 * @return EUSAGE with the reason */
enum fusor_status model_check_candidates(const struct model *m, int every,
                                         unsigned char *fields,
                                         struct fusor_error *err);
/** Runs made from here on hold so many candidates.
 * @param every and train every position of sequences */
void model_expect_candidates(struct model *m, uint32_t most, int every);

/** Is the fusion over vectors, so that towers have no scores? */
int model_fuses_vectors(const struct model *m);
/** Do only towers read through this lookup, no encoder and not the fusion? */
int model_lookup_is_of_towers(const struct model *m, uint32_t lookup);

struct model_run;

enum fusor_status model_run_create(const struct model *m, uint32_t max_batch,
                                   struct model_run **out,
                                   struct fusor_error *err);
void model_run_destroy(struct model_run *r);

/* What a loss over candidates compares with, one list for all samples of the
 * micro-batch. */
struct model_candidates {
    const struct batch *batch; // a sample each, of which only fields of the
                               // item side are read
    const uint32_t *const *positions; // [n_lookups][n_values]
    uint32_t n_negatives;             // the first so many are negatives
    const uint32_t *place;  // [n_items + 1] where an item stands, or UINT32_MAX
    const float *log_q;     // [n] log of how likely each was drawn, or NULL
    const uint32_t *target; // [samples] item of each sample
    int every;              // sequences: the next item of every position
    uint32_t own;           // bce, bpr: negatives of each query vector
    uint32_t n_items;       // there are, the unknown one not counted
    uint64_t draw;          // number of the micro-batch, for random numbers
};

/* What one micro-batch reads and writes. */
struct model_tables {
    const float *const *rows; // [n_keys] values of the step's distinct keys
    float *const *grads;      // [n_keys] gradient rows, zero at first touch;
                              // those of keys in this micro-batch are added
                              // to, others not even looked at
};

struct model_step {
    const struct batch *batch;
    const uint32_t *const *positions;  // [n_lookups][n_values]: value -> index
                                       // of its key in the table, or UINT32_MAX
                                       // for BATCH_NO_ID
    const struct model_tables *tables; // [n_tables]
    const float *dense;                // [n_dense]
    float *dense_grad; // [n_dense], written whole (zeros where untouched)
    float grad_scale;  // 1 / samples (weights) of the global batch
    int training;      // dropout, batch statistics
    uint64_t epoch;
    int matmul;              // enum gemm_arithmetic; 0: f32
    struct profile *profile; // told the phases of the passes, or NULL
    const struct model_candidates *candidates; // NULL: a loss over rows
    const float *given; // [n][n_towers] what the towers say; they do not run,
                        // and none may be trained. NULL: they run
};

/** Of which label scores, outputs, contributions and weights are told from here
 * on; at first label 0. */
void model_run_set_label(struct model_run *r, uint32_t label);
/** @param scores [n] logits; outputs [n] after the output function; either may
 * be NULL. The run keeps what backward needs. With training = 0 grads,
 * dense_grad and label are not read.
 * @return ESHAPE: more samples than max_batch; EDATA: a sample about which no
 * tower of a fusion says anything */
enum fusor_status model_forward(struct model_run *r, const struct model_step *s,
                                float *scores, float *outputs,
                                struct fusor_error *err);
/** Scores of one tower, [n], of the last forward pass; NULL when the fusion is
 * over vectors: then towers have none. */
const float *model_tower_scores(const struct model_run *r, uint32_t tower);
/** Fusion weights of the last forward pass, [n][towers of the label], or NULL
 * when the fusion has none per sample. */
const float *model_fusion_weights(const struct model_run *r);
/** Scores of the last forward pass for any label, [n]; after the output
 * function. */
const float *model_scores(const struct model_run *r, uint32_t label);
const float *model_outputs(const struct model_run *r, uint32_t label);
/** Say which towers give no answer in the passes that follow. What becomes of
 * that is the fusion's `missing`: drop_tower leaves them out and scales the
 * rest up, zero takes 0 for what they say, error refuses.
 * Other labels that have no tower left get scores NaN.
 * @param missing [n_towers] 1: missing; copied; NULL: none
 * @return EUSAGE: the fusion refuses, or no tower is left */
enum fusor_status model_run_set_missing(struct model_run *r,
                                        const unsigned char *missing,
                                        struct fusor_error *err);
/* Largest scores of a query's candidates, for fusions that normalise by them.
 */
enum model_tops {
    TOPS_PASS,    // of the samples of a query in each pass
    TOPS_COLLECT, // likewise, and those of all passes from here on are noted
    TOPS_GIVEN    // those that were noted
};
/** Does a fusion normalise: per_query_max? Then candidates that are ranked in
 * several passes are first gone through to note their largest scores. */
int model_normalises_queries(const struct model *m);
/** What forward passes and model_rank() divide by from here on; at first
 * TOPS_PASS. TOPS_COLLECT forgets what was noted. */
void model_run_set_tops(struct model_run *r, enum model_tops tops);
/** What each tower put into the score of the last forward pass (not a training
 * one), signed. Sums of towers: weight times what it said, so that together
 * they are the score less the bias (over scores with a sigmoid output: the
 * output). concat: the score less that with this tower's input at 0.
 * @param s the step of that pass; out [n][n_towers] */
void model_contributions(struct model_run *r, const struct model_step *s,
                         float *out);
#define MODEL_ALL_LABELS UINT32_MAX

/** Add each tower's weight in the last forward pass, over its samples.
 * @param label whose; MODEL_ALL_LABELS: the mean over those of each tower
 * @param sums [n_towers]
 * @return 0, nothing added: the fusion has no weights (concat), or towers stand
 * apart */
int model_add_fusion_weights(const struct model_run *r, uint32_t label,
                             double *sums);
/** Loss of the last forward pass, without l2 terms.
 * @param sum set to the sum over samples, each times its weight, of all labels
 * and auxiliary losses times theirs
 * @return EDATA: a label the loss cannot take; EINVAL: half a pair */
enum fusor_status model_loss(struct model_run *r, const struct model_step *s,
                             double *sum, struct fusor_error *err);
/** Gradients of (sum of model_loss() + l2 / 2 |row|^2 for each use of a row by
 * a sample) * grad_scale. After forward and loss of the same step, once. */
enum fusor_status model_backward(struct model_run *r,
                                 const struct model_step *s,
                                 struct fusor_error *err);

#endif
