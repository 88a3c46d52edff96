/* What is known of the CPU. */
#include <string.h>

#include "base/cpu.h"

#include "harness.h"

static void level_can_be_lowered(void)
{
    enum cpu_level can = cpu_level();

    cpu_limit_level(CPU_PLAIN);
    CHECK(cpu_level() == CPU_PLAIN);
    cpu_limit_level(CPU_AVX2);
    CHECK(cpu_level() == (can < CPU_AVX2 ? can : CPU_AVX2));
    cpu_limit_level(CPU_AVX512);
    CHECK(cpu_level() == can);
}

static void levels_have_names(void)
{
    CHECK(strcmp(cpu_level_name(CPU_PLAIN), "plain") == 0);
    CHECK(strcmp(cpu_level_name(CPU_AVX2), "avx2") == 0);
    CHECK(strcmp(cpu_level_name(CPU_AVX512), "avx512") == 0);
    CHECK(strcmp(cpu_level_name((enum cpu_level)9), "unknown") == 0);
}

static void there_is_a_processor(void)
{
    CHECK(cpu_count() >= 1);
}

static void model_fits_the_room(void)
{
    char whole[128], part[8];

    cpu_model(whole, sizeof(whole));
    CHECK(strlen(whole) > 0 && strchr(whole, '\n') == NULL);
    cpu_model(part, sizeof(part));
    CHECK(strlen(part) < sizeof(part) && !strncmp(part, whole, strlen(part)));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the level can be lowered and restored", level_can_be_lowered},
        {"levels have names", levels_have_names},
        {"there is at least one processor", there_is_a_processor},
        {"the model's name fits the room", model_fits_the_room},
    };

    return TEST_RUN("base.cpu", cases);
}
