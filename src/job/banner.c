/* Writes the banner. */
#include "job/banner.h"

#include <string.h>

#include "base/cpu.h"
#include "tensor/gemm.h"

#define MAX_LINES 16 /* ranks listed one by one */

/* Kernels in use, and what to set when the CPU could do better. */
static void add_kernels(struct strbuf *out)
{
    strbuf_addf(out, "fusor: products %s, BLAS kernels %s, vectors %s",
                gemm_name(), blas_kernel_name(), cpu_level_name(cpu_level()));
    if (blas_kernel_is_low())
        strbuf_addf(out,
                    "; this CPU could run %s: set OPENBLAS_CORETYPE=%s for "
                    "several times the speed",
                    blas_best_kernel(), blas_best_kernel());
    strbuf_add(out, "\n");
}

static void add_staleness(int staleness, struct strbuf *out)
{
    if (staleness < 0)
        strbuf_add(out, "staleness without bound");
    else if (staleness == 0)
        strbuf_add(out, "staleness 0 (same bits for any number of workers)");
    else
        strbuf_addf(out, "staleness up to %d units", staleness);
}

static void add_rank(const struct boot *b, uint32_t r, struct strbuf *out)
{
    const struct placement_rank *p = &b->ranks[r].place;

    strbuf_addf(out, "  rank %-4u %-20s", r, b->ranks[r].host);
    if (r == 0)
        strbuf_add(out, " coordinator,");
    if (p->is_server)
        strbuf_addf(out, " server %u: %u shard%s%s", p->server, p->n_shards,
                    p->n_shards == 1 ? "" : "s", p->is_worker ? "," : "");
    if (p->is_worker)
        strbuf_addf(out, " worker %u: %u thread%s", p->worker, p->n_threads,
                    p->n_threads == 1 ? "" : "s");
    strbuf_add(out, "\n");
}

static void add_network(const struct boot *b, struct strbuf *out)
{
    strbuf_add(out, "fusor: network: ");
    if (boot_uses_shm(b))
        strbuf_addf(out, "shared memory within %s%s",
                    boot_uses_zmq(b) ? "a host" : "this host",
                    boot_uses_zmq(b) ? "; between hosts " : "\n");
    if (boot_uses_zmq(b))
        strbuf_addf(out, "%s\n",
                    b->secure ? "tcp, encrypted and checked by CURVE keys"
                              : "tcp without encryption or keys");
}

void banner_cluster(const struct boot *b, int staleness, struct strbuf *out)
{
    strbuf_addf(out, "fusor: job %016llx in %s\n", (unsigned long long)b->job,
                b->run_dir);
    strbuf_addf(out, "fusor: %u ranks, %u shards, %u workers, ", b->n_ranks,
                b->n_shards, boot_n_threads(b));
    add_staleness(staleness, out);
    strbuf_add(out, "\n");
    for (uint32_t r = 0; r < b->n_ranks && r < MAX_LINES; r++)
        add_rank(b, r, out);
    if (b->n_ranks > MAX_LINES)
        strbuf_addf(out, "  and %u more ranks\n", b->n_ranks - MAX_LINES);
    add_kernels(out);
    add_network(b, out);
}

void banner_local(const char *run_dir, unsigned n_threads, struct strbuf *out)
{
    strbuf_addf(out, "fusor: one process, %u thread%s, run directory %s\n",
                n_threads, n_threads == 1 ? "" : "s", run_dir);
    add_kernels(out);
}
