/* Checkpoints: a folder with one file per shard and a manifest, written at a
 * cut. A file holds rows grouped by bucket with a checksum each, segments of
 * blocks, and a table of contents, so any number of shards can load exactly
 * what they own from any number of files.
 *
 *   ROOT/latest            the name of the newest complete folder
 *   ROOT/NAME/manifest.yaml
 *   ROOT/NAME/shard-0000.bin ...
 *
 * Every file is written beside its name, fsynced and renamed; the manifest
 * after all shards, `latest` after the manifest: whatever was interrupted, the
 * checkpoint before stays whole. A flipped or missing byte in any file is an
 * error that names the file; a shard's part is verified before anything of it
 * is loaded.
 *
 * Threads: one checkpoint or shard belongs to one thread; different shards may
 * be written at the same time. */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/fs.h"
#include "store/shard.h"

#define CHECKPOINT_MANIFEST "manifest.yaml"
#define CHECKPOINT_LATEST "latest"
#define CHECKPOINT_TEXT_MAX 128

/* One shard's file, as the manifest lists it. */
struct checkpoint_part {
    char name[32]; // shard-0000.bin
    uint64_t bytes;
    uint64_t hash; // of its header, which holds the hash of its contents' table
};

/** Write one shard's file into a folder that exists. The shard stays as it is;
 * catch it up before.
 * @param part filled for the manifest
 * @return FUSOR_EIO, FUSOR_ENOMEM; no file is left */
enum fusor_status checkpoint_write_shard(const struct shard *s, const char *dir,
                                         struct checkpoint_part *part,
                                         struct fusor_error *err);

/* What a checkpoint says about itself. */
struct checkpoint_info {
    uint64_t job_id;
    char stage[CHECKPOINT_TEXT_MAX];
    uint32_t stage_number;
    uint64_t epoch, clock, samples_done;
    const char *metrics; // a JSON object; NULL: none
    const char *config;  // the effective job file; NULL: none
};

/** Complete the checkpoint ROOT/NAME: its manifest, then ROOT/latest. */
enum fusor_status checkpoint_write_manifest(const char *root, const char *name,
                                            const struct checkpoint_info *info,
                                            const struct checkpoint_part *parts,
                                            size_t n_parts,
                                            struct fusor_error *err);

/** The folder ROOT/latest names.
 * @return FUSOR_EIO (there is none), FUSOR_EDATA */
enum fusor_status checkpoint_latest(const char *root, char dir[FS_PATH_MAX],
                                    struct fusor_error *err);

struct checkpoint;

/** Read the manifest and every file's table of contents, check them all.
 * @return FUSOR_EIO, FUSOR_EDATA (the text names the file), FUSOR_ENOMEM */
enum fusor_status checkpoint_open(const char *dir, struct checkpoint **out,
                                  struct fusor_error *err);
void checkpoint_close(struct checkpoint *cp);
/** Lives as long as the checkpoint; metrics is the manifest's text. */
const struct checkpoint_info *checkpoint_info(const struct checkpoint *cp);
/** Rows of a table over all files; 0 for one that is not there. */
uint64_t checkpoint_n_rows(const struct checkpoint *cp, const char *table);
/** Floats in a row of a table; 0: no such table, or one without values. */
uint32_t checkpoint_row_width(const struct checkpoint *cp, const char *table);
/** Floats of a block; 0: no such block. */
uint64_t checkpoint_block_size(const struct checkpoint *cp, const char *block);
size_t checkpoint_n_parts(const struct checkpoint *cp);

/** One number for all keys, values and optimizer states: equal for equal
 * parameters, however they are cut over shards. */
enum fusor_status checkpoint_digest(struct checkpoint *cp, uint64_t *out,
                                    struct fusor_error *err);

struct checkpoint_row {
    const char *table;
    uint64_t key;
};

/** Take rows out of ROOT/NAME, in place: the folder is replaced by one that is
 * the same without them, whole or not at all; ROOT/latest stays. No shard may
 * write there meanwhile.
 * @param removed set to the rows that were there; 0: nothing was changed
 * @return FUSOR_EIO, FUSOR_EDATA (the text names the file), FUSOR_ENOMEM */
enum fusor_status checkpoint_forget(const char *root, const char *name,
                                    const struct checkpoint_row *rows, size_t n,
                                    uint64_t *removed, struct fusor_error *err);

enum checkpoint_use {
    CHECKPOINT_RESUME, // go on: every table and block must be there with the
                       // same shape and rule; takes rates and position too
    CHECKPOINT_VALUES  // take values: of tables and blocks of equal name and
                       // size, or those chosen; the rest stays as it was, and
                       // states of update rules begin anew
};

/** What a load of CHECKPOINT_VALUES takes.
 * @param tables [n_tables] and blocks [n_blocks] of the shard's parameters, 0:
 * not this one; must live as long as the checkpoint */
void checkpoint_choose(struct checkpoint *cp, const unsigned char *tables,
                       const unsigned char *blocks);

/** Load what this shard owns: buckets and segments. On FUSOR_EDATA the shard
 * is as before; on FUSOR_ENOMEM (cap) destroy it.
 * @return FUSOR_EDATA, FUSOR_EIO, FUSOR_ENOMEM */
enum fusor_status checkpoint_load_shard(struct checkpoint *cp, struct shard *s,
                                        enum checkpoint_use use,
                                        struct fusor_error *err);

#endif
