/* Checkpoints of a course: run_dir/checkpoints/<stage>-<epoch>, each a folder
 * with one file per shard and a manifest that carries the position. The newest
 * two and the best of each stage are kept, and the initial values as long as
 * some stage will begin from them. */
#include "train/course_private.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/checkpoint.h"
#include "train/warm.h"

#define KEEP_NEWEST 2
#define INITIAL "00-00000" /* stages count from 1 */

static void root_of(const struct course *c, char out[FS_PATH_MAX])
{
    fs_join(out, c->config.run_dir, "checkpoints");
}

enum fusor_status course_begin_save(struct course *c, struct command *out,
                                    struct fusor_error *err)
{
    char root[FS_PATH_MAX], dir[FS_PATH_MAX];

    root_of(c, root);
    if (c->phase == PHASE_INITIAL)
        snprintf(c->save_name, sizeof(c->save_name), INITIAL);
    else
        snprintf(c->save_name, sizeof(c->save_name), "%02u-%05llu",
                 c->position.stage + 1, (unsigned long long)c->position.epoch);
    fs_join(dir, root, c->save_name);
    if (strlen(dir) >= sizeof(out->text))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the path of the run directory is too long: %s", dir);
    snprintf(out->text, sizeof(out->text), "%s", dir);
    return fs_mkdirs(dir, err);
}

enum fusor_status course_find_checkpoint(const char *run_dir,
                                         char out[FS_PATH_MAX],
                                         struct fusor_error *err)
{
    char root[FS_PATH_MAX], path[FS_PATH_MAX], *text;
    size_t n;

    if (fs_exists(fs_join(path, run_dir, CHECKPOINT_MANIFEST))) {
        fs_join(out, run_dir, ".");
        return FUSOR_OK;
    }
    fs_join(root, run_dir, "checkpoints");
    if (!fs_is_dir(root))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: no checkpoint there: give the folder that "
                          "`fusor train` named as run directory",
                          run_dir);
    if (fs_read(fs_join(path, root, "best"), 4096, &text, &n, NULL) != FUSOR_OK)
        return checkpoint_latest(root, out, err);
    text[strcspn(text, "\n")] = '\0';
    fs_join(out, root, text);
    mem_free(text);
    return fs_is_dir(out) ? FUSOR_OK : checkpoint_latest(root, out, err);
}

enum fusor_status course_save_shard(struct shard *s, const struct command *c,
                                    struct strbuf *result,
                                    struct fusor_error *err)
{
    struct checkpoint_part part;
    enum fusor_status rc = checkpoint_write_shard(s, c->text, &part, err);

    if (rc != FUSOR_OK)
        return fusor_wrap(err, rc, "checkpoint");
    strbuf_clear(result);
    strbuf_add_n(result, (const char *)&part, sizeof(part));
    return result->failed ? mem_fail(err, "checkpoint", sizeof(part))
                          : FUSOR_OK;
}

enum fusor_status course_load_shard(struct shard *s, const struct command *c,
                                    struct fusor_error *err)
{
    struct checkpoint *cp;
    enum fusor_status rc = checkpoint_open(c->text, &cp, err);

    if (rc == FUSOR_OK) {
        rc = shard_forget_rows(s, err);
        if (rc == FUSOR_OK)
            rc = checkpoint_load_shard(cp, s, CHECKPOINT_RESUME, err);
        checkpoint_close(cp);
    }
    return fusor_wrap(err, rc, "checkpoint");
}

enum fusor_status course_begin_warm(struct course *c, struct command *out,
                                    struct fusor_error *err)
{
    struct warm warm;

    FUSOR_TRY(warm_open(c->workload, c->position.stage, &warm, err));
    if (strlen(warm.dir) >= sizeof(out->text)) {
        warm_close(&warm);
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the path of the checkpoint is too long");
    }
    snprintf(out->text, sizeof(out->text), "%s", warm.dir);
    progress_say(&c->progress,
                 "stage %u begins with %llu rows of %u tables and %u blocks of "
                 "%s",
                 c->position.stage + 1, (unsigned long long)warm.n_rows,
                 warm.n_tables, warm.n_blocks, warm.dir);
    warm_close(&warm);
    return FUSOR_OK;
}

enum fusor_status course_warm_shard(const struct workload *w, struct shard *s,
                                    const struct command *c,
                                    struct fusor_error *err)
{
    struct warm warm;
    enum fusor_status rc = warm_open_folder(w, c->stage, c->text, &warm, err);

    if (rc == FUSOR_OK) {
        rc = checkpoint_load_shard(warm.checkpoint, s, CHECKPOINT_VALUES, err);
        warm_close(&warm);
    }
    return fusor_wrap(err, rc, "init_from");
}

/* A small file that names another folder: "best", as store writes "latest". */
static enum fusor_status write_name(const char *root, const char *file,
                                    const char *name, struct fusor_error *err)
{
    char path[FS_PATH_MAX], line[80];
    int n = snprintf(line, sizeof(line), "%s\n", name);

    fs_join(path, root, file);
    return fs_write_atomic(path, line, (size_t)n, err);
}

static int will_begin_anew(const struct course *c)
{
    const struct train_options *o = &c->workload->options;

    for (uint32_t s = c->position.stage + 1; s < o->n_stages; s++)
        if (o->stages[s].begins)
            return 1;
    return 0;
}

static int is_worth_keeping(const struct course *c, const char *name,
                            size_t age)
{
    if (strcmp(name, INITIAL) == 0 && will_begin_anew(c))
        return 1;
    return age < KEEP_NEWEST || strcmp(name, c->last_best) == 0 ||
           strcmp(name, c->save_name) == 0;
}

/* Names sort by stage and epoch, so the last are the newest. Best checkpoints
 * of earlier stages are of no more use. */
static enum fusor_status remove_old(const struct course *c, const char *root,
                                    struct fusor_error *err)
{
    struct fs_list list;
    size_t age = 0;
    enum fusor_status rc;

    FUSOR_TRY(fs_list_dir(root, &list, err));
    rc = FUSOR_OK;
    for (size_t i = list.n; rc == FUSOR_OK && i-- > 0;) {
        char dir[FS_PATH_MAX];

        if (!fs_is_dir(fs_join(dir, root, list.names[i])))
            continue;
        if (!is_worth_keeping(c, list.names[i], age++))
            rc = fs_remove_tree(dir, err);
    }
    fs_list_clear(&list);
    return rc;
}

static enum fusor_status write_manifest(const struct course *c,
                                        const char *root,
                                        const struct course_position *position,
                                        struct fusor_error *err)
{
    struct checkpoint_part *parts =
        mem_alloc(c->config.n_shards, sizeof(*parts));
    struct strbuf text = {0};
    struct checkpoint_info info = {
        .job_id = c->config.job_id,
        .stage_number = position->stage,
        .epoch = position->epoch,
        .clock = position->clock,
        .samples_done = position->samples_done,
        .config = c->config.config_text,
    };
    enum fusor_status rc = FUSOR_OK;

    if (!parts)
        return mem_fail(err, "manifest", c->config.n_shards * sizeof(*parts));
    for (uint32_t i = 0; rc == FUSOR_OK && i < c->config.n_shards; i++) {
        if (c->saved[i].len != sizeof(*parts))
            rc = fusor_fail(err, FUSOR_EPROTO,
                            "shard %u answered %zu bytes to save", i,
                            c->saved[i].len);
        else
            memcpy(&parts[i], c->saved[i].s, sizeof(*parts));
    }
    journal_position_json(position, &text);
    info.metrics = text.s;
    snprintf(info.stage, sizeof(info.stage), "stage %u", position->stage + 1);
    if (rc == FUSOR_OK)
        rc = checkpoint_write_manifest(root, c->save_name, &info, parts,
                                       c->config.n_shards, err);
    strbuf_clear(&text);
    mem_free(parts);
    return rc;
}

enum fusor_status course_end_save(struct course *c, struct fusor_error *err)
{
    char root[FS_PATH_MAX];

    root_of(c, root);
    FUSOR_TRY(write_manifest(c, root, &c->position, err));
    snprintf(c->latest_name, sizeof(c->latest_name), "%s", c->save_name);
    /* As long as none was judged, the newest is the best there is. */
    if (c->is_best || !c->best_name[0] || !c->position.has_best) {
        snprintf(c->best_name, sizeof(c->best_name), "%s", c->save_name);
        snprintf(c->last_best, sizeof(c->last_best), "%s", c->save_name);
        FUSOR_TRY(write_name(root, "best", c->save_name, err));
    }
    return remove_old(c, root, err);
}

enum fusor_status course_begin_anew(struct course *c, struct command *out,
                                    struct fusor_error *err)
{
    char root[FS_PATH_MAX], dir[FS_PATH_MAX];

    root_of(c, root);
    fs_join(dir, root, INITIAL);
    if (!fs_is_dir(dir))
        return fusor_fail(err, FUSOR_EIO,
                          "%s is gone: a fold begins from it; train again in "
                          "a new run directory",
                          dir);
    snprintf(out->text, sizeof(out->text), "%s", dir);
    c->position.clock = 0;
    c->position.samples_done = 0;
    return FUSOR_OK;
}

static enum fusor_status read_name(const char *root, const char *file,
                                   char *out, size_t size,
                                   struct fusor_error *err)
{
    char path[FS_PATH_MAX], *text;
    size_t n;

    FUSOR_TRY(fs_read(fs_join(path, root, file), 4096, &text, &n, err));
    n = strcspn(text, "\n");
    snprintf(out, size, "%.*s", (int)n, text);
    mem_free(text);
    return FUSOR_OK;
}

enum fusor_status course_read_position(struct course *c, const char *name,
                                       struct command *out,
                                       struct fusor_error *err)
{
    char root[FS_PATH_MAX], dir[FS_PATH_MAX], folder[64];
    struct checkpoint *cp;
    struct course_position p;
    enum fusor_status rc;

    root_of(c, root);
    FUSOR_TRY(read_name(root, name, folder, sizeof(folder), err));
    fs_join(dir, root, folder);
    FUSOR_TRY(checkpoint_open(dir, &cp, err));
    rc = journal_position_read(checkpoint_info(cp)->metrics, &p, err);
    checkpoint_close(cp);
    if (rc != FUSOR_OK)
        return fusor_wrap(err, rc, "%s", dir);
    snprintf(out->text, sizeof(out->text), "%s", dir);
    if (strcmp(name, "best") == 0) {
        c->position.clock = p.clock; // values and clock go back together
        return FUSOR_OK;
    }
    c->position = p;
    snprintf(c->latest_name, sizeof(c->latest_name), "%s", folder);
    /* A checkpoint is written before "best" names it: after a death in between
     * the newest is the best if its own position says so. */
    if (read_name(root, "best", c->best_name, sizeof(c->best_name), NULL) ||
        !p.has_best || p.best_epoch == p.epoch)
        snprintf(c->best_name, sizeof(c->best_name), "%s", folder);
    snprintf(c->last_best, sizeof(c->last_best), "%s", c->best_name);
    return write_name(root, "best", c->best_name, err);
}
