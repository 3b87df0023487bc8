#pragma once

#include <functional>
#include <vector>

#include <weir/sql/postgres/rows.hpp>
#include <weir/sql/postgres/session.hpp>
#include <weir/store/engine/terms.hpp>
#include <weir/store/event_store.hpp>

namespace weir::postgres {

/// Runs one statement on some connection.
using Ask = std::function<Result<Rows>(const Call& call, const CallOptions& options)>;

/// One step of a read. Looks at some 20,000 postings or events at most.
/// Candidates come from weir.term: in each query item the rarest group of terms leads and the
/// others are checked; each event found is then judged by the query itself.
/// Threads: any.
class Reading {
 public:
  Reading(Ask ask, std::int32_t log_id, const engine::TermHasher& hasher)
      : ask_(std::move(ask)), log_id_(log_id), hasher_(hasher) {}

  Result<ReadStep> step(const ReadRequest& request) const;

 private:
  struct Plan;
  struct Found;

  Result<ReadStep> take(const ReadRequest& request, Plan plan) const;
  Result<Found> find(const ReadRequest& request, const Plan& plan) const;
  Result<Found> find_by_terms(const ReadRequest& request, Plan plan) const;
  Result<void> choose_leads(const ReadRequest& request, Plan& plan) const;
  Result<ReadStep> collect(const ReadRequest& request, const Plan& plan, const Found& found) const;

  const Ask ask_;
  const std::int32_t log_id_;
  const engine::TermHasher& hasher_;
};

}  // namespace weir::postgres
