/* Predicts the memory of a server: rows in whole extents of 2 MiB, the index as
 * it grows, the weights with their state. Keys are spread by hash, so each
 * shard is taken to get an equal part. */
#include "cli/dry_run.h"

#include <stdio.h>

#include "base/cpu.h"
#include "cli/output.h"
#include "store/table.h"

struct prediction {
    uint64_t servers, shards; // of the job; of a server
    uint64_t total;           // bytes of a server
};

struct part {
    const char *name;
    uint64_t rows; // of a server; 0: of weights, or not known
    uint64_t row_bytes, bytes, index_bytes;
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

static void say_cap(const struct prediction *p, const struct job_options *o)
{
    static const char *const then[] = {"the job would end",
                                       "the oldest rows would go",
                                       "the lowest rows would go"};
    char total[16], cap[16];

    str_bytes((double)p->total, total);
    str_bytes((double)o->memory.per_server, cap);
    output_say("%llu server%s of %llu shard%s; each at most %s, and the "
               "buffers of a step",
               (unsigned long long)p->servers, p->servers == 1 ? "" : "s",
               (unsigned long long)p->shards, p->shards == 1 ? "" : "s", total);
    if (o->memory.per_server && p->total > o->memory.per_server)
        output_say("memory.per_server is %s: at the cap %s", cap,
                   then[o->memory.when_full]);
}

enum fusor_status dry_run_print(const struct workload *w,
                                const struct job_options *o, int json,
                                struct fusor_error *err)
{
    static const char *const columns[] = {
        "part", ">rows", ">bytes a row", ">rows take", ">index", ">sum", NULL};
    struct prediction p = {
        .servers = o->cluster.servers ? (uint64_t)o->cluster.servers : 1,
        .shards =
            (uint64_t)(o->cluster.threads ? o->cluster.threads : cpu_count())};
    struct json j = {.pretty = 1};
    struct texttab *tab = json ? NULL : texttab_create(columns);

    json_begin_object(&j, NULL);
    json_uint(&j, "servers", p.servers);
    json_uint(&j, "shards", p.shards);
    json_begin_array(&j, "parts");
    for (uint32_t t = 0; t <= w->params->n_tables; t++) {
        struct part part = t < w->params->n_tables ? table_part(w, t, &p)
                                                   : weights_part(w, &p);

        p.total += part.bytes + part.index_bytes;
        add_json(&j, &part);
        if (!json)
            add_row(tab, &part);
    }
    json_end_array(&j);
    json_uint(&j, "bytes", p.total);
    json_uint(&j, "per_server", o->memory.per_server);
    json_end_object(&j);
    if (json)
        return output_json(&j, err);
    json_clear(&j);
    FUSOR_TRY(output_table(tab, err));
    say_cap(&p, o);
    return FUSOR_OK;
}
