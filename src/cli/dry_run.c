/* Predicts memory: parameters by formula (rows in whole extents of 2 MiB, the
 * index as it grows, the weights with their state; keys are spread by hash, so
 * each shard is taken to get an equal part), buffers of threads by training a
 * few units (train/rehearse.h), messages from the keys these asked for. */
#include "cli/dry_run.h"

#include <math.h>
#include <stdio.h>

#include "base/cpu.h"
#include "cli/output.h"
#include "job/launcher.h"
#include "store/table.h"
#include "train/course.h"
#include "train/rehearse.h"

/* What a process takes to speak, however little: rings, a receive buffer,
 * stacks, the region of lent payloads. Measured on three jobs of few rows: 3 to
 * 7 MiB. */
#define ENDPOINT_BYTES ((double)(6 << 20))

struct prediction {
    uint64_t ranks;
    uint64_t servers, shards; // of the job; of a server
    uint64_t total, touched;  // bytes of a server's parameters; of these used
};

struct part {
    const char *name;
    uint64_t rows; // of a server; 0: of weights, or not known
    uint64_t row_bytes, bytes, index_bytes;
    uint64_t touched; // of bytes: what becomes resident
};

static uint64_t whole_extents(uint64_t bytes)
{
    return (bytes + SLAB_EXTENT_BYTES - 1) / SLAB_EXTENT_BYTES *
           SLAB_EXTENT_BYTES;
}

static struct part table_part(const struct workload *w, uint32_t t,
                              const struct prediction *p)
{
    const struct table_spec *spec = &w->params->tables[t];
    uint64_t n_shards = p->servers * p->shards;
    uint64_t rows = (model_table_rows(w->model, t) + n_shards - 1) / n_shards;
    struct part part = {.name = spec->name, .rows = rows * p->shards};
    uint64_t an_extent;

    part.row_bytes = table_row_bytes(spec, &w->table_optim[t]);
    an_extent = SLAB_EXTENT_BYTES / part.row_bytes;
    part.bytes = (rows + an_extent - 1) / an_extent * SLAB_EXTENT_BYTES;
    part.bytes *= p->shards;
    part.touched = rows < an_extent ? part.rows * part.row_bytes : part.bytes;
    part.index_bytes = table_index_bytes_for(rows) * p->shards;
    return part;
}

static struct part weights_part(const struct workload *w,
                                const struct prediction *p)
{
    struct part part = {.name = "weights"};
    uint64_t floats = 0;

    for (uint32_t b = 0; b < w->params->n_blocks; b++) {
        uint64_t n = w->params->blocks[b].size;

        floats += n + optim_state_width(&w->block_optim[b], (size_t)n);
    }
    part.bytes =
        whole_extents(floats * sizeof(float) / (p->servers * p->shards));
    part.bytes = (part.bytes + SLAB_EXTENT_BYTES) * p->shards; // and heads
    part.touched = floats * sizeof(float) / p->servers +
                   sizeof(struct slab_head) * p->shards;
    return part;
}

static void add_row(struct texttab *tab, const struct part *part)
{
    char rows[24] = "", row[24] = "", bytes[16], index[16], sum[16];
    const char *cells[6] = {part->name, rows, row, bytes, index, sum};

    if (part->row_bytes) {
        snprintf(rows, sizeof(rows), "%llu", (unsigned long long)part->rows);
        snprintf(row, sizeof(row), "%llu", (unsigned long long)part->row_bytes);
        if (!part->rows)
            snprintf(rows, sizeof(rows), "as keys appear");
    }
    str_bytes((double)part->bytes, bytes);
    str_bytes((double)part->index_bytes, index);
    str_bytes((double)(part->bytes + part->index_bytes), sum);
    texttab_row(tab, cells);
}

static void add_json(struct json *j, const struct part *part)
{
    json_begin_object(j, NULL);
    json_string(j, "name", part->name);
    json_uint(j, "rows", part->rows);
    json_uint(j, "row_bytes", part->row_bytes);
    json_uint(j, "bytes", part->bytes);
    json_uint(j, "index_bytes", part->index_bytes);
    json_end_object(j);
}

/* What a process takes besides parameters. */
struct weight {
    const char *name; // also of the JSON value
    uint64_t bytes;
};

#define WEIGHTS_MAX 7

struct process {
    const char *name;
    struct weight parts[WEIGHTS_MAX];
    unsigned n;
    uint64_t total;
    uint64_t loading; // the whole of it while the data is read; 0: none
};

static void add_weight(struct process *p, const char *name, double bytes)
{
    p->parts[p->n++] = (struct weight){name, (uint64_t)bytes};
    p->total += (uint64_t)bytes;
}

/* Bytes of one unit's messages. */
struct traffic {
    double keys;   // distinct keys that one worker asks for
    double values; // bytes of their values and the weights
    double push;   // bytes of their gradients with their keys
};

/* Of more workers than were rehearsed each is taken to ask for twice its share:
 * some keys are asked for by many. */
static struct traffic traffic_of(const struct workload *w,
                                 const struct rehearsal *r, unsigned n_threads,
                                 uint64_t n_workers)
{
    double keys = r->keys_per_unit / n_threads;
    double dense = (double)w->params->n_dense;
    struct traffic t;
    uint32_t widest = 1;

    for (uint32_t i = 0; i < w->params->n_tables; i++)
        if (w->params->tables[i].width > widest)
            widest = w->params->tables[i].width;
    if (n_workers > 2 * (uint64_t)n_threads)
        keys = keys * 2 * n_threads / (double)n_workers;
    t.keys = keys;
    t.values = sizeof(float) * (keys * widest + dense);
    t.push = t.values + sizeof(uint64_t) * keys;
    return t;
}

/* A server keeps, for each worker: what keys a step resolved to, for as many
 * steps as are announced; a push until the unit is complete (received, kept);
 * replies that are on their way. Of pushes and replies the job says the most.
 */
static double server_messages(const struct workload *w, const struct traffic *t,
                              uint64_t n_workers, uint64_t n_servers,
                              double most)
{
    double ahead = (double)w->options.train.depth + 1;
    double share = (double)n_workers / (double)n_servers;
    double keys = ahead * t->keys * (sizeof(uint32_t) + sizeof(uint64_t));
    double under_way = (2 * t->push + ahead * t->values) * share;

    return ENDPOINT_BYTES + keys * share + fmin(under_way, most);
}

/* A worker's thread keeps the weights twice, values of the steps ahead, where
 * each key goes, and a push until it is acknowledged. */
static double worker_messages(const struct workload *w, const struct traffic *t,
                              uint64_t n_threads, double most)
{
    double ahead = (double)w->options.train.depth + 1;
    double each = 2 * sizeof(float) * (double)w->params->n_dense +
                  ahead * t->keys * 3 * sizeof(uint32_t);
    double under_way = (ahead * t->values + 2 * t->push) * (double)n_threads;

    return ENDPOINT_BYTES + each * (double)n_threads + fmin(under_way, most);
}

/* At staleness 0 a shard has the pushes of all workers at once. */
static void say_unit(const struct prediction *p, const struct job_options *o,
                     const struct traffic *t, uint64_t n_workers)
{
    double need =
        t->push * (double)n_workers / (double)(p->servers * p->shards);
    char bytes[16], most[16];

    if (o->cluster.staleness != 0 || n_workers < 2 ||
        need <= (double)o->cluster.message_memory)
        return;
    output_say("cluster.message_memory is %s, and the gradients of a unit take "
               "about %s in a shard: the job would end",
               str_bytes((double)o->cluster.message_memory, most),
               str_bytes(need, bytes));
}

static void print_process(const struct process *p, struct json *j, int json,
                          struct fusor_error *err, enum fusor_status *rc)
{
    static const char *const columns[] = {"part", ">bytes", NULL};
    struct texttab *tab = json ? NULL : texttab_create(columns);
    uint64_t total = p->loading > p->total ? p->loading : p->total;
    char bytes[16];

    json_begin_object(j, p->name);
    for (unsigned i = 0; i < p->n; i++) {
        const char *cells[2] = {p->parts[i].name, bytes};

        json_uint(j, p->parts[i].name, p->parts[i].bytes);
        str_bytes((double)p->parts[i].bytes, bytes);
        if (!json)
            texttab_row(tab, cells);
    }
    if (p->loading)
        json_uint(j, "loading", p->loading);
    json_uint(j, "bytes", total);
    json_end_object(j);
    if (json || *rc != FUSOR_OK) {
        texttab_destroy(tab);
        return;
    }
    *rc = output_table(tab, err);
    output_say("a %s process: about %s%s", p->name,
               str_bytes((double)total, bytes),
               total > p->total ? ", while it reads its data" : "");
}

static void say_cap(const struct prediction *p, const struct job_options *o)
{
    static const char *const then[] = {"the job would end",
                                       "the oldest rows would go",
                                       "the lowest rows would go"};
    char total[16], cap[16];

    str_bytes((double)p->total, total);
    str_bytes((double)o->memory.per_server, cap);
    output_say("%llu server%s of %llu shard%s; each at most %s of parameters",
               (unsigned long long)p->servers, p->servers == 1 ? "" : "s",
               (unsigned long long)p->shards, p->shards == 1 ? "" : "s", total);
    if (o->memory.per_server && p->total > o->memory.per_server)
        output_say("memory.per_server is %s: at the cap %s", cap,
                   then[o->memory.when_full]);
}

/* The processes of a job of one process, or of one with servers. */
static enum fusor_status
print_processes(const struct workload *w, const struct job_options *o,
                const struct dry_run_memory *memory, const struct prediction *p,
                struct json *j, int json, struct fusor_error *err)
{
    unsigned n_threads = course_useful_threads(w, (unsigned)p->shards);
    struct process server = {.name = "server"};
    struct process worker = {.name = "worker", .loading = memory->loading};
    struct process head = {.name = "coordinator", .loading = memory->loading};
    uint64_t n_workers = (p->ranks > p->servers ? p->ranks - p->servers : 1) *
                         (uint64_t)n_threads;
    enum fusor_status rc = FUSOR_OK;
    struct rehearsal r;
    struct traffic t;

    FUSOR_TRY(rehearse(w, n_threads, &r, err));
    t = traffic_of(w, &r, n_threads, n_workers);
    add_weight(&worker, "program", (double)memory->program);
    add_weight(&worker, "data", (double)memory->data);
    if (dataset_matches_bytes(w->data))
        add_weight(&worker, "matches", (double)dataset_matches_bytes(w->data));
    add_weight(&worker, "training", (double)r.training);
    if (!o->cluster.servers) {
        worker.name = "single";
        add_weight(&worker, "evaluation", // of the threads, and their sum
                   (double)r.evaluation * (1 + 1.0 / n_threads));
        add_weight(&worker, "parameters", (double)p->touched);
        print_process(&worker, j, json, err, &rc);
        return rc;
    }
    add_weight(&worker, "evaluation", (double)r.evaluation);
    add_weight(
        &worker, "messages",
        worker_messages(w, &t, n_threads, (double)o->cluster.message_memory));
    add_weight(&server, "program", (double)memory->program);
    add_weight(&server, "parameters", (double)p->touched);
    add_weight(
        &server, "messages",
        server_messages(w, &t, n_workers, p->servers,
                        (double)o->cluster.message_memory * (double)p->shards));
    add_weight(&head, "program", (double)memory->program);
    add_weight(&head, "data", (double)memory->data);
    add_weight(&head, "messages", ENDPOINT_BYTES / 2); // it sends no rows
    /* A sum, and what arrives. */
    add_weight(&head, "evaluation", 2 * (double)r.evaluation / n_threads);
    print_process(&server, j, json, err, &rc);
    print_process(&worker, j, json, err, &rc);
    print_process(&head, j, json, err, &rc);
    if (!json)
        say_unit(p, o, &t, n_workers);
    return rc;
}

/* Ranks this process was started with, or the fewest there can be. */
static uint64_t count_ranks(const struct job_options *o)
{
    struct launcher l = launcher_here();

    return l.present && l.size > 0 ? (uint64_t)l.size
                                   : (uint64_t)o->cluster.servers + 1;
}

enum fusor_status dry_run_print(const struct workload *w,
                                const struct job_options *o,
                                const struct dry_run_memory *memory, int json,
                                struct fusor_error *err)
{
    static const char *const columns[] = {
        "part", ">rows", ">bytes a row", ">rows take", ">index", ">sum", NULL};
    struct prediction p = {
        .servers = o->cluster.servers ? (uint64_t)o->cluster.servers : 1,
        .shards =
            (uint64_t)(o->cluster.threads ? o->cluster.threads : cpu_count()),
        .ranks = count_ranks(o)};
    struct json j = {.pretty = 1};
    struct texttab *tab = json ? NULL : texttab_create(columns);
    enum fusor_status rc = FUSOR_OK;

    json_begin_object(&j, NULL);
    json_uint(&j, "servers", p.servers);
    json_uint(&j, "shards", p.shards);
    json_begin_array(&j, "parts");
    for (uint32_t t = 0; t <= w->params->n_tables; t++) {
        struct part part = t < w->params->n_tables ? table_part(w, t, &p)
                                                   : weights_part(w, &p);

        p.total += part.bytes + part.index_bytes;
        p.touched += part.touched + part.index_bytes;
        add_json(&j, &part);
        if (!json)
            add_row(tab, &part);
    }
    json_end_array(&j);
    json_uint(&j, "bytes", p.total);
    json_uint(&j, "per_server", o->memory.per_server);
    if (!json) {
        rc = output_table(tab, err);
        say_cap(&p, o);
    }
    if (rc == FUSOR_OK)
        rc = print_processes(w, o, memory, &p, &j, json, err);
    json_end_object(&j);
    if (json && rc == FUSOR_OK)
        return output_json(&j, err);
    json_clear(&j);
    return rc;
}
