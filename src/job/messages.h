/* Do the messages of a job fit into cluster.message_memory, as far as can be
 * told before it begins: by its weights, which every answer and every push
 * carries. Rows come on top, and are only known when they are asked for: the
 * rest is found out then (ps/room.h). */
#ifndef JOB_MESSAGES_H
#define JOB_MESSAGES_H

#include "job/options.h"
#include "train/workload.h"

/** For --check. Nothing is known, and all is well, of a job that does not say
 * how many servers and threads it has.
 * @param n_ranks 0: as few as there can be
 * @return FUSOR_EUSAGE with file:line:column */
enum fusor_status messages_check(const struct job_options *options,
                                 const struct workload *w, uint32_t n_ranks,
                                 struct fusor_error *err);

#endif
