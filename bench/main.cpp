#include <unistd.h>

#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <bench/case.hpp>
#include <bench/raw_grpc.hpp>
#include <weir/base/json.hpp>

namespace weir::bench {
namespace {

struct Options {
  bool quick = false;
  bool json = false;
  std::vector<std::string> only;
  std::string folder = WEIR_BUILD_DIR;
  std::string program = WEIR_PROGRAM;
};

struct Row {
  const Case* of;
  Figures figures;
};

/// Removed with all that is in it.
class Folder {
 public:
  static Result<std::unique_ptr<Folder>> create(const std::string& under) {
    auto pattern = (std::filesystem::absolute(under) / "bench-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
      return unavailable(fmt::format("no folder can be made in '{}'", under));
    }
    // The PostgreSQL server may run as another user.
    std::filesystem::permissions(pattern, std::filesystem::perms(0755));
    return std::unique_ptr<Folder>(new Folder(pattern));
  }
  ~Folder() {
    std::error_code left_for_the_user_to_remove;
    std::filesystem::remove_all(path_, left_for_the_user_to_remove);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

bool wanted(const Case& c, const Options& options) {
  if (options.only.empty()) return true;
  return std::any_of(options.only.begin(), options.only.end(), [&](const std::string& pattern) {
    return c.name.find(pattern) != std::string::npos;
  });
}

std::string in_words(double value) {
  return value >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

void print_row(const Row& row) {
  const auto& [c, figures] = row;
  fmt::print("{} {:>6.2f} {} {:<5.3g} {:>10} {:>10} {:<9} {}\n",
             c->met(figures.ratio) ? "  ok" : "miss", figures.ratio, c->at_most ? "<=" : "of",
             c->at_most.value_or(c->at_least), in_words(figures.raw), in_words(figures.weir),
             c->unit, c->name);
  std::fflush(stdout);
}

void print_json(const std::vector<Row>& rows) {
  std::string out = "[";
  for (const auto& [c, figures] : rows) {
    if (out.size() > 1) out += ',';
    out += "\n  {\"case\":";
    append_json_string(out, c->name);
    out += fmt::format(R"(,"raw":{:.6g},"weir":{:.6g},"ratio":{:.4g},"{}":{:.4g}}})", figures.raw,
                       figures.weir, figures.ratio, c->at_most ? "at_most" : "at_least",
                       c->at_most.value_or(c->at_least));
  }
  fmt::print("{}\n]\n", out);
}

Result<void> run(const Options& options) {
  WEIR_TRY_ASSIGN(folder, Folder::create(options.folder));
  Context context;
  context.folder = folder->path();
  context.program = options.program;
  context.quick = options.quick;
  std::vector<Case> cases = sqlite_cases(context);
  for (auto&& more : {postgres_cases(), wire_cases(), subscription_cases(), resilience_cases(),
                      telemetry_cases(), buffer_cases()}) {
    cases.insert(cases.end(), more.begin(), more.end());
  }
  std::vector<Row> rows;
  if (!options.json) {
    fmt::print("      ratio at least   raw       weir unit      case\n");
  }
  for (const auto& c : cases) {
    if (!wanted(c, options)) continue;
    if (options.json) fmt::print(stderr, "{}\n", c.name);
    auto figures = c.measure(context);
    if (!figures) {
      auto error = figures.error();
      error.message = c.name + ": " + error.message;
      return error;
    }
    rows.push_back({.of = &c, .figures = *figures});
    if (!options.json) print_row(rows.back());
  }
  if (options.json) print_json(rows);
  return {};
}

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  Options options;
  CLI::App app("Measures raw baselines and Weir beside each other", "bench/run");
  app.add_flag("--quick", options.quick,
               "Under two minutes in all; 1,000,000 events for 10,000,000");
  app.add_flag("--json", options.json,
               "Print a list of {case, raw, weir, ratio, at_least or at_most}");
  app.add_option("--only", options.only,
                 "Only the cases whose name has this in it; repeat for more");
  app.add_option("--dir", options.folder, "Where to make a temporary folder for the stores")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_option("--weir", options.program, "The program that serves")->capture_default_str();
  auto* raw = app.add_subcommand("raw-grpc", "The raw server, for this program itself");
  CLI11_PARSE(app, argc, argv);
  const auto done = raw->parsed() ? serve_raw_grpc(1000) : run(options);
  if (done) return 0;
  fmt::print(stderr, "error: {}\n", done.error().message);
  return 1;
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) {
  return weir::bench::main(argc, argv);
}
