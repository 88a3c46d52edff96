/* Tests of ps/client_room: a compute thread without room for a request waits
 * for others to give some back, and fails where none will. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "ps/client_private.h"
#include "transport/sim.h"

#define SHARDS 2
#define MOST ((size_t)1 << 20) /* of a message; the pool is twice as much */

static struct block_spec block = {.name = "w", .size = 4};
static struct param_spec params = {
    .n_blocks = 1, .blocks = &block, .n_dense = 4};
static struct sim *sim;
static struct messenger *messenger;
static struct client *client;
static struct payload_buffer *taken; // by somebody else
static struct exchange *x;
static struct fusor_error err;

static void open_client(unsigned n_workers, int staleness)
{
    struct client_config config = {.params = &params,
                                   .job = 1,
                                   .incarnation = 1,
                                   .n_shards = SHARDS,
                                   .n_workers = n_workers,
                                   .staleness = staleness};
    struct transport *t;

    REQUIRE(!sim_create(1, &sim, NULL));
    REQUIRE(!sim_endpoint(sim, (struct peer){PEER_WORKER, 0, 1}, &t, NULL));
    REQUIRE(!messenger_create(t, MOST, &messenger, NULL));
    config.messenger = messenger;
    REQUIRE(!client_create(&config, &client, NULL));
    REQUIRE(
        !payload_buffer_take(messenger_pool(messenger), MOST, &taken, NULL));
    x = client_take_free(client, &client->workers[0], NULL);
    REQUIRE(x != NULL);
}

static void close_client(void)
{
    client_give_back(client, &client->workers[0], x);
    payload_buffer_unref(taken);
    taken = NULL;
    client_destroy(client);
    messenger_destroy(messenger);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

static enum fusor_status take(size_t each)
{
    size_t sizes[SHARDS] = {each, each};

    err = (struct fusor_error){0};
    return client_take_parts(client, &client->workers[0], x, sizes, "gradients",
                             &err);
}

static void what_fits_is_there(void)
{
    open_client(1, -1);
    CHECK(take(MOST / 2) == FUSOR_OK);
    CHECK(x->legs[0].out != NULL && x->legs[1].out != NULL);
    CHECK(client_push_bytes(client, x) == MOST);
    close_client();
}

static void a_thread_alone_fails_at_once(void)
{
    open_client(1, -1);
    CHECK(take(MOST / 2 + 1) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "gradients") != NULL);
    CHECK(strstr(err.text, "cluster.message_memory") != NULL);
    CHECK(x->legs[0].out == NULL && x->legs[1].out == NULL);
    close_client();
}

static void a_message_has_a_bound_of_its_own(void)
{
    size_t sizes[SHARDS] = {8, MOST};

    open_client(1, -1);
    CHECK(client_check_parts(client, "keys", sizes, &err) == FUSOR_OK);
    sizes[1]++;
    CHECK(client_check_parts(client, "keys", sizes, &err) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "keys of shard 1") != NULL);
    close_client();
}

static enum fusor_status got;

static void *take_later(void *arg)
{
    (void)arg;
    got = take(MOST / 2 + 1);
    return NULL;
}

static pthread_t start_lacking(void)
{
    pthread_t thread;

    REQUIRE(!pthread_create(&thread, NULL, take_later, NULL));
    while (!atomic_load(&client->workers[0].lacks))
        sched_yield();
    return thread;
}

static void another_thread_s_room_is_waited_for(void)
{
    pthread_t thread;

    open_client(2, -1);
    thread = start_lacking();
    payload_buffer_unref(taken);
    taken = NULL;
    client_room_changed(client);
    pthread_join(thread, NULL);
    CHECK(got == FUSOR_OK && x->legs[1].out != NULL);
    CHECK(!atomic_load(&client->workers[0].lacks));
    CHECK(atomic_load(&client->room.n_lacking) == 0);
    close_client();
}

static void who_all_lack_room_fail(void)
{
    pthread_t thread;

    open_client(2, -1);
    thread = start_lacking();
    atomic_store(&client->workers[1].lacks, 1);
    client_room_changed(client);
    pthread_join(thread, NULL);
    CHECK(got == FUSOR_ENOMEM);
    close_client();
}

/* At staleness 0 the other one's push is of the unit that waits for this. */
static void who_waits_for_this_one_gives_nothing(void)
{
    pthread_t thread;

    open_client(2, 0);
    client->workers[0].index = 7;
    atomic_store(&client->workers[1].owed, 7); // of the unit before
    thread = start_lacking();
    atomic_store(&client->workers[1].owed, 8);
    client_room_changed(client);
    pthread_join(thread, NULL);
    CHECK(got == FUSOR_ENOMEM);
    close_client();
}

static void the_end_of_the_job_ends_the_wait(void)
{
    struct fusor_error why;
    pthread_t thread;

    fusor_fail(&why, FUSOR_ECLUSTER, "over");
    open_client(2, -1);
    thread = start_lacking();
    client_stop(client, &why);
    pthread_join(thread, NULL);
    CHECK(got == FUSOR_ECLUSTER && strcmp(err.text, "over") == 0);
    close_client();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"what fits is there", what_fits_is_there},
        {"a thread alone fails at once", a_thread_alone_fails_at_once},
        {"a message has a bound of its own", a_message_has_a_bound_of_its_own},
        {"another thread's room is waited for",
         another_thread_s_room_is_waited_for},
        {"who all lack room fail", who_all_lack_room_fail},
        {"who waits for this one gives nothing",
         who_waits_for_this_one_gives_nothing},
        {"the end of the job ends the wait", the_end_of_the_job_ends_the_wait},
    };
    return TEST_RUN("ps.client_room", cases);
}
