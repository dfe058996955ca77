#include "engine/node/exit.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

hf_exit hf_problem_set(hf_problem *problem, hf_exit code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, args);
    va_end(args);
    problem->code = code;
    return code;
}

hf_exit hf_problem_errno(hf_problem *problem, hf_exit code, int number, const char *format, ...)
{
    char text[96];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(problem->text, sizeof problem->text, format, args);
    va_end(args);
    if (size >= 0 && (size_t)size < sizeof problem->text) {
        (void)snprintf(problem->text + size, sizeof problem->text - (size_t)size, ": %s",
                       strerror_r(number, text, sizeof text));
    }
    if (number == EACCES || number == EPERM) {
        code = HF_EXIT_PERMISSION;
    } else if (number == EROFS) {
        code = HF_EXIT_CREATE;
    }
    problem->code = code;
    return code;
}

hf_exit hf_exit_of(hf_err err)
{
    switch ((int)err) {
    case HF_OK:
        return HF_EXIT_OK;
    case HF_E_CORRUPT:
    case HF_E_WRONGFILE:
        return HF_EXIT_CORRUPT;
    case HF_E_IO:
    case HF_E_NOSPACE:
        return HF_EXIT_IO;
    case HF_E_NOMEM:
    case HF_E_NOTSUPPORTED:
        return HF_EXIT_SYSTEM;
    case HF_E_LOCKED:
        return HF_EXIT_LOCKED;
    case HF_E_VERSION:
        return HF_EXIT_VERSION;
    case HF_E_BUSY:
        return HF_EXIT_PORT;
    case HF_E_READONLY:
        return HF_EXIT_CREATE;
    case HF_E_INVALID:
        return HF_EXIT_CONFIG;
    default:
        return HF_EXIT_INTERNAL;
    }
}
