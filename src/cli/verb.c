/* The registry of sub-commands and their help. */
#include "cli/verb.h"

#include <string.h>

#include "base/texttab.h"
#include "fusor/version.h"

static const struct verb *const verbs[] = {
    &verb_prepare, &verb_generate, &verb_train,  &verb_evaluate,
    &verb_compare, &verb_explain,  &verb_scores, &verb_recommend,
    &verb_search,  &verb_forget,   &verb_fuse,   &verb_inspect,
    &verb_doctor,  &verb_bench,    &verb_role,   NULL,
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

const struct verb *const *verb_list(void)
{
    return verbs;
}

const struct verb *verb_find(const char *name, struct fusor_error *err)
{
    const char *names[N_VERBS + 2] = {NULL};
    const char *near;
    size_t n = 0;

    for (size_t i = 0; verbs[i]; i++) {
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
        if (!verbs[i]->hidden)
            names[n++] = verbs[i]->name;
    }
    names[n] = "help";
    near = str_nearest(name, names);
    if (near)
        fusor_fail(err, FUSOR_EUSAGE,
                   "there is no command \"%s\"; did you mean \"%s\"?", name,
                   near);
    else
        fusor_fail(err, FUSOR_EUSAGE,
                   "there is no command \"%s\"; fusor help lists them", name);
    return NULL;
}

/* "pull" of "bench pull". */
static const char *last_word(const char *name)
{
    const char *blank = strrchr(name, ' ');

    return blank ? blank + 1 : name;
}

const struct verb *verb_find_part(const struct verb *c, const char *word,
                                  struct fusor_error *err)
{
    struct strbuf names = {0};

    for (size_t i = 0; c->parts[i]; i++)
        if (strcmp(last_word(c->parts[i]->name), word) == 0)
            return c->parts[i];
    for (size_t i = 0; c->parts[i]; i++)
        strbuf_addf(&names, "%s%s", i ? ", " : "",
                    last_word(c->parts[i]->name));
    fusor_fail(err, FUSOR_EUSAGE, "%s: there is no \"%s\"; there are %s",
               c->name, word, names.s ? names.s : "others");
    strbuf_clear(&names);
    return NULL;
}

/* Two columns: a name, what it is. */
static void list(const struct verb *const *of, const char *heading,
                 struct strbuf *out)
{
    const char *const columns[] = {heading, "", NULL};
    struct texttab *tab = texttab_create(columns);

    for (size_t i = 0; of[i]; i++) {
        const char *cells[2] = {last_word(of[i]->name), of[i]->help};

        if (!of[i]->hidden)
            texttab_row(tab, cells);
    }
    texttab_print(tab, out);
    texttab_destroy(tab);
}

void verb_help_all(struct strbuf *out)
{
    strbuf_add(out, "fusor " FUSOR_VERSION
                    ": trains recommenders made of several towers\n\n"
                    "Usage: fusor COMMAND ...    fusor help COMMAND\n"
                    "       fusor help settings [SECTION]: what a job can "
                    "set\n\n");
    list(verbs, "Commands:", out);
    strbuf_add(out, "\nTo begin:\n"
                    "  fusor generate -o demo\n"
                    "  fusor prepare demo --protocol loo-full -o parts/demo\n"
                    "  fusor train cluster/jobs/demo.yaml --run-dir runs/demo\n"
                    "  fusor recommend runs/demo --user 1\n");
}

void verb_help(const struct verb *c, struct strbuf *out)
{
    strbuf_addf(out, "Usage: fusor %s %s\n\n%s\n", c->name, c->synopsis,
                c->help);
    if (c->about)
        strbuf_addf(out, "\n%s", c->about);
    if (c->describe)
        c->describe(out);
    if (c->parts) {
        strbuf_add(out, "\n");
        list(c->parts, "What:", out);
    }
    if (c->args.specs || c->args.settings) {
        strbuf_add(out, "\n");
        args_help(&c->args, out);
    }
    if (c->examples)
        strbuf_addf(out, "\nExamples:\n%s", c->examples);
}
