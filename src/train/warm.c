/* Chooses what a stage takes from another run, and checks that it fits. */
#include "train/warm.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "train/course.h"

struct warm_section {
    const char *checkpoint;
    struct yaml_node *tables, *towers;
};

static const struct option_spec specs[] = {
    OPTION_TEXT(struct warm_section, checkpoint, NULL,
                "a run directory, or a checkpoint inside one"),
    OPTION_NODE(struct warm_section, tables, "[tables] whose rows are taken"),
    OPTION_NODE(struct warm_section, towers,
                "[towers, encoders, fusion] whose blocks are taken"),
    OPTION_END,
};

/* One choice under way. */
struct choice {
    const struct workload *w;
    struct yaml_node *node; // the stage's init_from
    struct warm *warm;
};

static enum fusor_status take_table(const struct choice *c,
                                    const struct yaml_node *at, uint32_t t,
                                    struct fusor_error *err)
{
    const struct table_spec *spec = &c->w->params->tables[t];
    uint32_t there = checkpoint_row_width(c->warm->checkpoint, spec->name);

    if (there != spec->width)
        return yaml_fail(at, err,
                         "init_from: rows of table %s have %u floats in %s, %u "
                         "here",
                         spec->name, there, c->warm->dir, spec->width);
    c->warm->tables[t] = 1;
    c->warm->n_tables++;
    c->warm->n_rows += checkpoint_n_rows(c->warm->checkpoint, spec->name);
    return FUSOR_OK;
}

static enum fusor_status take_block(const struct choice *c,
                                    const struct yaml_node *at, uint32_t b,
                                    struct fusor_error *err)
{
    const struct block_spec *spec = &c->w->params->blocks[b];
    uint64_t there = checkpoint_block_size(c->warm->checkpoint, spec->name);

    if (there != spec->size)
        return yaml_fail(at, err,
                         "init_from: block %s has %llu floats in %s, %llu here",
                         spec->name, (unsigned long long)there, c->warm->dir,
                         (unsigned long long)spec->size);
    c->warm->blocks[b] = 1;
    c->warm->n_blocks++;
    return FUSOR_OK;
}

static enum fusor_status choose_table(const struct choice *c,
                                      const struct yaml_node *at,
                                      const char *name, struct fusor_error *err)
{
    const char *names[PARAM_MAX_TABLES + 1] = {NULL}, *near;

    for (uint32_t t = 0; t < c->w->params->n_tables; t++) {
        names[t] = c->w->params->tables[t].name;
        if (strcmp(names[t], name) == 0 && !c->warm->tables[t]) {
            if (checkpoint_row_width(c->warm->checkpoint, name))
                return take_table(c, at, t, err);
            return yaml_fail(at, err, "init_from: %s has no table %s",
                             c->warm->dir, name);
        }
    }
    near = str_nearest(name, names);
    return yaml_fail(at, err, "init_from: the job has no table %s%s%s", name,
                     near ? "; did you mean " : ", or it stands here twice",
                     near ? near : "");
}

/* Blocks of the tower that both have; at least one. */
static enum fusor_status choose_tower(const struct choice *c,
                                      const struct yaml_node *at,
                                      const char *name, struct fusor_error *err)
{
    const struct param_spec *p = c->w->params;
    size_t n = strlen(name);
    uint32_t here = 0, before = c->warm->n_blocks;

    for (uint32_t b = 0; b < p->n_blocks; b++) {
        const char *block = p->blocks[b].name;

        if (strncmp(block, name, n) != 0 || block[n] != '.' ||
            c->warm->blocks[b])
            continue;
        here++;
        if (checkpoint_block_size(c->warm->checkpoint, block))
            FUSOR_TRY(take_block(c, at, b, err));
    }
    if (here == 0)
        return yaml_fail(at, err,
                         "init_from: the job has no tower %s with blocks of "
                         "its own, or it stands here twice; rows are taken by "
                         "tables",
                         name);
    if (c->warm->n_blocks == before)
        return yaml_fail(at, err, "init_from: %s has no block of a tower %s",
                         c->warm->dir, name);
    return FUSOR_OK;
}

static enum fusor_status choose_each(
    const struct choice *c, const struct yaml_node *list,
    enum fusor_status (*choose)(const struct choice *, const struct yaml_node *,
                                const char *, struct fusor_error *),
    struct fusor_error *err)
{
    if (!list)
        return FUSOR_OK;
    if (list->kind != YAML_LIST || list->n == 0)
        return yaml_fail(list, err,
                         "init_from: tables and towers want a list of names");
    for (size_t i = 0; i < list->n; i++) {
        const char *name;

        FUSOR_TRY(yaml_to_text(list->items[i], &name, err));
        FUSOR_TRY(choose(c, list->items[i], name, err));
    }
    return FUSOR_OK;
}

static enum fusor_status choose_all(const struct choice *c,
                                    struct fusor_error *err)
{
    const struct param_spec *p = c->w->params;
    const struct checkpoint *cp = c->warm->checkpoint;

    for (uint32_t t = 0; t < p->n_tables; t++)
        if (checkpoint_row_width(cp, p->tables[t].name))
            FUSOR_TRY(take_table(c, c->node, t, err));
    for (uint32_t b = 0; b < p->n_blocks; b++)
        if (checkpoint_block_size(cp, p->blocks[b].name))
            FUSOR_TRY(take_block(c, c->node, b, err));
    if (c->warm->n_tables + c->warm->n_blocks == 0)
        return yaml_fail(c->node, err,
                         "init_from: %s has no table and no block that is "
                         "named as one here",
                         c->warm->dir);
    return FUSOR_OK;
}

static enum fusor_status read_section(const struct workload *w, uint32_t stage,
                                      struct warm_section *out,
                                      struct fusor_error *err)
{
    struct yaml_node *node = w->options.stages[stage].init_from;

    FUSOR_TRY(option_read(specs, node, "init_from", out, err));
    if (!out->checkpoint || !*out->checkpoint)
        return yaml_fail(node, err,
                         "init_from: no checkpoint: name a run directory");
    return FUSOR_OK;
}

static enum fusor_status choose(const struct choice *c,
                                const struct warm_section *s,
                                struct fusor_error *err)
{
    const struct param_spec *p = c->w->params;

    c->warm->tables = mem_alloc(p->n_tables + 1, 1);
    c->warm->blocks = mem_alloc(p->n_blocks + 1, 1);
    if (!c->warm->tables || !c->warm->blocks)
        return mem_fail(err, "init_from", p->n_tables + p->n_blocks);
    FUSOR_TRY(choose_each(c, s->tables, choose_table, err));
    FUSOR_TRY(choose_each(c, s->towers, choose_tower, err));
    if (!s->tables && !s->towers)
        FUSOR_TRY(choose_all(c, err));
    checkpoint_choose(c->warm->checkpoint, c->warm->tables, c->warm->blocks);
    return FUSOR_OK;
}

/* ---- folds ---- */

/* The fold a job leaves out, or -1. */
static int64_t fold_of(struct yaml *job)
{
    struct yaml_node *at = yaml_path(yaml_root(job), "data.fold");
    int64_t fold;

    return at && yaml_to_i64(at, &fold, NULL) == FUSOR_OK ? fold : -1;
}

static const char *prepared_of(struct yaml *job)
{
    struct yaml_node *at = yaml_path(yaml_root(job), "data.prepared");
    const char *path = "";

    return at && yaml_to_text(at, &path, NULL) == FUSOR_OK ? path : "";
}

/* A run of several folds stands for the one of the job's fold. */
static const char *own_fold(const struct workload *w, const char *checkpoint,
                            char dir[FS_PATH_MAX])
{
    char inside[FS_PATH_MAX], name[32];

    snprintf(name, sizeof(name), "fold-%lld", (long long)fold_of(w->job));
    if (fold_of(w->job) >= 0 &&
        !fs_exists(fs_join(inside, checkpoint, "checkpoints")) &&
        fs_is_dir(fs_join(dir, checkpoint, name)))
        return dir;
    return checkpoint;
}

/* What the run of this checkpoint was trained on must not be judged here.
 * @param dir RUN/checkpoints/NAME */
static enum fusor_status check_fold(const struct workload *w,
                                    const struct yaml_node *at, const char *dir,
                                    struct fusor_error *err)
{
    int64_t own = fold_of(w->job), other;
    char path[FS_PATH_MAX];
    struct yaml *job;
    enum fusor_status rc = FUSOR_OK;

    fs_join(path, dir, "../../job.yaml");
    if (own < 0 || !fs_exists(path))
        return FUSOR_OK;
    FUSOR_TRY(yaml_read(path, &job, err));
    other = fold_of(job);
    if (other >= 0 && other != own &&
        !strcmp(prepared_of(job), prepared_of(w->job)))
        rc =
            yaml_fail(at, err,
                      "init_from: %s left fold %lld out and has learnt the "
                      "rows of fold %lld, which are judged here: train it with "
                      "--folds and name the folder of all of them",
                      dir, (long long)other, (long long)own);
    yaml_destroy(job);
    return rc;
}

enum fusor_status warm_open_folder(const struct workload *w, uint32_t stage,
                                   const char *dir, struct warm *out,
                                   struct fusor_error *err)
{
    struct choice c = {w, w->options.stages[stage].init_from, out};
    struct warm_section s;
    enum fusor_status rc;

    memset(out, 0, sizeof(*out));
    FUSOR_TRY(read_section(w, stage, &s, err));
    snprintf(out->dir, sizeof(out->dir), "%s", dir);
    FUSOR_TRY(checkpoint_open(dir, &out->checkpoint, err));
    rc = choose(&c, &s, err);
    if (rc != FUSOR_OK)
        warm_close(out);
    return rc;
}

enum fusor_status warm_open(const struct workload *w, uint32_t stage,
                            struct warm *out, struct fusor_error *err)
{
    struct yaml_node *at = w->options.stages[stage].init_from;
    char dir[FS_PATH_MAX], fold[FS_PATH_MAX];
    struct warm_section s;
    struct fusor_error why;

    FUSOR_TRY(read_section(w, stage, &s, err));
    if (course_find_checkpoint(own_fold(w, s.checkpoint, fold), dir, &why) !=
        FUSOR_OK)
        return yaml_fail(at, err, "init_from: %s", why.text);
    FUSOR_TRY(check_fold(w, at, dir, err));
    return warm_open_folder(w, stage, dir, out, err);
}

void warm_close(struct warm *warm)
{
    checkpoint_close(warm->checkpoint);
    mem_free(warm->tables);
    mem_free(warm->blocks);
    memset(warm, 0, sizeof(*warm));
}

enum fusor_status warm_check(const struct workload *w, struct fusor_error *err)
{
    for (uint32_t s = 0; s < w->options.n_stages; s++) {
        struct warm warm;

        if (!w->options.stages[s].init_from)
            continue;
        FUSOR_TRY(warm_open(w, s, &warm, err));
        warm_close(&warm);
    }
    return FUSOR_OK;
}
