/* What the towers of a run say about the rows of a split, as text or bytes.
 * Threads: one. */
#ifndef CLI_SCORES_H
#define CLI_SCORES_H

#include "base/str.h"
#include "fusor/status.h"

enum scores_form {
    SCORES_TABLE, // row, user, item, each tower, fused
    SCORES_ARRAY, // NumPy: [rows, towers + 1]
    SCORES_ONE,   // a score file for fusor fuse: row, score
    SCORES_LABELS // the same of the labels; rows without one left out
};

struct scores_options {
    const char *run;
    const char *prepared; // instead of the run's folder, or NULL
    const char *split;    // NULL: test rows, else validation rows
    const char *label;    // whose, in a run of several; NULL: the first
    const char *tower; // SCORES_ONE: of which; NULL or "fused": the fused one
    enum scores_form form;
};

/** Append to out.
 * @param said set to what was scored, for people; may be NULL
 * @return FUSOR_EUSAGE: no such run, split, label or tower, or towers that have
 * no scores */
enum fusor_status scores_of_run(const struct scores_options *options,
                                struct strbuf *out, struct strbuf *said,
                                struct fusor_error *err);

#endif
