/* Renyi accounting against values of 60 digits, and what must hold of it. */
#include "train/accountant.h"

#include <stdio.h>

#include "harness.h"

/* Sums of logarithms in double: 1e-12 relative, less one place for the few
 * hundred terms. */
#define TOLERANCE 1e-9

static void golden_values_agree(void)
{
    char line[256];
    FILE *f = fopen(GOLDEN_DIR "/privacy.txt", "r");
    int lines = 0;

    REQUIRE(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        double q, sigma, steps, delta, want, got;
        int order;

        if (sscanf(line, "rdp %lf %lf %d %lf", &q, &sigma, &order, &want) == 4)
            got = accountant_rdp(q, sigma, order);
        else if (sscanf(line, "epsilon %lf %lf %lf %lf %lf", &q, &sigma, &steps,
                        &delta, &want) == 5)
            got = accountant_epsilon(q, sigma, steps, delta);
        else
            continue;
        CHECK(test_close(got, want, TOLERANCE, TOLERANCE));
        lines++;
    }
    fclose(f);
    CHECK(lines == 9);
}

static void more_costs_more(void)
{
    CHECK(accountant_epsilon(.01, 1, 0, 1e-5) == 0);
    CHECK(accountant_epsilon(.01, 1, 200, 1e-5) >
          accountant_epsilon(.01, 1, 100, 1e-5));
    CHECK(accountant_epsilon(.02, 1, 100, 1e-5) >
          accountant_epsilon(.01, 1, 100, 1e-5));
    CHECK(accountant_epsilon(.01, .9, 100, 1e-5) >
          accountant_epsilon(.01, 1, 100, 1e-5));
    CHECK(accountant_epsilon(.01, 1, 100, 1e-6) >
          accountant_epsilon(.01, 1, 100, 1e-5));
    CHECK(isfinite(accountant_epsilon(.5, .05, 1e6, 1e-9)));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"golden values agree", golden_values_agree},
        {"more costs more", more_costs_more},
    };

    return TEST_RUN("train.accountant", cases);
}
