#include <weir/store/postgres/reading.hpp>

#include <algorithm>

#include <weir/store/postgres/event_row.hpp>
#include <weir/store/postgres/statements.hpp>

namespace weir::postgres {
namespace {

/// Events or postings looked at in one statement.
constexpr std::uint64_t look_max = 20'000;
/// What a first look takes, in the hope that it is all there is: a decision's boundary is small.
constexpr std::uint64_t first_look = 256;
/// Candidates fetched when many, or nearly all, of them may turn out not to match.
constexpr std::uint64_t judged_min = 256;
constexpr std::uint64_t judged_max = 4096;
constexpr std::size_t judged_bytes_max = 4 << 20;
constexpr std::int64_t probe_postings = 64;
constexpr std::size_t probe_terms_max = 4096;
/// Groups of terms checked in one statement. What is left out is judged on the events.
constexpr std::size_t checks_max = 256;
/// Statements of more items than this are rarely seen twice, so not worth preparing.
constexpr std::size_t prepared_items_max = 4;

using Group = std::vector<engine::Term>;

std::int64_t signed_of(Position position) {
  return static_cast<std::int64_t>(std::min(position, position_max).value);
}

bool has_unindexed_where(const Query& query, const engine::TermHasher& hasher) {
  return std::any_of(query.items.begin(), query.items.end(), [&](const QueryItem& item) {
    return std::any_of(item.where.begin(), item.where.end(),
                       [&](const Predicate& p) { return !hasher.indexes(p.key); });
  });
}

}  // namespace

struct Reading::Plan {
  struct Item {
    std::vector<Group> groups;
    std::size_t lead = 0;
  };
  std::vector<Item> items;
  bool scans = true;
  /// Events must be judged: the terms don't say everything.
  bool judges = false;
  bool everything = false;
  /// Events still wanted.
  std::uint64_t wanted = 0;
  /// Events to fetch; more than are wanted when they must be judged.
  std::uint64_t asked = 0;
  /// $6 of the statement.
  std::uint64_t look = 0;

  bool has_choice() const {
    return std::any_of(items.begin(), items.end(),
                       [](const Item& item) { return item.groups.size() > 1; });
  }
  std::size_t leading_terms() const {
    std::size_t count = 0;
    for (const auto& item : items) count += item.groups[item.lead].size();
    return count;
  }
  /// So many postings of each leading term, or fewer when there are many such terms.
  std::uint64_t share_of(std::uint64_t postings) const {
    const auto most = look_max / std::max<std::size_t>(leading_terms(), 1);
    return std::max<std::uint64_t>(std::min(postings, most), 16);
  }
  /// Every posting is an event that is wanted.
  bool exact() const { return !scans && !judges && !has_choice(); }
};

struct Reading::Found {
  Rows rows;
  Position head;
  /// Up to where everything was looked at; nothing: to the end of the range.
  std::optional<Position> reached;
  std::uint64_t asked = 0;
  std::size_t bytes_asked = 0;
  std::size_t count = 0;
};

Result<ReadStep> Reading::step(const ReadRequest& request) const {
  const auto compiled = engine::compile(request.query, hasher_);
  Plan plan{.scans = compiled.scans,
            .judges = has_unindexed_where(request.query, hasher_),
            .everything = request.query.everything()};
  plan.wanted =
      std::min<std::uint64_t>(request.limit.value_or(UINT64_MAX), request.batch_events_max);
  if (!plan.scans) {
    for (const auto& item : compiled.items) {
      Plan::Item planned;
      // Tags come first: they are nearly always rarer than types.
      for (const auto term : item.all) planned.groups.push_back({term});
      for (const auto& group : item.any) planned.groups.push_back(group);
      plan.items.push_back(std::move(planned));
    }
  }
  plan.asked = plan.wanted;
  if (plan.judges) plan.asked = std::clamp(plan.wanted * 4, judged_min, judged_max);
  WEIR_TRY_ASSIGN(step, take(request, plan));
  if (!step.batch.empty() || step.end || plan.asked == judged_max || !plan.judges) return step;
  plan.asked = judged_max;
  return take(request, plan);
}

Result<ReadStep> Reading::take(const ReadRequest& request, Plan plan) const {
  plan.look = look_max;
  auto found = plan.scans ? find(request, plan) : find_by_terms(request, plan);
  if (!found) return found.error();
  return collect(request, plan, *found);
}

/// A short look first; then, if that was not all, a long one led by the rarest terms.
Result<Reading::Found> Reading::find_by_terms(const ReadRequest& request, Plan plan) const {
  plan.look = plan.share_of(plan.exact() ? plan.wanted : first_look);
  WEIR_TRY_ASSIGN(first, find(request, plan));
  if (!first.reached || plan.exact() || first.count >= plan.wanted) return first;
  const auto wide = plan.share_of(std::max(plan.wanted * 4, first_look));
  if (wide <= plan.look && first.count > 0) return first;
  WEIR_TRY(choose_leads(request, plan));
  plan.look = wide;
  while (true) {
    WEIR_TRY_ASSIGN(found, find(request, plan));
    const bool farther = plan.share_of(plan.look * 8) == plan.look * 8;
    if (found.count > 0 || !found.reached || !farther) return found;
    plan.look *= 8;
  }
}

/// Looks at a few postings of each term: where the last of them lies tells how dense they are.
Result<void> Reading::choose_leads(const ReadRequest& request, Plan& plan) const {
  std::vector<engine::Term> terms;
  for (const auto& item : plan.items) {
    if (item.groups.size() < 2) continue;
    for (const auto& group : item.groups) terms.insert(terms.end(), group.begin(), group.end());
  }
  if (terms.empty() || terms.size() > probe_terms_max) return {};
  const auto text = probe_statement(request.direction);
  Call call{.text = text, .params = {}};
  call.params.add_int4(log_id_).add(signed_of(request.after));
  call.params.add(signed_of(request.until.value_or(position_max)));
  call.params.begin_array(Oid::int8, terms.size());
  for (const auto term : terms) call.params.element(static_cast<std::int64_t>(term));
  call.params.add(probe_postings);
  WEIR_TRY_ASSIGN(rows, ask_(call, request.call));
  if (rows.size() != terms.size()) return damaged("the log's row is gone");

  std::size_t row = 0;
  const auto estimate = [&](std::int64_t begin, std::int64_t end) {
    const auto found = rows.int8(row, 1);
    if (found < probe_postings) return static_cast<double>(found);
    const auto last = rows.int8(row, 2);
    const auto span = request.direction == Direction::forwards ? last - begin : end - last + 1;
    return static_cast<double>(found) * static_cast<double>(end - begin) /
           static_cast<double>(std::max<std::int64_t>(span, 1));
  };
  for (auto& item : plan.items) {
    if (item.groups.size() < 2) continue;
    std::optional<double> least;
    for (std::size_t i = 0; i < item.groups.size(); ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < item.groups[i].size(); ++j, ++row) {
        const auto end =
            std::min(rows.int8(row, 0), signed_of(request.until.value_or(position_max)));
        sum += estimate(signed_of(request.after), end);
      }
      if (least && *least <= sum) continue;
      least = sum;
      item.lead = i;
    }
  }
  return {};
}

Result<Reading::Found> Reading::find(const ReadRequest& request, const Plan& plan) const {
  ReadShape shape{.direction = request.direction,
                  .occurred_from = request.occurred.from.has_value(),
                  .occurred_until = request.occurred.until.has_value()};
  const auto bytes =
      plan.judges ? std::max(request.batch_bytes_max, judged_bytes_max) : request.batch_bytes_max;
  const auto after = signed_of(request.after);
  auto look = static_cast<std::int64_t>(plan.look);
  if (plan.scans && request.direction == Direction::forwards) {
    look = after > signed_of(position_max) - look ? signed_of(position_max) : after + look;
  }
  Call call;
  auto& params = call.params;
  params.add_int4(log_id_).add(after).add(signed_of(request.until.value_or(position_max)));
  params.add(static_cast<std::int64_t>(plan.asked)).add(static_cast<std::int64_t>(bytes)).add(look);
  if (request.occurred.from) params.add(request.occurred.from->time_since_epoch().count());
  if (request.occurred.until) params.add(request.occurred.until->time_since_epoch().count());

  const auto add_terms = [&](const Group& group) {
    params.begin_array(Oid::int8, group.size());
    for (const auto term : group) params.element(static_cast<std::int64_t>(term));
  };
  std::size_t checks = 0;
  for (const auto& item : plan.items) {
    add_terms(item.groups[item.lead]);
    std::size_t checked = 0;
    for (std::size_t i = 0; i < item.groups.size(); ++i) {
      if (i == item.lead || checks >= checks_max) continue;
      add_terms(item.groups[i]);
      ++checked;
      ++checks;
    }
    shape.checks.push_back(checked);
  }
  const auto text = read_statement(shape);
  call.text = text;
  call.prepare = plan.items.size() <= prepared_items_max;
  WEIR_TRY_ASSIGN(rows, ask_(call, request.call));
  if (rows.empty()) return damaged("the log's row is gone");
  Found found{.rows = std::move(rows), .asked = plan.asked, .bytes_asked = bytes};
  found.head = Position(static_cast<std::uint64_t>(found.rows.int8(0, 0)));
  if (!found.rows.is_null(0, 1)) {
    found.reached = Position(static_cast<std::uint64_t>(found.rows.int8(0, 1)));
  }
  found.count = found.rows.is_null(0, 2) ? 0 : found.rows.size();
  return found;
}

/// Judges what was found and says how far the step got.
Result<ReadStep> Reading::collect(const ReadRequest& request, const Plan& plan,
                                  const Found& found) const {
  const bool forwards = request.direction == Direction::forwards;
  const auto after = std::min(request.after, position_max);
  const auto until = std::min(request.until.value_or(found.head), found.head);
  ReadStep step{.batch = {}, .head = found.head, .cursor = {}, .end = true};
  if (plan.wanted == 0) {
    step.cursor = forwards ? after : until.next();
    return step;
  }
  // As far as the statement looked, if nothing below stops earlier.
  step.cursor = forwards ? std::max(after, until) : after.next();
  if (found.reached) step.cursor = *found.reached;
  if (plan.scans && until.value > after.value + plan.look) {
    step.cursor = Position(forwards ? after.value + plan.look : until.value - plan.look + 1);
  }

  BatchBuilder builder;
  EventDecoder decoder(2);
  std::size_t bytes = 0;
  bool full = false, to_the_end = true;
  // No position of a log is without its event.
  const bool all =
      plan.everything && !request.occurred.from && !request.occurred.until && after < until;
  auto expected = forwards ? after.next() : until;
  for (std::size_t row = 0; row < found.count && !full; ++row) {
    WEIR_TRY(decoder.decode(found.rows, row));
    if (all && decoder.position() != expected) return event_missing(expected.value);
    expected = forwards ? expected.next() : expected.previous();
    bytes += static_cast<std::size_t>(decoder.bytes());
    if (plan.everything || matches(request.query, decoder.subject())) decoder.add_to(builder);
    full = builder.size() >= plan.wanted || builder.bytes() >= request.batch_bytes_max;
    const bool last_asked = row + 1 == found.asked || bytes >= found.bytes_asked;
    to_the_end = !full && !last_asked;
    if (!to_the_end) step.cursor = decoder.position();
  }
  if (all && to_the_end && (forwards ? expected <= step.cursor : expected >= step.cursor)) {
    return event_missing(expected.value);
  }
  const bool limit_reached = request.limit && builder.size() >= *request.limit;
  step.end = limit_reached || (forwards ? step.cursor >= until : step.cursor <= after.next());
  step.batch = std::move(builder).build();
  return step;
}

}  // namespace weir::postgres
