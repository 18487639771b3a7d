/*
 * Tables of the messages of libp2p. A row is PXI_PB_FIELD(structure, member, number, kind, more):
 * more names what differs from the default: LIST(most elements), MOST(bytes), ALWAYS, HAS(member),
 * SUB(table). Proto2 "required" and the types that receivers insist on are ALWAYS.
 */
#include "codec/messages.h"

#include "base/limits.h"

#define ALWAYS         .always = true
#define HAS(s, member) .has = offsetof(struct s, member)
#define MOST(n)        .max = (n)
#define LIST(n)        .repeated = true, .max = (n)
#define SUB(table)     .sub = &(table)
#define TABLE(id, text, s, rows)                                                                   \
    const struct pxi_pb_message id = {text, rows, sizeof(rows) / sizeof *(rows), sizeof(struct s)}
#define TABLE_STATIC(id, text, s, rows) static TABLE(id, text, s, rows)

enum {
    KEY_MAX = PXI_LIMIT_PB_KEY_BYTES, /* a public key, RSA of 8192 bits included */
    SIG_MAX = PXI_LIMIT_PB_SIGNATURE_BYTES,
    ID_MAX = PXI_LIMIT_PB_PEER_BYTES,   /* a peer id */
    ADDR_MAX = PXI_LIMIT_PB_ADDR_BYTES, /* a multiaddr in a field of its own */
    ADDRS_MAX = PXI_LIMIT_PB_ADDRS,     /* multiaddrs in a list */
    TEXT_MAX = PXI_LIMIT_PB_TEXT_BYTES, /* versions and explanations */
    RECORD_MAX = PXI_LIMIT_PB_ENVELOPE_BYTES,
};

/* ------------------------------------------------------------------- keys and signed records */

static const struct pxi_pb_field key_fields[] = {
    PXI_PB_FIELD(pxi_msg_key, type, 1, UINT, ALWAYS),
    PXI_PB_FIELD(pxi_msg_key, data, 2, BYTES, ALWAYS, MOST(PXI_LIMIT_PB_PRIVATE_KEY_BYTES)),
};
TABLE(pxi_pb_key, "key", pxi_msg_key, key_fields);

static const struct pxi_pb_field envelope_fields[] = {
    PXI_PB_FIELD(pxi_msg_envelope, public_key, 1, BYTES, MOST(KEY_MAX)),
    PXI_PB_FIELD(pxi_msg_envelope, payload_type, 2, BYTES, MOST(TEXT_MAX)),
    PXI_PB_FIELD(pxi_msg_envelope, payload, 3, BYTES, MOST(RECORD_MAX)),
    PXI_PB_FIELD(pxi_msg_envelope, signature, 5, BYTES, MOST(SIG_MAX)),
};
TABLE(pxi_pb_envelope, "envelope", pxi_msg_envelope, envelope_fields);

static const struct pxi_pb_field address_fields[] = {
    PXI_PB_FIELD(pxi_msg_address, multiaddr, 1, BYTES, MOST(ADDR_MAX)),
};
TABLE_STATIC(address_table, "address", pxi_msg_address, address_fields);

static const struct pxi_pb_field peer_record_fields[] = {
    PXI_PB_FIELD(pxi_msg_peer_record, peer_id, 1, BYTES, MOST(ID_MAX)),
    PXI_PB_FIELD(pxi_msg_peer_record, seq, 2, UINT, MOST(0)),
    PXI_PB_FIELD(pxi_msg_peer_record, addresses, 3, MESSAGE, LIST(ADDRS_MAX), SUB(address_table)),
};
TABLE(pxi_pb_peer_record, "peer_record", pxi_msg_peer_record, peer_record_fields);

static const struct pxi_pb_field noise_extensions_fields[] = {
    PXI_PB_FIELD(pxi_msg_noise_extensions, webtransport_certhashes, 1, BYTES, LIST(64)),
    PXI_PB_FIELD(pxi_msg_noise_extensions, stream_muxers, 2, STRING, LIST(64)),
};
TABLE_STATIC(noise_extensions_table, "extensions", pxi_msg_noise_extensions,
             noise_extensions_fields);

static const struct pxi_pb_field noise_payload_fields[] = {
    PXI_PB_FIELD(pxi_msg_noise_payload, identity_key, 1, BYTES, MOST(KEY_MAX)),
    PXI_PB_FIELD(pxi_msg_noise_payload, identity_sig, 2, BYTES, MOST(SIG_MAX)),
    PXI_PB_FIELD(pxi_msg_noise_payload, extensions, 4, MESSAGE, SUB(noise_extensions_table)),
};
TABLE(pxi_pb_noise_payload, "noise_payload", pxi_msg_noise_payload, noise_payload_fields);

/* ------------------------------------------------------------------- identify */

static const struct pxi_pb_field identify_fields[] = {
    PXI_PB_FIELD(pxi_msg_identify, public_key, 1, BYTES, MOST(KEY_MAX),
                 HAS(pxi_msg_identify, has_public_key)),
    PXI_PB_FIELD(pxi_msg_identify, listen_addrs, 2, BYTES, LIST(ADDRS_MAX),
                 HAS(pxi_msg_identify, has_listen_addrs)),
    PXI_PB_FIELD(pxi_msg_identify, protocols, 3, STRING, LIST(PXI_LIMIT_PB_PROTOCOLS),
                 HAS(pxi_msg_identify, has_protocols)),
    PXI_PB_FIELD(pxi_msg_identify, observed_addr, 4, BYTES, MOST(ADDR_MAX),
                 HAS(pxi_msg_identify, has_observed_addr)),
    PXI_PB_FIELD(pxi_msg_identify, protocol_version, 5, STRING, MOST(TEXT_MAX),
                 HAS(pxi_msg_identify, has_protocol_version)),
    PXI_PB_FIELD(pxi_msg_identify, agent_version, 6, STRING, MOST(TEXT_MAX),
                 HAS(pxi_msg_identify, has_agent_version)),
    PXI_PB_FIELD(pxi_msg_identify, signed_peer_record, 8, BYTES, MOST(RECORD_MAX),
                 HAS(pxi_msg_identify, has_signed_peer_record)),
};
TABLE(pxi_pb_identify, "identify", pxi_msg_identify, identify_fields);

/* ------------------------------------------------------------------- Kademlia */

static const struct pxi_pb_field kad_record_fields[] = {
    PXI_PB_FIELD(pxi_msg_kad_record, key, 1, BYTES, MOST(PXI_LIMIT_PB_KAD_KEY_BYTES)),
    PXI_PB_FIELD(pxi_msg_kad_record, value, 2, BYTES, MOST(PXI_LIMIT_PB_KAD_VALUE_BYTES)),
    PXI_PB_FIELD(pxi_msg_kad_record, time_received, 5, STRING, MOST(64)),
};
TABLE(pxi_pb_kad_record, "record", pxi_msg_kad_record, kad_record_fields);

static const struct pxi_pb_field kad_peer_fields[] = {
    PXI_PB_FIELD(pxi_msg_kad_peer, id, 1, BYTES, MOST(ID_MAX)),
    PXI_PB_FIELD(pxi_msg_kad_peer, addrs, 2, BYTES, LIST(ADDRS_MAX)),
    PXI_PB_FIELD(pxi_msg_kad_peer, connection, 3, UINT, MOST(0)),
};
TABLE(pxi_pb_kad_peer, "peer", pxi_msg_kad_peer, kad_peer_fields);

static const struct pxi_pb_field kad_fields[] = {
    PXI_PB_FIELD(pxi_msg_kad, type, 1, UINT, MOST(0)),
    PXI_PB_FIELD(pxi_msg_kad, key, 2, BYTES, MOST(PXI_LIMIT_PB_KAD_KEY_BYTES)),
    PXI_PB_FIELD(pxi_msg_kad, record, 3, MESSAGE, SUB(pxi_pb_kad_record)),
    PXI_PB_FIELD(pxi_msg_kad, closer, 8, MESSAGE, LIST(PXI_LIMIT_PB_KAD_PEERS),
                 SUB(pxi_pb_kad_peer)),
    PXI_PB_FIELD(pxi_msg_kad, providers, 9, MESSAGE, LIST(PXI_LIMIT_PB_KAD_PEERS),
                 SUB(pxi_pb_kad_peer)),
};
TABLE(pxi_pb_kad, "kad", pxi_msg_kad, kad_fields);

/* ------------------------------------------------------------------- AutoNAT */

static const struct pxi_pb_field peer_info_fields[] = {
    PXI_PB_FIELD(pxi_msg_peer_info, id, 1, BYTES, MOST(ID_MAX)),
    PXI_PB_FIELD(pxi_msg_peer_info, addrs, 2, BYTES, LIST(ADDRS_MAX)),
};
TABLE_STATIC(peer_info_table, "peer", pxi_msg_peer_info, peer_info_fields);

static const struct pxi_pb_field autonat_dial_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat_dial, peer, 1, MESSAGE, SUB(peer_info_table)),
};
TABLE_STATIC(autonat_dial_table, "dial", pxi_msg_autonat_dial, autonat_dial_fields);

static const struct pxi_pb_field autonat_response_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat_response, status, 1, UINT, ALWAYS),
    PXI_PB_FIELD(pxi_msg_autonat_response, text, 2, STRING, MOST(TEXT_MAX)),
    PXI_PB_FIELD(pxi_msg_autonat_response, addr, 3, BYTES, MOST(ADDR_MAX)),
};
TABLE_STATIC(autonat_response_table, "response", pxi_msg_autonat_response, autonat_response_fields);

static const struct pxi_pb_field autonat_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat, type, 1, UINT, ALWAYS),
    PXI_PB_FIELD(pxi_msg_autonat, dial, 2, MESSAGE, SUB(autonat_dial_table)),
    PXI_PB_FIELD(pxi_msg_autonat, response, 3, MESSAGE, SUB(autonat_response_table)),
};
TABLE(pxi_pb_autonat, "autonat", pxi_msg_autonat, autonat_fields);

static const struct pxi_pb_field autonat2_request_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat2_request, addrs, 1, BYTES, LIST(ADDRS_MAX)),
    PXI_PB_FIELD(pxi_msg_autonat2_request, nonce, 2, FIXED64, MOST(0)),
};
TABLE_STATIC(autonat2_request_table, "request", pxi_msg_autonat2_request, autonat2_request_fields);

static const struct pxi_pb_field autonat2_response_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat2_response, status, 1, UINT, MOST(0)),
    PXI_PB_FIELD(pxi_msg_autonat2_response, addr_index, 2, UINT, MOST(0)),
    PXI_PB_FIELD(pxi_msg_autonat2_response, dial_status, 3, UINT, MOST(0)),
};
TABLE_STATIC(autonat2_response_table, "response", pxi_msg_autonat2_response,
             autonat2_response_fields);

static const struct pxi_pb_field autonat2_data_request_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat2_data_request, addr_index, 1, UINT, MOST(0)),
    PXI_PB_FIELD(pxi_msg_autonat2_data_request, bytes, 2, UINT, MOST(0)),
};
TABLE_STATIC(autonat2_data_request_table, "data_request", pxi_msg_autonat2_data_request,
             autonat2_data_request_fields);

static const struct pxi_pb_field autonat2_data_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat2_data, data, 1, BYTES, MOST(4096)),
};
TABLE_STATIC(autonat2_data_table, "data", pxi_msg_autonat2_data, autonat2_data_fields);

static const struct pxi_pb_field autonat2_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat2, request, 1, MESSAGE, SUB(autonat2_request_table)),
    PXI_PB_FIELD(pxi_msg_autonat2, response, 2, MESSAGE, SUB(autonat2_response_table)),
    PXI_PB_FIELD(pxi_msg_autonat2, data_request, 3, MESSAGE, SUB(autonat2_data_request_table)),
    PXI_PB_FIELD(pxi_msg_autonat2, data, 4, MESSAGE, SUB(autonat2_data_table)),
};
TABLE(pxi_pb_autonat2, "autonat2", pxi_msg_autonat2, autonat2_fields);

static const struct pxi_pb_field autonat2_back_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat2_back, nonce, 1, FIXED64, MOST(0)),
};
TABLE(pxi_pb_autonat2_back, "autonat2_back", pxi_msg_autonat2_back, autonat2_back_fields);

static const struct pxi_pb_field autonat2_back_response_fields[] = {
    PXI_PB_FIELD(pxi_msg_autonat2_back_response, status, 1, UINT, MOST(0)),
};
TABLE(pxi_pb_autonat2_back_response, "autonat2_back_response", pxi_msg_autonat2_back_response,
      autonat2_back_response_fields);

/* ------------------------------------------------------------------- relay v2 and DCUtR */

static const struct pxi_pb_field relay_reservation_fields[] = {
    PXI_PB_FIELD(pxi_msg_relay_reservation, expire, 1, UINT, ALWAYS),
    PXI_PB_FIELD(pxi_msg_relay_reservation, addrs, 2, BYTES, LIST(ADDRS_MAX)),
    PXI_PB_FIELD(pxi_msg_relay_reservation, voucher, 3, BYTES, MOST(RECORD_MAX)),
};
TABLE(pxi_pb_relay_reservation, "reservation", pxi_msg_relay_reservation, relay_reservation_fields);

static const struct pxi_pb_field relay_limit_fields[] = {
    PXI_PB_FIELD(pxi_msg_relay_limit, duration, 1, UINT, MOST(0)),
    PXI_PB_FIELD(pxi_msg_relay_limit, data, 2, UINT, MOST(0)),
};
TABLE(pxi_pb_relay_limit, "limit", pxi_msg_relay_limit, relay_limit_fields);

static const struct pxi_pb_field relay_hop_fields[] = {
    PXI_PB_FIELD(pxi_msg_relay_hop, type, 1, UINT, ALWAYS),
    PXI_PB_FIELD(pxi_msg_relay_hop, peer, 2, MESSAGE, SUB(peer_info_table)),
    PXI_PB_FIELD(pxi_msg_relay_hop, reservation, 3, MESSAGE, SUB(pxi_pb_relay_reservation)),
    PXI_PB_FIELD(pxi_msg_relay_hop, limit, 4, MESSAGE, SUB(pxi_pb_relay_limit)),
    PXI_PB_FIELD(pxi_msg_relay_hop, status, 5, UINT, MOST(0)),
};
TABLE(pxi_pb_relay_hop, "relay_hop", pxi_msg_relay_hop, relay_hop_fields);

static const struct pxi_pb_field relay_stop_fields[] = {
    PXI_PB_FIELD(pxi_msg_relay_stop, type, 1, UINT, ALWAYS),
    PXI_PB_FIELD(pxi_msg_relay_stop, peer, 2, MESSAGE, SUB(peer_info_table)),
    PXI_PB_FIELD(pxi_msg_relay_stop, limit, 3, MESSAGE, SUB(pxi_pb_relay_limit)),
    PXI_PB_FIELD(pxi_msg_relay_stop, status, 4, UINT, MOST(0)),
};
TABLE(pxi_pb_relay_stop, "relay_stop", pxi_msg_relay_stop, relay_stop_fields);

static const struct pxi_pb_field voucher_fields[] = {
    PXI_PB_FIELD(pxi_msg_voucher, relay, 1, BYTES, ALWAYS, MOST(ID_MAX)),
    PXI_PB_FIELD(pxi_msg_voucher, peer, 2, BYTES, ALWAYS, MOST(ID_MAX)),
    PXI_PB_FIELD(pxi_msg_voucher, expiration, 3, UINT, ALWAYS),
};
TABLE(pxi_pb_voucher, "voucher", pxi_msg_voucher, voucher_fields);

static const struct pxi_pb_field dcutr_fields[] = {
    PXI_PB_FIELD(pxi_msg_dcutr, type, 1, UINT, ALWAYS),
    PXI_PB_FIELD(pxi_msg_dcutr, addrs, 2, BYTES, LIST(ADDRS_MAX)),
};
TABLE(pxi_pb_dcutr, "dcutr", pxi_msg_dcutr, dcutr_fields);

/* ------------------------------------------------------------------- gossipsub */

enum {
    TOPIC_MAX = PXI_LIMIT_PB_TOPIC_BYTES,
    IDS_MAX = PXI_LIMIT_PB_GOSSIP_IDS,
    ITEMS_MAX = PXI_LIMIT_PB_GOSSIP_ITEMS,
};

static const struct pxi_pb_field gossip_subscription_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip_subscription, subscribe, 1, BOOL, ALWAYS),
    PXI_PB_FIELD(pxi_msg_gossip_subscription, topic, 2, STRING, ALWAYS, MOST(TOPIC_MAX)),
};
TABLE_STATIC(gossip_subscription_table, "subscription", pxi_msg_gossip_subscription,
             gossip_subscription_fields);

/* The first four rows are those that a signature covers. */
static const struct pxi_pb_field gossip_message_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip_message, from, 1, BYTES, MOST(ID_MAX),
                 HAS(pxi_msg_gossip_message, has_from)),
    PXI_PB_FIELD(pxi_msg_gossip_message, data, 2, BYTES, HAS(pxi_msg_gossip_message, has_data)),
    PXI_PB_FIELD(pxi_msg_gossip_message, seqno, 3, BYTES, MOST(64),
                 HAS(pxi_msg_gossip_message, has_seqno)),
    PXI_PB_FIELD(pxi_msg_gossip_message, topic, 4, STRING, MOST(TOPIC_MAX),
                 HAS(pxi_msg_gossip_message, has_topic)),
    PXI_PB_FIELD(pxi_msg_gossip_message, signature, 5, BYTES, MOST(SIG_MAX),
                 HAS(pxi_msg_gossip_message, has_signature)),
    PXI_PB_FIELD(pxi_msg_gossip_message, key, 6, BYTES, MOST(KEY_MAX),
                 HAS(pxi_msg_gossip_message, has_key)),
};
TABLE(pxi_pb_gossip_message, "message", pxi_msg_gossip_message, gossip_message_fields);
const struct pxi_pb_message pxi_pb_gossip_signed = {"message", gossip_message_fields, 4,
                                                    sizeof(struct pxi_msg_gossip_message)};

static const struct pxi_pb_field gossip_ihave_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip_ihave, topic, 1, STRING, MOST(TOPIC_MAX)),
    PXI_PB_FIELD(pxi_msg_gossip_ihave, ids, 2, BYTES, LIST(IDS_MAX)),
};
TABLE_STATIC(gossip_ihave_table, "ihave", pxi_msg_gossip_ihave, gossip_ihave_fields);

static const struct pxi_pb_field gossip_ids_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip_ids, ids, 1, BYTES, LIST(IDS_MAX)),
};
TABLE_STATIC(gossip_ids_table, "ids", pxi_msg_gossip_ids, gossip_ids_fields);

static const struct pxi_pb_field gossip_graft_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip_graft, topic, 1, STRING, MOST(TOPIC_MAX)),
};
TABLE_STATIC(gossip_graft_table, "graft", pxi_msg_gossip_graft, gossip_graft_fields);

static const struct pxi_pb_field gossip_px_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip_px, id, 1, BYTES, MOST(ID_MAX)),
    PXI_PB_FIELD(pxi_msg_gossip_px, signed_peer_record, 2, BYTES, MOST(RECORD_MAX)),
};
TABLE_STATIC(gossip_px_table, "px", pxi_msg_gossip_px, gossip_px_fields);

static const struct pxi_pb_field gossip_prune_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip_prune, topic, 1, STRING, MOST(TOPIC_MAX)),
    PXI_PB_FIELD(pxi_msg_gossip_prune, peers, 2, MESSAGE, LIST(256), SUB(gossip_px_table)),
    PXI_PB_FIELD(pxi_msg_gossip_prune, backoff, 3, UINT, MOST(0)),
};
TABLE_STATIC(gossip_prune_table, "prune", pxi_msg_gossip_prune, gossip_prune_fields);

static const struct pxi_pb_field gossip_extensions_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip_extensions, partial_messages, 10, BOOL, MOST(0)),
    PXI_PB_FIELD(pxi_msg_gossip_extensions, test, 6492434, BOOL, MOST(0)),
};
TABLE_STATIC(gossip_extensions_table, "extensions", pxi_msg_gossip_extensions,
             gossip_extensions_fields);

static const struct pxi_pb_field gossip_control_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip_control, ihave, 1, MESSAGE, LIST(ITEMS_MAX),
                 SUB(gossip_ihave_table)),
    PXI_PB_FIELD(pxi_msg_gossip_control, iwant, 2, MESSAGE, LIST(ITEMS_MAX), SUB(gossip_ids_table)),
    PXI_PB_FIELD(pxi_msg_gossip_control, graft, 3, MESSAGE, LIST(ITEMS_MAX),
                 SUB(gossip_graft_table)),
    PXI_PB_FIELD(pxi_msg_gossip_control, prune, 4, MESSAGE, LIST(ITEMS_MAX),
                 SUB(gossip_prune_table)),
    PXI_PB_FIELD(pxi_msg_gossip_control, idontwant, 5, MESSAGE, LIST(ITEMS_MAX),
                 SUB(gossip_ids_table)),
    PXI_PB_FIELD(pxi_msg_gossip_control, extensions, 6, MESSAGE, SUB(gossip_extensions_table)),
};
TABLE(pxi_pb_gossip_control, "control", pxi_msg_gossip_control, gossip_control_fields);

static const struct pxi_pb_field gossip_fields[] = {
    PXI_PB_FIELD(pxi_msg_gossip, subscriptions, 1, MESSAGE, LIST(ITEMS_MAX),
                 SUB(gossip_subscription_table)),
    PXI_PB_FIELD(pxi_msg_gossip, publish, 2, MESSAGE, LIST(ITEMS_MAX), SUB(pxi_pb_gossip_message)),
    PXI_PB_FIELD(pxi_msg_gossip, control, 3, MESSAGE, SUB(pxi_pb_gossip_control)),
};
TABLE(pxi_pb_gossip, "gossip", pxi_msg_gossip, gossip_fields);

const struct pxi_pb_message *pxi_pb_table(unsigned i)
{
    static const struct pxi_pb_message *const all[] = {
        &pxi_pb_key,           &pxi_pb_envelope,       &pxi_pb_peer_record,
        &pxi_pb_noise_payload, &pxi_pb_identify,       &pxi_pb_kad,
        &pxi_pb_kad_record,    &pxi_pb_kad_peer,       &pxi_pb_autonat,
        &pxi_pb_autonat2,      &pxi_pb_autonat2_back,  &pxi_pb_autonat2_back_response,
        &pxi_pb_relay_hop,     &pxi_pb_relay_stop,     &pxi_pb_relay_reservation,
        &pxi_pb_relay_limit,   &pxi_pb_voucher,        &pxi_pb_dcutr,
        &pxi_pb_gossip,        &pxi_pb_gossip_message, &pxi_pb_gossip_control,
    };
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}
