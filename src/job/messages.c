/* Weights against the memory of messages. */
#include "job/messages.h"

#include "base/mem.h"
#include "ps/room.h"
#include "store/block_slice.h"

/* The most of the weights that one shard has. */
static enum fusor_status largest_share(const struct workload *w,
                                       uint32_t n_shards, uint64_t *bytes,
                                       struct fusor_error *err)
{
    const struct param_spec *p = w->params;
    struct block_segment *segments =
        mem_alloc(p->n_blocks + 1, sizeof(*segments));

    *bytes = 0;
    if (!segments)
        return mem_fail(err, "segments", p->n_blocks * sizeof(*segments));
    for (uint32_t s = 0; s < n_shards; s++) {
        size_t n = block_slice_plan(p, w->whole_blocks, n_shards, s, segments);
        uint64_t floats = 0;

        for (size_t i = 0; i < n; i++)
            floats += segments[i].n;
        if (floats * sizeof(float) > *bytes)
            *bytes = floats * sizeof(float);
    }
    mem_free(segments);
    return FUSOR_OK;
}

/* The last unit of an epoch may leave micro-batches empty. */
static enum fusor_status has_full_unit(const struct workload *w, int *has,
                                       struct fusor_error *err)
{
    *has = 0;
    for (uint32_t stage = 0; stage < w->options.n_stages && !*has; stage++) {
        struct plan p;

        FUSOR_TRY(workload_plan(w, stage, &p, err));
        *has = plan_units(&p) > 1;
    }
    return FUSOR_OK;
}

/* Their words, at the setting's place. */
static enum fusor_status refuse(const struct workload *w,
                                const struct fusor_error *why,
                                struct fusor_error *err)
{
    struct yaml_node *root = yaml_root(w->job);
    struct yaml_node *at = yaml_path(root, "cluster.message_memory");

    if (!at)
        at = yaml_path(root, "cluster");
    if (!at)
        at = root;
    return yaml_fail(at, err, "the weights alone: %s", why->text);
}

enum fusor_status messages_check(const struct job_options *options,
                                 const struct workload *w, uint32_t n_ranks,
                                 struct fusor_error *err)
{
    const struct cluster_section *c = &options->cluster;
    uint32_t servers = (uint32_t)c->servers, threads = (uint32_t)c->threads;
    struct room_facts f = {.memory = c->message_memory / 2};
    struct fusor_error why;
    int full;

    if (!servers || !threads)
        return FUSOR_OK;
    if (n_ranks <= servers)
        n_ranks = servers + 1;
    FUSOR_TRY(largest_share(w, servers * threads, &f.need, err));
    if (!room_fits(&f)) {
        room_fail_message(&f, "values", 0, c->message_memory, &why);
        return refuse(w, &why, err);
    }
    FUSOR_TRY(has_full_unit(w, &full, err));
    if (c->staleness != 0 || !full)
        return FUSOR_OK;
    f.memory = c->message_memory;
    f.kept = ROOM_SMALL;
    f.need = room_of_dense((n_ranks - servers) * threads,
                           options->micro_batches, f.need);
    if (room_fits(&f))
        return FUSOR_OK;
    room_fail_unit(&f, &why);
    return refuse(w, &why, err);
}
