/* Collects, compares and numbers what ranks say about themselves. */
#define _GNU_SOURCE /* gethostname */
#include "job/facts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/hash.h"
#include "base/mem.h"
#include "tensor/blas.h"

#define VERSION "0.1.0"
#define BUILD_MAX_BYTES ((size_t)1 << 30)

/* Host names can be the same on two machines (localhost); the random id of the
 * running kernel is not. Containers of one machine whose networks are apart
 * reach each other neither by loopback nor by names of unix sockets. */
static uint64_t machine_of(const char *host)
{
    char *id = NULL, network[64] = "";
    size_t n = 0;
    uint64_t hash;

    if (fs_read("/proc/sys/kernel/random/boot_id", 256, &id, &n, NULL) !=
        FUSOR_OK)
        n = 0;
    if (readlink("/proc/self/ns/net", network, sizeof(network) - 1) < 0)
        network[0] = '\0';
    hash = hash_bytes(network, strlen(network), n ? hash_bytes(id, n, 0) : 0);
    hash = hash_bytes(host, strlen(host), hash);
    mem_free(id);
    return hash;
}

void facts_collect(struct facts *out)
{
    memset(out, 0, sizeof(*out));
    gethostname(out->host, sizeof(out->host) - 1);
    out->machine = machine_of(out->host);
    out->cpus = affinity_given();
    snprintf(out->kernel, sizeof(out->kernel), "%.24s/%.16s",
             blas_kernel_name(), cpu_level_name(cpu_level()));
}

enum fusor_status facts_build(char out[BOOT_BUILD_MAX], struct fusor_error *err)
{
    char *program;
    size_t n;

    memset(out, 0, BOOT_BUILD_MAX);
    FUSOR_TRY(fs_read("/proc/self/exe", BUILD_MAX_BYTES, &program, &n, err));
    snprintf(out, BOOT_BUILD_MAX, VERSION "-%016llx",
             (unsigned long long)hash_bytes(program, n, 0));
    mem_free(program);
    return FUSOR_OK;
}

enum fusor_status facts_judge_votes(const struct vote *votes, uint32_t n,
                                    struct fusor_error *err)
{
    uint32_t first = 0, same = 0;

    while (first < n && votes[first].status == FUSOR_OK)
        first++;
    if (first == n)
        return FUSOR_OK;
    for (uint32_t r = 0; r < n; r++)
        same += votes[r].status == votes[first].status &&
                strcmp(votes[r].text, votes[first].text) == 0;
    if (same == n || first == 0)
        return fusor_fail(err, (enum fusor_status)votes[first].status, "%s",
                          votes[first].text);
    return fusor_fail(err, (enum fusor_status)votes[first].status,
                      "rank %u on %s: %s", first, votes[first].host,
                      votes[first].text);
}

enum fusor_status facts_check_builds(const char (*builds)[BOOT_BUILD_MAX],
                                     uint32_t n, struct fusor_error *err)
{
    for (uint32_t r = 1; r < n; r++)
        if (memcmp(builds[r], builds[0], BOOT_BUILD_MAX) != 0)
            return fusor_fail(err, FUSOR_ECLUSTER,
                              "rank %u runs another fusor (%.*s) than rank 0 "
                              "(%.*s): install the same program on all hosts",
                              r, BOOT_BUILD_MAX - 1, builds[r],
                              BOOT_BUILD_MAX - 1, builds[0]);
    return FUSOR_OK;
}

enum fusor_status facts_check(const struct facts *facts, uint32_t n,
                              int staleness, struct fusor_error *err)
{
    for (uint32_t r = 1; r < n; r++) {
        if (facts[r].job_hash != facts[0].job_hash)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "rank %u on %s has read another job file than "
                              "rank 0 on %s: start all ranks with the same "
                              "file and options",
                              r, facts[r].host, facts[0].host);
        if (staleness == 0 && strcmp(facts[r].kernel, facts[0].kernel) != 0)
            return fusor_fail(
                err, FUSOR_ECLUSTER,
                "%s computes with %s kernels and %s with %s: at "
                "cluster.staleness 0 their bits must agree; set "
                "OPENBLAS_CORETYPE to one that both have, or allow a staleness "
                "of 1 or more",
                facts[0].host, facts[0].kernel, facts[r].host, facts[r].kernel);
    }
    return FUSOR_OK;
}

uint32_t facts_seats(const struct facts *facts, uint32_t n,
                     struct placement_seat *seats)
{
    uint32_t hosts = 0;

    for (uint32_t r = 0; r < n; r++) {
        uint32_t q = 0;

        while (q < r && facts[q].machine != facts[r].machine)
            q++;
        seats[r].host = q < r ? seats[q].host : hosts++;
        seats[r].cpus = facts[r].cpus;
    }
    return hosts;
}
