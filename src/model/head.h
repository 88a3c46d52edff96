/* What a model predicts: one head for the job's `label`, or one for each of its
 * `labels`. A head is the towers that speak about a label, the fusion that
 * joins them, the output function and the loss. Private to src/model.
 *
 *   labels:
 *     click: {field: clicked, map: binary}
 *     buy:   {map: binary, loss: bce, output: sigmoid, weight: 0.5,
 *             towers: [deep, buyer], fusion: {type: weighted}}
 *
 * loss, output and fusion default to the job's own, towers to all of them (a
 * tower may speak about several labels), weight to 1. The model's loss is
 *
 *   sum_k weight_k sum_i w_i [row i has label k] loss_k(score_k(i), label_k(i))
 *
 * over the sum of the w_i of all rows, whether they have a label or not.
 *
 * An auxiliary loss judges one tower by itself, beside the fusion:
 *
 *   towers:
 *     mf: {type: dot, ..., aux: {label: click, loss: bce, weight: 0.2}}
 *
 * of the tower's own score; label and loss default to the first label that the
 * tower speaks about and its loss, weight to 1. */
#ifndef MODEL_HEAD_H
#define MODEL_HEAD_H

#include "model/run.h"

/** Read `label`, `labels`, `loss`, `output` and `fusion`: what towers must know
 * before they are built. */
enum fusor_status heads_parse(struct model *m, struct yaml_node *job,
                              struct fusor_error *err);
/** Read a tower's `aux`. After heads_parse(). */
enum fusor_status heads_parse_aux(struct model *m, struct tower *t,
                                  struct yaml_node *at,
                                  struct fusor_error *err);
/** Build the fusions. After the towers. */
enum fusor_status heads_build(struct model *m, struct yaml_node *job,
                              struct fusor_error *err);
void heads_destroy(struct model *m);
/** Does the tower speak about this head's label? */
int heads_joins(const struct label_head *h, uint32_t tower);
/** Does some fusion over vectors join this tower? */
int heads_want_vector(const struct model *m, uint32_t tower);
void heads_describe(const struct model *m, struct strbuf *out);

/** Set r->heads. */
void heads_take(struct model_run *r);
/** Towers' outputs to scores. */
void heads_score(struct model_run *r, const struct model_step *s);
/** And to outputs. */
void heads_forward(struct model_run *r, const struct model_step *s);
/** @return as model_loss() */
enum fusor_status heads_loss(struct model_run *r, const struct model_step *s,
                             double *sum, struct fusor_error *err);
/** From the losses to r->tower_grad. */
void heads_backward(struct model_run *r, const struct model_step *s);

#endif
