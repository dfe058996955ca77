/* The one function of a fuzz target, as libFuzzer and replay.c call it.
 *
 * The input lies in a block of exactly its size, so that a sanitizer sees a read past its end. It
 * must return 0, and leave nothing behind: a run takes many thousand inputs.
 */
#ifndef HF_TESTS_FUZZ_FUZZ_H
#define HF_TESTS_FUZZ_FUZZ_H
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
