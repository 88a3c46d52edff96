/* Servers and workers of a host and their places. */
#include "job/bind.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"

static struct facts facts[4];

/* Four ranks on two hosts of 8 cores; each a server and a worker. */
static struct placement make_plan(struct placement_rank ranks[4])
{
    memset(facts, 0, sizeof(facts));
    for (uint32_t r = 0; r < 4; r++) {
        facts[r].on_host = r / 2;
        facts[r].cpus.word[0] = 0xff;
        ranks[r] = (struct placement_rank){.is_server = 1,
                                           .is_worker = 1,
                                           .server = r,
                                           .worker = r,
                                           .n_shards = 2,
                                           .n_threads = 2};
    }
    return (struct placement){.n_ranks = 4, .n_hosts = 2, .ranks = ranks};
}

static void only_the_own_host_is_planned(void)
{
    struct placement_rank ranks[4];
    struct placement plan = make_plan(ranks);
    struct machine *m;
    struct bind b;
    struct affinity *a;

    REQUIRE(!machine_create("numa:2 core:4 pu:1", &m, NULL));
    REQUIRE(!bind_ranks(AFFINITY_AUTO, m, facts, &plan, 3, &b, NULL));
    CHECK(b.mode == AFFINITY_CORE && b.why == AFFINITY_SPREAD && b.n == 4);
    CHECK(b.processes[0].rank == 2 && b.processes[0].role == ROLE_SERVER);
    CHECK(b.processes[3].rank == 3 && b.processes[3].role == ROLE_WORKER);
    CHECK(bind_find(&b, 0, ROLE_SERVER) == NULL);
    CHECK(bind_find(&b, 2, ROLE_COORDINATOR) == NULL);
    a = bind_find(&b, 3, ROLE_WORKER);
    REQUIRE(a != NULL && a->n_threads == 2);
    CHECK(a->threads[0].node == 1 && a->threads[0].cpus.word[0] == 0x40);
    CHECK(a->cpus.word[0] == 0xf0);
    bind_clear(&b);
    machine_destroy(m);
}

static void a_bound_rank_leaves_its_host_as_it_is(void)
{
    struct placement_rank ranks[4];
    struct placement plan = make_plan(ranks);
    struct strbuf out = {0};
    struct machine *m;
    struct bind b;

    REQUIRE(!machine_create("numa:2 core:4 pu:1", &m, NULL));
    facts[3].cpus.word[0] = 0x0f;
    REQUIRE(!bind_ranks(AFFINITY_AUTO, m, facts, &plan, 2, &b, NULL));
    CHECK(b.mode == AFFINITY_NONE && bind_find(&b, 2, ROLE_WORKER) == NULL);
    bind_describe(&b, &out);
    CHECK(out.s && strstr(out.s, "binds nothing: the launcher") == out.s);
    strbuf_clear(&out);
    bind_clear(&b);
    REQUIRE(!bind_ranks(AFFINITY_CORE, m, facts, &plan, 2, &b, NULL));
    CHECK(b.mode == AFFINITY_CORE && b.n == 4);
    CHECK((bind_find(&b, 3, ROLE_WORKER)->cpus.word[0] & ~0x0fULL) == 0);
    bind_clear(&b);
    machine_destroy(m);
}

static void the_banner_tells_each_process(void)
{
    struct machine_cpus given = {{0xff}};
    struct strbuf out = {0};
    struct machine *m;
    struct bind b;

    REQUIRE(!machine_create("numa:2 core:4 pu:1", &m, NULL));
    REQUIRE(!bind_local(AFFINITY_AUTO, m, &given, 8, &b, NULL));
    bind_describe(&b, &out);
    CHECK(out.s &&
          !strcmp(out.s, "binds each thread to a core, its memory near it\n"
                         "  rank 0    worker  processors 0-7 of node 0, 1\n"));
    strbuf_clear(&out);
    bind_clear(&b);
    machine_destroy(m);
}

static void a_host_that_cannot_be_looked_at_is_left_alone(void)
{
    struct machine_cpus given = {{1}};
    struct machine *m = NULL;
    struct bind b;

    REQUIRE(!bind_look(AFFINITY_NONE, &m, NULL));
    CHECK(m == NULL);
    mem_fail_after(1);
    CHECK(bind_look(AFFINITY_AUTO, &m, NULL) == FUSOR_OK && m == NULL);
    mem_fail_after(1);
    CHECK(bind_look(AFFINITY_CORE, &m, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
    REQUIRE(!bind_local(AFFINITY_AUTO, NULL, &given, 1, &b, NULL));
    CHECK(b.mode == AFFINITY_NONE && b.why == AFFINITY_UNKNOWN);
    bind_clear(&b);
}

static void exhausted_memory_is_an_error_and_leaks_nothing(void)
{
    struct placement_rank ranks[4];
    struct placement plan = make_plan(ranks);
    size_t before = mem_used();
    struct machine *m;
    struct bind b;

    REQUIRE(!machine_create("numa:2 core:4 pu:1", &m, NULL));
    for (long n = 1; n <= 3; n++) {
        mem_fail_after(n);
        CHECK(bind_ranks(AFFINITY_CORE, m, facts, &plan, 0, &b, NULL) ==
              FUSOR_ENOMEM);
    }
    mem_fail_after(0);
    machine_destroy(m);
    CHECK(mem_used() == before);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"only the own host is planned", only_the_own_host_is_planned},
        {"a bound rank leaves its host as it is",
         a_bound_rank_leaves_its_host_as_it_is},
        {"the banner tells each process", the_banner_tells_each_process},
        {"a host that cannot be looked at is left alone",
         a_host_that_cannot_be_looked_at_is_left_alone},
        {"exhausted memory is an error and leaks nothing",
         exhausted_memory_is_an_error_and_leaks_nothing},
    };
    return TEST_RUN("job.bind", cases);
}
