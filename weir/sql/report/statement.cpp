#include <weir/sql/report/statement.hpp>

#include <charconv>
#include <cstdint>
#include <utility>

namespace weir::sql {
namespace {

constexpr std::size_t operation_max = 16;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_in_word(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

std::string upper(std::string_view word) {
  std::string letters(word);
  for (char& c : letters) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  }
  return letters;
}

/// Words, and other characters one by one; without comments, space and what stands in quotes.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : rest_(text) {}

  /// Empty at the end.
  std::string_view next() {
    skip();
    if (rest_.empty()) return {};
    std::size_t length = 1;
    if (is_in_word(rest_.front())) {
      while (length < rest_.size() && is_in_word(rest_[length])) ++length;
    }
    const auto token = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return token;
  }

 private:
  void drop_past(std::string_view end) {
    const auto at = rest_.find(end, 1);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + end.size());
  }
  void skip() {
    while (!rest_.empty()) {
      const char first = rest_.front();
      if (first == ' ' || first == '\n' || first == '\t' || first == '\r') {
        rest_.remove_prefix(1);
      } else if (rest_.starts_with("--")) {
        drop_past("\n");
      } else if (rest_.starts_with("/*")) {
        drop_past("*/");
      } else if (first == '\'') {
        drop_past("'");
      } else {
        return;
      }
    }
  }

  std::string_view rest_;
};

/// The one table of a statement; empty where there are none or several.
std::string collection_of(std::string_view text) {
  Tokens tokens(text);
  std::string_view table;
  std::string before;
  bool first = true;
  for (auto token = tokens.next(); !token.empty();) {
    const bool into = before == "INTO";
    const bool names = into || before == "FROM" || before == "JOIN" || before == "UPDATE";
    const auto word = std::exchange(token, tokens.next());
    // FOR UPDATE and DO UPDATE SET name no table.
    before = upper(word);
    if (before == "UPDATE" && !first) before.clear();
    first = false;
    if (!names || !is_in_word(word.front())) continue;
    if (token == "(" && !into) continue;  // a function
    if (token == "," || (!table.empty() && table != word)) return {};
    table = word;
  }
  const auto dot = table.rfind('.');
  return std::string(dot == std::string_view::npos ? table : table.substr(dot + 1));
}

}  // namespace

std::string operation_of(std::string_view text) {
  const auto word = Tokens(text).next();
  if (word.empty() || !is_letter(word.front())) return {};
  return upper(word.substr(0, operation_max));
}

StatementName statement_name(std::string_view text) {
  StatementName name{.operation = operation_of(text)};
  // The names that a WITH gives look like tables.
  if (name.operation != "WITH") name.collection = collection_of(text);
  return name;
}

telemetry::Span span_of(const StatementReporting& reporting, const StatementTarget& target,
                        const StatementName& name, std::string_view text,
                        telemetry::SpanOptions options) {
  options.kind = telemetry::SpanKind::client;
  const auto& about = name.collection.empty() ? target.database : name.collection;
  auto span = reporting.telemetry.tracer->start_span(name.operation + " " + about,
                                                     {{"db.system.name", target.system},
                                                      {"db.namespace", target.database},
                                                      {"db.operation.name", name.operation}},
                                                     options);
  if (!name.collection.empty()) span.set_attribute("db.collection.name", name.collection);
  if (!target.host.empty()) span.set_attribute("server.address", target.host);
  std::int64_t port = 0;
  std::from_chars(target.port.data(), target.port.data() + target.port.size(), port);
  if (port > 0) span.set_attribute("server.port", port);
  if (reporting.text) span.set_attribute("db.query.text", text);
  return span;
}

}  // namespace weir::sql
