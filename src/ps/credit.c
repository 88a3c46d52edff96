/* Shares of a pool, and who may go by them. */
#include "ps/credit.h"

uint64_t credit_share(uint64_t pool_bytes, uint32_t n)
{
    uint64_t share = (pool_bytes - pool_bytes / 4) / (n ? n : 1);

    return share ? share : 1;
}

enum credit_verdict credit_judge(const struct credit_facts *f)
{
    if (f->crowds)
        return CREDIT_HOLD;
    if (f->oldest)
        return CREDIT_GO;
    if (f->behind || !f->heard)
        return CREDIT_HOLD;
    if (f->credit == 0)
        return CREDIT_GO;
    return f->used <= f->credit && f->cost <= f->credit - f->used ? CREDIT_GO
                                                                  : CREDIT_HOLD;
}

int credit_is_older(const struct wire_header *a, const struct wire_header *b)
{
    int a_pushes = a->kind == WIRE_PUSH, b_pushes = b->kind == WIRE_PUSH;

    if (a_pushes == b_pushes)
        return a->request < b->request;
    return a->clock < b->clock || (a->clock == b->clock && b_pushes);
}
