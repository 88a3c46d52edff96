/* Optimizers as users write them. */
#include <string.h>

#include "harness.h"
#include "optim/optim.h"

static enum fusor_status parse(const char *text, struct optim_spec *out,
                               struct fusor_error *err)
{
    struct yaml *y = NULL;
    enum fusor_status rc;

    REQUIRE(yaml_parse(text, strlen(text), "job.yaml", &y, err) == FUSOR_OK);
    rc = optim_parse(yaml_root(y), out, err);
    yaml_destroy(y);
    return rc;
}

static struct optim_spec parsed(const char *text)
{
    struct fusor_error err = {0};
    struct optim_spec s = {0};

    if (parse(text, &s, &err) != FUSOR_OK)
        CU_FAIL(err.text);
    return s;
}

static void refuses(const char *text, const char *word)
{
    struct fusor_error err = {0};
    struct optim_spec s;

    memset(&s, 0x5a, sizeof(s));
    CHECK(parse(text, &s, &err) == FUSOR_EUSAGE);
    CHECK(!strncmp(err.text, "job.yaml:", 9));
    if (!strstr(err.text, word))
        CU_FAIL(err.text);
    CHECK(s.kind == 0x5a5a5a5a); // untouched
}

static void every_rule_has_defaults_that_work(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++) {
        const char *name = optim_name((enum optim_kind)kind);
        struct optim_spec written, given;
        struct optim o;

        written = parsed(name);
        optim_spec_default((enum optim_kind)kind, &given);
        CHECK(written.kind == kind && given.kind == kind);
        CHECK(written.lr == given.lr);
        CHECK(written.decay == 1 && written.every == 1);
        CHECK(optim_init(&o, &written, NULL) == FUSOR_OK);
    }
}

static void a_number_is_the_rate(void)
{
    struct optim_spec s = parsed("{adam: 2.0e-3}");

    CHECK(s.kind == OPTIM_ADAM && s.lr == 0.002 && s.beta1 == 0.9);
    s = parsed("{rowwise_adagrad: 0.02}");
    CHECK(s.kind == OPTIM_ROWWISE_ADAGRAD && s.lr == 0.02);
    s = parsed("{ftrl: 0.3}");
    CHECK(s.kind == OPTIM_FTRL && s.lr == 0.3 && s.beta == 1);
    s = parsed("{ema: 0.05}");
    CHECK(s.kind == OPTIM_EMA && s.momentum == 0.05);
}

static void a_map_sets_what_it_names(void)
{
    struct optim_spec s = parsed("{adam: {lr: 1e-3, beta1: .8}}");

    CHECK(s.lr == 0.001 && s.beta1 == 0.8 && s.beta2 == 0.999);
    s = parsed("{ftrl: {alpha: 0.05, l1: 1.0, l2: 2}}");
    CHECK(s.lr == 0.05 && s.l1 == 1 && s.ftrl_l2 == 2 && s.l2 == 0);
    s = parsed("{momentum: {lr: 1, momentum: .5, nesterov: true}}");
    CHECK(s.momentum == 0.5 && s.nesterov == 1);
    s = parsed("{sgd: {lr: 0.1, clip_row: 3, l1: 0.5}}");
    CHECK(s.clip_row == 3 && s.l1 == 0.5);
    s = parsed("{adagrad: {initial: 0.1}}");
    CHECK(s.initial == 0.1);
}

static void l2_has_a_scope(void)
{
    struct optim_spec s = parsed("{adam: {l2: 1e-5}}");

    CHECK(s.l2 == 1e-5 && s.l2_scope == OPTIM_L2_ROW);
    s = parsed("{adam: {l2: {value: 1e-5, scope: table}}}");
    CHECK(s.l2 == 1e-5 && s.l2_scope == OPTIM_L2_TABLE);
    s = parsed("{adam: {l2: 0}}");
    CHECK(s.l2 == 0 && s.l2_scope == OPTIM_L2_NONE);
    refuses("{adam: {l2: {value: 1, scope: tabel}}}", "table");
    refuses("{adam: {l2: {scope: table}}}", "value");
    refuses("{adam: {l2: -1}}", "value");
}

static void schedules_are_read(void)
{
    struct optim_spec s = parsed("{sgd: {lr: 0.1, decay: 0.96}}");

    CHECK(s.schedule == OPTIM_STEP && s.decay == 0.96 && s.every == 1);
    s = parsed("{adam: {schedule: {warmup: 100, kind: cosine}}}");
    CHECK(s.schedule == OPTIM_COSINE && s.warmup == 100 && s.total == 0);
    s = parsed("{adam: {schedule: linear}}");
    CHECK(s.schedule == OPTIM_LINEAR);
    s = parsed("{sgd: {schedule: {kind: exponential, decay: 0.9}}}");
    CHECK(s.schedule == OPTIM_EXPONENTIAL && s.decay == 0.9);
    s = parsed("{sgd: {schedule: {decay: 0.9, every: 5}}}");
    CHECK(s.schedule == OPTIM_STEP && s.every == 5);
    refuses("{sgd: {decay: 0.9, schedule: {decay: 0.9}}}", "twice");
    refuses("{sgd: {decay: 0.9, schedule: cosine}}", "no decay");
    refuses("{sgd: {schedule: step}}", "needs a decay");
    refuses("{sgd: {schedule: cosin}}", "cosine");
    refuses("{sgd: {schedule: {warmp: 3}}}", "warmup");
}

static void mistakes_are_named(void)
{
    refuses("adm", "adam");
    refuses("quasi-newton-method", "there is: sgd");
    refuses("{addam: 1e-3}", "adam");
    refuses("{adam: 1e-3, sgd: 1}", "written as");
    refuses("[adam]", "written as");
    refuses("{adam: fast}", "fast");
    refuses("{adam: -1}", "lr");
    refuses("{adam: {beta1: 1.5}}", "beta1");
    refuses("{adam: {bta1: 0.5}}", "beta1");
    refuses("{adam: {l1: 0.5}}", "l1");
    refuses("{ftrl: {decay: 0.5}}", "decay");
    refuses("{adam: [1]}", "adam");
}

static void help_lists_every_setting(void)
{
    struct strbuf b = {0};

    optim_help(&b);
    REQUIRE(b.s != NULL);
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++)
        CHECK(strstr(b.s, optim_name((enum optim_kind)kind)) != NULL);
    CHECK(strstr(b.s, "nesterov") && strstr(b.s, "clip_row"));
    CHECK(strstr(b.s, "warmup") && strstr(b.s, "scope"));
    strbuf_clear(&b);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every rule has defaults that work",
         every_rule_has_defaults_that_work},
        {"a number is the rate", a_number_is_the_rate},
        {"a map sets what it names", a_map_sets_what_it_names},
        {"l2 has a scope", l2_has_a_scope},
        {"schedules are read", schedules_are_read},
        {"mistakes are named, at their place", mistakes_are_named},
        {"help lists every setting", help_lists_every_setting},
    };

    return TEST_RUN("optim.optim_parse", cases);
}
