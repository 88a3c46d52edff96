/* Reads the host's cores and memory nodes through hwloc (Broquedis et al. 2010)
 * into plain arrays; binds nothing. */
#include "base/machine.h"

#include <errno.h>
#include <string.h>

#include <hwloc.h>

#include "base/mem.h"

int machine_cpus_has(const struct machine_cpus *set, unsigned cpu)
{
    return cpu < MACHINE_CPUS && (set->word[cpu / 64] >> cpu % 64 & 1);
}

int machine_cpus_empty(const struct machine_cpus *set)
{
    for (int i = 0; i < MACHINE_WORDS; i++)
        if (set->word[i])
            return 0;
    return 1;
}

struct machine_cpus machine_cpus_and(const struct machine_cpus *a,
                                     const struct machine_cpus *b)
{
    struct machine_cpus both;

    for (int i = 0; i < MACHINE_WORDS; i++)
        both.word[i] = a->word[i] & b->word[i];
    return both;
}

void machine_cpus_add(struct machine_cpus *set, const struct machine_cpus *more)
{
    for (int i = 0; i < MACHINE_WORDS; i++)
        set->word[i] |= more->word[i];
}

int machine_cpus_cover(const struct machine_cpus *whole,
                       const struct machine_cpus *part)
{
    for (int i = 0; i < MACHINE_WORDS; i++)
        if (part->word[i] & ~whole->word[i])
            return 0;
    return 1;
}

static enum fusor_status read_core(hwloc_obj_t object, struct machine_core *out,
                                   struct fusor_error *err)
{
    int node = object->nodeset ? hwloc_bitmap_first(object->nodeset) : -1;

    for (int cpu = hwloc_bitmap_first(object->cpuset); cpu >= 0;
         cpu = hwloc_bitmap_next(object->cpuset, cpu)) {
        if (cpu >= MACHINE_CPUS)
            return fusor_fail(err, FUSOR_ECLUSTER,
                              "processor %d of this host: threads are bound "
                              "to the first %d only: set cluster.bind: none",
                              cpu, MACHINE_CPUS);
        out->cpus.word[cpu / 64] |= (uint64_t)1 << cpu % 64;
    }
    out->node = node < 0 ? 0 : (uint32_t)node;
    return FUSOR_OK;
}

static uint32_t count_nodes(const struct machine *m)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n_cores; i++) {
        uint32_t j = 0;

        while (m->cores[j].node != m->cores[i].node)
            j++;
        n += j == i;
    }
    return n;
}

/* Some hosts show processors and no cores. */
static enum fusor_status read_all(hwloc_topology_t topology, struct machine *m,
                                  struct fusor_error *err)
{
    hwloc_obj_type_t type =
        hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE
                                                               : HWLOC_OBJ_PU;
    int n = hwloc_get_nbobjs_by_type(topology, type);

    if (n <= 0)
        return fusor_fail(err, FUSOR_ECLUSTER, "hwloc sees no processors here");
    m->cores = mem_alloc((size_t)n, sizeof(*m->cores));
    if (!m->cores)
        return mem_fail(err, "cores", (size_t)n * sizeof(*m->cores));
    m->n_cores = (uint32_t)n;
    for (int i = 0; i < n; i++)
        FUSOR_TRY(read_core(hwloc_get_obj_by_type(topology, type, (unsigned)i),
                            &m->cores[i], err));
    m->n_nodes = count_nodes(m);
    return FUSOR_OK;
}

static enum fusor_status look(const char *synthetic, struct machine *m,
                              struct fusor_error *err)
{
    hwloc_topology_t topology;
    enum fusor_status rc;

    if (hwloc_topology_init(&topology) != 0)
        return fusor_fail(err, FUSOR_ECLUSTER, "hwloc: %s", strerror(errno));
    if (synthetic && hwloc_topology_set_synthetic(topology, synthetic) != 0)
        rc = fusor_fail(err, FUSOR_ECLUSTER,
                        "hwloc does not understand the machine \"%s\"",
                        synthetic);
    else if (hwloc_topology_load(topology) != 0)
        rc = fusor_fail(err, FUSOR_ECLUSTER,
                        "hwloc cannot look at this host: %s", strerror(errno));
    else
        rc = read_all(topology, m, err);
    hwloc_topology_destroy(topology);
    return rc;
}

enum fusor_status machine_create(const char *synthetic, struct machine **out,
                                 struct fusor_error *err)
{
    struct machine *m = mem_alloc(1, sizeof(*m));
    enum fusor_status rc;

    if (!m)
        return mem_fail(err, "machine", sizeof(*m));
    rc = look(synthetic, m, err);
    if (rc != FUSOR_OK) {
        machine_destroy(m);
        return rc;
    }
    *out = m;
    return FUSOR_OK;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    mem_free(m->cores);
    mem_free(m);
}
