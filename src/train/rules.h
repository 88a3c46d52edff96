/* Which update rule each table and block gets. From the general to the
 * particular, the last word wins:
 *
 *   optimizer: {adam: 1.0e-3}                      everything
 *   optimizer: {tables: ..., blocks: ..., l2: {emb: {value, scope}}}
 *   stages: [{train: [a], optimizer: ...}]         what only that stage trains
 *   tables: {emb: {optimizer: ..., l2: ...}}       this table
 *
 * A section's rule holds for tables and blocks unless it names them apart; what
 * it does not say is left as it was. l2 by table name goes on under a rule
 * that says nothing about l2. A rule holds for the whole job: a stage whose
 * towers another stage trains too cannot have one of its own. Batch statistics
 * always follow by ema; biases have no l2. */
#ifndef TRAIN_RULES_H
#define TRAIN_RULES_H

#include "model/model.h"
#include "optim/optim.h"
#include "train/options.h"

/** @param job the root of the job file
 * @param m left with everything trained
 * @param tables [n_tables] filled; blocks [n_blocks] filled */
enum fusor_status rules_read(struct yaml_node *job,
                             const struct train_options *options,
                             struct model *m, struct optim_spec *tables,
                             struct optim_spec *blocks,
                             struct fusor_error *err);

#endif
