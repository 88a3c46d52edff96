/* Settings of a job's fields that could be taken for something they do not do:
 * refused with what does it. Those that are fusor prepare's stand in its schema
 * too, so that a job may carry them; where the folder tells, they must agree.
 */
#include <string.h>

#include "data/dataset_private.h"

static const struct {
    const char *key, *instead;
} elsewhere[] = {
    {"admit",
     "which keys get a row is said of a table: tables: {NAME: {dim: 16, admit: "
     "{count: 8}}}"},
    {"oov",
     "values that stand in no vocabulary are one unknown value: leave it away"},
    {"like",
     "fields share words when the schema of fusor prepare gives them one "
     "vocab: prepare again so, and leave it away here"},
    {"optional",
     "a value may be missing in any row: leave it away, or leave the field "
     "away where the folder has none"},
    {"from",
     "no field is made of another here: what fusor prepare wrote has its own "
     "name"},
};

/* @param found what the folder's texts were made by */
static enum fusor_status check_language(struct yaml_node *node, const char *key,
                                        const char *name, int found,
                                        struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(node, key);
    const char *text;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_text(at, &text, err));
    if (strcmp(text, analysis_languages[found]) == 0)
        return FUSOR_OK;
    return yaml_fail(at, err,
                     "field %s was prepared with %s: %s, not %s: say it in the "
                     "schema of fusor prepare",
                     name, key, analysis_languages[found], text);
}

static enum fusor_status check_ngram(struct yaml_node *node, const char *name,
                                     uint32_t found, struct fusor_error *err)
{
    struct yaml_node *at = yaml_get(node, "ngram");
    int64_t n;

    if (!at)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_i64(at, &n, err));
    if (n == found)
        return FUSOR_OK;
    return yaml_fail(at, err,
                     "field %s was prepared with ngram: %u, not %lld: say it "
                     "in the schema of fusor prepare",
                     name, found, (long long)n);
}

enum fusor_status dataset_check_settings(struct yaml_node *node,
                                         struct fusor_error *err)
{
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
        struct yaml_node *at = yaml_get(node, elsewhere[i].key);

        if (at)
            return yaml_fail(at, err, "fields: %s is no setting of a field: %s",
                             elsewhere[i].key, elsewhere[i].instead);
    }
    return FUSOR_OK;
}

enum fusor_status dataset_check_analysis(struct yaml_node *node,
                                         const struct schema_field *f,
                                         struct fusor_error *err)
{
    if (f->spec.type != FIELD_TEXT)
        return FUSOR_OK;
    FUSOR_TRY(
        check_language(node, "stem", f->spec.name, f->analysis.stem, err));
    FUSOR_TRY(
        check_language(node, "stop", f->spec.name, f->analysis.stop, err));
    return check_ngram(node, f->spec.name, f->analysis.ngram, err);
}
