#include "storage/log/detail.h"

#include <errno.h>

static const char *errno_words(int64_t result)
{
    switch (-result) {
    case ENOSPC:
    case EDQUOT:
        return " (the disk is full)";
    case EIO:
        return " (input/output error)";
    case EROFS:
        return " (the file system is read-only)";
    case ENOENT:
        return " (no such file)";
    case EACCES:
    case EPERM:
        return " (not allowed)";
    case EMFILE:
    case ENFILE:
        return " (too many open files)";
    default:
        return "";
    }
}

void hf_log_io_put(hf_log_detail *detail, const char *verb, const char *path, uint64_t offset,
                   int64_t result)
{
    hf_log_detail_reset(detail);
    hf_log_detail_put(detail, path);
    hf_log_detail_put(detail, ", offset ");
    hf_log_detail_number(detail, offset);
    hf_log_detail_put(detail, ": ");
    hf_log_detail_put(detail, verb);
    if (result < 0) {
        hf_log_detail_put(detail, " failed with errno ");
        hf_log_detail_number(detail, (uint64_t)-result);
        hf_log_detail_put(detail, errno_words(result));
    } else {
        hf_log_detail_put(detail, " did only ");
        hf_log_detail_number(detail, (uint64_t)result);
        hf_log_detail_put(detail, " bytes");
    }
}
