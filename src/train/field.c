/* Opens a data set with a single field. */
#include "train/field.h"

#include <string.h>

#include "base/mem.h"

static enum fusor_status no_such_field(const struct workload *w,
                                       const char *name,
                                       struct fusor_error *err)
{
    const struct schema *s = dataset_schema(w->data);
    const char *names[SCHEMA_MAX_FIELDS + 1] = {NULL};
    const char *near;

    for (uint32_t i = 0; i < s->n_fields; i++)
        names[i] = s->fields[i].spec.name;
    near = str_nearest(name, names);
    return fusor_fail(
        err, FUSOR_EUSAGE, "the prepared folder has no field \"%.60s\"%s%s%s",
        name, near ? ": did you mean " : "", near ? near : "", near ? "?" : "");
}

static enum fusor_status open_data(const struct workload *w, struct field *f,
                                   struct fusor_error *err)
{
    struct dataset_options options = {.fold = -1};
    const char *protocol;

    FUSOR_TRY(dataset_options_read(yaml_get(yaml_root(w->job), "data"),
                                   &options, &protocol, err));
    options.seed = w->options.train.seed;
    options.exclude_seen = 0;
    options.cache = CACHE_MEMORY;
    return dataset_open(&options, yaml_root(f->fields), NULL, &f->data, err);
}

enum fusor_status field_open(const struct workload *w, const char *name,
                             struct field *out, struct fusor_error *err)
{
    int index = schema_find(dataset_schema(w->data), name);
    struct strbuf text = {0};
    struct field f = {0};
    enum fusor_status rc;
    size_t n;

    if (index < 0)
        return no_such_field(w, name, err);
    yaml_add_text(&text, name);
    strbuf_add(&text,
               dataset_schema(w->data)->fields[index].spec.type == FIELD_DENSE
                   ? ": {transform: {fill: -3e38}}\n"
                   : ": {}\n");
    rc = text.failed
             ? mem_fail(err, "field", text.len)
             : yaml_parse(text.s, text.len, "the field", &f.fields, err);
    strbuf_clear(&text);
    if (rc == FUSOR_OK)
        rc = open_data(w, &f, err);
    if (rc != FUSOR_OK) {
        field_close(&f);
        return rc;
    }
    f.schema = &dataset_schema(f.data)->fields[index];
    f.spec = dataset_fields(f.data, &n);
    *out = f;
    return FUSOR_OK;
}

void field_close(struct field *f)
{
    dataset_close(f->data);
    yaml_destroy(f->fields);
    memset(f, 0, sizeof(*f));
}

uint32_t field_row(const struct batch *batch, const struct field *f, uint32_t i)
{
    return f->spec->side == SIDE_QUERY ? batch->query_of[i] : i;
}
