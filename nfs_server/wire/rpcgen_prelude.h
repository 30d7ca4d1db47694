/*
 * Included before every C file that rpcgen made: it swaps the primitives of libtirpc that take memory on a client's word for
 * ours (xdr_memory.h), which look at what the record really holds first, and those for single words for inline ones
 * (xdr_words.h). Wire layer.
 */
#include "nfs_server/wire/xdr_memory.h"
#include "nfs_server/wire/xdr_words.h"

#define xdr_int wire_xdr_int
#define xdr_u_int wire_xdr_u_int
#define xdr_bool wire_xdr_bool
#define xdr_u_quad_t wire_xdr_u_quad_t
#define xdr_bytes wire_xdr_bytes
#define xdr_string wire_xdr_string
#define xdr_array wire_xdr_array
#define xdr_pointer wire_xdr_pointer
#define xdr_reference wire_xdr_reference
/* objp is the name that rpcgen gives to the value in every function that it makes. */
#define xdr_enum(xdrs, value) wire_xdr_enum((xdrs), (value), WIRE_ENUM_LAST(objp))
