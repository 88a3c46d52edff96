/* The header of a .safetensors file (github.com/huggingface/safetensors,
 * "Format"): its length in 8 bytes, then JSON {name: {dtype, shape,
 * data_offsets}}, offsets counting from its end. */
#include "data/vectors.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/yaml.h"

#define METADATA "__metadata__"

static enum fusor_status bad(const struct vectors *v, const char *name,
                             const char *what, struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "%s: tensor \"%s\": %s: want two dimensions of F16, "
                      "BF16, F32 or F64",
                      v->path, name, what);
}

static int find_type(const char *text, enum vectors_type *out)
{
    static const char *const names[] = {"F16", "BF16", "F32", "F64"};

    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum vectors_type)i;
            return 0;
        }
    return -1;
}

/* A list of two whole numbers. */
static int read_pair(struct yaml_node *at, uint64_t out[2])
{
    int64_t n;

    if (!at || at->kind != YAML_LIST || at->n != 2)
        return -1;
    for (int i = 0; i < 2; i++) {
        if (yaml_to_i64(at->items[i], &n, NULL) != FUSOR_OK || n < 0)
            return -1;
        out[i] = (uint64_t)n;
    }
    return 0;
}

static enum fusor_status read_tensor(struct vectors *v, const char *name,
                                     struct yaml_node *at, uint64_t data_bytes,
                                     struct fusor_error *err)
{
    uint64_t shape[2], range[2];
    const char *type;

    if (at->kind != YAML_MAP || !yaml_get(at, "dtype") ||
        yaml_to_text(yaml_get(at, "dtype"), &type, NULL) != FUSOR_OK ||
        find_type(type, &v->type))
        return bad(v, name, "another type of number", err);
    if (read_pair(yaml_get(at, "shape"), shape) || shape[1] > VECTORS_WIDTH_MAX)
        return bad(v, name, "another shape", err);
    if (read_pair(yaml_get(at, "data_offsets"), range) || range[0] > range[1] ||
        range[1] > data_bytes)
        return bad(v, name, "offsets outside the file", err);
    v->n_rows = shape[0];
    v->width = (uint32_t)shape[1];
    v->offset += range[0];
    return vectors_check(v, range[1] - range[0], err);
}

/* The tensor asked for, or the only one. */
static enum fusor_status choose(struct vectors *v, struct yaml_node *root,
                                const char *tensor, uint64_t data_bytes,
                                struct fusor_error *err)
{
    size_t found = 0, n = 0;

    if (root->kind != YAML_MAP)
        return fusor_fail(err, FUSOR_EDATA, "%s: the header is no JSON object",
                          v->path);
    for (size_t i = 0; i < root->n; i++) {
        if (strcmp(root->keys[i], METADATA) == 0 ||
            (tensor && strcmp(root->keys[i], tensor)))
            continue;
        found = i;
        n++;
    }
    if (n != 1)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: %zu tensors%s%s%s: say which one by tensor: "
                          "NAME",
                          v->path, n, tensor ? " named \"" : "",
                          tensor ? tensor : "", tensor ? "\"" : "");
    return read_tensor(v, root->keys[found], root->items[found], data_bytes,
                       err);
}

enum fusor_status vectors_open_safetensors(struct vectors *v,
                                           uint64_t file_bytes,
                                           const char *tensor,
                                           struct fusor_error *err)
{
    unsigned char start[8];
    struct yaml *header = NULL;
    uint64_t length = 0;
    enum fusor_status rc;
    char *text;

    if (file_bytes < sizeof(start))
        return fusor_fail(err, FUSOR_EDATA, "%s: too short for a header",
                          v->path);
    FUSOR_TRY(fs_pread(v->fd, start, sizeof(start), 0, v->path, err));
    for (int i = 8; i-- > 0;)
        length = length << 8 | start[i];
    if (length > VECTORS_HEADER_MAX || length > file_bytes - sizeof(start))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: a header of %llu bytes does not fit: no "
                          ".safetensors file, or damaged",
                          v->path, (unsigned long long)length);
    text = mem_alloc((size_t)length + 1, 1);
    if (!text)
        return mem_fail(err, "header", (size_t)length + 1);
    rc = fs_pread(v->fd, text, (size_t)length, sizeof(start), v->path, err);
    if (rc == FUSOR_OK &&
        yaml_parse(text, (size_t)length, v->path, &header, err) != FUSOR_OK)
        rc = fusor_fail(err, FUSOR_EDATA, "%s: the header is no JSON", v->path);
    v->offset = sizeof(start) + length;
    if (rc == FUSOR_OK)
        rc = choose(v, yaml_root(header), tensor, file_bytes - v->offset, err);
    yaml_destroy(header);
    mem_free(text);
    return rc;
}
