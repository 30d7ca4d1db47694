// Conflict serialisability of transactions, judged as they run: is there an order of whole transactions in which every
// read sees what it saw, and every write overwrites what it overwrote? No automaton of one object can tell: a cycle
// goes through several.
//
//   T1 reads x ───────────────────────────────── T1 reads y      T1 before T2, for it read the old x,
//                T2 writes x and y, commits                      and after T2, for it read the new y: a cycle
//
// Each transaction has a vector clock of all that it must follow, as in AeroDrome; a transaction is at fault when it
// must follow one that must follow it. The writes of a transaction count at its commit, where they become visible;
// those that abort do not count. So an edge against the order of commits begins at a read only: `stale` below. Without
// such a read each event costs a few steps for each byte range that it touches times the transactions that run at once,
// whatever the length of the run; a commit behind a stale read looks at everything that is remembered.
//
// Transactions that run at once are numbered by slots. Those that follow each other in one slot count as ordered, as
// AeroDrome's threads order theirs: strict two-phase locking promises that, too.
//
// Source: Mathur, Viswanathan: Atomicity checking in linear time using vector clocks, ASPLOS 2020.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace lockstep::monitors {

/// Bytes of a block.
struct ByteRange {
    std::uint64_t block = 0;
    std::uint32_t first = 0;
    std::uint32_t end = 0;
};

/// Two transactions each of which must come before the other.
struct SerialisabilityViolation {
    std::uint64_t transaction = 0;  ///< its commit closed the cycle
    std::uint64_t other = 0;        ///< changed what `transaction` had read,
    ByteRange read{};               ///< here,
    std::uint64_t follows = 0;      ///< and is this one, or must come before it, the last writer of
    ByteRange met{};  ///< this, which `transaction` read or overwrote later; all 0: a later one of its slot
    std::string to_text() const;
};

/// Events in one order; of a transaction that was not seen to begin, nothing counts. Not thread-safe. Memory: for each
/// range of bytes that was ever touched, and each transaction that runs.
class SerialisabilityChecker {
 public:
    SerialisabilityChecker();
    ~SerialisabilityChecker();
    SerialisabilityChecker(const SerialisabilityChecker&) = delete;
    SerialisabilityChecker& operator=(const SerialisabilityChecker&) = delete;

    void began(std::uint64_t transaction);
    void read(std::uint64_t transaction, const ByteRange& bytes);
    void wrote(std::uint64_t transaction, const ByteRange& bytes);
    /// The first cycle that this commit closes.
    std::optional<SerialisabilityViolation> committed(std::uint64_t transaction);
    void aborted(std::uint64_t transaction);

    /// Transactions that were judged.
    std::uint64_t committed_count() const { return committed_count_; }
    /// Transactions that run.
    std::uint64_t running_count() const { return running_.size(); }

 private:
    // By slot: the transactions of that slot that come before, as the number of the last of them; a missing one is 0.
    using Clock = std::vector<std::uint64_t>;
    // A transaction in clocks.
    struct Stamp {
        std::size_t slot = 0;
        std::uint64_t number = 0;  // in its slot, from 1
    };
    struct Stale {
        Stamp writer;
        std::uint64_t transaction = 0;
        ByteRange read;
    };
    struct Running {
        Stamp stamp;
        Clock clock;
        std::vector<ByteRange> reads, writes;
        std::vector<Stale> stale;  // who has changed what it had read
    };
    // Who committed the bytes last, and the clocks of all that read them since.
    struct Access {
        std::uint64_t writer = 0;
        std::shared_ptr<Clock> written;
        std::shared_ptr<Clock> read;
    };
    struct Piece {
        std::uint32_t end = 0;
        Access access;
    };
    using Pieces = std::map<std::uint32_t, Piece>;  // of a block, by first byte, not overlapping

    static void join(Clock& clock, const Clock& other);
    static bool includes(const Clock& clock, const Stamp& stamp);
    static bool overlap(const ByteRange& a, const ByteRange& b);
    template <class Visit>
    void for_each_piece(const ByteRange& bytes, Visit&& visit);
    static void cut(Pieces& pieces, std::uint32_t at);
    Running* find(std::uint64_t transaction);
    std::optional<SerialisabilityViolation> find_cycle(std::uint64_t transaction, Running& running);
    void follow_stale_edges(const Running& running);
    void make_others_stale(std::uint64_t transaction, const Running& running);
    void remember(std::uint64_t transaction, const Running& running);

    std::unordered_map<std::uint64_t, Running> running_;
    std::vector<Clock> slots_;  // of the last transaction that committed in each
    std::vector<std::size_t> free_slots_;
    std::unordered_map<std::uint64_t, Pieces> blocks_;
    std::uint64_t committed_count_ = 0;
};

}  // namespace lockstep::monitors
