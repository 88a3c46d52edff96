/* Which TCP ports a job may listen on: clusters open a range of them in their
 * firewalls. */
#ifndef JOB_PORTS_H
#define JOB_PORTS_H

#include "fusor/status.h"
#include "transport/zmq.h"

struct port_range {
    unsigned first, last; // 0, 0: any that is free
};

/** @param text "20000-20100", "20000", or "": any
 * @return FUSOR_EUSAGE saying what is expected */
enum fusor_status ports_parse(const char *text, struct port_range *out,
                              struct fusor_error *err);
/** Listen on the first port of the range that is free.
 * @param host IPv4 address
 * @param fd,endpoint as transport_zmq_listen() sets them
 * @return FUSOR_ECLUSTER: all are in use; the text says so of the last */
enum fusor_status ports_listen(const struct port_range *range, const char *host,
                               int *fd, char endpoint[TRANSPORT_ENDPOINT_MAX],
                               struct fusor_error *err);

#endif
