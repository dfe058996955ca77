/* Inside hf_config: the kinds of options, and how a text becomes a value. For engine/node and its
 * tests only. */
#ifndef HF_NODE_CONFIG_IMPL_H
#define HF_NODE_CONFIG_IMPL_H
#include "engine/node/config.h"

typedef enum hf_config_kind {
    HF_KIND_PATH,    /* char[HF_CONFIG_PATH] */
    HF_KIND_ADDRESS, /* hf_address */
    HF_KIND_NUMBER,  /* uint64_t, as are the next three */
    HF_KIND_SIZE,
    HF_KIND_DURATION, /* nanoseconds */
    HF_KIND_CHOICE,   /* the place in argument, split at '|' */
    HF_KIND_SWITCH,   /* bool: --name, --no-name; name = true|false */
    HF_KIND_FILE,     /* as PATH; not in the file itself */
    HF_KIND_ACTION,   /* sets hf_config.action to least; not in the file */
} hf_config_kind;

/* Room for a message about one value. */
enum { HF_CONFIG_WHY = 320 };

/* By its name, '_' being '-'; NULL: none. In a file (`in_file`) some are not known. */
const hf_config_option *hf_option__find(const char *name, size_t size, bool in_file);
/* The name that this one may have been meant to be; NULL: none is near. */
const char *hf_option__near(const char *name, size_t size, bool in_file);
/* Sets one option from its text. False: `why` says what is wrong with it and what would be right.
 * What a flag set is not overridden by a file. */
bool hf_option__set(hf_config *config, const hf_config_option *option, const char *text,
                    hf_config_source source, char why[HF_CONFIG_WHY]);
size_t hf_option__index(const hf_config_option *option);

#endif
