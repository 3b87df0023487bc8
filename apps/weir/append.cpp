#include <fmt/format.h>

#include <weir/base/json.hpp>
#include <weir/io/event_line.hpp>
#include <weir/io/lines.hpp>

#include <apps/weir/condition_text.hpp>
#include <apps/weir/files.hpp>
#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>

namespace weir::cli {
namespace {

struct AppendOptions {
  StoreOptions store;
  std::string file, content_type, idempotency_key;
  std::optional<std::string> type, data, id, if_nothing_new, condition_query;
  std::vector<std::string> tags, metadata;
  std::optional<std::uint64_t> after;
  std::optional<Timestamp> occurred_at;
  bool json = false;
};

void add_event_options(Flags& flags, AppendOptions& options) {
  const auto type = flags.add("--type", options.type, "The event's type");
  flags.add_list("--tag", options.tags, "A tag; repeat for several").needs(type);
  flags.add("--data", options.data, "The payload, @FILE or - for standard input; default {}")
      .may_be_empty()
      .needs(type);
  flags
      .add("--content-type", options.content_type,
           "Media type of the payload; default application/json")
      .needs(type);
  flags.add_list("--metadata", options.metadata, "An entry of the metadata; repeat for several")
      .type_name("KEY=VALUE")
      .needs(type);
  flags.add("--id", options.id, "The event's UUID; default a new one").needs(type);
  flags.add("--occurred-at", options.occurred_at, "When it happened; default now").needs(type);
  flags
      .add("events", options.file, "NDJSON file of events to append together, - for standard input")
      .excludes(type);
}

void add_condition_options(Flags& flags, AppendOptions& options) {
  const auto text = flags.add("--if-nothing-new", options.if_nothing_new,
                              "Append only if nothing matches, such as 'tag=book:dune after=7'");
  const auto query = flags
                         .add("--condition-query", options.condition_query,
                              "Append only if nothing matches this query")
                         .type_name("JSON")
                         .excludes(text);
  flags.add("--after", options.after, "Only events past this position fail the condition")
      .needs(query);
  flags.add("--idempotency-key", options.idempotency_key,
            "The same key with the same events appends once");
}

Result<std::string> payload_of(const AppendOptions& options, Program& program) {
  constexpr std::size_t bytes_max = 64 << 20;
  if (!options.data) return std::string(is_json(options.content_type) ? "{}" : "");
  if (*options.data == "-") return read_all(program.in, "standard input", bytes_max);
  if (options.data->starts_with('@')) return read_file(options.data->substr(1), bytes_max);
  return *options.data;
}

Result<Event> event_of(const AppendOptions& options, Program& program) {
  Event event{.type = *options.type,
              .tags = options.tags,
              .content_type = options.content_type,
              .occurred_at = options.occurred_at};
  if (options.id) {
    event.id = parse_uuid(*options.id);
    if (!event.id) return invalid_field("--id", fmt::format("'{}' is not a UUID", *options.id));
  }
  for (const auto& entry : options.metadata) {
    WEIR_TRY_ASSIGN(pair, parse_pair(entry, "--metadata"));
    event.metadata.push_back({std::move(pair.first), std::move(pair.second)});
  }
  WEIR_TRY_ASSIGN(data, payload_of(options, program));
  event.data = std::move(data);
  return event;
}

/// All lines of a file, which must all be right: they are appended together. Lines may carry one
/// tracking, which is the append's.
Result<void> read_events(std::FILE* file, AppendRequest& request) {
  io::LineReader lines(file, 16 << 20);
  const Limits limits;
  std::size_t bytes = 0;
  while (true) {
    WEIR_TRY_ASSIGN(next, lines.next());
    const auto at = fmt::format("line {}", lines.number());
    if (next == io::LineReader::Next::end) return {};
    if (next == io::LineReader::Next::too_long) return invalid_field(at, "longer than 16 MiB");
    if (lines.line().find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto line = io::parse_event_line(lines.line());
    if (!line) return invalid_field(at, line.error().message);
    bytes += size_of(line->event);
    if (request.events.size() == limits.events_max || bytes > limits.append_bytes_max) {
      return invalid_field(at, fmt::format("one append holds at most {} events and {} bytes; for "
                                           "more use weir import",
                                           limits.events_max, limits.append_bytes_max));
    }
    if (line->tracking) {
      if (request.tracking && request.tracking != line->tracking) {
        return invalid_field(at, "one append holds one tracking; use weir import");
      }
      request.tracking = line->tracking;
    }
    request.events.push_back(std::move(line->event));
  }
}

Result<AppendRequest> request_of(const AppendOptions& options, Program& program) {
  AppendRequest request{.idempotency_key = options.idempotency_key};
  if (options.if_nothing_new) {
    WEIR_TRY_ASSIGN(condition, parse_condition(*options.if_nothing_new));
    request.condition = std::move(condition);
  } else if (options.condition_query) {
    WEIR_TRY_ASSIGN(query, parse_query(*options.condition_query));
    request.condition = Condition{.fail_if_events_match = std::move(query)};
    if (options.after) request.condition->after = Position(*options.after);
  }
  if (options.type) {
    WEIR_TRY_ASSIGN(event, event_of(options, program));
    request.events.push_back(std::move(event));
  } else if (options.file.empty() && is_terminal(program.in)) {
    return invalid_field("--type", "is missing; or give events as NDJSON on standard input");
  } else if (options.file.empty() || options.file == "-") {
    WEIR_TRY(read_events(program.in, request));
  } else {
    WEIR_TRY_ASSIGN(file, open_file(options.file, "rb"));
    WEIR_TRY(read_events(file.get(), request));
  }
  if (request.events.empty()) {
    return invalid_field("events", "there are none: give --type, or a line of NDJSON for each");
  }
  return request;
}

Result<Exit> print(const Appended& appended, const AppendOptions& options, Program& program) {
  Output out(program.out);
  if (options.json) {
    out.write(fmt::format("{{\"first\":{},\"last\":{},\"recordedAt\":\"{}\",\"replayed\":{}}}\n",
                          appended.first.value, appended.last.value,
                          format_timestamp(appended.recorded_at), appended.replayed));
  } else if (appended.first == appended.last) {
    out.write(fmt::format("{}\n", appended.first.value));
  } else {
    out.write(fmt::format("{}-{}\n", appended.first.value, appended.last.value));
  }
  return out.finish();
}

Result<Exit> append(const AppendOptions& options, Program& program) {
  WEIR_TRY_ASSIGN(request, request_of(options, program));
  WEIR_TRY_ASSIGN(store, options.store.open(program, StoreOptions::Missing::file_is_made));
  request.call = options.store.call(program);
  const auto condition = request.condition;
  const auto appended = store->append(std::move(request));
  if (appended) return print(*appended, options, program);
  if (appended.error().code != Code::aborted || !condition) return appended.error();
  auto error = appended.error();
  error.message =
      explain_refusal(*store, options.store, *condition, error, options.store.call(program));
  return error;
}

}  // namespace

Run define_append(Flags& flags, Program& program) {
  auto options = std::make_shared<AppendOptions>();
  add_event_options(flags, *options);
  add_condition_options(flags, *options);
  flags.add("--json", options->json, "Print the positions as a JSON object");
  options->store.add_to(flags);
  flags.footer(
      "Without --type, events are read as NDJSON, all of them one append.\n"
      "Prints the position, or first-last.");
  return [options, &program] { return append(*options, program); };
}

}  // namespace weir::cli
