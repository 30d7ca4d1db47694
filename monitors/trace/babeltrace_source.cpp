#include "monitors/trace/babeltrace_source.hpp"

#include <babeltrace2/babeltrace.h>

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "monitors/trace/crash_guard.hpp"
#include "monitors/trace/declaration_list.hpp"
#include "monitors/trace/event_decoder.hpp"
#include "monitors/trace/loss_counter.hpp"
#include "monitors/trace/metadata_check.hpp"

namespace lockstep::monitors {
namespace {

struct PutValue {
    void operator()(bt_value* value) const { bt_value_put_ref(value); }
};
using Value = std::unique_ptr<bt_value, PutValue>;

// The innermost cause that the library noted for its last failure on this thread: the others say who called whom.
std::string take_cause() {
    const bt_error* error = bt_current_thread_take_error();
    if (error == nullptr) return "no cause given";
    std::string text = "no cause given";
    if (bt_error_get_cause_count(error) > 0)
        text = bt_error_cause_get_message(bt_error_borrow_cause_by_index(error, 0));
    bt_error_release(error);
    std::ranges::replace(text, '\n', ' ');
    return text;
}

[[noreturn]] void fail(const std::string& what) {
    throw TraceError(what + ": " + take_cause());
}

// A plugin of the library. It stays loaded for as long as the process lives: finding one costs milliseconds.
const bt_plugin* plugin(const std::string& name) {
    static std::mutex mutex;
    static auto& loaded = *new std::map<std::string, const bt_plugin*>;  // never destroyed, as its plugins
    std::lock_guard hold(mutex);
    const bt_plugin*& found = loaded[name];
    if (found == nullptr &&
        bt_plugin_find(name.c_str(), false, false, true, true, false, &found) != BT_PLUGIN_FIND_STATUS_OK)
        fail("babeltrace2's plugin '" + name + "'");
    return found;
}

// Directories below `directory` (itself included) that hold a CTF trace, in a stable order.
std::vector<std::string> find_traces(const std::filesystem::path& directory) {
    namespace fs = std::filesystem;
    std::vector<std::string> traces;
    std::error_code error;
    if (!fs::is_directory(directory, error)) throw TraceError(directory.string() + ": not a directory");
    if (fs::is_regular_file(directory / "metadata", error)) traces.push_back(directory.string());
    for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
        if (entry->is_directory(error) && fs::is_regular_file(entry->path() / "metadata", error))
            traces.push_back(entry->path().string());
    if (error) throw TraceError(directory.string() + ": " + error.message());
    if (traces.empty()) throw TraceError(directory.string() + ": no CTF trace in it (no file named metadata)");
    std::ranges::sort(traces);
    return traces;
}

}  // namespace

struct BabeltraceSource::Graph {
    Graph(std::string place, std::vector<WantedEvent> wanted) : name(std::move(place)), decoder(std::move(wanted)) {
        graph = bt_graph_create(0);
        if (graph == nullptr) fail("babeltrace2");
    }
    // What the library has crashed in is not touched again.
    ~Graph() {
        if (!broken) bt_graph_put_ref(graph);
    }
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    // Calls the library. Throws TraceError where it aborts or crashes.
    template <class Call>
    void call(Call call) {
        const int number = signal_of(call);
        if (number == 0) return;
        broken = true;
        take_cause();  // the library's next call would stumble over it
        throw TraceError(name + ": damaged: libbabeltrace2 ended in signal " + std::to_string(number));
    }

    void add_muxer_and_sink();
    void add_source(const char* class_name, const char* component_name, const bt_value* parameters);

    void handle(const bt_message* message);
    void tell_time_of_packet(const bt_message* message);
    bt_graph_simple_sink_component_consume_func_status consume(bt_message_iterator* iterator);

    std::string name;  // of the trace, for messages
    EventDecoder decoder;
    LossCounter losses;
    std::optional<DeclarationList> declarations;
    bt_graph* graph = nullptr;
    bool broken = false;
    const bt_component_filter* muxer = nullptr;  // borrowed from the graph
    EventHandler* handler = nullptr;             // during read()
    std::exception_ptr thrown;                   // by the handler; exceptions may not cross the library
};

void BabeltraceSource::Graph::add_muxer_and_sink() {
    const bt_plugin* utils = plugin("utils");
    const auto* muxer_class = bt_plugin_borrow_filter_component_class_by_name_const(utils, "muxer");
    if (muxer_class == nullptr ||
        bt_graph_add_filter_component(graph, muxer_class, "muxer", nullptr, BT_LOGGING_LEVEL_NONE, &muxer) !=
            BT_GRAPH_ADD_COMPONENT_STATUS_OK)
        fail("babeltrace2's muxer");

    const bt_component_sink* sink = nullptr;
    const auto consume_messages = [](bt_message_iterator* iterator, void* self) {
        return static_cast<Graph*>(self)->consume(iterator);
    };
    if (bt_graph_add_simple_sink_component(graph, "lockstep", nullptr, consume_messages, nullptr, this, &sink) !=
        BT_GRAPH_ADD_COMPONENT_STATUS_OK)
        fail("babeltrace2's sink");
    const bt_port_output* from = bt_component_filter_borrow_output_port_by_index_const(muxer, 0);
    const bt_port_input* to = bt_component_sink_borrow_input_port_by_index_const(sink, 0);
    if (bt_graph_connect_ports(graph, from, to, nullptr) != BT_GRAPH_CONNECT_PORTS_STATUS_OK)
        fail("connecting babeltrace2's muxer");
}

void BabeltraceSource::Graph::add_source(const char* class_name, const char* component_name,
                                         const bt_value* parameters) {
    const bt_plugin* ctf = plugin("ctf");
    const auto* source_class = bt_plugin_borrow_source_component_class_by_name_const(ctf, class_name);
    const bt_component_source* source = nullptr;
    if (source_class == nullptr) fail(name);
    bt_graph_add_component_status status{};
    call([&] {
        status = bt_graph_add_source_component(graph, source_class, component_name, parameters, BT_LOGGING_LEVEL_NONE,
                                               &source);
    });
    if (status != BT_GRAPH_ADD_COMPONENT_STATUS_OK) fail(name);
    const std::uint64_t ports = bt_component_source_get_output_port_count(source);
    for (std::uint64_t i = 0; i < ports; ++i) {
        // The muxer always has exactly one unconnected input port, its last.
        const std::uint64_t inputs = bt_component_filter_get_input_port_count(muxer);
        const bt_port_output* from = bt_component_source_borrow_output_port_by_index_const(source, i);
        const bt_port_input* to = bt_component_filter_borrow_input_port_by_index_const(muxer, inputs - 1);
        if (bt_graph_connect_ports(graph, from, to, nullptr) != BT_GRAPH_CONNECT_PORTS_STATUS_OK) fail(name);
    }
}

void BabeltraceSource::Graph::handle(const bt_message* message) {
    switch (bt_message_get_type(message)) {
        case BT_MESSAGE_TYPE_STREAM_BEGINNING:
            if (declarations) declarations->add(bt_message_stream_beginning_borrow_stream_const(message));
            break;
        case BT_MESSAGE_TYPE_EVENT:
            if (declarations) declarations->count(bt_message_event_borrow_event_const(message));
            decoder.decode(message, *handler);
            break;
        case BT_MESSAGE_TYPE_DISCARDED_EVENTS:
            if (const auto loss = losses.discarded_events(message)) handler->on_loss(*loss);
            break;
        case BT_MESSAGE_TYPE_DISCARDED_PACKETS:
            handler->on_loss(LossCounter::discarded_packets(message));
            break;
        case BT_MESSAGE_TYPE_PACKET_END:
            tell_time_of_packet(message);
            break;
        case BT_MESSAGE_TYPE_MESSAGE_ITERATOR_INACTIVITY:
            handler->on_time(snapshot_ns(bt_message_message_iterator_inactivity_borrow_clock_snapshot_const(message)));
            break;
        default:
            break;  // streams end, packets begin
    }
}

void BabeltraceSource::Graph::tell_time_of_packet(const bt_message* message) {
    const bt_stream* stream = bt_packet_borrow_stream_const(bt_message_packet_end_borrow_packet_const(message));
    if (bt_stream_class_packets_have_end_default_clock_snapshot(bt_stream_borrow_class_const(stream)))
        handler->on_time(snapshot_ns(bt_message_packet_end_borrow_default_clock_snapshot_const(message)));
}

bt_graph_simple_sink_component_consume_func_status BabeltraceSource::Graph::consume(bt_message_iterator* iterator) {
    bt_message_array_const messages = nullptr;
    std::uint64_t count = 0;
    const auto status = bt_message_iterator_next(iterator, &messages, &count);
    if (status != BT_MESSAGE_ITERATOR_NEXT_STATUS_OK)
        return static_cast<bt_graph_simple_sink_component_consume_func_status>(status);
    const OwnCode own;
    for (std::uint64_t i = 0; i < count; ++i) {
        try {
            if (!thrown) handle(messages[i]);
        } catch (...) {
            thrown = std::current_exception();
        }
        bt_message_put_ref(messages[i]);
    }
    return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_OK;
}

BabeltraceSource::BabeltraceSource(std::unique_ptr<Graph> graph) : graph_(std::move(graph)) {}

BabeltraceSource::~BabeltraceSource() = default;

std::unique_ptr<BabeltraceSource> BabeltraceSource::open_directory(const std::filesystem::path& directory,
                                                                   std::vector<WantedEvent> wanted) {
    const std::vector<std::string> traces = find_traces(directory);
    auto graph = std::make_unique<Graph>(directory.string(), std::move(wanted));
    graph->add_muxer_and_sink();
    for (std::size_t i = 0; i < traces.size(); ++i) {
        const Value parameters(bt_value_map_create());
        bt_value* inputs = nullptr;
        bt_value_map_insert_empty_array_entry(parameters.get(), "inputs", &inputs);
        bt_value_array_append_string_element(inputs, traces[i].c_str());
        graph->name = traces[i];
        if (const auto problem = metadata_problem(std::filesystem::path(traces[i]) / "metadata"))
            throw TraceError(*problem);
        graph->add_source("fs", ("trace " + std::to_string(i)).c_str(), parameters.get());
    }
    graph->name = directory.string();
    return std::unique_ptr<BabeltraceSource>(new BabeltraceSource(std::move(graph)));
}

std::unique_ptr<BabeltraceSource> BabeltraceSource::open_live(const std::string& url, std::vector<WantedEvent> wanted) {
    auto graph = std::make_unique<Graph>(url, std::move(wanted));
    graph->add_muxer_and_sink();
    const Value parameters(bt_value_map_create());
    bt_value* inputs = nullptr;
    bt_value_map_insert_empty_array_entry(parameters.get(), "inputs", &inputs);
    bt_value_array_append_string_element(inputs, url.c_str());
    // "continue" would wait for ever for a session that is gone.
    bt_value_map_insert_string_entry(parameters.get(), "session-not-found-action", "end");
    graph->add_source("lttng-live", "live", parameters.get());
    return std::unique_ptr<BabeltraceSource>(new BabeltraceSource(std::move(graph)));
}

void BabeltraceSource::note_declarations() {
    graph_->declarations.emplace();
}

std::vector<DeclaredEvent> BabeltraceSource::declarations() const {
    return graph_->declarations ? graph_->declarations->all() : std::vector<DeclaredEvent>{};
}

EventSource::Status BabeltraceSource::read(EventHandler& handler) {
    graph_->handler = &handler;
    bt_graph_run_once_status status{};
    graph_->call([&] { status = bt_graph_run_once(graph_->graph); });
    graph_->handler = nullptr;
    if (graph_->thrown) std::rethrow_exception(std::exchange(graph_->thrown, nullptr));
    switch (status) {
        case BT_GRAPH_RUN_ONCE_STATUS_OK:
            return Status::more;
        case BT_GRAPH_RUN_ONCE_STATUS_AGAIN:
            return Status::again;
        case BT_GRAPH_RUN_ONCE_STATUS_END:
            return Status::end;
        default:
            fail(graph_->name);
    }
}

}  // namespace lockstep::monitors
