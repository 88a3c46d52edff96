/* Places for threads, and how to take them: sched_setaffinity(2), mbind(2). */
#define _GNU_SOURCE /* sched_setaffinity, syscall */
#include "base/affinity.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

/* Processes and threads as they are given places one after the other. */
struct planner {
    const struct machine *machine;
    uint32_t *used; // [n_cores] threads on it
};

static int is_whole(const struct machine *m, const struct machine_cpus *given)
{
    for (uint32_t i = 0; i < m->n_cores; i++)
        if (!machine_cpus_cover(given, &m->cores[i].cpus))
            return 0;
    return 1;
}

enum affinity_mode affinity_decide(const struct machine *machine,
                                   enum affinity_mode wanted,
                                   const struct affinity_process *processes,
                                   uint32_t n, enum affinity_why *why)
{
    uint64_t threads = 0;

    *why = AFFINITY_ASKED;
    if (wanted != AFFINITY_AUTO)
        return wanted;
    *why = AFFINITY_UNKNOWN;
    if (!machine)
        return AFFINITY_NONE;
    *why = AFFINITY_ONE_NODE;
    if (machine->n_nodes < 2)
        return AFFINITY_NONE;
    *why = AFFINITY_LAUNCHER;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_whole(machine, &processes[i].given))
            return AFFINITY_NONE;
        threads += processes[i].n_threads;
    }
    *why = threads <= machine->n_cores ? AFFINITY_SPREAD : AFFINITY_CROWDED;
    return threads <= machine->n_cores ? AFFINITY_CORE : AFFINITY_NODE;
}

/* May the process use some of this core? */
static int may_use(const struct machine_core *core,
                   const struct affinity_process *p)
{
    struct machine_cpus both = machine_cpus_and(&core->cpus, &p->given);

    return !machine_cpus_empty(&both);
}

/* A core of the node where most are left for the process, among nodes that
 * have one for each of its threads.
 * @return n_cores: no node has */
static uint32_t find_node(const struct planner *pl,
                          const struct affinity_process *p)
{
    const struct machine *m = pl->machine;
    uint32_t best = m->n_cores, most = 0;

    for (uint32_t i = 0; i < m->n_cores; i++) {
        uint32_t has = 0, left = 0;

        for (uint32_t j = 0; j < m->n_cores; j++) {
            if (m->cores[j].node != m->cores[i].node ||
                !may_use(&m->cores[j], p))
                continue;
            has++;
            left += pl->used[j] == 0;
        }
        if (has && has >= p->n_threads && (best == m->n_cores || left > most)) {
            best = i;
            most = left;
        }
    }
    return best;
}

/* The first of the cores with fewest threads. */
static uint32_t find_core(const struct planner *pl,
                          const struct affinity_process *p, uint32_t in_node)
{
    const struct machine *m = pl->machine;
    uint32_t best = m->n_cores;

    for (uint32_t i = 0; i < m->n_cores; i++) {
        if (in_node < m->n_cores && m->cores[i].node != m->cores[in_node].node)
            continue;
        if (may_use(&m->cores[i], p) &&
            (best == m->n_cores || pl->used[i] < pl->used[best]))
            best = i;
    }
    return best;
}

static struct machine_cpus node_cpus(const struct machine *m, uint32_t node,
                                     const struct machine_cpus *given)
{
    struct machine_cpus all = {{0}};

    for (uint32_t i = 0; i < m->n_cores; i++)
        if (m->cores[i].node == node)
            machine_cpus_add(&all, &m->cores[i].cpus);
    return machine_cpus_and(&all, given);
}

static enum fusor_status place(struct planner *pl, enum affinity_mode mode,
                               const struct affinity_process *p,
                               struct affinity *out, struct fusor_error *err)
{
    uint32_t node = find_node(pl, p);

    memset(out, 0, sizeof(*out));
    if (p->n_threads > AFFINITY_THREADS_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%u threads of a process cannot be bound, only %d: "
                          "set cluster.bind: none",
                          p->n_threads, AFFINITY_THREADS_MAX);
    for (uint32_t t = 0; t < p->n_threads; t++) {
        struct affinity_place *at = &out->threads[out->n_threads++];
        uint32_t i = find_core(pl, p, node);
        const struct machine_core *core = &pl->machine->cores[i];
        struct machine_cpus near;

        if (i == pl->machine->n_cores)
            return fusor_fail(err, FUSOR_ECLUSTER,
                              "the processors this process may use are not "
                              "among those hwloc sees: set cluster.bind: none");
        pl->used[i]++;
        near = node_cpus(pl->machine, core->node, &p->given);
        at->node = core->node;
        at->cpus = mode == AFFINITY_NODE
                       ? near
                       : machine_cpus_and(&core->cpus, &p->given);
        machine_cpus_add(&out->cpus, &near);
    }
    return FUSOR_OK;
}

enum fusor_status affinity_plan(const struct machine *machine,
                                enum affinity_mode mode,
                                const struct affinity_process *processes,
                                uint32_t n, uint32_t which,
                                struct affinity *out, struct fusor_error *err)
{
    struct planner pl = {machine,
                         mem_alloc(machine->n_cores, sizeof(*pl.used))};
    enum fusor_status rc = FUSOR_OK;

    if (!pl.used)
        return mem_fail(err, "cores", machine->n_cores * sizeof(*pl.used));
    for (uint32_t i = 0; rc == FUSOR_OK && i <= which && i < n; i++)
        rc = place(&pl, mode, &processes[i], out, err);
    mem_free(pl.used);
    return rc;
}

struct machine_cpus affinity_given(void)
{
    struct machine_cpus given = {{0}};
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        CPU_SET(0, &set);
    for (unsigned i = 0; i < MACHINE_CPUS && i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set))
            given.word[i / 64] |= (uint64_t)1 << i % 64;
    return given;
}

static int enter(const struct machine_cpus *cpus)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (unsigned i = 0; i < MACHINE_CPUS && i < CPU_SETSIZE; i++)
        if (machine_cpus_has(cpus, i))
            CPU_SET(i, &set);
    return sched_setaffinity(0, sizeof(set), &set);
}

const struct affinity_place *affinity_place(const struct affinity *a,
                                            uint32_t i)
{
    return a && i < a->n_threads ? &a->threads[i] : NULL;
}

int affinity_enter(const struct affinity *a, uint32_t i)
{
    const struct affinity_place *at = affinity_place(a, i);

    return at ? enter(&at->cpus) : 0;
}

int affinity_leave(const struct affinity *a)
{
    return a ? enter(&a->cpus) : 0;
}

void affinity_prefer_memory(const struct affinity_place *place_of, void *start,
                            size_t size)
{
    unsigned long nodes[MACHINE_WORDS] = {0};

    if (!place_of || place_of->node >= MACHINE_CPUS)
        return;
    nodes[place_of->node / 64] = 1UL << place_of->node % 64;
    /* The kernel counts one bit less than it is told. */
    (void)syscall(SYS_mbind, start, size, MPOL_PREFERRED, nodes,
                  MACHINE_CPUS + 1UL, 0U);
}

const char *affinity_text(enum affinity_mode mode, enum affinity_why why)
{
    static const char *const nothing[] = {
        [AFFINITY_ASKED] = "nothing, as cluster.bind says",
        [AFFINITY_ONE_NODE] = "nothing: this host has one memory node",
        [AFFINITY_LAUNCHER] = "nothing: the launcher has chosen processors",
        [AFFINITY_UNKNOWN] = "nothing: this host's nodes are not known",
    };

    if (mode == AFFINITY_CORE)
        return "each thread to a core, its memory near it";
    if (mode == AFFINITY_NODE)
        return why == AFFINITY_CROWDED
                   ? "each thread to a memory node; there are more threads "
                     "than cores"
                   : "each thread to a memory node";
    return nothing[why];
}

static void add_ranges(const struct machine_cpus *set, struct strbuf *out)
{
    const char *comma = "";

    for (unsigned i = 0; i < MACHINE_CPUS; i++) {
        unsigned first = i;

        if (!machine_cpus_has(set, i))
            continue;
        while (machine_cpus_has(set, i + 1))
            i++;
        strbuf_addf(out, "%s%u", comma, first);
        if (i > first)
            strbuf_addf(out, "-%u", i);
        comma = ",";
    }
}

void affinity_describe(const struct affinity *a, struct strbuf *out)
{
    struct machine_cpus all = {{0}};
    const char *before = " of node ";

    for (uint32_t i = 0; i < a->n_threads; i++)
        machine_cpus_add(&all, &a->threads[i].cpus);
    strbuf_add(out, "processors ");
    add_ranges(&all, out);
    for (uint32_t i = 0; i < a->n_threads; i++) {
        uint32_t j = 0;

        while (a->threads[j].node != a->threads[i].node)
            j++;
        if (j < i)
            continue;
        strbuf_addf(out, "%s%u", before, a->threads[i].node);
        before = ", ";
    }
}
