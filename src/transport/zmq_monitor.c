/* A refused client only looks mute; libzmq says why through socket events and
 * nowhere else. */
#include "transport/zmq_endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EVENTS                                                         \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |                             \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
/* A server that dies in a handshake breaks one, or a few while it restarts; one
 * with another key breaks every one: at 20..500 ms apart this is below 5 s. */
#define BROKEN_SHAKES_MOST 10

enum fusor_status zmq_monitor_open(struct zmq_endpoint *e, void *socket,
                                   void **monitor, struct fusor_error *err)
{
    char name[48];

    snprintf(name, sizeof(name), "inproc://monitor-%u", e->n_monitors++);
    *monitor = zmq_socket(e->context, ZMQ_PAIR);
    if (!*monitor || zmq_socket_monitor(socket, name, EVENTS) ||
        zmq_connect(*monitor, name))
        return fusor_fail(err, FUSOR_ECLUSTER, "zmq: monitor: %s",
                          zmq_strerror(zmq_errno()));
    return FUSOR_OK;
}

/* One event: [u16 event, u32 value][address].
 * @return 0, or -1: none */
static int event_read(void *monitor, uint16_t *event, uint32_t *value)
{
    uint8_t bytes[6] = {0};
    char address[TRANSPORT_ENDPOINT_MAX];

    if (zmq_recv(monitor, bytes, sizeof(bytes), ZMQ_DONTWAIT) < 0)
        return -1;
    zmq_recv(monitor, address, sizeof(address), ZMQ_DONTWAIT);
    memcpy(event, bytes, 2);
    memcpy(value, bytes + 2, 4);
    return 0;
}

static enum fusor_status refuse(struct zmq_dealer *d, const char *why,
                                struct fusor_error *err)
{
    if (d->refused)
        return FUSOR_OK;
    d->refused = 1;
    return fusor_fail(err, FUSOR_ECLUSTER, "refused by %s: %s", d->address,
                      why);
}

enum fusor_status zmq_monitor_read(struct zmq_dealer *d,
                                   struct fusor_error *err)
{
    uint16_t event;
    uint32_t value;

    if (event_read(d->monitor, &event, &value))
        return FUSOR_EAGAIN;
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        d->broken_shakes = 0;
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return refuse(d, "wrong key: it does not know this process", err);
    /* Which of the two comes depends on who closes first. */
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
        (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL &&
         ++d->broken_shakes == BROKEN_SHAKES_MOST))
        return refuse(d,
                      "no handshake succeeds: one side uses keys and the other "
                      "not, its key is another, it is another user's (ipc), or "
                      "another program listens there",
                      err);
    return FUSOR_OK;
}
