/* Tests of ps/credit: the decisions alone. */
#include "ps/credit.h"

#include "harness.h"

static void a_pool_is_shared_but_for_a_quarter(void)
{
    CHECK(credit_share(1024, 1) == 768);
    CHECK(credit_share(1024, 3) == 256);
    CHECK(credit_share(1024, 0) == 768); // nobody is known yet
    CHECK(credit_share(7, 1000) == 1);   // 0 would say nothing
    CHECK(credit_share(UINT64_MAX, 2) > UINT64_MAX / 3);
}

static void what_fits_goes(void)
{
    struct credit_facts f = {.heard = 1, .credit = 100, .used = 60, .cost = 40};

    CHECK(credit_judge(&f) == CREDIT_GO);
    f.cost = 41;
    CHECK(credit_judge(&f) == CREDIT_HOLD);
    f.cost = UINT64_MAX; // no sum of it is made
    CHECK(credit_judge(&f) == CREDIT_HOLD);
    f = (struct credit_facts){.heard = 1, .credit = 100, .used = 101};
    CHECK(credit_judge(&f) == CREDIT_HOLD); // it was lowered meanwhile
}

static void the_oldest_of_a_lease_always_goes(void)
{
    struct credit_facts f = {.heard = 1, .credit = 1, .used = 9, .cost = 9};

    CHECK(credit_judge(&f) == CREDIT_HOLD);
    f.oldest = 1;
    CHECK(credit_judge(&f) == CREDIT_GO);
    f = (struct credit_facts){.oldest = 1, .cost = 9};
    CHECK(credit_judge(&f) == CREDIT_GO); // even if nothing was heard yet
}

static void nothing_overtakes_what_is_held_back(void)
{
    struct credit_facts f = {.heard = 1, .credit = 100, .cost = 1, .behind = 1};

    CHECK(credit_judge(&f) == CREDIT_HOLD);
}

static void what_crowds_its_own_process_waits(void)
{
    struct credit_facts f = {.heard = 1, .cost = 1, .crowds = 1};

    CHECK(credit_judge(&f) == CREDIT_HOLD);
    f.oldest = 1;
    CHECK(credit_judge(&f) == CREDIT_HOLD);
}

static void without_a_word_there_is_no_bound_and_no_haste(void)
{
    struct credit_facts f = {.cost = 1};

    CHECK(credit_judge(&f) == CREDIT_HOLD); // it has never answered
    f.heard = 1;
    f.cost = UINT64_MAX;
    CHECK(credit_judge(&f) == CREDIT_GO); // it says nothing about credit
}

static void requests_are_in_the_order_of_their_units(void)
{
    struct wire_header keys[2] = {
        {.kind = WIRE_KEYS, .clock = 3, .request = 1},
        {.kind = WIRE_KEYS, .clock = 4, .request = 2}};
    struct wire_header push[2] = {
        {.kind = WIRE_PUSH, .clock = 3, .request = 5},
        {.kind = WIRE_PUSH, .clock = 4, .request = 6}};

    for (int i = 0; i < 2; i++) {
        CHECK(credit_is_older(&keys[i], &push[i])); // a unit's pull, its push
        CHECK(!credit_is_older(&push[i], &keys[i]));
        CHECK(!credit_is_older(&keys[i], &keys[i]));
    }
    CHECK(credit_is_older(&keys[0], &keys[1]));
    CHECK(credit_is_older(&push[0], &push[1]));
    CHECK(credit_is_older(&push[0], &keys[1])); // though sent later
    CHECK(!credit_is_older(&keys[1], &push[0]));
    keys[1].clock = 3; // two peeks, one after the other
    CHECK(credit_is_older(&keys[0], &keys[1]) &&
          !credit_is_older(&keys[1], &keys[0]));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a pool is shared, but for a quarter",
         a_pool_is_shared_but_for_a_quarter},
        {"what fits goes", what_fits_goes},
        {"the oldest of a lease always goes",
         the_oldest_of_a_lease_always_goes},
        {"nothing overtakes what is held back",
         nothing_overtakes_what_is_held_back},
        {"what crowds its own process waits",
         what_crowds_its_own_process_waits},
        {"without a word there is no bound, and no haste",
         without_a_word_there_is_no_bound_and_no_haste},
        {"requests are in the order of their units",
         requests_are_in_the_order_of_their_units},
    };

    return TEST_RUN("ps.credit", cases);
}
