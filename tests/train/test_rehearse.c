/* A few units in memory: what they take and ask for. */
#include "train/rehearse.h"

#include "base/mem.h"
#include "harness.h"
#include "train/fixture.h"

static void a_rehearsal_counts_buffers_and_keys(void)
{
    struct yaml *job =
        fixture_yaml(fixture_text(fixture_data("time-split"), "none",
                                  FIXTURE_DEEP "train: {global_batch: 64, "
                                               "micro_batches: 2}\n"
                                               "evaluate: [rmse]\n"));
    struct workload *w = fixture_workload(job);
    struct rehearsal one, two;
    size_t before = mem_used();

    REQUIRE(!rehearse(w, 1, &one, NULL));
    REQUIRE(!rehearse(w, 2, &two, NULL));
    CHECK(mem_used() == before);
    CHECK(one.units == REHEARSE_UNITS && two.units == REHEARSE_UNITS);
    CHECK(one.training > 1000 && two.training > one.training);
    CHECK(two.evaluation == 2 * one.evaluation && one.evaluation > 0);
    /* 64 samples: at least a user and an item, at most a user, an item and all
     * genres each. */
    CHECK(one.keys_per_unit >= 2 && one.keys_per_unit <= 64 * 2 + 100);
    CHECK(two.keys_per_unit >= one.keys_per_unit);
    CHECK(two.keys_per_unit <= 2 * one.keys_per_unit);
    workload_destroy(w);
    yaml_destroy(job);
}

static void every_failed_allocation_is_an_error(void)
{
    struct yaml *job =
        fixture_yaml(fixture_text(fixture_data("time-split"), "none",
                                  FIXTURE_DEEP "train: {global_batch: 64}\n"));
    struct workload *w = fixture_workload(job);
    struct rehearsal out;
    size_t before = mem_used();
    enum fusor_status rc = FUSOR_ENOMEM;
    long n = 1;

    for (; n < 5000 && rc != FUSOR_OK; n += 1 + n / 8) {
        mem_fail_after(n);
        rc = rehearse(w, 1, &out, NULL);
        mem_fail_after(0);
        CHECK(rc == FUSOR_OK || rc == FUSOR_ENOMEM);
        CHECK(mem_used() == before);
    }
    CHECK(rc == FUSOR_OK && n > 20);
    workload_destroy(w);
    yaml_destroy(job);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a rehearsal counts buffers and keys",
         a_rehearsal_counts_buffers_and_keys},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };
    return TEST_RUN("train.rehearse", cases);
}
