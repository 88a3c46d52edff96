/* Decides split or colocated (DESIGN, section 1), chooses the server ranks,
 * shares the processors, numbers everything in the order of ranks. */
#include "job/placement.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "coord/lease.h"

static uint32_t count_hosts(const struct placement_seat *seats, uint32_t n)
{
    uint32_t hosts = 0;

    for (uint32_t i = 0; i < n; i++)
        if (seats[i].host >= hosts)
            hosts = seats[i].host + 1;
    return hosts;
}

uint32_t placement_share(const struct placement_seat *seats, uint32_t n_ranks,
                         uint32_t rank)
{
    const struct placement_seat *me = &seats[rank];
    double share = 0;

    for (uint32_t cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        unsigned sharing = 0;

        if (!machine_cpus_has(&me->cpus, cpu))
            continue;
        for (uint32_t r = 0; r < n_ranks; r++)
            sharing += seats[r].host == me->host &&
                       machine_cpus_has(&seats[r].cpus, cpu);
        share += 1.0 / sharing;
    }
    return (uint32_t)(share + 1e-9); // thirds add up to wholes
}

static int wants_colocated(const struct placement *p,
                           const struct job_options *o)
{
    if (o->cluster.placement != JOB_PLACEMENT_AUTO)
        return o->cluster.placement == JOB_COLOCATED;
    return o->cluster.servers == 0 && p->n_hosts == p->n_ranks;
}

static enum fusor_status check_counts(const struct placement *p,
                                      const struct job_options *o,
                                      struct fusor_error *err)
{
    int64_t servers = o->cluster.servers;

    if (p->colocated && servers > 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "cluster.servers: %lld does not go with "
                          "cluster.placement: colocated, where every rank is a "
                          "server: leave one of them out",
                          (long long)servers);
    if (!p->colocated && p->n_ranks < 2)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "a split placement needs at least 2 ranks, one to "
                          "serve and one to work: start more, or leave out "
                          "cluster.servers and cluster.placement");
    if (!p->colocated && servers >= p->n_ranks)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "cluster.servers: %lld leaves no worker among %u "
                          "ranks: start more ranks or use fewer servers",
                          (long long)servers, p->n_ranks);
    return FUSOR_OK;
}

/* The given number of server ranks, in rounds over the hosts: of each host the
 * first rank, then of each the second. */
static void spread_servers(const struct placement_seat *seats,
                           struct placement *p, uint32_t n)
{
    while (n > 0) {
        for (uint32_t host = 0; host < p->n_hosts && n > 0; host++) {
            uint32_t r = 0;

            while (r < p->n_ranks &&
                   (seats[r].host != host || p->ranks[r].is_server))
                r++;
            if (r == p->n_ranks)
                continue;
            p->ranks[r].is_server = 1;
            n--;
        }
    }
}

/* One server on each host that has a second rank to work. */
static uint32_t serve_each_host(const struct placement_seat *seats,
                                struct placement *p)
{
    uint32_t n = 0;

    for (uint32_t r = 0; r < p->n_ranks; r++) {
        uint32_t before = 0, after = 0;

        for (uint32_t q = 0; q < p->n_ranks; q++) {
            before += q < r && seats[q].host == seats[r].host;
            after += q > r && seats[q].host == seats[r].host;
        }
        if (before == 0 && after > 0) {
            p->ranks[r].is_server = 1;
            n++;
        }
    }
    return n;
}

static void choose_roles(const struct placement_seat *seats,
                         struct placement *p, const struct job_options *o)
{
    if (!p->colocated && o->cluster.servers > 0)
        spread_servers(seats, p, (uint32_t)o->cluster.servers);
    else if (!p->colocated && serve_each_host(seats, p) == 0)
        spread_servers(seats, p, p->n_ranks / 2);
    for (uint32_t r = 0; r < p->n_ranks; r++) {
        p->ranks[r].is_worker = p->colocated || !p->ranks[r].is_server;
        p->ranks[r].is_server |= p->colocated;
        p->n_servers += (uint32_t)p->ranks[r].is_server;
        p->n_workers += (uint32_t)p->ranks[r].is_worker;
    }
}

/* Chosen threads never make a job impossible at staleness 0. */
static uint32_t choose_threads(const struct placement_seat *seats,
                               const struct placement *p, uint32_t rank,
                               const struct job_options *o)
{
    uint32_t n, most = o->micro_batches / p->n_workers;

    if (o->cluster.threads > 0)
        return (uint32_t)o->cluster.threads;
    n = placement_share(seats, p->n_ranks, rank) / (p->colocated ? 2 : 1);
    if (p->ranks[rank].is_worker && o->cluster.staleness == 0 && n > most)
        n = most;
    return n ? n : 1;
}

static void number_all(const struct placement_seat *seats, struct placement *p,
                       const struct job_options *o)
{
    uint32_t server = 0, worker = 0;

    for (uint32_t r = 0; r < p->n_ranks; r++) {
        struct placement_rank *rank = &p->ranks[r];
        uint32_t threads = choose_threads(seats, p, r, o);

        if (rank->is_server) {
            rank->server = server++;
            rank->n_shards = threads;
            rank->first_shard = p->n_shards;
            p->n_shards += threads;
        }
        if (rank->is_worker) {
            rank->worker = worker++;
            rank->n_threads = threads;
            rank->first_thread = p->n_threads;
            p->n_threads += threads;
        }
    }
}

static enum fusor_status make(const struct placement_seat *seats,
                              struct placement *p, const struct job_options *o,
                              struct fusor_error *err)
{
    FUSOR_TRY(check_counts(p, o, err));
    choose_roles(seats, p, o);
    number_all(seats, p, o);
    if (p->n_shards > PLACEMENT_MAX_SHARDS)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%u shards are more than the %d buckets of the key "
                          "space: use fewer servers or cluster.threads",
                          p->n_shards, PLACEMENT_MAX_SHARDS);
    return lease_check(p->n_threads, o->micro_batches,
                       (int)o->cluster.staleness, err);
}

enum fusor_status placement_make(const struct placement_seat *seats,
                                 uint32_t n_ranks,
                                 const struct job_options *options,
                                 struct placement *out, struct fusor_error *err)
{
    struct placement p = {.n_ranks = n_ranks};
    enum fusor_status rc;

    p.n_hosts = count_hosts(seats, n_ranks);
    p.colocated = wants_colocated(&p, options);
    p.ranks = mem_alloc(n_ranks, sizeof(*p.ranks));
    if (!p.ranks)
        return mem_fail(err, "placement", n_ranks * sizeof(*p.ranks));
    rc = make(seats, &p, options, err);
    if (rc != FUSOR_OK) {
        placement_clear(&p);
        return rc;
    }
    *out = p;
    return FUSOR_OK;
}

void placement_clear(struct placement *p)
{
    mem_free(p->ranks);
    memset(p, 0, sizeof(*p));
}

struct heavy { // a bucket in the order of the greedy rule
    uint64_t cost;
    uint32_t bucket;
};

static int compare_heavy(const void *a, const void *b)
{
    const struct heavy *x = a, *y = b;

    if (x->cost != y->cost)
        return x->cost < y->cost ? 1 : -1;
    return x->bucket < y->bucket ? -1 : 1;
}

/* Keys that were not seen may still come: no bucket costs nothing. */
static void weigh_buckets(const struct bucket_load *load,
                          struct heavy out[BUCKET_COUNT])
{
    uint64_t sum = 0;

    for (uint32_t b = 0; b < BUCKET_COUNT; b++)
        sum += bucket_load_cost(&load[b]);
    for (uint32_t b = 0; b < BUCKET_COUNT; b++)
        out[b] = (struct heavy){
            bucket_load_cost(&load[b]) + sum / BUCKET_COUNT / 16 + 1, b};
    qsort(out, BUCKET_COUNT, sizeof(*out), compare_heavy);
}

double placement_buckets(const struct bucket_load *load, uint32_t n_shards,
                         uint16_t map[BUCKET_COUNT])
{
    struct heavy order[BUCKET_COUNT];
    uint64_t has[SHARD_MAX] = {0}, most = 0, sum = 0;

    weigh_buckets(load, order);
    for (uint32_t i = 0; i < BUCKET_COUNT; i++) {
        uint32_t least = 0;

        for (uint32_t s = 1; s < n_shards; s++)
            if (has[s] < has[least])
                least = s;
        map[order[i].bucket] = (uint16_t)least;
        has[least] += order[i].cost;
        sum += order[i].cost;
    }
    for (uint32_t s = 0; s < n_shards; s++)
        most = has[s] > most ? has[s] : most;
    return (double)most / ((double)sum / n_shards);
}
