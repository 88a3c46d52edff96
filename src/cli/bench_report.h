/* What the benchmarks over servers share: their settings, and how they print.
 */
#ifndef CLI_BENCH_REPORT_H
#define CLI_BENCH_REPORT_H

#include "cli/args.h"
#include "cli/bench_exchange.h"

struct bench_options {
    uint64_t rows, width, distinct;
    uint64_t size; // bytes of dense values
    uint64_t servers, repeats, warmup;
    int transport; // enum bench_transport
    int wire;      // enum encoding
};

#define BENCH_TABLE_OPTIONS(rows_default)                                 \
    OPTION_SIZE(struct bench_options, rows, rows_default, 1, 1e7,         \
                "ids in one request, repeats counted"),                   \
        OPTION_SIZE(struct bench_options, width, "16", 1, 4096,           \
                    "floats of a row"),                                   \
        OPTION_SIZE(struct bench_options, distinct, "1M", 1, 1e9,         \
                    "rows of the table; ids are drawn evenly from them, " \
                    "unsorted")

#define BENCH_SHARED_OPTIONS(repeats_default, warmup_default)               \
    OPTION_SIZE(struct bench_options, servers, "1", 1, BENCH_SERVERS_MAX,   \
                "server processes of one shard each"),                      \
        OPTION_ENUM(                                                        \
            struct bench_options, transport, "shm", bench_transport_names,  \
            "shm: shared memory, as a job on one host; zmq: TCP on "        \
            "loopback; mux: shared memory where both are listened to"),     \
        OPTION_ENUM(struct bench_options, wire, "f32", bench_wire_names,    \
                    "how values and gradients travel, as cluster.wire"),    \
        OPTION_SIZE(struct bench_options, repeats, repeats_default, 1, 1e7, \
                    "requests that are measured"),                          \
        OPTION_SIZE(struct bench_options, warmup, warmup_default, 0, 1e7,   \
                    "requests before them that are not")

/** The options every benchmark has besides its settings. */
extern const struct arg_spec bench_args[];

extern const char *const bench_wire_names[];

/** Units and terms, for the help of each. */
#define BENCH_ABOUT                                                            \
    "A request is timed from the worker's call to its return, one in "         \
    "flight, in the\n"                                                         \
    "code that a job's worker runs; servers are processes of their own on "    \
    "this host,\n"                                                             \
    "staleness 0, no CURVE, nothing written to disk.\n"                        \
    "\n"                                                                       \
    "  p50, p99   seconds of a request: the median, and what 99 of 100 stay\n" \
    "             within\n"                                                    \
    "  rows/s     ids (repeats counted) served in a second of the median\n"    \
    "             request\n"                                                   \
    "  GB/s       1e9 bytes of f32 values in the worker's batch, a second\n"   \
    "  CPU s/GB   processor time of the worker's process and of all server\n"  \
    "             processes for 1e9 of these bytes\n"                          \
    "  RSS        the most memory the worker's and the server processes had\n" \
    "  huge pages how many 2 MiB pages the servers' rows got of those they\n"  \
    "             asked for\n"

enum bench_phases { BENCH_PULL = 1, BENCH_PUSH = 2 };

/** Measure what the settings of a benchmark say, and print it.
 * @param phases enum bench_phases that are shown; without BENCH_PUSH gradients
 *        stay empty */
enum fusor_status bench_run(const struct args *a, unsigned phases,
                            struct fusor_error *err);

/** Sort n numbers, ascending. */
void bench_sort(double *values, size_t n);
/** Value at a share q of n ascending numbers: the smallest that at least
 * q * n of them do not exceed; for q = 0.5 the mean of the middle two. n > 0 */
double bench_quantile(const double *ascending, size_t n, double q);

#endif
