/* Tests of ps/account: what is outstanding, added up by several threads. */
#include "ps/account.h"

#include <pthread.h>

#include "base/mem.h"
#include "harness.h"
#include "transport/sim.h"

#define SHARDS 2
#define WORKERS 2
#define TIMES 20000

static struct sim *sim;
static struct messenger *messenger;
static struct account account;

static void open_all(void)
{
    struct peer self = {PEER_WORKER, 0, 1};
    struct transport *t;

    REQUIRE(!sim_create(1, &sim, NULL));
    REQUIRE(!sim_endpoint(sim, self, &t, NULL));
    REQUIRE(!messenger_create(t, 1 << 20, &messenger, NULL));
    REQUIRE(!account_init(&account, messenger, SHARDS, WORKERS, NULL));
}

static void close_all(void)
{
    account_clear(&account);
    messenger_destroy(messenger);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

static void each_shard_and_worker_counts_for_itself(void)
{
    open_all();
    account_charge(&account, 1, 10);
    account_begin_pull(&account, 1, 0);
    account_charge(&account, 1, 20);
    CHECK(account.lines[0].used == 0 && account.lines[1].used == 30);
    CHECK(account_has_pull(&account, 1, 0) &&
          !account_has_pull(&account, 0, 0));
    CHECK(!account_has_pull(&account, 1, 1));
    account_give_back(&account, 1, 10);
    CHECK(account.lines[1].used == 20 && account_has_pull(&account, 1, 0));
    account_end_pull(&account, 1, 0);
    CHECK(!account_has_pull(&account, 1, 0));
    account_give_back(&account, 1, 20);
    CHECK(account.lines[1].used == 0);
    close_all();
}

static void answers_of_all_shards_take_room_here(void)
{
    open_all();
    CHECK(2 * account.replies_most <
          payload_pool_bound(messenger_pool(messenger)));
    account_expect(&account, 0, 8);
    account_expect(&account, 1, 7);
    account_expect(&account, 1, 4);
    CHECK(account.replies[0] == 8 && account.replies[1] == 11);
    account_use_up(&account, 0, 8);
    account_use_up(&account, 1, 7);
    CHECK(account.replies[0] == 0 && account.replies[1] == 4);
    close_all();
}

static void the_newest_word_counts(void)
{
    open_all();
    CHECK(!account.lines[0].heard);
    account_hear(&account, 0, 50);
    CHECK(account.lines[0].heard && account.lines[0].credit == 50);
    account_hear(&account, 0, 20);
    CHECK(account.lines[0].credit == 20 && !account.lines[1].heard);
    close_all();
}

static void *give_back_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < TIMES; i++) {
        account_give_back(&account, 0, 3);
        account_end_pull(&account, 0, 1);
        account_call(&account);
    }
    return NULL;
}

static void another_thread_may_give_back(void)
{
    pthread_t thread;

    open_all();
    for (int i = 0; i < TIMES; i++) {
        account_charge(&account, 0, 3);
        account_begin_pull(&account, 0, 1);
    }
    REQUIRE(!pthread_create(&thread, NULL, give_back_all, NULL));
    for (int i = 0; i < TIMES; i++) {
        account_charge(&account, 0, 1);
        account_give_back(&account, 0, 1);
    }
    pthread_join(thread, NULL);
    CHECK(account.lines[0].used == 0 && !account_has_pull(&account, 0, 1));
    close_all();
}

static void who_waits_for_room_is_woken(void)
{
    struct message msg;

    open_all();
    account_charge(&account, 0, 3);
    atomic_fetch_add(&account.n_held, 1);
    account_give_back(&account, 0, 3);
    account_call(&account);
    /* It would wait for ever: nobody else is there, and no time is given. */
    CHECK(messenger_receive(messenger, &msg, -1, NULL) == FUSOR_EAGAIN);
    close_all();
}

static void no_memory_is_reported(void)
{
    struct fusor_error err;

    open_all();
    account_clear(&account);
    for (long n = 1; n <= 2; n++) {
        mem_fail_after(n);
        CHECK(account_init(&account, messenger, SHARDS, WORKERS, &err) ==
              FUSOR_ENOMEM);
        mem_fail_after(0);
    }
    close_all();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"each shard and worker counts for itself",
         each_shard_and_worker_counts_for_itself},
        {"answers of all shards take room here",
         answers_of_all_shards_take_room_here},
        {"the newest word counts", the_newest_word_counts},
        {"another thread may give back", another_thread_may_give_back},
        {"who waits for room is woken", who_waits_for_room_is_woken},
        {"no memory is reported", no_memory_is_reported},
    };

    return TEST_RUN("ps.account", cases);
}
