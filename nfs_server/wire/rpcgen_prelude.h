/*
 * Included before every C file that rpcgen made: it swaps the primitives of libtirpc that take memory on a client's word for
 * ours (xdr_memory.h), which look at what the record really holds first. Wire layer.
 */
#include "nfs_server/wire/xdr_memory.h"

#define xdr_bytes wire_xdr_bytes
#define xdr_string wire_xdr_string
#define xdr_array wire_xdr_array
#define xdr_pointer wire_xdr_pointer
#define xdr_reference wire_xdr_reference
/* objp is the name that rpcgen gives to the value in every function that it makes. */
#define xdr_enum(xdrs, value) wire_xdr_enum((xdrs), (value), WIRE_ENUM_LAST(objp))
