/*
 * XDR primitives that never take memory for what a record only claims to hold. C, since rpcgen's code is C. Wire layer.
 * They work on the streams of xdr_decoder.hpp and xdr_encoder.hpp only.
 *
 * Decoding: opaque data and strings point into the record (nothing is copied; a string is moved four bytes down, over
 * its own length, to make room for its NUL); arrays and optional parts live in the stream's arena. Nothing is ever
 * freed by xdr_free. Encoding: opaque data of some size is referenced, not copied: it must live until the reply has
 * left.
 */
#pragma once

#include <rpc/rpc.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The same contracts as libtirpc's functions of that name, but for memory. FALSE: the record ended, or a limit was
 * passed. */
bool_t wire_xdr_bytes(XDR* xdrs, char** bytes, u_int* size_bytes, u_int max_bytes);
/* A string with a NUL inside is refused: two names that look alike to C must not differ on the wire. */
bool_t wire_xdr_string(XDR* xdrs, char** text, u_int max_bytes);
bool_t wire_xdr_array(XDR* xdrs, char** elements, u_int* count, u_int max_count, u_int element_bytes,
                      xdrproc_t element);
bool_t wire_xdr_pointer(XDR* xdrs, char** object, u_int object_bytes, xdrproc_t xdr_object);
bool_t wire_xdr_reference(XDR* xdrs, char** object, u_int object_bytes, xdrproc_t xdr_object);
/* An enumeration from 0 to last; anything else does not decode. */
bool_t wire_xdr_enum(XDR* xdrs, enum_t* value, int last);

#ifdef __cplusplus
}
#endif
