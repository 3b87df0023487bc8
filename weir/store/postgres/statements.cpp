#include <weir/store/postgres/statements.hpp>

#include <fmt/format.h>

#include <weir/store/postgres/event_row.hpp>

namespace weir::postgres {
namespace {

// The planner has no choice in these: a subquery with LIMIT can't be turned into a join, and the
// sessions that read have sequential scans, hash and merge joins off. So every plan is index scans
// in nested loops, whatever the statistics say or don't say yet.

constexpr std::string_view bound =
    "WITH bound AS MATERIALIZED"
    " (SELECT head, least($3, head) AS until FROM weir.log WHERE id = $1)";

struct Words {
  explicit Words(Direction direction) : forwards(direction == Direction::forwards) {}
  bool forwards;
  std::string_view order() const { return forwards ? "ASC" : "DESC"; }
  std::string_view farthest() const { return forwards ? "max" : "min"; }
  std::string_view nearest() const { return forwards ? "min" : "max"; }
  std::string_view within() const { return forwards ? "<=" : ">="; }
};

/// The first $6 postings of the terms that lead an item.
std::string lead(std::size_t item, int parameter, const Words& words) {
  return fmt::format(
      "SELECT {} AS item, d.term, p.position FROM bound CROSS JOIN unnest(${}::bigint[]) AS d(term)"
      " CROSS JOIN LATERAL (SELECT t.position FROM weir.term t WHERE t.log_id = $1"
      " AND t.term = d.term AND t.position > $2 AND t.position <= bound.until"
      " ORDER BY t.position {} LIMIT $6) p",
      item, parameter, words.order());
}

/// Whether a posting's event has one of the terms. Term by term, since the planner may take
/// term = ANY(...) for a filter, and go through all of a log's postings.
std::string check(int parameter) {
  return fmt::format(
      "(SELECT true FROM unnest(${}::bigint[]) AS g(term) CROSS JOIN LATERAL"
      " (SELECT 1 FROM weir.term f WHERE f.log_id = $1 AND f.term = g.term"
      " AND f.position = d.position LIMIT 1) f LIMIT 1)",
      parameter);
}

std::string occurred(const ReadShape& shape, int& parameter) {
  std::string text;
  if (shape.occurred_from) text += fmt::format(" AND e.occurred_at >= ${}", parameter++);
  if (shape.occurred_until) text += fmt::format(" AND e.occurred_at <= ${}", parameter++);
  return text;
}

/// Wraps a selection of events so that it ends with the one that reaches $5 bytes, and puts the
/// head and how far it looked before each.
std::string bounded(std::string_view events, std::string_view reached, const Words& words) {
  return fmt::format(
      " SELECT bound.head, {0}, s.* FROM bound{1} LEFT JOIN LATERAL"
      " (SELECT {2} FROM (SELECT {2}, sum(bytes) OVER (ORDER BY position {3}) - bytes AS before"
      " FROM ({4}) c) w WHERE before < $5) s ON true ORDER BY s.position {3}",
      reached.empty() ? "NULL::bigint" : "reached.position",
      reached.empty() ? "" : " CROSS JOIN reached", event_columns, words.order(), events);
}

std::string scan_statement(const ReadShape& shape) {
  const Words words(shape.direction);
  int parameter = 7;
  const auto within = words.forwards ? "e.position > $2 AND e.position <= least(bound.until, $6)"
                                     : "e.position > greatest($2, bound.until - $6)"
                                       " AND e.position <= bound.until";
  const auto events = fmt::format(
      "SELECT {} FROM weir.event e WHERE e.log_id = $1 AND {}{}"
      " ORDER BY e.position {} LIMIT $4",
      event_columns, within, occurred(shape, parameter), words.order());
  return std::string(bound) + bounded(events, "", words);
}

}  // namespace

std::string read_statement(const ReadShape& shape) {
  if (shape.checks.empty()) return scan_statement(shape);
  const Words words(shape.direction);
  int parameter = 7;
  const auto times = occurred(shape, parameter);
  std::string leads, checks;
  for (std::size_t item = 0; item < shape.checks.size(); ++item) {
    if (item > 0) leads += " UNION ALL ";
    leads += lead(item, parameter++, words);
    std::string all = "true";
    for (std::size_t i = 0; i < shape.checks[item]; ++i) all += " AND " + check(parameter++);
    checks += fmt::format(" WHEN {} THEN {}", item, all);
  }
  const auto events = fmt::format(
      "SELECT {0} FROM (SELECT DISTINCT d.position AS found FROM lead d"
      " WHERE (reached.position IS NULL OR d.position {1} reached.position)"
      " AND CASE d.item{2} END ORDER BY 1 {3}) h"
      " CROSS JOIN LATERAL (SELECT * FROM weir.event e WHERE e.log_id = $1"
      " AND e.position = h.found{4} LIMIT 1) e ORDER BY h.found {3} LIMIT $4",
      event_columns, words.within(), checks, words.order(), times);
  return fmt::format(
             "{}, lead AS MATERIALIZED ({}), reached AS MATERIALIZED (SELECT {}(r.last) AS position"
             " FROM (SELECT {}(position) AS last FROM lead GROUP BY item, term"
             " HAVING count(*) >= $6) r)",
             bound, leads, words.nearest(), words.farthest()) +
         bounded(events, "reached", words);
}

std::string probe_statement(Direction direction) {
  const Words words(direction);
  return fmt::format(
      "{} SELECT bound.head, s.found, s.last FROM bound"
      " CROSS JOIN unnest($4::bigint[]) WITH ORDINALITY AS d(term, n)"
      " CROSS JOIN LATERAL (SELECT count(*) AS found, {}(p.position) AS last FROM"
      " (SELECT t.position FROM weir.term t WHERE t.log_id = $1 AND t.term = d.term"
      " AND t.position > $2 AND t.position <= bound.until ORDER BY t.position {} LIMIT $5) p) s"
      " ORDER BY d.n",
      bound, words.farthest(), words.order());
}

}  // namespace weir::postgres
