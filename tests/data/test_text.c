#include "harness.h"

#include <string.h>

#include "data/text.h"

static void utf8_is_told_from_other_bytes(void)
{
    CHECK(text_is_utf8("", 0));
    CHECK(text_is_utf8("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\xac", 14));
    CHECK(!text_is_utf8("caf\xe9", 4));      // Latin-1
    CHECK(!text_is_utf8("\xc3", 1));         // cut
    CHECK(!text_is_utf8("\xc0\x80", 2));     // overlong
    CHECK(!text_is_utf8("\xe0\x80\x80", 3)); // overlong
    CHECK(!text_is_utf8("\xed\xa0\x80", 3)); // surrogate
    CHECK(!text_is_utf8("\xf4\x90\x80\x80", 4));
    CHECK(!text_is_utf8("\x80", 1));
}

static void latin1_becomes_utf8(void)
{
    struct strbuf b = {0};

    text_add_latin1(&b, "Mis\xe9rables\xff", 11);
    CHECK(!strcmp(b.s, "Mis\xc3\xa9rables\xc3\xbf"));
    strbuf_clear(&b);
}

static void words_are_lower_case(void)
{
    static const char text[] = "Children's \xc3\x89t\xc3\xa9, (The) 2001!";
    static const char *const want[] = {"children's", "\xc3\xa9t\xc3\xa9", "the",
                                       "2001"};
    char word[64];
    size_t at = 0, n;

    for (int i = 0; i < 4; i++) {
        n = text_next_word(text, strlen(text), &at, word);
        CHECK(n == strlen(want[i]) && !memcmp(word, want[i], n));
    }
    CHECK(text_next_word(text, strlen(text), &at, word) == 0);
}

static void long_words_are_cut_between_characters(void)
{
    char text[130], word[64];
    size_t at = 0;

    for (size_t i = 0; i < 129; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[0] = 'a'; // an odd byte in front moves the cut into a character
    memmove(text + 1, text + 2, 128);
    CHECK(text_next_word(text, 129, &at, word) == 63);
    CHECK(at == 129);
    CHECK(text_is_utf8(word, 63));
}

static void times_have_several_forms(void)
{
    int64_t t = 0;

    CHECK(!text_to_time("881250949", 9, &t) && t == 881250949);
    CHECK(!text_to_time("881250949.75", 12, &t) && t == 881250949);
    CHECK(!text_to_time("1970-01-01", 10, &t) && t == 0);
    CHECK(!text_to_time("2000-02-29T12:30:01Z", 20, &t) && t == 951827401);
    CHECK(!text_to_time("1969-12-31 23:59", 16, &t) && t == -60);
    CHECK(text_to_time("2000-13-01", 10, &t));
    CHECK(text_to_time("2000-01-01 25:00", 16, &t));
    CHECK(text_to_time("yesterday", 9, &t));
    CHECK(text_to_time("", 0, &t));
    CHECK(text_to_time("1e300", 5, &t));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"UTF-8 is told from other bytes", utf8_is_told_from_other_bytes},
        {"Latin-1 becomes UTF-8", latin1_becomes_utf8},
        {"words are lower case", words_are_lower_case},
        {"long words are cut between characters",
         long_words_are_cut_between_characters},
        {"times have several forms", times_have_several_forms},
    };
    return TEST_RUN("data.text", cases);
}
