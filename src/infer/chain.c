#include "infer/chain.h"

#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "infer/draft.h"
#include "infer/run.h"

enum { MESSAGE_ROWS = 64, OWN_ADDRS = 8 };

struct pxi_chain {
    struct pxi_list link;
    struct pxi_stages *service;
    const struct pxi_chain_events *on;
    void *ctx;
    char *model;
    px_sampler_options sampling; /* without biases */
    struct pxi_msg_stage_bias *bias;
    size_t bias_count;
    uint64_t id;
    uint8_t key[PXI_STAGE_KEY];
    uint32_t epoch;
    struct pxi_hop first;    /* to the first stage */
    struct pxi_peer last;    /* who may bring tokens */
    struct pxi_stream *back; /* from the last stage */
    struct pxi_wire_in in;
    struct pxi_wire_out out;
    struct pxi_buf order; /* the OPEN of this epoch */
    uint32_t *words, known, prompt, positions, sent, vocab;
    uint32_t draft_max, draft_n; /* tokens guessed that follow the known ones, or did */
    uint32_t draft_hits;         /* of them, that came true */
    struct pxi_draft_pace pace;
    struct pxi_chain_counts counts;
    unsigned hops;
    bool ready, broken;
    uint8_t dtype;
    bool hearing;           /* tokens are told, nothing is sent before the last of them */
    bool asking;            /* for a draft */
    struct pxi_timer stall; /* no token for so long: opened anew */
    uint64_t patience_ns;
    uint32_t answered; /* tokens before the last answer: those behind it are computed */
    uint32_t arrived[MESSAGE_ROWS]; /* tokens on their way in */
};

static struct pxi_host *host(struct pxi_chain *c)
{
    return pxi_stages_host(c->service);
}

static struct pxi_timers *timers(struct pxi_chain *c)
{
    return pxi_host_timers(host(c));
}

static void leave_back(struct pxi_chain *c)
{
    if (c->back)
        pxi_stream_leave(c->back);
    c->back = NULL;
    pxi_wire_in_deinit(&c->in);
    pxi_wire_out_deinit(&c->out);
}

static void fail(struct pxi_chain *c, unsigned hop, px_err why, px_view text)
{
    if (c->broken)
        return;
    c->broken = true;
    c->ready = false;
    pxi_timer_disarm(timers(c), &c->stall);
    c->on->broken(c->ctx, hop, why, text);
}

/* Everybody lives and yet nothing comes: the same hops are asked what they hold and given the rest.
 * It harms nobody who is only slow; each time without a token it takes twice as long. */
static void stalled(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_chain *c = PXI_OF(t, struct pxi_chain, stall);
    (void)now_ns;
    c->patience_ns *= 2;
    fail(c, c->hops, PX_ERR_TIMEOUT, px_view_str("no token for a while"));
}

static void watch(struct pxi_chain *c)
{
    uint64_t rows = c->known - pxi_min(c->answered, c->known);
    c->stall.fire = stalled;
    pxi_timer_after(timers(c), &c->stall,
                    c->patience_ns + rows * PXI_LIMIT_STAGE_STALL_ROW_MS * PXI_MS);
}

/* ---------------------------------------------------------------- to the first stage */

/* What became of the last draft is known. */
static void settle_draft(struct pxi_chain *c)
{
    pxi_draft_learn(&c->pace, c->draft_n, c->draft_hits);
    c->counts.drafted += c->draft_n;
    c->counts.accepted += c->draft_hits;
    c->draft_n = c->draft_hits = 0;
}

/* Guess what follows the known tokens, behind them. False: the answer comes later. */
static bool draft(struct pxi_chain *c)
{
    uint32_t room = (uint32_t)pxi_min(c->positions - c->known, c->draft_max);
    uint32_t max = pxi_draft_length(&c->pace, room), n = 0;
    if (c->asking)
        return false;
    settle_draft(c);
    if (c->on->draft && max)
        n = c->on->draft(c->ctx, c->words, c->known, c->words + c->known, max);
    c->asking = n == PXI_DRAFT_LATER;
    c->draft_n = c->asking ? 0 : n;
    return !c->asking;
}

/* Rows up to the last known token, with a draft behind it. */
static bool send_rows(struct pxi_chain *c)
{
    uint32_t rows = (uint32_t)pxi_min(c->known - c->sent, MESSAGE_ROWS);
    bool whole = c->sent + rows == c->known;
    if (whole)
        rows += c->draft_n;
    for (uint32_t i = c->known; i < c->sent + rows; i++)
        c->words[i] = (c->words[i] & PXI_STAGE_TOKEN) | PXI_STAGE_DRAFT | PXI_STAGE_WANT;
    struct pxi_stage_head h = {.kind = PXI_STAGE_INPUT,
                               .session = c->id,
                               .epoch = c->epoch,
                               .position = c->sent,
                               .rows = rows};
    if (!pxi_wire_send(&c->first.out, &h, px_view_of(c->words + c->sent, rows * 4)))
        return false; /* goes on when it is writable */
    c->sent += rows;
    c->counts.trips += whole;
    return true;
}

static void send_all(struct pxi_chain *c)
{
    while (c->ready && c->first.up && c->sent < c->known)
        if (!send_rows(c))
            return;
}

static void send_tokens(struct pxi_chain *c)
{
    if (!c->hearing && c->ready && c->first.up && c->sent < c->known && draft(c))
        send_all(c);
}

void pxi_chain_drafted(struct pxi_chain *c, uint32_t n, const uint32_t *tokens, uint32_t count)
{
    if (!c->asking)
        return;
    c->asking = false;
    c->draft_n = n == c->known ? (uint32_t)pxi_min(count, c->positions - c->known) : 0;
    c->draft_n = (uint32_t)pxi_min(c->draft_n, c->draft_max);
    if (c->draft_n)
        memcpy(c->words + c->known, tokens, c->draft_n * sizeof *tokens);
    send_all(c);
}

static struct pxi_chain *of(struct pxi_hop *h)
{
    return PXI_OF(h, struct pxi_chain, first);
}

static void send_open(struct pxi_chain *c)
{
    struct pxi_stage_head h = {.kind = PXI_STAGE_OPEN, .session = c->id, .epoch = c->epoch};
    pxi_wire_send(&c->first.out, &h, px_view_of(c->order.p, c->order.n));
}

static void on_opened(struct pxi_hop *h)
{
    send_open(of(h));
}

/* What a hop says that coding cost it; nonsense counts as nothing. */
static void lost(struct pxi_chain *c, const struct pxi_stage_head *m)
{
    float rms, worst;
    memcpy(&rms, &m->position, sizeof rms);
    memcpy(&worst, &m->rows, sizeof worst);
    if (rms > c->counts.rms && rms < 1e6f)
        c->counts.rms = rms;
    if (worst > c->counts.worst && worst < 1e6f)
        c->counts.worst = worst;
}

static void on_message(struct pxi_hop *h, const struct pxi_stage_head *m, px_view payload)
{
    struct pxi_chain *c = of(h);
    if (m->epoch != c->epoch)
        return;
    if (m->kind == PXI_STAGE_ERROR) {
        fail(c, m->hop, (px_err)(int32_t)m->position, payload);
    } else if (m->kind == PXI_STAGE_DRAIN && !c->broken && c->on->leaving) {
        c->on->leaving(c->ctx, m->hop);
    } else if (m->kind == PXI_STAGE_LOSS) {
        lost(c, m);
    } else if (m->kind == PXI_STAGE_READY && m->position <= c->known) {
        c->ready = true;
        c->sent = m->position;
        c->draft_n = c->draft_hits = 0; /* forgotten on all stages */
        send_tokens(c);
    }
}

static void on_writable(struct pxi_hop *h)
{
    if (!of(h)->asking)
        send_all(of(h));
}

static void on_lost(struct pxi_hop *h, px_err why)
{
    fail(of(h), 0, why, px_view_str(px_err_text(why)));
}

/* -------------------------------------------------------------- from the last stage */

static enum pxi_wire_verdict begin(void *ctx, const struct pxi_stage_head *h, void **place)
{
    struct pxi_chain *c = ctx;
    if (h->session != c->id)
        return PXI_WIRE_BAD;
    if (h->kind == PXI_STAGE_TOKENS && h->epoch != c->epoch)
        return PXI_WIRE_DROP;
    if (h->kind == PXI_STAGE_TOKENS && h->rows <= MESSAGE_ROWS) {
        *place = c->arrived;
        return PXI_WIRE_TAKE;
    }
    bool other = h->kind == PXI_STAGE_PING || h->kind == PXI_STAGE_READY ||
                 h->kind == PXI_STAGE_CLOSE || h->kind == PXI_STAGE_PONG;
    return other ? PXI_WIRE_TAKE : PXI_WIRE_BAD;
}

static bool message(void *ctx, const struct pxi_stage_head *h, px_view payload)
{
    struct pxi_chain *c = ctx;
    struct pxi_stage_head pong = {.kind = PXI_STAGE_PONG, .session = c->id};
    (void)payload;
    if (h->kind == PXI_STAGE_PING)
        return pxi_wire_send(&c->out, &pong, px_view_of(NULL, 0));
    if (h->kind != PXI_STAGE_TOKENS || c->broken)
        return true;
    uint32_t epoch = c->epoch;
    pxi_timer_disarm(timers(c), &c->stall);
    c->patience_ns = (uint64_t)PXI_LIMIT_STAGE_STALL_MS * PXI_MS;
    c->answered = c->known;
    c->hearing = true;
    for (uint32_t i = 0; i < h->rows; i++)
        if (h->position + i == c->known && c->epoch == epoch && !c->broken) {
            if (c->vocab && (c->arrived[i] & PXI_STAGE_TOKEN) >= c->vocab) {
                fail(c, c->hops - 1, PX_ERR_PROTOCOL, px_view_str("a token that there is not"));
                break;
            }
            c->counts.tokens++;
            c->on->token(c->ctx, c->known, (int32_t)(c->arrived[i] & PXI_STAGE_TOKEN));
        }
    c->hearing = false;
    send_tokens(c);
    return c->back != NULL;
}

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    static const struct pxi_wire_events events = {begin, message};
    struct pxi_chain *c = s->user;
    size_t took;
    px_err err = pxi_wire_read(&c->in, bytes, &events, c, &took);
    if (err == PX_ERR_OK)
        return took;
    if (err != PX_ERR_RESET) {
        leave_back(c);
        fail(c, c->hops - 1, PX_ERR_PROTOCOL, px_view_str("malformed tokens"));
    }
    return bytes.n;
}

/* The way back is the business of the last stage: it tells when it loses us. */
static void on_closed(struct pxi_stream *s, px_err why)
{
    struct pxi_chain *c = s->user;
    (void)why;
    c->back = NULL;
    leave_back(c);
}

static void on_ended(struct pxi_stream *s)
{
    leave_back(s->user);
}

static void on_back_writable(struct pxi_stream *s)
{
    struct pxi_chain *c = s->user;
    pxi_wire_flush(&c->out);
}

bool pxi_chain_adopt(struct pxi_chain *c, struct pxi_stream *s)
{
    static const struct pxi_stream_events events = {
        .data = on_data, .ended = on_ended, .writable = on_back_writable, .closed = on_closed};
    if (!pxi_peer_equal(&s->conn->peer, &c->last)) {
        pxi_stream_reset(s);
        return false;
    }
    leave_back(c);
    c->back = c->out.stream = s;
    pxi_stream_own(s, &events, c);
    return true;
}

struct pxi_chain *pxi_stages_chain(struct pxi_stages *s, uint64_t session)
{
    struct pxi_list *chains = pxi_stages_chains(s);
    for (struct pxi_list *l = chains->next; l != chains; l = l->next)
        if (PXI_OF(l, struct pxi_chain, link)->id == session)
            return PXI_OF(l, struct pxi_chain, link);
    return NULL;
}

/* ------------------------------------------------------------------------- the session */

static uint64_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static bool copy_sampling(struct pxi_chain *c, const px_sampler_options *o)
{
    if (!o)
        return true;
    memcpy(&c->sampling, o, pxi_min(o->size, sizeof c->sampling));
    c->bias_count = c->sampling.bias_count;
    c->sampling.bias = NULL;
    if (c->bias_count > PXI_LIMIT_STAGE_BIAS)
        return false;
    c->bias = c->bias_count ? pxi_calloc(c->bias_count, sizeof *c->bias) : NULL;
    for (size_t i = 0; c->bias && i < c->bias_count; i++)
        c->bias[i] = (struct pxi_msg_stage_bias){(uint32_t)o->bias[i].token, bits(o->bias[i].bias)};
    return c->bias || !c->bias_count;
}

struct pxi_chain *pxi_chain_new(struct pxi_stages *s, const struct pxi_chain_options *o)
{
    struct pxi_chain *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->service = s;
    c->on = o->on;
    c->ctx = o->ctx;
    c->dtype = o->dtype;
    c->vocab = o->vocab;
    c->draft_max = (uint32_t)pxi_min(o->draft_max, PXI_LIMIT_STAGE_DRAFT);
    c->patience_ns = (uint64_t)PXI_LIMIT_STAGE_STALL_MS * PXI_MS;
    c->positions = (uint32_t)pxi_min(o->positions, PXI_LIMIT_CONTEXT_POSITIONS);
    c->order.max = (size_t)PXI_LIMIT_STAGE_OPEN_BYTES;
    c->id = pxi_random_u64(pxi_host_random(pxi_stages_host(s)));
    pxi_random_fill(pxi_host_random(pxi_stages_host(s)), c->key, sizeof c->key);
    pxi_list_init(&c->link);
    pxi_list_add(pxi_stages_chains(s), &c->link);
    c->model = pxi_strdup_view(px_view_str(o->model));
    c->words = pxi_calloc(c->positions, sizeof *c->words);
    if (c->model && c->words && copy_sampling(c, o->sampling))
        return c;
    pxi_chain_free(c);
    return NULL;
}

void pxi_chain_free(struct pxi_chain *c)
{
    if (!c)
        return;
    struct pxi_stage_head over = {.kind = PXI_STAGE_CLOSE, .session = c->id, .epoch = c->epoch};
    pxi_timer_disarm(timers(c), &c->stall);
    if (c->first.up && pxi_wire_send(&c->first.out, &over, px_view_of(NULL, 0)) &&
        !c->first.out.waiting.n) {
        pxi_stream_leave(c->first.stream);
        c->first.stream = NULL;
    }
    pxi_hop_close(&c->first);
    leave_back(c);
    pxi_list_remove(&c->link);
    pxi_buf_deinit(&c->order);
    pxi_free(c->model);
    pxi_free(c->bias);
    pxi_free(c->words);
    pxi_free(c);
}

/* Write the OPEN: the hops, and ourselves at their end. */
static px_err write_order(struct pxi_chain *c, const struct pxi_chain_hop *hops, unsigned count)
{
    struct pxi_msg_stage_hop list[PXI_LIMIT_STAGE_HOPS] = {{.first = 0}};
    px_view own[OWN_ADDRS];
    unsigned n_own = 0;
    const struct pxi_peer *self = pxi_host_self(host(c));
    const px_sampler_options *o = &c->sampling;
    struct pxi_msg_stage_sampling sampling = {bits(o->temperature),
                                              o->top_k,
                                              bits(o->top_p),
                                              bits(o->min_p),
                                              bits(o->repeat_penalty),
                                              bits(o->presence_penalty),
                                              bits(o->frequency_penalty),
                                              o->penalty_window,
                                              o->seed,
                                              {c->bias, c->bias_count}};
    while (n_own < OWN_ADDRS && (own[n_own] = pxi_host_addr(host(c), n_own)).n)
        n_own++;
    for (unsigned i = 0; i < count; i++)
        list[i] = (struct pxi_msg_stage_hop){
            .peer = pxi_peer_view(&hops[i].peer),
            .addrs = {(void *)hops[i].addrs, pxi_min(hops[i].addr_count, PXI_LIMIT_STAGE_ADDRS)},
            .first = hops[i].first,
            .last = hops[i].last};
    list[count] = (struct pxi_msg_stage_hop){.peer = pxi_peer_view(self), .addrs = {own, n_own}};
    struct pxi_msg_stage_open m = {.model = px_view_str(c->model),
                                   .key = px_view_of(c->key, sizeof c->key),
                                   .known = c->known,
                                   .prompt = c->prompt,
                                   .hops = {list, count + 1},
                                   .sampling = &sampling,
                                   .dtype = c->dtype};
    c->order.n = 0;
    return pxi_pb_encode(&pxi_pb_stage_open, &m, &c->order);
}

void pxi_chain_code(struct pxi_chain *c, uint8_t dtype)
{
    if (!c->epoch)
        c->dtype = dtype;
}

px_err pxi_chain_route(struct pxi_chain *c, const struct pxi_chain_hop *hops, unsigned count)
{
    static const struct pxi_hop_events events = {on_opened, on_message, on_writable, on_lost};
    struct pxi_hop_self self = pxi_stages_self(c->service);
    if (!count || count >= PXI_LIMIT_STAGE_HOPS || !c->known)
        return PX_ERR_INVALID;
    px_err err = write_order(c, hops, count);
    if (err != PX_ERR_OK)
        return err;
    c->epoch++;
    c->hops = count;
    c->last = hops[count - 1].peer;
    c->ready = c->broken = c->asking = false;
    c->sent = (uint32_t)pxi_min(c->sent, c->known);
    c->answered = 0;
    watch(c);
    c->first.session = c->id;
    c->first.on = &events;
    if (c->first.up && pxi_peer_equal(&c->first.peer, &hops[0].peer))
        send_open(c);
    else
        pxi_hop_open(&c->first, host(c), &hops[0].peer, hops[0].addrs, hops[0].addr_count, &self);
    return PX_ERR_OK;
}

/* Through the same hops, but with the next epoch: what the stages chose after drafts that became
 * nothing is not heard any more. */
static px_err begin_anew(struct pxi_chain *c)
{
    struct pxi_msg_stage_open m;
    struct pxi_arena arena;
    struct pxi_buf order = {.max = (size_t)PXI_LIMIT_STAGE_OPEN_BYTES};
    pxi_arena_init(&arena, 4 * (size_t)PXI_LIMIT_STAGE_OPEN_BYTES);
    px_err err =
        pxi_pb_decode(&pxi_pb_stage_open, px_view_of(c->order.p, c->order.n), &arena, &m, NULL);
    m.known = c->known;
    if (err == PX_ERR_OK)
        err = pxi_pb_encode(&pxi_pb_stage_open, &m, &order);
    pxi_arena_deinit(&arena);
    if (err != PX_ERR_OK) {
        pxi_buf_deinit(&order);
        return err;
    }
    pxi_buf_deinit(&c->order);
    c->order = order;
    c->epoch++;
    c->ready = c->asking = false;
    c->sent = (uint32_t)pxi_min(c->sent, c->known);
    if (c->first.up)
        send_open(c);
    return PX_ERR_OK;
}

/* One more token is known: what was drafted there came true, or the rest of the draft did not. */
static void settle(struct pxi_chain *c, uint32_t token)
{
    if (c->sent > c->known && (c->words[c->known] & PXI_STAGE_TOKEN) == token)
        c->draft_hits++;
    else
        c->sent = (uint32_t)pxi_min(c->sent, c->known);
    c->words[c->known++] = token;
}

px_err pxi_chain_push(struct pxi_chain *c, const int32_t *tokens, size_t n)
{
    if (!n || n > c->positions - c->known)
        return PX_ERR_CONTEXT_FULL;
    bool drafts_out = c->sent > c->known && !c->hearing;
    for (size_t i = 0; i < n; i++)
        settle(c, (uint32_t)tokens[i] & PXI_STAGE_TOKEN);
    c->words[c->known - 1] |= PXI_STAGE_WANT;
    if (!c->prompt)
        c->prompt = c->known;
    if (c->epoch && !c->broken)
        watch(c);
    if (drafts_out && !c->broken)
        return begin_anew(c);
    send_tokens(c);
    return PX_ERR_OK;
}

struct pxi_chain_counts pxi_chain_counts(const struct pxi_chain *c)
{
    struct pxi_chain_counts n = c->counts;
    n.drafted += c->draft_n;
    n.accepted += c->draft_hits;
    return n;
}

uint32_t pxi_chain_length(const struct pxi_chain *c)
{
    return c->known;
}

const uint64_t *pxi_chain_id(const struct pxi_chain *c)
{
    return &c->id;
}

uint32_t pxi_chain_epoch(const struct pxi_chain *c)
{
    return c->epoch;
}
