/* Files of records with a header of 40 bytes before and XXH3 of all behind
 * them, little-endian. */
#include "train/shares.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"

#define VERSION 1
#define MAX_FILE ((size_t)1 << 40)

struct header {
    char magic[8];
    uint32_t version, features; // no feature is known yet
    uint64_t job;
    uint32_t shape[2];
    uint64_t n; // records in this file
};

static struct header header_of(const struct shares *s)
{
    struct header h = {
        .version = VERSION, .job = s->job, .shape = {s->shape[0], s->shape[1]}};

    memcpy(h.magic, s->magic, sizeof(h.magic));
    return h;
}

static const char *prefix_of(uint32_t number, char out[16])
{
    snprintf(out, 16, "%02u-", number);
    return out;
}

enum fusor_status shares_clear(const struct shares *s, const char *run_dir,
                               uint32_t number, struct fusor_error *err)
{
    char root[FS_PATH_MAX], path[FS_PATH_MAX], prefix[16];
    struct fs_list list;
    enum fusor_status rc = FUSOR_OK;

    fs_join(root, run_dir, s->folder);
    FUSOR_TRY(fs_mkdirs(root, err));
    FUSOR_TRY(fs_list_dir(root, &list, err));
    prefix_of(number, prefix);
    for (size_t i = 0; rc == FUSOR_OK && i < list.n; i++)
        if (strncmp(list.names[i], prefix, strlen(prefix)) == 0)
            rc = fs_remove_tree(fs_join(path, root, list.names[i]), err);
    fs_list_clear(&list);
    return rc;
}

enum fusor_status shares_write(const struct shares *s, const char *run_dir,
                               uint32_t number, uint32_t first,
                               const struct strbuf *const *parts, size_t n,
                               struct fusor_error *err)
{
    struct header h = header_of(s);
    char root[FS_PATH_MAX], path[FS_PATH_MAX], name[64], prefix[16];
    struct strbuf file = {0};
    uint64_t sum;
    enum fusor_status rc;

    for (size_t i = 0; i < n; i++)
        h.n += parts[i]->len / s->entry;
    strbuf_add_n(&file, (const char *)&h, sizeof(h));
    for (size_t i = 0; i < n; i++)
        strbuf_add_n(&file, parts[i]->s, parts[i]->len);
    sum = file.failed ? 0 : hash_bytes(file.s, file.len, 0);
    strbuf_add_n(&file, (const char *)&sum, sizeof(sum));
    snprintf(name, sizeof(name), "%s%05u%s", prefix_of(number, prefix), first,
             s->suffix);
    fs_join(path, fs_join(root, run_dir, s->folder), name);
    rc = file.failed ? mem_fail(err, s->what, file.len)
                     : fs_write_atomic(path, file.s, file.len, err);
    strbuf_clear(&file);
    return rc;
}

/* What one file says, after its header and checksum were looked at. */
static enum fusor_status take_file(const struct shares *s, const char *path,
                                   const char *data, size_t size,
                                   struct shares_sink *sink,
                                   struct fusor_error *err)
{
    struct header want = header_of(s), h;
    uint64_t sum;

    if (size < sizeof(h) + sizeof(sum))
        return fusor_fail(err, FUSOR_EDATA, "%s: cut short at %zu bytes", path,
                          size);
    memcpy(&h, data, sizeof(h));
    memcpy(&sum, data + size - sizeof(sum), sizeof(sum));
    if (memcmp(h.magic, want.magic, sizeof(h.magic)) || h.version != VERSION ||
        h.features)
        return fusor_fail(err, FUSOR_EDATA, "%s: no %s that this program reads",
                          path, s->what);
    if (h.job != want.job || memcmp(h.shape, want.shape, sizeof(h.shape)))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: %s of another job: train in a new run directory",
                          path, s->what);
    size -= sizeof(h) + sizeof(sum);
    if (size / s->entry != h.n || size % s->entry ||
        hash_bytes(data, size + sizeof(h), 0) != sum)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: damaged: remove the run directory and train "
                          "again",
                          path);
    for (const char *p = data + sizeof(h); size;
         p += s->entry, size -= s->entry)
        FUSOR_TRY(sink->take(sink, path, p, err));
    return FUSOR_OK;
}

static int is_wanted(const struct shares *s, uint32_t number, const char *name)
{
    size_t len = strlen(name), tail = strlen(s->suffix);
    char prefix[16];

    prefix_of(number, prefix);
    return len >= tail && !strcmp(name + len - tail, s->suffix) &&
           (number == SHARES_ALL || !strncmp(name, prefix, strlen(prefix)));
}

enum fusor_status shares_read(const struct shares *s, const char *run_dir,
                              uint32_t number, struct shares_sink *sink,
                              struct fusor_error *err)
{
    char root[FS_PATH_MAX];
    struct fs_list list;
    enum fusor_status rc;

    fs_join(root, run_dir, s->folder);
    FUSOR_TRY(fs_list_dir(root, &list, err));
    rc = FUSOR_OK;
    for (size_t i = 0; rc == FUSOR_OK && i < list.n; i++) {
        char path[FS_PATH_MAX], *data;
        size_t size;

        if (!is_wanted(s, number, list.names[i]))
            continue;
        rc = fs_read(fs_join(path, root, list.names[i]), MAX_FILE, &data, &size,
                     err);
        if (rc == FUSOR_OK) {
            rc = take_file(s, path, data, size, sink, err);
            mem_free(data);
        }
    }
    fs_list_clear(&list);
    return rc;
}
