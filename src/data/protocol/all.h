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
extern const struct protocol_ops protocol_time_split;
extern const struct protocol_ops protocol_user_split;

#endif
