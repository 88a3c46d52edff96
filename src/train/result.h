/* What one process answers to EPOCH and EVALUATE, as bytes. Sums are integers,
 * so that the total does not depend on who did what. */
#ifndef TRAIN_RESULT_H
#define TRAIN_RESULT_H

#include "base/str.h"
#include "fusor/status.h"

#define RESULT_LOSS_ONE 1048576.0 /* the loss is summed in steps of 2^-20 */

struct epoch_result {
    uint64_t samples;
    int64_t loss;     // sum over samples, times RESULT_LOSS_ONE
    uint64_t busy_ns; // compute, over threads
    uint64_t wait_ns; // for values and acknowledgements, over threads
};

void epoch_result_encode(const struct epoch_result *r, struct strbuf *out);
enum fusor_status epoch_result_decode(const void *data, size_t size,
                                      struct epoch_result *out,
                                      struct fusor_error *err);
void epoch_result_add(struct epoch_result *into,
                      const struct epoch_result *from);

#endif
