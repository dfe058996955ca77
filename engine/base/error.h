/* The error codes: one table for the engine and for users of the library. */
#ifndef HF_BASE_ERROR_H
#define HF_BASE_ERROR_H
#include <holdfast/error.h> /* hf_err, HF_MUST_USE */

#endif
