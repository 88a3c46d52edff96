/* The order of a start (DESIGN, section 5): nothing of the job runs before all
 * ranks have agreed, and no MPI once it runs. */
#include "job/launch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "job/address.h"
#include "job/banner.h"
#include "job/bind.h"
#include "job/exchange.h"
#include "job/run_dir.h"
#include "job/spawn.h"
#include "ps/recode.h"
#include "train/load.h"
#include "train/trace.h"

#define LOG_MODULE "job"
#include "base/log.h"

struct start {
    const struct launch *launch;
    struct exchange_ranks ranks;
    struct run_dir run_dir; // held by rank 0
    struct facts *facts;    // [ranks]
    struct placement plan;
    struct bind bind; // this host's processes
    struct boot boot;
    struct boot_endpoint own[PLACEMENT_MAX_SHARDS]; // of this rank's shards
    int *listeners;                                 // [shards of this rank]
    uint32_t n_listeners;
    int coordinator_fd;          // rank 0's listener, or -1
    char placed_by[FS_PATH_MAX]; // run whose load places buckets; "": none
    double placed_imbalance;     // by that load
};

/* A word that nobody else can know, from one that nobody else can know. */
static void make_shm_key(const struct transport_keypair *keys,
                         char out[SHM_KEY_MAX])
{
    size_t n = strlen(keys->secret_key);

    snprintf(out, SHM_KEY_MAX, "%016llx%016llx",
             (unsigned long long)hash_bytes(keys->secret_key, n, 1),
             (unsigned long long)hash_bytes(keys->secret_key, n, 2));
}

/* Rank 0 makes the run directory; everyone makes keys. */
static enum fusor_status prepare(struct start *s, struct facts *me,
                                 struct fusor_error *err)
{
    const struct launch *l = s->launch;

    if (l->before.status != FUSOR_OK) {
        if (err)
            *err = l->before;
        return l->before.status;
    }
    facts_collect(me);
    me->job_hash = hash_bytes(l->job_text, strlen(l->job_text), 0);
    FUSOR_TRY(transport_zmq_keypair(&s->boot.keys, err));
    snprintf(me->public_key, sizeof(me->public_key), "%s",
             s->boot.keys.public_key);
    make_shm_key(&s->boot.keys, me->shm_key);
    if (s->ranks.rank != 0)
        return FUSOR_OK;
    FUSOR_TRY(run_dir_open(l->options->run_dir, l->options->name,
                           l->options->resume, &s->run_dir, err));
    if (l->options->made)
        snprintf(l->options->made, FS_PATH_MAX, "%s", s->run_dir.path);
    me->job = s->run_dir.job;
    snprintf(me->run_dir, sizeof(me->run_dir), "%s", s->run_dir.path);
    return FUSOR_OK;
}

static enum fusor_status agree_on_build(struct start *s,
                                        struct fusor_error *err)
{
    char(*builds)[BOOT_BUILD_MAX] =
        mem_alloc((size_t)s->ranks.size, BOOT_BUILD_MAX);
    enum fusor_status rc;

    if (!builds)
        return mem_fail(err, "build ids", (size_t)s->ranks.size);
    /* One that cannot read itself shows up as another program. */
    rc = facts_build(s->boot.build, err);
    if (rc != FUSOR_OK)
        snprintf(s->boot.build, BOOT_BUILD_MAX, "unknown");
    rc = exchange_gather(s->boot.build, BOOT_BUILD_MAX, builds, err);
    if (rc == FUSOR_OK)
        rc = facts_check_builds((const char(*)[BOOT_BUILD_MAX])builds,
                                (uint32_t)s->ranks.size, err);
    mem_free(builds);
    return rc;
}

static enum fusor_status agree_on_facts(struct start *s,
                                        struct fusor_error *err)
{
    struct fusor_error mine = {.status = FUSOR_OK};
    struct facts me = {0};

    mine.status = prepare(s, &me, &mine);
    FUSOR_TRY(exchange_vote(&s->ranks, &mine, err));
    s->facts = mem_alloc((size_t)s->ranks.size, sizeof(*s->facts));
    if (!s->facts)
        return mem_fail(err, "facts", sizeof(*s->facts));
    FUSOR_TRY(exchange_gather(&me, sizeof(me), s->facts, err));
    return facts_check(s->facts, (uint32_t)s->ranks.size,
                       (int)s->launch->options->cluster.staleness, err);
}

static enum fusor_status make_plan(struct start *s, struct fusor_error *err)
{
    uint32_t n = (uint32_t)s->ranks.size;
    struct placement_seat *seats = mem_alloc(n, sizeof(*seats));
    enum fusor_status rc;

    if (!seats)
        return mem_fail(err, "seats", n * sizeof(*seats));
    facts_seats(s->facts, n, seats);
    rc = placement_make(seats, n, s->launch->options, &s->plan, err);
    for (uint32_t r = 0; r < n; r++)
        s->facts[r].on_host = seats[r].host;
    mem_free(seats);
    return rc;
}

/* Which pairs speak through shared memory: all of one host, or none. */
static enum fusor_status choose_transport(struct start *s,
                                          struct fusor_error *err)
{
    const struct cluster_section *c = &s->launch->options->cluster;

    if (c->transport == JOB_SHM && s->plan.n_hosts > 1)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "cluster.transport: shm is for one host, and these "
                          "ranks are on %u: leave it out, or say auto",
                          s->plan.n_hosts);
    if (c->transport == JOB_SHM && c->security == JOB_CURVE)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "cluster.transport: shm has no curve: leave "
                          "cluster.transport or cluster.security out");
    if (c->transport == JOB_ZMQ || c->security == JOB_CURVE)
        return FUSOR_OK;
    snprintf(s->boot.shm_key, SHM_KEY_MAX, "%s", s->facts[0].shm_key);
    return FUSOR_OK;
}

static enum fusor_status fill_boot(struct start *s, struct fusor_error *err)
{
    const struct job_options *o = s->launch->options;
    struct boot *b = &s->boot;

    b->job = s->facts[0].job;
    b->incarnation = 1;
    b->rank = (uint32_t)s->ranks.rank;
    b->n_ranks = (uint32_t)s->ranks.size;
    b->n_shards = s->plan.n_shards;
    b->secure =
        o->cluster.security == JOB_CURVE ||
        (o->cluster.security == JOB_SECURITY_AUTO && s->plan.n_hosts > 1);
    b->resume = o->resume;
    b->quiet = o->quiet;
    snprintf(b->run_dir, sizeof(b->run_dir), "%s", s->facts[0].run_dir);
    b->ranks = mem_alloc(b->n_ranks, sizeof(*b->ranks));
    b->shards = mem_alloc(b->n_shards, sizeof(*b->shards));
    b->job_text = mem_strdup(s->launch->job_text);
    if (!b->ranks || !b->shards || !b->job_text)
        return mem_fail(err, "boot record", sizeof(*b->ranks));
    for (uint32_t r = 0; r < b->n_ranks; r++) {
        memcpy(b->ranks[r].host, s->facts[r].host, BOOT_HOST_MAX);
        memcpy(b->ranks[r].kernel, s->facts[r].kernel, BOOT_KERNEL_MAX);
        memcpy(b->ranks[r].public_key, s->facts[r].public_key,
               TRANSPORT_KEY_SIZE);
        b->ranks[r].on_host = s->facts[r].on_host;
        b->ranks[r].place = s->plan.ranks[r];
    }
    return choose_transport(s, err);
}

static enum fusor_status listen_all(struct start *s, struct fusor_error *err)
{
    const struct placement_rank *place = &s->boot.ranks[s->boot.rank].place;
    char address[ADDRESS_MAX] = "127.0.0.1";
    uint32_t n = place->is_server ? place->n_shards : 0;

    if (s->plan.n_hosts > 1 || s->launch->options->cluster.interface[0])
        FUSOR_TRY(address_choose(s->launch->options->cluster.interface, address,
                                 err));
    s->listeners = mem_alloc(n, sizeof(*s->listeners));
    if (!s->listeners)
        return mem_fail(err, "listeners", n * sizeof(*s->listeners));
    for (uint32_t i = 0; i < n; i++) {
        FUSOR_TRY(ports_listen(&s->launch->options->ports, address,
                               &s->listeners[i], s->own[i].text, err));
        s->n_listeners++;
    }
    if (s->boot.rank == 0)
        return ports_listen(&s->launch->options->ports, address,
                            &s->coordinator_fd, s->boot.coordinator.text, err);
    return FUSOR_OK;
}

static enum fusor_status agree_on_endpoints(struct start *s,
                                            struct fusor_error *err)
{
    struct fusor_error mine = {.status = FUSOR_OK};
    uint32_t *n_of = mem_alloc(s->boot.n_ranks, sizeof(*n_of));
    enum fusor_status rc;

    mine.status = n_of ? listen_all(s, &mine)
                       : mem_fail(&mine, "endpoints", s->boot.n_ranks);
    if (mine.status == FUSOR_OK && s->boot.rank == 0)
        mine.status = run_dir_begin(&s->run_dir, s->launch->job_text, &mine);
    rc = exchange_vote(&s->ranks, &mine, err);
    for (uint32_t r = 0; rc == FUSOR_OK && r < s->boot.n_ranks; r++)
        n_of[r] = s->boot.ranks[r].place.n_shards;
    if (rc == FUSOR_OK)
        rc = exchange_endpoints(s->own, &s->ranks, n_of, s->boot.shards, err);
    if (rc == FUSOR_OK)
        rc = exchange_share(&s->boot.coordinator, sizeof(s->boot.coordinator),
                            err);
    mem_free(n_of);
    return rc;
}

/* Rank 0 reads what an earlier run has measured.
 * @param placed [BUCKET_COUNT] untouched where there is nothing to go by */
static enum fusor_status place_buckets(struct start *s, uint16_t *placed,
                                       struct fusor_error *err)
{
    const struct job_options *o = s->launch->options;
    const char *from = o->cluster.placement_from;
    char path[FS_PATH_MAX];
    struct load *load;
    enum fusor_status rc;

    if (!from[0]) {
        from = s->boot.run_dir;
        if (!o->resume || !fs_exists(fs_join(path, from, LOAD_FILE)))
            return FUSOR_OK;
    }
    load = mem_alloc(1, sizeof(*load));
    if (!load)
        return mem_fail(err, "load", sizeof(*load));
    rc = load_read(from, load, err);
    if (rc == FUSOR_OK) {
        s->placed_imbalance =
            placement_buckets(load->buckets, s->boot.n_shards, placed);
        snprintf(s->placed_by, sizeof(s->placed_by), "%s", from);
    }
    mem_free(load);
    return fusor_wrap(err, rc, "cluster.placement_from");
}

/* Everyone has the same map, or the default one. */
static enum fusor_status agree_on_buckets(struct start *s,
                                          struct fusor_error *err)
{
    struct fusor_error mine = {.status = FUSOR_OK};
    uint16_t *map = mem_alloc(BUCKET_COUNT, sizeof(*map));
    enum fusor_status rc;

    if (map)
        memset(map, 0xff, BUCKET_COUNT * sizeof(*map)); // nobody's
    if (!map)
        mine.status = mem_fail(&mine, "bucket map", BUCKET_COUNT);
    else if (s->boot.rank == 0)
        mine.status = place_buckets(s, map, &mine);
    rc = exchange_vote(&s->ranks, &mine, err);
    if (rc == FUSOR_OK)
        rc = exchange_share(map, BUCKET_COUNT * sizeof(*map), err);
    if (rc == FUSOR_OK && map[0] != UINT16_MAX)
        s->boot.bucket_map = map;
    else
        mem_free(map);
    return rc;
}

/* Hosts differ, so one may fail where another does not. */
static enum fusor_status agree_on_bind(struct start *s, struct fusor_error *err)
{
    enum affinity_mode wanted =
        (enum affinity_mode)s->launch->options->cluster.bind;
    struct fusor_error mine = {.status = FUSOR_OK};
    struct machine *machine;

    mine.status = bind_look(wanted, &machine, &mine);
    if (mine.status == FUSOR_OK)
        mine.status = bind_ranks(wanted, machine, s->facts, &s->plan,
                                 s->boot.rank, &s->bind, &mine);
    machine_destroy(machine);
    return exchange_vote(&s->ranks, &mine, err);
}

/* All that is collective. A failure is the same on all ranks. */
static enum fusor_status agree(struct start *s, struct fusor_error *err)
{
    FUSOR_TRY(agree_on_build(s, err));
    FUSOR_TRY(agree_on_facts(s, err));
    FUSOR_TRY(make_plan(s, err));
    FUSOR_TRY(fill_boot(s, err));
    FUSOR_TRY(agree_on_bind(s, err));
    FUSOR_TRY(agree_on_buckets(s, err));
    return agree_on_endpoints(s, err);
}

static void show_banner(const struct start *s)
{
    struct strbuf text = {0};

    if (s->boot.rank != 0 || s->boot.quiet)
        return;
    banner_cluster(&s->boot, (int)s->launch->options->cluster.staleness, &text);
    strbuf_add(&text, "fusor: ");
    bind_describe(&s->bind, &text);
    if (s->placed_by[0])
        strbuf_addf(&text,
                    "fusor: rows are placed by the load of %s: at most %.2f "
                    "times the mean a shard\n",
                    s->placed_by, s->placed_imbalance);
    if (s->launch->options->cluster.wire != ENCODING_F32)
        strbuf_addf(
            &text,
            "fusor: values and gradients travel as %s: results depend "
            "on the number of workers\n",
            encoding_name((enum encoding)s->launch->options->cluster.wire));
    if (text.s)
        fputs(text.s, stderr);
    strbuf_clear(&text);
}

/* What the supervisor needs to pass on a death. */
struct mourner {
    const struct boot *boot;
    const struct spawn *spawn;
};

static int on_death(void *context, const struct supervisor_child *child,
                    const struct fusor_error *why)
{
    const struct mourner *m = context;
    size_t i = (size_t)(child - m->spawn->children);

    return spawn_report_death(m->boot, m->spawn->roles[i].role, why);
}

/* Usually the coordinator was faster; the first word counts. */
static void on_stop(void *context, const struct fusor_error *why)
{
    const struct mourner *m = context;

    if (m->boot->rank == 0)
        (void)run_dir_finish(m->boot->run_dir, why, NULL);
}

static enum fusor_status supervise(struct start *s, struct fusor_error *err)
{
    char place[BOOT_HOST_MAX + 32];
    struct spawn spawn;
    struct mourner mourner = {&s->boot, &spawn};
    struct supervisor_config config = {
        .place = place,
        .watch_parent = 1,
        .on_death = on_death,
        .on_stop = on_stop,
        .context = &mourner,
    };
    enum fusor_status rc;

    snprintf(place, sizeof(place), "rank %u on %s", s->boot.rank,
             s->boot.ranks[s->boot.rank].host);
    FUSOR_TRY(spawn_prepare(&s->boot, &s->bind, s->listeners,
                            &s->coordinator_fd, &spawn, err));
    config.children = spawn.children;
    config.n_children = spawn.n;
    rc = supervisor_run(&config, err);
    spawn_clear(&spawn);
    if (rc != FUSOR_OK && s->boot.rank == 0) // what was done until it failed
        (void)trace_join(s->boot.run_dir, NULL);
    if (rc != FUSOR_OK && err->text[0])
        (void)run_dir_finish(s->boot.run_dir, err, NULL);
    return rc;
}

static void clear(struct start *s)
{
    for (uint32_t i = 0; i < s->n_listeners; i++)
        close(s->listeners[i]);
    if (s->coordinator_fd >= 0)
        close(s->coordinator_fd);
    mem_free(s->listeners);
    boot_clear(&s->boot);
    bind_clear(&s->bind);
    placement_clear(&s->plan);
    mem_free(s->facts);
    run_dir_close(&s->run_dir);
    mem_free(s);
}

static void command_line(const struct launch *l, char *out, size_t room)
{
    size_t n = 0;

    out[0] = '\0';
    for (int i = 0; i < l->argc && n < room; i++)
        n += (size_t)snprintf(out + n, room - n, "%s%s", i ? " " : "",
                              l->argv[i]);
}

static enum fusor_status open_mpi(struct start *s, struct fusor_error *err)
{
    char command[256];
    enum fusor_status rc;

    FUSOR_TRY(exchange_open(&s->ranks, err));
    command_line(s->launch, command, sizeof(command));
    rc = launcher_check_size(&s->launch->launcher, s->ranks.size, command, err);
    if (rc == FUSOR_OK)
        return rc;
    /* Each process is alone in its own world: only one may speak. */
    if (s->launch->launcher.rank != 0)
        err->text[0] = '\0';
    exchange_leave();
    return rc;
}

/* Rank 0 speaks for all, and before anyone leaves: the first rank that exits
 * with a failure makes mpirun kill the others, words unsaid. */
static void say_once(const struct start *s, struct fusor_error *err)
{
    if (s->ranks.rank == 0)
        log_error("%s", err->text);
    err->text[0] = '\0';
}

enum fusor_status job_launch(const struct launch *l, struct fusor_error *err)
{
    struct start *s = mem_alloc(1, sizeof(*s));
    enum fusor_status rc;

    if (!s)
        return mem_fail(err, "launch", sizeof(*s));
    /* It may come at any time and is meant for the coordinator, who reads it;
     * what is ignored here stays so in the role processes. */
    signal(SIGUSR1, SIG_IGN);
    s->launch = l;
    s->run_dir.lock_fd = -1;
    s->coordinator_fd = -1;
    rc = open_mpi(s, err);
    if (rc != FUSOR_OK) {
        clear(s);
        return rc;
    }
    rc = agree(s, err);
    if (rc != FUSOR_OK)
        say_once(s, err);
    exchange_close();
    if (rc == FUSOR_OK) {
        show_banner(s);
        rc = supervise(s, err);
    }
    clear(s);
    return rc;
}
