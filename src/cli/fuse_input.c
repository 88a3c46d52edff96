/* Inputs of fusor fuse: score files, and runs whose rows are scored. */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/fuse.h"
#include "cli/scores.h"

#define MAX_FILE ((size_t)1 << 32)

static enum fusor_status read_run(const struct fuse *f, const char *path,
                                  int labels, struct score_file *out,
                                  struct fusor_error *err)
{
    struct scores_options o = {.run = path,
                               .split = f->runs.split,
                               .label = f->runs.label,
                               .form = labels ? SCORES_LABELS : SCORES_ONE};
    struct strbuf text = {0};
    enum fusor_status rc = scores_of_run(&o, &text, NULL, err);

    out->text = text.s; // released with the file
    if (rc == FUSOR_OK && text.len == 0)
        rc = fusor_fail(err, FUSOR_EDATA, "no row has a %s",
                        labels ? "label" : "score");
    if (rc == FUSOR_OK)
        rc = score_table_parse(path, text.s, text.len, &out->table, err);
    return fusor_wrap(err, rc, "fuse: %s", path);
}

enum fusor_status fuse_read_file(const struct fuse *f, const char *path,
                                 int labels, struct score_file *out,
                                 struct fusor_error *err)
{
    size_t size;

    if (fs_is_dir(path))
        return read_run(f, path, labels, out, err);
    FUSOR_TRY(fs_read(path, MAX_FILE, &out->text, &size, err));
    return score_table_parse(path, out->text, size, &out->table, err);
}

void fuse_clear_file(struct score_file *file)
{
    score_table_clear(&file->table);
    mem_free(file->text);
    memset(file, 0, sizeof(*file));
}

enum fusor_status fuse_check_runs(struct fuse *f, const struct args *a,
                                  struct fusor_error *err)
{
    static const char *const inputs[] = {"scores", "labels", "seeds-of", "test",
                                         NULL};
    int any = 0;

    f->runs =
        (struct fuse_runs){args_value(a, "label"), args_value(a, "split")};
    for (int k = 0; inputs[k]; k++)
        for (size_t i = 0; args_nth(a, inputs[k], i); i++)
            any |= fs_is_dir(args_nth(a, inputs[k], i));
    if (any || (!f->runs.label && !f->runs.split))
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EUSAGE,
                      "fuse: --%s chooses among what runs hold, and files of "
                      "scores are of one label and split: give --scores "
                      "RUN_DIRECTORY, or remove it",
                      f->runs.label ? "label" : "split");
}
