/* Lists the processes of a host in the order of ranks, server before worker,
 * and gives them places (base/affinity.h). */
#include "job/bind.h"

#include <string.h>

#include "base/mem.h"

#define MAX_LINES 16 /* processes told one by one */

enum fusor_status bind_look(enum affinity_mode wanted, struct machine **out,
                            struct fusor_error *err)
{
    enum fusor_status rc;

    *out = NULL;
    if (wanted == AFFINITY_NONE)
        return FUSOR_OK;
    rc = machine_create(NULL, out, err);
    if (rc == FUSOR_OK || wanted == AFFINITY_AUTO)
        return FUSOR_OK;
    return fusor_wrap(err, rc, "cluster.bind");
}

void bind_clear(struct bind *b)
{
    mem_free(b->processes);
    memset(b, 0, sizeof(*b));
}

/* Plans for what `out` lists, given what each process needs. */
static enum fusor_status plan_all(enum affinity_mode wanted,
                                  const struct machine *machine,
                                  const struct affinity_process *needs,
                                  struct bind *out, struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_OK;

    out->mode = affinity_decide(machine, wanted, needs, out->n, &out->why);
    if (out->mode == AFFINITY_NONE)
        out->n = 0;
    for (uint32_t i = 0; rc == FUSOR_OK && i < out->n; i++)
        rc = affinity_plan(machine, out->mode, needs, out->n, i,
                           &out->processes[i].affinity, err);
    return fusor_wrap(err, rc, "cluster.bind");
}

static void add(struct bind *out, struct affinity_process *needs, uint32_t rank,
                enum role_kind role, const struct machine_cpus *given,
                uint32_t n_threads)
{
    out->processes[out->n].rank = rank;
    out->processes[out->n].role = role;
    needs[out->n].given = *given;
    needs[out->n++].n_threads = n_threads;
}

static enum fusor_status
list_and_plan(enum affinity_mode wanted, const struct machine *machine,
              const struct facts *facts, const struct placement *plan,
              uint32_t rank, struct bind *out, struct fusor_error *err)
{
    size_t most = 2 * (size_t)plan->n_ranks;
    struct affinity_process *needs = mem_alloc(most, sizeof(*needs));
    enum fusor_status rc;

    out->processes = mem_alloc(most, sizeof(*out->processes));
    if (!needs || !out->processes) {
        mem_free(needs);
        return mem_fail(err, "places", most * sizeof(*out->processes));
    }
    for (uint32_t r = 0; r < plan->n_ranks; r++) {
        const struct placement_rank *p = &plan->ranks[r];

        if (facts[r].on_host != facts[rank].on_host)
            continue;
        if (p->is_server)
            add(out, needs, r, ROLE_SERVER, &facts[r].cpus, p->n_shards);
        if (p->is_worker)
            add(out, needs, r, ROLE_WORKER, &facts[r].cpus, p->n_threads);
    }
    rc = plan_all(wanted, machine, needs, out, err);
    mem_free(needs);
    return rc;
}

enum fusor_status bind_ranks(enum affinity_mode wanted,
                             const struct machine *machine,
                             const struct facts *facts,
                             const struct placement *plan, uint32_t rank,
                             struct bind *out, struct fusor_error *err)
{
    enum fusor_status rc;

    memset(out, 0, sizeof(*out));
    rc = list_and_plan(wanted, machine, facts, plan, rank, out, err);
    if (rc != FUSOR_OK)
        bind_clear(out);
    return rc;
}

enum fusor_status bind_local(enum affinity_mode wanted,
                             const struct machine *machine,
                             const struct machine_cpus *given,
                             uint32_t n_threads, struct bind *out,
                             struct fusor_error *err)
{
    struct affinity_process needs;
    enum fusor_status rc;

    memset(out, 0, sizeof(*out));
    out->processes = mem_alloc(1, sizeof(*out->processes));
    if (!out->processes)
        return mem_fail(err, "places", sizeof(*out->processes));
    add(out, &needs, 0, ROLE_WORKER, given, n_threads);
    rc = plan_all(wanted, machine, &needs, out, err);
    if (rc != FUSOR_OK)
        bind_clear(out);
    return rc;
}

struct affinity *bind_find(const struct bind *b, uint32_t rank,
                           enum role_kind role)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (b->processes[i].rank == rank && b->processes[i].role == role)
            return &b->processes[i].affinity;
    return NULL;
}

void bind_describe(const struct bind *b, struct strbuf *out)
{
    strbuf_addf(out, "binds %s\n", affinity_text(b->mode, b->why));
    for (uint32_t i = 0; i < b->n && i < MAX_LINES; i++) {
        const struct bind_process *p = &b->processes[i];

        strbuf_addf(out, "  rank %-4u %-7s ", p->rank, role_name(p->role));
        affinity_describe(&p->affinity, out);
        strbuf_add(out, "\n");
    }
    if (b->n > MAX_LINES)
        strbuf_addf(out, "  and %u more processes\n", b->n - MAX_LINES);
}
