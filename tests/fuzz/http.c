/* Requests at the port for operators: any bytes are a request, the beginning of one, or refused
 * with a status; never more than was sent, and the same however much stands behind. */
#include "engine/shard/session/http.h"
#include "engine/base/assert.h"
#include "tests/fuzz/fuzz.h"

static void check_request(const uint8_t *data, size_t size, const hf_http_request *request)
{
    HF_ASSERT(request->used > 0 && request->used <= size);
    HF_ASSERT(request->status == 0 || request->status == 405);
    HF_ASSERT(request->path.size > 0 && request->path.data[0] == '/');
    HF_ASSERT(request->path.data >= data &&
              request->path.data + request->path.size <= data + request->used);
    hf_http_request again;
    HF_ASSERT(hf_http_parse(hf_bytes_of(data, request->used), &again) == HF_HTTP_REQUEST);
    HF_ASSERT(again.used == request->used && again.status == request->status);
    HF_ASSERT(again.head == request->head && again.close == request->close);
    const size_t cuts[] = { request->used - 1, request->used / 2, request->used / 4 };
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        HF_ASSERT(hf_http_parse(hf_bytes_of(data, cuts[i]), &again) == HF_HTTP_MORE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) { /* pipelined */
        hf_http_request request;
        hf_http_state state = hf_http_parse(hf_bytes_of(data + at, size - at), &request);
        if (state == HF_HTTP_REQUEST) {
            check_request(data + at, size - at, &request);
            at += request.used;
            continue;
        }
        HF_ASSERT(state == HF_HTTP_BAD || state == HF_HTTP_MORE);
        HF_ASSERT(state != HF_HTTP_BAD || hf_http_reason(request.status)[0] != 0);
        break;
    }
    return 0;
}
