/* Tests of coord/lease: every unit and micro-batch has exactly one holder. */
#include "coord/lease.h"

#include <string.h>

#include "base/rng.h"
#include "harness.h"

#define UNITS 200
#define MICROS 16

/* How often each (unit, micro-batch) is somebody's. */
static void count(uint32_t n_workers, uint32_t micros, int staleness,
                  uint64_t first, uint64_t n_units,
                  unsigned held[UNITS][MICROS])
{
    memset(held, 0, sizeof(held[0]) * UNITS);
    for (uint32_t w = 0; w < n_workers; w++) {
        struct lease l =
            lease_make(w, n_workers, micros, staleness, first, n_units);

        CHECK(l.id == w && l.term == 1);
        for (uint64_t i = 0; i < l.count; i++)
            for (uint32_t m = l.micro_lo; m < l.micro_hi; m++)
                held[l.first + i * l.stride][m]++;
    }
}

static void check_partition(uint32_t n_workers, uint32_t micros, int staleness,
                            uint64_t first, uint64_t n_units)
{
    static unsigned held[UNITS][MICROS];
    int right = 1;

    count(n_workers, micros, staleness, first, n_units, held);
    for (uint64_t u = 0; u < UNITS; u++)
        for (uint32_t m = 0; m < MICROS; m++)
            right &=
                held[u][m] == (u >= first && u < n_units && m < micros ? 1 : 0);
    CHECK(right);
}

static void each_part_has_one_holder(void)
{
    struct rng r = rng_stream(1, RNG_TEST, 0, 0);

    for (int i = 0; i < 2000; i++) {
        uint32_t micros = 1 + (uint32_t)rng_below(&r, MICROS);
        uint64_t n_units = rng_below(&r, UNITS + 1);
        uint64_t first = rng_below(&r, n_units + 2);

        check_partition(1 + (uint32_t)rng_below(&r, micros), micros, 0, first,
                        n_units);
        check_partition(1 + (uint32_t)rng_below(&r, 40), micros,
                        rng_below(&r, 2) ? -1 : 3, first, n_units);
    }
}

static void shares_differ_by_one_at_most(void)
{
    for (uint32_t n = 1; n <= MICROS; n++) {
        for (uint32_t w = 0; w < n; w++) {
            struct lease all = lease_make(w, n, MICROS, 0, 0, 100);
            struct lease own = lease_make(w, n, MICROS, 2, 0, 100);
            uint32_t share = all.micro_hi - all.micro_lo;

            CHECK(share >= MICROS / n && share <= (MICROS + n - 1) / n);
            CHECK(own.count >= 100 / n && own.count <= (100 + n - 1) / n);
            CHECK(all.count == 100);
        }
    }
}

static void leases_stand_in_the_order_of_micro_batches(void)
{
    for (uint32_t n = 1; n <= MICROS; n++)
        for (uint32_t w = 1; w < n; w++)
            CHECK(lease_make(w, n, MICROS, 0, 0, 1).micro_lo ==
                  lease_make(w - 1, n, MICROS, 0, 0, 1).micro_hi);
}

static void too_many_workers_are_told_the_setting(void)
{
    struct fusor_error err;

    CHECK(lease_check(8, 8, 0, &err) == FUSOR_OK);
    CHECK(lease_check(100, 8, 1, &err) == FUSOR_OK);
    CHECK(lease_check(9, 8, 0, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "train.micro_batches") != NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"each part has one holder", each_part_has_one_holder},
        {"shares differ by one at most", shares_differ_by_one_at_most},
        {"leases stand in the order of micro-batches",
         leases_stand_in_the_order_of_micro_batches},
        {"too many workers are told the setting",
         too_many_workers_are_told_the_setting},
    };

    return TEST_RUN("coord.lease", cases);
}
