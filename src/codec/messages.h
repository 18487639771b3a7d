/*
 * The messages of libp2p as structures, and the tables with which codec/pb.h reads and writes them:
 * struct pxi_msg_kad goes with pxi_pb_kad. Views point into the packet that was decoded; a list of
 * messages holds structures of the type that its comment names (PXI_PB_AT gives one). Numbers of
 * types and statuses are those of the specifications.
 */
#ifndef PXI_CODEC_MESSAGES_H
#define PXI_CODEC_MESSAGES_H

#include "codec/pb.h"

/* The i-th element of a list; PXI_PB_AT(m.closer, struct pxi_msg_kad_peer, 0)->id. */
#define PXI_PB_AT(list, type, i) (&((type *)(list).p)[i])

/* ------------------------------------------------------------------- keys and signed records */

/* PublicKey and PrivateKey (peer-ids). Both fields are always written. */
struct pxi_msg_key {
    uint64_t type; /* 0 RSA, 1 Ed25519, 2 secp256k1, 3 ECDSA */
    px_view data;
};

/* Signed envelope (RFC 0002). The key is its protobuf, not taken apart. */
struct pxi_msg_envelope {
    px_view public_key, payload_type, payload, signature;
};

/* Peer record (RFC 0003), the payload of an envelope. */
struct pxi_msg_peer_record {
    px_view peer_id;
    uint64_t seq;
    struct pxi_pb_list addresses; /* struct pxi_msg_address */
};
struct pxi_msg_address {
    px_view multiaddr;
};

/* NoiseHandshakePayload (noise). */
struct pxi_msg_noise_extensions {
    struct pxi_pb_list webtransport_certhashes, stream_muxers; /* px_view */
};
struct pxi_msg_noise_payload {
    px_view identity_key, identity_sig;
    struct pxi_msg_noise_extensions *extensions;
};

/* ------------------------------------------------------------------- identify */

/* Identify, and identify/push (there, has_... says which fields were sent). */
struct pxi_msg_identify {
    px_view public_key;
    struct pxi_pb_list listen_addrs, protocols; /* px_view */
    px_view observed_addr, protocol_version, agent_version, signed_peer_record;
    bool has_public_key, has_observed_addr, has_protocol_version, has_agent_version;
    bool has_signed_peer_record, has_listen_addrs, has_protocols;
};

/* ------------------------------------------------------------------- Kademlia */

enum pxi_kad_type {
    PXI_KAD_PUT_VALUE,
    PXI_KAD_GET_VALUE,
    PXI_KAD_ADD_PROVIDER,
    PXI_KAD_GET_PROVIDERS,
    PXI_KAD_FIND_NODE,
    PXI_KAD_PING
};

/* Record (kad-dht). time_received is RFC 3339 text. */
struct pxi_msg_kad_record {
    px_view key, value, time_received;
};
/* Peer. connection: 0 not connected, 1 connected, 2 can connect, 3 cannot connect. */
struct pxi_msg_kad_peer {
    px_view id;
    struct pxi_pb_list addrs; /* px_view */
    uint64_t connection;
};
/* Message. */
struct pxi_msg_kad {
    uint64_t type;
    px_view key;
    struct pxi_msg_kad_record *record;
    struct pxi_pb_list closer, providers; /* struct pxi_msg_kad_peer */
};

/* ------------------------------------------------------------------- AutoNAT */

enum { PXI_AUTONAT_DIAL, PXI_AUTONAT_DIAL_RESPONSE };
enum {
    PXI_AUTONAT_OK,
    PXI_AUTONAT_DIAL_ERROR = 100,
    PXI_AUTONAT_DIAL_REFUSED = 101,
    PXI_AUTONAT_BAD_REQUEST = 200,
    PXI_AUTONAT_INTERNAL = 300
};

/* PeerInfo of AutoNAT v1, and Peer of the relay. */
struct pxi_msg_peer_info {
    px_view id;
    struct pxi_pb_list addrs; /* px_view */
};
struct pxi_msg_autonat_dial {
    struct pxi_msg_peer_info *peer;
};
struct pxi_msg_autonat_response {
    uint64_t status;
    px_view text, addr;
};
/* Message of AutoNAT v1. */
struct pxi_msg_autonat {
    uint64_t type;
    struct pxi_msg_autonat_dial *dial;
    struct pxi_msg_autonat_response *response;
};

enum {
    PXI_AUTONAT2_INTERNAL,
    PXI_AUTONAT2_REJECTED = 100,
    PXI_AUTONAT2_REFUSED = 101,
    PXI_AUTONAT2_OK = 200
};
enum {
    PXI_AUTONAT2_DIAL_UNUSED,
    PXI_AUTONAT2_DIAL_ERROR = 100,
    PXI_AUTONAT2_DIAL_BACK_ERROR = 101,
    PXI_AUTONAT2_DIAL_OK = 200
};

struct pxi_msg_autonat2_request {
    struct pxi_pb_list addrs; /* px_view */
    uint64_t nonce;
};
struct pxi_msg_autonat2_response {
    uint64_t status, addr_index, dial_status;
};
struct pxi_msg_autonat2_data_request {
    uint64_t addr_index, bytes;
};
struct pxi_msg_autonat2_data {
    px_view data;
};
/* Message of AutoNAT v2: exactly one of them is there. */
struct pxi_msg_autonat2 {
    struct pxi_msg_autonat2_request *request;
    struct pxi_msg_autonat2_response *response;
    struct pxi_msg_autonat2_data_request *data_request;
    struct pxi_msg_autonat2_data *data;
};
/* DialBack and DialBackResponse. */
struct pxi_msg_autonat2_back {
    uint64_t nonce;
};
struct pxi_msg_autonat2_back_response {
    uint64_t status; /* 0 OK */
};

/* ------------------------------------------------------------------- relay v2 and DCUtR */

enum { PXI_RELAY_HOP_RESERVE, PXI_RELAY_HOP_CONNECT, PXI_RELAY_HOP_STATUS };
enum { PXI_RELAY_STOP_CONNECT, PXI_RELAY_STOP_STATUS };
enum {
    PXI_RELAY_OK = 100,
    PXI_RELAY_RESERVATION_REFUSED = 200,
    PXI_RELAY_RESOURCE_LIMIT = 201,
    PXI_RELAY_PERMISSION_DENIED = 202,
    PXI_RELAY_CONNECTION_FAILED = 203,
    PXI_RELAY_NO_RESERVATION = 204,
    PXI_RELAY_MALFORMED = 400,
    PXI_RELAY_UNEXPECTED = 401
};

struct pxi_msg_relay_reservation {
    uint64_t expire;          /* seconds of Unix time */
    struct pxi_pb_list addrs; /* px_view */
    px_view voucher;          /* an envelope */
};
struct pxi_msg_relay_limit {
    uint64_t duration, data; /* seconds, bytes; 0 = no limit */
};
struct pxi_msg_relay_hop {
    uint64_t type;
    struct pxi_msg_peer_info *peer;
    struct pxi_msg_relay_reservation *reservation;
    struct pxi_msg_relay_limit *limit;
    uint64_t status; /* 0 when there is none */
};
struct pxi_msg_relay_stop {
    uint64_t type;
    struct pxi_msg_peer_info *peer;
    struct pxi_msg_relay_limit *limit;
    uint64_t status;
};
/* ReservationVoucher, the payload of an envelope. */
struct pxi_msg_voucher {
    px_view relay, peer;
    uint64_t expiration;
};

enum { PXI_DCUTR_CONNECT = 100, PXI_DCUTR_SYNC = 300 };

/* HolePunch. */
struct pxi_msg_dcutr {
    uint64_t type;
    struct pxi_pb_list addrs; /* px_view */
};

/* ------------------------------------------------------------------- gossipsub */

struct pxi_msg_gossip_subscription {
    uint64_t subscribe; /* 0 or 1 */
    px_view topic;
};
/* Message. A signature covers the encoding by pxi_pb_gossip_signed, which leaves out the last two
 * fields; has_... keeps "empty" and "absent" apart, as the signer had them. */
struct pxi_msg_gossip_message {
    px_view from, data, seqno, topic, signature, key;
    bool has_from, has_data, has_seqno, has_topic, has_signature, has_key;
};
struct pxi_msg_gossip_ihave {
    px_view topic;
    struct pxi_pb_list ids; /* px_view */
};
struct pxi_msg_gossip_ids { /* IWANT and IDONTWANT */
    struct pxi_pb_list ids; /* px_view */
};
struct pxi_msg_gossip_graft {
    px_view topic;
};
struct pxi_msg_gossip_px { /* PeerInfo of a PRUNE */
    px_view id, signed_peer_record;
};
struct pxi_msg_gossip_prune {
    px_view topic;
    struct pxi_pb_list peers; /* struct pxi_msg_gossip_px */
    uint64_t backoff;         /* seconds; 0 when absent */
};
struct pxi_msg_gossip_extensions { /* of v1.3; what the sender supports */
    uint64_t partial_messages, test;
};
struct pxi_msg_gossip_control {
    struct pxi_pb_list ihave;     /* struct pxi_msg_gossip_ihave */
    struct pxi_pb_list iwant;     /* struct pxi_msg_gossip_ids */
    struct pxi_pb_list graft;     /* struct pxi_msg_gossip_graft */
    struct pxi_pb_list prune;     /* struct pxi_msg_gossip_prune */
    struct pxi_pb_list idontwant; /* struct pxi_msg_gossip_ids */
    struct pxi_msg_gossip_extensions *extensions;
};
/* RPC. */
struct pxi_msg_gossip {
    struct pxi_pb_list subscriptions; /* struct pxi_msg_gossip_subscription */
    struct pxi_pb_list publish;       /* struct pxi_msg_gossip_message */
    struct pxi_msg_gossip_control *control;
};

/* The tables. Each message stands alone on some wire, or is part of one. */
extern const struct pxi_pb_message pxi_pb_key, pxi_pb_envelope, pxi_pb_peer_record;
extern const struct pxi_pb_message pxi_pb_noise_payload, pxi_pb_identify;
extern const struct pxi_pb_message pxi_pb_kad, pxi_pb_kad_record, pxi_pb_kad_peer;
extern const struct pxi_pb_message pxi_pb_autonat, pxi_pb_autonat2, pxi_pb_autonat2_back;
extern const struct pxi_pb_message pxi_pb_autonat2_back_response;
extern const struct pxi_pb_message pxi_pb_relay_hop, pxi_pb_relay_stop, pxi_pb_relay_reservation;
extern const struct pxi_pb_message pxi_pb_relay_limit, pxi_pb_voucher, pxi_pb_dcutr;
extern const struct pxi_pb_message pxi_pb_gossip, pxi_pb_gossip_message, pxi_pb_gossip_control;
/* struct pxi_msg_gossip_message without signature and key: the bytes that are signed. */
extern const struct pxi_pb_message pxi_pb_gossip_signed;

/* Every table that stands alone, for tests and fuzzing; NULL past the end. */
const struct pxi_pb_message *pxi_pb_table(unsigned i);

#endif
