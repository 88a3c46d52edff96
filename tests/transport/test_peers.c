/* transport/peers: who is known, who may be heard, who may be sent to. */
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "transport/peers.h"

static struct peer worker(uint32_t number, uint32_t incarnation)
{
    return (struct peer){PEER_WORKER, number, incarnation};
}

static void many_peers_are_found_again(void)
{
    struct peer_table t = {0};
    struct peer_entry *e;

    for (uint32_t i = 0; i < 500; i++)
        CHECK(peer_table_hear(&t, worker(i * 7919 % 500, 1)) == FUSOR_OK);
    CHECK(t.n == 500);
    for (uint32_t i = 0; i < 500; i++) {
        e = peer_table_find(&t, worker(i, 0));
        REQUIRE(e != NULL);
        CHECK(e->peer.number == i);
    }
    CHECK(peer_table_find(&t, worker(500, 0)) == NULL);
    CHECK(peer_table_find(&t, (struct peer){PEER_SHARD, 3, 1}) == NULL);
    peer_table_clear(&t);
}

static void an_older_incarnation_is_not_heard(void)
{
    struct peer_table t = {0};
    struct peer_entry *e;

    CHECK(peer_table_hear(&t, worker(1, 2)) == FUSOR_OK);
    CHECK(peer_table_hear(&t, worker(1, 1)) == FUSOR_ECLOSED);
    CHECK(peer_table_hear(&t, worker(1, 3)) == FUSOR_OK);
    CHECK(peer_table_route(&t, worker(1, 0), &e, NULL) == FUSOR_OK);
    CHECK(e->peer.incarnation == 3);
    CHECK(peer_table_route(&t, worker(1, 3), &e, NULL) == FUSOR_OK);
    CHECK(peer_table_route(&t, worker(1, 2), &e, NULL) == FUSOR_ECLOSED);
    CHECK(peer_table_route(&t, worker(2, 0), &e, NULL) == FUSOR_ECLOSED);
    peer_table_clear(&t);
}

static void a_cut_ends_with_the_incarnation(void)
{
    struct peer_table t = {0};
    struct peer_entry *e;

    CHECK(peer_table_hear(&t, worker(1, 1)) == FUSOR_OK);
    peer_table_cut(&t, worker(1, 1));
    CHECK(peer_table_hear(&t, worker(1, 1)) == FUSOR_ECLOSED);
    CHECK(peer_table_route(&t, worker(1, 0), &e, NULL) == FUSOR_ECLOSED);
    CHECK(peer_table_hear(&t, worker(1, 2)) == FUSOR_OK);
    peer_table_cut(&t, worker(1, 1)); // too late: the older one has gone
    CHECK(peer_table_hear(&t, worker(1, 2)) == FUSOR_OK);
    peer_table_cut(&t, worker(9, 1)); // unknown
    peer_table_clear(&t);
}

static void no_memory_is_not_heard(void)
{
    struct peer_table t = {0};

    mem_fail_after(1);
    CHECK(peer_table_hear(&t, worker(1, 1)) == FUSOR_ECLOSED);
    mem_fail_after(0);
    CHECK(t.n == 0);
    CHECK(peer_table_hear(&t, worker(1, 1)) == FUSOR_OK);
    peer_table_clear(&t);
}

static void a_peer_has_a_name_and_a_key(void)
{
    char text[32];

    CHECK(!strcmp(peer_text(worker(3, 1), text), "worker 3"));
    CHECK(!strcmp(peer_text((struct peer){0}, text), "peer 0"));
    CHECK(peer_key(worker(3, 1)) != peer_key(worker(3, 2)));
    CHECK(peer_key(worker(3, 1)) != peer_key((struct peer){PEER_SHARD, 3, 1}));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"many peers are found again", many_peers_are_found_again},
        {"an older incarnation is not heard",
         an_older_incarnation_is_not_heard},
        {"a cut ends with the incarnation", a_cut_ends_with_the_incarnation},
        {"no memory is not heard", no_memory_is_not_heard},
        {"a peer has a name and a key", a_peer_has_a_name_and_a_key},
    };
    return TEST_RUN("transport.peers", cases);
}
