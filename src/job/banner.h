/* What a job says about itself when it starts: plan, kernels, network. */
#ifndef JOB_BANNER_H
#define JOB_BANNER_H

#include "job/boot.h"

/** Lines for the terminal; each begins with "fusor: " or two blanks. */
void banner_cluster(const struct boot *b, int staleness, struct strbuf *out);
void banner_local(const char *run_dir, unsigned n_threads, struct strbuf *out);

#endif
