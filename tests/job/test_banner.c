/* The banner names plan, network and kernels. */
#include "job/banner.h"

#include <string.h>

#include "harness.h"

static void a_cluster_s_banner_shows_the_plan(void)
{
    struct boot_rank ranks[20];
    struct boot b = {.n_ranks = 20, .n_shards = 2, .ranks = ranks};
    struct strbuf out = {0};

    memset(ranks, 0, sizeof(ranks));
    strcpy(ranks[0].host, "node7");
    ranks[0].place.is_server = 1;
    ranks[0].place.n_shards = 2;
    for (int r = 1; r < 20; r++)
        ranks[r].place =
            (struct placement_rank){.is_worker = 1, .n_threads = 1};
    banner_cluster(&b, 4, &out);
    REQUIRE(out.s != NULL);
    CHECK(strstr(out.s, "20 ranks, 2 shards, 19 workers") != NULL);
    CHECK(strstr(out.s, "node7") != NULL);
    CHECK(strstr(out.s, "server 0: 2 shards") != NULL);
    CHECK(strstr(out.s, "and 4 more ranks") != NULL);
    CHECK(strstr(out.s, "staleness up to 4") != NULL);
    CHECK(strstr(out.s, "without encryption") != NULL);
    strbuf_clear(&out);
    b.secure = 1;
    banner_cluster(&b, 0, &out);
    CHECK(strstr(out.s, "CURVE") != NULL);
    CHECK(strstr(out.s, "shared memory") == NULL);
    CHECK(strstr(out.s, "staleness 0") != NULL);
    strbuf_clear(&out);
    strcpy(b.shm_key, "0123");
    banner_cluster(&b, 0, &out);
    CHECK(strstr(out.s, "network: shared memory within this host\n") != NULL);
    strbuf_clear(&out);
    ranks[19].on_host = 1;
    banner_cluster(&b, 0, &out);
    CHECK(strstr(out.s, "shared memory within a host; between hosts tcp, "
                        "encrypted") != NULL);
    CHECK(strstr(out.s, b.shm_key) == NULL);
    strbuf_clear(&out);
}

static void a_local_banner_shows_threads_and_kernels(void)
{
    struct strbuf out = {0};

    banner_local("runs/x", 2, &out);
    REQUIRE(out.s != NULL);
    CHECK(strstr(out.s, "2 threads") && strstr(out.s, "runs/x"));
    CHECK(strstr(out.s, "BLAS kernels") != NULL);
    CHECK(strstr(out.s, "products ") != NULL);
    strbuf_clear(&out);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a cluster's banner shows the plan",
         a_cluster_s_banner_shows_the_plan},
        {"a local banner shows threads and kernels",
         a_local_banner_shows_threads_and_kernels},
    };
    return TEST_RUN("job.banner", cases);
}
