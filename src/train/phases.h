/* What a profile (base/profile.h) says, for people and files: the shares of the
 * phases, the largest first, towers by their names.
 *
 * Threads: one. */
#ifndef TRAIN_PHASES_H
#define TRAIN_PHASES_H

#include "base/json.h"
#include "base/profile.h"
#include "train/workload.h"

/** {"forward deep": 0.31, "gather": 0.12, ...} under key: shares of the time of
 * all phases; those that took none are left out. Nothing without a time.
 * @param w NULL: no towers */
void phases_json(struct json *j, const char *key, const struct workload *w,
                 const struct profile_total *t);
/** The same and the counts beside it: "profile", "steps", "sent_bytes",
 * "received_bytes", "waited_s". */
void phases_counts_json(struct json *j, const struct workload *w,
                        const struct profile_total *t);
/** "forward deep 31 %, gather 12 %, ...": the n largest. */
void phases_top(const struct workload *w, const struct profile_total *t,
                uint32_t n, struct strbuf *out);
/** A table: phase, per cent, microseconds a step. */
void phases_table(const struct workload *w, const struct profile_total *t,
                  struct strbuf *out);
/** Nanoseconds of all waits of a worker. */
uint64_t phases_waited_ns(const struct profile_total *t);

/** Names of the model's towers, as profile_slot_name() wants them. @return how
 * many towers there are */
uint32_t phases_towers(const struct workload *w,
                       const char *names[PROFILE_TOWERS]);

#endif
