/* hf_link, inside: for the module and its tests only. Bytes: README.md. */
#ifndef HF_LINK_LINK_IMPL_H
#define HF_LINK_LINK_IMPL_H
#include "engine/base/crc32c.h"
#include "engine/base/sm.h"
#include "net/link/link.h"

enum {
    HF_LINK__BLOCK_HEAD = 16, /* of greeting, agreement, refusal */
    HF_LINK__GREETING = 112,
    HF_LINK__GREETING_MAX = 512, /* what newer ones add is passed over */
    HF_LINK__AGREEMENT = 32,
    HF_LINK__REFUSAL_HEAD = 20,
    HF_LINK__CLOSE_MAX = 4 + HF_LINK_WORDS_MAX,
};

typedef enum hf_link__state {
    LINK_GREETING,
    LINK_JUDGING,
    LINK_AGREEING,
    LINK_OPEN,
    LINK_ENDED,
    LINK_STATES,
} hf_link__state;

typedef enum hf_link__kind {
    HF_LINK__DATA = 1,
    HF_LINK__CREDIT,
    HF_LINK__PING,
    HF_LINK__PONG,
    HF_LINK__CLOSE,
} hf_link__kind;

enum { HF_LINK__FIRST = 1 }; /* flag of a DATA frame: a message begins */

typedef struct hf_link__frame {
    uint32_t crc, size;
    uint8_t kind, stream, flags, zero;
    uint32_t argument; /* first of a message: all of its bytes; credit: bytes */
} hf_link__frame;
_Static_assert(sizeof(hf_link__frame) == HF_LINK_FRAME_HEAD, "as it is sent");

typedef struct hf_link__item {
    const hf_bytes *parts;
    uint64_t tag;
    uint32_t count, size;
} hf_link__item;

/* One direction of a stream each. */
typedef struct hf_link__out {
    hf_link__item *items; /* of `queue`, in a ring; positions run freely */
    uint32_t head;        /* the oldest not taken back, */
    uint32_t next;        /* ... not written whole, */
    uint32_t tail;
    uint32_t credit;       /* bytes of messages that may be begun */
    uint32_t sent;         /* of the next one, */
    uint32_t part, offset; /* ... that far */
    uint64_t pass;         /* its share, used up */
} hf_link__out;

typedef struct hf_link__in {
    uint8_t *block;      /* a message that comes in pieces */
    uint32_t size, have; /* 0: none is on its way */
    uint32_t held;       /* bytes that came and are not done, and of the one on its way */
    uint32_t owed;       /* ... that are done, and not told yet */
} hf_link__in;

struct hf_link {
    hf_sm sm;
    hf_link_options options;
    hf_link_peer peer;
    hf_heap *heap;
    hf_err end;
    uint32_t to;
    uint32_t format;
    uint32_t send_crc, receive_crc; /* of the frame before */
    uint64_t greet_at;              /* given up then */
    uint64_t heard_at;
    uint64_t pinged_at; /* 0: no answer is waited for */
    uint64_t ping_id;   /* what the last ping said */
    uint64_t pong_id;   /* to be answered */
    uint64_t rtt;
    uint64_t pass; /* of the stream that was served last */
    bool ping_due, pong_due, close_due;
    bool greeted; /* the peer's greeting was understood */
    /* what is left of greeting, agreement, refusal; written once, in order */
    uint32_t talk_at, talk_size;
    uint8_t
        talk[HF_LINK__GREETING + HF_LINK__AGREEMENT + HF_LINK__REFUSAL_HEAD + HF_LINK_WORDS_MAX];
    /* input that is not whole: a block, a frame's head, a short frame */
    hf_link__frame frame; /* whose payload comes; kind 0: none */
    uint32_t frame_have, frame_crc;
    uint32_t in_size;
    uint8_t in[HF_LINK__GREETING_MAX];
    char words[HF_LINK_WORDS_MAX];
    hf_link__in streams_in[HF_LINK_STREAMS];
    hf_link__out streams_out[HF_LINK_STREAMS];
    /* then: hf_link__item[HF_LINK_STREAMS * queue] */
};

static inline hf_link__state hf_link__state_of(const hf_link *l)
{
    return (hf_link__state)hf_sm_state(&l->sm);
}
static inline uint64_t hf_link__later(uint64_t now, uint64_t by)
{
    return by >= UINT64_MAX - now ? UINT64_MAX : now + by;
}

/* ---- link.c ---- */
/* Ends with this reason (the first one stays); answers HF_LINK_ENDED. */
hf_link_event hf_link__fail(hf_link *l, hf_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- greet.c: blocks; what is in a greeting and whether it will do ---- */
void hf_link__greet(hf_link *l, uint32_t attempt);
/* Takes a block off the input; MORE: it is not whole yet. */
hf_link_event hf_link__greeted(hf_link *l, hf_bytes *input);
hf_link_event hf_link__agreed(hf_link *l, hf_bytes *input);
void hf_link__agree(hf_link *l);
void hf_link__refuse(hf_link *l); /* in the words of the end */

/* ---- receive.c ---- */
hf_link_event hf_link__frames(hf_link *l, uint64_t now, hf_bytes *input, hf_link_message *message);

/* ---- send.c ---- */
uint32_t hf_link__write(hf_link *l, uint64_t now, uint8_t *to, uint32_t size);
bool hf_link__may_write(const hf_link *l);
bool hf_link__owes(const hf_link *l, uint32_t stream); /* credit that is worth a frame */

#endif
