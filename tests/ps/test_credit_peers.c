/* Tests of ps/credit_peers: who shares a shard's pool. */
#include "ps/credit_peers.h"

#include "base/mem.h"
#include "harness.h"

static void those_heard_or_told_of_count(void)
{
    struct credit_peers p;

    credit_peers_init(&p, 0);
    CHECK(credit_peers_count(&p) == 1);
    for (int i = 0; i < 3; i++) {
        credit_peers_note(&p, 4);
        credit_peers_note(&p, 900);
    }
    CHECK(credit_peers_count(&p) == 2);
    credit_peers_clear(&p);
    credit_peers_init(&p, 3); // one more is to come
    credit_peers_note(&p, 4);
    CHECK(credit_peers_count(&p) == 3);
    for (uint32_t i = 0; i < 5; i++)
        credit_peers_note(&p, i);
    CHECK(credit_peers_count(&p) == 5);
    credit_peers_clear(&p);
    CHECK(mem_used() == 0);
}

static void who_is_silent_for_an_epoch_has_gone(void)
{
    struct credit_peers p;

    credit_peers_init(&p, 0);
    credit_peers_note(&p, 0);
    credit_peers_note(&p, 1);
    credit_peers_turn(&p);
    CHECK(credit_peers_count(&p) == 2); // both may be at work
    credit_peers_note(&p, 1);
    CHECK(credit_peers_count(&p) == 2);
    credit_peers_turn(&p);
    CHECK(credit_peers_count(&p) == 1);
    credit_peers_note(&p, 0); // there it is again
    credit_peers_note(&p, 1);
    CHECK(credit_peers_count(&p) == 2);
    credit_peers_clear(&p);
}

static void what_cannot_be_counted_is_left_out(void)
{
    struct credit_peers p;

    credit_peers_init(&p, 0);
    credit_peers_note(&p, UINT32_MAX);
    CHECK(credit_peers_count(&p) == 1 && p.cap == 0);
    mem_fail_after(1);
    credit_peers_note(&p, 0);
    mem_fail_after(0);
    CHECK(credit_peers_count(&p) == 1 && p.heard == 0);
    credit_peers_note(&p, 0);
    mem_fail_after(1);
    credit_peers_note(&p, 1000);
    mem_fail_after(0);
    CHECK(p.heard == 1);
    credit_peers_clear(&p);
    CHECK(mem_used() == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"those heard or told of count", those_heard_or_told_of_count},
        {"who is silent for an epoch has gone",
         who_is_silent_for_an_epoch_has_gone},
        {"what cannot be counted is left out",
         what_cannot_be_counted_is_left_out},
    };

    return TEST_RUN("ps.credit_peers", cases);
}
