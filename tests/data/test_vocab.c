#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/schema.h"

static struct fusor_error err;

static const char *path_of(const char *name)
{
    static char path[FS_PATH_MAX];

    return fs_join(path, test_tmpdir(), name);
}

static void ids_follow_first_appearance(void)
{
    struct vocab *v = vocab_create(&err);
    size_t n;

    REQUIRE(v != NULL);
    CHECK(vocab_add(v, "b", 1) == 1);
    CHECK(vocab_add(v, "a", 1) == 2);
    CHECK(vocab_add(v, "b", 1) == 1);
    CHECK(vocab_add(v, "", 0) == VOCAB_UNKNOWN);
    CHECK(vocab_add(v, "ab", 1) == 2);
    CHECK(vocab_size(v) == 3);
    CHECK(vocab_find(v, "c", 1) == VOCAB_UNKNOWN);
    CHECK(!strcmp(vocab_text(v, 1, &n), "b") && n == 1);
    CHECK(!strcmp(vocab_text(v, 0, NULL), ""));
    CHECK(vocab_text(v, 3, &n) == NULL);
    vocab_destroy(v);
    vocab_destroy(NULL);
}

static void many_texts_stay_apart(void)
{
    struct vocab *v = vocab_create(&err), *again;
    char text[16];
    int wrong = 0;

    REQUIRE(v != NULL);
    for (uint32_t i = 1; i <= 20000; i++) {
        int n = snprintf(text, sizeof(text), "%u", i);

        wrong += vocab_add(v, text, (size_t)n) != i;
    }
    REQUIRE(vocab_write(v, path_of("many.vocab"), &err) == FUSOR_OK);
    REQUIRE(vocab_read(path_of("many.vocab"), &again, &err) == FUSOR_OK);
    CHECK(vocab_size(again) == 20001);
    for (uint32_t i = 1; i <= 20000; i++) {
        int n = snprintf(text, sizeof(text), "%u", i);

        wrong += vocab_find(again, text, (size_t)n) != i;
        wrong += strcmp(vocab_text(again, i, NULL), text) != 0;
    }
    CHECK(wrong == 0);
    vocab_destroy(v);
    vocab_destroy(again);
}

static void names_may_repeat(void)
{
    struct vocab *v = vocab_create(&err), *again;

    REQUIRE(v != NULL);
    CHECK(vocab_append(v, "Hamlet", 6) == 1);
    CHECK(vocab_append(v, "", 0) == 2);
    CHECK(vocab_append(v, "Hamlet", 6) == 3);
    REQUIRE(vocab_write(v, path_of("item.names"), &err) == FUSOR_OK);
    REQUIRE(vocab_read(path_of("item.names"), &again, &err) == FUSOR_OK);
    CHECK(vocab_size(again) == 4);
    CHECK(vocab_find(again, "Hamlet", 6) == 1);
    CHECK(!strcmp(vocab_text(again, 3, NULL), "Hamlet"));
    CHECK(!strcmp(vocab_text(again, 2, NULL), ""));
    vocab_destroy(v);
    vocab_destroy(again);
}

static void damage_is_found(void)
{
    struct vocab *v = vocab_create(&err), *again;
    char *bytes;
    size_t n;

    REQUIRE(v != NULL);
    vocab_add(v, "one", 3);
    vocab_add(v, "two", 3);
    REQUIRE(vocab_write(v, path_of("d.vocab"), &err) == FUSOR_OK);
    vocab_destroy(v);
    REQUIRE(fs_read(path_of("d.vocab"), 1 << 20, &bytes, &n, &err) == FUSOR_OK);
    for (size_t i = 0; i < 2 * n; i++) {
        size_t size = i < n ? n : i - n;

        bytes[i % n] ^= i < n ? 1 : 0;
        REQUIRE(fs_write_atomic(path_of("d.vocab"), bytes, size, &err) ==
                FUSOR_OK);
        CHECK(vocab_read(path_of("d.vocab"), &again, &err) == FUSOR_EDATA);
        CHECK(strstr(err.text, "d.vocab") != NULL);
        bytes[i % n] ^= i < n ? 1 : 0;
    }
    mem_free(bytes);
}

static void no_memory_is_an_error(void)
{
    size_t before = mem_used();

    for (long n = 1; n < 12; n++) {
        struct vocab *v;
        uint32_t id = 0;

        mem_fail_after(n);
        v = vocab_create(&err);
        for (uint32_t i = 0; v && i < 500 && id != UINT32_MAX; i++)
            id = vocab_add(v, (const char *)&i, sizeof(i));
        mem_fail_after(0);
        vocab_destroy(v);
        CHECK(mem_used() == before);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"ids follow the first appearance", ids_follow_first_appearance},
        {"many texts stay apart, in memory and on disk", many_texts_stay_apart},
        {"names may repeat", names_may_repeat},
        {"any flipped byte and any truncation is found", damage_is_found},
        {"no memory is an error and no leak", no_memory_is_an_error},
    };
    return TEST_RUN("data.vocab", cases);
}
