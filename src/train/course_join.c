/* Joins what the processes of a job answer to a command. */
#include "base/mem.h"
#include "train/course_private.h"

static enum fusor_status join_judged(struct course *c, const void *data,
                                     size_t size, struct fusor_error *err)
{
    struct metric_set *part;
    enum fusor_status rc;

    FUSOR_TRY(metric_set_deserialise(data, size, &part, err));
    rc = metric_set_merge(c->judged, part, err);
    metric_set_destroy(part);
    return rc;
}

/* Shards with counters tell them; others send nothing. */
static enum fusor_status join_cut(struct course *c, uint32_t shard,
                                  const void *data, size_t size,
                                  struct fusor_error *err)
{
    struct cut_result part;

    if (size == 0)
        return FUSOR_OK;
    if (shard >= c->config.n_shards)
        return fusor_fail(err, FUSOR_EPROTO, "shard %u of %u at a cut", shard,
                          c->config.n_shards);
    FUSOR_TRY(load_add_encoded(c->load, data, size, &c->load_costs[shard],
                               &size, err));
    FUSOR_TRY(cut_result_decode(data, size, &part, err));
    cut_result_add(&c->cut, &part);
    c->has_cut = 1;
    return FUSOR_OK;
}

static enum fusor_status join_save(struct course *c, uint32_t shard,
                                   const void *data, size_t size,
                                   struct fusor_error *err)
{
    if (shard >= c->config.n_shards)
        return fusor_fail(err, FUSOR_EPROTO, "shard %u of %u has saved", shard,
                          c->config.n_shards);
    strbuf_clear(&c->saved[shard]);
    strbuf_add_n(&c->saved[shard], data, size);
    return c->saved[shard].failed ? mem_fail(err, "save result", size)
                                  : FUSOR_OK;
}

enum fusor_status course_join(struct course *c, const struct command *cmd,
                              uint32_t process, const void *data, size_t size,
                              struct fusor_error *err)
{
    struct epoch_result part;

    switch (cmd->kind) {
    case COMMAND_EPOCH:
        FUSOR_TRY(epoch_result_decode(data, size, &part, err));
        epoch_result_add(&c->epoch, &part);
        return FUSOR_OK;
    case COMMAND_EVALUATE:
        return join_judged(c, data, size, err);
    case COMMAND_CUT:
        return join_cut(c, process, data, size, err);
    case COMMAND_SAVE:
        return join_save(c, process, data, size, err);
    default:
        return FUSOR_OK;
    }
}
