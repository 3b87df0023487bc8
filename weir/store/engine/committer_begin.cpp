#include <weir/store/engine/committer.hpp>

#include <algorithm>

namespace weir::engine {

// How a Committer begins with a group, and what it learns of the log by that.

Result<Begun> Committer::begin(const Batch& group) {
  if (!writer_) {
    WEIR_TRY_ASSIGN(writer, backend_.open_writer());
    writer_ = std::move(writer);
  }
  std::vector<std::string_view> keys, sources;
  for (const auto* pending : group) {
    if (!pending->request.idempotency_key.empty()) keys.push_back(pending->request.idempotency_key);
    if (pending->request.tracking) sources.push_back(pending->request.tracking->source);
  }
  const auto known = tail_.known();
  BeginRequest request{.known = known.head,
                       .mark = known.mark,
                       .missed_max = options_.missed_events_max,
                       .missed_bytes_max = options_.missed_bytes_max,
                       .keys = keys,
                       .sources = sources,
                       .asked_at = group.front()->asked_at,
                       .deadline = group.front()->request.call.deadline};
  for (const auto* pending : group) {
    const auto& deadline = pending->request.call.deadline;
    request.asked_at = std::min(request.asked_at, pending->asked_at);
    if (!deadline) request.deadline.reset();
    if (request.deadline) request.deadline = std::max(*request.deadline, *deadline);
  }
  return writer_->begin(request);
}

void Committer::learn(const Begun& begun) {
  auto known = tail_.known();
  const bool rewound = begun.rewound || begun.head < known.head;
  if (begun.head == known.head && !rewound) return;
  const Position missed_begin = begun.missed.empty() ? begun.head : begun.missed.first().previous();
  if (rewound) {
    tail_.rewind(missed_begin);
    known = tail_.known();
  } else if (missed_begin > known.head) {
    tail_.skip_to(known, missed_begin);  // too much happened elsewhere: begin afresh
  }
  std::vector<std::uint32_t> counts;
  std::vector<Term> terms;
  std::optional<Mark> last;
  for (const auto& event : begun.missed) {
    const auto old_size = terms.size();
    add_terms(hasher_, event.type(), event.tags(),
              is_json(event.content_type()) ? event.data() : std::string_view(), terms);
    counts.push_back(static_cast<std::uint32_t>(terms.size() - old_size));
    if (event.position() == begun.head) last = mark_of(event);
  }
  tail_.append(known, missed_begin.next(), counts, terms, last);
  advanced_(begun.head);
}

}  // namespace weir::engine
