/* Sums of outstanding bytes. Who gives back looks, afterwards, whether anybody
 * is held back; who holds back says so, and looks at the sums once more: one of
 * the two sees the other. */
#include "ps/account.h"

#include "base/mem.h"
#include "ps/room.h"

enum fusor_status account_init(struct account *a, struct messenger *m,
                               uint32_t n_shards, unsigned n_workers,
                               struct fusor_error *err)
{
    uint64_t pool = payload_pool_bound(messenger_pool(m));

    *a = (struct account){
        .messenger = m,
        .n_shards = n_shards,
        .replies_most = pool / 2 - ROOM_SMALL,
    };
    a->lines = mem_alloc(n_shards, sizeof(*a->lines));
    a->pulls = mem_alloc((size_t)n_workers * n_shards, sizeof(*a->pulls));
    if (a->lines && a->pulls)
        return FUSOR_OK;
    account_clear(a);
    return mem_fail(err, "credits", n_shards * sizeof(*a->lines));
}

void account_clear(struct account *a)
{
    mem_free(a->lines);
    mem_free(a->pulls);
    a->lines = NULL;
    a->pulls = NULL;
}

void account_hear(struct account *a, uint32_t shard, uint64_t credit)
{
    a->lines[shard].heard = 1;
    a->lines[shard].credit = credit;
}

static atomic_uint *pulls_of(const struct account *a, uint32_t shard,
                             unsigned worker)
{
    return &a->pulls[(size_t)worker * a->n_shards + shard];
}

void account_charge(struct account *a, uint32_t shard, uint64_t cost)
{
    atomic_fetch_add(&a->lines[shard].used, cost);
}

void account_give_back(struct account *a, uint32_t shard, uint64_t cost)
{
    atomic_fetch_sub(&a->lines[shard].used, cost);
}

void account_expect(struct account *a, int ahead, uint64_t bytes)
{
    atomic_fetch_add(&a->replies[ahead], bytes);
}

void account_use_up(struct account *a, int ahead, uint64_t bytes)
{
    atomic_fetch_sub(&a->replies[ahead], bytes);
}

void account_begin_pull(struct account *a, uint32_t shard, unsigned worker)
{
    atomic_fetch_add(pulls_of(a, shard, worker), 1);
}

void account_end_pull(struct account *a, uint32_t shard, unsigned worker)
{
    atomic_fetch_sub(pulls_of(a, shard, worker), 1);
}

void account_call(struct account *a)
{
    if (atomic_load(&a->n_held))
        messenger_wake(a->messenger);
}

int account_has_pull(const struct account *a, uint32_t shard, unsigned worker)
{
    return atomic_load(pulls_of(a, shard, worker)) != 0;
}
