/* The protocols that are registered; private to protocol.c and protocol/. */
#ifndef DATA_PROTOCOL_ALL_H
#define DATA_PROTOCOL_ALL_H

#include "data/protocol.h"

extern const struct protocol_ops protocol_none;
extern const struct protocol_ops protocol_given;
extern const struct protocol_ops protocol_kfold_official;
extern const struct protocol_ops protocol_kfold_random;
extern const struct protocol_ops protocol_loo_full;
extern const struct protocol_ops protocol_loo_given;
extern const struct protocol_ops protocol_loo_popular;
extern const struct protocol_ops protocol_loo_sampled;
extern const struct protocol_ops protocol_qrels;
extern const struct protocol_ops protocol_time_split;
extern const struct protocol_ops protocol_user_split;

/* Rows by query: rows[start[q] .. start[q + 1]). */
struct by_query {
    uint64_t *start, *rows;
};

/** Group the rows. by_query_clear() it, after a failure too. */
enum fusor_status by_query_make(const struct split_facts *f, struct by_query *g,
                                struct fusor_error *err);
void by_query_clear(struct by_query *g);

#endif
