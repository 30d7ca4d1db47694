#include "netns_harness/shrink.hpp"

#include <toml++/toml.h>

#include <functional>
#include <sstream>

#include "netns_harness/scenario.hpp"

namespace lockstep::harness {
namespace {

class Steps {
 public:
    explicit Steps(const std::string& text) : root_(toml::parse(text)), scenario_(parse_scenario(text, "scenario")) {}

    std::vector<SmallerScenario> all() {
        shorter();
        for (const char* list : {"fault", "client", "workload"}) without_one(list);
        for (const char* key : {"count", "owners", "files", "resources"}) halved(key);
        return std::move(found_);
    }

 private:
    // Only what is a scenario: a fault may name a client that has been left out.
    void add(const std::string& what, const std::function<void(toml::table&)>& change) {
        toml::table changed = root_;
        change(changed);
        std::ostringstream text;
        text << changed << "\n";
        try {
            parse_scenario(text.str(), "scenario");
        } catch (const ScenarioError&) {
            return;
        }
        found_.push_back({what, text.str()});
    }

    void shorter() {
        constexpr milliseconds least{200};
        const milliseconds half = scenario_.duration / 2;
        if (half < least) return;
        add("half as long: " + to_text(half),
            [half](toml::table& root) { root.insert_or_assign("duration", std::to_string(half.count()) + "ms"); });
    }

    static std::string name_of(const toml::table& table, std::size_t place) {
        for (const char* key : {"name", "kind"})
            if (const auto name = table[key].value<std::string>()) return *name;
        return std::to_string(place + 1);
    }

    void without_one(const std::string& list) {
        const toml::array* all = root_[list].as_array();
        if (all == nullptr) return;
        for (std::size_t place = 0; place < all->size(); ++place)
            add("without " + list + " " + name_of(*(*all)[place].as_table(), place), [&](toml::table& root) {
                toml::array& tables = *root[list].as_array();
                tables.erase(tables.begin() + static_cast<std::ptrdiff_t>(place));
                if (tables.empty()) root.erase(list);
            });
    }

    void halved(const std::string& key) {
        for (const std::string list : {"client", "workload"}) {
            const toml::array* all = root_[list].as_array();
            for (std::size_t place = 0; all != nullptr && place < all->size(); ++place) {
                const auto number = (*(*all)[place].as_table())[key].value<std::int64_t>();
                if (!number || *number < 2) continue;
                for (const std::int64_t less : {*number / 2, *number - 1})
                    add(std::to_string(less) + " " + key + " of " + name_of(*(*all)[place].as_table(), place),
                        [&](toml::table& root) {
                            (*root[list].as_array())[place].as_table()->insert_or_assign(key, less);
                        });
            }
        }
    }

    const toml::table root_;
    const Scenario scenario_;
    std::vector<SmallerScenario> found_;
};

}  // namespace

std::vector<SmallerScenario> smaller_scenarios(const std::string& text) {
    return Steps(text).all();
}

}  // namespace lockstep::harness
