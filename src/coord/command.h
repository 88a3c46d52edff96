/* What the coordinator tells the processes of a job to do, one command at a
 * time, and the script that decides which comes next. A run in one process
 * drives the same script over the same commands without the messages between.
 *
 * One training epoch is BEGIN (shards learn leases and rates), EPOCH (workers
 * do their leases), CUT (shards confirm that every unit is applied); after a
 * cut one state is seen by EVALUATE, SCORE and MINE (workers, peek pulls) and
 * SAVE (shards). */
#ifndef COORD_COMMAND_H
#define COORD_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

#define COMMAND_TEXT_MAX 1024

enum command_kind {
    COMMAND_LOAD = 1, // shards: read the checkpoint in text
    COMMAND_BEGIN,    // shards
    COMMAND_EPOCH,    // workers
    COMMAND_CUT,      // shards
    COMMAND_EVALUATE, // workers
    COMMAND_SAVE,     // shards: write their file into the folder in text
    COMMAND_WARM,     // shards: take values from the checkpoint in text, those
                      // that the stage's init_from names
    COMMAND_SCORE,    // workers: write the scores of the fold that the stage's
                      // towers have not seen
    COMMAND_MINE,  // workers: write what the stage's negatives are drawn from
    COMMAND_FINISH // everyone: leave with exit code 0
};

struct command {
    uint64_t sequence; // 1, 2, ...: given by whoever runs the script
    enum command_kind kind;
    uint32_t stage;        // place in the job's list of stages
    uint64_t epoch;        // of the stage, from 0
    uint64_t clock;        // units applied in the whole job before this epoch
    uint64_t n_units;      // of one epoch
    uint64_t samples_done; // before this epoch, in the whole job
    uint32_t n_workers;    // compute threads of the whole job
    uint32_t split;        // EVALUATE: enum split
    double lr_factor;      // what plateaus have left of the learning rate
    char text[COMMAND_TEXT_MAX];
};

const char *command_name(enum command_kind kind);
/** Is it for shards (else for workers)? FINISH is for both. */
int command_for_shards(enum command_kind kind);
int command_for_workers(enum command_kind kind);

#define COMMAND_BYTES (8 * 8 + 4 * 4 + COMMAND_TEXT_MAX)
/** Little-endian, COMMAND_BYTES long. */
void command_encode(const struct command *c, unsigned char *out);
enum fusor_status command_decode(const void *data, size_t size,
                                 struct command *out, struct fusor_error *err);

/* The job's course. One thread calls it, the coordinator's. */
struct script {
    const struct script_ops *ops;
};

struct script_ops {
    /** Decide what comes next; called once the last command is done. */
    enum fusor_status (*next)(struct script *s, struct command *out,
                              struct fusor_error *err);
    /** One process's result of the command under way; any order. */
    enum fusor_status (*result)(struct script *s, const struct command *c,
                                uint32_t process, const void *data, size_t size,
                                struct fusor_error *err);
    /** Where the epoch stands now, over all workers; for the screen. */
    void (*progress)(struct script *s, const struct command *c,
                     uint64_t samples, double loss_sum);
};

#endif
