/* A copy of a prepared folder on a local disk: made once for each host, used by
 * every process there. A copy that is there is taken when its schema, the sizes
 * of its files and the headers of its parts (which hold the checksums of all
 * that is in them) are those of the original; else it is made anew, beside, and
 * takes its name by rename when it is whole. Bytes that were damaged on the way
 * are found when a part is opened.
 *
 * Threads: any; processes of a host wait for the one that copies. */
#ifndef DATA_STAGE_IN_H
#define DATA_STAGE_IN_H

#include "base/fs.h"
#include "fusor/status.h"

struct stage_in_report {
    int reused;
    uint64_t bytes; // copied
    double seconds;
};

/** @param from prepared folder
 * @param to folder, made when missing; the copy is a folder inside
 * @param out path of the copy
 * @return FUSOR_EDATA: no prepared folder; FUSOR_EIO, with the path */
enum fusor_status stage_in(const char *from, const char *to,
                           char out[FS_PATH_MAX],
                           struct stage_in_report *report,
                           struct fusor_error *err);

#endif
