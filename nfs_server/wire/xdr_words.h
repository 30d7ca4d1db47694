/*
 * The words of XDR, inline: most of what rpcgen's code does is to move one after another. C, since rpcgen's code is C.
 * Wire layer. For the streams of xdr_decoder.hpp and xdr_encoder.hpp, which keep the stretch of memory that they stand
 * at in x_base and x_handy; where that ends, libtirpc's functions ask the stream itself. Source: RFC 4506 section 4.
 */
#pragma once

#include <arpa/inet.h>
#include <rpc/rpc.h>
#include <string.h>

/* An unsigned integer. FALSE: the record has ended. */
static inline bool_t wire_xdr_u_int(XDR* xdrs, u_int* value) {
    u_int word;
    if (xdrs->x_handy < sizeof word) return xdr_u_int(xdrs, value);
    if (xdrs->x_op == XDR_ENCODE) {
        word = htonl(*value);
        memcpy(xdrs->x_base, &word, sizeof word);
    } else {
        memcpy(&word, xdrs->x_base, sizeof word);
        *value = ntohl(word);
    }
    xdrs->x_base += sizeof word;
    xdrs->x_handy -= sizeof word;
    return TRUE;
}

static inline bool_t wire_xdr_int(XDR* xdrs, int* value) {
    u_int word = (u_int)*value;
    if (!wire_xdr_u_int(xdrs, &word)) return FALSE;
    *value = (int)word;
    return TRUE;
}

/* Anything but 0 is TRUE. */
static inline bool_t wire_xdr_bool(XDR* xdrs, bool_t* value) {
    u_int word = *value != FALSE;
    if (!wire_xdr_u_int(xdrs, &word)) return FALSE;
    *value = word != 0;
    return TRUE;
}

/* An unsigned hyper. */
static inline bool_t wire_xdr_u_quad_t(XDR* xdrs, u_quad_t* value) {
    u_int high = (u_int)(*value >> 32);
    u_int low = (u_int)*value;
    if (!wire_xdr_u_int(xdrs, &high) || !wire_xdr_u_int(xdrs, &low)) return FALSE;
    *value = (u_quad_t)high << 32 | low;
    return TRUE;
}
