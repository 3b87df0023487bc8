#pragma once

#include <weir/v1/log.grpc.pb.h>

#include <weir/rpc/server_call.hpp>
#include <weir/server/access.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/call.hpp>
#include <weir/server/logs.hpp>
#include <weir/server/streams.hpp>

namespace weir::server {

/// weir.v1.EventLog over the logs. Events of streams pass through without being rebuilt, hence
/// the raw methods.
/// Threads: pollers'; none of them waits for the disk.
class EventLogService final : public rpc::Service {
 public:
  /// All must outlive it.
  EventLogService(Logs& logs, Executor& readers, const CallReports& reports, const Access& access,
                  Admission& admission, StreamOptions streams);

  grpc::Service& api() override { return api_; }

 private:
  using Call = rpc::ServerCall;
  using Stream = rpc::ServerWriter<grpc::ByteBuffer>;
  void append(Call& call, v1::AppendRequest& request, v1::AppendResponse& response);
  void read(Stream& call, const grpc::ByteBuffer& request);
  void subscribe(Stream& call, const grpc::ByteBuffer& request);
  void get_log(Call& call, const v1::GetLogRequest& request, v1::Log& response);
  void head(Call& call, const v1::HeadRequest& request, v1::HeadResponse& response);
  void list_logs(Call& call, v1::ListLogsResponse& response);
  void create_log(Call& call, const v1::CreateLogRequest& request, v1::Log& response);
  void save_snapshot(Call& call, const v1::SaveSnapshotRequest& request,
                     v1::SaveSnapshotResponse& response);
  void load_snapshot(Call& call, const v1::LoadSnapshotRequest& request, v1::Snapshot& response);
  void delete_snapshot(Call& call, const v1::DeleteSnapshotRequest& request);
  void get_tracking(Call& call, const v1::GetTrackingRequest& request,
                    v1::GetTrackingResponse& response);

  /// Who may do what by a call.
  struct Needed {
    security::Right right;
    const std::string& log;
  };
  /// Finds the log and runs `work` where it may block; what it returns ends the call.
  template <class Work>
  void blocking(std::string_view method, Call& call, const google::protobuf::Message& request,
                Needed needed, Work work);
  template <class Work>
  void blocking(const UnaryCall::Pointer& call, const std::string& log, Work work);
  UnaryCall::Pointer start(std::string_view method, Call& call,
                           const google::protobuf::Message& request);
  /// Why a call is turned away, by how many there are or by who makes it.
  std::optional<Error> refusal(const UnaryCall& begun, const Call& call, Needed needed) const;

  using Api = v1::EventLog::WithAsyncMethod_Append<v1::EventLog::WithRawMethod_Read<
      v1::EventLog::WithRawMethod_Subscribe<v1::EventLog::WithAsyncMethod_GetLog<
          v1::EventLog::WithAsyncMethod_Head<v1::EventLog::WithAsyncMethod_ListLogs<
              v1::EventLog::WithAsyncMethod_CreateLog<v1::EventLog::WithAsyncMethod_SaveSnapshot<
                  v1::EventLog::WithAsyncMethod_LoadSnapshot<
                      v1::EventLog::WithAsyncMethod_DeleteSnapshot<
                          v1::EventLog::WithAsyncMethod_GetTracking<
                              v1::EventLog::WithAsyncMethod_Session<
                                  v1::EventLog::Service>>>>>>>>>>>>;

  Api api_;
  Logs& logs_;
  Executor& readers_;
  const CallReports& reports_;
  const Access& access_;
  Admission& admission_;
  const StreamOptions streams_;
};

}  // namespace weir::server
