/* A suite without cases has shown nothing: the exit status must say so. */
#include "harness.h"

int main(void)
{
    return test_run("meta.no_case", NULL, 0);
}
