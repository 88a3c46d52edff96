/* Softmax over the target and a sample of the items, the same for all rows of a
 * micro-batch. With logq every score loses the logarithm of how likely its item
 * is among the candidates, so that the gradient tends to that of the full
 * softmax (Bengio and Senecal 2008; Yi et al. 2019, section 4). */
#include "model/registry.h"

const struct loss_kind loss_sampled_softmax = {
    .name = "sampled_softmax",
    .only_orders = 1,
    .over = candidates_softmax,
    .from = CANDIDATES_UNIFORM,
    .n = 256,
    .logq = 1,
    .temperature = 1.0f,
};
