/* Thin wrappers around the few MPI calls that start a job. */
#define _GNU_SOURCE /* gethostname */
#include "job/exchange.h"

#include <stdio.h>
#include <unistd.h>

#include <mpi.h>

#include "base/mem.h"

static enum fusor_status check(int rc, const char *what,
                               struct fusor_error *err)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;

    if (rc == MPI_SUCCESS)
        return FUSOR_OK;
    MPI_Error_string(rc, text, &n);
    return fusor_fail(err, FUSOR_ECLUSTER, "%s: %.*s", what, n, text);
}

enum fusor_status exchange_open(struct exchange_ranks *out,
                                struct fusor_error *err)
{
    FUSOR_TRY(check(MPI_Init(NULL, NULL), "MPI_Init", err));
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    FUSOR_TRY(
        check(MPI_Comm_rank(MPI_COMM_WORLD, &out->rank), "MPI_Comm_rank", err));
    return check(MPI_Comm_size(MPI_COMM_WORLD, &out->size), "MPI_Comm_size",
                 err);
}

void exchange_close(void)
{
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
}

void exchange_leave(void)
{
    MPI_Finalize();
}

enum fusor_status exchange_gather(const void *mine, size_t size, void *all,
                                  struct fusor_error *err)
{
    int rc = MPI_Allgather(mine, (int)size, MPI_BYTE, all, (int)size, MPI_BYTE,
                           MPI_COMM_WORLD);

    return check(rc, "MPI_Allgather", err);
}

enum fusor_status exchange_endpoints(const struct boot_endpoint *mine,
                                     const struct exchange_ranks *ranks,
                                     const uint32_t *n_of,
                                     struct boot_endpoint *all,
                                     struct fusor_error *err)
{
    int *counts = mem_alloc((size_t)ranks->size * 2, sizeof(*counts));
    int *starts = counts + ranks->size, at = 0, rc;

    if (!counts)
        return mem_fail(err, "endpoints", (size_t)ranks->size * sizeof(int));
    for (int r = 0; r < ranks->size; r++) {
        counts[r] = (int)(n_of[r] * sizeof(*mine));
        starts[r] = at;
        at += counts[r];
    }
    rc = MPI_Allgatherv(mine, counts[ranks->rank], MPI_BYTE, all, counts,
                        starts, MPI_BYTE, MPI_COMM_WORLD);
    mem_free(counts);
    return check(rc, "MPI_Allgatherv", err);
}

enum fusor_status exchange_share(void *data, size_t size,
                                 struct fusor_error *err)
{
    return check(MPI_Bcast(data, (int)size, MPI_BYTE, 0, MPI_COMM_WORLD),
                 "MPI_Bcast", err);
}

enum fusor_status exchange_vote(const struct exchange_ranks *ranks,
                                const struct fusor_error *mine,
                                struct fusor_error *err)
{
    struct vote me = {.status = (uint32_t)mine->status};
    struct vote *all = mem_alloc((size_t)ranks->size, sizeof(*all));
    enum fusor_status rc;

    if (!all)
        return mem_fail(err, "votes", (size_t)ranks->size * sizeof(*all));
    gethostname(me.host, sizeof(me.host) - 1);
    if (mine->status != FUSOR_OK)
        snprintf(me.text, sizeof(me.text), "%s", mine->text);
    rc = exchange_gather(&me, sizeof(me), all, err);
    if (rc == FUSOR_OK)
        rc = facts_judge_votes(all, (uint32_t)ranks->size, err);
    mem_free(all);
    return rc;
}
