/* Opens a pair on a network, and lets it speak. */
#include "pair.h"

#include <string.h>

#include "harness.h"

const struct network *net;
struct transport *server, *client;
const struct peer shard = {PEER_SHARD, 3, 1};
const struct peer worker = {PEER_WORKER, 7, 1};

void pair_open(void)
{
    net->open();
    server = net->serve(shard);
    client = net->join(worker);
    REQUIRE(transport_connect(client, shard, net->endpoint(server), NULL) ==
            FUSOR_OK);
}

void pair_close(void)
{
    transport_destroy(client);
    transport_destroy(server);
    net->close();
}

enum fusor_status pair_say(struct transport *t, struct peer to,
                           const char *text)
{
    struct payload p = {.data = text, .size = strlen(text)};

    return transport_send(t, to, "h", 1, &p, NULL);
}

int pair_heard(struct transport *t, struct delivery *d, const char *text)
{
    return transport_receive(t, d, PAIR_PATIENCE_MS, NULL) == FUSOR_OK &&
           d->payload_size == strlen(text) &&
           !memcmp(d->payload, text, d->payload_size);
}

void pair_greet(void)
{
    struct delivery d;

    REQUIRE(pair_say(client, shard, "hello") == FUSOR_OK);
    REQUIRE(pair_heard(server, &d, "hello"));
}

void pair_send(struct transport *from, struct peer to, const struct payload *p)
{
    enum fusor_status rc = FUSOR_EAGAIN;
    struct delivery d;

    for (int i = 0; i < PAIR_PATIENCE_MS; i++) {
        rc = transport_send(from, to, "h", 1, p, NULL);
        if (rc != FUSOR_EAGAIN)
            break;
        transport_receive(from, &d, 1, NULL);
    }
    REQUIRE(rc == FUSOR_OK);
}

int pair_run(const struct test_case *cases, size_t n)
{
    int failed = 0;

    for (size_t i = 0; i < n_networks; i++) {
        net = &networks[i];
        failed |= test_run(net->suite, cases, n);
    }
    return failed;
}
