/* Cores and memory nodes of described hosts and of this one. */
#include "base/machine.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"

static void cores_lie_with_their_nodes(void)
{
    struct machine *m;

    REQUIRE(!machine_create("numa:2 core:4 pu:2", &m, NULL));
    CHECK(m->n_nodes == 2 && m->n_cores == 8);
    for (uint32_t i = 0; i < m->n_cores; i++) {
        CHECK(m->cores[i].node == i / 4);
        for (unsigned cpu = 0; cpu < 20; cpu++)
            CHECK(machine_cpus_has(&m->cores[i].cpus, cpu) == (cpu / 2 == i));
    }
    machine_destroy(m);
}

static void a_host_without_nodes_has_one(void)
{
    struct machine *m;

    REQUIRE(!machine_create("core:3 pu:1", &m, NULL));
    CHECK(m->n_nodes == 1 && m->n_cores == 3);
    CHECK(m->cores[2].node == 0 && machine_cpus_has(&m->cores[2].cpus, 2));
    machine_destroy(m);
}

static void this_host_can_be_looked_at(void)
{
    struct machine *m;

    REQUIRE(!machine_create(NULL, &m, NULL));
    CHECK(m->n_nodes >= 1 && m->n_cores >= m->n_nodes);
    for (uint32_t i = 0; i < m->n_cores; i++)
        CHECK(!machine_cpus_empty(&m->cores[i].cpus));
    machine_destroy(m);
    machine_destroy(NULL);
}

static void what_cannot_be_a_machine_is_refused(void)
{
    struct fusor_error err = {0};
    size_t before = mem_used();
    struct machine *m;

    CHECK(machine_create("nonsense", &m, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "\"nonsense\"") != NULL);
    CHECK(machine_create("numa:2 core:1024 pu:1", &m, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "cluster.bind: none") != NULL);
    for (long n = 1; n <= 2; n++) {
        mem_fail_after(n);
        CHECK(machine_create("core:2 pu:1", &m, NULL) == FUSOR_ENOMEM);
        mem_fail_after(0);
    }
    CHECK(mem_used() == before);
}

static void sets_are_compared_and_joined(void)
{
    struct machine_cpus a = {{3, 1}}, b = {{2}},
                        both = machine_cpus_and(&a, &b);
    struct machine_cpus none = {{0}};

    CHECK(both.word[0] == 2 && both.word[1] == 0);
    CHECK(machine_cpus_cover(&a, &b) && !machine_cpus_cover(&b, &a));
    CHECK(machine_cpus_cover(&none, &none) && machine_cpus_empty(&none));
    CHECK(!machine_cpus_empty(&b));
    machine_cpus_add(&b, &a);
    CHECK(b.word[0] == 3 && b.word[1] == 1);
    CHECK(machine_cpus_has(&a, 64) && !machine_cpus_has(&a, 65));
    CHECK(!machine_cpus_has(&a, MACHINE_CPUS));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"cores lie with their nodes", cores_lie_with_their_nodes},
        {"a host without nodes has one", a_host_without_nodes_has_one},
        {"this host can be looked at", this_host_can_be_looked_at},
        {"what cannot be a machine is refused",
         what_cannot_be_a_machine_is_refused},
        {"sets are compared and joined", sets_are_compared_and_joined},
    };
    return TEST_RUN("base.machine", cases);
}
