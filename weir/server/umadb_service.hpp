#pragma once

#include <memory>
#include <vector>

#include <weir/rpc/server_call.hpp>
#include <weir/server/access.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/call_report.hpp>
#include <weir/server/logs.hpp>

namespace weir::server {

/// umadb.v1.DCB over the logs, for clients written for UmaDB: once under that name and once under
/// the one of older clients, umadb.UmaDBService. The log is "default" unless the call's metadata
/// say otherwise ("weir-log"). docs/compatibility.md says what differs.
/// Events come and go byte by byte, whatever their data are.
/// Threads: pollers'; none of them waits for the disk.
/// Logs, executor (which reads for subscribers), reports, access and admission must outlive the
/// services.
std::vector<std::unique_ptr<rpc::Service>> make_umadb_services(Logs& logs, Executor& readers,
                                                               const CallReports& reports,
                                                               const Access& access,
                                                               Admission& admission);

}  // namespace weir::server
