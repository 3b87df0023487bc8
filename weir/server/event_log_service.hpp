#pragma once

#include <weir/v1/log.grpc.pb.h>

#include <weir/server/access.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/call.hpp>
#include <weir/server/logs.hpp>
#include <weir/server/streams.hpp>

namespace weir::server {

/// weir.v1.EventLog over the logs. Events of streams pass through without being rebuilt, hence
/// the raw methods.
/// Threads: gRPC's; none of them waits for the disk.
class EventLogService final
    : public v1::EventLog::WithCallbackMethod_Append<v1::EventLog::WithRawCallbackMethod_Read<
          v1::EventLog::WithRawCallbackMethod_Subscribe<v1::EventLog::WithCallbackMethod_GetLog<
              v1::EventLog::WithCallbackMethod_Head<v1::EventLog::WithCallbackMethod_ListLogs<
                  v1::EventLog::WithCallbackMethod_CreateLog<
                      v1::EventLog::WithCallbackMethod_SaveSnapshot<
                          v1::EventLog::WithCallbackMethod_LoadSnapshot<
                              v1::EventLog::WithCallbackMethod_DeleteSnapshot<
                                  v1::EventLog::WithCallbackMethod_GetTracking<
                                      v1::EventLog::WithCallbackMethod_Session<
                                          v1::EventLog::Service>>>>>>>>>>>> {
 public:
  /// All must outlive it.
  EventLogService(Logs& logs, Executor& readers, const CallReports& reports, const Access& access,
                  Admission& admission, StreamOptions streams)
      : logs_(logs),
        readers_(readers),
        reports_(reports),
        access_(access),
        admission_(admission),
        streams_(streams) {}

  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* Append(Context* context, const v1::AppendRequest* request,
                                   v1::AppendResponse* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Read(Context* context,
                                                   const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Subscribe(Context* context,
                                                        const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* GetLog(Context* context, const v1::GetLogRequest* request,
                                   v1::Log* response) override;
  grpc::ServerUnaryReactor* Head(Context* context, const v1::HeadRequest* request,
                                 v1::HeadResponse* response) override;
  grpc::ServerUnaryReactor* ListLogs(Context* context, const v1::ListLogsRequest* request,
                                     v1::ListLogsResponse* response) override;
  grpc::ServerUnaryReactor* CreateLog(Context* context, const v1::CreateLogRequest* request,
                                      v1::Log* response) override;
  grpc::ServerUnaryReactor* SaveSnapshot(Context* context, const v1::SaveSnapshotRequest* request,
                                         v1::SaveSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* LoadSnapshot(Context* context, const v1::LoadSnapshotRequest* request,
                                         v1::Snapshot* response) override;
  grpc::ServerUnaryReactor* DeleteSnapshot(Context* context,
                                           const v1::DeleteSnapshotRequest* request,
                                           v1::DeleteSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* GetTracking(Context* context, const v1::GetTrackingRequest* request,
                                        v1::GetTrackingResponse* response) override;
  grpc::ServerBidiReactor<v1::SessionRequests, v1::SessionResponses>* Session(
      Context* context) override;

 private:
  /// Who may do what by a call.
  struct Needed {
    security::Right right;
    const std::string& log;
  };
  /// Finds the log and runs `work` where it may block; what it returns ends the call.
  template <class Work>
  grpc::ServerUnaryReactor* blocking(std::string_view method, Context* context,
                                     const google::protobuf::Message& request, Needed needed,
                                     Work work);
  template <class Work>
  grpc::ServerUnaryReactor* blocking(const UnaryCall::Pointer& call, const std::string& log,
                                     Work work);
  UnaryCall::Pointer start(std::string_view method, const Context& context,
                           const google::protobuf::Message& request);
  /// Why a call is turned away, by how many there are or by who makes it.
  std::optional<Error> refusal(const UnaryCall& call, const Context& context, Needed needed) const;

  Logs& logs_;
  Executor& readers_;
  const CallReports& reports_;
  const Access& access_;
  Admission& admission_;
  const StreamOptions streams_;
};

}  // namespace weir::server
