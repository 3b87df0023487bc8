#include <weir/store/postgres/listener.hpp>

#include <pthread.h>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace weir::postgres {
namespace {

constexpr std::chrono::milliseconds pause_min{100};
constexpr std::chrono::milliseconds pause_max{1000};
/// How often listeners are called, at most, while no connection can be made.
constexpr std::chrono::seconds deaf_calls_every{1};
/// Asks now and then whether the server is still there, should its end have gone unnoticed.
constexpr std::chrono::seconds check_interval{5};
constexpr std::chrono::seconds check_time_max{5};
/// Behind a pooler: how often listeners are called, and after how long it is looked again whether
/// there still is one.
constexpr std::chrono::milliseconds poll_every{200};
constexpr int polls_max = 300;

}  // namespace

std::string announcement(std::int32_t log_id, const Uuid& session) {
  return fmt::format("{} {}", log_id, to_string(session));
}

Listener::Listener(ConnectOptions connect, const Clock& clock)
    : connect_(std::move(connect)), clock_(clock) {}

Listener::~Listener() {
  thread_.request_stop();
  pause_.notify_all();
}

void Listener::add(const void* owner, std::int32_t log_id, std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  entries_[owner] = {log_id, std::move(listener)};
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
}

void Listener::remove(const void* owner) {
  const std::lock_guard lock(mutex_);
  entries_.erase(owner);
}

void Listener::add_own(const Uuid& session) {
  const std::lock_guard lock(mutex_);
  own_.insert(session);
}

void Listener::remove_own(const Uuid& session) {
  const std::lock_guard lock(mutex_);
  own_.erase(session);
}

void Listener::call(std::int32_t log_id) {
  const std::lock_guard lock(mutex_);
  for (const auto& [owner, entry] : entries_) {
    if (entry.log_id == log_id) entry.listener();
  }
}

void Listener::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weir-listen");
  auto pause = pause_min;
  auto called_at = clock_.instant() - deaf_calls_every;
  while (!stop.stop_requested()) {
    bool connected = false;
    // Why it ended makes no difference: it is begun anew until it is stopped.
    if (const auto listened = listen(stop, connected); listened) return;
    const auto now = clock_.instant();
    if (!connected && now - called_at >= deaf_calls_every) {
      called_at = now;
      call_all();
    }
    pause = connected ? pause_min : std::min(pause * 2, pause_max);
    wait_for(pause, stop);
  }
}

void Listener::wait_for(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::unique_lock lock(pause_mutex_);
  pause_.wait_for(lock, stop, time, [] { return false; });
}

void Listener::call_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [owner, entry] : entries_) entry.listener();
}

/// Succeeds when it is stopped.
Result<void> Listener::poll(const std::stop_token& stop) {
  for (int i = 0; i < polls_max && !stop.stop_requested(); ++i) {
    call_all();
    wait_for(poll_every, stop);
  }
  if (stop.stop_requested()) return {};
  return unavailable("PostgreSQL: it is time to look for a pooler again");
}

/// Until it is stopped (then it succeeds) or the connection fails.
Result<void> Listener::listen(const std::stop_token& stop, bool& connected) {
  const auto patience = [&](std::chrono::milliseconds time) {
    return Patience{.deadline = clock_.instant() + time, .stop = stop};
  };
  WEIR_TRY_ASSIGN(session, Session::connect(connect_, clock_, {.stop = stop}));
  // A pooler gives out numbers of its own.
  WEIR_TRY_ASSIGN(process,
                  session->execute("SELECT pg_backend_pid()", {}, patience(check_time_max)));
  polls_ = process.int4(0, 0) != session->process();
  if (polls_) {
    connected = true;
    session.reset();
    return poll(stop);
  }
  WEIR_TRY_ASSIGN(listening, session->execute("LISTEN weir_append", {}, patience(check_time_max)));
  connected = true;
  call_all();
  while (true) {
    auto notifications = session->wait_for_notifications(patience(check_interval));
    if (stop.stop_requested()) return {};
    if (notifications) {
      for (const auto& notification : *notifications) heard(notification);
    } else if (notifications.error().code == Code::deadline_exceeded) {
      WEIR_TRY_ASSIGN(alive, session->execute("SELECT 1", {}, patience(check_time_max)));
    } else {
      return notifications.error();
    }
  }
}

void Listener::heard(const Notification& notification) {
  std::string_view payload = notification.payload;
  std::int32_t log_id = 0;
  const auto* end = payload.data() + payload.size();
  const auto* after_id = std::from_chars(payload.data(), end, log_id).ptr;
  payload.remove_prefix(static_cast<std::size_t>(after_id - payload.data()));
  if (payload.starts_with(' ')) payload.remove_prefix(1);
  const auto session = parse_uuid(payload);
  const std::lock_guard lock(mutex_);
  if (session && own_.contains(*session)) return;
  for (const auto& [owner, entry] : entries_) {
    if (entry.log_id == log_id) entry.listener();
  }
}

}  // namespace weir::postgres
