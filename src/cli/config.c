/* File, environment and --set put together in one tree. The only reader of
 * settings from the environment. */
#include "cli/config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "job/options.h"
#include "optim/optim.h"
#include "train/options.h"

#define PREFIX "FUSOR_"
#define VARIABLE_MAX 96
#define VARIABLES_MAX 128

extern char **environ;

/* What dataset_options_read() takes from `data:`. */
struct data_section {
    const char *prepared;
    int64_t fold;
    const char *valid, *protocol, *exclude;
};

static const struct option_spec data_specs[] = {
    OPTION_TEXT(struct data_section, prepared, "", "folder made by prepare"),
    OPTION_INT(struct data_section, fold, "-1", -1, 1e6, "which fold tests"),
    OPTION_TEXT(struct data_section, valid, "", "share held out of train rows"),
    OPTION_TEXT(struct data_section, protocol, "", "must be the folder's"),
    OPTION_TEXT(struct data_section, exclude, "", "seen or none"),
    OPTION_END,
};

/* One section of the job file that is all an option table. */
struct config_section {
    const char *name; // "train"
    const struct option_spec *specs;
    size_t size; // of the struct the table fills
};

static const struct config_section sections[] = {
    {"train", train_section_specs, sizeof(struct train_section)},
    {"cluster", cluster_section_specs, sizeof(struct cluster_section)},
    {"memory", memory_section_specs, sizeof(struct memory_section)},
    {NULL, NULL, 0},
};

enum fusor_status config_help(const char *section, struct strbuf *out,
                              struct fusor_error *err)
{
    int found = 0;

    for (const struct config_section *s = sections; s->name; s++) {
        if (section && strcmp(section, s->name))
            continue;
        strbuf_addf(out, "%s%s:\n", found++ ? "\n" : "", s->name);
        option_help(s->specs, out);
    }
    if (!section || !strcmp(section, "optimizer")) {
        strbuf_addf(out, "%soptimizer, one of:\n", found++ ? "\n" : "");
        optim_help(out);
    }
    if (found)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EUSAGE,
                      "help settings: no section \"%s\"; there are train, "
                      "cluster, memory and optimizer",
                      section);
}

static void variable_of(const char *section, const char *setting,
                        char out[VARIABLE_MAX])
{
    snprintf(out, VARIABLE_MAX, PREFIX "%s_%s", section, setting);
    for (char *c = out; *c; c++)
        *c = (char)toupper((unsigned char)*c);
}

/* Every variable there is, with what it sets. */
struct known {
    struct variable {
        char name[VARIABLE_MAX];
        char path[VARIABLE_MAX];
        enum option_type type;
    } at[VARIABLES_MAX];
    const char *names[VARIABLES_MAX + 1];
    size_t n;
};

static void add_section(struct known *k, const char *section,
                        const struct option_spec *specs)
{
    for (; specs->name && k->n < VARIABLES_MAX; specs++) {
        struct variable *v = &k->at[k->n];

        variable_of(section, specs->name, v->name);
        snprintf(v->path, sizeof(v->path), "%s.%s", section, specs->name);
        v->type = specs->type;
        k->names[k->n++] = v->name;
    }
}

static struct known *known_create(void)
{
    struct known *k = mem_alloc(1, sizeof(*k));

    if (!k)
        return NULL;
    add_section(k, "data", data_specs);
    for (const struct config_section *s = sections; s->name; s++)
        add_section(k, s->name, s->specs);
    return k;
}

/* Does it begin as the variables of a section do? */
static int in_a_section(const struct known *k, const char *entry)
{
    for (size_t i = 0; i < k->n; i++) {
        size_t n = sizeof(PREFIX) - 1 + strcspn(k->at[i].path, ".") + 1;

        if (strncmp(entry, k->at[i].name, n) == 0)
            return 1;
    }
    return 0;
}

static enum fusor_status unknown_variable(const struct known *k,
                                          const char *name,
                                          struct fusor_error *err)
{
    const char *near = str_nearest(name, k->names);

    if (near)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "environment: %s is no setting; did you mean %s?",
                          name, near);
    return fusor_fail(err, FUSOR_EUSAGE,
                      "environment: %s is no setting; unset it", name);
}

static enum fusor_status set_variable(struct yaml *job,
                                      const struct variable *v,
                                      const char *value,
                                      struct fusor_error *err)
{
    struct strbuf text = {0};
    enum fusor_status rc;

    if (v->type == OPTION_TYPE_TEXT)
        yaml_add_text(&text, value);
    else
        strbuf_add(&text, value);
    rc = text.failed
             ? mem_fail(err, v->name, strlen(value))
             : yaml_set(job, v->path, text.s ? text.s : "", v->name, err);
    strbuf_clear(&text);
    return rc;
}

static enum fusor_status apply(struct yaml *job, const struct known *k,
                               const char *entry, struct fusor_error *err)
{
    const char *equals = strchr(entry, '=');
    char name[VARIABLE_MAX];
    size_t n = equals ? (size_t)(equals - entry) : 0;

    if (!n || n >= sizeof(name) || strncmp(entry, PREFIX, sizeof(PREFIX) - 1))
        return FUSOR_OK;
    memcpy(name, entry, n);
    name[n] = '\0';
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->at[i].name, name) == 0)
            return set_variable(job, &k->at[i], equals + 1, err);
    return in_a_section(k, name) ? unknown_variable(k, name, err) : FUSOR_OK;
}

enum fusor_status config_environment(struct yaml *job, char **environment,
                                     struct fusor_error *err)
{
    struct known *k = known_create();
    enum fusor_status rc = FUSOR_OK;

    if (!k)
        return mem_fail(err, "environment", sizeof(*k));
    for (; rc == FUSOR_OK && *environment; environment++)
        rc = apply(job, k, *environment, err);
    mem_free(k);
    return rc;
}

enum fusor_status config_set(struct yaml *job, const char *assignment,
                             struct fusor_error *err)
{
    const char *equals = strchr(assignment, '=');
    char path[256];

    if (!equals || equals == assignment ||
        (size_t)(equals - assignment) >= sizeof(path))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "--set \"%s\": write it as --set train.epochs=3",
                          assignment);
    snprintf(path, sizeof(path), "%.*s", (int)(equals - assignment),
             assignment);
    return yaml_set(job, path, equals + 1, "--set", err);
}

enum fusor_status config_read(const char *path, struct yaml **out,
                              struct fusor_error *err)
{
    struct yaml *job;
    enum fusor_status rc;

    FUSOR_TRY(yaml_read(path, &job, err));
    if (yaml_root(job)->kind != YAML_MAP)
        rc = yaml_fail(yaml_root(job), err,
                       "a job is a map of sections such as data and towers");
    else
        rc = config_environment(job, environ, err);
    if (rc != FUSOR_OK) {
        yaml_destroy(job);
        return rc;
    }
    *out = job;
    return FUSOR_OK;
}

static const struct config_section *find_section(const char *name)
{
    for (const struct config_section *s = sections; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

/* One top-level entry that no table knows, as it stands. */
static void print_entry(const char *key, const struct yaml_node *value,
                        struct strbuf *out)
{
    const char *keys[1] = {key};
    struct yaml_node copy = *value, *items[1] = {&copy};
    struct yaml_node map = {
        .kind = YAML_MAP, .n = 1, .keys = keys, .items = items};

    yaml_print(&map, 1, out);
}

/* Values that the table leaves to their own reader: only those given. */
static void print_nodes(const struct config_section *s,
                        const struct yaml_node *map, struct strbuf *out)
{
    struct strbuf text = {0};

    for (size_t i = 0; map && map->kind == YAML_MAP && i < map->n; i++)
        for (const struct option_spec *o = s->specs; o->name; o++)
            if (o->type == OPTION_TYPE_NODE && !strcmp(o->name, map->keys[i]))
                print_entry(map->keys[i], map->items[i], &text);
    for (const char *at = text.s; at && *at;) {
        size_t n = strcspn(at, "\n");

        strbuf_add(out, "  ");
        strbuf_add_n(out, at, n);
        strbuf_add(out, "\n");
        at += n + (at[n] == '\n');
    }
    strbuf_clear(&text);
}

static enum fusor_status print_section(const struct config_section *s,
                                       struct yaml_node *map,
                                       struct strbuf *out,
                                       struct fusor_error *err)
{
    void *values = mem_alloc(1, s->size);
    enum fusor_status rc;

    if (!values)
        return mem_fail(err, s->name, s->size);
    rc = option_read(s->specs, map, s->name, values, err);
    if (rc == FUSOR_OK) {
        strbuf_addf(out, "%s:\n", s->name);
        option_print(s->specs, map, values, 2, out);
        print_nodes(s, map, out);
    }
    mem_free(values);
    return rc;
}

enum fusor_status config_print(struct yaml *job, struct strbuf *out,
                               struct fusor_error *err)
{
    struct yaml_node *root = yaml_root(job);

    for (size_t i = 0; i < root->n; i++)
        if (!find_section(root->keys[i]))
            print_entry(root->keys[i], root->items[i], out);
    for (const struct config_section *s = sections; s->name; s++)
        FUSOR_TRY(print_section(s, yaml_get(root, s->name), out, err));
    return FUSOR_OK;
}
