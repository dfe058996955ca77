/* The configuration file: any bytes give a configuration or a message, never half of either; what
 * was taken is printed, and read back the same. And the identity file of a data directory. */
#include "engine/node/config.h"
#include "engine/base/assert.h"
#include "engine/node/datadir.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_printed(const hf_config *config)
{
    static char text[HF_CONFIG_TEXT];
    static char again[HF_CONFIG_TEXT];
    hf_problem problem;
    hf_config copy;
    hf_config bare = *config;
    memset(bare.source, 0, sizeof bare.source);
    hf_config_defaults(&copy);
    /* What only the machine decides is printed as zero, which a file may not say. */
    hf_config_resolve(&bare, 1, (uint64_t)1 << 40);
    size_t size = hf_config_print(&bare, text, sizeof text);
    HF_ASSERT(hf_config_parse(&copy, "printed", text, size, &problem) == HF_EXIT_OK);
    memset(copy.source, 0, sizeof copy.source);
    HF_ASSERT(hf_config_print(&copy, again, sizeof again) == size);
    HF_ASSERT(memcmp(text, again, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hf_config config;
    hf_problem problem = { .code = HF_EXIT_OK };
    hf_identity identity;
    hf_config_defaults(&config);
    hf_exit code = hf_config_parse(&config, "input", (const char *)data, size, &problem);
    if (code == HF_EXIT_OK) {
        check_printed(&config);
    } else {
        HF_ASSERT(code == HF_EXIT_CONFIG && problem.code == code);
        HF_ASSERT(strncmp(problem.text, "input:", 6) == 0 && problem.text[6] >= '1' &&
                  problem.text[6] <= '9');
    }
    if (hf_identity_parse(&identity, (const char *)data, size) == HF_OK) {
        char text[HF_DATADIR_IDENTITY];
        HF_ASSERT(identity.shards >= 1 && identity.shards <= HF_DATADIR_SHARDS_MAX);
        HF_ASSERT(hf_identity_format(&identity, text) > 0);
    }
    return 0;
}
