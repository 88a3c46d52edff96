/* Sums of what must be in a pool at once, and the words where it does not fit.
 */
#include "ps/room.h"

#include "base/str.h"
#include "coord/lease.h"
#include "store/tree.h"
#include "wire/chunk.h"

uint64_t room_of_chunks(uint64_t size)
{
    uint64_t rest = size % WIRE_CHUNK_BYTES;

    return size - rest + (rest ? payload_buffer_cost((size_t)rest) : 0);
}

uint64_t room_of_dense(uint32_t n_workers, uint32_t micro_batches,
                       uint64_t dense_bytes)
{
    struct tree_node nodes[PARAM_MAX_NODES];
    uint64_t n = 0;

    if (n_workers < 2 || micro_batches > TREE_LEAVES_MAX)
        return 0;
    for (uint32_t w = 0; w < n_workers; w++) {
        struct lease l = lease_make(w, n_workers, micro_batches, 0, 0, 1);

        n += tree_nodes(l.micro_lo, l.micro_hi, nodes);
    }
    return n * dense_bytes;
}

int room_fits(const struct room_facts *f)
{
    return f->kept <= f->memory && f->need <= f->memory - f->kept;
}

enum fusor_status room_fail_unit(const struct room_facts *f,
                                 struct fusor_error *err)
{
    char need[16], memory[16];

    str_bytes((double)f->kept + (double)f->need, need);
    str_bytes((double)f->memory, memory);
    return fusor_fail(err, FUSOR_ENOMEM,
                      "at staleness 0 the gradients of one unit take %s of "
                      "messages in a shard, cluster.message_memory is %s: "
                      "raise it, take more servers, fewer workers, a smaller "
                      "train.global_batch or another cluster.staleness",
                      need, memory);
}

enum fusor_status room_fail_message(const struct room_facts *f,
                                    const char *what, uint32_t shard,
                                    uint64_t memory, struct fusor_error *err)
{
    char need[16], most[16], all[16];

    str_bytes((double)f->need, need);
    str_bytes((double)f->memory, most);
    str_bytes((double)memory, all);
    return fusor_fail(err, FUSOR_ENOMEM,
                      "a step's %s of shard %u are a message of %s, with "
                      "cluster.message_memory %s it may have %s: raise it, "
                      "take more servers or smaller batches",
                      what, shard, need, all, most);
}

enum fusor_status room_fail_step(const struct room_facts *f, const char *what,
                                 struct fusor_error *err)
{
    char need[16], kept[16], memory[16];

    str_bytes((double)f->need, need);
    str_bytes((double)f->kept, kept);
    str_bytes((double)f->memory, memory);
    return fusor_fail(err, FUSOR_ENOMEM,
                      "a step's %s take %s of messages, %s are in use in its "
                      "process, cluster.message_memory is %s: raise it, take "
                      "fewer threads a process or smaller batches",
                      what, need, kept, memory);
}
