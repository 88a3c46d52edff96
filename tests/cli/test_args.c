#include "cli/args.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"

static const struct arg_spec specs[] = {
    {"top", 'k', "N", "how many"},
    {"set", 0, "A=V", "repeated"},
    {"json", 0, NULL, "a flag"},
    ARG_END,
};

struct settings {
    const char *out;
    uint64_t max_bad;
    int dedupe;
};

static const struct option_spec settings[] = {
    OPTION_TEXT(struct settings, out, NULL, "folder"),
    OPTION_SIZE(struct settings, max_bad, "100", 0, 1e9, "bad rows"),
    OPTION_BOOL(struct settings, dedupe, "false", "keep the last"),
    OPTION_END,
};

static const struct arg_table table = {"try", specs, settings, "RUN", 1, 2};

#define MAX_WORDS 16

static enum fusor_status parse(const char *const *words, struct args *a,
                               struct fusor_error *err)
{
    static char copy[MAX_WORDS][128];
    static char *argv[MAX_WORDS + 1];
    int argc = 0;

    for (; words[argc]; argc++) {
        snprintf(copy[argc], sizeof(copy[0]), "%s", words[argc]);
        argv[argc] = copy[argc];
    }
    argv[argc] = NULL;
    return args_parse(&table, argc, argv, 0, a, err);
}

#define PARSE(a, err, ...) \
    parse((const char *const[]){__VA_ARGS__, NULL}, a, err)

static void words_and_options(void)
{
    struct args a;
    int64_t top = 10;

    REQUIRE(PARSE(&a, NULL, "x", "--top", "3", "--json", "--set", "p=1",
                  "--set=q=2", "y") == FUSOR_OK);
    CHECK(a.n_rest == 2);
    CHECK(!strcmp(a.rest[0], "x") && !strcmp(a.rest[1], "y"));
    CHECK(args_flag(&a, "json"));
    CHECK(!strcmp(args_nth(&a, "set", 0), "p=1"));
    CHECK(!strcmp(args_nth(&a, "set", 1), "q=2"));
    CHECK(args_nth(&a, "set", 2) == NULL);
    CHECK(!strcmp(args_value(&a, "set"), "q=2"));
    CHECK(args_integer(&a, "top", 1, 9, &top, NULL) == FUSOR_OK);
    CHECK(top == 3);
    args_clear(&a);
}

static void letters_dashes_and_minus(void)
{
    struct args a;

    REQUIRE(PARSE(&a, NULL, "-k", "-3", "-", "--", "--json") == FUSOR_OK);
    CHECK(!strcmp(args_value(&a, "top"), "-3"));
    CHECK(a.n_rest == 2);
    CHECK(!strcmp(a.rest[0], "-") && !strcmp(a.rest[1], "--json"));
    CHECK(!args_flag(&a, "json"));
    args_clear(&a);
}

static void settings_of_a_table(void)
{
    struct settings s;
    struct args a;

    REQUIRE(PARSE(&a, NULL, "x", "--max-bad", "2k", "-o", "007: [",
                  "--dedupe") == FUSOR_OK);
    REQUIRE(option_read(settings, yaml_root(a.settings), "try", &s, NULL) ==
            FUSOR_OK);
    CHECK(s.max_bad == 2000);
    CHECK(!strcmp(s.out, "007: [")); // a text stays a text
    CHECK(s.dedupe == 1);
    args_clear(&a);
    REQUIRE(PARSE(&a, NULL, "x", "-o", "d", "--dedupe=false") == FUSOR_OK);
    REQUIRE(option_read(settings, yaml_root(a.settings), "try", &s, NULL) ==
            FUSOR_OK);
    CHECK(s.dedupe == 0 && s.max_bad == 100);
    args_clear(&a);
}

static void errors_of_a_setting_name_the_option(void)
{
    struct fusor_error err = {0};
    struct settings s;
    struct args a;

    REQUIRE(PARSE(&a, NULL, "x", "-o", "d", "--max-bad", "many") == FUSOR_OK);
    CHECK(option_read(settings, yaml_root(a.settings), "try", &s, &err) ==
          FUSOR_EUSAGE);
    CHECK(strstr(err.text, "--max-bad") != NULL);
    CHECK(strstr(err.text, "many") != NULL);
    args_clear(&a);
}

static void unknown_gives_the_nearest(void)
{
    struct fusor_error err = {0};
    struct args a;

    CHECK(PARSE(&a, &err, "x", "--jsn") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "did you mean --json?") != NULL);
    CHECK(PARSE(&a, &err, "x", "--max-bat=3") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "did you mean --max-bad?") != NULL);
    CHECK(PARSE(&a, &err, "x", "-z") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "try has no option -z") != NULL);
    CHECK(PARSE(&a, &err, "x", "-kx") == FUSOR_EUSAGE);
}

static void missing_and_superfluous(void)
{
    struct fusor_error err = {0};
    struct args a;

    CHECK(PARSE(&a, &err, "x", "--top") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "--top needs a value") != NULL);
    CHECK(PARSE(&a, &err, "x", "--json=yes") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "takes no value") != NULL);
    CHECK(PARSE(&a, &err, "--json") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "RUN is missing") != NULL);
    CHECK(PARSE(&a, &err, "x", "y", "z") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "\"z\" is one word too many") != NULL);
}

static void integers_are_checked(void)
{
    static const char *const bad[] = {"0", "10", "3x", "", "1e1"};
    struct fusor_error err = {0};
    int64_t top = 7;
    struct args a;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        REQUIRE(PARSE(&a, NULL, "x", "--top", bad[i]) == FUSOR_OK);
        CHECK(args_integer(&a, "top", 1, 9, &top, &err) == FUSOR_EUSAGE);
        CHECK(strstr(err.text, "--top") != NULL);
        CHECK(top == 7);
        args_clear(&a);
    }
    REQUIRE(PARSE(&a, NULL, "x") == FUSOR_OK);
    CHECK(args_integer(&a, "top", 1, 9, &top, &err) == FUSOR_OK);
    CHECK(top == 7);
    args_clear(&a);
}

static void lists_are_cut(void)
{
    const char *names[3];
    char *copy;
    size_t n;

    REQUIRE(args_split("a,b", "m", &copy, names, 3, &n, NULL) == FUSOR_OK);
    CHECK(n == 2 && !strcmp(names[0], "a") && !strcmp(names[1], "b"));
    mem_free(copy);
    REQUIRE(args_split(NULL, "m", &copy, names, 3, &n, NULL) == FUSOR_OK);
    CHECK(n == 0 && copy == NULL);
    CHECK(args_split("a,,b", "m", &copy, names, 3, &n, NULL) == FUSOR_EUSAGE);
    mem_free(copy);
    CHECK(args_split("a,b,c,d", "m", &copy, names, 3, &n, NULL) ==
          FUSOR_EUSAGE);
    mem_free(copy);
}

static void help_lists_all(void)
{
    struct strbuf text = {0};

    args_help(&table, &text);
    REQUIRE(text.s != NULL);
    CHECK(strstr(text.s, "-k, --top N") != NULL);
    CHECK(strstr(text.s, "--max-bad N") != NULL);
    CHECK(strstr(text.s, "-o, --out TEXT") != NULL);
    CHECK(strstr(text.s, "(default 100)") != NULL);
    strbuf_clear(&text);
}

static void memory_out(void)
{
    size_t before = mem_used();
    enum fusor_status rc;
    struct args a;
    long i = 0;

    do {
        mem_fail_after(++i);
        rc = PARSE(&a, NULL, "x", "--max-bad", "3");
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            args_clear(&a);
        else
            CHECK(rc == FUSOR_ENOMEM);
        CHECK(mem_used() == before);
    } while (rc != FUSOR_OK && i < 1000);
    CHECK(i > 3 && i < 1000);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"words and options come in any order", words_and_options},
        {"a letter, a minus alone, and nothing after --",
         letters_dashes_and_minus},
        {"settings of an option table are options", settings_of_a_table},
        {"an error of a setting names its option",
         errors_of_a_setting_name_the_option},
        {"an unknown option gets the nearest name", unknown_gives_the_nearest},
        {"what is missing or too much is named", missing_and_superfluous},
        {"whole numbers are checked", integers_are_checked},
        {"lists are cut at commas", lists_are_cut},
        {"help lists options and settings", help_lists_all},
        {"exhausted memory leaves nothing behind", memory_out},
    };
    return TEST_RUN("cli.args", cases);
}
