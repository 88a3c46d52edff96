/* The job's `stages`, with the rules of stopping that `train` gives to all of
 * them. Private to src/train: others read struct train_options. */
#ifndef TRAIN_STAGES_H
#define TRAIN_STAGES_H

#include "train/options.h"

/** Fill stages, n_stages, n_folds and head of out.
 * @param node the job's `stages`, or NULL: one stage that trains everything
 * @param out with its train section read
 * @return EUSAGE with file:line:column */
enum fusor_status stages_read(struct yaml_node *node, struct train_options *out,
                              struct fusor_error *err);

#endif
