#include "netns_harness/toml_reader.hpp"

#include <algorithm>

#include "netns_harness/scenario.hpp"

namespace lockstep::harness {

void Findings::add(const toml::source_region& where, const std::string& message) {
    findings_.push_back({where.begin, message});
}

std::string Findings::text() const {
    std::vector<Finding> sorted = findings_;
    std::ranges::stable_sort(sorted, [](const Finding& a, const Finding& b) { return a.place < b.place; });
    std::string result;
    for (const Finding& finding : sorted) {
        if (!result.empty()) result += "\n";
        result += file_name_ + ":" + std::to_string(finding.place.line) + ":" + std::to_string(finding.place.column) +
                  ": " + finding.message;
    }
    return result;
}

std::string list_of(const std::vector<std::string>& words) {
    std::string result;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) result += i + 1 == words.size() ? " or " : ", ";
        result += words[i];
    }
    return result;
}

const toml::node* TableReader::find(const std::string& key) {
    known_.push_back(key);
    return table_.get(key);
}

void TableReader::complain(const std::string& key, const std::string& message) {
    const toml::node* node = table_.get(key);
    findings_.add(node != nullptr ? node->source() : table_.source(), title_ + ": " + message);
}

std::string TableReader::required_text(const std::string& key) {
    if (!has(key)) complain(key, "key '" + key + "' is missing");
    return text(key, "");
}

std::string TableReader::text(const std::string& key, const std::string& otherwise) {
    const toml::node* node = find(key);
    if (node == nullptr) return otherwise;
    if (const auto value = node->value_exact<std::string>(); value && !value->empty()) return *value;
    complain(key, "'" + key + "' must be a text in quotes, not empty");
    return otherwise;
}

std::optional<std::int64_t> TableReader::optional_integer(const std::string& key, std::int64_t least,
                                                          std::int64_t most) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    const auto value = node->value_exact<std::int64_t>();
    if (value && *value >= least && *value <= most) return value;
    complain(key, "'" + key + "' must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
}

std::int64_t TableReader::integer(const std::string& key, std::int64_t otherwise, std::int64_t least,
                                  std::int64_t most) {
    return optional_integer(key, least, most).value_or(otherwise);
}

std::int64_t TableReader::required_integer(const std::string& key, std::int64_t least, std::int64_t most) {
    if (!has(key)) complain(key, "key '" + key + "' is missing");
    return integer(key, least, least, most);
}

std::vector<std::string> TableReader::texts(const std::string& key) {
    const toml::node* node = find(key);
    std::vector<std::string> result;
    if (node == nullptr) return result;
    const toml::array* array = node->as_array();
    if (array != nullptr &&
        std::ranges::all_of(*array, [](const toml::node& element) { return element.is_string(); })) {
        for (const toml::node& element : *array) result.push_back(element.ref<std::string>());
        return result;
    }
    complain(key, "'" + key + "' must be an array of texts, [\"…\", \"…\"]");
    return result;
}

std::vector<std::string> TableReader::text_or_texts(const std::string& key) {
    const toml::node* node = table_.get(key);
    if (node == nullptr || !node->is_string()) return texts(key);
    return {text(key, "")};
}

std::optional<milliseconds> TableReader::optional_duration(const std::string& key) {
    if (!has(key)) {
        find(key);
        return std::nullopt;
    }
    try {
        return parse_duration(text(key, ""));
    } catch (const Error& error) {
        complain(key, error.what());
        return std::nullopt;
    }
}

void TableReader::table(const std::string& key, const std::function<void(TableReader&)>& read) {
    static const toml::table nothing;
    const toml::node* node = find(key);
    if (node != nullptr && !node->is_table()) return complain(key, "'" + key + "' must be a table, [" + key + "]");
    TableReader reader(node != nullptr ? *node->as_table() : nothing, "[" + key + "]", findings_);
    read(reader);
    reader.refuse_unknown_keys();
}

void TableReader::tables(const std::string& key, std::size_t least, const std::function<void(TableReader&)>& read) {
    const toml::node* node = find(key);
    const toml::array* array = node != nullptr ? node->as_array() : nullptr;
    const bool right_kind =
        array != nullptr && std::ranges::all_of(*array, [](const toml::node& element) { return element.is_table(); });
    if (node != nullptr && !right_kind)
        return complain(key, "'" + key + "' must be a table of its own for each, [[" + key + "]]");
    if (array == nullptr || array->size() < least) {
        if (least > 0) complain(key, "at least one [[" + key + "]] is needed");
        return;
    }
    for (const toml::node& element : *array) {
        TableReader reader(*element.as_table(), "[[" + key + "]]", findings_);
        read(reader);
        reader.refuse_unknown_keys();
    }
}

void TableReader::refuse_unknown_keys() {
    for (const auto& [key, node] : table_)
        if (std::ranges::find(known_, key.str()) == known_.end())
            findings_.add(key.source(),
                          title_ + ": unknown key '" + std::string(key.str()) + "'; allowed: " + list_of(known_));
}

}  // namespace lockstep::harness
