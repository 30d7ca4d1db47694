// Reads a TOML table key by key, remembers which keys were asked for, and refuses the others: so what a file may say is
// written down once, where it is read. Findings are collected, not thrown: a file's errors are reported all at once.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "netns_harness/system.hpp"

namespace lockstep::harness {

// Everything that is wrong with one file.
class Findings {
 public:
    explicit Findings(std::string file_name) : file_name_(std::move(file_name)) {}
    void add(const toml::source_region& where, const std::string& message);
    bool empty() const { return findings_.empty(); }
    std::string text() const;  // sorted by place, a line each, without a newline at the end

 private:
    struct Finding {
        toml::source_position place;
        std::string message;
    };
    std::string file_name_;
    std::vector<Finding> findings_;
};

// One table. After the last key, refuse_unknown_keys(). What can't be read yields the default, and a finding.
class TableReader {
 public:
    // `title`: what the table is called in messages, "[[client]]". Borrows all.
    TableReader(const toml::table& table, std::string title, Findings& findings)
        : table_(table), title_(std::move(title)), findings_(findings) {}

    std::string required_text(const std::string& key);
    std::string text(const std::string& key, const std::string& otherwise);
    std::int64_t integer(const std::string& key, std::int64_t otherwise, std::int64_t least, std::int64_t most);
    std::optional<std::int64_t> optional_integer(const std::string& key, std::int64_t least, std::int64_t most);
    std::int64_t required_integer(const std::string& key, std::int64_t least, std::int64_t most);
    std::vector<std::string> texts(const std::string& key);
    // A text stands for an array of one.
    std::vector<std::string> text_or_texts(const std::string& key);
    // "500ms", "3s", "2m".
    std::optional<milliseconds> optional_duration(const std::string& key);

    // The table at `key`, or an empty one.
    void table(const std::string& key, const std::function<void(TableReader&)>& read);
    // Each table of the array at `key`; a finding when there are fewer than `least`.
    void tables(const std::string& key, std::size_t least, const std::function<void(TableReader&)>& read);

    void refuse_unknown_keys();

    // A finding at the value of `key`, or at the table when it has no such key.
    void complain(const std::string& key, const std::string& message);
    bool has(const std::string& key) const { return table_.contains(key); }

 private:
    const toml::node* find(const std::string& key);

    const toml::table& table_;
    std::string title_;
    Findings& findings_;
    std::vector<std::string> known_;
};

// "a, b or c", for messages.
std::string list_of(const std::vector<std::string>& words);

}  // namespace lockstep::harness
