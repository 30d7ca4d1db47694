#include "nfs_server/main_config.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include <fmt/format.h>
#include <toml++/toml.h>

namespace lockstep::server {
namespace {

class Findings {
 public:
    explicit Findings(std::string file) : file_(std::move(file)) {}
    void add(const toml::source_region& where, const std::string& what) {
        if (!text_.empty()) text_ += '\n';
        text_ += fmt::format("{}:{}:{}: {}", file_, where.begin.line, where.begin.column, what);
    }
    const std::string& text() const { return text_; }

 private:
    std::string file_;
    std::string text_;
};

// Reads a table key by key; what was not asked for is refused in the end.
class Table {
 public:
    Table(const toml::table& table, Findings& findings) : table_(table), findings_(findings) {}

    const toml::node* find(const char* key) {
        asked_.emplace_back(key);
        return table_.get(key);
    }
    template <class T>
    void read(const char* key, T& value, const char* what) {
        const toml::node* node = find(key);
        if (node == nullptr) return;
        if (const auto found = node->value_exact<T>())
            value = *found;
        else
            complain(*node, fmt::format("{} must be {}", key, what));
    }
    void text(const char* key, std::string& value) { read(key, value, "a text"); }
    void flag(const char* key, bool& value) { read(key, value, "true or false"); }
    template <class Number>
    void number(const char* key, Number& value, int64_t least, int64_t most) {
        const toml::node* node = find(key);
        if (node == nullptr) return;
        const auto found = node->value_exact<int64_t>();
        if (!found || *found < least || *found > most)
            return complain(*node, fmt::format("{} must be a number from {} to {}", key, least, most));
        value = static_cast<Number>(*found);
    }
    void port(const char* key, std::optional<uint16_t>& value) {
        uint16_t found = 0;
        number(key, found, 0, UINT16_MAX);
        if (table_.contains(key)) value = found;
    }
    // Each text of an array; `use` returns what is wrong with it, or nothing.
    template <class Use>
    void texts(const char* key, Use use) {
        const toml::node* node = find(key);
        if (node == nullptr) return;
        const toml::array* array = node->as_array();
        if (array == nullptr) return complain(*node, fmt::format("{} must be an array of texts", key));
        for (const toml::node& element : *array) {
            const auto text = element.value_exact<std::string>();
            const std::string wrong = text ? use(*text) : fmt::format("{} must be an array of texts", key);
            if (!wrong.empty()) complain(element, wrong);
        }
    }
    void one_of(const char* key, std::string& value, const std::vector<std::string>& words) {
        std::string found = value;
        text(key, found);
        if (std::ranges::find(words, found) != words.end()) {
            value = found;
        } else if (const toml::node* node = table_.get(key)) {
            complain(*node, fmt::format("{} is none of {}", key, fmt::join(words, ", ")));
        }
    }
    void refuse_the_rest() {
        for (const auto& [key, value] : table_)
            if (std::ranges::find(asked_, key.str()) == asked_.end())
                findings_.add(key.source(), fmt::format("there is no setting {}", key.str()));
    }
    void complain(const toml::node& node, const std::string& what) { findings_.add(node.source(), what); }
    void complain(const std::string& what) { findings_.add(table_.source(), what); }

 private:
    const toml::table& table_;
    Findings& findings_;
    std::vector<std::string> asked_;
};

ops::Export read_export(const toml::table& source, Findings& findings) {
    Table table(source, findings);
    ops::Export result;
    table.text("path", result.path);
    if (!ops::is_clean_path(result.path)) table.complain("an export needs a path, for example path = \"/export\"");
    table.text("directory", result.directory);
    if (!ops::is_clean_path(result.directory))
        table.complain("directory must be a path, for example \"/\" or \"/projects\"");
    table.texts("clients", [&](const std::string& text) {
        auto network = ops::Network::parse(text);
        if (network) result.clients.push_back(std::move(*network));
        return network ? std::string() : network.error();
    });
    table.flag("read_only", result.read_only);
    table.flag("secure_ports", result.secure_ports);
    std::string squash = "none";
    table.one_of("squash", squash, {"none", "root", "all"});
    result.squash = ops::parse_squash(squash).value_or(ops::Squash::none);
    table.number("anonymous_uid", result.anonymous_uid, 0, UINT32_MAX);
    table.number("anonymous_gid", result.anonymous_gid, 0, UINT32_MAX);
    table.refuse_the_rest();
    return result;
}

void read_exports(Table& table, Findings& findings, std::vector<ops::Export>& exports) {
    const toml::node* node = table.find("export");
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr || !array->is_homogeneous(toml::node_type::table))
        return table.complain(*node, "an export is written as [[export]]");
    exports.clear();
    for (const toml::node& element : *array) exports.push_back(read_export(*element.as_table(), findings));
    if (auto made = ops::ExportTable::make(exports); !made && findings.text().empty())
        table.complain(*node, made.error());
}

}  // namespace

Result<void, std::string> read_config(const std::string& file, Options& options) {
    toml::table source;
    try {
        source = toml::parse_file(file);
    } catch (const toml::parse_error& error) {
        Findings findings(file);
        findings.add(error.source(), std::string(error.description()));
        return fail(findings.text());
    }
    Findings findings(file);
    Options result = options;
    Table table(source, findings);
    table.text("disk", result.disk);
    if (source.contains("bind")) result.bind_addresses.clear();
    table.texts("bind", [&](const std::string& text) {
        result.bind_addresses.push_back(text);
        const auto address = rpc::PeerAddress::parse(text, 0);
        return address ? std::string() : address.error();
    });
    table.number("port", result.port, 0, UINT16_MAX);
    table.port("mount_port", result.mount_port);
    table.port("nlm_port", result.nlm_port);
    table.number("threads", result.threads, 1, Options::max_threads);
    table.number("max_connections", result.max_connections, 1, Options::max_max_connections);
    table.flag("register_rpcbind", result.register_rpcbind);
    table.number("grace_period", result.grace_period_s, 1, Options::max_grace_period_s);
    table.text("admin", result.admin_socket);
    table.text("metrics", result.metrics);
    table.number("max_request", result.max_request_bytes, Options::least_request_bytes, Options::largest_request_bytes);
    table.number("max_memory", result.max_memory_bytes, Options::least_memory_bytes, INT64_MAX);
    table.number("cache", result.cache_bytes, Options::least_cache_bytes, INT64_MAX);
    table.number("max_in_flight", result.max_in_flight, 1, Options::max_max_in_flight);
    table.number("busy_poll", result.busy_poll_us, 0, Options::max_busy_poll_us);
    table.one_of("log_format", result.log_format, {"text", "json"});
    table.one_of("log_level", result.log_level, {"debug", "info", "warning", "error"});
    read_exports(table, findings, result.exports);
    table.refuse_the_rest();
    if (!findings.text().empty()) return fail(findings.text());
    options = std::move(result);
    return {};
}

}  // namespace lockstep::server
