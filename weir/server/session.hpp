#pragma once

#include <grpcpp/grpcpp.h>
#include <weir/v1/log.pb.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include <weir/rpc/server_call.hpp>
#include <weir/server/access.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/call_report.hpp>
#include <weir/server/logs.hpp>

namespace weir::server {

/// One Session stream: appends, bounded reads and heads in flight side by side. A message carries
/// the answers that became ready while the one before was being written. While a client does not
/// take its answers, nothing more is read: neither from the log nor of its requests.
/// Owned by itself until gRPC is done with it and every request is answered.
class SessionStream final : public rpc::ServerReactor,
                            public std::enable_shared_from_this<SessionStream> {
 public:
  /// Requests that may be outstanding; no further message is read while there are more.
  static constexpr std::size_t outstanding_max = 4096;
  /// Requests in one message; more end the stream with invalid_argument.
  static constexpr int requests_max = 131'072;

  /// Reads of one message that the thread which takes it may answer itself.
  static constexpr int reads_here_max = 24;
  /// Reads that the log is asked for at a time; others wait.
  static constexpr std::size_t reads_under_way_max = 64;
  /// Bytes of answers from which on a message is full; the last one may go past it.
  static constexpr std::size_t message_bytes_max = 256 << 10;
  /// Bytes of answers that wait to be sent, from which on nothing more is begun.
  static constexpr std::size_t waiting_bytes_max = 8 << 20;

  /// `reports` and `admission` must outlive the stream. Whether the caller may is asked for each
  /// request.
  using Call = rpc::ServerReaderWriter<v1::SessionRequests, v1::SessionResponses>;
  static void start(Call& call, Logs& logs, const CallReports& reports, Caller caller,
                    Admission& admission, CallReport report);

 private:
  SessionStream(Call& call, Logs& logs, const CallReports& reports, Caller caller,
                Admission& admission, CallReport report)
      : call_(call),
        logs_(logs),
        reports_(reports),
        caller_(std::move(caller)),
        admission_(admission),
        report_(std::move(report)) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  /// Takes no more requests, answers what is outstanding, and ends so.
  void end_with(const Error& error);
  bool is_alone();
  void take(v1::SessionRequest& request);
  Result<void> may(const v1::SessionRequest& request, const telemetry::Context& context) const;
  void append(std::uint64_t number, CallOptions call, v1::AppendRequest& request);
  void read(std::uint64_t number, CallOptions call, v1::SessionRead& request);
  struct Read {
    std::uint64_t number = 0;
    std::string log;
    std::shared_ptr<ReadRequest> request;
  };
  void begin_reads(std::unique_lock<std::mutex>& lock);
  bool may_begin_read() const;
  void begin_read(const Read& read);
  void head(std::uint64_t number, CallOptions call, const std::string& log);
  void cancel(std::uint64_t number);
  /// Nothing when the request was refused already.
  std::optional<CallOptions> begin(const v1::SessionRequest& request, std::string_view operation);
  void refuse(std::uint64_t number, const Error& error);
  /// Adds an answer; `fill` sets what it says.
  template <class Fill>
  void answer(std::uint64_t number, const Error* error, Fill fill);
  void answer_error(std::unique_lock<std::mutex>& lock, std::uint64_t number, const Error& error);
  template <class Fill>
  void add_answer(std::uint64_t number, Fill fill);
  bool take_message();
  void break_off();
  void go_on(std::unique_lock<std::mutex>& lock);
  bool may_read() const;
  void finish_if_over();

  Call& call_;
  Logs& logs_;
  const CallReports& reports_;
  const Caller caller_;
  Admission& admission_;
  CallReport report_;
  /// Whom its requests are counted for; empty when that does not matter.
  std::string client_;
  Admission::Ticket ticket_;
  /// When the message came that is being taken.
  Instant arrived_{};
  std::mutex mutex_;
  std::shared_ptr<SessionStream> self_;
  v1::SessionRequests in_;
  /// Reads of the message that is being taken.
  int reads_taken_ = 0;
  v1::SessionResponses out_;
  struct Message {
    v1::SessionResponses responses;
    std::size_t bytes = 0;
  };
  std::deque<Message> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::deque<Read> waiting_reads_;
  std::size_t reads_under_way_ = 0;
  bool beginning_reads_ = false;
  struct Outstanding {
    /// The log has been asked for it.
    bool read_under_way = false;
    std::stop_source stop;
    SessionReport report;
    Admission::Ticket ticket;
  };
  std::map<std::uint64_t, Outstanding> outstanding_;
  bool reading_ = true;
  bool writing_ = false;
  bool write_put_off_ = false;
  bool no_more_requests_ = false;
  bool broken_ = false;
  bool finished_ = false;
  bool draining_ = false;
  /// How the stream ends, when it is not the client that ends it.
  grpc::Status last_;
  using OnStop = std::stop_callback<std::function<void()>>;
  std::unique_ptr<OnStop> on_drain_, on_token_end_;
};

}  // namespace weir::server
