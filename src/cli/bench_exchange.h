/* The measured work of `fusor bench pull`, `push`, `latency` and `dense`: what
 * a worker and the servers do for one step, request by request, one in flight.
 *
 *   pull  from unsorted ids with repeats to values in the batch: distinct keys
 *         found, sent, looked up, values back, copied to each id's place
 *   push  from one gradient an id to "applied": summed by key, sent, one step
 *         of sgd, acknowledged
 *
 * Dense values, if any, travel with both. All rows of the table exist before
 * anything is timed.
 *
 * Threads: one. It prints nothing. */
#ifndef CLI_BENCH_EXCHANGE_H
#define CLI_BENCH_EXCHANGE_H

#include <stddef.h>

#include "cli/bench_cluster.h"

struct bench_exchange_config {
    uint64_t n_ids;    // of one request, repeats counted; 0: no table
    uint64_t width;    // floats of a row
    uint64_t distinct; // rows of the table; ids are drawn from them
    uint64_t n_dense;  // floats; 0: no block
    uint32_t n_servers;
    enum bench_transport transport;
    enum encoding encoding;   // of values and gradients under way
    uint64_t warmup, repeats; // requests; repeats > 0
    int with_push;            // else gradients stay empty
};

/* One kind of request. */
struct bench_phase {
    double *seconds; // [repeats] ascending once bench_exchange_run() returns
    double client_cpu, server_cpu; // seconds, of all requests
};

struct bench_exchange {
    struct bench_exchange_config config;
    struct bench_phase pull, push;
    double keys; // distinct ones of a request, on average
    struct bench_usage usage;
};

/** Do it all: start the servers, make the rows, measure, end the servers.
 * @param out release with bench_exchange_clear(), also after a failure */
enum fusor_status bench_exchange_run(const struct bench_exchange_config *config,
                                     struct bench_exchange *out,
                                     struct fusor_error *err);
void bench_exchange_clear(struct bench_exchange *e);

#endif
