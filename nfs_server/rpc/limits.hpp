// What a client can make the server hold, and for how long. Rpc layer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lockstep::server::rpc {

// Every bound of the rpc layer. All of them hold for a client that does its worst.
struct Limits {
    // Open connections. When there are as many, the one that has been idle longest gives way to a newcomer.
    uint32_t max_connections = 1024;
    // One message. A WRITE of 1 MiB, the most that the server offers, with room for its header.
    uint32_t max_record_bytes = (1u << 20) + (8u << 10);
    // Requests of one connection that are read but not yet answered; beyond it the connection is not read.
    uint32_t max_in_flight = 128;
    // What is read of one connection before the others that have input have their turn. The system keeps as much for
    // each at least: a client for whose input it keeps more has no greater share of the server.
    size_t turn_bytes = size_t{128} << 10;
    // Replies of one connection that its client does not take; beyond it the connection is not read.
    size_t max_queued_output_bytes = size_t{4} << 20;
    // Received records and queued replies of all connections together. What would exceed it costs its connection.
    size_t memory_budget_bytes = size_t{512} << 20;

    // A connection with nothing under way.
    int64_t idle_limit_ms = 600'000;
    // A connection without anything under way that may give way to a newcomer when all are taken.
    int64_t eviction_idle_ms = 1'000;
    // A record that has begun to arrive and does not end.
    int64_t partial_record_limit_ms = 30'000;
    // Queued replies of which the client takes nothing.
    int64_t stalled_output_limit_ms = 60'000;
    // How many threads may stay with clients that send one request after another. 0: as many as there are processors.
    uint32_t attending_threads = 0;
    // How long such a thread asks its clients' sockets for the next request before it sleeps, while others who want the
    // processor go first. 0: it sleeps at once.
    int64_t busy_poll_us = 25;
    // How long a graceful stop waits for requests under way and their replies.
    int64_t stop_grace_ms = 5'000;
};

}  // namespace lockstep::server::rpc
