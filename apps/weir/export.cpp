#include <algorithm>
#include <filesystem>
#include <optional>
#include <stop_token>

#include <fmt/format.h>
#include <unistd.h>

#include <apps/weir/event_text.hpp>
#include <apps/weir/files.hpp>
#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>
#include <apps/weir/progress.hpp>

namespace weir::cli {
namespace {

struct Options {
  StoreOptions store;
  ReadOptions read;
  std::string file;
  bool json = false;
};

struct Exported {
  std::uint64_t events = 0;
  Position head;
};

Result<Exported> write_events(EventStore& store, const ReadRequest& request, Output& out,
                              Progress& progress, const std::stop_token& stop) {
  Exported exported;
  auto stream = store.read(request);
  while (true) {
    WEIR_TRY_ASSIGN(step, stream.next());
    if (stop.stop_requested()) return interrupted();
    if (!step || !out.write(to_text(step->batch, EventStyle::json))) break;
    exported.events += step->batch.size();
    exported.head = step->head;
    const auto until = std::min(request.until.value_or(step->head), step->head);
    if (until <= request.after) continue;
    const auto done = request.direction == Direction::forwards
                          ? step->cursor.value - request.after.value
                          : until.next().value - step->cursor.value;
    progress.show(done, until.value - request.after.value);
  }
  progress.clear();
  return exported;
}

Result<Exported> write_into(EventStore& store, const ReadRequest& request, std::FILE* file,
                            Progress& progress, const std::stop_token& stop) {
  Output out(file);
  auto exported = write_events(store, request, out, progress, stop);
  const auto written = out.finish();
  if (exported && !written) return written.error();
  return exported;
}

/// The file that a path names, where it may be replaced; nothing where it may not.
std::optional<std::string> replaceable(const std::string& path) {
  std::error_code error;  // what can't be looked at, opening it will tell
  const auto is = std::filesystem::status(path, error);
  if (std::filesystem::is_regular_file(is)) {
    const auto file = std::filesystem::canonical(path, error);
    return error ? std::nullopt : std::optional(file.string());
  }
  const bool link = std::filesystem::is_symlink(std::filesystem::symlink_status(path, error));
  return std::filesystem::exists(is) || link ? std::nullopt : std::optional(path);
}

/// Writes beside the file and renames when all is on disk, so that a file of that name is whole.
Result<Exported> write_file(EventStore& store, const ReadRequest& request, const std::string& path,
                            Progress& progress, const std::stop_token& stop) {
  const auto unfinished = path + ".unfinished";
  WEIR_TRY_ASSIGN(file, open_file(unfinished, "wb"));
  Output out(file.get());
  auto exported = write_events(store, request, out, progress, stop);
  auto done = exported ? out.finish() : Result<Exit>(exported.error());
  if (done && ::fsync(::fileno(file.get())) != 0) {
    done = Error{.code = Code::unknown, .message = path + ": cannot be brought to the disk"};
  }
  file.reset();
  if (done && std::rename(unfinished.c_str(), path.c_str()) != 0) {
    done = Error{.code = Code::unknown, .message = path + ": cannot be replaced"};
  }
  if (done) return exported;
  std::remove(unfinished.c_str());
  return done.error();
}

/// What is no regular file (a pipe, a device) is written into.
Result<Exported> write_named(EventStore& store, const ReadRequest& request, const std::string& path,
                             Progress& progress, const std::stop_token& stop) {
  if (const auto file = replaceable(path)) {
    return write_file(store, request, *file, progress, stop);
  }
  WEIR_TRY_ASSIGN(file, open_file(path, "wb"));
  return write_into(store, request, file.get(), progress, stop);
}

Result<Exit> export_events(const Options& options, Program& program) {
  WEIR_TRY_ASSIGN(request, options.read.request());
  WEIR_TRY_ASSIGN(store, options.store.open(program));
  Progress progress(program, "exporting", "events");
  const auto stop = program.interrupted();
  if (options.file.empty() || options.file == "-") {
    WEIR_TRY(write_into(*store, request, program.out, progress, stop));
    return Exit::fine;
  }
  WEIR_TRY_ASSIGN(exported, write_named(*store, request, options.file, progress, stop));
  Output out(program.out);
  out.write(options.json ? fmt::format("{{\"exported\":{},\"head\":{}}}\n", exported.events,
                                       exported.head.value)
                         : fmt::format("exported {} events\n", exported.events));
  return out.finish();
}

}  // namespace

Run define_export(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  flags.add("file", options->file, "File to write; default standard output");
  options->read.add_to(flags);
  flags.add("--json", options->json, "When writing a file, print the summary as a JSON object");
  options->store.add_to(flags);
  return [options, &program] { return export_events(*options, program); };
}

}  // namespace weir::cli
