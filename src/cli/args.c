/* Parses a command line by a table of options and a table of settings. */
#include "cli/args.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/texttab.h"

#define NAMES_MAX 96
#define SETTING_MAX 64

/* What stands behind a name on the command line. */
struct found {
    const struct arg_spec *spec;
    const struct option_spec *setting;
};

/* Is name a setting's, with dashes for underscores? */
static int is_setting(const char *setting, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (setting[i] != (name[i] == '-' ? '_' : name[i]))
            return 0;
    return setting[n] == '\0';
}

static int find_long(const struct arg_table *t, const char *name, size_t n,
                     struct found *out)
{
    *out = (struct found){NULL, NULL};
    for (const struct arg_spec *s = t->specs; s && s->name; s++)
        if (strlen(s->name) == n && memcmp(s->name, name, n) == 0)
            out->spec = s;
    for (const struct option_spec *s = t->settings; !out->spec && s && s->name;
         s++)
        if (is_setting(s->name, name, n))
            out->setting = s;
    return out->spec || out->setting;
}

static int find_letter(const struct arg_table *t, char letter,
                       struct found *out)
{
    *out = (struct found){NULL, NULL};
    for (const struct arg_spec *s = t->specs; s && s->name; s++)
        if (s->letter == letter)
            out->spec = s;
    /* The one letter that settings have: where the output goes. */
    for (const struct option_spec *s = t->settings;
         !out->spec && letter == 'o' && s && s->name; s++)
        if (strcmp(s->name, "out") == 0)
            out->setting = s;
    return out->spec || out->setting;
}

static void dashed(const char *name, char out[SETTING_MAX])
{
    size_t n = 0;

    for (; name[n] && n + 1 < SETTING_MAX; n++)
        out[n] = name[n] == '_' ? '-' : name[n];
    out[n] = '\0';
}

static enum fusor_status unknown_option(const struct arg_table *t,
                                        const char *word,
                                        struct fusor_error *err)
{
    char dashes[NAMES_MAX][SETTING_MAX];
    const char *names[NAMES_MAX + 1] = {NULL};
    const char *near;
    char name[SETTING_MAX];
    size_t n = 0;

    for (const struct arg_spec *s = t->specs; s && s->name && n < NAMES_MAX;
         s++)
        names[n++] = s->name;
    for (const struct option_spec *s = t->settings;
         s && s->name && n < NAMES_MAX; s++) {
        dashed(s->name, dashes[n]);
        names[n] = dashes[n];
        n++;
    }
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    near = str_nearest(name + strspn(name, "-"), names);
    if (near)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s has no option %s; did you mean --%s?", t->command,
                          name, near);
    return fusor_fail(err, FUSOR_EUSAGE,
                      "%s has no option %s; see fusor %s --help", t->command,
                      name, t->command);
}

/* Texts stay texts, whatever characters they hold; all else is read as YAML. */
static enum fusor_status put_setting(struct args *a,
                                     const struct option_spec *setting,
                                     const char *value, struct fusor_error *err)
{
    char origin[SETTING_MAX + 2] = "--";
    struct strbuf text = {0};
    enum fusor_status rc;

    dashed(setting->name, origin + 2);
    if (setting->type == OPTION_TYPE_TEXT)
        yaml_add_text(&text, value);
    else
        strbuf_add(&text, value);
    rc = text.failed ? mem_fail(err, "argument", strlen(value))
                     : yaml_set(a->settings, setting->name,
                                text.s ? text.s : "", origin, err);
    strbuf_clear(&text);
    return rc;
}

/* Must a value follow? */
static int takes_value(const struct found *f)
{
    return f->spec ? f->spec->value != NULL && f->spec->value[0] != '['
                   : f->setting->type != OPTION_TYPE_BOOL;
}

static enum fusor_status take(struct args *a, const struct found *f,
                              const char *word, const char *value,
                              struct fusor_error *err)
{
    int is_flag = !takes_value(f);

    if (f->spec && !f->spec->value && value)
        return fusor_fail(err, FUSOR_EUSAGE, "%s: option --%s takes no value",
                          a->table->command, f->spec->name);
    if (!value && is_flag)
        value = f->spec ? "" : "true";
    if (!value)
        return fusor_fail(err, FUSOR_EUSAGE, "%s: option %s needs a value",
                          a->table->command, word);
    if (f->setting)
        return put_setting(a, f->setting, value, err);
    a->values[a->n_values++] = (struct arg_value){f->spec, value};
    return FUSOR_OK;
}

/* argv[*i] is an option; *i is left at the last word it used. */
static enum fusor_status parse_option(struct args *a, int argc, char **argv,
                                      int *i, struct fusor_error *err)
{
    const char *word = argv[*i], *value = NULL, *equals = strchr(word, '=');
    struct found f;
    int known;

    if (word[1] == '-') {
        size_t n = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;

        known = find_long(a->table, word + 2, n, &f);
        value = equals ? equals + 1 : NULL;
    } else {
        known = word[2] == '\0' && find_letter(a->table, word[1], &f);
    }
    if (!known)
        return unknown_option(a->table, word, err);
    if (!value && takes_value(&f) && *i + 1 < argc)
        value = argv[++*i];
    return take(a, &f, word, value, err);
}

static enum fusor_status check_rest(const struct args *a,
                                    struct fusor_error *err)
{
    const struct arg_table *t = a->table;

    if (a->n_rest < t->min_rest)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: %s is missing; see fusor %s --help", t->command,
                          t->rest, t->command);
    if (a->n_rest > t->max_rest)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: \"%s\" is one word too many; see fusor %s "
                          "--help",
                          t->command, a->rest[t->max_rest], t->command);
    return FUSOR_OK;
}

static enum fusor_status parse_words(struct args *a, int argc, char **argv,
                                     int first, struct fusor_error *err)
{
    int only_words = 0;

    for (int i = first; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = 1;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            FUSOR_TRY(parse_option(a, argc, argv, &i, err));
        } else {
            a->rest[a->n_rest++] = argv[i];
        }
    }
    return check_rest(a, err);
}

enum fusor_status args_parse(const struct arg_table *table, int argc,
                             char **argv, int first, struct args *out,
                             struct fusor_error *err)
{
    struct args a = {.table = table, .argc = argc, .argv = argv};
    enum fusor_status rc;

    a.values = mem_alloc((size_t)argc + 1, sizeof(*a.values));
    a.rest = mem_alloc((size_t)argc + 1, sizeof(*a.rest));
    if (!a.values || !a.rest)
        rc = mem_fail(err, "arguments", (size_t)argc * sizeof(*a.values));
    else
        rc = yaml_parse("", 0, "command line", &a.settings, err);
    if (rc == FUSOR_OK)
        rc = parse_words(&a, argc, argv, first, err);
    if (rc != FUSOR_OK) {
        args_clear(&a);
        return rc;
    }
    *out = a;
    return FUSOR_OK;
}

void args_clear(struct args *a)
{
    mem_free(a->values);
    mem_free(a->rest);
    yaml_destroy(a->settings);
    memset(a, 0, sizeof(*a));
}

const char *args_nth(const struct args *a, const char *name, size_t i)
{
    for (size_t v = 0; v < a->n_values; v++)
        if (strcmp(a->values[v].spec->name, name) == 0 && i-- == 0)
            return a->values[v].text;
    return NULL;
}

const char *args_value(const struct args *a, const char *name)
{
    const char *last = NULL;

    for (size_t v = 0; v < a->n_values; v++)
        if (strcmp(a->values[v].spec->name, name) == 0)
            last = a->values[v].text;
    return last;
}

int args_flag(const struct args *a, const char *name)
{
    return args_value(a, name) != NULL;
}

enum fusor_status args_integer(const struct args *a, const char *name,
                               int64_t lo, int64_t hi, int64_t *out,
                               struct fusor_error *err)
{
    const char *text = args_value(a, name);
    int64_t value;

    if (!text)
        return FUSOR_OK;
    if (str_to_i64(text, &value) || value < lo || value > hi)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: --%s is \"%s\", but must be a whole number from "
                          "%lld to %lld",
                          a->table->command, name, text, (long long)lo,
                          (long long)hi);
    *out = value;
    return FUSOR_OK;
}

enum fusor_status args_split(const char *text, const char *option, char **copy,
                             const char **names, size_t max, size_t *n,
                             struct fusor_error *err)
{
    char *at;

    *n = 0;
    *copy = NULL;
    if (!text)
        return FUSOR_OK;
    *copy = at = mem_strdup(text);
    if (!at)
        return mem_fail(err, option, strlen(text));
    for (;;) {
        char *comma = strchr(at, ',');

        if (comma)
            *comma = '\0';
        if (!*at || *n == max)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "--%s \"%s\": write 1 to %zu names with commas "
                              "between",
                              option, text, max);
        names[(*n)++] = at;
        if (!comma)
            return FUSOR_OK;
        at = comma + 1;
    }
}

static void help_row(struct texttab *tab, char letter, const char *name,
                     const char *value, const char *help)
{
    char left[128];
    const char *cells[2] = {left, help};

    if (letter)
        snprintf(left, sizeof(left), "  -%c, --%s%s%s", letter, name,
                 value ? " " : "", value ? value : "");
    else
        snprintf(left, sizeof(left), "      --%s%s%s", name, value ? " " : "",
                 value ? value : "");
    texttab_row(tab, cells);
}

static void help_setting(struct texttab *tab, const struct option_spec *s)
{
    static const char *const values[] = {
        [OPTION_TYPE_INT] = "N",      [OPTION_TYPE_SIZE] = "N",
        [OPTION_TYPE_DOUBLE] = "X",   [OPTION_TYPE_BOOL] = NULL,
        [OPTION_TYPE_TEXT] = "TEXT",  [OPTION_TYPE_ENUM] = "NAME",
        [OPTION_TYPE_NODE] = "VALUE",
    };
    char name[SETTING_MAX], help[400];

    dashed(s->name, name);
    if (s->fallback && s->fallback[0])
        snprintf(help, sizeof(help), "%s (default %s)", s->help, s->fallback);
    else
        snprintf(help, sizeof(help), "%s", s->help);
    help_row(tab, strcmp(s->name, "out") ? 0 : 'o', name, values[s->type],
             help);
}

void args_help(const struct arg_table *table, struct strbuf *out)
{
    static const char *const columns[] = {"Options:", "", NULL};
    struct texttab *tab = texttab_create(columns);

    for (const struct arg_spec *s = table->specs; s && s->name; s++)
        help_row(tab, s->letter, s->name, s->value, s->help);
    for (const struct option_spec *s = table->settings; s && s->name; s++)
        help_setting(tab, s);
    texttab_print(tab, out);
    texttab_destroy(tab);
}
