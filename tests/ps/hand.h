/* Messages of two workers, made by hand, to a server whose shard has one table
 * of width 1 and dense blocks of 2 and 1 floats, all by SGD at a rate of 1. */
#ifndef TESTS_PS_HAND_H
#define TESTS_PS_HAND_H

#include "one_shard.h"
#include "ps/payloads.h"

#define HAND_JOB 4
#define HAND_WORKERS 2

extern const struct param_spec hand_params;
extern struct message hand_answer; // heard last
extern float hand_values[16];      // of it: rows, then from 10 dense floats
extern size_t hand_n_values;       // of its last section

/** Open the network, the shard and its server; 4 micro-batches a unit. */
void hand_open(int staleness);
void hand_begin(uint64_t epoch, uint64_t clock, uint64_t n_units);
/** What a worker hears next. @return WIRE_NONE: nothing */
enum wire_kind hand_heard(uint32_t worker);

/** A header of 10 samples; keys want the dense floats, too. */
struct wire_header hand_header(enum wire_kind kind, uint32_t lease,
                               uint64_t unit, uint64_t request);
struct wire_header hand_push_of(uint32_t lease, uint64_t index, uint64_t unit,
                                uint64_t request);
/** Ask for keys 5 and 6. */
void hand_keys(uint32_t worker, struct wire_header h);
/** Send a gradient of -1 for key 5 and for all dense floats, at one
 * micro-batch. */
void hand_push(uint32_t worker, struct wire_header h, uint64_t micro);

#endif
