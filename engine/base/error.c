#include "engine/base/error.h"

const char *hf_err_text(hf_err err)
{
    switch (err) {
    case HF_OK:
        return "ok";
#define X(name, number, text)                                                                      \
    case HF_E_##name:                                                                              \
        return text;
        HF_ERRORS(X)
#undef X
    }
    return "unknown error";
}

const char *hf_err_name(hf_err err)
{
    switch (err) {
    case HF_OK:
        return "OK";
#define X(name, number, text)                                                                      \
    case HF_E_##name:                                                                              \
        return #name;
        HF_ERRORS(X)
#undef X
    }
    return "UNKNOWN";
}
