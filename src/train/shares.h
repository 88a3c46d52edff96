/* What the workers of a job have found, handed to all of its processes: records
 * of one size, in files RUN/FOLDER/NUMBER-WORKER.SUFFIX, one of each process
 * that trains, each with a checksum. A file of another job or program, cut or
 * damaged, is refused by its name.
 *
 * Threads: none is shared. */
#ifndef TRAIN_SHARES_H
#define TRAIN_SHARES_H

#include "base/str.h"

struct shares {
    const char *folder; // in the run directory
    const char *suffix; // of the files, with the point
    const char *magic;  // 8 characters
    const char *what;   // for errors: "scores of a fold"
    uint64_t job;       // hash of what the records follow from
    uint32_t shape[2];  // of a record; others are refused
    size_t entry;       // bytes of a record
};

/* Takes records as they are read. */
struct shares_sink {
    enum fusor_status (*take)(struct shares_sink *self, const char *path,
                              const char *record, struct fusor_error *err);
};

/** Make the folder and remove what an earlier attempt left of this number. */
enum fusor_status shares_clear(const struct shares *s, const char *run_dir,
                               uint32_t number, struct fusor_error *err);
/** Write the records of the threads of this process as one file.
 * @param parts [n] whole records each
 * @param first number of the first of the threads in the job */
enum fusor_status shares_write(const struct shares *s, const char *run_dir,
                               uint32_t number, uint32_t first,
                               const struct strbuf *const *parts, size_t n,
                               struct fusor_error *err);

#define SHARES_ALL UINT32_MAX /* numbers */

/** Give every record of a number's files, or of all, to the sink.
 * @return FUSOR_EDATA naming the file, FUSOR_EIO, FUSOR_ENOMEM, the sink's */
enum fusor_status shares_read(const struct shares *s, const char *run_dir,
                              uint32_t number, struct shares_sink *sink,
                              struct fusor_error *err);

#endif
