/* The frame of every unit test: a list of named cases, run by CUnit, whose
 * failures become the exit status.
 *
 *     int main(void)
 *     {
 *         static const struct test_case cases[] = {
 *             {"an empty queue gives nothing", empty_gives_nothing},
 *         };
 *         return TEST_RUN("base.queue", cases);
 *     }
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <math.h>
#include <stddef.h>

#include <CUnit/CUnit.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

#define TEST_RUN(suite, cases) \
    test_run((suite), (cases), sizeof(cases) / sizeof((cases)[0]))

/** Run the cases as one suite.
 * @return 0 when every assertion held and at least one case ran, else 1 */
int test_run(const char *suite, const struct test_case *cases, size_t n);

/** Is |got - want| <= abs + rel * |want|? NaN on either side is not close. */
int test_close(double got, double want, double abs_tol, double rel_tol);

/** A fresh empty directory, removed with all it holds when the test ends.
 * @return its path, owned by the harness */
const char *test_tmpdir(void);

/** Write text to dir/name (a test's input file).
 * @return the path, owned by the harness until the next 16 calls */
const char *test_write(const char *name, const char *text);

#define CHECK(cond) CU_ASSERT(cond)
/** Stop this case at once when cond is false. */
#define REQUIRE(cond) CU_ASSERT_FATAL(cond)
#define CHECK_CLOSE(got, want, tol) \
    CU_ASSERT(test_close((got), (want), (tol), (tol)))

#endif
