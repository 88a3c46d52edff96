/* The work behind fusor bench pull, push, latency and dense: real server
 * processes, tiny sizes. No test looks at how long anything took. */
#include "cli/bench_exchange.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/bench_report.h"
#include "harness.h"

static void quantiles_are_those_of_the_sorted(void)
{
    static const double x[] = {1, 2, 3, 4};

    CHECK(bench_quantile(x, 4, 0.5) == 2.5);
    CHECK(bench_quantile(x, 3, 0.5) == 2);
    CHECK(bench_quantile(x, 1, 0.5) == 1);
    CHECK(bench_quantile(x, 4, 0.99) == 4);
    CHECK(bench_quantile(x, 4, 0.75) == 3);
    CHECK(bench_quantile(x, 4, 0) == 1);
}

static void table(uint32_t n_servers, enum bench_transport transport)
{
    struct bench_exchange_config config = {.n_ids = 300,
                                           .width = 3,
                                           .distinct = 200,
                                           .n_servers = n_servers,
                                           .transport = transport,
                                           .warmup = 1,
                                           .repeats = 4,
                                           .with_push = 1};
    struct bench_exchange e;
    struct fusor_error err;

    REQUIRE(bench_exchange_run(&config, &e, &err) == FUSOR_OK);
    CHECK(e.usage.rows == 200); // each was made, and no other
    CHECK(e.keys > 100 && e.keys < 200);
    for (int i = 0; i < 4; i++) {
        CHECK(e.pull.seconds[i] > 0 && e.push.seconds[i] > 0);
        CHECK(i == 0 || e.pull.seconds[i - 1] <= e.pull.seconds[i]);
    }
    CHECK(e.usage.client_rss_bytes > 0 && e.usage.server_rss_bytes > 0);
    bench_exchange_clear(&e);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0); // no process is left
}

static void rows_go_to_one_server(void)
{
    table(1, BENCH_SHM);
    table(1, BENCH_ZMQ);
}

static void rows_go_to_three_servers(void)
{
    table(3, BENCH_SHM);
    table(3, BENCH_ZMQ);
}

static void dense_values_go_both_ways(void)
{
    struct bench_exchange_config config = {
        .n_dense = 50000, .n_servers = 2, .repeats = 2, .with_push = 1};
    struct bench_exchange e;
    struct fusor_error err;

    REQUIRE(bench_exchange_run(&config, &e, &err) == FUSOR_OK);
    CHECK(e.usage.rows == 0);
    CHECK(e.keys == 0);
    CHECK(e.push.seconds[0] > 0);
    bench_exchange_clear(&e);
}

static const struct param_spec no_params = {.seed = 1};

static void a_dead_server_is_named(void)
{
    struct bench_server_config config = {.params = &no_params, .n_servers = 1};
    struct bench_server s;
    struct fusor_error err;

    REQUIRE(bench_server_start(&config, NULL, 0, &s, &err) == FUSOR_OK);
    CHECK(strncmp(bench_address_text(&s.address, BENCH_ZMQ),
                  "tcp://127.0.0.1:", 16) == 0);
    CHECK(strncmp(bench_address_text(&s.address, BENCH_SHM), "shm:", 4) == 0);
    kill(s.pid, SIGKILL);
    CHECK(bench_server_stop(&s, NULL, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "a server died") != NULL);
    CHECK(bench_server_stop(&s, NULL, &err) == FUSOR_OK); // it is not there
}

static void too_many_servers_are_refused(void)
{
    struct bench_cluster_config config = {.params = &no_params,
                                          .n_servers = BENCH_SERVERS_MAX + 1};
    struct bench_cluster *b = NULL;
    struct fusor_error err;

    CHECK(bench_cluster_create(&config, &b, &err) == FUSOR_EINVAL);
    CHECK(b == NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"quantiles are those of the sorted numbers",
         quantiles_are_those_of_the_sorted},
        {"rows go to one server and back", rows_go_to_one_server},
        {"rows go to three servers and back", rows_go_to_three_servers},
        {"dense values go both ways", dense_values_go_both_ways},
        {"a dead server is named", a_dead_server_is_named},
        {"too many servers are refused", too_many_servers_are_refused},
    };
    return TEST_RUN("cli.bench_exchange", cases);
}
