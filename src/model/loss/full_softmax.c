/* Cross-entropy over all items: -log softmax of the target's score. */
#include "model/registry.h"

const struct loss_kind loss_full_softmax = {
    .name = "full_softmax",
    .only_orders = 1,
    .over = candidates_softmax,
    .from = CANDIDATES_ALL,
    .temperature = 1.0f,
};
