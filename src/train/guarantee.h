/* Training with differential privacy (Abadi et al. 2016), by the job's
 *
 *     privacy: {clip: 1, noise: 1.1, delta: 1.0e-5}
 *
 * The gradient of each sample over everything trained, rows and blocks, is cut
 * to an L2 norm of `clip`; the sum over the global batch gets normal noise of
 * deviation noise * clip in every trained row of every table (untouched ones
 * too: else which rows change would tell) and every trained block, and is
 * divided by global_batch, whatever the batch holds (private_grads.h).
 *
 * What is promised: leaving the gradient of any one train row out changes the
 * odds of any outcome of the training by at most e^epsilon, but for delta. Said
 * twice: with each step's rows drawn at random (Poisson sampling, as papers
 * have it), and without that assumption, each row being in one step of each
 * epoch. Not covered: what prepare learnt (vocabularies, ranges), metrics and
 * losses that are shown, and the choice of settings by them. The noise is as
 * secret as train.seed.
 *
 * Threads: read-only. */
#ifndef TRAIN_GUARANTEE_H
#define TRAIN_GUARANTEE_H

#include "base/json.h"
#include "base/yaml.h"

struct workload;

struct guarantee {
    double clip; // 0: no privacy is asked for
    double noise, delta;
};

/** @param node the job's `privacy`, or NULL */
enum fusor_status guarantee_read(struct yaml_node *node, struct guarantee *out,
                                 struct fusor_error *err);
/** Refuse what would break the promise.
 * @return FUSOR_EUSAGE, with the place in the job */
enum fusor_status guarantee_check(const struct workload *w,
                                  struct yaml_node *root,
                                  struct fusor_error *err);

struct guarantee_spent {
    double epsilon;          // with rows drawn at random
    double epsilon_shuffled; // each row once an epoch
};

/** After so many samples. @param w with privacy */
struct guarantee_spent guarantee_spent(const struct workload *w,
                                       uint64_t samples_done);
/** "privacy": {...}, or nothing without it. */
void guarantee_json(struct json *j, const struct workload *w,
                    uint64_t samples_done);

#endif
