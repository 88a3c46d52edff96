/* Golden values of models over the fixture's batch, written by
 * tests/golden/make_golden.py (PyTorch in float64, itself checked against
 * central differences): tests/golden/model.txt holds, a line each,
 *
 *   job NAME
 *   loss VALUE
 *   scores V..          (6)
 *   table NAME KEY V..  gradient row of a key
 *   dense V..           gradient of the flat dense vector
 */
#ifndef TESTS_CONTRACT_GOLDEN_H
#define TESTS_CONTRACT_GOLDEN_H

#include "model/fixture.h"

struct golden_job {
    const char *name;
    const char *text;
};

/* Golden values against floats: sums of some tens of products of numbers below
 * 1, each rounded at 6e-8, stay within 1e-5. */
#define GOLDEN_TOLERANCE 1e-5

/* A central difference of step 1e-2 in float: rounding 6 * 6e-8 / 1e-2 / 6,
 * truncation step^2 / 6 times a third derivative below 10. */
#define GOLDEN_STEP 1e-2f
#define GOLDEN_DIFFERENCE 1e-3

/** Build the job, run one training pass, compare everything with the file. */
void golden_check(const struct golden_job *job);
void golden_check_all(const struct golden_job *jobs, size_t n);
/** Does some job's text hold a name between these, such as "type: mlp,"? */
int golden_has(const struct golden_job *jobs, size_t n, const char *before,
               const char *name, const char *after);
/** Compare gradients of a job with central differences, as in evaluation and,
 * when asked, as in training. */
void golden_differ(const struct golden_job *job, int training);
/** fixture_gradient_error() with GOLDEN_STEP. */
double golden_differences(struct fixture *f);

#endif
