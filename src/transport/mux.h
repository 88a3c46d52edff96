/* One endpoint over two transports: shared memory for the peers of this host,
 * ZeroMQ for all others. Who is where follows from the text given to connect
 * ("shm:..." or anything else) or from where a peer spoke first. A wait waits
 * for both at once.
 *
 * Owner and threads: see transport.h. */
#ifndef TRANSPORT_MUX_H
#define TRANSPORT_MUX_H

#include "transport/shm.h"
#include "transport/zmq.h"

/** Make both endpoints under one.
 * @param zmq its also_fd is overwritten
 * @return as transport_shm_create() and transport_zmq_create() */
enum fusor_status transport_mux_create(const struct transport_shm_options *shm,
                                       const struct transport_zmq_options *zmq,
                                       struct transport **out,
                                       struct fusor_error *err);
/** Where peers of other hosts connect to; the endpoint's own. */
const char *transport_mux_zmq_endpoint(const struct transport *t);

#endif
