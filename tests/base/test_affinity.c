/* Places of threads on described hosts; taking one on this host. */
#define _GNU_SOURCE /* syscall, MAP_ANONYMOUS */
#include "base/affinity.h"

#include <linux/mempolicy.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

static struct affinity got;

/* Processors first .. last. */
static struct machine_cpus range(unsigned first, unsigned last)
{
    struct machine_cpus set = {{0}};

    for (unsigned i = first; i <= last; i++)
        set.word[i / 64] |= (uint64_t)1 << i % 64;
    return set;
}

static struct machine *host(const char *text)
{
    struct machine *m = NULL;

    CHECK(machine_create(text, &m, NULL) == FUSOR_OK);
    return m;
}

static int same(const struct machine_cpus *a, struct machine_cpus b)
{
    return memcmp(a, &b, sizeof(b)) == 0;
}

static void plan(const struct machine *m, enum affinity_mode mode,
                 const struct affinity_process *p, uint32_t n, uint32_t which)
{
    memset(&got, 0xff, sizeof(got));
    CHECK(affinity_plan(m, mode, p, n, which, &got, NULL) == FUSOR_OK);
    CHECK(got.n_threads == p[which].n_threads);
}

static void auto_binds_only_where_it_may_and_helps(void)
{
    struct affinity_process p[2] = {{range(0, 7), 4}, {range(0, 7), 4}};
    struct machine *one = host("core:8 pu:1"),
                   *two = host("numa:2 core:4 pu:1");
    enum affinity_why why;

    CHECK(affinity_decide(one, AFFINITY_AUTO, p, 2, &why) == AFFINITY_NONE);
    CHECK(why == AFFINITY_ONE_NODE);
    CHECK(affinity_decide(NULL, AFFINITY_AUTO, p, 2, &why) == AFFINITY_NONE);
    CHECK(why == AFFINITY_UNKNOWN);
    CHECK(affinity_decide(two, AFFINITY_AUTO, p, 2, &why) == AFFINITY_CORE);
    CHECK(why == AFFINITY_SPREAD);
    p[1].n_threads = 5;
    CHECK(affinity_decide(two, AFFINITY_AUTO, p, 2, &why) == AFFINITY_NODE);
    CHECK(why == AFFINITY_CROWDED);
    p[1].given = range(4, 7); // bound by the launcher
    CHECK(affinity_decide(two, AFFINITY_AUTO, p, 2, &why) == AFFINITY_NONE);
    CHECK(why == AFFINITY_LAUNCHER);
    CHECK(affinity_decide(one, AFFINITY_CORE, p, 2, &why) == AFFINITY_CORE);
    CHECK(why == AFFINITY_ASKED);
    CHECK(affinity_decide(two, AFFINITY_NONE, p, 2, &why) == AFFINITY_NONE);
    machine_destroy(one);
    machine_destroy(two);
}

static void processes_get_cores_of_one_node_each(void)
{
    struct affinity_process p[4] = {{range(0, 15), 2},
                                    {range(0, 15), 2},
                                    {range(0, 15), 2},
                                    {range(0, 15), 2}};
    struct machine *m = host("numa:2 core:4 pu:2");
    static const unsigned first_core[] = {0, 4, 2, 6};

    for (uint32_t i = 0; i < 4; i++) {
        plan(m, AFFINITY_CORE, p, 4, i);
        CHECK(same(&got.cpus, i % 2 ? range(8, 15) : range(0, 7)));
        for (uint32_t t = 0; t < 2; t++) {
            unsigned core = first_core[i] + t;

            CHECK(got.threads[t].node == i % 2);
            CHECK(same(&got.threads[t].cpus, range(2 * core, 2 * core + 1)));
        }
    }
    machine_destroy(m);
}

static void one_process_takes_all_nodes_in_order(void)
{
    struct affinity_process p = {range(0, 7), 8};
    struct machine *m = host("numa:2 core:4 pu:1");

    plan(m, AFFINITY_CORE, &p, 1, 0);
    CHECK(same(&got.cpus, range(0, 7)));
    for (uint32_t t = 0; t < 8; t++) {
        CHECK(got.threads[t].node == t / 4);
        CHECK(same(&got.threads[t].cpus, range(t, t)));
    }
    plan(m, AFFINITY_NODE, &p, 1, 0);
    CHECK(same(&got.threads[3].cpus, range(0, 3)));
    CHECK(same(&got.threads[4].cpus, range(4, 7)));
    machine_destroy(m);
}

static void a_given_set_is_never_left(void)
{
    struct affinity_process p[3] = {
        {range(4, 5), 2}, {range(4, 5), 1}, {range(6, 7), 3}};
    struct machine *m = host("numa:2 core:4 pu:1");

    plan(m, AFFINITY_CORE, p, 3, 0);
    CHECK(same(&got.cpus, range(4, 5)) && got.threads[0].node == 1);
    plan(m, AFFINITY_CORE, p, 3, 1); // shares a core
    CHECK(same(&got.threads[0].cpus, range(4, 4)));
    plan(m, AFFINITY_CORE, p, 3, 2); // three threads on two cores
    CHECK(same(&got.threads[0].cpus, range(6, 6)));
    CHECK(same(&got.threads[1].cpus, range(7, 7)));
    CHECK(same(&got.threads[2].cpus, range(6, 6)));
    machine_destroy(m);
}

static void half_a_core_is_all_a_process_gets(void)
{
    struct affinity_process p = {range(1, 1), 1}; // one of two siblings
    struct machine *m = host("numa:1 core:2 pu:2");

    plan(m, AFFINITY_CORE, &p, 1, 0);
    CHECK(same(&got.threads[0].cpus, range(1, 1)));
    machine_destroy(m);
}

static void what_cannot_be_planned_is_refused(void)
{
    struct affinity_process p = {range(512, 513), 1};
    struct machine *m = host("numa:2 core:2 pu:1");
    struct fusor_error err = {0};

    CHECK(affinity_plan(m, AFFINITY_CORE, &p, 1, 0, &got, &err) ==
          FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "cluster.bind: none") != NULL);
    p = (struct affinity_process){range(0, 3), AFFINITY_THREADS_MAX + 1};
    CHECK(affinity_plan(m, AFFINITY_CORE, &p, 1, 0, &got, &err) ==
          FUSOR_EUSAGE);
    mem_fail_after(1);
    CHECK(affinity_plan(m, AFFINITY_CORE, &p, 1, 0, &got, NULL) ==
          FUSOR_ENOMEM);
    mem_fail_after(0);
    machine_destroy(m);
}

static void places_are_told_as_ranges(void)
{
    struct affinity_process p = {range(0, 63), 12};
    struct machine *m = host("numa:2 core:8 pu:4");
    struct strbuf out = {0};
    enum affinity_why why;

    plan(m, AFFINITY_CORE, &p, 1, 0);
    affinity_describe(&got, &out);
    CHECK(out.s && !strcmp(out.s, "processors 0-47 of node 0, 1"));
    strbuf_clear(&out);
    p = (struct affinity_process){range(33, 33), 1};
    plan(m, AFFINITY_CORE, &p, 1, 0);
    affinity_describe(&got, &out);
    CHECK(out.s && !strcmp(out.s, "processors 33 of node 1"));
    strbuf_clear(&out);
    for (int mode = AFFINITY_NONE; mode <= AFFINITY_NODE; mode++)
        CHECK(strlen(affinity_text((enum affinity_mode)mode, AFFINITY_ASKED)) >
              10);
    CHECK(affinity_decide(m, AFFINITY_AUTO, &p, 1, &why) == AFFINITY_NONE);
    CHECK(strstr(affinity_text(AFFINITY_NONE, why), "launcher") != NULL);
    machine_destroy(m);
}

/* On this host: the thread's processors, then all it had. */
static void *take_a_place(void *arg)
{
    struct machine_cpus given = affinity_given(), now;
    int *ok = arg;

    *ok = affinity_enter(&got, 1) == 0;
    now = affinity_given();
    *ok &= same(&now, got.threads[1].cpus);
    *ok &= affinity_leave(&got) == 0;
    now = affinity_given();
    *ok &= same(&now, given);
    *ok &= affinity_enter(NULL, 0) == 0 && affinity_leave(NULL) == 0;
    now = affinity_given();
    *ok &= same(&now, given);
    return NULL;
}

static void a_thread_takes_its_place_and_leaves_it(void)
{
    struct affinity_process p = {affinity_given(), 2};
    struct machine *m = host(NULL);
    pthread_t thread;
    int ok = 0;

    plan(m, AFFINITY_CORE, &p, 1, 0);
    got.cpus = p.given;
    REQUIRE(pthread_create(&thread, NULL, take_a_place, &ok) == 0);
    pthread_join(thread, NULL);
    CHECK(ok);
    CHECK(affinity_place(&got, 1) == &got.threads[1]);
    CHECK(!affinity_place(&got, 2) && !affinity_place(NULL, 0));
    got.threads[0].cpus = range(1023, 1023); // not of this host
    CHECK(affinity_enter(&got, 0) == -1);
    machine_destroy(m);
}

/* Kernels without memory nodes, and containers, may refuse. */
static void memory_is_asked_for_near_a_place(void)
{
    struct affinity_place at = {range(0, 0), 0};
    size_t size = 1 << 16;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long nodes[MACHINE_WORDS] = {0};
    int policy = -1;

    REQUIRE(p != MAP_FAILED);
    affinity_prefer_memory(NULL, p, size);
    if (syscall(SYS_get_mempolicy, &policy, nodes, MACHINE_CPUS + 1UL, p,
                MPOL_F_ADDR) == 0) {
        CHECK(policy == MPOL_DEFAULT);
        affinity_prefer_memory(&at, p, size);
        CHECK(!syscall(SYS_get_mempolicy, &policy, nodes, MACHINE_CPUS + 1UL, p,
                       MPOL_F_ADDR));
        CHECK(policy == MPOL_DEFAULT ||
              (policy == MPOL_PREFERRED && nodes[0] == 1));
    }
    munmap(p, size);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"auto binds only where it may and helps",
         auto_binds_only_where_it_may_and_helps},
        {"processes get cores of one node each",
         processes_get_cores_of_one_node_each},
        {"one process takes all nodes in order",
         one_process_takes_all_nodes_in_order},
        {"a given set is never left", a_given_set_is_never_left},
        {"half a core is all a process gets",
         half_a_core_is_all_a_process_gets},
        {"what cannot be planned is refused",
         what_cannot_be_planned_is_refused},
        {"places are told as ranges", places_are_told_as_ranges},
        {"a thread takes its place and leaves it",
         a_thread_takes_its_place_and_leaves_it},
        {"memory is asked for near a place", memory_is_asked_for_near_a_place},
    };
    return TEST_RUN("base.affinity", cases);
}
