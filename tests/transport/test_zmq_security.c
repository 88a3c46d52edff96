/* transport/zmq with CURVE: the right key gets in, every wrong one is refused
 * and told so. */
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "transport/zmq.h"

#define PATIENCE_MS 8000
#define JOB 99

static const struct peer shard = {PEER_SHARD, 0, 1};
static struct transport_keypair server_keys, client_keys, other_keys;
static char endpoint[TRANSPORT_ENDPOINT_MAX];

static struct transport *serve(const struct transport_keypair *keys)
{
    const char *const allowed[] = {client_keys.public_key};
    struct transport_zmq_options o = {.job = JOB,
                                      .self = shard,
                                      .bind = "tcp://127.0.0.1:0",
                                      .listen_fd = -1,
                                      .keys = keys,
                                      .allowed = allowed,
                                      .n_allowed = 1};
    struct transport *t;

    REQUIRE(transport_zmq_create(&o, &t, NULL) == FUSOR_OK);
    snprintf(endpoint, sizeof(endpoint), "%.180s%s%s",
             transport_zmq_endpoint(t), keys ? " " : "",
             keys ? keys->public_key : "");
    return t;
}

static struct transport *join(const struct transport_keypair *keys)
{
    struct transport_zmq_options o = {
        .job = JOB, .self = {PEER_WORKER, 1, 1}, .listen_fd = -1, .keys = keys};
    struct transport *t;

    REQUIRE(transport_zmq_create(&o, &t, NULL) == FUSOR_OK);
    return t;
}

static void make_keys(void)
{
    REQUIRE(transport_zmq_keypair(&server_keys, NULL) == FUSOR_OK);
    REQUIRE(transport_zmq_keypair(&client_keys, NULL) == FUSOR_OK);
    REQUIRE(transport_zmq_keypair(&other_keys, NULL) == FUSOR_OK);
}

/* The client says something and must be told that it is refused. */
static void check_refused(struct transport *client, struct transport *server,
                          const char *why)
{
    struct fusor_error err = {.text = ""};
    struct delivery d;

    transport_send(client, shard, "h", 1, NULL, NULL);
    CHECK(transport_receive(client, &d, PATIENCE_MS, &err) == FUSOR_ECLUSTER);
    CHECK(!strncmp(err.text, "refused by tcp://127.0.0.1:", 27));
    CHECK(strstr(err.text, why) != NULL);
    CHECK(transport_send(client, shard, "h", 1, NULL, NULL) == FUSOR_ECLOSED);
    CHECK(transport_receive(server, &d, 20, NULL) == FUSOR_EAGAIN);
    transport_destroy(client);
    transport_destroy(server);
}

static void the_right_key_gets_in(void)
{
    struct payload p = {.data = "secret", .size = 6};
    struct transport *server, *client;
    struct delivery d;

    make_keys();
    server = serve(&server_keys);
    client = join(&client_keys);
    REQUIRE(transport_connect(client, shard, endpoint, NULL) == FUSOR_OK);
    REQUIRE(transport_send(client, shard, "h", 1, &p, NULL) == FUSOR_OK);
    REQUIRE(transport_receive(server, &d, PATIENCE_MS, NULL) == FUSOR_OK);
    CHECK(!memcmp(d.payload, "secret", 6));
    REQUIRE(transport_send(server, d.from, "h", 1, &p, NULL) == FUSOR_OK);
    CHECK(transport_receive(client, &d, PATIENCE_MS, NULL) == FUSOR_OK);
    CHECK(transport_zmq_stats(server).refused == 0);
    transport_destroy(client);
    transport_destroy(server);
}

static void a_mebibyte_gets_through_encrypted(void)
{
    static uint8_t big[1 << 20];
    struct payload p = {.data = big, .size = sizeof(big)};
    struct transport *server, *client;
    struct delivery d;

    make_keys();
    big[sizeof(big) - 1] = 7;
    server = serve(&server_keys);
    client = join(&client_keys);
    REQUIRE(transport_connect(client, shard, endpoint, NULL) == FUSOR_OK);
    REQUIRE(transport_send(client, shard, "h", 1, &p, NULL) == FUSOR_OK);
    REQUIRE(transport_receive(server, &d, PATIENCE_MS, NULL) == FUSOR_OK);
    CHECK(d.payload_size == sizeof(big) &&
          !memcmp(d.payload, big, sizeof(big)));
    transport_destroy(client);
    transport_destroy(server);
}

static void a_key_not_listed_is_refused(void)
{
    struct transport *server, *client;

    make_keys();
    server = serve(&server_keys);
    client = join(&other_keys);
    REQUIRE(transport_connect(client, shard, endpoint, NULL) == FUSOR_OK);
    check_refused(client, server, "wrong key");
}

static void the_server_counts_whom_it_refused(void)
{
    struct transport *server, *client;
    struct delivery d;

    make_keys();
    server = serve(&server_keys);
    client = join(&other_keys);
    REQUIRE(transport_connect(client, shard, endpoint, NULL) == FUSOR_OK);
    CHECK(transport_receive(client, &d, PATIENCE_MS, NULL) == FUSOR_ECLUSTER);
    CHECK(transport_zmq_stats(server).refused == 1);
    transport_destroy(client);
    transport_destroy(server);
}

static void a_wrong_key_of_the_server_is_said(void)
{
    struct transport *server, *client;

    make_keys();
    server = serve(&server_keys);
    client = join(&client_keys);
    memcpy(strchr(endpoint, ' ') + 1, other_keys.public_key,
           TRANSPORT_KEY_SIZE);
    REQUIRE(transport_connect(client, shard, endpoint, NULL) == FUSOR_OK);
    check_refused(client, server, "key");
}

static void no_key_at_a_door_with_a_lock_is_said(void)
{
    struct transport *server, *client;

    make_keys();
    server = serve(&server_keys);
    client = join(NULL);
    *strchr(endpoint, ' ') = '\0';
    REQUIRE(transport_connect(client, shard, endpoint, NULL) == FUSOR_OK);
    check_refused(client, server, "keys");
}

static void a_key_at_a_door_without_a_lock_is_said(void)
{
    struct transport *server, *client;

    make_keys();
    server = serve(NULL);
    client = join(&client_keys);
    snprintf(endpoint + strlen(endpoint), 42, " %s", server_keys.public_key);
    REQUIRE(transport_connect(client, shard, endpoint, NULL) == FUSOR_OK);
    check_refused(client, server, "keys");
}

static void a_key_on_one_side_only_is_caught_at_connect(void)
{
    struct transport *with, *without, *server;

    make_keys();
    server = serve(&server_keys);
    with = join(&client_keys);
    without = join(NULL);
    CHECK(transport_connect(without, shard, endpoint, NULL) == FUSOR_EINVAL);
    *strchr(endpoint, ' ') = '\0';
    CHECK(transport_connect(with, shard, endpoint, NULL) == FUSOR_EINVAL);
    transport_destroy(with);
    transport_destroy(without);
    transport_destroy(server);
}

static void keys_that_are_none_are_refused(void)
{
    const char *const allowed[] = {"too short"};
    struct transport_zmq_options o = {.job = JOB,
                                      .self = shard,
                                      .bind = "tcp://127.0.0.1:0",
                                      .listen_fd = -1,
                                      .keys = &server_keys,
                                      .allowed = allowed,
                                      .n_allowed = 1};
    struct transport *t;

    make_keys();
    CHECK(transport_zmq_create(&o, &t, NULL) == FUSOR_EINVAL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the right key gets in", the_right_key_gets_in},
        {"a mebibyte gets through encrypted",
         a_mebibyte_gets_through_encrypted},
        {"a key not listed is refused", a_key_not_listed_is_refused},
        {"the server counts whom it refused",
         the_server_counts_whom_it_refused},
        {"a wrong key of the server is said",
         a_wrong_key_of_the_server_is_said},
        {"no key at a door with a lock is said",
         no_key_at_a_door_with_a_lock_is_said},
        {"a key at a door without a lock is said",
         a_key_at_a_door_without_a_lock_is_said},
        {"a key on one side only is caught at connect",
         a_key_on_one_side_only_is_caught_at_connect},
        {"keys that are none are refused", keys_that_are_none_are_refused},
    };
    return TEST_RUN("transport.zmq_security", cases);
}
