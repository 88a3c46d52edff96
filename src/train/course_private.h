/* Shared by the files of the course; private to src/train. */
#ifndef TRAIN_COURSE_PRIVATE_H
#define TRAIN_COURSE_PRIVATE_H

#include "base/fs.h"
#include "train/course.h"
#include "train/journal.h"
#include "train/load.h"
#include "train/progress.h"
#include "train/trace.h"

enum course_phase {
    PHASE_START,
    PHASE_INITIAL, // kept, for stages that begin anew
    PHASE_LOAD,    // the checkpoint to go on from
    PHASE_WARM,    // values of another run that the stage begins with
    PHASE_MINE,    // what a tower finds for the stage that begins
    PHASE_BEGIN,
    PHASE_EPOCH,
    PHASE_CUT,
    PHASE_VALIDATE,
    PHASE_SAVE,
    PHASE_RESTORE, // the best epoch of a stage that stopped early
    PHASE_SCORE,   // a fold by the towers that were trained without it
    PHASE_ANEW,    // the initial values are back
    PHASE_TEST,
    PHASE_FINISH
};

struct course {
    struct script script; // first: the handle
    struct course_config config;
    const struct workload *workload;
    const struct workload *fold; // of a stage out of a fold, else NULL
    enum course_phase phase;     // under way
    struct course_position position;
    uint64_t n_units; // of the epoch under way
    struct epoch_result epoch;
    struct profile_total spent; // over all epochs of this session
    struct profile profile;     // of the course itself, command by command
    struct profile_total own;   // what that was when last looked at
    struct trace_part trace;    // of that
    struct cut_result cut, cut_before; // of all shards, now and a cut ago
    int has_cut;
    struct load *load;         // of all shards, until this cut
    uint64_t *load_costs;      // [n_shards]
    double imbalance;          // of them; 0: no servers yet
    struct metric_set *judged; // joined results of an evaluation
    struct metric_result valid[TRAIN_MAX_METRICS], test[TRAIN_MAX_METRICS];
    int has_valid, has_test;
    struct metric_result best_valid[TRAIN_MAX_METRICS]; // of the best epoch
    int has_best_valid;
    /* The same results by group, as JSON; empty without groups. */
    struct strbuf groups_valid, groups_best, groups_test;
    int is_best;          // the epoch just judged is the stage's best
    char save_name[64];   // of the checkpoint being written
    char best_name[64];   // of the stage's best checkpoint, or ""
    char last_best[64];   // what the file "best" names
    char latest_name[64]; // of the newest whole one, or ""
    struct strbuf *saved; // [n_shards] what each wrote
    double epoch_started, epoch_seconds;
    double train_seconds; // of this session's epochs
    uint64_t train_samples;
    uint64_t n_epochs; // the same
    struct {           // of the stage that ended last
        uint32_t stage;
        uint64_t ended;     // epoch whose values it leaves; 0: it had none
        const char *metric; // NULL: nothing was judged
        double best;
        uint64_t epoch;
    } closed;
    struct progress progress;
    char metric_text[160];
};

/** The stage under way, and what its loss draws. */
static inline const struct stage *course_stage(const struct course *c)
{
    return &c->workload->options.stages[c->position.stage];
}

static inline const struct negatives *course_negatives(const struct course *c)
{
    return &c->workload->objectives.stages[c->position.stage].negatives;
}

/* course_follow.c */

/** Close the phase that is done and say which follows. */
enum fusor_status course_follow(struct course *c, enum course_phase *out,
                                struct fusor_error *err);

/* course_checkpoint.c */

/** Name the checkpoint of the initial values in the command; clock and samples
 * go back to 0. */
enum fusor_status course_begin_anew(struct course *c, struct command *out,
                                    struct fusor_error *err);

/** Make the folder a SAVE goes to and name it in the command. */
enum fusor_status course_begin_save(struct course *c, struct command *out,
                                    struct fusor_error *err);
/** Find what the stage's init_from names and put its folder in the command. */
enum fusor_status course_begin_warm(struct course *c, struct command *out,
                                    struct fusor_error *err);
/** All shards have written: manifest, latest and best, old ones removed. */
enum fusor_status course_end_save(struct course *c, struct fusor_error *err);
/** Read the position of the checkpoint with this name ("latest", "best"). */
enum fusor_status course_read_position(struct course *c, const char *name,
                                       struct command *out,
                                       struct fusor_error *err);

/* course_join.c */

/** One process's result of the command under way. */
enum fusor_status course_join(struct course *c, const struct command *cmd,
                              uint32_t process, const void *data, size_t size,
                              struct fusor_error *err);

/* course_load.c */

/** Servers have told what was asked of them: write it down. A run in one
 * process has none. */
enum fusor_status course_keep_load(struct course *c, struct fusor_error *err);
/** The job is done: say what its privacy is worth. */
void course_say_privacy(struct course *c);
/** The job is done: say how even it was. */
void course_say_load(struct course *c);

/* course_profile.c */

/** The phase of the course while a command of this kind is under way. */
uint32_t course_phase_profiled(enum command_kind kind);
/** The job is done: say what the workers' time went into, read the course's.
 */
void course_say_profile(struct course *c);
/** Begin the trace if one is wanted. */
enum fusor_status course_begin_trace(struct course *c, struct fusor_error *err);
/** All have written their parts of the epoch: join what there is. */
enum fusor_status course_keep_trace(struct course *c, struct fusor_error *err);

#endif
