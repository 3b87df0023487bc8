#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

#include <weir/io/csv_events.hpp>
#include <weir/io/line_events.hpp>

#include <apps/weir/files.hpp>
#include <apps/weir/importer.hpp>
#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>
#include <apps/weir/progress.hpp>

namespace weir::cli {
namespace {

enum class Format { csv, ndjson };

struct Options {
  StoreOptions store;
  std::string file, format, type, time;
  std::vector<std::string> tags;
  std::string separator = ",";
  std::string limits = "default";
  std::optional<std::uint64_t> batch;
  std::uint64_t memory_max_mib = 1024;
  bool strict = false, dry_run = false, json = false;

  std::size_t memory_max() const { return static_cast<std::size_t>(memory_max_mib) << 20; }
};

/// Standard input is opened anew, because the source closes its file.
Result<File> open_input(const Options& options, Program& program) {
  if (options.file != "-") return open_file(options.file, "rb");
  const int copy = ::dup(::fileno(program.in));
  File file(copy < 0 ? nullptr : ::fdopen(copy, "rb"));
  if (!file) return Error{.code = Code::unknown, .message = "standard input cannot be read"};
  return file;
}

/// By the file's name, or else by what it begins with.
Result<Format> format_of(const Options& options, std::FILE* file) {
  const std::string_view name = options.file;
  if (options.format == "csv") return Format::csv;
  if (options.format == "ndjson") return Format::ndjson;
  if (name.ends_with(".csv")) return Format::csv;
  if (name.ends_with(".ndjson") || name.ends_with(".jsonl")) return Format::ndjson;
  const int first = std::fgetc(file);
  if (std::fseek(file, 0, SEEK_SET) != 0) {
    return Error{.code = Code::unknown, .message = options.file + ": cannot be read twice"};
  }
  return first == '{' ? Format::ndjson : Format::csv;
}

Result<std::unique_ptr<io::EventSource>> open_csv(const Options& options, std::FILE* file) {
  io::CsvMapping mapping{.type = options.type, .time = options.time};
  if (options.type.empty()) {
    return invalid_field("--type", "is missing: the column of a CSV file that holds the type");
  }
  for (const auto& tag : options.tags) {
    WEIR_TRY_ASSIGN(parsed, io::parse_csv_tag(tag));
    mapping.tags.push_back(std::move(parsed));
  }
  if (options.separator.size() != 1 || options.separator.find_first_of("\"\r\n") == 0) {
    return invalid_field("--separator", "must be one character, and no quote");
  }
  mapping.csv.separator = options.separator.front();
  auto text = read_all(file, options.file, options.memory_max());
  if (!text && text.error().code == Code::invalid_argument) {
    return invalid_field(options.file, fmt::format("is longer than {} MiB. A CSV file is held in "
                                                   "memory to be sorted; see --memory-max",
                                                   options.memory_max_mib));
  }
  if (!text) return text.error();
  return io::open_csv_events(std::move(*text), std::move(mapping));
}

Result<std::unique_ptr<io::EventSource>> open_lines(const Options& options, File file) {
  if (!options.type.empty() || !options.tags.empty() || !options.time.empty()) {
    return invalid_field("--type, --tag, --time", "are for columns of a CSV file");
  }
  return io::open_line_events(file.release());
}

Result<std::unique_ptr<io::EventSource>> open_source(const Options& options, Program& program) {
  WEIR_TRY_ASSIGN(input, open_input(options, program));
  WEIR_TRY_ASSIGN(file, seekable(std::move(input), options.file));
  if (std::fseek(file.get(), 0, SEEK_SET) != 0) {
    return Error{.code = Code::unknown, .message = options.file + ": cannot be read twice"};
  }
  WEIR_TRY_ASSIGN(format, format_of(options, file.get()));
  if (format == Format::csv) return open_csv(options, file.get());
  return open_lines(options, std::move(file));
}

Result<Exit> print(const Imported& imported, const Options& options, Program& program) {
  Output out(program.out);
  if (options.json) {
    out.write(fmt::format("{{\"imported\":{},\"alreadyThere\":{},\"skipped\":{},\"dryRun\":{}}}\n",
                          imported.imported, imported.already_there, imported.skipped,
                          options.dry_run));
    return out.finish();
  }
  out.write(fmt::format("{} {} events", options.dry_run ? "would import" : "imported",
                        imported.imported));
  if (imported.already_there > 0) {
    out.write(fmt::format(", {} were there already", imported.already_there));
  }
  out.write(fmt::format(", skipped {} rows\n", imported.skipped));
  return out.finish();
}

Result<Exit> import(const Options& options, Program& program) {
  if (options.limits == "umadb" && !options.store.in_process()) {
    return invalid_field("--limits", "umadb needs --store: a server has limits of its own");
  }
  WEIR_TRY_ASSIGN(source, open_source(options, program));
  WEIR_TRY_ASSIGN(
      store, options.store.open(program, options.dry_run ? StoreOptions::Missing::fails
                                                         : StoreOptions::Missing::file_is_made));
  const auto& limits = options.limits == "umadb" ? umadb_limits() : store->info().limits;
  source->set_limits(limits);
  Progress progress(program, "importing", "events");
  ImportOptions how{.strict = options.strict,
                    .dry_run = options.dry_run,
                    .keep_without_id = options.store.in_process(),
                    .memory_max = options.memory_max()};
  how.batch_events_max =
      std::min<std::size_t>(options.batch.value_or(how.batch_events_max), limits.events_max);
  how.batch_bytes_max = std::min(how.batch_bytes_max, limits.append_bytes_max);
  if (options.limits == "umadb") how.limits = &umadb_limits();
  how.on_problem = [&](std::uint64_t line, const std::string& problem) {
    progress.clear();
    tell(program, fmt::format("line {}: {}\n", line, problem));
  };
  std::uint64_t reached = 0;
  how.on_progress = [&](std::uint64_t done, std::uint64_t all) {
    reached = done;
    progress.show(done, all);
  };
  how.stop = program.interrupted();
  const auto imported = import_events(*source, *store, how);
  progress.clear();
  if (!imported) {
    auto error = imported.error();
    if (reached > 0 && !options.dry_run) {
      error.details["remedy"] = fmt::format(
          "{} of the events are in the log; the same import goes on with the others", reached);
    }
    return error;
  }
  return print(imported.value(), options, program);
}

}  // namespace

Run define_import(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  flags.add("file", options->file, "CSV or NDJSON file, - for standard input").required();
  flags.add("--type", options->type, "CSV: the column that holds the type").type_name("COLUMN");
  flags
      .add_list("--tag", options->tags,
                "CSV: a column whose cells become tags key:cell; repeat for several")
      .type_name("COLUMN=KEY");
  flags.add("--time", options->time, "CSV: the column that holds the time (RFC 3339)")
      .type_name("COLUMN");
  flags.add("--separator", options->separator, "CSV: the character between cells").shows_default();
  flags.add("--format", options->format, "csv or ndjson; default by name or content")
      .one_of({"csv", "ndjson"});
  flags.add("--strict", options->strict, "Import nothing if any row cannot be read");
  flags.add("--dry-run", options->dry_run, "Only say what would be imported");
  flags.add("--batch", options->batch, "Events of an append; default 1000")
      .within(1, 10'000)
      .type_name("NUMBER");
  flags.add("--memory-max", options->memory_max_mib, "MiB that the import may hold")
      .shows_default()
      .within(1, 1 << 20)
      .type_name("MIB");
  flags
      .add("--limits", options->limits,
           "NDJSON: umadb for events that the umadb.v1 protocol allowed; needs --store")
      .shows_default()
      .one_of({"default", "umadb"});
  flags.add("--json", options->json, "Print the summary as a JSON object");
  options->store.add_to(flags);
  flags.footer(
      "Each event is appended once, however often the import is run or killed. Rows that\n"
      "cannot be read are told with their line numbers, and the exit code is still 0;\n"
      "with --strict it is 2, and nothing is imported.");
  return [options, &program] { return import(*options, program); };
}

}  // namespace weir::cli
