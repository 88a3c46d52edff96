/* What a stage takes from another run before it begins:
 *
 *     init_from: {checkpoint: runs/bert, tables: [item], towers: [seq]}
 *
 * in the job (its first stage) or in a stage. checkpoint is a run directory
 * (its best checkpoint) or a folder inside one. tables: whose rows are taken;
 * towers: towers, encoders or fusion whose blocks are; with neither, all tables
 * and blocks of equal name. What is taken must have the same size there; blocks
 * of a named tower that the checkpoint lacks begin as they would. Keys are
 * taken as they are, so both runs must be of one prepared folder, or of folders
 * with the same vocabularies. States of update rules begin anew.
 *
 * A job of a fold takes checkpoint/fold-K, the same fold's, when checkpoint
 * holds folds (--folds); from a run that left another fold of the folder out it
 * takes nothing, because that has learnt the rows that are judged here.
 *
 * Threads: one. */
#ifndef TRAIN_WARM_H
#define TRAIN_WARM_H

#include "base/fs.h"
#include "store/checkpoint.h"
#include "train/workload.h"

struct warm {
    struct checkpoint *checkpoint; // open; loads what is chosen
    char dir[FS_PATH_MAX];
    unsigned char *tables; // [n_tables] of the workload
    unsigned char *blocks; // [n_blocks]
    uint32_t n_tables, n_blocks;
    uint64_t n_rows;
};

/** Open what the stage's init_from names, with the choice made.
 * @return FUSOR_EUSAGE, with the place in the job: something does not fit;
 * FUSOR_EIO, FUSOR_EDATA: the checkpoint. Nothing to close then */
enum fusor_status warm_open(const struct workload *w, uint32_t stage,
                            struct warm *out, struct fusor_error *err);
/** The same with the folder that warm_open() found. */
enum fusor_status warm_open_folder(const struct workload *w, uint32_t stage,
                                   const char *dir, struct warm *out,
                                   struct fusor_error *err);
void warm_close(struct warm *warm);

/** Can every stage take what it names? Before a job begins. */
enum fusor_status warm_check(const struct workload *w, struct fusor_error *err);

#endif
