/* The manifest of a checkpoint: JSON (which YAML readers read) with a last line
 * that carries the checksum of all before it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "store/bucket.h"
#include "store/checkpoint.h"
#include "store/checkpoint_format.h"

#define FORMAT "fusor checkpoint"
#define SUM_LINE "\n# xxh3 "
#define MANIFEST_MAX ((size_t)64 << 20)

static void add_hex(struct json *j, const char *key, uint64_t value)
{
    char text[20];

    snprintf(text, sizeof(text), "%016" PRIx64, value);
    json_string(j, key, text);
}

static void print_manifest(struct json *j, const struct checkpoint_info *info,
                           const struct checkpoint_part *parts, size_t n)
{
    json_begin_object(j, NULL);
    json_string(j, "format", FORMAT);
    json_uint(j, "version", FILE_VERSION);
    add_hex(j, "job", info->job_id);
    json_string(j, "stage", info->stage);
    json_uint(j, "stage_number", info->stage_number);
    json_uint(j, "epoch", info->epoch);
    json_uint(j, "clock", info->clock);
    json_uint(j, "samples_done", info->samples_done);
    json_begin_array(j, "files");
    for (size_t i = 0; i < n; i++) {
        json_begin_object(j, NULL);
        json_string(j, "name", parts[i].name);
        json_uint(j, "bytes", parts[i].bytes);
        add_hex(j, "hash", parts[i].hash);
        json_end_object(j);
    }
    json_end_array(j);
    json_string(j, "metrics", info->metrics ? info->metrics : "");
    json_string(j, "config", info->config ? info->config : "");
    json_end_object(j);
}

enum fusor_status checkpoint_write_manifest(const char *root, const char *name,
                                            const struct checkpoint_info *info,
                                            const struct checkpoint_part *parts,
                                            size_t n_parts,
                                            struct fusor_error *err)
{
    char dir[FS_PATH_MAX], path[FS_PATH_MAX], latest[FS_PATH_MAX];
    struct json j = {.pretty = 1};
    enum fusor_status rc = FUSOR_OK;
    uint64_t hash;

    print_manifest(&j, info, parts, n_parts);
    if (!j.text.failed) {
        hash = hash_bytes(j.text.s, j.text.len, 0);
        strbuf_addf(&j.text, SUM_LINE "%016" PRIx64 "\n", hash);
    }
    if (j.text.failed)
        rc = mem_fail(err, "manifest", j.text.cap);
    fs_join(path, fs_join(dir, root, name), CHECKPOINT_MANIFEST);
    fs_join(latest, root, CHECKPOINT_LATEST);
    if (rc == FUSOR_OK)
        rc = fs_write_atomic(path, j.text.s, j.text.len, err);
    if (rc == FUSOR_OK)
        rc = fs_write_atomic(latest, name, strlen(name), err);
    json_clear(&j);
    return rc;
}

enum fusor_status checkpoint_latest(const char *root, char dir[FS_PATH_MAX],
                                    struct fusor_error *err)
{
    char path[FS_PATH_MAX], *name;
    size_t n;
    int bad;

    fs_join(path, root, CHECKPOINT_LATEST);
    FUSOR_TRY(fs_read(path, FS_PATH_MAX, &name, &n, err));
    name[strcspn(name, "\n")] = '\0';
    bad = !name[0] || name[0] == '.' || strchr(name, '/');
    if (!bad)
        fs_join(dir, root, name);
    mem_free(name);
    return bad ? fusor_fail(err, FUSOR_EDATA, "%s names no folder beside it",
                            path)
               : FUSOR_OK;
}

static enum fusor_status check_sum(const char *path, char *text, size_t n,
                                   size_t *body, struct fusor_error *err)
{
    size_t tail = strlen(SUM_LINE) + 17;
    uint64_t want;

    if (n < tail || memcmp(text + n - tail, SUM_LINE, strlen(SUM_LINE)) != 0)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s is cut off: its checksum line is missing", path);
    want = strtoull(text + n - 17, NULL, 16);
    *body = n - tail;
    if (hash_bytes(text, *body, 0) != want)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s is damaged: its checksum does not fit", path);
    return FUSOR_OK;
}

static enum fusor_status get_u64(struct yaml_node *map, const char *key,
                                 uint64_t *out, struct fusor_error *err)
{
    struct yaml_node *node = yaml_get(map, key);

    if (!node)
        return yaml_fail(map, err, "%s is missing", key);
    return yaml_to_size(node, out, err);
}

static enum fusor_status get_text(struct yaml_node *map, const char *key,
                                  const char **out, struct fusor_error *err)
{
    struct yaml_node *node = yaml_get(map, key);

    if (!node)
        return yaml_fail(map, err, "%s is missing", key);
    return yaml_to_text(node, out, err);
}

static enum fusor_status get_hex(struct yaml_node *map, const char *key,
                                 uint64_t *out, struct fusor_error *err)
{
    const char *text;

    FUSOR_TRY(get_text(map, key, &text, err));
    *out = strtoull(text, NULL, 16);
    return FUSOR_OK;
}

static enum fusor_status read_part(struct yaml_node *node,
                                   struct checkpoint_part *part,
                                   struct fusor_error *err)
{
    const char *name;

    FUSOR_TRY(get_text(node, "name", &name, err));
    FUSOR_TRY(get_u64(node, "bytes", &part->bytes, err));
    FUSOR_TRY(get_hex(node, "hash", &part->hash, err));
    if (strlen(name) >= sizeof(part->name) || strchr(name, '/') ||
        name[0] == '.')
        return yaml_fail(node, err, "not a file of a checkpoint: %s", name);
    memcpy(part->name, name, strlen(name) + 1);
    return FUSOR_OK;
}

static enum fusor_status read_info(struct yaml_node *root,
                                   struct checkpoint *cp,
                                   struct fusor_error *err)
{
    struct checkpoint_info *info = &cp->info;
    const char *format, *stage, *config, *metrics;
    uint64_t version, stage_number;

    FUSOR_TRY(get_text(root, "format", &format, err));
    FUSOR_TRY(get_u64(root, "version", &version, err));
    if (strcmp(format, FORMAT) != 0 || version < FILE_VERSION_MIN ||
        version > FILE_VERSION)
        return yaml_fail(root, err,
                         "this is \"%s\" version %llu; this program reads "
                         "\"" FORMAT "\" versions %d to %d",
                         format, (unsigned long long)version, FILE_VERSION_MIN,
                         FILE_VERSION);
    FUSOR_TRY(get_hex(root, "job", &info->job_id, err));
    FUSOR_TRY(get_text(root, "stage", &stage, err));
    FUSOR_TRY(get_u64(root, "stage_number", &stage_number, err));
    FUSOR_TRY(get_u64(root, "epoch", &info->epoch, err));
    FUSOR_TRY(get_u64(root, "clock", &info->clock, err));
    FUSOR_TRY(get_u64(root, "samples_done", &info->samples_done, err));
    FUSOR_TRY(get_text(root, "config", &config, err));
    FUSOR_TRY(get_text(root, "metrics", &metrics, err));
    snprintf(info->stage, sizeof(info->stage), "%s", stage);
    info->stage_number = (uint32_t)stage_number;
    cp->config = mem_strdup(config);
    cp->metrics = mem_strdup(metrics);
    if (!cp->config || !cp->metrics)
        return mem_fail(err, "manifest", strlen(config) + strlen(metrics));
    info->config = cp->config;
    info->metrics = *metrics ? cp->metrics : NULL;
    return FUSOR_OK;
}

static enum fusor_status read_tree(struct yaml_node *root,
                                   struct checkpoint *cp,
                                   struct checkpoint_part **parts,
                                   struct fusor_error *err)
{
    struct yaml_node *files = yaml_get(root, "files");

    FUSOR_TRY(read_info(root, cp, err));
    if (!files || files->kind != YAML_LIST || files->n < 1 ||
        files->n > SHARD_MAX)
        return yaml_fail(root, err, "files must list 1 to %d shards",
                         SHARD_MAX);
    *parts = mem_alloc(files->n, sizeof(**parts));
    if (!*parts)
        return mem_fail(err, "manifest", files->n * sizeof(**parts));
    for (size_t i = 0; i < files->n; i++)
        FUSOR_TRY(read_part(files->items[i], &(*parts)[i], err));
    cp->n = files->n;
    return FUSOR_OK;
}

enum fusor_status checkpoint_read_manifest(const char *dir,
                                           struct checkpoint *cp,
                                           struct checkpoint_part **parts,
                                           struct fusor_error *err)
{
    char path[FS_PATH_MAX], *text = NULL;
    struct yaml *yaml = NULL;
    enum fusor_status rc;
    size_t n, body = 0;

    fs_join(path, dir, CHECKPOINT_MANIFEST);
    FUSOR_TRY(fs_read(path, MANIFEST_MAX, &text, &n, err));
    rc = check_sum(path, text, n, &body, err);
    if (rc == FUSOR_OK)
        rc = yaml_parse(text, body, path, &yaml, err);
    if (rc == FUSOR_OK)
        rc = read_tree(yaml_root(yaml), cp, parts, err);
    yaml_destroy(yaml);
    mem_free(text);
    return rc == FUSOR_EUSAGE ? FUSOR_EDATA : rc;
}
